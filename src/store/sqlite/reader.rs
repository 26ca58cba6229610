//! Doorman's own database as the engine asks it.
//!
//! Must not: write, wait, or look at more than the index and one row.
#![forbid(unsafe_code)]

use std::sync::Arc;

use rusqlite::Connection;

use super::connection::Slot;
use super::query;
use crate::model::{Account, StoredCredential};
use crate::store::{Error, Source};

/// Accounts by one prepared statement.
pub(super) struct Reader {
    slot: Arc<Slot>,
}

impl Reader {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }
}

impl Source for Reader {
    fn account(&self, name: &str, _client_id: Option<&str>) -> Result<Option<Account>, Error> {
        self.slot
            .ask(|connection| query::account(connection, name))?
            .transpose()
            .map_err(|why| Error::Corrupt {
                path: self.slot.path().to_owned(),
                why,
            })
    }

    fn sample(&self) -> Vec<StoredCredential> {
        self.slot.ask(spread).unwrap_or_else(|error| {
            log::warn!("no sample of the stored credentials: {error}");
            Vec::new()
        })
    }

    fn keeps_logins(&self) -> bool {
        true
    }

    fn has_states(&self) -> bool {
        true
    }
}

/// Credentials at even distances over the ids: a seek each, however large the table is.
fn spread(connection: &Connection) -> rusqlite::Result<Vec<StoredCredential>> {
    let mut sample = Vec::new();
    let Some((lowest, highest)) = query::id_range(connection)? else {
        return Ok(sample);
    };
    let step = (highest.saturating_sub(lowest) / SAMPLE).max(1);
    let mut next = lowest;
    for _ in 0..SAMPLE {
        let Some((id, credential)) = query::credential_from(connection, next)? else {
            break;
        };
        sample.extend(credential);
        next = next.saturating_add(step).max(id.saturating_add(1));
    }
    Ok(sample)
}

const SAMPLE: i64 = 256;
