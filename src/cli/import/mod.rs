//! `doorman import`: many accounts at once, from a password file, a plain list or a CSV table; and
//! roles, from an ACL file or the file of dynamic-security.
//!
//! Of accounts, three steps: [`read`] turns lines into records, [`prepare`] checks and hashes them on all cores,
//! and this file lays them over what is stored, in batches. For roles see [`rules`]. Must not: stop at a bad line unless
//! asked to, tell what a line held, or change a field that the input does not mention.
#![forbid(unsafe_code)]

mod acl_file;
mod dynsec;
mod prepare;
mod read;
mod rules;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::prepare::Entry;
use self::read::Reader;
use super::cost::CostArgs;
use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::Printer;
use super::tally::Tally;
use crate::admin::{self, Command, Import, Office, Outcome};
use crate::store;

/// What to import, and how.
#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The file to import; - is standard input
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// How the input is written
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    format: Format,
    /// What to do with an account that is there already
    #[arg(long, value_enum, default_value_t = Existing::Update)]
    existing: Existing,
    /// All or nothing: if any line is refused, or not carried over exactly, change nothing
    #[arg(long)]
    strict: bool,
    /// Put roles, groups, accounts and defaults of a file with rules in place of those that are there
    #[arg(long)]
    replace: bool,
    /// Add an account, without a password, for each user that an ACL file names
    #[arg(long)]
    add_accounts: bool,
    #[command(flatten)]
    cost: CostArgs,
}

/// How the input is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Found out from the first line
    Auto,
    /// Mosquitto's password_file: user:hash, with any hash that doorman can check
    Mosquitto,
    /// Passwords in clear: user:password
    Plain,
    /// A table with a header: username, password or credential, client_id, networks, certificates,
    /// disabled, valid_from, valid_until, notes
    Csv,
    /// Mosquitto's acl_file: roles for the accounts of a database; nothing is changed unless the
    /// database answers every question as the file does
    AclFile,
    /// The JSON file of Mosquitto's dynamic-security plugin: clients, groups and roles
    Dynsec,
}

/// What to do with an account that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Existing {
    /// Change what the input mentions and leave the rest
    Update,
    /// Leave the account as it is
    Keep,
    /// Refuse the line
    Refuse,
}

/// One line after its preparation.
struct Line {
    number: u64,
    entry: Result<Entry, String>,
}

/// Runs `doorman import`.
pub(super) fn run(args: &ImportArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    match read::notation(&args.input, args.format) {
        Format::AclFile => return acl_file::run(args, rules(args)?.as_mut(), printer),
        Format::Dynsec => return dynsec::run(args, rules(args)?.as_mut(), printer),
        Format::Auto | Format::Mosquitto | Format::Plain | Format::Csv => {}
    }
    if args.replace || args.add_accounts {
        return Err(Failure::usage(
            "--replace and --add-accounts are for files with rules: --format acl-file or dynsec; \
             for accounts there is --existing",
        ));
    }
    let mut office = args.place.open()?;
    let recipe = args.cost.recipe()?;
    let mut reader = Reader::open(&args.input, args.format)?;
    let bar = progress(reader.length());
    let mut job = Job {
        args,
        printer,
        tally: Tally::default(),
    };

    let plain = reader.brings_passwords();
    // A password file is rewritten by each commit, so hashed entries go into it in one; where
    // every password must be hashed first, a rewrite is nothing beside the hashing.
    let at_once = args.strict || (!args.place.has_roles()? && !plain);
    let chunk = match plain {
        true => CHUNK_TO_HASH,
        false if args.place.is_far() => CHUNK_TO_SEND,
        false => CHUNK,
    };
    let mut waiting = Vec::new();
    loop {
        let records = reader.chunk(chunk)?;
        let last = records.is_empty();
        waiting.extend(prepare::all(records, &recipe, &bar));
        bar.set_position(reader.position());
        if last || !at_once {
            if last && waiting.is_empty() {
                break;
            }
            let lines = std::mem::take(&mut waiting);
            job.carry_out(office.as_mut(), lines)?;
        }
        if last {
            break;
        }
    }
    bar.finish_and_clear();
    let Job { mut tally, .. } = job;
    if args.strict {
        tally.all_or_nothing();
    }
    printer.answer(&tally)?;
    Ok(tally.exit())
}

/// The store that rules are imported into: they are proven by many questions before they count.
fn rules(args: &ImportArgs) -> Result<Box<dyn store::Store>, Failure> {
    args.place
        .store("import of an acl-file or a file of dynamic-security")
}

/// The import while it runs.
struct Job<'a> {
    args: &'a ImportArgs,
    printer: &'a mut Printer,
    tally: Tally,
}

impl Job<'_> {
    /// Lays a batch of lines over the store in one transaction.
    fn carry_out(&mut self, office: &mut dyn Office, lines: Vec<Line>) -> Result<(), Failure> {
        if lines.iter().all(|line| line.entry.is_err()) || self.strict_and_bad(&lines) {
            for line in lines {
                if let Err(why) = line.entry {
                    self.refuse(line.number, &why);
                }
            }
            return Ok(());
        }
        let commands = lines.iter().filter_map(|line| line.entry.as_ref().ok());
        let import = Import {
            file: self.args.input.display().to_string().into(),
            strict: self.args.strict,
            commands: commands.map(|entry| self.command(entry)).collect(),
        };
        let mut results = office.import(&import)?.into_iter();
        for Line { number, entry } in lines {
            let done = match entry {
                Ok(_) => told(results.next())?,
                Err(why) => Err(why),
            };
            match done {
                Ok(outcome) => self.tally.count(outcome),
                Err(why) => self.refuse(number, &why),
            }
        }
        Ok(())
    }

    /// Whether the operator wants all or nothing, and all is out of reach already.
    fn strict_and_bad(&self, lines: &[Line]) -> bool {
        self.args.strict && lines.iter().any(|line| line.entry.is_err())
    }

    /// What lays one entry over the account of its name.
    fn command(&self, entry: &Entry) -> Command {
        match self.args.existing {
            Existing::Update => entry.laid(admin::Existing::Update),
            Existing::Keep => entry.laid(admin::Existing::Keep),
            Existing::Refuse => entry.added(),
        }
    }

    fn refuse(&mut self, number: u64, why: &str) {
        self.tally
            .refuse(self.printer, &self.args.input, number, why);
    }
}

/// What became of a line; the inner error refuses just this one.
fn told(result: Option<Result<Outcome, admin::Error>>) -> Result<Result<Outcome, String>, Failure> {
    match result {
        Some(Ok(outcome)) => Ok(Ok(outcome)),
        Some(Err(admin::Error::Store(store::Error::Invalid { why, .. }))) => Ok(Err(why)),
        Some(Err(admin::Error::Exists { .. })) => {
            Ok(Err("there is such an account already".to_owned()))
        }
        Some(Err(error @ admin::Error::CertificateTaken { .. })) => Ok(Err(error.to_string())),
        Some(Err(error)) => Err(error.into()),
        None => Err(Failure::new(Exit::Place, "a line was not answered")),
    }
}

/// A bar on standard error, if that is a terminal.
fn progress(length: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{bar:40} {percent:>3}% {msg} {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Lines per transaction.
const CHUNK: usize = 10_000;
/// Lines per transaction where they are sent to a broker: some hundred kilobytes.
const CHUNK_TO_SEND: usize = 1_000;
/// Lines per transaction where each is some hundred milliseconds of hashing.
const CHUNK_TO_HASH: usize = 256;
