//! What logins cost everybody: bystanders, known clients, newcomers, a reload, a flood; doorman beside
//! the same broker without authentication, with its own password file and with dynamic-security.
//!
//! Must not: let a contender run in a quieter moment than another: they take turns. Figures are medians
//! of turns with the lowest and highest beside them. The throttle is off but in the flood, since every
//! client here comes from one address. Questions (bystander scram token known first reload renewal single flood),
//! versions, and `seconds=N` of flooding may be given: `cargo bench --bench storm -- known 2.1.2`.
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
mod measure;
#[path = "measure/processor.rs"]
mod processor;
#[path = "storm/mod.rs"]
mod questions;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "measure/wanted.rs"]
mod wanted;

use std::process::ExitCode;
use std::time::Duration;

use self::bars::Bars;
use self::questions::{Asked, QUESTIONS};
use self::support::tree::SUPPORTED;
use self::wanted::Wanted;

fn main() -> ExitCode {
    let wanted = Wanted::of_command_line();
    let seconds = wanted
        .words()
        .find_map(|word| word.strip_prefix("seconds="));
    let seconds = seconds.map_or(20, |s| s.parse().expect("seconds=NUMBER"));
    let mut bars = Bars::default();
    wanted.ask(QUESTIONS, &SUPPORTED, |ask, tree| {
        let asked = Asked {
            tree,
            flood: Duration::from_secs(seconds),
        };
        ask(&asked, &mut bars);
    });
    bars.verdict()
}
