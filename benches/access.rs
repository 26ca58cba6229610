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
#[path = "measure/wanted.rs"]
mod wanted;

use std::process::ExitCode;

use self::bars::Bars;
use self::support::Tree;
use self::support::tree::SUPPORTED;
use self::wanted::Wanted;

type Ask = fn(&Tree, &mut Bars);

const QUESTIONS: [(&str, Ask); 4] = [
    ("message", message::ask),
    ("instructions", instructions::ask),
    ("memory", memory::ask),
    ("revocation", revocation::ask),
];

fn main() -> ExitCode {
    let mut bars = Bars::default();
    let wanted = Wanted::of_command_line();
    wanted.ask(QUESTIONS, &SUPPORTED, |ask, tree| ask(&tree, &mut bars));
    bars.verdict()
}
