//! `doorman user convert`: SCRAM keys in place of a hash from which they follow.
//!
//! Must not: touch an account that is already what it should be, or be silent about what is lost: keys
//! do not go back to a hash, and nobody but doorman reads them.
#![forbid(unsafe_code)]

use clap::Args;

use super::actor::actor;
use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::{self, Printer};
use super::user::Done;
use crate::admin::{self, Batch, Command, Rotation};
use crate::config::CostLimits;
use crate::credential::Credential;
use crate::mechanism::Mechanism;
use crate::model::{Account, AccountName, StoredCredential};

/// Whose.
#[derive(Args, Debug)]
pub(super) struct ConvertArgs {
    /// The accounts' names
    #[arg(value_name = "NAME", required_unless_present = "all", value_parser = AccountName::new)]
    names: Vec<AccountName>,
    /// Every account that is stored as such a hash
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

/// Runs `doorman user convert`: all of them or, if one cannot be, none.
pub(super) fn run(
    place: &PlaceArgs,
    printer: &mut Printer,
    args: &ConvertArgs,
) -> Result<Exit, Failure> {
    let mut store = place.store("user convert")?;
    let mut names = args.names.clone();
    if args.all {
        store.accounts(&mut |account| {
            if account.credentials().any(|c| converted(c).is_some()) {
                names.push(account.name);
            }
            Ok(())
        })?;
    }
    let mut batch = Batch::begin(store.as_mut(), actor())?;
    let mut done = Vec::new();
    for name in &names {
        let missing = || admin::Error::Missing { name: name.clone() };
        let account = batch.account(name)?.ok_or_else(missing)?;
        let commands = commands(&account);
        if commands.is_empty() && !args.all {
            warn_of_none(printer, name);
        }
        for command in &commands {
            let _outcome = batch.carry_out(command)?;
        }
        let is_changed = !commands.is_empty();
        done.push(if is_changed { "converted" } else { "unchanged" });
        if weak(&account) {
            let least = Mechanism::LEAST_ITERATIONS;
            let name = print::name(name);
            printer.note(format_args!(
                "{name} keeps its few iterations: SCRAM clients refuse less than {least}, a new \
                 password has more"
            ));
        }
    }
    batch.commit()?;
    for (name, done) in names.iter().zip(&done) {
        printer.answer(&Done::new(name, done))?;
    }
    if done.contains(&"converted") {
        printer.note(
            "the stock broker and dynamic-security cannot read what is stored now, and the hash that \
             was there cannot be had back; connections of these accounts end, and passwords stay as \
             they are",
        );
    }
    Ok(if done.contains(&"unchanged") {
        Exit::Refused
    } else {
        Exit::Done
    })
}

fn warn_of_none(printer: &mut Printer, name: &AccountName) {
    let name = print::name(name);
    printer.note(format_args!(
        "{name} is left as it is: keys follow from a whole PBKDF2 hash with SHA-256 or SHA-512 and \
         from nothing else; with a new password (doorman user passwd --scram) it can have them"
    ));
}

/// The keys go in where the hashes were, the older one first: the newer one keeps it.
fn commands(account: &Account) -> Vec<Command> {
    let new = |stored: &Option<StoredCredential>| {
        let stored = stored.as_ref()?;
        Some(converted(stored).unwrap_or_else(|| stored.clone()))
    };
    let both = [&account.second_credential, &account.credential];
    let is_something = both.into_iter().flatten().any(|c| converted(c).is_some());
    if !is_something {
        return Vec::new();
    }
    let mut rotation = Rotation::Replace;
    let mut commands = Vec::new();
    for credential in both.into_iter().filter_map(new) {
        commands.push(Command::SetCredential {
            name: account.name.clone(),
            credential,
            rotation,
        });
        rotation = Rotation::KeepOld;
    }
    commands
}

fn converted(stored: &StoredCredential) -> Option<StoredCredential> {
    read(stored)?.converted()
}

fn read(stored: &StoredCredential) -> Option<Credential> {
    Credential::parse(stored, &CostLimits::STANDARD).ok()
}

fn weak(account: &Account) -> bool {
    let keys = |credential: Credential| {
        let mut mechanisms = Mechanism::ALL.into_iter();
        mechanisms.find_map(|mechanism| credential.keys(mechanism))
    };
    let mut all = account.credentials().filter_map(read).filter_map(keys);
    all.any(|keys| keys.iterations < Mechanism::LEAST_ITERATIONS)
}
