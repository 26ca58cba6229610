//! Where whole commands are handed in, and where one may look: a store, or somebody far away who has one.
//!
//! Must not: show a stored credential. Of it only the kind and the cost are told, wherever the place is.
#![forbid(unsafe_code)]

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::apply::{Actor, Batch, Error, Outcome, apply};
use super::command::Command;
use crate::credential::Known;
use crate::model::{Account, AccountName};
use crate::store::psk::SeenPsk;
use crate::store::{self, Pruned, Roles, Store, Trail};

/// Where one administers. What it keeps of accounts, roles and groups is read as it is in a
/// [`Store`]; what is changed is handed in as commands.
pub trait Office {
    /// The account of this name.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn account(&mut self, name: &AccountName) -> Result<Option<Seen>, store::Error>;

    /// Shows every account, in the place's own order, until the visitor fails.
    ///
    /// # Errors
    /// When the place cannot be read, or the visitor's own.
    fn accounts(
        &mut self,
        visit: &mut dyn FnMut(Seen) -> Result<(), store::Error>,
    ) -> Result<(), store::Error>;

    /// The roles and groups of the place.
    ///
    /// # Errors
    /// When it holds none.
    fn roles(&mut self) -> Result<Box<dyn Roles + '_>, store::Error>;

    /// The identities of TLS-PSK of an account, by name.
    ///
    /// # Errors
    /// When the place holds none or cannot be read.
    fn psks_of(&mut self, name: &AccountName) -> Result<Vec<SeenPsk>, store::Error>;

    /// Shows every identity of TLS-PSK, in the place's own order, until the visitor fails.
    ///
    /// # Errors
    /// When the place holds none or cannot be read, or the visitor's own.
    fn psks(
        &mut self,
        visit: &mut dyn FnMut(SeenPsk) -> Result<(), store::Error>,
    ) -> Result<(), store::Error>;

    /// The record of what administration did here.
    ///
    /// # Errors
    /// When none is kept.
    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, store::Error>;

    /// Carries out the commands in order, all of them or none.
    ///
    /// # Errors
    /// For the first command that cannot be carried out; then none has been.
    fn apply(&mut self, commands: &[Command]) -> Result<Vec<Outcome>, Error>;

    /// Carries out an import: what became of each of its commands, in their order.
    ///
    /// # Errors
    /// When the place cannot be read or changed; then nothing has changed.
    fn import(&mut self, import: &Import) -> Result<Vec<Result<Outcome, Error>>, Error>;

    /// Takes away what was written down before a moment, and writes that down.
    ///
    /// # Errors
    /// When no record is kept, or the place cannot be changed.
    fn prune_record(&mut self, before: Timestamp) -> Result<Option<Pruned>, Error>;
}

/// An account as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seen {
    /// Everything but its credentials.
    pub account: Account,
    /// What its credential is.
    pub credential: Option<Known>,
    /// What its second credential is.
    pub second_credential: Option<Known>,
}

impl Seen {
    /// The account without its secrets.
    #[must_use]
    pub fn of(mut account: Account) -> Self {
        let [credential, second_credential] =
            [account.credential.take(), account.second_credential.take()]
                .map(|stored| stored.as_ref().map(Known::of));
        Self {
            account,
            credential,
            second_credential,
        }
    }
}

/// Many commands of which each counts for itself, and one record for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Import {
    /// From which file, for the record.
    pub file: Box<str>,
    /// Whether one that is refused has all others undone.
    #[serde(default)]
    pub strict: bool,
    /// The commands.
    pub commands: Vec<Command>,
}

impl Import {
    /// Carries it out within a batch; and whether that must be undone.
    ///
    /// # Errors
    /// When the place cannot be read or changed.
    pub fn within(
        &self,
        batch: &mut Batch<'_>,
    ) -> Result<(Vec<Result<Outcome, Error>>, bool), Error> {
        let mut lines = Vec::new();
        batch.summed(&self.file, |batch| {
            for command in &self.commands {
                let line = match batch.carry_out(command) {
                    Err(Error::Store(error)) if !matches!(error, store::Error::Invalid { .. }) => {
                        return Err(Error::Store(error));
                    }
                    line => line,
                };
                lines.push(line);
            }
            Ok(())
        })?;
        let undo = self.strict && lines.iter().any(Result::is_err);
        Ok((lines, undo))
    }
}

/// A store of this machine, and who works on it.
pub struct Local {
    /// The store.
    pub store: Box<dyn Store>,
    /// Who acts.
    pub actor: Actor,
}

impl Office for Local {
    fn account(&mut self, name: &AccountName) -> Result<Option<Seen>, store::Error> {
        Ok(self.store.account(name)?.map(Seen::of))
    }

    fn accounts(
        &mut self,
        visit: &mut dyn FnMut(Seen) -> Result<(), store::Error>,
    ) -> Result<(), store::Error> {
        self.store.accounts(&mut |account| visit(Seen::of(account)))
    }

    fn roles(&mut self) -> Result<Box<dyn Roles + '_>, store::Error> {
        self.store.roles()
    }

    fn psks_of(&mut self, name: &AccountName) -> Result<Vec<SeenPsk>, store::Error> {
        self.store.psks()?.of(name)
    }

    fn psks(
        &mut self,
        visit: &mut dyn FnMut(SeenPsk) -> Result<(), store::Error>,
    ) -> Result<(), store::Error> {
        let mut unreadable = None;
        self.store
            .psks()?
            .psks(i64::MIN, &mut |_, seen| match seen {
                Ok(seen) => visit(seen),
                Err(why) => {
                    unreadable.get_or_insert(why);
                    Ok(())
                }
            })?;
        unreadable.map_or(Ok(()), Err)
    }

    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, store::Error> {
        self.store.trail()
    }

    fn apply(&mut self, commands: &[Command]) -> Result<Vec<Outcome>, Error> {
        apply(self.store.as_mut(), self.actor.clone(), commands)
    }

    fn import(&mut self, import: &Import) -> Result<Vec<Result<Outcome, Error>>, Error> {
        let mut batch = Batch::begin(self.store.as_mut(), self.actor.clone())?;
        let (lines, undo) = import.within(&mut batch)?;
        if !undo {
            batch.commit()?;
        }
        Ok(lines)
    }

    fn prune_record(&mut self, before: Timestamp) -> Result<Option<Pruned>, Error> {
        let mut batch = Batch::begin(self.store.as_mut(), self.actor.clone())?;
        let pruned = batch.prune_record(before)?;
        batch.commit()?;
        Ok(pruned)
    }
}
