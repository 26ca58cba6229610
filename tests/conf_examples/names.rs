//! Every example is started, and every option is named where an operator looks for it and nowhere
//! else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mosquitto_doorman::config::OPTIONS;

use super::STARTED;
use super::example::directory;
use crate::support::{doorman, finish};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| entry.path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path, extension)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

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
    assert!(page == written, "run doorman options --markdown");
    assert_eq!(options_in(&page), all_options());
}

#[test]
fn no_page_names_an_option_that_does_not_exist() {
    let mut pages = files(&root().join("docs"), "md");
    pages.extend(["README.md", "CHANGELOG.md", "SECURITY.md"].map(|name| root().join(name)));
    for page in pages {
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
