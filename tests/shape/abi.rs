//! `include/mosquitto_abi.h` beside the headers that each supported broker ships.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Finished, Tree, finish};

/// Compiles the probe of the directory `include`, which is beside our header.
fn probe(tree: &Tree, include: &Path) -> Finished {
    finish(
        Command::new("c++")
            .args(["-std=c++17", "-fsyntax-only", "-w", "-I"])
            .arg(tree.include_dir())
            .arg("-I")
            .arg(include)
            .arg(include.join("abi_probe.cpp")),
    )
}

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

#[test]
fn our_header_agrees_with_every_brokers_own() {
    for tree in Tree::all() {
        probe(&tree, &include()).succeeded();
    }
}

#[test]
fn a_header_that_differs_is_found() {
    let header = fs::read_to_string(include().join("mosquitto_abi.h")).unwrap();
    let changes = [
        ("\tint max_key_len;", "\tlong max_key_len;"),
        ("#define MOSQ_ERR_AUTH 11", "#define MOSQ_ERR_AUTH 12"),
    ];
    for (from, to) in changes {
        let dir = tempfile::tempdir().unwrap();
        let changed = header.replace(from, to);
        assert_ne!(changed, header);
        fs::write(dir.path().join("mosquitto_abi.h"), changed).unwrap();
        let probed = include().join("abi_probe.cpp");
        fs::copy(probed, dir.path().join("abi_probe.cpp")).unwrap();
        for tree in Tree::all() {
            let compiled = probe(&tree, dir.path());
            assert_ne!(compiled.code, Some(0), "{to} on {}", tree.version());
        }
    }
}
