//! Whose database it is, and which version of the schema it has.
//!
//! Must not: touch a database that is not doorman's, or one that a newer doorman made. Each migration
//! is one transaction, so a kill leaves the version before it or behind it.
#![forbid(unsafe_code)]

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{failure, query};
use crate::store::Error;

/// Brings the database up to date; an empty one becomes doorman's.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let version = recognise(connection, path)?;
    if connection
        .is_readonly(rusqlite::MAIN_DB)
        .map_err(|error| failure(path, &error))?
    {
        return match version {
            LATEST => Ok(()),
            0 => Err(invalid(
                path,
                "it is empty and cannot be written: run `doorman init`",
            )),
            _ => Err(invalid(
                path,
                "it needs a newer schema and cannot be written: run `doorman init`",
            )),
        };
    }
    query::write_ahead(connection).map_err(|error| failure(path, &error))?;
    if version < LATEST {
        migrate(connection).map_err(|error| failure(path, &error))?;
    }
    Ok(())
}

/// Whether nobody has brought it to a version that is not ours.
pub(super) fn is_latest(connection: &Connection) -> bool {
    query::user_version(connection) == Ok(LATEST)
}

/// The version of the schema; 0 for an empty database.
fn recognise(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let failed = |error| failure(path, &error);
    let version = query::user_version(connection).map_err(failed)?;
    let ours = match query::application_id(connection).map_err(failed)? {
        APPLICATION_ID => true,
        0 => version == 0 && query::object_count(connection).map_err(failed)? == 0,
        _ => false,
    };
    if !ours {
        return Err(Error::Corrupt {
            path: path.to_owned(),
            why: "it is an SQLite database, but not one of doorman's; to ask it, put a \
                  plugin_opt_database_query line behind it"
                .to_owned(),
        });
    }
    if version > LATEST {
        return Err(Error::Corrupt {
            path: path.to_owned(),
            why: format!(
                "its schema has version {version} and this doorman knows versions up to {LATEST}: \
                 it was made by a newer doorman"
            ),
        });
    }
    Ok(version)
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    for (number, sql) in (1..).zip(MIGRATIONS) {
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Asked again with the lock held: somebody else may have been faster.
        if query::user_version(&change)? < number {
            change.execute_batch(sql)?;
            query::set_application_id(&change, APPLICATION_ID)?;
            query::set_user_version(&change, number)?;
            change.commit()?;
        }
    }
    Ok(())
}

fn invalid(path: &Path, why: &str) -> Error {
    Error::Invalid {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

/// "DOOR" in the header of the file, where `file` and others look for it.
const APPLICATION_ID: i64 = 0x444f_4f52;

/// In the order of their numbers; one that was ever released is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_accounts.sql"),
    include_str!("migrations/0002_roles.sql"),
    include_str!("migrations/0003_texts.sql"),
    include_str!("migrations/0004_audit.sql"),
    include_str!("migrations/0005_limits.sql"),
    include_str!("migrations/0006_psk.sql"),
    include_str!("migrations/0007_certificates.sql"),
];

const LATEST: i64 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(path: &Path) -> Result<Connection, Error> {
        let mut connection = Connection::open(path).unwrap();
        prepare(&mut connection, path)?;
        Ok(connection)
    }

    fn refused(sql: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = prepared(&path).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }));
        assert_eq!(std::fs::read(&path).unwrap(), before, "it was touched");
        error.to_string()
    }

    #[test]
    fn the_latest_version_is_the_number_of_the_last_migration() {
        assert_eq!(usize::try_from(LATEST), Ok(MIGRATIONS.len()));
    }

    #[test]
    fn an_empty_database_becomes_doormans_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.db");
        let seen = [(); 2].map(|()| {
            let connection = prepared(&path).unwrap();
            assert_eq!(query::application_id(&connection).unwrap(), APPLICATION_ID);
            assert_eq!(query::user_version(&connection).unwrap(), LATEST);
            query::schema_version(&connection).unwrap()
        });
        assert_eq!(seen[0], seen[1]);
    }

    #[test]
    fn a_newer_schema_is_refused_with_both_versions() {
        let newer = LATEST + 1;
        let message = refused(&format!(
            "PRAGMA application_id = 0x444f4f52; PRAGMA user_version = {newer};"
        ));
        assert!(
            message.contains(&format!("version {newer}"))
                && message.contains(&format!("up to {LATEST}")),
            "{message}"
        );
    }

    #[test]
    fn somebody_elses_database_is_refused() {
        assert!(refused("CREATE TABLE users (name TEXT)").contains("database_query"));
        assert!(refused("PRAGMA user_version = 1").contains("database_query"));
        assert!(refused("PRAGMA application_id = 7").contains("database_query"));
    }

    #[test]
    fn a_file_that_is_no_database_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.db");
        for content in [b"roger:$7$x\n".to_vec(), vec![b'x'; 8192]] {
            std::fs::write(&path, &content).unwrap();
            assert!(matches!(prepared(&path), Err(Error::Corrupt { .. })));
        }
    }

    #[test]
    fn a_truncated_database_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.db");
        drop(prepared(&path).unwrap());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..4096]).unwrap();
        assert!(matches!(prepared(&path), Err(Error::Corrupt { .. })));
    }
}
