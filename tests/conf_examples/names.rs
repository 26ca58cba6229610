//! Every example is started, and every option is named where an operator looks for it and nowhere
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mosquitto_doorman::config::OPTIONS;

use super::STARTED;
use super::example::directory;
use crate::support::files::{files, pages, root};
use crate::support::{doorman, finish};

/// The words behind `plugin_opt_`.
fn options_in(text: &str) -> BTreeSet<String> {
    let behind = text.split("plugin_opt_").skip(1);
    let names = behind.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    // `plugin_opt_` and `plugin_opt_…` speak of all of them.
    names.filter(|name| !name.is_empty()).collect()
}

fn all_options() -> BTreeSet<String> {
    OPTIONS.iter().map(|opt| opt.key.to_owned()).collect()
}

#[test]
fn every_example_is_started() {
    let there: BTreeSet<_> = files(&directory(), "conf")
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let started = STARTED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(there, started);
}

#[test]
fn every_option_has_an_example_and_no_example_names_another() {
    let texts = files(&directory(), "conf").into_iter();
    let named = texts.flat_map(|path| options_in(&fs::read_to_string(path).unwrap()));
    assert_eq!(named.collect::<BTreeSet<_>>(), all_options());
}

#[test]
fn the_page_of_options_is_the_one_doorman_writes() {
    let written = finish(doorman().args(["options", "--markdown"])).succeeded();
    let page = fs::read_to_string(root().join("docs/options.md")).unwrap();
    assert!(page == written, "run scripts/pages");
    assert_eq!(options_in(&page), all_options());
}

#[test]
fn the_manual_pages_are_those_doorman_writes() {
    let dir = tempfile::tempdir().unwrap();
    finish(doorman().arg("man").arg(dir.path())).succeeded();
    let read = |directory: &Path| -> BTreeMap<_, _> {
        let paths = files(directory, "1").into_iter();
        paths
            .map(|path| {
                let name = path.file_name().unwrap().to_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect()
    };
    let same = read(dir.path()) == read(&root().join("docs/man"));
    assert!(same, "run scripts/pages");
}

#[test]
fn no_page_names_an_option_that_does_not_exist() {
    for page in pages() {
        let named = options_in(&fs::read_to_string(&page).unwrap());
        let unknown: Vec<_> = named.difference(&all_options()).cloned().collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", page.display());
    }
}

#[test]
fn options_are_found_in_text() {
    let text = "plugin_opt_a_b x, `plugin_opt_c`; plugin_opt_ and plugin_opt_NAME";
    assert_eq!(
        options_in(text),
        BTreeSet::from(["a_b".to_owned(), "c".to_owned()])
    );
}
