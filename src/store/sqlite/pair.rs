//! A database file opened twice, once for the engine and once for the watcher.
//!
//! Must not: mix two files: if the name leads elsewhere once both are open, neither is taken.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::connection::{self, Bounded};
use super::{acl_query, failure, foreign, query, schema};
use crate::config::QueryConfig;
use crate::store::Error;
use crate::store::file::{FileId, unavailable};

/// A database opened for both threads, and surely the same file.
pub(super) struct Pair {
    pub(super) reader: Bounded,
    pub(super) rest: Rest,
}

/// What is the watcher's.
pub(super) struct Rest {
    pub(super) connection: Connection,
    pub(super) file: FileId,
    /// Its own name, behind all symbolic links.
    pub(super) real: PathBuf,
    pub(super) data_version: i64,
    pub(super) neighbours: Vec<Neighbour>,
}

impl Pair {
    pub(super) fn own(path: &Path) -> Result<Self, Error> {
        Self::open(path, || {
            let mut connection = connection::watcher(path)?;
            schema::prepare(&mut connection, path)?;
            let reader = Bounded::open(path)?;
            query::account(reader.connection(), "").map_err(|error| failure(path, &error))?;
            Ok((reader, connection))
        })
    }

    pub(super) fn foreign(config: &QueryConfig) -> Result<Self, Error> {
        let path = &config.path;
        Self::open(path, || {
            let reader = Bounded::open(path)?;
            check(reader.connection(), config)?;
            Ok((reader, connection::onlooker(path)?))
        })
    }

    fn open(
        path: &Path,
        connect: impl Fn() -> Result<(Bounded, Connection), Error>,
    ) -> Result<Self, Error> {
        let file = FileId::at(path).map_err(|error| unavailable(path, &error))?;
        let (reader, connection) = connect()?;
        let data_version =
            query::data_version(&connection).map_err(|error| failure(path, &error))?;
        if FileId::at(path).ok() != Some(file) {
            return Err(Error::Unavailable {
                path: path.to_owned(),
                why: "it is being replaced just now".to_owned(),
            });
        }
        let real = path
            .canonicalize()
            .map_err(|error| unavailable(path, &error))?;
        Ok(Self {
            reader,
            rest: Rest {
                neighbours: Neighbour::of(&real),
                real,
                connection,
                file,
                data_version,
            },
        })
    }
}

/// Refuses statements that somebody else's database cannot be asked with.
///
/// # Errors
/// With what is wrong about the first of them.
pub(super) fn check(connection: &Connection, config: &QueryConfig) -> Result<(), Error> {
    let both = [
        (&foreign::QUERY, &config.sql),
        (&acl_query::QUERY, &config.acl_sql),
    ];
    for (form, sql) in both {
        if let Some(sql) = sql {
            form.check(connection, &config.path, sql)?;
        }
    }
    Ok(())
}

/// A file of SQLite's beside the database.
pub(super) struct Neighbour {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
}

impl Neighbour {
    /// Those that are there once the database has been read.
    fn of(real: &Path) -> Vec<Self> {
        ["-wal", "-shm"]
            .into_iter()
            .filter_map(|suffix| {
                let mut path = real.as_os_str().to_owned();
                path.push(suffix);
                let path = PathBuf::from(path);
                let id = FileId::at(&path).ok()?;
                Some(Self { path, id })
            })
            .collect()
    }
}
