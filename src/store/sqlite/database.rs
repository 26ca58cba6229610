//! Doorman's own database as administration reads and changes it.
//!
//! Must not: hold a change back: a commit is on the disk, and counts for a running broker at once.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::psk::Keys;
use super::roles::Tables;
use super::trail::Records;
use super::{connection, failure, query, schema};
use crate::model::{Account, AccountName, CertificateName, Scheme, StoredCredential};
use crate::store::file::{create_private, unavailable};
use crate::store::psk::{PskChanges, Psks};
use crate::store::{
    Entry, Error, Link, Login, Owner, Pruned, RoleChanges, Roles, Store, Trail, Transaction,
};
use crate::vault::Vault;

/// Doorman's own database as a [`Store`].
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    connection: Connection,
    /// What keys of TLS-PSK are sealed with.
    vault: Option<Arc<Vault>>,
}

impl Database {
    /// Opens a database that is there; an older one is migrated.
    ///
    /// # Errors
    /// When it is not there, cannot be opened, or is not doorman's.
    pub fn open(path: &Path) -> Result<Self, Error> {
        std::fs::metadata(path).map_err(|error| unavailable(path, &error))?;
        let mut connection = connection::writer(path)?;
        schema::prepare(&mut connection, path)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            vault: None,
        })
    }

    /// The same, with a key file for the keys of TLS-PSK.
    #[must_use]
    pub fn sealed_by(self, vault: Option<Arc<Vault>>) -> Self {
        Self { vault, ..self }
    }

    /// Whether its schema is still the one that it was opened with.
    pub(super) fn is_up_to_date(&self) -> bool {
        schema::is_latest(&self.connection)
    }

    /// Opens the database, and makes it with mode 0600 if it is not there.
    ///
    /// # Errors
    /// As [`Database::open`], and when it cannot be made or given to its owner.
    pub fn create(path: &Path, owner: Option<Owner>) -> Result<Self, Error> {
        create_private(path, owner)?;
        Self::open(path)
    }

    /// Reads the whole file, every account, role and group.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first thing that is wrong.
    pub fn check(&mut self) -> Result<(), Error> {
        match query::first_defect(&self.connection).map_err(|error| failure(&self.path, &error))? {
            Some(defect) => Err(self.corrupt(defect)),
            None => {
                self.accounts(&mut |_| Ok(()))?;
                Keys::new(&self.path, &self.connection, None).check()?;
                Tables::new(&self.path, &self.connection).check()
            }
        }
    }

    /// Counts the steps that SQLite takes from now on.
    #[cfg(test)]
    pub(crate) fn count_steps(&mut self) -> std::sync::Arc<std::sync::atomic::AtomicU32> {
        use std::sync::atomic::{AtomicU32, Ordering};
        let steps = std::sync::Arc::new(AtomicU32::new(0));
        let count = std::sync::Arc::clone(&steps);
        let step = move || {
            count.fetch_add(1, Ordering::Relaxed);
            false
        };
        self.connection.progress_handler(1, Some(step)).unwrap();
        steps
    }

    fn corrupt(&self, why: String) -> Error {
        Error::Corrupt {
            path: self.path.clone(),
            why,
        }
    }
}

impl Store for Database {
    fn account(&mut self, name: &AccountName) -> Result<Option<Account>, Error> {
        account(&self.path, &self.connection, name)
    }

    /// Rows that cannot be read do not hide the others: they are told, as an error, at the end.
    fn accounts(
        &mut self,
        visit: &mut dyn FnMut(Account) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut first_unreadable = None;
        query::accounts(&self.connection, i64::MIN, |_, account| match account {
            Ok(account) => visit(account).map_err(Stop::Visitor),
            Err(why) => {
                first_unreadable.get_or_insert(why);
                Ok(())
            }
        })
        .map_err(|stop| match stop {
            Stop::Visitor(error) => error,
            Stop::Sqlite(error) => failure(&self.path, &error),
        })?;
        match first_unreadable {
            Some(why) => Err(self.corrupt(why)),
            None => Ok(()),
        }
    }

    fn roles(&mut self) -> Result<Box<dyn Roles + '_>, Error> {
        Ok(Box::new(Tables::new(&self.path, &self.connection)))
    }

    fn psks(&mut self) -> Result<Box<dyn Psks + '_>, Error> {
        let vault = self.vault.as_deref();
        Ok(Box::new(Keys::new(&self.path, &self.connection, vault)))
    }

    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, Error> {
        Ok(Box::new(Records::new(&self.path, &self.connection)))
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, Error> {
        let connection = &self.connection;
        // Unchecked: whoever has the only reference begins no second one.
        let transaction =
            rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
                .map_err(|error| failure(&self.path, &error))?;
        Ok(Box::new(Change {
            path: &self.path,
            whole: connection,
            transaction,
            vault: self.vault.as_deref(),
            end: None,
        }))
    }
}

/// Why a listing ended early.
pub(super) enum Stop {
    Visitor(Error),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

struct Change<'a> {
    path: &'a Path,
    /// The connection, for what is done once the change is.
    whole: &'a Connection,
    transaction: rusqlite::Transaction<'a>,
    vault: Option<&'a Vault>,
    /// The end of the record, if it is known.
    end: Option<Link>,
}

impl Change<'_> {
    /// The connection, within the transaction. An error that takes all of it back (a full disk) leaves
    /// the connection without one, and what is written then would count at once.
    fn connection(&self) -> Result<&Connection, Error> {
        match self.transaction.is_autocommit() {
            false => Ok(&self.transaction),
            true => Err(Error::Unavailable {
                path: self.path.to_owned(),
                why: "an error before this one has ended the transaction".to_owned(),
            }),
        }
    }

    fn ask<T>(&self, question: fn(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        question(self.connection()?).map_err(|error| failure(self.path, &error))
    }
}

impl Transaction for Change<'_> {
    fn account(&mut self, name: &AccountName) -> Result<Option<Account>, Error> {
        account(self.path, &self.transaction, name)
    }

    fn accounts(
        &mut self,
        behind: i64,
        visit: &mut dyn FnMut(i64, Result<Account, Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let path = self.path;
        query::accounts(self.connection()?, behind, |place, account| {
            let account = account.map_err(|why| Error::Corrupt {
                path: path.to_owned(),
                why,
            });
            visit(place, account).map_err(Stop::Visitor)
        })
        .map_err(|stop| match stop {
            Stop::Visitor(error) => error,
            Stop::Sqlite(error) => failure(path, &error),
        })
    }

    fn put(&mut self, account: &Account) -> Result<(), Error> {
        if !account.credentials().all(is_marked) {
            return Err(Error::Invalid {
                path: self.path.to_owned(),
                why: "doorman's database holds only credentials that say themselves what they are"
                    .to_owned(),
            });
        }
        put(self.connection()?, account).map_err(|error| failure(self.path, &error))
    }

    fn certificate_holder(
        &mut self,
        certificate: &CertificateName,
    ) -> Result<Option<AccountName>, Error> {
        certificate_holder(self.path, self.connection()?, certificate)
    }

    fn remove(&mut self, name: &AccountName) -> Result<bool, Error> {
        query::delete(self.connection()?, name.as_str()).map_err(|error| failure(self.path, &error))
    }

    fn roles(&mut self) -> Result<Box<dyn RoleChanges + '_>, Error> {
        Ok(Box::new(Tables::new(self.path, self.connection()?)))
    }

    fn psks(&mut self) -> Result<Box<dyn PskChanges + '_>, Error> {
        let (connection, vault) = (self.connection()?, self.vault);
        Ok(Box::new(Keys::new(self.path, connection, vault)))
    }

    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, Error> {
        Ok(Box::new(Records::new(self.path, self.connection()?)))
    }

    fn count_change(&mut self) -> Result<(), Error> {
        self.ask(query::names::count_change)
    }

    fn keeps_record(&self) -> bool {
        true
    }

    fn record(&mut self, entry: Entry) -> Result<(), Error> {
        let records = Records::new(self.path, self.connection()?);
        self.end = Some(records.append(self.end, entry)?);
        Ok(())
    }

    fn prune_record(&mut self, before: Timestamp) -> Result<Option<Pruned>, Error> {
        Records::new(self.path, self.connection()?).prune(before)
    }

    fn savepoint(&mut self) -> Result<(), Error> {
        self.ask(query::savepoint)
    }

    fn release(&mut self) -> Result<(), Error> {
        self.ask(query::release)
    }

    fn roll_back(&mut self) -> Result<(), Error> {
        self.end = None;
        self.ask(query::roll_back)?;
        self.ask(query::release)
    }

    fn commit(self: Box<Self>) -> Result<(), Error> {
        let Self {
            path,
            whole,
            transaction,
            ..
        } = *self;
        query::prune_changes(&transaction, CHANGES_KEPT)
            .and_then(|()| transaction.commit())
            .map_err(|error| failure(path, &error))?;
        // What was overwritten is still in the log. Somebody who reads it may be in the way; it goes later.
        if query::psk::overwrites(whole).unwrap_or(false)
            && let Err(error) = query::checkpoint(whole)
        {
            log::debug!("{}: {error}", path.display());
        }
        Ok(())
    }
}

fn account(
    path: &Path,
    connection: &Connection,
    name: &AccountName,
) -> Result<Option<Account>, Error> {
    query::account(connection, name.as_str())
        .map_err(|error| failure(path, &error))?
        .transpose()
        .map_err(|why| Error::Corrupt {
            path: path.to_owned(),
            why,
        })
}

fn certificate_holder(
    path: &Path,
    connection: &Connection,
    certificate: &CertificateName,
) -> Result<Option<AccountName>, Error> {
    let holder = query::certificate_holder(connection, certificate.as_str());
    let holder = holder.map_err(|error| failure(path, &error))?;
    let holder = holder.map(|name| AccountName::new(&name));
    holder.transpose().map_err(|why| Error::Corrupt {
        path: path.to_owned(),
        why: why.to_string(),
    })
}

fn put(connection: &Connection, account: &Account) -> rusqlite::Result<()> {
    let mut networks: Vec<String> = account.networks.iter().map(ToString::to_string).collect();
    networks.sort_unstable();
    networks.dedup();
    let (id, before) = match query::id(connection, account.name.as_str())? {
        Some(id) => {
            query::update(connection, id, account)?;
            (id, query::networks(connection, id)?)
        }
        None => (query::insert(connection, account)?, Vec::new()),
    };
    if networks != before {
        query::delete_networks(connection, id)?;
        for network in &networks {
            query::insert_network(connection, id, network)?;
        }
    }
    put_certificates(connection, id, account)?;
    // The record of a login is not the account's: it is taken over if it is later, never removed.
    match account.last_login {
        Some(at) => {
            let name = account.name.clone();
            query::record_login(connection, &Login { name, at })
        }
        None => Ok(()),
    }
}

fn put_certificates(connection: &Connection, id: i64, account: &Account) -> rusqlite::Result<()> {
    let before = query::certificates(connection, id)?;
    let after = || account.certificates.iter().map(CertificateName::as_str);
    for gone in before
        .iter()
        .filter(|one| !after().any(|other| other == *one))
    {
        query::delete_certificate(connection, id, gone)?;
    }
    for new in after().filter(|one| !before.iter().any(|other| other == one)) {
        query::insert_certificate(connection, id, new)?;
    }
    Ok(())
}

fn is_marked(credential: &StoredCredential) -> bool {
    credential.scheme == Scheme::Marked && credential.salt.is_none()
}

/// A watcher that has slept through more changes than this looks at everybody.
pub(super) const CHANGES_KEPT: i64 = 10_000;
