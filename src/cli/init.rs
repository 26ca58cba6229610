//! `doorman init`: an empty place for accounts, readable by the broker and nobody else.
//!
//! Must not: touch what is there already.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use nix::unistd::{Uid, User};
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::place::{Place, PlaceArgs};
use super::print::{Answer, Printer};
use crate::store::Owner;
use crate::store::password_file::PasswordFile;
use crate::store::sqlite::Database;

/// What was created.
#[derive(Serialize)]
struct Created<'a> {
    created: &'a str,
    option: String,
}

impl Answer for Created<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "created {}", self.created)?;
        writeln!(
            out,
            "for mosquitto.conf, below the plugin line: {}",
            self.option
        )
    }
}

/// Creates the place, owned by the broker's user where this process may give it away.
pub(super) fn run(args: &PlaceArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let place = args.resolve()?;
    let path = place.path();
    // The stores refuse an existing file themselves; asking first gives the right exit code.
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(
            Exit::Exists,
            format!("{} is there already; it was not changed", path.display()),
        ));
    }
    let broker = args.broker_user();
    let owner = owner(broker.as_deref().unwrap_or("mosquitto"));
    if Uid::effective().is_root() && owner.is_none() {
        printer.note(
            "there is no user mosquitto here; the file belongs to root, so give it to the user \
             that the broker runs as",
        );
    }
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
    // The broker is started elsewhere.
    let full = std::path::absolute(path).map_err(|error| Failure::file(path, &error))?;
    let shown = full.display().to_string();
    printer.answer(&Created {
        created: &shown,
        option: format!("plugin_opt_{key} {shown}"),
    })?;
    Ok(Exit::Done)
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
