//! `doorman test`: whether a table of expected answers holds.
//!
//! Must not: pass a table that asks nothing, or a line about an account that is not there.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::named::SourcesArgs;
use super::sources::Reply;
use super::table::{self, Row};
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::{Answer, Printer};
use crate::reasons::Outcome;

/// What to ask.
#[derive(Args, Debug)]
#[command(after_help = FORMAT)]
pub(in crate::cli) struct TestArgs {
    #[command(flatten)]
    sources: SourcesArgs,
    /// The table
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

const FORMAT: &str = r#"The table has one question in each line, with the answer that is expected:

  allow|deny|defer USER ACTION TOPIC [client-id=ID] [token-role=ROLE]... [token-acl=LIST:TOPIC]...
      [qos=0|1|2] [retain] [payload=SIZE]

USER is - for a client without a username; ACTION is publish, receive, subscribe or unsubscribe; defer is
expected where doorman leaves it to the broker; token-role is a role that the client's token names, and token-acl
a topic in its list pub, sub or all. Names with blanks stand in "quotes", in which a quote or a backslash has a
backslash before it. Lines that begin with # are comments. Of each line that does not hold it is told
what decided; the exit code is 0 only if all hold.

  allow  roger   publish    plant/1/state  qos=1 payload=2K
  deny   roger   subscribe  #
  deny   -       publish    plant/1/state
"#;

/// A line that does not hold.
#[derive(Serialize)]
struct Failed {
    file: String,
    line: usize,
    expected: Outcome,
    /// None if there is no such account.
    #[serde(flatten)]
    answered: Option<Reply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    #[serde(skip)]
    question: String,
}

/// How many there were.
#[derive(Serialize)]
struct Summary {
    held: usize,
    failed: usize,
}

/// Runs `doorman test`.
pub(in crate::cli) fn run(args: &TestArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let file = &args.file;
    let bytes = fs::read(file).map_err(|error| Failure::file(file, &error))?;
    let rows = rows(file, &bytes, printer)?;
    let now = args.sources.moment()?;
    let mut sources = args.sources.open()?;
    let mut summary = Summary { held: 0, failed: 0 };
    for row in &rows {
        let answered = sources.explain(&row.request, now)?;
        let decision = answered.as_ref().map(Reply::decision);
        if decision == Some(row.expected) {
            summary.held = summary.held.saturating_add(1);
            continue;
        }
        summary.failed = summary.failed.saturating_add(1);
        printer.answer(&Failed::new(file, row, answered))?;
    }
    printer.answer(&summary)?;
    Ok(match summary.failed {
        0 => Exit::Done,
        _ => Exit::Problems,
    })
}

/// The lines of a table; where some are wrong, each is told.
fn rows(file: &Path, bytes: &[u8], printer: &mut Printer) -> Result<Vec<Row>, Failure> {
    let failure = |why: &str| Failure::new(Exit::Place, format!("{}: {why}", file.display()));
    let text = std::str::from_utf8(bytes).map_err(|_| failure("it is not UTF-8"))?;
    match table::read(text) {
        Ok(rows) if rows.is_empty() => Err(failure("no line asks anything")),
        Ok(rows) => Ok(rows),
        Err(wrong) => {
            for (line, why) in &wrong {
                printer.note(format_args!("{}:{line}: {why}", file.display()));
            }
            Err(failure("nothing was asked"))
        }
    }
}

impl Failed {
    fn new(file: &Path, row: &Row, answered: Option<Reply>) -> Self {
        let missing = match (&answered, &row.request.user) {
            (None, Some(user)) => Some(user.to_string()),
            (None, None) | (Some(_), _) => None,
        };
        Self {
            file: file.display().to_string(),
            line: row.line,
            expected: row.expected,
            answered,
            missing,
            question: format!("{}: {}", row.request.who(), row.request.what()),
        }
    }
}

impl Answer for Failed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            file,
            line,
            expected,
            question,
            ..
        } = self;
        let expected = expected.word();
        match &self.answered {
            None => writeln!(
                out,
                "{file}:{line}: {question}: expected {expected}, but there is no such account"
            ),
            Some(answered) => {
                let decision = answered.decision().word();
                writeln!(
                    out,
                    "{file}:{line}: {question}: expected {expected}, but {decision}"
                )?;
                answered.write_reasons(out)
            }
        }
    }
}

impl Answer for Summary {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { held, failed } = self;
        match failed {
            0 => writeln!(out, "{held} hold"),
            _ => writeln!(out, "{held} hold, {failed} do not"),
        }
    }
}
