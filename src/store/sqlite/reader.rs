//! Doorman's own database as the engine asks it.
//!
//! Must not: write, wait, or look at more than the index and one row.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::connection::Slot;
use super::{psk, query};
use crate::model::{Account, AccountName, CertificateName, PskIdentity, StoredCredential};
use crate::store::psk::FoundPsk;
use crate::store::{Error, Source};
use crate::vault::Vault;

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

    fn psk(&self, identity: &PskIdentity) -> Result<Option<FoundPsk>, Error> {
        let row = self
            .slot
            .ask(|connection| psk::find(connection, identity))?;
        let found = row
            .map(|row| psk::found(self.slot.path(), row))
            .transpose()?;
        Ok(found.map(|(_, found)| found))
    }

    fn refuse_other_vault(&self, vault: Option<&Vault>) -> Result<(), Error> {
        let path = self.slot.path();
        self.slot
            .ask(|connection| Ok(psk::refuse_other_vault(path, connection, vault)))?
    }

    fn certified(&self, certificate: &CertificateName) -> Result<Option<AccountName>, Error> {
        let holder =
            |connection: &Connection| query::certificate_holder(connection, certificate.as_str());
        let holder = self.slot.ask(holder)?.map(|name| AccountName::new(&name));
        holder.transpose().map_err(|why| Error::Corrupt {
            path: self.slot.path().to_owned(),
            why: why.to_string(),
        })
    }

    fn sample(&self) -> Vec<StoredCredential> {
        self.spread().unwrap_or_else(|error| {
            log::warn!("no sample of the stored credentials: {error}");
            Vec::new()
        })
    }

    fn keeps_logins(&self) -> bool {
        true
    }

    fn written_in(&self) -> Option<&Path> {
        Some(self.slot.path())
    }

    fn has_states(&self) -> bool {
        true
    }
}

impl Reader {
    /// Credentials at even distances over the ids: a seek each, however large the table is. Whoever logs
    /// in meanwhile waits for a few of them, not for all.
    fn spread(&self) -> Result<Vec<StoredCredential>, Error> {
        let mut sample = Vec::new();
        let Some((lowest, highest)) = self.slot.ask(query::id_range)? else {
            return Ok(sample);
        };
        let step = (highest.saturating_sub(lowest) / SAMPLE).max(1);
        let mut next = lowest;
        for _ in 0..SAMPLE / AT_ONCE {
            self.slot.ask(|connection| {
                for _ in 0..AT_ONCE {
                    let Some((id, credential)) = query::credential_from(connection, next)? else {
                        return Ok(());
                    };
                    sample.extend(credential);
                    next = next.saturating_add(step).max(id.saturating_add(1));
                }
                Ok(())
            })?;
        }
        Ok(sample)
    }
}

const SAMPLE: i64 = 256;
const AT_ONCE: i64 = 16;
