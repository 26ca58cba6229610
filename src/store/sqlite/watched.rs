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

use super::connection::{self, Bounded, Slot};
use super::database::CHANGES_KEPT;
use super::foreign::{self, Foreign};
use super::reader::Reader;
use super::{failure, query, schema};
use crate::config::QueryConfig;
use crate::model::AccountName;
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
        *self.slot.reader() = Some(pair.reader);
        self.connection = Some(pair.connection);
        self.data_version = pair.data_version;
        self.neighbours = pair.neighbours;
        self.file = pair.file;
        self.retired = false;
        Ok(News::Everything)
    }

    fn close(&mut self) {
        *self.slot.reader() = None;
        self.connection = None;
    }

    /// Takes the neighbours of a file away that lost its name. See the module's words.
    fn retire(&mut self) {
        if self.retired {
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

/// How far the change log has been read.
struct Log {
    schema_version: i64,
    newest: Option<Entry>,
}

#[derive(PartialEq, Eq)]
struct Entry {
    seq: i64,
    username: String,
}

impl Log {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            schema_version: query::schema_version(connection)?,
            newest: query::newest_change(connection)?
                .map(|(seq, username)| Entry { seq, username }),
        })
    }

    /// Reads on. Everything, if rows that were not read are gone or this is another log: a restored
    /// backup changes the schema's version, or the name beside the last number read.
    fn news(&mut self, connection: &Connection) -> rusqlite::Result<News> {
        let reading = connection.unchecked_transaction()?;
        let now = Self::read(&reading)?;
        let from = self.newest.as_ref().map_or(0, |entry| entry.seq);
        let same_log = now.schema_version == self.schema_version
            && now.newest.as_ref().map_or(0, |entry| entry.seq) >= from
            && match &self.newest {
                Some(entry) => {
                    query::change_at(&reading, entry.seq)?.as_ref() == Some(&entry.username)
                }
                None => query::oldest_change(&reading)?.is_none_or(|oldest| oldest == 1),
            };
        let news = if !same_log {
            News::Everything
        } else if now.newest == self.newest {
            News::Nothing
        } else {
            let changed = query::changed_after(&reading, from)?;
            // A name that nobody can send is nobody who is connected.
            let names = changed
                .iter()
                .filter_map(|name| AccountName::new(name).ok());
            News::Accounts(names.collect())
        };
        *self = now;
        Ok(news)
    }
}

/// A file of SQLite's beside the database.
struct Neighbour {
    path: PathBuf,
    id: FileId,
}

impl Neighbour {
    /// Those that are there once the database has been read.
    fn of(path: &Path) -> Vec<Self> {
        let Ok(real) = path.canonicalize() else {
            return Vec::new();
        };
        ["-wal", "-shm"]
            .into_iter()
            .filter_map(|suffix| {
                let mut path = real.clone().into_os_string();
                path.push(suffix);
                let path = PathBuf::from(path);
                let id = FileId::at(&path).ok()?;
                Some(Self { path, id })
            })
            .collect()
    }
}

/// A database opened for both threads, and surely the same file.
struct Pair {
    reader: Bounded,
    connection: Connection,
    file: FileId,
    data_version: i64,
    neighbours: Vec<Neighbour>,
}

impl Pair {
    fn own(path: &Path) -> Result<Self, Error> {
        Self::open(path, || {
            let mut connection = connection::watcher(path)?;
            schema::prepare(&mut connection, path)?;
            let reader = Bounded::open(path)?;
            query::account(reader.connection(), "").map_err(|error| failure(path, &error))?;
            Ok((reader, connection))
        })
    }

    fn foreign(path: &Path, sql: &str) -> Result<Self, Error> {
        Self::open(path, || {
            let reader = Bounded::open(path)?;
            foreign::check(reader.connection(), path, sql)?;
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
        Ok(Self {
            neighbours: Neighbour::of(path),
            reader,
            connection,
            file,
            data_version,
        })
    }
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
