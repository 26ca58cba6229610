//! Carries commands out on a store, all of them or none.
//!
//! Must not: leave half a batch behind. One transaction spans the whole slice.
#![forbid(unsafe_code)]

use super::command::{Change, Command, Rotation};
use super::{groups, roles};
use crate::model::{Account, AccountName, GroupName, RoleName, StoredCredential};
use crate::policy::AclType;
use crate::store::{self, Roles, Store, Transaction};

/// What one command did.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is an account, role, rule, group or membership that was not there before.
    Added,
    /// It is different now.
    Changed,
    /// It is gone.
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
    /// A role that must be there is not.
    #[error("there is no role {name:?}")]
    RoleMissing {
        /// The name that was given.
        name: RoleName,
    },
    /// A role that must not be there is.
    #[error("there is a role {name:?} already")]
    RoleExists {
        /// The name that was given.
        name: RoleName,
    },
    /// A rule that must be there is not.
    #[error("role {role:?} has no rule {acl_type} {topic:?}")]
    RuleMissing {
        /// The role.
        role: RoleName,
        /// What the rule would be about.
        acl_type: AclType,
        /// Its topic or filter.
        topic: Box<str>,
    },
    /// A group that must be there is not.
    #[error("there is no group {name:?}")]
    GroupMissing {
        /// The name that was given.
        name: GroupName,
    },
    /// A group that must not be there is.
    #[error("there is a group {name:?} already")]
    GroupExists {
        /// The name that was given.
        name: GroupName,
    },
    /// The group of clients without a username must not be taken from them by the way.
    #[error("deleting the anonymous group is forbidden")]
    AnonymousGroup {
        /// The group.
        name: GroupName,
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

    /// The roles and groups as the batch has them so far.
    ///
    /// # Errors
    /// When the place holds none.
    pub fn roles(&mut self) -> Result<Box<dyn Roles + '_>, Error> {
        Ok(self.0.roles()?)
    }

    /// Whether there is such a role, even one that cannot be read.
    ///
    /// # Errors
    /// When the place holds no roles, or cannot be read.
    pub fn has_role(&mut self, name: &RoleName) -> Result<bool, Error> {
        Ok(self.0.roles()?.has_role(name)?)
    }

    /// Carries out one command, and counts it if it changed anything.
    ///
    /// # Errors
    /// When it cannot be carried out; then it has done nothing.
    pub fn carry_out(&mut self, command: &Command) -> Result<Outcome, Error> {
        let outcome = carry_out(self.0.as_mut(), command)?;
        match outcome {
            Outcome::Added | Outcome::Changed | Outcome::Deleted => self.0.count_change()?,
            Outcome::Unchanged => {}
        }
        Ok(outcome)
    }

    /// Carries out several things that count together or not at all: where `act` fails, the batch is
    /// as it was before, and goes on.
    ///
    /// # Errors
    /// Those of `act`; and when the place cannot be changed or taken back, which ends the batch.
    pub fn attempt<T, E: From<Error>>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.savepoint().map_err(Error::from)?;
        match act(self) {
            Ok(done) => {
                self.0.release().map_err(Error::from)?;
                Ok(done)
            }
            Err(why) => {
                self.0.roll_back().map_err(Error::from)?;
                Err(why)
            }
        }
    }

    /// Says how many changes there have been, this one not among them: a file that is imported may
    /// have counted its own.
    ///
    /// # Errors
    /// When the place counts none, or cannot be changed.
    pub fn set_changes(&mut self, changes: u64) -> Result<(), Error> {
        Ok(self.0.roles()?.set_changes(changes)?)
    }

    /// Makes it so, on the disk.
    ///
    /// # Errors
    /// When it cannot be written; then nothing has changed.
    pub fn commit(self) -> Result<(), Error> {
        Ok(self.0.commit()?)
    }
}

/// Each verb is one function that looks first and writes only what differs.
fn carry_out(change: &mut dyn Transaction, command: &Command) -> Result<Outcome, Error> {
    match command {
        Command::Add(account) => add(change, account),
        Command::Put(account) => replace(change, account),
        Command::SetCredential {
            name,
            credential,
            rotation,
        } => set_credential(change, name, credential, *rotation),
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
        Command::AddRole(role) => roles::add(change, role),
        Command::PutRole(role) => roles::put(change, role),
        Command::SetRole {
            name,
            change: fields,
        } => roles::set(change, name, fields),
        Command::DeleteRole(name) => roles::delete(change, name),
        Command::PutRule {
            role,
            rule,
            priority,
        } => roles::put_rule(change, role, rule, *priority),
        Command::RemoveRule {
            role,
            acl_type,
            topic,
        } => roles::remove_rule(change, role, *acl_type, topic),
        Command::AddGroup(group) => groups::add(change, group),
        Command::PutGroup(group) => groups::put(change, group),
        Command::SetGroup {
            name,
            change: fields,
        } => groups::set(change, name, fields),
        Command::DeleteGroup(name) => groups::delete(change, name),
        Command::GrantRole { to, role, priority } => roles::grant(change, to, role, *priority),
        Command::RevokeRole { from, role } => roles::revoke(change, from, role),
        Command::JoinGroup {
            account,
            group,
            priority,
        } => groups::join(change, account, group, *priority),
        Command::LeaveGroup { account, group } => groups::leave(change, account, group),
        Command::SetDefaults(fields) => roles::set_defaults(change, *fields),
        Command::SetAnonymousGroup(group) => groups::set_anonymous(change, group.as_ref()),
    }
}

fn add(change: &mut dyn Transaction, account: &Account) -> Result<Outcome, Error> {
    match change.account(&account.name)? {
        Some(_) => Err(Error::Exists {
            name: account.name.clone(),
        }),
        None => {
            change.put(account)?;
            Ok(Outcome::Added)
        }
    }
}

fn replace(change: &mut dyn Transaction, account: &Account) -> Result<Outcome, Error> {
    let before = change.account(&account.name)?;
    let last_login = before.as_ref().and_then(|before| before.last_login);
    let after = Account {
        last_login,
        ..account.clone()
    };
    put(change, before, after)
}

fn set_credential(
    change: &mut dyn Transaction,
    name: &AccountName,
    credential: &StoredCredential,
    rotation: Rotation,
) -> Result<Outcome, Error> {
    let before = present(change, name)?;
    let mut after = before.clone();
    let old = after.credential.replace(credential.clone());
    after.second_credential = match rotation {
        Rotation::Replace => None,
        Rotation::KeepOld => old,
    };
    put(change, Some(before), after)
}

pub(super) fn present(change: &mut dyn Transaction, name: &AccountName) -> Result<Account, Error> {
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
    if let Some(textname) = &fields.textname {
        after.textname.clone_from(textname);
    }
    if let Some(textdescription) = &fields.textdescription {
        after.textdescription.clone_from(textdescription);
    }
    if let Some(notes) = &fields.notes {
        after.notes.clone_from(notes);
    }
    after
}
