//! What each way in costs that is not a password: keys of TLS-PSK, certificates and tokens, beside the
//! broker's own way where it has one, and beside a known client's password where it has none.
//!
//! Must not: let a contender run in a quieter moment than another: they take turns, and what counts is the
//! ratio of neighbours in time. Of the brokers only their processor time is looked at, so that what the
//! clients compute is in no figure. Questions (callback psk certificate token) and versions may be given:
//! `cargo bench --bench ways -- psk 2.1.2`.
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

#[path = "ways/accounts.rs"]
mod accounts;
#[path = "ways/callback.rs"]
mod callback;
#[path = "ways/certificate.rs"]
mod certificate;
#[path = "storm/contender.rs"]
mod contender;
#[path = "storm/crowd.rs"]
mod crowd;
mod measure;
#[path = "measure/processor.rs"]
mod processor;
#[path = "ways/psk.rs"]
mod psk;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "ways/token.rs"]
mod token;
#[path = "ways/turns.rs"]
mod turns;

use std::env;
use std::time::Instant;

use self::support::Tree;

type Ask = fn(&Tree);

const QUESTIONS: [(&str, Ask); 3] = [
    ("psk", psk::ask),
    ("certificate", certificate::ask),
    ("token", token::ask),
];

fn main() {
    // `cargo bench` adds an option of its own.
    let wanted: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let named = |names: &[&str]| wanted.iter().any(|wanted| names.contains(&&**wanted));
    let all_questions = !named(&["callback"]) && !named(&QUESTIONS.map(|(name, _)| name));
    let all_versions = !named(&support::tree::SUPPORTED);
    if all_questions || named(&["callback"]) {
        let began = Instant::now();
        callback::ask();
        println!("(callback: {:.0} s)\n", began.elapsed().as_secs_f64());
    }
    for (name, ask) in QUESTIONS {
        if !all_questions && !named(&[name]) {
            continue;
        }
        let began = Instant::now();
        for version in support::tree::SUPPORTED.into_iter().rev() {
            if all_versions || named(&[version]) {
                ask(&Tree::find(version));
            }
        }
        println!("({name}: {:.0} s)\n", began.elapsed().as_secs_f64());
    }
}
