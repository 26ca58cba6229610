//! "What must a client have that names this identity?", and what follows for whoever had it.
//!
//! Must not: take a key that was given for a login. The broker asks for it before the client shows that it
//! has it, and tells of no failure. What lets in is the password asked for afterwards or, where a listener
//! takes the identity for the username, the broker itself, which then has the client's name from nowhere else.
//! The connection is the account's in both ways: it may be nobody else, and ends with the key.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::keyed::{From, Given, Keyed, Stage};
use super::{Engine, Shows, lock};
use crate::admission::{self, Approach, Fact};
use crate::config::{Config, UnknownUser};
use crate::model::{AccountName, Fingerprint, PskIdentity, PskKey};
use crate::request::{
    Certificate, Client, Connect, ConnectionId, Entrant, KeyAsked, Method, Now, Occasion,
};
use crate::show::Shown;
use crate::store::{self, psk::Unusable};
use crate::throttle::{Admission, Who};
use crate::vault::Vault;
use crate::verdict::{Deferral, KeyReply, Reason, Verdict};

/// What there is under an identity.
struct Key {
    name: AccountName,
    key: Result<(PskKey, Fingerprint), Unusable>,
}

impl Engine {
    /// Reads what keys are sealed with, and refuses what opens none of them.
    pub(super) fn unlock_keys(&mut self, config: &Config) -> Result<(), store::Error> {
        let seal_file = config.psk_seal_file.as_deref();
        self.vault = seal_file.map(store::psk::vault).transpose()?.map(Arc::new);
        if !self.psk {
            return Ok(());
        }
        let vault = self.vault.as_deref();
        let mut sources = self.sources.iter();
        sources.try_for_each(|source| source.refuse_other_vault(vault))
    }

    /// What keys are sealed with, for whoever stores some.
    #[must_use]
    pub fn vault(&self) -> Option<Arc<Vault>> {
        self.vault.clone()
    }

    /// Whether keys are given at all.
    #[must_use]
    pub fn gives_keys(&self) -> bool {
        self.psk
    }

    /// "What must a client have that names this identity?"
    pub fn key(&self, asked: &KeyAsked<'_>, now: Now) -> KeyReply {
        let revision = self.revision.load(Ordering::Acquire);
        let identity = asked.identity.and_then(|text| PskIdentity::new(text).ok());
        let (Some(identity), Some(connection)) = (identity, asked.client.connection) else {
            return self.key_refused(asked, None, Reason::BadRequest, now);
        };
        let found = match self.look_up(&identity) {
            Ok(Some(found)) => found,
            Ok(None) => return self.unknown_identity(asked, &identity, now),
            Err(error) => {
                log::warn!("{error}");
                return self.key_refused(asked, None, Reason::SourceUnavailable, now);
            }
        };
        let name = found.name.clone();
        let given = self.may_have(asked, identity, found, now);
        let (given, key) = match given {
            Ok(both) => both,
            Err(reason) => return self.key_refused(asked, Some(&name), reason, now),
        };
        let mut keyed = lock(&self.keyed);
        if !keyed.give(connection, given) {
            drop(keyed);
            return self.key_refused(asked, Some(&name), Reason::Busy, now);
        }
        self.count_waiting(&keyed);
        // After it was given: whoever reports a change now finds it, and whoever did before has counted.
        if self.revision.load(Ordering::Acquire) != revision {
            keyed.doubt(connection);
        }
        KeyReply::Key(key)
    }

    /// The key, and what is remembered of it, if the account may be used and the key may be had.
    fn may_have(
        &self,
        asked: &KeyAsked<'_>,
        identity: PskIdentity,
        found: Key,
        now: Now,
    ) -> Result<(Given, PskKey), Reason> {
        let Key { name, key } = found;
        let (key, mark) = key.map_err(|why| {
            let shown = Shown(identity.as_str());
            log::error!("the key of PSK identity {shown} cannot be used: {why}");
            Reason::UnusableKey
        })?;
        if key.bits() / 4 > asked.most {
            log::error!(
                "the key of PSK identity {} is too long",
                Shown(identity.as_str())
            );
            return Err(Reason::UnusableKey);
        }
        let known = |name: &str| {
            self.known(name, None).map_err(|error| {
                log::warn!("{error}");
                Reason::SourceUnavailable
            })
        };
        // Where the listener takes the identity for the username, the client would be called so.
        if identity.as_str() != name.as_str() && known(identity.as_str())?.is_some() {
            return Err(Reason::WrongUsername);
        }
        let (account, _) = known(name.as_str())?.ok_or(Reason::UnknownUser)?;
        let from = Approach {
            client_id: Fact::Open,
            ip: Fact::Is(asked.client.address.ip()),
        };
        admission::admit(&account, from, now.wall)?;
        let given = Given {
            identity,
            name,
            mark,
            ends: account.valid_until,
            from: From::of(&asked.client),
            at: now.mono,
        };
        Ok((given, key))
    }

    /// Nobody has the identity. As with usernames, it may be left to others, or ends here.
    fn unknown_identity(&self, asked: &KeyAsked<'_>, identity: &PskIdentity, now: Now) -> KeyReply {
        if self.unknown_user == UnknownUser::Defer {
            let verdict = Verdict::Defer(Deferral::UnknownUser);
            self.settle_as(&told(asked, None), asked.identity, verdict, now);
            return KeyReply::Defer;
        }
        let who = Who {
            ip: asked.client.address.ip(),
            username: identity.as_str(),
            credential: None,
        };
        let admission = lock(&self.throttle).admit(&who, now.mono);
        let reason = match admission {
            Admission::Refuse { .. } => Reason::Throttled,
            Admission::Admit(_) => {
                lock(&self.throttle).failed(&who, now.mono);
                Reason::UnknownIdentity
            }
        };
        self.key_refused(asked, None, reason, now)
    }

    fn key_refused(
        &self,
        asked: &KeyAsked<'_>,
        name: Option<&AccountName>,
        reason: Reason,
        now: Now,
    ) -> KeyReply {
        let connect = told(asked, name.map(AccountName::as_str));
        self.settle_as(&connect, asked.identity, Verdict::Deny(reason), now);
        KeyReply::Deny(reason)
    }

    /// What the first source has that knows the identity.
    fn look_up(&self, identity: &PskIdentity) -> Result<Option<Key>, store::Error> {
        for source in &self.sources {
            let Some(found) = source.psk(identity)? else {
                continue;
            };
            let name = found.name;
            let key = found.key.open(self.vault.as_deref(), identity, &name);
            let key = key.map(|key| {
                let mark = lock(&self.verified).mark(&name, identity, &key);
                (key, mark)
            });
            return Ok(Some(Key { name, key }));
        }
        Ok(None)
    }

    /// Why a client that was given a key may not log in as this; nothing for whoever was given none.
    pub(super) fn refused_by_key(
        &self,
        connect: &Connect<'_>,
        username: Option<&str>,
    ) -> Option<Reason> {
        let connection = connect.client.connection.filter(|_| self.psk)?;
        let (given, is_over) = lock(&self.keyed).find(connection)?;
        if username.is_some_and(|username| username != given.name.as_str()) {
            return Some(Reason::WrongUsername);
        }
        if is_over {
            return Some(Reason::UnknownIdentity);
        }
        match self.still_given(&given) {
            Ok(true) => None,
            Ok(false) => Some(Reason::UnknownIdentity),
            Err(error) => {
                log::warn!("{error}");
                Some(Reason::SourceUnavailable)
            }
        }
    }

    /// Whether the same key would be given again. What cannot be opened does not say that it has changed.
    fn still_given(&self, given: &Given) -> Result<bool, store::Error> {
        let found = self.look_up(&given.identity)?;
        Ok(found.is_some_and(|found| {
            let is_it = match found.key {
                Ok((_, mark)) => mark == given.mark,
                Err(_) => true,
            };
            is_it && found.name == given.name
        }))
    }

    /// The name that a key was given for, if one was.
    pub(super) fn bound_by_key(&self, connection: ConnectionId) -> Option<AccountName> {
        if !self.psk {
            return None;
        }
        let found = lock(&self.keyed).find(connection);
        found.map(|(given, _)| given.name)
    }

    /// The broker asks about a client, or it begins an exchange: its name is not the identity by itself.
    pub(super) fn asked_about(&self, connection: Option<ConnectionId>) {
        if let Some(connection) = connection.filter(|_| self.psk) {
            self.heard_of(connection, Stage::Asked);
        }
    }

    fn heard_of(&self, connection: ConnectionId, stage: Stage) {
        let mut keyed = lock(&self.keyed);
        keyed.heard_of(connection, stage);
        self.count_waiting(&keyed);
    }

    /// Whether nobody has heard of this connection since it was given a key.
    #[must_use]
    pub fn waits_by_key(&self, connection: ConnectionId, client: &Client<'_>) -> bool {
        self.psk && lock(&self.keyed).waits(connection, From::of(client))
    }

    /// Whether this connection was given a key.
    #[must_use]
    pub fn has_key(&self, connection: ConnectionId) -> bool {
        self.psk && lock(&self.keyed).stage(connection).is_some()
    }

    /// Whether there are connections that nobody has heard of since they were given a key.
    #[must_use]
    pub fn has_keys_waiting(&self) -> bool {
        self.keys_waiting.load(Ordering::Relaxed) > 0
    }

    fn count_waiting(&self, keyed: &Keyed) {
        self.keys_waiting.store(keyed.waiting(), Ordering::Relaxed);
    }

    /// A connection is over.
    pub(super) fn key_ended(&self, connection: ConnectionId) {
        if self.psk {
            let mut keyed = lock(&self.keyed);
            keyed.end(connection);
            self.count_waiting(&keyed);
        }
    }

    /// Has those ended that were to be and are not yet, and those by name of whom nobody has heard until they
    /// could come no more, for a broker that does not tell of those who are in.
    pub(super) fn end_keyed_again(&self, now: Now) {
        if self.psk && lock(&self.keyed).try_again(now.mono) {
            self.something_to_do.store(true, Ordering::Release);
        }
    }

    /// Somebody is in who was given a key, and was asked for nothing else. Where its name is the identity that
    /// it named, the key is its login: whether that is good.
    pub fn entered_by_key(
        &self,
        connection: ConnectionId,
        entrant: &Entrant<'_>,
        now: Now,
    ) -> Option<Result<(), Reason>> {
        let (given, is_over) = lock(&self.keyed).find(connection)?;
        if given.identity.as_str() != entrant.username {
            return None;
        }
        self.heard_of(connection, Stage::Entered);
        let connect = Connect {
            client: Client {
                connection: Some(connection),
                id: Some(entrant.client_id),
                address: entrant.address,
                listener: given.from.listener,
                restored: false,
                certificate: Certificate::None,
            },
            username: Some(entrant.username),
            password: None,
            occasion: Occasion::Now,
            method: Method::Psk,
        };
        let verdict = match is_over {
            true => Verdict::Deny(Reason::UnknownIdentity),
            false => self.judge_keyed(&connect, &given, now),
        };
        let reason = match self.settle(&connect, verdict, now) {
            Verdict::Allow => {
                self.figures.keyed();
                return Some(Ok(()));
            }
            Verdict::Deny(reason) => reason,
            // A key is not left to others, and no key waits.
            Verdict::Defer(_) | Verdict::Pending => Reason::UnusableKey,
        };
        self.end_keyed(connection);
        Some(Err(reason))
    }

    fn judge_keyed(&self, connect: &Connect<'_>, given: &Given, now: Now) -> Verdict {
        // What is checked later is checked for the identity.
        if given.identity.as_str() != given.name.as_str() {
            return Verdict::Deny(Reason::WrongUsername);
        }
        let found = match self.find(given.name.as_str(), connect.client.id) {
            Ok(found) => found,
            Err(error) => {
                log::warn!("{error}");
                return Verdict::Deny(Reason::SourceUnavailable);
            }
        };
        let Some(account) = &found.account else {
            return Verdict::Deny(Reason::UnknownUser);
        };
        if self.needs_certificate(account) {
            return Verdict::Deny(Reason::UnknownCertificate);
        }
        self.admit_within_bounds(connect, &found, account, Shows::default(), now.wall)
    }

    fn end_keyed(&self, connection: ConnectionId) -> bool {
        let is_new = lock(&self.keyed).is_over(connection);
        self.something_to_do.store(true, Ordering::Release);
        is_new
    }

    /// Ends the connections among these whose key would not be given again.
    pub(super) fn judge_keys(&self, connections: Vec<ConnectionId>, now: Timestamp) {
        for connection in connections {
            let Some((given, false)) = lock(&self.keyed).find(connection) else {
                continue;
            };
            let holds = match self.still_given(&given) {
                Ok(true) => self.account_holds(connection, &given, now),
                Ok(false) => Ok(Err("psk_changed")),
                Err(error) => Err(error),
            };
            match holds {
                Ok(Ok(())) => {}
                Ok(Err(why)) if self.end_keyed(connection) => log::info!(
                    "ending reason={why} username={} identity={}",
                    Shown(given.name.as_str()),
                    Shown(given.identity.as_str())
                ),
                Ok(Err(_)) => {}
                // Not known to be over: a source that cannot be asked ends nobody.
                Err(_) => lock(&self.keyed).doubt(connection),
            }
        }
    }

    /// Whether the account of a connection that no session stands for may still be used.
    fn account_holds(
        &self,
        connection: ConnectionId,
        given: &Given,
        now: Timestamp,
    ) -> Result<Result<(), &'static str>, store::Error> {
        if self.is_in(connection) {
            return Ok(Ok(()));
        }
        let Some((account, _)) = self.known(given.name.as_str(), None)? else {
            return Ok(Err("account_removed"));
        };
        let from = Approach {
            client_id: Fact::Open,
            ip: Fact::Is(given.from.ip),
        };
        Ok(admission::admit(&account, from, now).map_err(Reason::word))
    }
}

/// A question for a key as a login, for whoever reads of it.
fn told<'a>(asked: &KeyAsked<'a>, username: Option<&'a str>) -> Connect<'a> {
    Connect {
        client: asked.client,
        username,
        password: None,
        occasion: Occasion::Now,
        method: Method::Psk,
    }
}
