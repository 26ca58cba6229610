//! The change log as the watcher reads it.
//!
//! Must not: take silence for "nothing changed". Where the log does not continue what was read of it
//! before, anything may have changed.
#![forbid(unsafe_code)]

use rusqlite::Connection;

use super::query;
use crate::model::AccountName;
use crate::store::{Changes, News};

/// How far the change log has been read.
pub(super) struct Log {
    schema_version: i64,
    newest: Option<Entry>,
}

#[derive(PartialEq, Eq)]
struct Entry {
    seq: i64,
    username: String,
}

impl Log {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            schema_version: query::schema_version(connection)?,
            newest: query::newest_change(connection)?
                .map(|(seq, username)| Entry { seq, username }),
        })
    }

    /// Reads on. Everything, if rows that were not read are gone or this is another log: a restored
    /// backup changes the schema's version, or the name beside the last number read.
    pub(super) fn news(&mut self, connection: &Connection) -> rusqlite::Result<News> {
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
        } else {
            let changed = query::changed_after(&reading, from)?;
            // A name that nobody can send is nobody who is connected.
            let names = changed
                .iter()
                .filter_map(|name| AccountName::new(name).ok());
            News::Some(Changes {
                accounts: names.collect(),
                rules: false,
            })
        };
        *self = now;
        Ok(news)
    }
}
