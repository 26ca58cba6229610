//! What a verb has in hand: the batch it works in, who is in, and whose connections are to end.
//!
//! Must not: commit. Whether what was done counts is decided once for many orders.
#![forbid(unsafe_code)]

use serde_json::Value;

use super::answer::Refusal;
use crate::admin::{Batch, Command, Outcome};
use crate::engine::{End, Engine, Pardon};
use crate::model::StoredCredential;
use crate::policy::Prefixes;
use crate::store::Roles;

/// What a verb answers.
pub(super) type Done = Result<Option<Value>, Refusal>;

/// What a verb has in hand.
pub(super) struct Hand<'a, 'b> {
    pub(super) batch: &'a mut Batch<'b>,
    pub(super) engine: &'a Engine,
    /// The password that came with the order, hashed.
    pub(super) credential: Option<StoredCredential>,
    /// Those that came with its entries.
    pub(super) entries: Vec<Option<StoredCredential>>,
    /// Whose connections end, whether the order is carried out or not.
    pub(super) ends: Vec<End>,
    /// Whose failures are forgotten, once the order counts.
    pub(super) pardons: Vec<Pardon>,
}

impl Hand<'_, '_> {
    /// Carries out a command, whether it changes anything or not.
    pub(super) fn carry_out(&mut self, command: &Command) -> Result<(), Refusal> {
        Ok(self.batch.carry_out(command).map(drop)?)
    }

    /// Carries out a command that must make something new.
    pub(super) fn add(&mut self, command: &Command, there_already: &str) -> Result<(), Refusal> {
        match self.batch.carry_out(command)? {
            Outcome::Added => Ok(()),
            Outcome::Changed | Outcome::Deleted | Outcome::Unchanged => {
                Err(Refusal::new(there_already))
            }
        }
    }

    /// What names begin with, where who gives the order is limited.
    pub(super) fn prefixes(&self) -> Option<&Prefixes> {
        self.batch.scope().prefixes()
    }

    /// Whether something of this name is there for whoever gives the order.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.batch.scope().covers(name)
    }

    /// The roles and groups as they are now.
    pub(super) fn roles(&mut self) -> Result<Box<dyn Roles + '_>, Refusal> {
        Ok(self.batch.roles()?)
    }
}
