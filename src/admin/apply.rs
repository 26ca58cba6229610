//! Carries commands out on a store, all of them or none.
//!
//! Must not: leave half a batch behind. One transaction spans the whole slice.
#![forbid(unsafe_code)]

use super::command::{Change, Command, Rotation};
use crate::model::{Account, AccountName};
use crate::store::{self, Store, Transaction};

/// What one command did.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is an account that was not there before.
    Added,
    /// An account is different now.
    Changed,
    /// An account is gone.
    Deleted,
    /// It was so already.
    Unchanged,
}

/// Why a batch was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be read or written, or cannot hold what was asked.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An account that must be there is not.
    #[error("there is no account {name:?}")]
    Missing {
        /// The name that was given.
        name: AccountName,
    },
    /// An account that must not be there is.
    #[error("there is an account {name:?} already")]
    Exists {
        /// The name that was given.
        name: AccountName,
    },
}

/// Carries out the commands in order, in one transaction.
///
/// # Errors
/// For the first command that cannot be carried out; then none has been.
pub fn apply(store: &mut dyn Store, commands: &[Command]) -> Result<Vec<Outcome>, Error> {
    let mut batch = Batch::begin(store)?;
    let outcomes = commands
        .iter()
        .map(|command| batch.carry_out(command))
        .collect::<Result<Vec<_>, _>>()?;
    batch.commit()?;
    Ok(outcomes)
}

/// A batch whose commands come one by one: none of them counts before [`Batch::commit`]. A command
/// that is refused leaves the others as they are, so that bulk work can go on behind it.
pub struct Batch<'a>(Box<dyn Transaction + 'a>);

impl<'a> Batch<'a> {
    /// Begins a batch.
    ///
    /// # Errors
    /// When somebody else holds the place, or it cannot be read.
    pub fn begin(store: &'a mut dyn Store) -> Result<Self, Error> {
        Ok(Self(store.begin()?))
    }

    /// The account of this name as the batch has it so far.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub fn account(&mut self, name: &AccountName) -> Result<Option<Account>, Error> {
        Ok(self.0.account(name)?)
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// When it cannot be carried out; then it has done nothing.
    pub fn carry_out(&mut self, command: &Command) -> Result<Outcome, Error> {
        carry_out(self.0.as_mut(), command)
    }

    /// Makes it so, on the disk.
    ///
    /// # Errors
    /// When it cannot be written; then nothing has changed.
    pub fn commit(self) -> Result<(), Error> {
        Ok(self.0.commit()?)
    }
}

fn carry_out(change: &mut dyn Transaction, command: &Command) -> Result<Outcome, Error> {
    match command {
        Command::Add(account) => match change.account(&account.name)? {
            Some(_) => Err(Error::Exists {
                name: account.name.clone(),
            }),
            None => {
                change.put(account)?;
                Ok(Outcome::Added)
            }
        },
        Command::Put(account) => {
            let before = change.account(&account.name)?;
            put(change, before, account.clone())
        }
        Command::SetCredential {
            name,
            credential,
            rotation,
        } => {
            let before = present(change, name)?;
            let mut after = before.clone();
            let old = after.credential.replace(credential.clone());
            after.second_credential = match rotation {
                Rotation::Replace => None,
                Rotation::KeepOld => old,
            };
            put(change, Some(before), after)
        }
        Command::DropSecondCredential(name) => {
            let before = present(change, name)?;
            let mut after = before.clone();
            after.second_credential = None;
            put(change, Some(before), after)
        }
        Command::Set {
            name,
            change: fields,
        } => {
            let before = present(change, name)?;
            let after = changed(&before, fields);
            put(change, Some(before), after)
        }
        Command::Delete(name) => {
            present(change, name)?;
            change.remove(name)?;
            Ok(Outcome::Deleted)
        }
    }
}

fn present(change: &mut dyn Transaction, name: &AccountName) -> Result<Account, Error> {
    change
        .account(name)?
        .ok_or_else(|| Error::Missing { name: name.clone() })
}

fn put(
    change: &mut dyn Transaction,
    before: Option<Account>,
    after: Account,
) -> Result<Outcome, Error> {
    match before {
        None => {
            change.put(&after)?;
            Ok(Outcome::Added)
        }
        Some(before) if before == after => Ok(Outcome::Unchanged),
        Some(_) => {
            change.put(&after)?;
            Ok(Outcome::Changed)
        }
    }
}

fn changed(account: &Account, fields: &Change) -> Account {
    let mut after = account.clone();
    if let Some(disabled) = fields.disabled {
        after.disabled = disabled;
    }
    if let Some(valid_from) = fields.valid_from {
        after.valid_from = valid_from;
    }
    if let Some(valid_until) = fields.valid_until {
        after.valid_until = valid_until;
    }
    if let Some(client_id) = &fields.client_id {
        after.client_id.clone_from(client_id);
    }
    if let Some(networks) = &fields.networks {
        after.networks.clone_from(networks);
    }
    if let Some(notes) = &fields.notes {
        after.notes.clone_from(notes);
    }
    after
}
