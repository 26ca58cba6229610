//! `doorman psk`: keys of TLS-PSK, and whose they are.
//!
//! Must not: take a key as an argument, or show one that is stored. One that doorman made is told once, by
//! the command that stored it, after it was stored.
#![forbid(unsafe_code)]

mod import;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use zeroize::Zeroizing;

use self::import::ImportArgs;
use super::deed::done;
use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::{Answer, Listing, Plain, Printer};
use super::prompt;
use crate::admin::{Change, Command, Existing, Office, Outcome};
use crate::model::{AccountName, Psk, PskIdentity, PskKey};
use crate::store::psk::SeenPsk;

/// The place and the verb.
#[derive(Args, Debug)]
pub(super) struct PskArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Seal keys with the first key in this file, and open them with any of its keys; with --config it is
    /// that of plugin_opt_psk_seal_file, and over a broker its plugin's
    #[arg(long, global = true, value_name = "FILE", env = "DOORMAN_SEAL_FILE")]
    seal_file: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do with keys.
#[derive(Subcommand, Debug)]
enum Verb {
    /// Give an account an identity and a key, which doorman makes and prints once
    Add(AddArgs),
    /// Take identities away: all of them or, if one is not there, none; connections made with them end
    Delete(DeleteArgs),
    /// List all identities, whose they are, and how long the keys are
    List,
    /// Seal all keys with the first key of the seal file: those that are not, and those sealed with an older
    /// one
    Seal,
    /// Make a new seal file with a key of 256 random bits, for its owner alone
    SealFile(SealFileArgs),
    /// Import a file in the format of Mosquitto's psk_file: identity:key
    Import(ImportArgs),
}

/// A new identity.
#[derive(Args, Debug)]
struct AddArgs {
    /// The account that clients with the key are
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    name: AccountName,
    /// What clients name the key by; otherwise the account's name
    #[arg(long, value_name = "IDENTITY", value_parser = PskIdentity::new)]
    identity: Option<PskIdentity>,
    /// Make a key of so many bits
    #[arg(long, value_name = "BITS", value_parser = ["128", "256"], default_value = "256")]
    bits: String,
    /// Take the key, in hexadecimal digits, from the first line of standard input
    #[arg(long, conflicts_with = "psk_file")]
    psk_stdin: bool,
    /// Take the key, in hexadecimal digits, from the first line of this file
    #[arg(long, value_name = "FILE")]
    psk_file: Option<PathBuf>,
    /// Add the account, without a password, if it is not there
    #[arg(long)]
    add_account: bool,
}

/// Some identities.
#[derive(Args, Debug)]
struct DeleteArgs {
    /// The identities
    #[arg(value_name = "IDENTITY", required = true, value_parser = PskIdentity::new)]
    identities: Vec<PskIdentity>,
}

/// A new seal file.
#[derive(Args, Debug)]
struct SealFileArgs {
    /// The file; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What became of an identity; with the key, if doorman made it.
#[derive(Serialize)]
struct Done<'a> {
    identity: &'a str,
    done: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl Answer for Done<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.key {
            // Bare, so that `KEY=$(doorman psk add NAME)` does what it should.
            Some(key) => writeln!(out, "{key}"),
            None => writeln!(out, "identity {} {}", Plain(self.identity), self.done),
        }
    }
}

/// One identity as a line of the list.
#[derive(Serialize)]
struct Line<'a> {
    identity: &'a str,
    name: &'a str,
    bits: usize,
    sealed: bool,
}

impl Answer for Line<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let identity = format!("{:<24}", Plain(self.identity));
        let name = format!("{:<24}", Plain(self.name));
        let sealed = if self.sealed { ", sealed" } else { "" };
        writeln!(out, "{identity} {name} {} bits{sealed}", self.bits)
    }
}

/// What became of all keys.
#[derive(Serialize)]
struct Sealed {
    done: &'static str,
}

impl Answer for Sealed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "keys {}", self.done)
    }
}

/// Runs `doorman psk`.
pub(super) fn run(args: &PskArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    if let Verb::SealFile(SealFileArgs { file }) = &args.verb {
        return seal_file(file);
    }
    let mut office = args.place.open_sealed(args.seal_file.as_deref())?;
    let office = office.as_mut();
    match &args.verb {
        Verb::Add(args) => add(office, printer, args),
        Verb::Delete(args) => delete(office, printer, args),
        Verb::List => list(office, printer),
        Verb::Seal => seal(office, printer),
        // It needs no place.
        Verb::SealFile(SealFileArgs { file }) => seal_file(file),
        Verb::Import(import) => import::run(office, args.place.is_far(), printer, import),
    }
}

fn add(office: &mut dyn Office, printer: &mut Printer, args: &AddArgs) -> Result<Exit, Failure> {
    let own = args.own()?;
    let is_own = own.is_some();
    let key = match own {
        Some(key) => key,
        None => made(&args.bits)?,
    };
    if key.bits() < 128 {
        printer.note("a key of less than 128 bits can be guessed by whoever records a connection");
    }
    let identity = match &args.identity {
        Some(identity) => identity.clone(),
        None => PskIdentity::new(args.name.as_str()).map_err(|why| {
            Failure::usage(format!(
                "the account's name cannot be an identity ({why}); give --identity"
            ))
        })?,
    };
    let told = (!is_own).then(|| key.to_hex());
    let mut commands: Vec<Command> = Vec::new();
    if args.add_account {
        commands.push(account(&args.name));
    }
    commands.push(Command::AddPsk(Psk {
        identity: identity.clone(),
        name: args.name.clone(),
        key,
    }));
    let outcomes = office.apply(&commands)?;
    if let Some(outcome) = outcomes.last() {
        printer.answer(&Done {
            identity: identity.as_str(),
            done: done(*outcome),
            key: told.as_ref().map(|key| key.as_str()),
        })?;
    }
    Ok(Exit::Done)
}

impl AddArgs {
    /// The key that somebody brings.
    fn own(&self) -> Result<Option<PskKey>, Failure> {
        let line = match &self.psk_file {
            Some(path) => prompt::from_file(path)?,
            None if self.psk_stdin => prompt::from_stdin()?,
            None => return Ok(None),
        };
        let key = PskKey::from_hex(line.expose().trim_ascii());
        key.map(Some)
            .map_err(|why| Failure::new(Exit::Refused, why.to_string()))
    }
}

/// Writes a file for its owner alone; one that is there stays.
fn seal_file(path: &Path) -> Result<Exit, Failure> {
    let failed = |error: io::Error| Failure::file(path, &error);
    let text = Zeroizing::new(format!("{}\n", *made("256")?.to_hex()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    Ok(Exit::Done)
}

/// A key that nobody guesses.
fn made(bits: &str) -> Result<PskKey, Failure> {
    let length = if bits == "128" { 16 } else { 32 };
    let mut bytes = Zeroizing::new(vec![0; length]);
    prompt::random(&mut bytes)?;
    PskKey::new(bytes).map_err(|why| Failure::new(Exit::Refused, why.to_string()))
}

/// An account without a password, if there is none of that name.
fn account(name: &AccountName) -> Command {
    Command::Lay {
        name: name.clone(),
        credential: None,
        change: Change::default(),
        existing: Existing::Keep,
    }
}

fn delete(
    office: &mut dyn Office,
    printer: &mut Printer,
    args: &DeleteArgs,
) -> Result<Exit, Failure> {
    let commands = args.identities.iter().cloned().map(Command::DeletePsk);
    let commands: Vec<_> = commands.collect();
    let outcomes = office.apply(&commands)?;
    for (identity, outcome) in args.identities.iter().zip(outcomes) {
        printer.answer(&Done {
            identity: identity.as_str(),
            done: done(outcome),
            key: None,
        })?;
    }
    Ok(Exit::Done)
}

fn list(office: &mut dyn Office, printer: &mut Printer) -> Result<Exit, Failure> {
    let mut listing = Listing::to(printer);
    let listed = office.psks(&mut |seen| {
        let SeenPsk {
            identity,
            name,
            bits,
            sealed,
        } = &seen;
        let line = Line {
            identity: identity.as_str(),
            name: name.as_str(),
            bits: *bits,
            sealed: *sealed,
        };
        listing.tell(&line)
    });
    listing.end(listed)
}

fn seal(office: &mut dyn Office, printer: &mut Printer) -> Result<Exit, Failure> {
    for outcome in office.apply(&[Command::SealPsks])? {
        let done = match outcome {
            Outcome::Unchanged => "sealed already",
            Outcome::Added | Outcome::Changed | Outcome::Deleted => "sealed",
        };
        printer.answer(&Sealed { done })?;
    }
    Ok(Exit::Done)
}
