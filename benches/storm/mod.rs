//! The questions, one file each, and the bars that doorman has to clear.

mod bystander;
mod contender;
mod crowd;
mod feeling;
mod first;
mod flood;
mod known;
mod proof;
mod reload;
mod renewal;
mod single;
mod turns;

use std::time::Duration;

use crate::bars::Bars;
use crate::support::Tree;

/// What is asked about which broker.
pub struct Asked {
    pub tree: Tree,
    /// How long a flood lasts.
    pub flood: Duration,
}

type Ask = fn(&Asked, &mut Bars);

pub const QUESTIONS: [(&str, Ask); 9] = [
    ("bystander", feeling::ask),
    ("scram", proof::scram),
    ("token", proof::token),
    ("known", known::ask),
    ("first", first::ask),
    ("reload", reload::ask),
    ("renewal", renewal::ask),
    ("single", single::ask),
    ("flood", flood::ask),
];

/// How often each figure is taken, unless its question says otherwise.
const TURNS: usize = 5;

/// Off where everybody comes from one address; nobody is cut off for waiting long.
const OPTIONS: [&str; 3] = ["throttle false", "pending_timeout 120s", "inline_budget 1s"];
