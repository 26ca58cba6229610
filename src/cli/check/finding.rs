//! What `doorman check` found: how bad, where, and what to do.
//!
//! Must not: quote a value that may be a secret; option lines hold paths, but foreign plugins' lines
//! may hold passwords.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use serde::Serialize;

use super::conf::At;
use crate::cli::print::Answer;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// The broker will not start, or not do what this says.
    Problem,
    /// It works, and should not stay so.
    Warning,
    /// Good to know.
    Note,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    file: Option<String>,
    line: Option<u64>,
    text: String,
    #[serde(skip)]
    pub(super) at: Option<At>,
}

impl Finding {
    /// Something that must be changed.
    pub(super) fn problem(at: &At, text: impl Into<String>) -> Self {
        Self::new(Level::Problem, Some(at), text)
    }

    /// Something that should be changed.
    pub(super) fn warning(at: &At, text: impl Into<String>) -> Self {
        Self::new(Level::Warning, Some(at), text)
    }

    /// Something worth knowing.
    pub(super) fn note(at: &At, text: impl Into<String>) -> Self {
        Self::new(Level::Note, Some(at), text)
    }

    /// A finding about a line, or about the configuration as a whole.
    pub(super) fn new(level: Level, at: Option<&At>, text: impl Into<String>) -> Self {
        Self {
            level,
            file: at.map(|at| at.file.display().to_string()),
            line: at.map(|at| at.line),
            text: text.into(),
            at: at.cloned(),
        }
    }
}

/// The first names of a list, and how many more there are.
pub(super) fn first_names(names: &[String], all: u64) -> String {
    let shown = u64::try_from(names.len()).unwrap_or(u64::MAX);
    match all.saturating_sub(shown) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

impl Answer for Finding {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let level = match self.level {
            Level::Problem => "problem",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        match &self.at {
            Some(at) => writeln!(out, "{at}: {level}: {}", self.text),
            None => writeln!(out, "{level}: {}", self.text),
        }
    }
}
