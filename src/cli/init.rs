//! `doorman init`: a place for accounts, readable by the broker and nobody else; with `--admin`, somebody
//! who may give orders over the broker.
//!
//! Must not: touch what is there already; to a database that is there an administrator is added, and
//! only where neither the account nor the role is there.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use nix::unistd::{Uid, User};
use serde::Serialize;

use super::actor::actor;
use super::cost::CostArgs;
use super::exit::{Exit, Failure};
use super::place::{Place, PlaceArgs};
use super::print::{Answer, Plain, Printer};
use super::prompt::NewPassword;
use crate::admin;
use crate::founding::administrator;
use crate::model::{Account, AccountName};
use crate::store::password_file::PasswordFile;
use crate::store::sqlite::Database;
use crate::store::{Owner, Store as _};

/// Where, and who administers it.
#[derive(Args, Debug)]
pub(super) struct InitArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Add an account that may give orders over the broker, with the role that mosquitto_ctrl dynsec
    /// init makes
    #[arg(long, value_name = "NAME", value_parser = AccountName::new)]
    admin: Option<AccountName>,
    #[command(flatten)]
    password: NewPassword,
    #[command(flatten)]
    cost: CostArgs,
}

/// What was created.
#[derive(Serialize)]
struct Created<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    option: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<&'a str>,
    /// One that doorman made.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

impl Answer for Created<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(created) = self.created {
            writeln!(out, "created {created}")?;
        }
        if let Some(admin) = self.admin {
            writeln!(out, "{} added, with role admin", Plain(admin))?;
        }
        if let Some(password) = self.password {
            writeln!(out, "password: {password}")?;
        }
        writeln!(
            out,
            "for mosquitto.conf, below the plugin line: {}",
            self.option
        )?;
        if self.admin.is_some() {
            writeln!(out, "and below that: plugin_opt_database_roles true")?;
        }
        Ok(())
    }
}

/// Creates the place, owned by the broker's user where this process may give it away.
pub(super) fn run(args: &InitArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let place = args.place.resolve("init")?;
    if let Some(admin) = &args.admin {
        return with_admin(args, &place, admin, printer);
    }
    if args.password.is_given() {
        return Err(Failure::usage(
            "a password is for an account; give --admin NAME, or use `doorman user add`",
        ));
    }
    // The stores refuse an existing file themselves; asking first gives the right exit code.
    let path = place.path();
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(
            Exit::Exists,
            format!("{} is there already; it was not changed", path.display()),
        ));
    }
    let owner = new_owner(args, printer);
    let key = match &place {
        Place::File(path) => {
            PasswordFile::create(path, owner)?;
            "password_file"
        }
        Place::Database(path) => {
            Database::create(path, owner)?;
            "database"
        }
    };
    let shown = full(path)?;
    printer.answer(&Created {
        created: Some(&shown),
        option: format!("plugin_opt_{key} {shown}"),
        admin: None,
        password: None,
    })?;
    Ok(Exit::Done)
}

/// A database and its administrator, both or neither; or the administrator alone.
fn with_admin(
    args: &InitArgs,
    place: &Place,
    name: &AccountName,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let path = match place {
        Place::Database(path) => path,
        Place::File(_) => {
            return Err(Failure::usage(
                "a password file holds no roles: an administrator needs --database",
            ));
        }
    };
    let is_new = path.symlink_metadata().is_err();
    let mut there = match is_new {
        true => None,
        false => Some(Database::open(path)?),
    };
    // Nobody shall type a password twice to hear that it was for nothing.
    if let Some(store) = &mut there
        && store.account(name)?.is_some()
    {
        return Err(admin::Error::Exists { name: name.clone() }.into());
    }
    let chosen = args.password.read()?;
    let mut account = Account::named(name.clone());
    account.credential = Some(args.cost.store(&chosen)?);
    let commands = administrator(account)?;
    let add = |store: &mut Database| -> Result<(), Failure> {
        let _all_new = admin::apply(store, actor(), &commands)?;
        Ok(())
    };
    match &mut there {
        Some(store) => add(store)?,
        None => Database::found(path, new_owner(args, printer), add)?,
    }
    let shown = full(path)?;
    printer.answer(&Created {
        created: is_new.then_some(shown.as_str()),
        option: format!("plugin_opt_database {shown}"),
        admin: Some(name.as_str()),
        password: chosen.generated(),
    })?;
    Ok(Exit::Done)
}

/// The broker is started elsewhere.
fn full(path: &Path) -> Result<String, Failure> {
    let full = std::path::absolute(path).map_err(|error| Failure::file(path, &error))?;
    Ok(full.display().to_string())
}

/// Whose a new file is to be.
fn new_owner(args: &InitArgs, printer: &mut Printer) -> Option<Owner> {
    let broker = args.place.broker_user();
    let owner = owner(broker.as_deref().unwrap_or("mosquitto"));
    if Uid::effective().is_root() && owner.is_none() {
        printer.note(
            "there is no user mosquitto here; the file belongs to root, so give it to the user \
             that the broker runs as",
        );
    }
    owner
}

/// The broker's user and group, if this process may give files away and the user exists.
pub(super) fn owner(name: &str) -> Option<Owner> {
    if !Uid::effective().is_root() {
        return None;
    }
    let user = User::from_name(name).ok().flatten()?;
    Some(Owner {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
    })
}
