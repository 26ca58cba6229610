//! Accounts in SQLite: doorman's own database, and others asked with one statement.
//!
//! The engine reads through a connection of its own, on which nothing writes and every question has a
//! budget; the watcher has another, sees what somebody committed and writes the login records down;
//! administration has [`Database`]. In WAL mode none of them waits for another. Must not: put SQL
//! anywhere but in `query/`, or keep an account in memory: what is committed counts at once.
//!
//! A database that runs should be replaced by SQLite's own means (`.restore`, `doorman import`). A file
//! renamed over it is taken over within a look of the watcher, see `watched.rs`.
#![forbid(unsafe_code)]

mod acl_query;
mod book;
mod connection;
mod database;
mod foreign;
mod found;
mod grantor;
mod news;
mod pair;
mod pen;
mod psk;
mod query;
mod reader;
mod record;
mod role_record;
mod roles;
mod schema;
mod statement;
mod trail;
mod watched;

#[cfg(test)]
mod tests;

use std::path::Path;

use rusqlite::{ErrorCode, ffi};

pub use database::Database;
pub use pen::Pen;

use super::{Error, Opened};
use crate::config::{DatabaseConfig, QueryConfig};

/// Opens doorman's own database for the plugin; a missing one is made, an older one migrated.
///
/// # Errors
/// When it cannot be opened, or is not doorman's.
pub fn open(config: &DatabaseConfig) -> Result<Opened, Error> {
    super::file::create_private(&config.path, None)?;
    watched::own(config)
}

/// Opens somebody else's database for reading, and checks the statements it will be asked with.
///
/// # Errors
/// When the database cannot be read, or a statement is not one `SELECT` as described.
pub fn open_foreign(config: &QueryConfig) -> Result<Opened, Error> {
    watched::foreign(config)
}

/// What an error of SQLite's means for whoever asked.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "SQLite may learn new codes; whatever they are, the engine denies"
)]
fn failure(path: &Path, error: &rusqlite::Error) -> Error {
    let path = path.to_owned();
    let unavailable = |why: &str| Error::Unavailable {
        path: path.clone(),
        why: why.to_owned(),
    };
    let corrupt = |why: String| Error::Corrupt {
        path: path.clone(),
        why,
    };
    let Some(code) = error.sqlite_error_code() else {
        return corrupt(error.to_string());
    };
    let extended = error.sqlite_error().map(|error| error.extended_code);
    if extended == Some(ffi::SQLITE_READONLY_DIRECTORY)
        || extended == Some(ffi::SQLITE_READONLY_CANTINIT)
    {
        return unavailable(CLOSED_DIRECTORY);
    }
    match code {
        ErrorCode::OperationInterrupted => unavailable("the query took too long: add an index"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            unavailable("another program is writing to it")
        }
        ErrorCode::CannotOpen => unavailable(
            "it cannot be opened: check that it exists and may be read, and that its directory \
             may be written to if it is in WAL mode (-wal and -shm are made beside it)",
        ),
        ErrorCode::NotADatabase => corrupt("it is not an SQLite database".to_owned()),
        ErrorCode::DatabaseCorrupt => corrupt(format!("it is damaged ({error})")),
        ErrorCode::ConstraintViolation | ErrorCode::TooBig => Error::Invalid {
            path,
            why: error.to_string(),
        },
        _ => unavailable(&error.to_string()),
    }
}

const CLOSED_DIRECTORY: &str = "it is in WAL mode and its directory may not be written to: let the \
                                broker's user write there, or switch it to PRAGMA journal_mode = DELETE";
