//! What becomes of standings when rules, roles, groups or accounts change, and of those who lose by it.
//!
//! Must not: run on the broker's thread, or touch anybody who loses nothing. First everything is found
//! out, then it is put in force, and only then connections are ended: dynamic-security ends those of
//! whoever holds what was changed, doorman those who may do less than before. Why at all: the broker
//! asks about a subscription once, so what a client has subscribed to outlives the right to.
#![forbid(unsafe_code)]

use std::sync::Arc;

use hashbrown::HashMap;
use jiff::Timestamp;

use super::standing::{Key, Says, Standing, Whose};
use super::{Engine, lock};
use crate::model::AccountName;
use crate::policy::{Loss, Rights};
use crate::show::Shown;
use crate::store;

/// How to find out.
#[derive(Clone, Copy)]
pub(super) enum Again {
    /// From the beginning: who it is, and what it holds.
    Afresh,
    /// It holds what it held; what follows from that may have changed.
    Rules,
}

/// What was found out about two sets of rights, by their addresses: many clients share theirs.
#[derive(Default)]
struct Losses(HashMap<(usize, usize), bool>);

impl Engine {
    /// Finds out again how these stand, puts it in force, and has the connections ended of those who
    /// lost something.
    pub(super) fn restand(&self, keys: Vec<Key>, again: Again, now: Timestamp) {
        let mut losses = Losses::default();
        let mut changed = Vec::new();
        let mut lost = Vec::new();
        for key in keys {
            let Some(old) = self.standings.get(&key) else {
                continue;
            };
            let new = match self.found_again(&key, &old, again, now) {
                Ok((says, whose)) => Standing::new(says, whose, old.unannounced),
                // What cannot be asked does not say that anything has changed.
                Err(error) => {
                    log::debug!("{error}");
                    self.standings.doubt(key);
                    continue;
                }
            };
            if losses.is_loss(&old.says, &new.says) {
                lost.push((key.clone(), old));
            }
            changed.push((key, Arc::new(new)));
        }
        self.standings.replace(changed);
        for (key, old) in lost {
            self.end_all_of(&key, &old);
        }
    }

    fn found_again(
        &self,
        key: &Key,
        old: &Standing,
        again: Again,
        now: Timestamp,
    ) -> Result<(Says, Whose), store::Error> {
        let found = match (&old.says, again) {
            // What clients without a username hold is a matter of rules.
            (Says::Granted { .. }, Again::Rules) if key.username().is_some() => {
                (old.says.clone(), old.whose)
            }
            _ => self.stand(key.asker(), now)?,
        };
        let (Says::Granted { authority, granted }, whose) = found else {
            return Ok(found);
        };
        let granted = match self.authorities.grantor(authority) {
            Some(grantor) => grantor.renew(&granted, now)?,
            None => granted,
        };
        Ok((Says::Granted { authority, granted }, whose))
    }

    /// Has every connection ended that has this standing.
    fn end_all_of(&self, key: &Key, old: &Standing) {
        let username = key.username().unwrap_or_default();
        let connections = lock(&self.sessions).of_account(username);
        for connection in connections {
            let Some(session) = lock(&self.sessions).find(connection) else {
                continue;
            };
            let its_id = key.asker().client_id;
            if its_id.is_none_or(|id| *id == *session.client_id) {
                self.end_session(connection, "rights_lost");
            }
        }
        // No account has a name that cannot be one.
        if let Ok(owner) = key.username().map(AccountName::new).transpose() {
            lock(&self.sessions).recheck(&owner);
        }
        if old.unannounced {
            match key.username() {
                Some(name) => log::info!("ending reason=rights_lost username={}", Shown(name)),
                None => log::info!("ending reason=rights_lost: clients without a username"),
            }
            self.standings.kick(key);
        }
        self.something_to_do
            .store(true, std::sync::atomic::Ordering::Release);
    }
}

impl Losses {
    /// Whether whoever stood like that may do less now, or cannot be known to do no less.
    fn is_loss(&mut self, old: &Says, new: &Says) -> bool {
        match (old, new) {
            // They could do nothing, or what they could was not ours to say.
            (Says::Refused(_) | Says::Nobody, _) => false,
            (Says::ByToken(old), Says::ByToken(new)) => {
                let mut layers = old.layers.iter().zip(&new.layers);
                old.layers.len() > new.layers.len()
                    || layers.any(|(old, new)| self.of_rights(old, new))
                    || self.is_loss(&old.then, &new.then)
            }
            (_, Says::ByToken(new)) => self.is_loss(old, &new.then),
            // Each message and each reader is judged by the file as it is; as with Mosquitto's own,
            // nobody is ended by a change of it.
            (Says::File, Says::File) => false,
            (Says::Granted { granted: old, .. }, Says::Granted { granted: new, .. }) => {
                self.of_rights(&old.rights, &new.rights)
            }
            (Says::File | Says::Granted { .. } | Says::ByToken(_), _) => true,
        }
    }

    fn of_rights(&mut self, old: &Arc<Rights>, new: &Arc<Rights>) -> bool {
        if Arc::ptr_eq(old, new) {
            return false;
        }
        let key = (Arc::as_ptr(old).addr(), Arc::as_ptr(new).addr());
        *self
            .0
            .entry(key)
            .or_insert_with(|| match new.lost_since(old) {
                // dynamic-security ends nobody for a new default either.
                Loss::Nothing | Loss::Defaults => false,
                Loss::Rules => true,
            })
    }
}
