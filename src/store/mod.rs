//! Where accounts, roles and rules are kept: password files, SQLite databases, ACL files; and the keys of
//! those who issue tokens.
//!
//! Two faces. The engine reads through [`Source`], on the broker's thread, and must never wait; the
//! watcher keeps a source fresh through [`Watched`], on a thread of its own; administration writes
//! through [`Store`]. Must not: check a password, decide who may enter, or read a clock.
#![forbid(unsafe_code)]

pub mod acl_file;
mod file;
mod machine;
mod order;
pub mod password_file;
pub mod psk;
mod roles;
mod settled;
pub mod sqlite;
pub mod token_keys;
mod trail;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use file::Owner;
pub use machine::machine_id;
pub use order::{Authorities, Authority, Opinion, Ordered, known, open_all};
pub use roles::{Holders, Listed, Page, RoleChanges, Roles, Totals, Wanted};
pub use trail::{Broken, Entry, Hash, Link, NoHash, Pruned, Record, Search, Trail};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::psk::{FoundPsk, PskChanges, Psks};
use crate::config::{CostLimits, SourceConfig};
use crate::model::{Account, AccountName, CertificateName, PskIdentity, StoredCredential};
use crate::policy::{Asker, Holding, Rights};
use crate::vault::Vault;

/// What went wrong with a source, told by what can be done about it.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Error {
    /// Cannot be asked just now: deny, and try again later.
    #[error("{}: {why}", path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite said.
        why: String,
    },
    /// It is there and it is not what it should be: the operator must act.
    #[error("{}: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A line of it is not what it should be, and the file counts as a whole.
    #[error("{}:{line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The source cannot hold or do what was asked.
    #[error("{}: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What cannot be done.
        why: String,
    },
}

impl Error {
    /// What went wrong with which file, and nothing of what is in it: for everybody to read.
    #[must_use]
    pub fn in_public(&self) -> String {
        let name = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        match self {
            Self::Unavailable { path, why } => format!("{}: {why}", name(path)),
            Self::Corrupt { path, .. } => format!("{}: it is not what it should be", name(path)),
            Self::Line { path, line, .. } => format!("{}:{line}: it cannot be read", name(path)),
            Self::Invalid { path, .. } => format!("{}: it cannot do what was asked", name(path)),
        }
    }
}

/// An open source, seen from both sides.
pub struct Opened {
    /// For the engine: whose accounts they are; none where a source only says who may do what.
    pub source: Option<Arc<dyn Source>>,
    /// For the engine: who may do what, where the configuration asks this source for it.
    pub grantor: Option<Arc<dyn Grantor>>,
    /// For the watcher.
    pub watched: Box<dyn Watched>,
}

/// Opens a source.
///
/// # Errors
/// When it cannot be read or is not what it should be.
pub fn open(config: &SourceConfig, limits: &CostLimits) -> Result<Opened, Error> {
    match config {
        SourceConfig::PasswordFile(path) => password_file::open(path, limits),
        SourceConfig::Database(database) => sqlite::open(database),
        SourceConfig::Query(query) => sqlite::open_foreign(query),
    }
}

/// A source as the engine asks it: from the broker's thread, and in 2.1 from the HTTP API's too.
pub trait Source: Send + Sync {
    /// The account of this name, by a look into memory or one prepared statement.
    ///
    /// # Errors
    /// When the source cannot be asked; never because the name is unknown.
    fn account(&self, name: &str, client_id: Option<&str>) -> Result<Option<Account>, Error>;

    /// What a client has to have that names this identity, by one prepared statement.
    ///
    /// # Errors
    /// When the source cannot be asked; never because the identity is unknown.
    fn psk(&self, identity: &PskIdentity) -> Result<Option<FoundPsk>, Error> {
        let _ = identity;
        Ok(None)
    }

    /// Refuses what opens none of the keys that are sealed here.
    ///
    /// # Errors
    /// [`Error::Invalid`] then; and when the source cannot be asked.
    fn refuse_other_vault(&self, vault: Option<&Vault>) -> Result<(), Error> {
        let _ = vault;
        Ok(())
    }
    /// The name of the account that this certificate is mapped to, by a look into an index.
    ///
    /// # Errors
    /// When the source cannot be asked.
    fn certified(&self, certificate: &CertificateName) -> Result<Option<AccountName>, Error>;

    /// A fair sample of the credentials stored here, at most a few hundred: an unknown username is
    /// made to cost what a known one costs.
    fn sample(&self) -> Vec<StoredCredential>;

    /// Whether [`Watched::record_logins`] writes anything down here.
    fn keeps_logins(&self) -> bool;

    /// The file in which doorman may store a credential otherwise than it was; none where it is somebody
    /// else's.
    fn written_in(&self) -> Option<&Path>;

    /// Whether an account here can be there and yet not be used: switched off, or out of its time.
    fn has_states(&self) -> bool;
}

/// A source as it is asked what somebody may do: once, and again when something changed.
pub trait Grantor: Send + Sync {
    /// What this client may do; none if that is not for this source to say. At the broker's thread,
    /// by one prepared statement.
    ///
    /// # Errors
    /// When the source cannot be asked, or its answer not be understood.
    fn grant(&self, asker: Asker<'_>, now: Timestamp) -> Result<Option<Granted>, Error>;

    /// What follows today for whoever was granted this, without asking who holds what. For the
    /// watcher's thread.
    ///
    /// # Errors
    /// When that cannot be said; what was granted then stays.
    fn renew(&self, granted: &Granted, now: Timestamp) -> Result<Granted, Error>;

    /// What follows for whoever holds the roles of these names and nothing else, where no rule answers
    /// nothing at all; none if roles have no names here.
    ///
    /// # Errors
    /// When that cannot be said.
    fn named(&self, roles: &[Box<str>], now: Timestamp) -> Result<Option<Named>, Error> {
        let _ = (roles, now);
        Ok(None)
    }

    /// Whether the answer depends on the client id too.
    fn asks_client_id(&self) -> bool;

    /// Whether the answer is to be asked for at every login.
    fn is_asked_at_login(&self) -> bool;
}

/// What a source says of a client.
#[derive(Clone, Debug)]
pub struct Granted {
    /// What it may do.
    pub rights: Arc<Rights>,
    /// From what that follows.
    pub holding: Holding,
}

/// What follows from names of roles.
#[derive(Clone, Debug)]
pub struct Named {
    /// What may be done by those that are there.
    pub rights: Arc<Rights>,
    /// Those that are not.
    pub unknown: Vec<Box<str>>,
}

/// A source as the watcher keeps it fresh. Lives on the watcher's thread.
pub trait Watched: Send {
    /// Looks whether the source has changed and, if it has, puts the new state in force whole. A
    /// state that cannot be read changes nothing.
    ///
    /// # Errors
    /// Each time the source cannot be read; the watcher says so once.
    fn refresh(&mut self, hurry: Hurry) -> Result<News, Error>;

    /// Writes down successful logins, where the source keeps such a record.
    ///
    /// # Errors
    /// When they cannot be written; they are then forgotten.
    fn record_logins(&mut self, logins: &[Login]) -> Result<(), Error>;

    /// What orders are written with to doorman's own database at this path, if this is it.
    fn pen(&self, path: &Path) -> Option<Arc<sqlite::Pen>> {
        let _ = path;
        None
    }
}

/// How sure a change must be before it is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurry {
    /// A file that is still being written may be left for the next look.
    Settled,
    /// The operator sent SIGHUP: now, as it is.
    Now,
}

/// What a look at a source found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is as it was.
    Nothing,
    /// These things.
    Some(Changes),
    /// Anything may have changed.
    Everything,
}

/// What is not as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The accounts that were changed or removed, or hold other roles; not those that were added.
    pub accounts: Vec<AccountName>,
    /// Whether rules, roles or groups changed: what somebody may do follows anew from what it holds.
    pub rules: bool,
}

/// A successful login to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Whose.
    pub name: AccountName,
    /// When.
    pub at: Timestamp,
}

/// A place that administration reads and changes, with or without a running broker.
pub trait Store {
    /// The account of this name.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn account(&mut self, name: &AccountName) -> Result<Option<Account>, Error>;

    /// Shows every account, in the place's own order, until the visitor fails.
    ///
    /// # Errors
    /// When the place cannot be read, or the visitor's own.
    fn accounts(
        &mut self,
        visit: &mut dyn FnMut(Account) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// The roles and groups of the place.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it holds none.
    fn roles(&mut self) -> Result<Box<dyn Roles + '_>, Error>;

    /// The identities of TLS-PSK of the place.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it holds none.
    fn psks(&mut self) -> Result<Box<dyn Psks + '_>, Error>;

    /// The record of what administration did here.
    ///
    /// # Errors
    /// [`Error::Invalid`] when none is kept.
    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, Error>;

    /// Begins a change that others see whole or not at all, and that no other writer interrupts.
    ///
    /// # Errors
    /// When somebody else holds the place, or it cannot be read.
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, Error>;
}

/// A change being made; dropped without [`Transaction::commit`] it has never been.
pub trait Transaction {
    /// The account of this name as this change sees it.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn account(&mut self, name: &AccountName) -> Result<Option<Account>, Error>;

    /// The account that a certificate is mapped to, as this change sees it.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn certificate_holder(
        &mut self,
        certificate: &CertificateName,
    ) -> Result<Option<AccountName>, Error>;

    /// Shows the accounts behind a place in the order of [`Store::accounts`], each with its place, until
    /// the visitor fails; also those that cannot be read, as why.
    ///
    /// # Errors
    /// [`Error::Invalid`] where accounts have no places; when the place cannot be read, or the visitor's
    /// own.
    fn accounts(
        &mut self,
        behind: i64,
        visit: &mut dyn FnMut(i64, Result<Account, Error>) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// Writes the account as a whole, new or in place of the one of its name.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the place cannot hold what the account says.
    fn put(&mut self, account: &Account) -> Result<(), Error>;

    /// Takes the account away, even one that cannot be read; says whether there was one.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn remove(&mut self, name: &AccountName) -> Result<bool, Error>;

    /// The roles and groups of the place, as this change sees and changes them.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it holds none.
    fn roles(&mut self) -> Result<Box<dyn RoleChanges + '_>, Error>;

    /// The identities of TLS-PSK of the place, as this change sees and changes them.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it holds none.
    fn psks(&mut self) -> Result<Box<dyn PskChanges + '_>, Error>;

    /// The record of what administration did here, as this change has it so far.
    ///
    /// # Errors
    /// [`Error::Invalid`] when none is kept.
    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, Error>;

    /// Counts one administrative change, where the place counts them.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn count_change(&mut self) -> Result<(), Error>;

    /// Whether [`Transaction::record`] writes anything down here.
    fn keeps_record(&self) -> bool;

    /// Writes down what was done, where the place keeps such a record.
    ///
    /// # Errors
    /// When it cannot be written.
    fn record(&mut self, entry: Entry) -> Result<(), Error>;

    /// Takes away what was written down before a moment, up to the first record that was not; none if
    /// there is nothing to take away.
    ///
    /// # Errors
    /// [`Error::Invalid`] when no record is kept; and when the place cannot be changed.
    fn prune_record(&mut self, before: Timestamp) -> Result<Option<Pruned>, Error>;

    /// Remembers how the change is now; of several, the last one is released or gone back to first.
    ///
    /// # Errors
    /// When that cannot be remembered.
    fn savepoint(&mut self) -> Result<(), Error>;

    /// Forgets the last savepoint and keeps what was done since.
    ///
    /// # Errors
    /// When there is none.
    fn release(&mut self) -> Result<(), Error>;

    /// Goes back to the last savepoint, and forgets it.
    ///
    /// # Errors
    /// When there is none: then all of the change must be given up.
    fn roll_back(&mut self) -> Result<(), Error>;

    /// Makes it so, on the disk.
    ///
    /// # Errors
    /// When it cannot be written; then nothing has changed.
    fn commit(self: Box<Self>) -> Result<(), Error>;
}
