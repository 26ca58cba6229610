//! Carries commands out on a store, all of them or none.
//!
//! Must not: leave half a batch behind, or a change without its record: one transaction spans all.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::command::Command;
use super::note::{self, Note};
use super::touched::Touched;
use super::within::Within;
use super::{accounts, groups, limits, psk, roles};
use crate::model::{Account, AccountName, CertificateName, GroupName, PskIdentity, RoleName};
use crate::policy::{AclType, Scope};
use crate::store::psk::SeenPsk;
use crate::store::{self, Entry, Pruned, Roles, Store, Trail, Transaction};

/// What one command did.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// A certificate is another account's.
    #[error("the certificate {certificate} belongs to another account")]
    CertificateTaken {
        /// Which.
        certificate: CertificateName,
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
    /// The actor's roles limit what he may administer, and this is not within the limit.
    #[error("that is outside of the administrative limit")]
    Outside,
    /// The group of clients without a username must not be taken from them by the way.
    #[error("deleting the anonymous group is forbidden")]
    AnonymousGroup {
        /// The group.
        name: GroupName,
    },
    /// An identity of TLS-PSK that must be there is not.
    #[error("there is no PSK identity {identity:?}")]
    PskMissing {
        /// The identity that was given.
        identity: PskIdentity,
    },
    /// An identity of TLS-PSK that must not be there is.
    #[error("there is a PSK identity {identity:?} already")]
    PskExists {
        /// The identity that was given.
        identity: PskIdentity,
    },
}

/// Who acts, from where, and when; it is written down with everything that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Who: `cli:root`, `mqtt:roger`.
    pub who: Box<str>,
    /// From where: `local`, or an address and client id.
    pub from: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// Carries out the commands in order, in one transaction.
///
/// # Errors
/// For the first command that cannot be carried out; then none has been.
pub fn apply(
    store: &mut dyn Store,
    actor: Actor,
    commands: &[Command],
) -> Result<Vec<Outcome>, Error> {
    let mut batch = Batch::begin(store, actor)?;
    let outcomes = commands
        .iter()
        .map(|command| batch.carry_out(command))
        .collect::<Result<Vec<_>, _>>()?;
    batch.commit()?;
    Ok(outcomes)
}

/// A batch whose commands come one by one: none of them counts before [`Batch::commit`]. A command
/// that is refused leaves the others as they are, so that bulk work can go on behind it.
///
/// What is changed is written down in the same transaction, one record for each command.
pub struct Batch<'a> {
    change: Box<dyn Transaction + 'a>,
    actor: Actor,
    /// What the actor may administer.
    scope: Scope,
    touched: Touched,
    /// Where one record is enough for all: what is to be in it.
    sum: Option<Sum>,
}

/// How often each verb was carried out, and what for.
#[derive(Clone)]
struct Sum {
    file: Box<str>,
    verbs: BTreeMap<&'static str, u64>,
}

impl Sum {
    fn of(file: &str) -> Self {
        Self {
            file: file.into(),
            verbs: BTreeMap::new(),
        }
    }
}

impl<'a> Batch<'a> {
    /// Begins a batch.
    ///
    /// # Errors
    /// When somebody else holds the place, or it cannot be read.
    pub fn begin(store: &'a mut dyn Store, actor: Actor) -> Result<Self, Error> {
        Ok(Self {
            change: store.begin()?,
            actor,
            scope: Scope::Everything,
            touched: Touched::default(),
            sum: None,
        })
    }

    /// Begins the import of a file, of which one record is written: what was done how often.
    ///
    /// # Errors
    /// As [`Batch::begin`].
    pub fn import(store: &'a mut dyn Store, actor: Actor, file: &str) -> Result<Self, Error> {
        let batch = Self::begin(store, actor)?;
        let sum = Some(Sum::of(file));
        Ok(Self { sum, ..batch })
    }

    /// Carries out an import within a batch of other things: one record for all of it.
    ///
    /// # Errors
    /// Those of `act`; and when the record cannot be written.
    pub fn summed<T, E: From<Error>>(
        &mut self,
        file: &str,
        act: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let outer = self.sum.replace(Sum::of(file));
        let done = act(self).and_then(|done| {
            self.write_sum()?;
            Ok(done)
        });
        self.sum = outer;
        done
    }

    /// From here on somebody else acts, who may administer so much.
    pub fn hand_over(&mut self, actor: Actor, scope: Scope) {
        self.actor = actor;
        self.scope = scope;
    }

    /// What the actor may administer.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What was changed so far, even where it was taken back.
    #[must_use]
    pub fn touched(&self) -> &Touched {
        &self.touched
    }

    fn is_there(&self, name: &str) -> bool {
        self.scope.covers(name)
    }

    /// The account of this name as the batch has it so far.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub fn account(&mut self, name: &AccountName) -> Result<Option<Account>, Error> {
        match self.is_there(name.as_str()) {
            true => Ok(self.change.account(name)?),
            false => Ok(None),
        }
    }

    /// Shows accounts as [`Transaction::accounts`] does.
    ///
    /// # Errors
    /// When the place cannot be read, or the visitor's own.
    pub fn accounts(
        &mut self,
        behind: i64,
        visit: &mut dyn FnMut(i64, Result<Account, store::Error>) -> Result<(), store::Error>,
    ) -> Result<(), Error> {
        let scope = &self.scope;
        Ok(self
            .change
            .accounts(behind, &mut |place, account| match (scope, &account) {
                (Scope::Limited(limit), Ok(account)) if !limit.covers(account.name.as_str()) => {
                    Ok(())
                }
                // Whose it is cannot be told.
                (Scope::Limited(_), Err(_)) => Ok(()),
                (Scope::Everything | Scope::Limited(_), _) => visit(place, account),
            })?)
    }

    /// The record of what was done, as the batch has it so far. It is about everybody.
    ///
    /// # Errors
    /// When none is kept.
    pub fn trail(&mut self) -> Result<Box<dyn Trail + '_>, Error> {
        self.is_unlimited()?;
        Ok(self.change.trail()?)
    }

    /// The identities of TLS-PSK of an account, as the batch has them so far.
    ///
    /// # Errors
    /// When the place holds none or cannot be read.
    pub fn psks_of(&mut self, name: &AccountName) -> Result<Vec<SeenPsk>, Error> {
        let mut all = self.change.psks()?.of(name)?;
        if let Scope::Limited(limit) = &self.scope {
            all.retain(|seen| limits::covers(limit, seen));
        }
        Ok(all)
    }

    /// Shows identities of TLS-PSK as [`Psks::psks`](crate::store::psk::Psks::psks) does.
    ///
    /// # Errors
    /// When the place holds none or cannot be read, or the visitor's own.
    pub fn psks(
        &mut self,
        behind: i64,
        visit: &mut dyn FnMut(i64, Result<SeenPsk, store::Error>) -> Result<(), store::Error>,
    ) -> Result<(), Error> {
        let scope = &self.scope;
        let mut psks = self.change.psks()?;
        Ok(psks.psks(behind, &mut |place, seen| match (scope, &seen) {
            (Scope::Limited(limit), Ok(seen)) if !limits::covers(limit, seen) => Ok(()),
            // Whose it is cannot be told.
            (Scope::Limited(_), Err(_)) => Ok(()),
            (Scope::Everything | Scope::Limited(_), _) => visit(place, seen),
        })?)
    }

    /// The roles and groups as the batch has them so far.
    ///
    /// # Errors
    /// When the place holds none.
    pub fn roles(&mut self) -> Result<Box<dyn Roles + '_>, Error> {
        let all = self.change.roles()?;
        Ok(match &self.scope {
            Scope::Everything => all,
            Scope::Limited(limit) => Box::new(Within { all, limit }),
        })
    }

    /// Whether there is such a role, even one that cannot be read.
    ///
    /// # Errors
    /// When the place holds no roles, or cannot be read.
    pub fn has_role(&mut self, name: &RoleName) -> Result<bool, Error> {
        Ok(self.is_there(name.as_str()) && self.change.roles()?.has_role(name)?)
    }

    /// Carries out one command; counts it and writes it down if it changed anything.
    ///
    /// # Errors
    /// When it cannot be carried out; then it has done nothing.
    pub fn carry_out(&mut self, command: &Command) -> Result<Outcome, Error> {
        if let Scope::Limited(limit) = &self.scope {
            limits::check(self.change.as_mut(), limit, command)?;
        }
        let mut note = Note::new(self.sum.is_none() && self.change.keeps_record());
        let outcome = carry_out(self.change.as_mut(), command, &mut note)?;
        match outcome {
            Outcome::Added | Outcome::Changed | Outcome::Deleted => {
                self.touched.add(command);
                self.change.count_change()?;
                self.write_down(note::verb(command, outcome), note::about(command), note)?;
            }
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
        self.change.savepoint().map_err(Error::from)?;
        let sum = self.sum.clone();
        match act(self) {
            Ok(done) => {
                self.change.release().map_err(Error::from)?;
                Ok(done)
            }
            Err(why) => {
                self.sum = sum;
                self.change.roll_back().map_err(Error::from)?;
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
        self.is_unlimited()?;
        let mut roles = self.change.roles()?;
        let before = roles.totals()?.changes;
        if before == changes {
            return Ok(());
        }
        roles.set_changes(changes)?;
        drop(roles);
        let mut note = Note::new(self.sum.is_none());
        note.value("changeIndex", Some(before.into()), Some(changes.into()));
        self.write_down("setChangeIndex", [None; 3], note)
    }

    /// Writes down that failures were forgotten, which are in no store.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_down_ban(
        &mut self,
        username: Option<&str>,
        address: Option<&str>,
        failures: u32,
    ) -> Result<(), Error> {
        let mut note = Note::new(true);
        note.value("failures", Some(failures.into()), None);
        if let Some(address) = address {
            note.value("address", Some(address.into()), None);
        }
        self.write_down("clearBan", [username, None, None], note)
    }

    /// Takes away what was written down before a moment, and writes that down.
    ///
    /// # Errors
    /// When the place keeps no record, or cannot be changed.
    pub fn prune_record(&mut self, before: Timestamp) -> Result<Option<Pruned>, Error> {
        self.is_unlimited()?;
        let pruned = self.change.prune_record(before)?;
        if let Some(Pruned { records, last }) = pruned {
            let mut note = Note::new(true);
            note.value("records", Some(records.into()), None);
            note.value("last", Some(last.into()), None);
            note.value("until", Some(before.to_string().into()), None);
            self.write_down("pruneAudit", [None; 3], note)?;
        }
        Ok(pruned)
    }

    /// Makes it so, on the disk.
    ///
    /// # Errors
    /// When it cannot be written; then nothing has changed.
    pub fn commit(mut self) -> Result<(), Error> {
        self.write_sum()?;
        Ok(self.change.commit()?)
    }

    fn write_sum(&mut self) -> Result<(), Error> {
        if let Some(Sum { file, verbs }) = self.sum.take().filter(|sum| !sum.verbs.is_empty()) {
            let mut note = Note::new(true);
            for (verb, times) in verbs {
                note.value(verb, None, Some(times.into()));
            }
            note.value("file", None, Some((*file).into()));
            self.write_down("import", [None; 3], note)?;
        }
        Ok(())
    }

    /// What concerns everybody is for those who may administer everything.
    fn is_unlimited(&self) -> Result<(), Error> {
        match &self.scope {
            Scope::Everything => Ok(()),
            Scope::Limited(_) => Err(Error::Outside),
        }
    }

    fn write_down(
        &mut self,
        verb: &'static str,
        about: [Option<&str>; 3],
        note: Note,
    ) -> Result<(), Error> {
        if let Some(Sum { verbs, .. }) = &mut self.sum {
            let times = verbs.entry(verb).or_default();
            *times = times.saturating_add(1);
            return Ok(());
        }
        if !self.change.keeps_record() {
            return Ok(());
        }
        let [username, groupname, rolename] = about.map(|name| name.map(Into::into));
        let [before, after] = note.sides();
        Ok(self.change.record(Entry {
            at: self.actor.at,
            who: self.actor.who.clone(),
            from: self.actor.from.clone(),
            verb: verb.into(),
            username,
            groupname,
            rolename,
            before,
            after,
        })?)
    }
}

/// Each verb is one function that looks first and writes only what differs.
fn carry_out(
    change: &mut dyn Transaction,
    command: &Command,
    note: &mut Note,
) -> Result<Outcome, Error> {
    match command {
        Command::Add(account) => accounts::add(change, account, note),
        Command::Put(account) => accounts::replace(change, account, note),
        Command::Lay {
            name,
            credential,
            change: fields,
            existing,
        } => accounts::lay(change, name, credential.as_ref(), fields, *existing, note),
        Command::SetCredential {
            name,
            credential,
            rotation,
        } => accounts::set_credential(change, name, credential, *rotation, note),
        Command::Renew { name, old, new } => accounts::renew(change, name, old, new, note),
        Command::DropSecondCredential(name) => accounts::drop_second_credential(change, name, note),
        Command::Set { name, change: to } => accounts::set(change, name, to, note),
        Command::AddCertificate(name, one) => accounts::certify(change, name, one, note),
        Command::RemoveCertificate(name, one) => accounts::uncertify(change, name, one, note),
        Command::Delete(name) => accounts::delete(change, name, note),
        Command::AddRole(role) => roles::add(change, role, note),
        Command::PutRole(role) => roles::put(change, role, note),
        Command::SetRole { name, change: to } => roles::set(change, name, to, note),
        Command::DeleteRole(name) => roles::delete(change, name, note),
        Command::PutRule {
            role,
            rule,
            priority,
        } => roles::put_rule(change, role, rule, *priority, note),
        Command::RemoveRule {
            role,
            acl_type,
            topic,
        } => roles::remove_rule(change, role, *acl_type, topic, note),
        Command::AddGroup(group) => groups::add(change, group, note),
        Command::PutGroup(group) => groups::put(change, group, note),
        Command::SetGroup { name, change: to } => groups::set(change, name, to, note),
        Command::DeleteGroup(name) => groups::delete(change, name, note),
        Command::GrantRole { to, role, priority } => {
            roles::grant(change, to, role, *priority, note)
        }
        Command::RevokeRole { from, role } => roles::revoke(change, from, role, note),
        Command::JoinGroup {
            account,
            group,
            priority,
        } => groups::join(change, account, group, *priority, note),
        Command::LeaveGroup { account, group } => groups::leave(change, account, group, note),
        Command::SetDefaults(fields) => roles::set_defaults(change, *fields, note),
        Command::SetAnonymousGroup(group) => groups::set_anonymous(change, group.as_ref(), note),
        Command::AddPsk(added) => psk::add(change, added, note),
        Command::PutPsk(put) => psk::put(change, put, note),
        Command::DeletePsk(identity) => psk::delete(change, identity, note),
        Command::SealPsks => psk::seal(change, note),
    }
}
