//! How databases are opened, and how the engine's connection is kept from holding up the broker.
//!
//! Must not: know a schema. [`Slot`] is what the engine's side and the watcher's side share: the
//! watcher swaps the connection in it when another file took the database's name.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{failure, query};
use crate::store::Error;

/// The engine's connection to one database.
pub(super) struct Slot {
    path: PathBuf,
    /// Empty only between two files, and if the second then turned out to be unusable.
    reader: Mutex<Option<Bounded>>,
}

impl Slot {
    pub(super) fn new(path: &Path, reader: Bounded) -> Self {
        Self {
            path: path.to_owned(),
            reader: Mutex::new(Some(reader)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks the database, within a budget of work.
    pub(super) fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        match &*self.reader() {
            Some(reader) => {
                reader.spent.store(0, Ordering::Relaxed);
                question(&reader.connection).map_err(|error| failure(&self.path, &error))
            }
            None => Err(Error::Unavailable {
                path: self.path.clone(),
                why: "it was replaced by a file that cannot be read".to_owned(),
            }),
        }
    }

    /// The connection itself, for the watcher that swaps it. Nobody is asked while it is held.
    pub(super) fn reader(&self) -> MutexGuard<'_, Option<Bounded>> {
        // A panic elsewhere leaves a connection as usable as it was: it changes nothing.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that only reads, and gives up before the broker would notice.
pub(super) struct Bounded {
    connection: Connection,
    spent: Arc<AtomicU32>,
}

impl Bounded {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_PATIENCE)?;
        let spent = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&spent);
        let over_budget = move || count.fetch_add(1, Ordering::Relaxed) >= BUDGET;
        connection
            .progress_handler(STEPS_PER_CALL, Some(over_budget))
            .and_then(|()| query::configure_reader(&connection))
            .map_err(|error| failure(path, &error))?;
        Ok(Self { connection, spent })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// A connection that may write, or may not if the file says so; for the watcher's thread.
pub(super) fn watcher(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WATCHER_PATIENCE)?;
    query::configure_watcher(&connection).map_err(|error| failure(path, &error))?;
    Ok(connection)
}

/// A connection that never writes, for the watcher of somebody else's database.
pub(super) fn onlooker(path: &Path) -> Result<Connection, Error> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_PATIENCE)
}

/// The connection of administration, which can wait.
pub(super) fn writer(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_PATIENCE)?;
    query::configure_writer(&connection).map_err(|error| failure(path, &error))?;
    Ok(connection)
}

/// A look at a database file that leaves its neighbours `-wal` and `-shm` alone.
pub(super) fn glance(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    connect(Path::new(&immutable(path)), flags, READER_PATIENCE).map_err(|error| match error {
        Error::Unavailable { why, .. }
        | Error::Corrupt { why, .. }
        | Error::Line { why, .. }
        | Error::Invalid { why, .. } => Error::Unavailable {
            path: path.to_owned(),
            why,
        },
    })
}

fn connect(path: &Path, flags: OpenFlags, patience: Duration) -> Result<Connection, Error> {
    // The mutexes of our own are enough: each connection has one owner at a time.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(patience)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    open().map_err(|error| failure(path, &error))
}

/// The path as an SQLite URI, every byte but the plainest escaped.
fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Longer than any commit takes in WAL mode, and shorter than anybody notices.
const READER_PATIENCE: Duration = Duration::from_millis(20);
/// Other sources wait for the watcher meanwhile; an import holds the lock longer than any patience.
const WATCHER_PATIENCE: Duration = Duration::from_millis(250);
const WRITER_PATIENCE: Duration = Duration::from_secs(10);

/// More than there are statements of ours.
const STATEMENTS: usize = 96;

/// Two million steps of SQLite's virtual machine are some tens of milliseconds; a look into an index
/// takes a few dozen.
const STEPS_PER_CALL: i32 = 1_000;
const BUDGET: u32 = 2_000;
