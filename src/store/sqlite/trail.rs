//! The record of what administration did, in doorman's own database.
//!
//! Must not: write a record outside the transaction of what it is about.
#![forbid(unsafe_code)]

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::database::Stop;
use super::failure;
use super::query::trail;
use super::record::moment;
use crate::store::{Entry, Error, Hash, Link, Pruned, Record, Search, Trail};

/// The tables of one database.
pub(super) struct Records<'a> {
    path: &'a Path,
    connection: &'a Connection,
}

impl<'a> Records<'a> {
    pub(super) fn new(path: &'a Path, connection: &'a Connection) -> Self {
        Self { path, connection }
    }

    /// Writes an act down behind `end`, or behind what is there; the end then.
    pub(super) fn append(&self, end: Option<Link>, entry: Entry) -> Result<Link, Error> {
        let end = match end {
            Some(end) => end,
            None => self.end()?,
        };
        let record = end.record(entry);
        self.ask(|connection| trail::insert(connection, &record))?;
        Ok(Link {
            seq: record.seq,
            hash: record.hash,
        })
    }

    /// Takes away what is older than a moment, up to the first record that is not.
    pub(super) fn prune(&self, before: Timestamp) -> Result<Option<Pruned>, Error> {
        let seconds = before.as_second();
        let Some(last) = self.ask(|connection| trail::last_before(connection, seconds))? else {
            return Ok(None);
        };
        let records = self.ask(|connection| trail::prune(connection, last))?;
        Ok(Some(Pruned {
            records: u64::try_from(records).unwrap_or(u64::MAX),
            last: last.seq,
        }))
    }

    fn end(&self) -> Result<Link, Error> {
        match self.ask(trail::newest)? {
            Some(newest) => Ok(newest),
            None => self.first(),
        }
    }

    fn first(&self) -> Result<Link, Error> {
        self.ask(trail::anchor)?
            .ok_or_else(|| self.corrupt("the row of the table audit_anchor is missing".to_owned()))
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        question(self.connection).map_err(|error| failure(self.path, &error))
    }

    fn corrupt(&self, why: String) -> Error {
        Error::Corrupt {
            path: self.path.to_owned(),
            why,
        }
    }
}

impl Trail for Records<'_> {
    fn anchor(&mut self) -> Result<Link, Error> {
        self.first()
    }

    fn records(
        &mut self,
        search: &Search,
        visit: &mut dyn FnMut(Record) -> Result<(), Error>,
    ) -> Result<(), Error> {
        trail::each(self.connection, search, |row| {
            let record = record(row).map_err(|why| {
                let seq = row.get::<_, i64>(0).unwrap_or_default();
                Stop::Visitor(self.corrupt(format!("record {seq}: {why}")))
            })?;
            visit(record).map_err(Stop::Visitor)
        })
        .map_err(|stop| match stop {
            Stop::Visitor(error) => error,
            Stop::Sqlite(error) => failure(self.path, &error),
        })
    }
}

/// Reads the columns of `query::trail::each`, in their order.
fn record(row: &Row<'_>) -> Result<Record, String> {
    Ok(Record {
        seq: column(row, 0)?,
        entry: Entry {
            at: moment(row, 1)?.ok_or("it has no time")?,
            who: column(row, 2)?,
            from: column(row, 3)?,
            verb: column(row, 4)?,
            username: column(row, 5)?,
            groupname: column(row, 6)?,
            rolename: column(row, 7)?,
            before: column(row, 8)?,
            after: column(row, 9)?,
        },
        prev: Hash(column(row, 10)?),
        hash: Hash(column(row, 11)?),
    })
}

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, String> {
    row.get(index).map_err(|error| error.to_string())
}
