//! What the pages in `docs/` point to is there: files, and tests by their names.

use std::fs;

use crate::support::files::{files, pages, root};

/// The targets of `[text](target)` that are files of ours.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| !target.contains("://"))
}

/// Words in backticks that are sentences, as names of tests are.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').filter(|word| {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        word.chars().all(letters)
            && word.matches('_').count() >= 4
            && !word.starts_with("plugin_opt_")
    })
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in links(&text) {
            let there = page.parent().unwrap().join(target).exists();
            assert!(there, "{}: {target}", page.display());
        }
    }
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut sources = files(&root().join("tests"), "rs");
    sources.extend(files(&root().join("src"), "rs"));
    let texts = sources.iter().map(|path| fs::read_to_string(path).unwrap());
    let code: String = texts.collect();
    let mut named = 0;
    for page in pages() {
        for test in tests(&fs::read_to_string(&page).unwrap()) {
            named += 1;
            let there = code.contains(&format!("fn {test}("));
            assert!(there, "{}: no test {test}", page.display());
        }
    }
    assert!(named > 30, "only {named} found");
}

#[test]
fn every_room_is_in_the_architecture() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rooms = map.lines().filter_map(|line| line.strip_suffix(';'));
    let rooms = rooms.filter_map(|line| line.rsplit_once("mod "));
    for (_, room) in rooms {
        let named = format!("`{room}`");
        assert!(page.contains(&named), "docs/architecture.md has no {named}");
    }
}

#[test]
fn links_and_tests_are_found_in_text() {
    let text = "[a](b.md) and `a_test_that_is_named`, [c](https://d), `two_words`";
    assert_eq!(links(text).collect::<Vec<_>>(), ["b.md"]);
    assert_eq!(tests(text).collect::<Vec<_>>(), ["a_test_that_is_named"]);
}
