//! The bars that doorman has to clear.
#![allow(dead_code, reason = "each benchmark needs some of it")]

use std::process::ExitCode;

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
