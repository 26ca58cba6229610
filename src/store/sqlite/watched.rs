//! What changed in a database, and another file under its name.
//!
//! SQLite finds `-wal` and `-shm` by name, so a database that is renamed over a running one meets the
//! old one's write-ahead log and would replay it. Therefore the watcher, when it sees another file,
//! first saves what is in the old log into the old file and takes the old neighbours away, and only
//! then opens the new file and swaps. Must not: write to somebody else's database, or delete beside it:
//! there it looks at the new file without its neighbours, closes the old one, and opens the new one.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::connection::{self, Slot};
use super::database::CHANGES_KEPT;
use super::foreign::{self, Foreign};
use super::news::Log;
use super::pair::{Neighbour, Pair};
use super::reader::Reader;
use super::{failure, query};
use crate::config::QueryConfig;
use crate::store::file::{FileId, unavailable};
use crate::store::{Error, Hurry, Login, News, Watched};

/// Opens doorman's own database twice: for the engine and for the watcher.
pub(super) fn own(path: &Path) -> Result<(Reader, SqliteWatched), Error> {
    let pair = Pair::own(path)?;
    let log = Log::read(&pair.connection).map_err(|error| failure(path, &error))?;
    let watched = SqliteWatched::new(path, pair, Kind::Own(log));
    Ok((Reader::new(Arc::clone(&watched.slot)), watched))
}

/// Opens somebody else's database twice, and checks the statement.
pub(super) fn foreign(config: &QueryConfig) -> Result<(Foreign, SqliteWatched), Error> {
    let pair = Pair::foreign(&config.path, &config.sql)?;
    let watched = SqliteWatched::new(&config.path, pair, Kind::Foreign(config.sql.clone()));
    Ok((Foreign::new(Arc::clone(&watched.slot), config), watched))
}

/// A database as the watcher sees it.
pub(super) struct SqliteWatched {
    slot: Arc<Slot>,
    file: FileId,
    real: PathBuf,
    /// None while there is no file that can be read, after the last one had to be closed.
    connection: Option<Connection>,
    data_version: i64,
    /// The `-wal` and `-shm` that belong to the open file.
    neighbours: Vec<Neighbour>,
    /// Its neighbours were taken away: it can be read on, and nothing else.
    retired: bool,
    kind: Kind,
}

enum Kind {
    Own(Log),
    /// With the statement.
    Foreign(String),
}

impl SqliteWatched {
    fn new(path: &Path, pair: Pair, kind: Kind) -> Self {
        Self {
            slot: Arc::new(Slot::new(path, pair.reader)),
            file: pair.file,
            real: pair.real,
            neighbours: pair.neighbours,
            connection: Some(pair.connection),
            data_version: pair.data_version,
            retired: false,
            kind,
        }
    }

    fn look(&mut self) -> Result<News, Error> {
        let Some(connection) = &self.connection else {
            return self.take_over();
        };
        let seen = match query::data_version(connection) {
            Ok(version) if version == self.data_version => return Ok(News::Nothing),
            Ok(version) => match &mut self.kind {
                Kind::Foreign(_) => Ok((version, News::Everything)),
                Kind::Own(log) => log.news(connection).map(|news| (version, news)),
            },
            Err(error) => Err(error),
        };
        match seen {
            Ok((version, news)) => {
                self.data_version = version;
                Ok(news)
            }
            // Somebody is writing to a database without WAL: the next look sees what it was.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                Ok(News::Nothing)
            }
            Err(error) => Err(failure(self.slot.path(), &error)),
        }
    }

    /// Another file has the name: opens it, and puts it in place of the last one if it is good.
    fn take_over(&mut self) -> Result<News, Error> {
        let path = self.slot.path().to_owned();
        let pair = match &self.kind {
            Kind::Own(_) => {
                self.retire();
                refuse_empty(&path)?;
                // The same file is back: SQLite shares state within a process by file, and that
                // state still knows the neighbours that are gone.
                if FileId::at(&path).ok() == Some(self.file) {
                    self.close();
                }
                Pair::own(&path)?
            }
            Kind::Foreign(sql) => {
                foreign::check(&connection::glance(&path)?, &path, sql)?;
                let sql = sql.clone();
                self.close();
                Pair::foreign(&path, &sql)?
            }
        };
        if let Kind::Own(log) = &mut self.kind {
            *log = Log::read(&pair.connection).map_err(|error| failure(&path, &error))?;
        }
        // Closing the last one takes a moment that the engine need not wait for.
        let last = self.slot.reader().replace(pair.reader);
        drop(last);
        self.connection = Some(pair.connection);
        self.data_version = pair.data_version;
        self.neighbours = pair.neighbours;
        self.file = pair.file;
        self.real = pair.real;
        self.retired = false;
        Ok(News::Everything)
    }

    fn close(&mut self) {
        let last = self.slot.reader().take();
        drop(last);
        self.connection = None;
    }

    /// Takes the neighbours of a file away that lost its name. See the module's words.
    fn retire(&mut self) {
        // Behind a symbolic link that leads elsewhere now, the old database is still whole.
        if self.retired || FileId::at(&self.real).ok() == Some(self.file) {
            return;
        }
        self.retired = true;
        if let Some(connection) = &self.connection
            && let Err(error) = query::checkpoint(connection)
        {
            log::debug!("{}: {error}", self.slot.path().display());
        }
        for neighbour in self.neighbours.drain(..) {
            if FileId::at(&neighbour.path).ok() == Some(neighbour.id)
                && let Err(error) = std::fs::remove_file(&neighbour.path)
            {
                log::warn!("{}: {error}", neighbour.path.display());
            }
        }
    }
}

impl Watched for SqliteWatched {
    fn refresh(&mut self, _hurry: Hurry) -> Result<News, Error> {
        match FileId::at(self.slot.path()) {
            Ok(file) if file == self.file && !self.retired => self.look(),
            Ok(_) => self.take_over(),
            Err(error) => {
                if let Kind::Own(_) = self.kind {
                    self.retire();
                }
                Err(unavailable(self.slot.path(), &error))
            }
        }
    }

    fn record_logins(&mut self, logins: &[Login]) -> Result<(), Error> {
        if let Kind::Foreign(_) = self.kind {
            return Ok(());
        }
        let moved = FileId::at(self.slot.path()).ok() != Some(self.file) || self.retired;
        match &mut self.connection {
            Some(connection) if !moved => {
                record(connection, logins).map_err(|error| failure(self.slot.path(), &error))
            }
            _ => Err(Error::Unavailable {
                path: self.slot.path().to_owned(),
                why: "it was moved away or replaced".to_owned(),
            }),
        }
    }
}

fn record(connection: &mut Connection, logins: &[Login]) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for login in logins {
        query::record_login(&change, login)?;
    }
    query::prune_changes(&change, CHANGES_KEPT)?;
    change.commit()
}

/// At the start an empty file is a new database; in place of a full one it is an accident.
fn refuse_empty(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => Ok(()),
        Ok(_) => Err(Error::Corrupt {
            path: path.to_owned(),
            why: "it was replaced by an empty file".to_owned(),
        }),
        Err(error) => Err(unavailable(path, &error)),
    }
}
