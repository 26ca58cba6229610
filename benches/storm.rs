//! What logins cost everybody: bystanders, known clients, newcomers, a reload, a flood; doorman beside
//! the same broker without authentication, with its own password file and with dynamic-security.
//!
//! Must not: let a contender run in a quieter moment than another: they take turns. Figures are medians
//! of turns with the lowest and highest beside them. The throttle is off but in the flood, since every
//! client here comes from one address. Questions (bystander scram token known first reload single flood),
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

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use self::bars::Bars;
use self::questions::{Asked, QUESTIONS};
use self::support::Tree;

fn main() -> ExitCode {
    // `cargo bench` adds an option of its own.
    let wanted: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let seconds = wanted.iter().find_map(|a| a.strip_prefix("seconds="));
    let seconds = seconds.map_or(20, |s| s.parse().expect("seconds=NUMBER"));
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
                let asked = Asked {
                    tree: Tree::find(version),
                    flood: Duration::from_secs(seconds),
                };
                ask(&asked, &mut bars);
            }
        }
        println!("({name}: {:.0} s)\n", began.elapsed().as_secs_f64());
    }
    bars.verdict()
}
