//! What administration over the broker needs to know of who is in, and to have done to them.
//!
//! Must not: decide what an order does. Here is only whether a client may give orders at all, whose
//! connections an order concerns, and that they end after the answer has gone out and not before.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::sessions::Proof;
use super::standing::Key;
use super::{Engine, lock};
use crate::admission::Fact;
use crate::config::Control;
use crate::model::{AccountName, RoleName};
use crate::policy::{Asker, Prefixes};
use crate::request::{Access, ConnectionId};
use crate::show::Shown;
use crate::store;
use crate::verdict::{Addressee, Denial, Effect, Permit};

/// Whose connections an order ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Those of an account.
    Client(AccountName),
    /// Those of clients without a username.
    Anonymous,
    /// Those of whoever has this role, by itself or by a group, and whose names begin so.
    Holders(RoleName, Option<Prefixes>),
    /// This one.
    Connection(ConnectionId),
}

/// A client that is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its account.
    pub username: AccountName,
    /// Its client id.
    pub client_id: Box<str>,
    /// Where it is; none for what is no IP address.
    pub address: Option<IpAddr>,
    /// Since when.
    pub since: Timestamp,
    /// By what it entered.
    pub by: Proof,
}

/// Those concerned, found before a change comes into force: afterwards nobody knows who they were.
#[derive(Debug, Default)]
pub struct Concerned {
    /// Usernames; none is clients without one.
    usernames: BTreeSet<Option<Box<str>>>,
    connections: BTreeSet<ConnectionId>,
}

/// While it lives no connection is ended, within bounds: what is published meanwhile still reaches them.
pub struct Held<'a>(&'a Engine);

impl Engine {
    /// Whether a client may give orders on this topic. That it was let through to here says little: a
    /// broker that asks nobody lets everybody through, so the right has to be one that we give.
    pub fn may_administer(
        &self,
        access: &Access<'_>,
        connection: Option<ConnectionId>,
        control: Control,
    ) -> bool {
        match control {
            Control::Off => false,
            Control::On => self.may(access) == Permit::Allow,
            Control::AllowAuthenticated => {
                let session = connection.and_then(|id| lock(&self.sessions).find(id));
                let is_its_own = session.is_some_and(|session| {
                    let is_shown = session.fingerprint.is_some() || session.certificate.is_some();
                    is_shown && access.username == Some(session.name.as_str())
                });
                if !is_its_own {
                    self.denials.note(access, Denial::NoRule);
                }
                is_its_own
            }
        }
    }

    /// How many clients are in with accounts, those of an account or all; and some of them, in the order
    /// in which they came.
    #[must_use]
    pub fn connected(
        &self,
        name: Option<&AccountName>,
        prefixes: Option<&Prefixes>,
        offset: usize,
        count: usize,
    ) -> (usize, Vec<Connected>) {
        let mut connections = match name {
            Some(name) if prefixes.is_some_and(|prefixes| !prefixes.covers(name.as_str())) => {
                Vec::new()
            }
            Some(name) => lock(&self.sessions).of_account(name.as_str()),
            None => lock(&self.sessions).under(prefixes),
        };
        connections.sort_unstable();
        let page = connections.iter().skip(offset).take(count);
        // One by one, so that nobody who logs in has to wait for all of them.
        let page = page.filter_map(|connection| lock(&self.sessions).find(*connection));
        let page = page.map(|session| Connected {
            username: session.name,
            client_id: session.client_id,
            address: match session.ip {
                Fact::Is(ip) => ip,
                Fact::Open => None,
            },
            since: session.since,
            by: session.by,
        });
        (connections.len(), page.collect())
    }

    /// The connection that has this client id, and its account.
    #[must_use]
    pub fn connection_of(&self, client_id: &str) -> Option<(ConnectionId, AccountName)> {
        let sessions = lock(&self.sessions);
        let connection = sessions.online(client_id)?;
        Some((connection, sessions.find(connection)?.name))
    }

    /// Adds those whose connections these would end now.
    pub fn concern(&self, concerned: &mut Concerned, ends: &[End]) {
        let mut roles: Vec<(&str, Option<&Prefixes>)> = Vec::new();
        for end in ends {
            match end {
                End::Client(name) => {
                    concerned.usernames.insert(Some(name.as_str().into()));
                }
                End::Anonymous => {
                    concerned.usernames.insert(None);
                }
                End::Holders(role, prefixes) => {
                    roles.push((role.as_str(), prefixes.as_ref()));
                }
                End::Connection(connection) => {
                    concerned.connections.insert(*connection);
                }
            }
        }
        if !roles.is_empty() {
            let keys = self.standings.all();
            roles.sort_unstable_by_key(|(role, _)| *role);
            let holders = keys.into_iter().filter(|key| self.holds_one(key, &roles));
            let usernames = holders.map(|key| key.username().map(Into::into));
            concerned.usernames.extend(usernames);
        }
    }

    fn holds_one(&self, key: &Key, roles: &[(&str, Option<&Prefixes>)]) -> bool {
        let Some(standing) = self.standings.get(key) else {
            return false;
        };
        let all = standing.says.rights();
        let mut grants = all
            .iter()
            .flat_map(|rights| rights.grants().iter().chain(rights.dormant()));
        grants.any(|grant| {
            let name = &**grant.role.name();
            let of_it = roles.iter().filter(|(role, _)| *role == name);
            of_it
                .into_iter()
                .any(|(_, prefixes)| match (prefixes, key.username()) {
                    (None, _) => true,
                    (Some(prefixes), Some(username)) => prefixes.covers(username),
                    (Some(_), None) => false,
                })
        })
    }

    /// Has the connections ended of those concerned, without their wills.
    pub fn end(&self, concerned: Concerned) {
        for username in concerned.usernames {
            let key = self.standings.key(Asker {
                client_id: None,
                username: username.as_deref(),
            });
            // Nobody tells of clients without a username.
            let unannounced = username.is_none()
                || self
                    .standings
                    .get(&key)
                    .is_some_and(|standing| standing.unannounced);
            let mut sessions = lock(&self.sessions);
            let connections = sessions.of_account(username.as_deref().unwrap_or_default());
            if connections.is_empty() && !unannounced {
                continue;
            }
            for connection in connections {
                sessions.kick(connection, None);
            }
            drop(sessions);
            if unannounced {
                self.standings.kick(&key);
            }
            match key.username() {
                Some(name) => log::info!("ending reason=control username={}", Shown(name)),
                None => log::info!("ending reason=control: clients without a username"),
            }
        }
        for connection in concerned.connections {
            let mut sessions = lock(&self.sessions);
            if let Some(session) = sessions.find(connection) {
                sessions.kick(connection, None);
                let client_id = Shown(&session.client_id);
                log::info!("ending reason=control client_id={client_id}");
            }
        }
        self.something_to_do.store(true, Ordering::Release);
    }

    /// Has a message published to one client, or to whoever may receive it.
    pub fn publish(&self, to: Option<Addressee>, topic: &str, payload: Vec<u8>) {
        let (topic, payload) = (topic.into(), payload.into());
        lock(&self.completions).push(match to {
            Some(to) => Effect::Tell { to, topic, payload },
            None => Effect::Publish {
                topic,
                payload,
                retain: false,
            },
        });
        self.spoken.store(true, Ordering::Release);
        self.rounds_due
            .store(ROUNDS_OF_AN_ANSWER, Ordering::Release);
        self.something_to_do.store(true, Ordering::Release);
    }

    /// Whether what was published has gone out.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.rounds_due.load(Ordering::Acquire) == 0
    }

    /// A round of the broker begins.
    pub(super) fn round(&self) {
        let less = |rounds: u8| rounds.checked_sub(1);
        let before = self
            .rounds_due
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        if before.is_ok_and(|rounds| rounds > 1) {
            self.something_to_do.store(true, Ordering::Release);
        }
    }

    /// What is to be published, for brokers that never come round to a tick.
    pub fn take_answers(&self) -> Vec<Effect> {
        let mut completions = lock(&self.completions);
        let is_answer =
            |effect: &mut Effect| matches!(effect, Effect::Publish { .. } | Effect::Tell { .. });
        completions.extract_if(.., is_answer).collect()
    }

    /// So many orders were answered.
    pub fn ordered(&self, orders: usize) {
        self.figures.ordered(orders);
    }

    /// Orders could not be carried out.
    pub fn order_failed(&self, why: &store::Error, at: Timestamp) {
        self.figures.failed(&why.in_public(), at);
    }

    /// No connection is ended while the answer lives.
    #[must_use]
    pub fn hold_ends(&self) -> Held<'_> {
        self.held.fetch_add(1, Ordering::AcqRel);
        Held(self)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
        self.0.something_to_do.store(true, Ordering::Release);
    }
}

/// The broker takes what is to be published in one round, and passes it on at the beginning of the next.
const ROUNDS_OF_AN_ANSWER: u8 = 2;
