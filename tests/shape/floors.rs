//! The floors of the house: no file uses a room above its own, and `unsafe` has one room.

use super::map::Map;
use super::sources::Source;

#[test]
fn no_room_uses_a_higher_one() {
    let sources = Source::all();
    assert!(sources.len() > 5, "the sources were not found");
    let wrong = upward_imports(&map(), &sources);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_on_the_map() {
    let map = map();
    for source in Source::all() {
        let unknown = source.room().filter(|room| map.floor(room).is_none());
        assert_eq!(unknown, None, "{} is not on the map", source.path);
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in Source::all() {
        assert!(source.text.starts_with("//! "), "{}", source.path);
    }
}

#[test]
fn unsafe_code_is_forbidden_outside_ffi() {
    for source in Source::all() {
        // A lint of the crate's root could not be taken back for ffi; the map holds no code.
        let exempt = source.path == "lib.rs" || source.room() == Some("ffi");
        assert!(exempt || forbids_unsafe(&source), "{}", source.path);
    }
}

#[test]
fn the_map_holds_no_code() {
    let lib = lib();
    let is_map = |line: &&str| {
        line.is_empty()
            || line.starts_with("//")
            || line.starts_with("#[cfg(")
            || (line.trim_start_matches("pub ").starts_with("mod ") && line.ends_with(';'))
    };
    let code: Vec<&str> = lib.lines().filter(|line| !is_map(line)).collect();
    assert!(code.is_empty(), "{code:#?}");
}

#[test]
fn upward_imports_are_found_however_they_are_written() {
    for (path, text) in [
        ("store/mod.rs", "//! Doc.\nuse crate::engine::Engine;\n"),
        ("store/mod.rs", "//! Doc.\nuse crate::{model, engine};\n"),
        (
            "store/mod.rs",
            "//! Doc.\nuse crate::{\n    model::{A, B},\n    engine::E,\n};\n",
        ),
        (
            "store/mod.rs",
            "//! Doc.\nfn f() { crate::engine::open(); }\n",
        ),
        ("store/mod.rs", "//! Doc.\nuse super::engine::Engine;\n"),
        (
            "store/sqlite/query.rs",
            "//! Doc.\nuse super::super::super::engine::Engine;\n",
        ),
        ("store/mod.rs", "//! Doc.\nuse crate::admin::Command;\n"),
        (
            "credential/mod.rs",
            "//! Doc.\nuse crate::verified::Cache;\n",
        ),
        ("cli/mod.rs", "//! Doc.\nuse crate::ffi::Broker;\n"),
        ("model.rs", "//! Doc.\nuse crate::store::Store;\n"),
        ("model.rs", "//! Doc.\nuse crate::cellar::Wine;\n"),
    ] {
        let wrong = upward_imports(&map(), &[source(path, text)]);
        assert_eq!(wrong.len(), 1, "{path}: {text:?} gives {wrong:?}");
        assert!(wrong[0].starts_with(&format!("src/{path}:")), "{wrong:?}");
    }
}

#[test]
fn downward_imports_and_comments_are_no_offence() {
    for (path, text) in [
        (
            "engine/mod.rs",
            "use crate::{credential, store::{self, Store}, verdict::Verdict};\n",
        ),
        ("store/mod.rs", "use crate::credential::Credential;\n"),
        (
            "store/mod.rs",
            "// the engine calls it: crate::engine\n/// See [crate::engine].\n",
        ),
        (
            "store/mod.rs",
            "use my_crate::engine;\nmod tests {\n    use super::{Row, parse};\n}\n",
        ),
        (
            "store/sqlite/mod.rs",
            "use super::engine_of_sqlite;\nuse super::super::store::Store;\n",
        ),
        ("admin/apply.rs", "use crate::store;\n"),
        ("watch.rs", "use crate::store;\n"),
        ("verdict.rs", "use crate::request::Connect;\n"),
    ] {
        let wrong = upward_imports(&map(), &[source(path, text)]);
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
    }
}

#[test]
fn files_that_leave_unsafe_open_are_found() {
    assert!(forbids_unsafe(&source(
        "a.rs",
        "//! Doc.\n#![forbid(unsafe_code)]\n"
    )));
    assert!(!forbids_unsafe(&source(
        "a.rs",
        "//! Doc.\n// #![forbid(unsafe_code)]\n"
    )));
    assert!(!forbids_unsafe(&source(
        "a.rs",
        "//! Doc.\n#![deny(unsafe_code)]\n"
    )));
}

/// `file:line: what` for each use of a room that the map does not allow.
fn upward_imports(map: &Map, sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let Some(from) = source.room() else { continue };
        for mention in source.mentions(map) {
            let to = mention.room;
            if !map.allows(from, &to) {
                wrong.push(format!(
                    "src/{}:{}: {from} uses {to}",
                    source.path, mention.line
                ));
            }
        }
    }
    wrong
}

fn forbids_unsafe(source: &Source) -> bool {
    let mut lines = source.text.lines();
    lines.any(|line| line == "#![forbid(unsafe_code)]")
}

fn map() -> Map {
    Map::parse(&lib())
}

fn lib() -> String {
    let lib = Source::all().into_iter().find(|file| file.path == "lib.rs");
    lib.expect("src/lib.rs").text
}

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}
