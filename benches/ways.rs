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
#[path = "measure/wanted.rs"]
mod wanted;

use std::time::Instant;

use self::support::Tree;
use self::support::tree::SUPPORTED;
use self::wanted::Wanted;

type Ask = fn(&Tree);

const QUESTIONS: [(&str, Ask); 3] = [
    ("psk", psk::ask),
    ("certificate", certificate::ask),
    ("token", token::ask),
];

fn main() {
    let wanted = Wanted::of_command_line();
    let names = QUESTIONS.map(|(name, _)| name);
    let has_callback = wanted.names(&["callback"]);
    if has_callback || !wanted.names(&names) {
        let began = Instant::now();
        callback::ask();
        println!("(callback: {:.0} s)\n", began.elapsed().as_secs_f64());
    }
    if wanted.names(&names) || !has_callback {
        wanted.ask(QUESTIONS, &SUPPORTED, |ask, tree| ask(&tree));
    }
}
