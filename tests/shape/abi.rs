//! Our header beside the headers of every supported broker: the probe compiles where they agree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Tree;

/// What the compiler says of the probe with these broker headers; nothing when they agree.
fn differences(headers: &Path) -> String {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let output = Command::new("c++")
        .args(["-std=c++17", "-fsyntax-only", "-w", "-I"])
        .arg(headers)
        .arg("-I")
        .arg(&include)
        .arg(include.join("abi_probe.cpp"))
        .output()
        .expect("a C++ compiler");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn our_header_agrees_with_every_brokers() {
    for tree in Tree::all() {
        let said = differences(&tree.include_dir());
        assert!(said.is_empty(), "{}: {said}", tree.version());
    }
}

/// Copies a broker's headers and changes `from` to `to` in all of them.
fn doctored(tree: &Tree, from: &str, to: &str) -> (tempfile::TempDir, usize) {
    fn copy(from_dir: &Path, to_dir: &Path, from: &str, to: &str) -> usize {
        let mut changed = 0;
        for entry in fs::read_dir(from_dir).unwrap().flatten() {
            let (path, copy_path): (PathBuf, _) = (entry.path(), to_dir.join(entry.file_name()));
            if path.is_dir() {
                fs::create_dir(&copy_path).unwrap();
                changed += copy(&path, &copy_path, from, to);
            } else if let Ok(text) = fs::read_to_string(&path) {
                changed += usize::from(text.contains(from));
                fs::write(copy_path, text.replace(from, to)).unwrap();
            }
        }
        changed
    }
    let dir = tempfile::tempdir().unwrap();
    let changed = copy(&tree.include_dir(), dir.path(), from, to);
    (dir, changed)
}

#[test]
fn a_header_that_moves_a_field_or_a_constant_is_found() {
    let moves = [
        (
            "MOSQ_EVT_TICK = 9",
            "MOSQ_EVT_TICK = 8",
            "MOSQ_EVT_TICK differs",
        ),
        (
            "char *password;",
            "long before; char *password;",
            "basic_auth.password differs",
        ),
        (
            "uint16_t data_out_len;",
            "uint32_t data_out_len;",
            "data_out_len differs",
        ),
        (
            "MOSQ_ERR_AUTH = 11",
            "MOSQ_ERR_AUTH = 12",
            "MOSQ_ERR_AUTH differs",
        ),
    ];
    for tree in Tree::all() {
        for (from, to, said) in moves {
            let (headers, changed) = doctored(&tree, from, to);
            assert!(changed > 0, "{}: no {from:?}", tree.version());
            let differences = differences(headers.path());
            assert!(
                differences.contains(said),
                "{} {said}: {differences}",
                tree.version()
            );
        }
    }
}
