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

use super::acl_query::AclQuery;
use super::book::Shelf;
use super::connection::{self, Slot};
use super::database::CHANGES_KEPT;
use super::foreign::Foreign;
use super::grantor::RoleGrantor;
use super::news::Log;
use super::pair::{Neighbour, Pair, Rest, check};
use super::pen::Pen;
use super::reader::Reader;
use super::{failure, query};
use crate::config::{DatabaseConfig, QueryConfig};
use crate::policy::Book;
use crate::store::file::{FileId, unavailable};
use crate::store::{Changes, Error, Grantor, Hurry, Login, News, Opened, Source, Watched};

/// Opens doorman's own database twice: for the engine and for the watcher.
pub(super) fn own(config: &DatabaseConfig) -> Result<Opened, Error> {
    let path = &config.path;
    let pair = Pair::own(path)?;
    let connection = &pair.rest.connection;
    let log = Log::read(connection).map_err(|error| failure(path, &error))?;
    let mut shelf = Shelf::default();
    let book = match config.roles {
        true => shelf.read(connection, path)?,
        false => None,
    };
    let slot = Arc::new(Slot::new(path, pair.reader));
    let pen = Arc::new(Pen::new(path, pair.rest.file));
    let roles = book.map(|book| Arc::new(RoleGrantor::new(Arc::clone(&slot), book)));
    let grantor = roles.clone().map(|roles| roles as Arc<dyn Grantor>);
    let kind = Kind::Own(Own {
        log,
        shelf,
        roles,
        pen,
        retired: None,
        trouble: false,
    });
    Ok(Opened {
        source: Some(Arc::new(Reader::new(Arc::clone(&slot)))),
        grantor,
        watched: Box::new(SqliteWatched::new(slot, pair.rest, kind)),
    })
}

/// Opens somebody else's database twice, and checks the statements.
pub(super) fn foreign(config: &QueryConfig) -> Result<Opened, Error> {
    let pair = Pair::foreign(config)?;
    let slot = Arc::new(Slot::new(&config.path, pair.reader));
    let source = config.sql.as_ref().map(|sql| {
        Arc::new(Foreign::new(Arc::clone(&slot), sql, config.scheme)) as Arc<dyn Source>
    });
    let grantor = match &config.acl_sql {
        Some(sql) => Some(Arc::new(AclQuery::new(Arc::clone(&slot), sql)?) as Arc<dyn Grantor>),
        None => None,
    };
    Ok(Opened {
        source,
        grantor,
        watched: Box::new(SqliteWatched::new(
            slot,
            pair.rest,
            Kind::Foreign(config.clone()),
        )),
    })
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
    Own(Own),
    /// With the statements.
    Foreign(QueryConfig),
}

/// What is read of doorman's own.
struct Own {
    log: Log,
    shelf: Shelf,
    /// Where roles are asked for.
    roles: Option<Arc<RoleGrantor>>,
    /// What orders are written with.
    pen: Arc<Pen>,
    /// The roles before those in force: taken apart here, and not by whoever was asking them when they
    /// were replaced.
    retired: Option<Arc<Book>>,
    /// Roles that could not be read are read again at the next look.
    trouble: bool,
}

impl Own {
    /// Reads on: what changed for whom, and the roles, if any of them did. None if somebody is writing
    /// to a database without WAL: the next look sees what it was.
    fn news(&mut self, connection: &Connection, path: &Path) -> Result<Option<News>, Error> {
        self.retired = None;
        // Before those who hold them: what is held is not too new for long.
        let mut rules = self.read_roles(connection, path);
        let news = match self.log.news(connection) {
            Ok(news) => news,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                self.trouble = true;
                return Ok(None);
            }
            Err(error) => return Err(failure(path, &error)),
        };
        if news == News::Everything {
            self.shelf = Shelf::default();
            rules = self.read_roles(connection, path);
        }
        self.trouble = rules.is_err();
        let is_some = match &news {
            News::Everything => true,
            News::Some(changes) => !changes.accounts.is_empty(),
            News::Nothing => false,
        };
        // Roles that cannot be read keep nobody from hearing that an account was switched off.
        let rules = match rules {
            Err(error) if is_some => {
                log::error!("{error}; its roles stay as they were");
                false
            }
            rules => rules?,
        };
        Ok(Some(match news {
            News::Some(changes) => News::Some(Changes { rules, ..changes }),
            News::Everything | News::Nothing => news,
        }))
    }

    fn read_roles(&mut self, connection: &Connection, path: &Path) -> Result<bool, Error> {
        let Some(roles) = &self.roles else {
            return Ok(false);
        };
        let Some(book) = self.shelf.read(connection, path)? else {
            return Ok(false);
        };
        self.retired = Some(roles.replace(book));
        Ok(true)
    }

    /// Another file: nothing that was read before holds.
    fn begin_again(&mut self, connection: &Connection, path: &Path) -> Result<(), Error> {
        let log = Log::read(connection).map_err(|error| failure(path, &error))?;
        let mut shelf = Shelf::default();
        if let Some(roles) = &self.roles
            && let Some(book) = shelf.read(connection, path)?
        {
            self.retired = Some(roles.replace(book));
        }
        self.log = log;
        self.shelf = shelf;
        self.trouble = false;
        Ok(())
    }
}

impl SqliteWatched {
    fn new(slot: Arc<Slot>, pair: Rest, kind: Kind) -> Self {
        Self {
            slot,
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
        let path = self.slot.path();
        let version = match query::data_version(connection) {
            Ok(version) => version,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                return Ok(News::Nothing);
            }
            Err(error) => return Err(failure(path, &error)),
        };
        let is_changed = version != self.data_version;
        let news = match &mut self.kind {
            Kind::Foreign(_) if is_changed => News::Everything,
            Kind::Own(own) if is_changed || own.trouble => {
                own.news(connection, path)?.unwrap_or(News::Nothing)
            }
            Kind::Foreign(_) | Kind::Own(_) => News::Nothing,
        };
        self.data_version = version;
        Ok(news)
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
            Kind::Foreign(config) => {
                check(&connection::glance(&path)?, config)?;
                let config = config.clone();
                self.close();
                Pair::foreign(&config)?
            }
        };
        if let Kind::Own(own) = &mut self.kind {
            own.begin_again(&pair.rest.connection, &path)?;
        }
        // Closing the last one takes a moment that the engine need not wait for.
        let last = self.slot.reader().replace(pair.reader);
        drop(last);
        let pair = pair.rest;
        self.connection = Some(pair.connection);
        self.data_version = pair.data_version;
        self.neighbours = pair.neighbours;
        self.file = pair.file;
        self.real = pair.real;
        self.retired = false;
        if let Kind::Own(own) = &self.kind {
            own.pen.hand_over(self.file);
        }
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
        if let Kind::Own(own) = &self.kind {
            own.pen.lay_down();
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

    fn pen(&self, path: &Path) -> Option<Arc<Pen>> {
        match &self.kind {
            Kind::Own(own) if self.slot.path() == path => Some(Arc::clone(&own.pen)),
            Kind::Own(_) | Kind::Foreign(_) => None,
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
