//! What became of the lines of a file that was imported.
//!
//! Must not: tell what a line held.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::exit::Exit;
use super::print::{Answer, Printer};
use crate::admin::Outcome;

/// How many lines did what, and how many were refused.
#[derive(Default, Serialize)]
pub(super) struct Tally {
    added: u64,
    changed: u64,
    unchanged: u64,
    refused: u64,
    /// Whether `--strict` undid everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    nothing_done: bool,
}

impl Tally {
    /// Counts a line that was carried out.
    pub(super) fn count(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Added => &mut self.added,
            Outcome::Changed => &mut self.changed,
            Outcome::Unchanged | Outcome::Deleted => &mut self.unchanged,
        };
        *count = count.saturating_add(1);
    }

    /// Counts a line that was not, and says why.
    pub(super) fn refuse(&mut self, printer: &mut Printer, file: &Path, line: u64, why: &str) {
        self.refused = self.refused.saturating_add(1);
        let file = file.display();
        printer.note(format_args!("{file}:{line}: {why}"));
    }

    /// One that was refused has undone the others.
    pub(super) fn all_or_nothing(&mut self) {
        if self.refused > 0 {
            *self = Self {
                refused: self.refused,
                nothing_done: true,
                ..Self::default()
            };
        }
    }

    /// How `doorman` ends.
    pub(super) fn exit(&self) -> Exit {
        match self.refused {
            0 => Exit::Done,
            _ => Exit::Refused,
        }
    }
}

impl Answer for Tally {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.nothing_done {
            return writeln!(
                out,
                "{} refused; nothing was changed, because of --strict",
                self.refused
            );
        }
        writeln!(
            out,
            "{} added, {} changed, {} unchanged, {} refused",
            self.added, self.changed, self.unchanged, self.refused
        )
    }
}
