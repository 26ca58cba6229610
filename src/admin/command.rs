//! The verbs, typed and already valid.
//!
//! Must not: do anything; [`super::apply`] does.
#![forbid(unsafe_code)]

use ipnet::IpNet;
use jiff::Timestamp;

use crate::model::{Account, AccountName, StoredCredential};

/// One administrative act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A new account; refused if the name is taken.
    Add(Account),
    /// A new account, or this one in place of the one of its name (import).
    Put(Account),
    /// A new credential for an account that is there.
    SetCredential {
        /// Whose.
        name: AccountName,
        /// The new one, hashed.
        credential: StoredCredential,
        /// What becomes of the old one.
        rotation: Rotation,
    },
    /// Ends a rotation: only the first credential stays.
    DropSecondCredential(AccountName),
    /// Changes what surrounds the credential.
    Set {
        /// Whose.
        name: AccountName,
        /// What.
        change: Change,
    },
    /// Takes the account away; refused if it is not there.
    Delete(AccountName),
}

/// What becomes of the credential that a new one replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It ends at once, and a second one with it.
    Replace,
    /// It stays valid as the second one until it is dropped.
    KeepOld,
}

/// Fields to change; `None` leaves a field, `Some(None)` clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Switch off or on.
    pub disabled: Option<bool>,
    /// Begin of the validity.
    pub valid_from: Option<Option<Timestamp>>,
    /// End of the validity.
    pub valid_until: Option<Option<Timestamp>>,
    /// The only client id.
    pub client_id: Option<Option<Box<str>>>,
    /// The only networks; empty for everywhere.
    pub networks: Option<Vec<IpNet>>,
    /// Notes.
    pub notes: Option<Box<str>>,
}
