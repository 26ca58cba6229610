//! What deciding who may do what costs: the broker's processor time and instructions per published message,
//! its memory, and how soon a change in the database is felt; doorman beside the same broker without
//! rules, with its own acl_file and with dynamic-security.
//!
//! Must not: let a contender run in a quieter moment than another: they take turns. Figures are medians
//! of turns with their spread beside them. Questions (message instructions memory revocation) and
//! versions may be given: `cargo bench --bench access -- message 2.1.2`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "as in tests/main.rs"
)]

#[path = "measure/bars.rs"]
mod bars;
#[path = "storm/bystander.rs"]
mod bystander;
#[path = "storm/crowd.rs"]
mod crowd;
#[path = "access/hall.rs"]
mod hall;
#[path = "access/instructions.rs"]
mod instructions;
mod measure;
#[path = "access/memory.rs"]
mod memory;
#[path = "access/message.rs"]
mod message;
#[path = "measure/processor.rs"]
mod processor;
#[path = "access/revocation.rs"]
mod revocation;
#[path = "access/rules.rs"]
mod rules;
#[path = "../tests/support/mod.rs"]
mod support;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use self::bars::Bars;
use self::support::Tree;

type Ask = fn(&Tree, &mut Bars);

const QUESTIONS: [(&str, Ask); 4] = [
    ("message", message::ask),
    ("instructions", instructions::ask),
    ("memory", memory::ask),
    ("revocation", revocation::ask),
];

fn main() -> ExitCode {
    // `cargo bench` adds an option of its own.
    let wanted: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let named = |names: &[&str]| wanted.iter().any(|wanted| names.contains(&&**wanted));
    let all_questions = !named(&QUESTIONS.map(|(name, _)| name));
    let all_versions = !named(&support::tree::SUPPORTED);
    let mut bars = Bars::default();
    for (name, ask) in QUESTIONS {
        if !all_questions && !named(&[name]) {
            continue;
        }
        let began = Instant::now();
        for version in support::tree::SUPPORTED.into_iter().rev() {
            if all_versions || named(&[version]) {
                ask(&Tree::find(version), &mut bars);
            }
        }
        println!("({name}: {:.0} s)\n", began.elapsed().as_secs_f64());
    }
    bars.verdict()
}
