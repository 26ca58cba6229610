//! `doorman user`: one account at a time.
//!
//! Must not: show a stored credential or a password. A generated secret is told once, by the command
//! that stored it, after it was stored.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::certificate::{self, CertificateArgs};
use super::clock;
use super::convert::{self, ConvertArgs};
use super::cost::CostArgs;
use super::deed::{carry_out, done};
use super::details::Details;
use super::exit::{Exit, Failure};
use super::grant::{GrantArgs, RolesArg};
use super::place::PlaceArgs;
use super::print::{Answer, Listing, Plain, Printer};
use super::prompt::NewPassword;
use super::verify::{self, VerifyArgs};
use super::view::{AccountView, ListView};
use crate::admin::{self, Change, Command, Rotation};
use crate::model::{Account, AccountName, StoredCredential};
use crate::policy::Grantee;

/// The place and the verb.
#[derive(Args, Debug)]
pub(super) struct UserArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do with an account.
#[derive(Subcommand, Debug)]
enum Verb {
    /// Add an account
    Add(AddArgs),
    /// Give an account a new password
    Passwd(RenewArgs),
    /// End the time in which an old password is valid beside the new one
    DropOld(NameArg),
    /// Store SCRAM keys in place of a PBKDF2 hash, without a new password
    ///
    /// Whoever steals such a hash can log in by SCRAM as it is; with keys the password has to be guessed.
    /// Neither the stock broker nor dynamic-security reads keys.
    Convert(ConvertArgs),
    /// Delete accounts: all of them or, if one is not there, none
    Delete(NamesArg),
    /// List all accounts
    List,
    /// Show one account, its roles, groups, certificates and PSK identities; of its credential only the
    /// kind and cost
    Show(NameArg),
    /// Switch accounts on
    Enable(NamesArg),
    /// Switch accounts off; doorman ends their connections within a second
    Disable(NamesArg),
    /// Change validity, client id, networks, texts or notes
    Set(SetArgs),
    /// Map certificates to an account: plugin_opt_certificate says what that lets them do
    Certificate(CertificateArgs),
    /// Give an account roles, or give roles it has another priority
    Grant(UserGrantArgs),
    /// Take roles back
    Revoke(RevokeArgs),
    /// Check a password against an account as the broker would
    Verify(CheckArgs),
}

/// A new account.
#[derive(Args, Debug)]
struct AddArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    credential: NewCredential,
    #[command(flatten)]
    details: Details,
    /// Add it switched off
    #[arg(long)]
    disabled: bool,
}

/// A new password.
#[derive(Args, Debug)]
struct RenewArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    credential: NewCredential,
    /// Keep the old password valid beside the new one, until `doorman user drop-old`
    #[arg(long)]
    keep_old: bool,
}

/// New fields.
#[derive(Args, Debug)]
struct SetArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    details: Details,
}

/// An account and what to give it.
#[derive(Args, Debug)]
struct UserGrantArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    grant: GrantArgs,
}

/// An account and what to take from it.
#[derive(Args, Debug)]
struct RevokeArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    roles: RolesArg,
}

/// An account and what to check about it.
#[derive(Args, Debug)]
struct CheckArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    verify: VerifyArgs,
}

/// One account.
#[derive(Args, Debug)]
struct NameArg {
    /// The account's name, which clients send as username
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    name: AccountName,
}

/// Some accounts.
#[derive(Args, Debug)]
struct NamesArg {
    /// The accounts' names
    #[arg(value_name = "NAME", required = true, value_parser = AccountName::new)]
    names: Vec<AccountName>,
}

/// A new password and what its hash costs.
#[derive(Args, Debug)]
struct NewCredential {
    #[command(flatten)]
    password: NewPassword,
    #[command(flatten)]
    cost: CostArgs,
}

/// What a new password is for.
#[derive(Clone, Copy)]
enum Purpose {
    /// An account that must not be there.
    Add,
    /// An account that must be there.
    Change,
}

/// What became of an account; with the secret, if doorman made one.
#[derive(Serialize)]
pub(super) struct Done<'a> {
    name: &'a str,
    done: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

impl<'a> Done<'a> {
    /// Something that needs no secret.
    pub(super) fn new(name: &'a AccountName, done: &'static str) -> Self {
        Self {
            name: name.as_str(),
            done,
            password: None,
        }
    }
}

impl Answer for Done<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.password {
            // Bare, so that `PASSWORD=$(doorman user add NAME --generate)` does what it should.
            Some(password) => writeln!(out, "{password}"),
            None => writeln!(out, "{} {}", Plain(self.name), self.done),
        }
    }
}

/// Runs `doorman user`.
pub(super) fn run(args: UserArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let place = &args.place;
    match args.verb {
        Verb::Add(args) => add(place, printer, &args),
        Verb::Passwd(args) => renew(place, printer, &args),
        Verb::DropOld(NameArg { name }) => {
            change(place, printer, &[name], Command::DropSecondCredential)
        }
        Verb::Convert(args) => convert::run(place, printer, &args),
        Verb::Delete(NamesArg { names }) => change(place, printer, &names, Command::Delete),
        Verb::Enable(NamesArg { names }) => change(place, printer, &names, switch(false)),
        Verb::Disable(NamesArg { names }) => change(place, printer, &names, switch(true)),
        Verb::Set(args) => set(place, printer, &args),
        Verb::Certificate(args) => certificate::run(place, printer, args),
        Verb::List => list(place, printer),
        Verb::Show(NameArg { name }) => show(place, printer, &name),
        Verb::Grant(args) => {
            let to = Grantee::Account(args.name.name);
            carry_out(place, printer, args.grant.grant(&to))
        }
        Verb::Revoke(args) => {
            let from = Grantee::Account(args.name.name);
            carry_out(place, printer, args.roles.revoke(&from))
        }
        Verb::Verify(args) => {
            let name = &args.name.name;
            let account = place.store("user verify")?.account(name)?;
            let account = account.ok_or_else(|| missing(name))?;
            verify::run(&account, &args.verify, printer)
        }
    }
}

fn add(place: &PlaceArgs, printer: &mut Printer, args: &AddArgs) -> Result<Exit, Failure> {
    let name = &args.name.name;
    let change = args.details.change(clock::now())?;
    let new = &args.credential;
    set_password(place, printer, Purpose::Add, name, new, |credential| {
        let mut account = Account::named(name.clone());
        account.credential = Some(credential);
        account.disabled = args.disabled;
        Command::Add(change.over(account))
    })
}

fn renew(place: &PlaceArgs, printer: &mut Printer, args: &RenewArgs) -> Result<Exit, Failure> {
    let name = &args.name.name;
    let new = &args.credential;
    set_password(place, printer, Purpose::Change, name, new, |credential| {
        Command::SetCredential {
            name: name.clone(),
            credential,
            rotation: if args.keep_old {
                Rotation::KeepOld
            } else {
                Rotation::Replace
            },
        }
    })
}

/// Reads and hashes a password, then carries out the command it is for.
fn set_password(
    place: &PlaceArgs,
    printer: &mut Printer,
    purpose: Purpose,
    name: &AccountName,
    new: &NewCredential,
    command: impl FnOnce(StoredCredential) -> Command,
) -> Result<Exit, Failure> {
    let NewCredential { password, cost } = new;
    let mut office = place.open()?;
    // Nobody shall type a password twice to hear that it was for nothing. The command finds out
    // again, and for certain.
    let name = name.clone();
    match (purpose, office.account(&name)?) {
        (Purpose::Add, Some(_)) => return Err(admin::Error::Exists { name }.into()),
        (Purpose::Change, None) => return Err(admin::Error::Missing { name }.into()),
        (Purpose::Add, None) | (Purpose::Change, Some(_)) => {}
    }
    cost.check()?;
    let chosen = password.read()?;
    if let Some(why) = cost.doubt(&chosen) {
        printer.note(why);
    }
    let outcomes = office.apply(&[command(cost.store(&chosen)?)])?;
    for outcome in outcomes {
        printer.answer(&Done {
            name: name.as_str(),
            done: done(outcome),
            password: chosen.generated(),
        })?;
    }
    Ok(Exit::Done)
}

fn set(place: &PlaceArgs, printer: &mut Printer, args: &SetArgs) -> Result<Exit, Failure> {
    let fields = args.details.change(clock::now())?;
    if fields == Change::default() {
        return Err(Failure::usage(
            "nothing to set; give --valid-from, --valid-until, --client-id, --networks, --textname, \
             --textdescription or --notes",
        ));
    }
    let name = args.name.name.clone();
    change(place, printer, &[name], |name| Command::Set {
        name,
        change: fields.clone(),
    })
}

/// Carries out one command for each name, all or none.
fn change(
    place: &PlaceArgs,
    printer: &mut Printer,
    names: &[AccountName],
    command: impl Fn(AccountName) -> Command,
) -> Result<Exit, Failure> {
    let commands: Vec<_> = names.iter().cloned().map(command).collect();
    let outcomes = place.open()?.apply(&commands)?;
    for (name, outcome) in names.iter().zip(outcomes) {
        printer.answer(&Done::new(name, done(outcome)))?;
    }
    Ok(Exit::Done)
}

fn switch(off: bool) -> impl Fn(AccountName) -> Command {
    move |name| Command::Set {
        name,
        change: Change {
            disabled: Some(off),
            ..Change::default()
        },
    }
}

fn list(place: &PlaceArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let now = clock::now();
    let mut listing = Listing::to(printer);
    let listed = place
        .open()?
        .accounts(&mut |seen| listing.tell(&ListView::new(&seen, now)));
    listing.end(listed)
}

fn show(place: &PlaceArgs, printer: &mut Printer, name: &AccountName) -> Result<Exit, Failure> {
    let mut office = place.open()?;
    let seen = office.account(name)?.ok_or_else(|| missing(name))?;
    let mut view = AccountView::new(&seen, clock::now());
    // A password file holds accounts and nothing else.
    if place.has_roles()? {
        let holdings = office.roles()?.holdings(name)?;
        view = view.holding(&holdings, &office.psks_of(name)?);
    }
    printer.answer(&view)?;
    Ok(Exit::Done)
}

fn missing(name: &AccountName) -> Failure {
    admin::Error::Missing { name: name.clone() }.into()
}
