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
            let last_login = before.as_ref().and_then(|before| before.last_login);
            put(
                change,
                before,
                Account {
                    last_login,
                    ..account.clone()
                },
            )
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
        // Not read before: one that was edited into something unreadable can still be deleted.
        Command::Delete(name) if change.remove(name)? => Ok(Outcome::Deleted),
        Command::Delete(name) => Err(Error::Missing { name: name.clone() }),
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
    mut after: Account,
) -> Result<Outcome, Error> {
    // Networks are a set; stores give them back in order.
    after.networks.sort_unstable();
    after.networks.dedup();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StoredCredential;
    use crate::store::sqlite::Database;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    fn account(text: &str) -> Account {
        let credential = Some(StoredCredential::marked("first"));
        Account {
            credential,
            ..Account::named(name(text))
        }
    }

    fn store() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Database::create(&dir.path().join("db"), None).unwrap();
        assert_eq!(
            one(&mut store, Command::Add(account("ann"))),
            Ok(Outcome::Added)
        );
        (dir, store)
    }

    /// What one command does, its error as text.
    fn one(store: &mut Database, command: Command) -> Result<Outcome, String> {
        apply(store, &[command])
            .map(|outcomes| outcomes[0])
            .map_err(|error| error.to_string())
    }

    fn ann(store: &mut Database) -> Account {
        store.account(&name("ann")).unwrap().unwrap()
    }

    #[test]
    fn a_name_is_added_once() {
        let (_dir, mut store) = store();
        let again = one(&mut store, Command::Add(account("ann")));
        assert!(again.unwrap_err().contains("already"));
        assert_eq!(
            one(&mut store, Command::Put(account("ann"))),
            Ok(Outcome::Unchanged)
        );
        let other = Account {
            disabled: true,
            ..account("ann")
        };
        assert_eq!(one(&mut store, Command::Put(other)), Ok(Outcome::Changed));
        assert_eq!(
            one(&mut store, Command::Put(account("bob"))),
            Ok(Outcome::Added)
        );
    }

    #[test]
    fn what_is_not_there_is_neither_changed_nor_deleted() {
        let (_dir, mut store) = store();
        let change = Change {
            disabled: Some(true),
            ..Change::default()
        };
        for command in [
            Command::Delete(name("eve")),
            Command::DropSecondCredential(name("eve")),
            Command::Set {
                name: name("eve"),
                change,
            },
        ] {
            assert!(one(&mut store, command).unwrap_err().contains("no account"));
        }
        assert_eq!(
            one(&mut store, Command::Delete(name("ann"))),
            Ok(Outcome::Deleted)
        );
        assert_eq!(store.account(&name("ann")).unwrap(), None);
    }

    #[test]
    fn a_rotation_keeps_the_old_credential_until_it_is_dropped() {
        let (_dir, mut store) = store();
        let second = |rotation| Command::SetCredential {
            name: name("ann"),
            credential: StoredCredential::marked("next"),
            rotation,
        };
        assert_eq!(
            one(&mut store, second(Rotation::KeepOld)),
            Ok(Outcome::Changed)
        );
        let stored: Vec<_> = ann(&mut store)
            .credentials()
            .map(|c| c.text.to_string())
            .collect();
        assert_eq!(stored, ["next", "first"]);
        let drop = Command::DropSecondCredential(name("ann"));
        assert_eq!(one(&mut store, drop), Ok(Outcome::Changed));
        assert_eq!(ann(&mut store).credentials().count(), 1);
        for rotation in [Rotation::KeepOld, Rotation::Replace] {
            assert_eq!(one(&mut store, second(rotation)), Ok(Outcome::Changed));
        }
        assert_eq!(ann(&mut store).credentials().count(), 1);
    }

    #[test]
    fn fields_are_set_and_cleared_one_by_one() {
        let (_dir, mut store) = store();
        let set = |change| Command::Set {
            name: name("ann"),
            change,
        };
        let networks = vec![
            "192.0.2.0/24".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
        let change = Change {
            client_id: Some(Some("c1".into())),
            networks: Some(networks.clone()),
            ..Change::default()
        };
        assert_eq!(one(&mut store, set(change.clone())), Ok(Outcome::Changed));
        assert_eq!(one(&mut store, set(change)), Ok(Outcome::Unchanged));
        let clear = Change {
            client_id: Some(None),
            ..Change::default()
        };
        assert_eq!(one(&mut store, set(clear)), Ok(Outcome::Changed));
        let ann = ann(&mut store);
        assert_eq!((ann.client_id, ann.networks.len()), (None, networks.len()));
    }

    #[test]
    fn a_batch_is_carried_out_whole_or_not_at_all() {
        let (_dir, mut store) = store();
        let batch = [Command::Add(account("bob")), Command::Delete(name("eve"))];
        assert!(apply(&mut store, &batch).is_err());
        assert_eq!(store.account(&name("bob")).unwrap(), None);
        assert_eq!(apply(&mut store, &batch[..1]).unwrap(), [Outcome::Added]);
    }
}
