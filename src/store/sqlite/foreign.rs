//! Somebody else's database, asked with the operator's one `SELECT`.
//!
//! Must not: write, run anything but that statement, or make the best of an answer it does not
//! understand: two rows, an unknown word in `disabled`, a credential that is no text: the engine denies.
//! A NULL credential is an account without one; a NULL client id is an account for any client.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::connection::Slot;
use super::statement::{Form, bind};
use crate::model::{Account, AccountName, CertificateName, Scheme, StoredCredential};
use crate::store::{Error, Source};

/// A foreign database as the engine asks it.
pub(super) struct Foreign {
    slot: Arc<Slot>,
    sql: String,
    scheme: Scheme,
    /// Nobody knows how a foreign table is spread, so the sample is of what was asked for.
    seen: Mutex<VecDeque<StoredCredential>>,
}

impl Foreign {
    pub(super) fn new(slot: Arc<Slot>, sql: &str, scheme: Scheme) -> Self {
        Self {
            slot,
            sql: sql.to_owned(),
            scheme,
            seen: Mutex::new(VecDeque::new()),
        }
    }

    fn remember(&self, credential: &StoredCredential) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(credential) {
            return;
        }
        if seen.len() >= SEEN {
            seen.pop_front();
        }
        seen.push_back(credential.clone());
    }
}

impl Source for Foreign {
    fn account(&self, name: &str, client_id: Option<&str>) -> Result<Option<Account>, Error> {
        let Ok(name) = AccountName::new(name) else {
            return Ok(None);
        };
        let account = self
            .slot
            .ask(|connection| ask(connection, &self.sql, &name, client_id))?
            .transpose()
            .map_err(|why| Error::Corrupt {
                path: self.slot.path().to_owned(),
                why,
            })?
            .map(|answer| answer.account(name, self.scheme));
        if let Some(credential) = account
            .as_ref()
            .and_then(|account| account.credential.as_ref())
        {
            self.remember(credential);
        }
        Ok(account)
    }

    /// A foreign database maps none.
    fn certified(&self, _: &CertificateName) -> Result<Option<AccountName>, Error> {
        Ok(None)
    }

    fn sample(&self) -> Vec<StoredCredential> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().cloned().collect()
    }

    fn keeps_logins(&self) -> bool {
        false
    }

    fn written_in(&self) -> Option<&Path> {
        None
    }

    fn has_states(&self) -> bool {
        true
    }
}

/// What the statement may be.
pub(super) const QUERY: Form = Form {
    option: "database_query",
    leading: "the credential",
    columns: 1,
    named: &["salt", "disabled", "client_id"],
};

/// What a row says, as far as it could be understood.
#[derive(Default)]
struct Answer {
    credential: Option<Box<str>>,
    salt: Option<Box<str>>,
    disabled: bool,
    client_id: Option<Box<str>>,
}

impl Answer {
    fn account(self, name: AccountName, scheme: Scheme) -> Account {
        let mut account = Account::named(name);
        account.disabled = self.disabled;
        account.client_id = self.client_id;
        account.credential = self.credential.map(|text| StoredCredential {
            text,
            salt: self.salt,
            scheme,
        });
        account
    }
}

enum Column {
    Salt,
    Disabled,
    ClientId,
}

fn column(name: &str) -> Option<Column> {
    match name.to_ascii_lowercase().as_str() {
        "salt" => Some(Column::Salt),
        "disabled" => Some(Column::Disabled),
        "client_id" => Some(Column::ClientId),
        _ => None,
    }
}

fn ask(
    connection: &Connection,
    sql: &str,
    name: &AccountName,
    client_id: Option<&str>,
) -> rusqlite::Result<Option<Result<Answer, String>>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, name.as_str(), client_id)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let answer = answer(row);
    if rows.next()?.is_some() {
        return Ok(Some(Err(
            "database_query returned more than one row".to_owned()
        )));
    }
    Ok(Some(answer))
}

/// Asks the row itself for its columns: with `SELECT *` they can change while the broker runs.
fn answer(row: &Row<'_>) -> Result<Answer, String> {
    let mut answer = Answer::default();
    for (index, name) in row.as_ref().column_names().enumerate() {
        let value = row.get_ref(index).map_err(|error| error.to_string())?;
        if index == 0 {
            answer.credential = text(value, name)?;
            continue;
        }
        match column(name) {
            Some(Column::Salt) => answer.salt = text(value, name)?,
            Some(Column::ClientId) => answer.client_id = text(value, name)?,
            Some(Column::Disabled) => answer.disabled = switch(value, name)?,
            None => {
                return Err(format!(
                    "database_query returned an unknown column {name:?}"
                ));
            }
        }
    }
    Ok(answer)
}

pub(super) fn text(value: ValueRef<'_>, column: &str) -> Result<Option<Box<str>>, String> {
    let bytes = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        ValueRef::Integer(_) | ValueRef::Real(_) => {
            return Err(format!(
                "column {column:?} is a number where text is needed"
            ));
        }
    };
    std::str::from_utf8(bytes)
        .map(|text| Some(text.into()))
        .map_err(|_| format!("column {column:?} is not UTF-8"))
}

pub(super) fn switch(value: ValueRef<'_>, column: &str) -> Result<bool, String> {
    let word = match value {
        ValueRef::Integer(0) => return Ok(false),
        ValueRef::Integer(1) => return Ok(true),
        ValueRef::Text(word) => word.to_ascii_lowercase(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Vec::new(),
    };
    match word.as_slice() {
        b"0" | b"false" => Ok(false),
        b"1" | b"true" => Ok(true),
        _ => Err(format!("column {column:?} is none of 0, 1, true and false")),
    }
}

const SEEN: usize = 256;
