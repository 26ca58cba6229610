//! `doorman psk import`: the keys of a stock `psk_file`.
//!
//! Must not: tell what a line held. What Mosquitto would not read is refused, by its line, and the rest is
//! imported.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::account;
use crate::admin::{self, Command, Import, Office};
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::Printer;
use crate::cli::tally::Tally;
use crate::model::{AccountName, Psk, PskIdentity, PskLine};
use crate::store;

/// What to import, and how.
#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// The file to import
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// Put keys of the file in place of those that are there
    #[arg(long)]
    replace: bool,
    /// Add an account, without a password, for each identity that has none of its name
    #[arg(long)]
    add_accounts: bool,
}

/// A line that can be imported.
struct Line {
    number: u64,
    psk: Psk,
}

/// The import while it runs.
struct Job<'a> {
    args: &'a ImportArgs,
    printer: &'a mut Printer,
    tally: Tally,
    /// The broker takes the first of several lines with one identity.
    seen: HashSet<PskIdentity>,
    weak: u64,
}

/// Imports a file. What is sent goes in parts.
pub(super) fn run(
    office: &mut dyn Office,
    far: bool,
    printer: &mut Printer,
    args: &ImportArgs,
) -> Result<Exit, Failure> {
    let path = &args.input;
    let failed = |error: io::Error| Failure::file(path, &error);
    let mut input = BufReader::new(File::open(path).map_err(failed)?);
    let mut job = Job {
        args,
        printer,
        tally: Tally::default(),
        seen: HashSet::new(),
        weak: 0,
    };
    let mut lines = Vec::new();
    let mut line = Zeroizing::new(Vec::new());
    for number in 1_u64.. {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        lines.extend(job.read(number, text));
        if far && lines.len() >= CHUNK_TO_SEND {
            job.carry_out(office, std::mem::take(&mut lines))?;
        }
    }
    job.carry_out(office, lines)?;
    let Job { tally, weak, .. } = job;
    if weak > 0 {
        printer.note(format_args!("{weak} keys have less than 128 bits"));
    }
    printer.answer(&tally)?;
    Ok(tally.exit())
}

impl Job<'_> {
    fn read(&mut self, number: u64, text: &[u8]) -> Option<Line> {
        let (identity, key) = match PskLine::parse(text) {
            Ok(PskLine::Blank) => return None,
            Ok(PskLine::Entry(identity, key)) => (identity, key),
            Err(why) => return self.refuse(number, &why.to_string()),
        };
        let Ok(name) = AccountName::new(identity.as_str()) else {
            return self.refuse(number, "the identity is no name of an account");
        };
        if !self.seen.insert(identity.clone()) {
            return self.refuse(
                number,
                "the identity is above already, and that line counts",
            );
        }
        if key.bits() < 128 {
            self.weak = self.weak.saturating_add(1);
        }
        let psk = Psk {
            identity,
            name,
            key,
        };
        Some(Line { number, psk })
    }

    fn carry_out(&mut self, office: &mut dyn Office, lines: Vec<Line>) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut commands = Vec::new();
        let mut numbers = Vec::new();
        for Line { number, psk } in lines {
            if self.args.add_accounts {
                commands.push(account(&psk.name));
                numbers.push(None);
            }
            commands.push(match self.args.replace {
                true => Command::PutPsk(psk),
                false => Command::AddPsk(psk),
            });
            numbers.push(Some(number));
        }
        let results = office.import(&Import {
            file: self.args.input.display().to_string().into(),
            strict: false,
            commands,
        })?;
        for (number, result) in numbers.into_iter().zip(results) {
            let Some(number) = number else {
                let _added = result?;
                continue;
            };
            let why = match result {
                Ok(outcome) => {
                    self.tally.count(outcome);
                    continue;
                }
                Err(admin::Error::PskExists { .. }) => {
                    "there is such an identity already; --replace puts this key in its place".into()
                }
                Err(admin::Error::Missing { .. }) => {
                    "there is no such account; --add-accounts adds it".into()
                }
                Err(admin::Error::Store(store::Error::Invalid { why, .. })) => why,
                Err(error) => return Err(error.into()),
            };
            self.refuse(number, &why);
        }
        Ok(())
    }

    fn refuse(&mut self, number: u64, why: &str) -> Option<Line> {
        self.tally
            .refuse(self.printer, &self.args.input, number, why);
        None
    }
}

/// Lines in one message to a broker.
const CHUNK_TO_SEND: usize = 500;
