//! The end of every import of rules: laid over the database, proven, and only then committed.
//!
//! Must not: commit what was not asked about, or what was answered differently.
#![forbid(unsafe_code)]

use std::io::{self, Read as _, Write};
use std::path::Path;

use serde::Serialize;

use super::ImportArgs;
use crate::cli::actor::actor;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::{Answer, Printer};
use crate::store::{Roles, Store};
use crate::takeover::{self, Carried, Counts, Differing, Laid, Plan, Prover, Told};

/// What came of it.
#[derive(Serialize)]
struct Report {
    accounts: Counts,
    roles: Counts,
    groups: Counts,
    holdings: Counts,
    defaults_changed: bool,
    /// What was not carried over as the file says it.
    left_out: Vec<Told>,
    /// What else is to be known.
    notes: Vec<Told>,
    /// What is in the database and says something else.
    in_the_way: Vec<String>,
    questions: usize,
    clients: u64,
    /// Clients that are answered as one of those is.
    alike: u64,
    /// Whether there were no more questions to ask.
    complete: bool,
    differing: usize,
    /// The first of those.
    differences: Vec<Differing>,
    nothing_done: bool,
}

/// Lays a plan over the database, and keeps that if the proof holds.
pub(super) fn carry<P>(
    args: &ImportArgs,
    printer: &mut Printer,
    store: &mut dyn Store,
    plan: &Plan,
    told: Vec<Told>,
    prove: P,
) -> Result<Exit, Failure>
where
    P: FnOnce(&mut dyn Roles) -> Result<Prover, Failure>,
{
    let mut report = Report::of(told);
    if args.strict && !report.left_out.is_empty() {
        return report.end(printer, Exit::Refused);
    }
    let file = args.input.display().to_string();
    let Carried {
        laid,
        prover,
        is_done,
    } = takeover::carry(store, actor(), &file, plan, args.replace, prove)?;
    report.take(laid);
    report.nothing_done = !is_done;
    let Some(prover) = prover else {
        return report.end(printer, Exit::Exists);
    };
    report.prove(&prover);
    if !is_done {
        return report.end(printer, Exit::Refused);
    }
    let exit = match report.left_out.is_empty() {
        true => Exit::Done,
        false => Exit::Refused,
    };
    report.end(printer, exit)
}

/// The whole input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|all| bytes = all)
    };
    read.map_err(|error| Failure::file(path, &error))?;
    Ok(bytes)
}

impl Report {
    /// Of nothing yet but what is to be told of the file.
    fn of(told: Vec<Told>) -> Self {
        let (left_out, notes) = told.into_iter().partition(|told| told.is_loss);
        Self {
            accounts: Counts::default(),
            roles: Counts::default(),
            groups: Counts::default(),
            holdings: Counts::default(),
            defaults_changed: false,
            left_out,
            notes,
            in_the_way: Vec::new(),
            questions: 0,
            clients: 0,
            alike: 0,
            complete: true,
            differing: 0,
            differences: Vec::new(),
            nothing_done: true,
        }
    }

    fn take(&mut self, laid: Laid) {
        self.accounts = laid.accounts;
        self.roles = laid.roles;
        self.groups = laid.groups;
        self.holdings = laid.holdings;
        self.defaults_changed = laid.defaults_changed;
        self.in_the_way = laid.conflicts;
    }

    fn prove(&mut self, prover: &Prover) {
        self.questions = prover.proof.asked;
        self.complete = prover.proof.complete;
        self.clients = prover.clients;
        self.alike = prover.alike;
        self.differing = prover.proof.disagreeing;
        self.differences = prover.differing();
    }

    /// Tells it.
    fn end(mut self, printer: &mut Printer, exit: Exit) -> Result<Exit, Failure> {
        if self.nothing_done {
            for counts in [
                &mut self.accounts,
                &mut self.roles,
                &mut self.groups,
                &mut self.holdings,
            ] {
                *counts = Counts::default();
            }
            self.defaults_changed = false;
        }
        for Told { place, why, .. } in self.left_out.iter().chain(&self.notes) {
            printer.note(format_args!("{place}: {why}"));
        }
        for told in &self.in_the_way {
            printer.note(format_args!(
                "{told}; --replace puts that of the file there"
            ));
        }
        for told in self.differences.iter().take(MOST_TOLD) {
            printer.note(told.line());
        }
        if self.differing > 0 {
            printer.note(
                "what an account holds beside what the file gives it answers too: `doorman user \
                 show` shows it",
            );
        }
        printer.answer(&self)?;
        Ok(exit)
    }

    fn questions(&self, out: &mut dyn Write) -> io::Result<()> {
        let (questions, clients, alike) = (self.questions, self.clients, self.alike);
        write!(
            out,
            "{questions} questions asked about {clients} clients, of the file and of the database"
        )?;
        if alike > 0 {
            write!(out, " ({alike} more hold what one of them holds)")?;
        }
        let all = match self.complete {
            true => "",
            false => ", and there are more than were asked",
        };
        match self.differing {
            0 => writeln!(out, ": no answer differs{all}"),
            differing => writeln!(out, ": {differing} answers differ{all}"),
        }
    }
}

impl Answer for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.questions > 0 {
            self.questions(out)?;
        }
        if self.nothing_done {
            return writeln!(out, "nothing was changed");
        }
        for (what, counts) in [
            ("accounts", self.accounts),
            ("roles", self.roles),
            ("groups", self.groups),
            ("grants", self.holdings),
        ] {
            let Counts {
                added,
                changed,
                unchanged,
                deleted,
            } = counts;
            write!(
                out,
                "{what}: {added} added, {changed} changed, {unchanged} unchanged"
            )?;
            match deleted {
                0 => writeln!(out)?,
                deleted => writeln!(out, ", {deleted} deleted")?,
            }
        }
        if self.defaults_changed {
            writeln!(out, "defaults: changed")?;
        }
        if !self.left_out.is_empty() {
            let left_out = self.left_out.len();
            writeln!(out, "{left_out} not carried over as the file says it")?;
        }
        Ok(())
    }
}

/// So many answers that differ are told one by one.
const MOST_TOLD: usize = 20;
