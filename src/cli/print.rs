//! The one place that prints: for people by default, as one JSON object per line with `--json`.
//!
//! Must not: be handed a password or a stored credential. The only exception is a secret that
//! doorman generated itself, told once through an answer of its own.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, BufWriter, Stdout, Write};

use serde::Serialize;

use super::exit::{Exit, Failure};
use crate::model::AccountName;
pub(super) use crate::show::Plain;
use crate::store;

/// Something a command answers: fields for scripts, lines for people.
pub(super) trait Answer: Serialize {
    /// Writes the lines for people.
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Lines.
    People,
    /// One JSON object per line.
    Json,
}

/// Standard output and standard error.
pub(super) struct Printer {
    format: Format,
    out: BufWriter<Stdout>,
}

/// A list that a store tells one by one.
pub(super) struct Listing<'a> {
    printer: &'a mut Printer,
    trouble: Trouble,
}

/// What goes wrong with writing while a store tells one by one: it knows its own errors only, and this is
/// kept for the end.
#[derive(Default)]
pub(super) struct Trouble(Option<io::Error>);

impl Trouble {
    /// Has the store stop where something was not written.
    pub(super) fn keep(&mut self, written: io::Result<()>) -> Result<(), store::Error> {
        written.map_err(|error| {
            let why = error.to_string();
            self.0 = Some(error);
            store::Error::Unavailable {
                path: "output".into(),
                why,
            }
        })
    }

    /// What became of all.
    pub(super) fn end(self, listed: Result<(), impl Into<Failure>>) -> Result<(), Failure> {
        match self.0 {
            Some(error) => Err(error.into()),
            None => listed.map_err(Into::into),
        }
    }
}

impl<'a> Listing<'a> {
    /// None yet.
    pub(super) fn to(printer: &'a mut Printer) -> Self {
        Self {
            printer,
            trouble: Trouble::default(),
        }
    }

    /// Prints one.
    pub(super) fn tell(&mut self, answer: &impl Answer) -> Result<(), store::Error> {
        self.trouble.keep(self.printer.answer(answer))
    }

    /// What became of all.
    pub(super) fn end(self, listed: Result<(), impl Into<Failure>>) -> Result<Exit, Failure> {
        self.trouble.end(listed).map(|()| Exit::Done)
    }
}

impl Printer {
    /// A printer to the process's own streams.
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            out: BufWriter::new(io::stdout()),
        }
    }

    /// Prints one answer.
    pub(super) fn answer(&mut self, answer: &impl Answer) -> io::Result<()> {
        match self.format {
            Format::People => answer.write(&mut self.out),
            Format::Json => {
                serde_json::to_writer(&mut self.out, answer)?;
                self.out.write_all(b"\n")
            }
        }
    }

    /// Text that is itself the product: a manual page, completions, an exported file.
    pub(super) fn raw(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Tells the operator something beside the answer, on standard error.
    pub(super) fn note(&mut self, text: impl Display) {
        // The answer so far goes first, so that both read in order on a terminal.
        let _in_order = self.out.flush();
        // Nobody can be told that standard error is gone.
        let _gone = writeln!(io::stderr(), "doorman: {text}");
    }

    /// Hands everything to the system.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An account's name for people: bare where it is plain, quoted and escaped where it is not.
pub(super) fn name(name: &AccountName) -> impl Display + use<'_> {
    Plain(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_bare_and_an_odd_one_is_quoted() {
        assert_eq!(Plain("sensor/3").to_string(), "sensor/3");
        assert_eq!(Plain("two words").to_string(), "\"two words\"");
        assert_eq!(Plain("a\u{202e}b").to_string(), r#""a\u{202e}b""#);
        assert_eq!(Plain("").to_string(), "\"\"");
    }
}
