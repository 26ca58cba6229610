//! The questions, one file each, and the bars that doorman has to clear.

mod bystander;
mod contender;
mod crowd;
mod feeling;
mod first;
mod flood;
mod known;
mod reload;
mod single;

use std::process::ExitCode;
use std::time::Duration;

use crate::support::Tree;

/// What is asked about which broker.
pub struct Asked {
    pub tree: Tree,
    /// How long a flood lasts.
    pub flood: Duration,
}

type Ask = fn(&Asked, &mut Bars);

pub const QUESTIONS: [(&str, Ask); 6] = [
    ("bystander", feeling::ask),
    ("known", known::ask),
    ("first", first::ask),
    ("reload", reload::ask),
    ("single", single::ask),
    ("flood", flood::ask),
];

/// How often each figure is taken, unless its question says otherwise.
const TURNS: usize = 5;

/// Off where everybody comes from one address; nobody is cut off for waiting long.
const OPTIONS: [&str; 3] = ["throttle false", "pending_timeout 120s", "inline_budget 1s"];

/// Which bars were met.
#[derive(Default)]
pub struct Bars {
    lines: Vec<String>,
    missed: usize,
}

impl Bars {
    /// `figure` has to be at most `bar`.
    pub fn at_most(&mut self, what: &str, figure: f64, bar: f64) {
        self.note(what, figure <= bar, &format!("{figure:.3} ≤ {bar:.3}"));
    }

    /// `figure` has to be at least `bar`.
    pub fn at_least(&mut self, what: &str, figure: f64, bar: f64) {
        self.note(what, figure >= bar, &format!("{figure:.3} ≥ {bar:.3}"));
    }

    fn note(&mut self, what: &str, met: bool, compared: &str) {
        let word = if met { "met" } else { "MISSED" };
        let line = format!("{word:6}  {what}: {compared}");
        println!("  bar {line}");
        self.missed += usize::from(!met);
        self.lines.push(line);
    }

    pub fn verdict(&self) -> ExitCode {
        for line in &self.lines {
            println!("{line}");
        }
        if self.missed == 0 {
            return ExitCode::SUCCESS;
        }
        println!("{} of {} bars are missed", self.missed, self.lines.len());
        ExitCode::FAILURE
    }
}
