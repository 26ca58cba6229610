//! What orders over the broker cost, over `$CONTROL/dynamic-security/v1`: how long one takes, how long
//! many take, and what a pair that has nothing to do with them feels; doorman beside dynamic-security.
//!
//! Must not: let a contender run in a quieter moment than the other: they take turns. Questions (write
//! bulk start list), versions and numbers of clients may be given: `cargo bench --bench control -- write
//! 2.0.21 10000`; without a version it is 2.1.2.
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

#[path = "control/accounts.rs"]
mod accounts;
#[path = "control/admin.rs"]
mod admin;
#[path = "measure/bars.rs"]
mod bars;
#[path = "control/bulk.rs"]
mod bulk;
#[path = "storm/bystander.rs"]
mod bystander;
#[path = "control/contender.rs"]
mod contender;
#[path = "control/list.rs"]
mod list;
mod measure;
#[path = "control/start.rs"]
mod start;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "measure/wanted.rs"]
mod wanted;
#[path = "control/write.rs"]
mod write;

use std::process::ExitCode;

use self::bars::Bars;
use self::support::Tree;
use self::wanted::Wanted;

type Ask = fn(&Tree, Sizes<'_>, &mut Bars);

/// The numbers of clients that are asked about; none is all.
#[derive(Clone, Copy)]
pub struct Sizes<'a>(&'a [usize]);

impl Sizes<'_> {
    pub fn has(self, size: usize) -> bool {
        self.0.is_empty() || self.0.contains(&size)
    }
}

const QUESTIONS: [(&str, Ask); 4] = [
    ("write", write::ask),
    ("bulk", bulk::ask),
    ("start", start::ask),
    ("list", list::ask),
];

fn main() -> ExitCode {
    let mut bars = Bars::default();
    let wanted = Wanted::of_command_line();
    let sizes: Vec<usize> = wanted
        .words()
        .filter_map(|word| word.parse().ok())
        .collect();
    wanted.ask(QUESTIONS, &["2.1.2"], |ask, tree| {
        ask(&tree, Sizes(&sizes), &mut bars);
    });
    bars.verdict()
}
