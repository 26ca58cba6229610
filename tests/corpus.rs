//! The corpus of `fuzz/`, replayed, and changed at random from a fixed seed: what a fuzzer once found stays
//! found, without one.
//!
//! `DOORMAN_MUTATIONS` makes it more than the few of every test run.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::broker::Dice;

#[path = "../fuzz/parsers.rs"]
mod parsers;

type Parse = fn(&[u8]);

const PARSERS: [(&str, Parse); 11] = [
    ("acl_file", parsers::acl_file),
    ("certificate", parsers::certificate),
    ("control_message", parsers::control_message),
    ("credential", parsers::credential),
    ("dynsec_file", parsers::dynsec_file),
    ("password_line", parsers::password_line),
    ("psk_identity", parsers::psk_identity),
    ("psk_line", parsers::psk_line),
    ("scram_message", parsers::scram_message),
    ("token", parsers::token),
    ("token_keys", parsers::token_keys),
];

/// Of each file of the corpus.
const MUTATIONS: usize = 400;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// What is in the corpus of a parser, by name.
pub fn corpus(parser: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(fuzz().join("corpus").join(parser)).expect("a corpus");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let contents = paths
        .into_iter()
        .map(|path| fs::read(path).expect("a file"));
    contents.collect()
}

/// Bytes that are like some, and not the same: pieces are turned, left out, said twice, or come from
/// another one.
pub fn mutated(bytes: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(12)).min(bytes.len());
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            3 => {
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(24)).min(other.len());
                bytes
                    .splice(at..end, other[from..to].to_vec())
                    .for_each(drop);
            }
            4 => bytes.insert(at, dice.below(256) as u8),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
    bytes
}

#[test]
fn what_is_in_the_corpus_and_like_it_is_understood_or_refused() {
    let mutations = env::var("DOORMAN_MUTATIONS").map_or(MUTATIONS, |n| n.parse().unwrap());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (name, parse) in PARSERS {
        let corpus = corpus(name);
        assert!(corpus.len() > 2, "{name}");
        for bytes in &corpus {
            parse(bytes);
            for _ in 0..mutations {
                let other = &corpus[dice.below(corpus.len())];
                let mutated = mutated(bytes, other, &mut dice);
                let outcome = std::panic::catch_unwind(|| parse(&mutated));
                assert!(outcome.is_ok(), "{name}: {}", mutated.escape_ascii());
            }
        }
    }
}

#[test]
fn each_parser_has_a_fuzz_target_and_a_corpus() {
    let names: BTreeSet<String> = PARSERS.map(|(name, _)| name.to_owned()).into();
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let built = manifest.lines().filter_map(|line| {
        let path = line.strip_prefix("path = \"fuzz_targets/")?;
        path.strip_suffix(".rs\"").map(ToOwned::to_owned)
    });
    assert_eq!(built.collect::<BTreeSet<_>>(), names);
    for (dir, ending) in [("fuzz_targets", ".rs"), ("corpus", "")] {
        let entries = fs::read_dir(fuzz().join(dir)).unwrap();
        let found = entries.map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(ending).unwrap().to_owned()
        });
        assert_eq!(found.collect::<BTreeSet<_>>(), names, "{dir}");
    }
}
