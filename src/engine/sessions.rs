//! Who is connected on the strength of which credential.
//!
//! Must not: decide. It remembers what was allowed, finds the connections that a change concerns, and
//! keeps the list of those to be ended. Entries are bounded by the broker's own connections: each ends
//! with the broker's event, or is replaced when the broker's memory is used for another client.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;

use super::offline::{Offline, Owner};
use crate::admission::Fact;
use crate::model::{AccountName, CertificateName, Fingerprint};
use crate::policy::Prefixes;
use crate::request::ConnectionId;
use crate::token::KeyId;
use crate::verdict::Effect;

/// So many sessions are looked at again in one round.
const MOST_RECHECKED: usize = 500;

/// One login that was allowed.
#[derive(Clone)]
pub(super) struct Session {
    /// The account.
    pub(super) name: AccountName,
    /// The client id.
    pub(super) client_id: Box<str>,
    /// Where from.
    pub(super) ip: Fact<Option<IpAddr>>,
    /// Which credential the password fitted; none for a session restored without one.
    pub(super) fingerprint: Option<Fingerprint>,
    /// Which certificate counted; none where none did.
    pub(super) certificate: Option<CertificateName>,
    /// When the account's validity ends, or the token if that is earlier.
    pub(super) ends: Option<Timestamp>,
    /// Since when.
    pub(super) since: Timestamp,
    /// By what.
    pub(super) by: Proof,
    /// By which token, if by one.
    pub(super) token: Option<Token>,
    /// What is known of the subscriptions that the broker has of it.
    pub(super) kept: Kept,
}

/// What is known of the subscriptions of a client that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It may have every one of them, or nobody here is asked.
    Known,
    /// They may be what the broker had kept since nobody looked.
    Unknown,
    /// It has not come: the broker asks about a session that waits.
    Away,
}

/// What is remembered of a token; nothing that could be shown again.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// When it ends.
    pub(super) until: Option<Timestamp>,
    /// Which key signed it.
    pub(super) key: KeyId,
    /// Whether there was an account of the name.
    pub(super) has_account: bool,
}

impl Session {
    /// Whether it came by something that was asked for here.
    pub(super) fn has_proven(&self) -> bool {
        self.fingerprint.is_some() || matches!(self.by, Proof::Token | Proof::Psk)
    }
}

/// By what a client entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The account's password.
    Password,
    /// Its second one.
    SecondPassword,
    /// A SCRAM exchange.
    Scram,
    /// A key of TLS-PSK.
    Psk,
    /// A certificate.
    Certificate,
    /// A token.
    Token,
    /// Something that the broker or somebody else looked at, or a session restored from disk.
    Other,
}

/// All of them.
#[derive(Default)]
pub(super) struct Sessions {
    by_connection: HashMap<ConnectionId, Session>,
    by_account: HashMap<AccountName, Group>,
    /// To be looked at again soon.
    doubtful: HashSet<ConnectionId>,
    /// To be ended.
    kicked: BTreeMap<ConnectionId, Option<&'static str>>,
    /// The client ids in use.
    online: HashMap<Box<str>, ConnectionId>,
    offline: Offline,
    /// Sessions without a client whose subscriptions are to be looked at again.
    rechecked: BTreeSet<Arc<str>>,
    /// No session ends before this.
    next_end: Option<Timestamp>,
}

/// The connections of an account: one, as a rule.
enum Group {
    One(ConnectionId),
    Many(HashSet<ConnectionId>),
}

impl Group {
    fn add(&mut self, connection: ConnectionId) {
        match self {
            Self::One(other) => *self = Self::Many([*other, connection].into()),
            Self::Many(all) => drop(all.insert(connection)),
        }
    }

    /// Whether it is empty without it.
    fn remove(&mut self, connection: ConnectionId) -> bool {
        match self {
            Self::One(only) => *only == connection,
            Self::Many(all) => {
                all.remove(&connection);
                all.is_empty()
            }
        }
    }

    fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        let (one, many) = match self {
            Self::One(only) => (Some(*only), None),
            Self::Many(all) => (None, Some(all)),
        };
        one.into_iter().chain(many.into_iter().flatten().copied())
    }
}

impl Sessions {
    /// A login was allowed.
    pub(super) fn begin(&mut self, connection: ConnectionId, mut session: Session) {
        let before = self.by_connection.get(&connection);
        if session.kept == Kept::Away
            && let Some(before) = before
        {
            session.kept = before.kept;
        }
        if session.kept != Kept::Away {
            if self.has_judged(Some(session.name.as_str()), &session.client_id) {
                session.kept = Kept::Known;
            }
            self.end(connection);
            self.offline.returned(&session.client_id);
            self.rechecked.remove(&*session.client_id);
            self.online.insert(session.client_id.clone(), connection);
        }
        self.next_end = self.next_end.into_iter().chain(session.ends).min();
        match self.by_account.entry(session.name.clone()) {
            Entry::Occupied(mut group) => group.get_mut().add(connection),
            Entry::Vacant(none) => drop(none.insert(Group::One(connection))),
        }
        self.by_connection.insert(connection, session);
    }

    /// The connection is over. What was known of it, if nobody else has its client id by now.
    pub(super) fn end(&mut self, connection: ConnectionId) -> Option<Session> {
        self.doubtful.remove(&connection);
        self.kicked.remove(&connection);
        let session = self.by_connection.remove(&connection)?;
        let has_left = self.online.get(&session.client_id) == Some(&connection);
        if has_left {
            self.online.remove(&session.client_id);
            let owner = Some(session.name.clone());
            self.offline.left(owner, &session.client_id);
            if session.kept == Kept::Unknown {
                self.rechecked.insert((*session.client_id).into());
            }
        }
        if let Entry::Occupied(mut group) = self.by_account.entry(session.name.clone())
            && group.get_mut().remove(connection)
        {
            group.remove();
        }
        has_left.then_some(session)
    }

    /// The session of a connection.
    pub(super) fn find(&self, connection: ConnectionId) -> Option<Session> {
        self.by_connection.get(&connection).cloned()
    }

    /// The account of whoever is in by a connection.
    pub(super) fn account_of(&self, connection: ConnectionId) -> Option<&AccountName> {
        Some(&self.by_connection.get(&connection)?.name)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_connection.len()
    }

    /// The connection that has this client id.
    pub(super) fn online(&self, client_id: &str) -> Option<ConnectionId> {
        self.online.get(client_id).copied()
    }

    /// Whether a client of this account has left that had this client id.
    pub(super) fn has_left(&self, name: &str, client_id: &str) -> bool {
        self.offline.is_of(Some(name), client_id)
    }

    /// Whether somebody of this name is in.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.by_account.contains_key(name)
    }

    /// Whether somebody of this name is in, or has left and may have a session waiting.
    pub(super) fn remembers(&self, name: &str) -> bool {
        let has_left = |name| self.offline.knows(&name);
        self.knows(name) || AccountName::new(name).is_ok_and(has_left)
    }

    /// Whether this user may have every subscription of the session of this client id.
    pub(super) fn has_judged(&self, username: Option<&str>, client_id: &str) -> bool {
        let is_one = self.online.get(client_id).and_then(|connection| {
            let session = self.by_connection.get(connection)?;
            Some(session.kept == Kept::Known && Some(session.name.as_str()) == username)
        });
        is_one.unwrap_or_else(|| {
            self.offline.is_of(username, client_id) && !self.rechecked.contains(client_id)
        })
    }

    /// The broker has no subscriptions of this client that it has not asked for.
    pub(super) fn begins_anew(&mut self, connection: ConnectionId) {
        if let Some(session) = self.by_connection.get_mut(&connection) {
            session.kept = Kept::Known;
        }
    }

    /// Has the subscriptions looked at of a session that waits, and that nobody knew of.
    pub(super) fn is_found(&mut self, owner: Owner, client_id: &str) {
        self.offline.left(owner, client_id);
        self.rechecked.insert(client_id.into());
    }

    /// Somebody comes back to a session that was to be looked at, and is not to be cut off as one that waits. Where
    /// it has no username, nobody follows it: what it may be sent is asked about each time.
    pub(super) fn comes_back(&mut self, client_id: &str) {
        if self.rechecked.remove(client_id) {
            self.offline.returned(client_id);
        }
    }

    /// The connections of these accounts.
    pub(super) fn of_accounts(&self, names: &[AccountName]) -> Vec<ConnectionId> {
        let of = |name: &AccountName| self.of_account(name.as_str());
        names.iter().flat_map(of).collect()
    }

    /// The connections of this account.
    pub(super) fn of_account(&self, name: &str) -> Vec<ConnectionId> {
        let group = self.by_account.get(name);
        group.into_iter().flat_map(Group::connections).collect()
    }

    /// Every connection of accounts whose names begin so.
    pub(super) fn under(&self, prefixes: Option<&Prefixes>) -> Vec<ConnectionId> {
        let Some(prefixes) = prefixes else {
            return self.all();
        };
        let accounts = self.by_account.iter();
        let accounts = accounts.filter(|(name, _)| prefixes.covers(name.as_str()));
        accounts
            .flat_map(|(_, group)| group.connections())
            .collect()
    }

    /// Every connection.
    pub(super) fn all(&self) -> Vec<ConnectionId> {
        self.by_connection.keys().copied().collect()
    }

    /// Those who came by a token.
    pub(super) fn by_token(&self) -> Vec<ConnectionId> {
        let sessions = self.by_connection.iter();
        let by_token = sessions.filter(|(_, session)| session.token.is_some());
        by_token.map(|(connection, _)| *connection).collect()
    }

    /// Has a connection looked at again at the next beat.
    pub(super) fn doubt(&mut self, connection: ConnectionId) {
        if self.by_connection.contains_key(&connection) {
            self.doubtful.insert(connection);
        }
    }

    /// The credential was replaced by another one of the same password.
    pub(super) fn inherit(&mut self, connection: ConnectionId, heir: Fingerprint) {
        if let Some(session) = self.by_connection.get_mut(&connection) {
            session.fingerprint = Some(heir);
        }
    }

    /// The account's validity ends at another time than it did.
    pub(super) fn put_off(&mut self, connection: ConnectionId, ends: Option<Timestamp>) {
        if let Some(session) = self.by_connection.get_mut(&connection) {
            session.ends = ends;
            self.next_end = self.next_end.into_iter().chain(ends).min();
        }
    }

    /// The connections in doubt, and those whose account's validity has ended.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<ConnectionId> {
        let mut due: Vec<_> = self.doubtful.drain().collect();
        if self.next_end.is_some_and(|end| end <= now) {
            let over = |session: &Session| session.ends.is_some_and(|end| end <= now);
            due.extend(
                self.by_connection
                    .iter()
                    .filter(|(_, s)| over(s))
                    .map(|(id, _)| *id),
            );
            self.next_end = self
                .by_connection
                .values()
                .filter_map(|s| s.ends)
                .filter(|end| *end > now)
                .min();
        }
        due
    }

    /// Has a connection ended in one of the next rounds, for a reason that is told then, unless it was before.
    pub(super) fn kick(&mut self, connection: ConnectionId, why: Option<&'static str>) {
        if self.by_connection.contains_key(&connection) {
            self.kicked.entry(connection).or_insert(why);
        }
    }

    /// Has the subscriptions looked at again of the sessions that these left behind.
    pub(super) fn recheck(&mut self, owner: &Owner) {
        self.rechecked.extend(self.offline.of(owner).cloned());
    }

    /// Whether there is a connection to be ended.
    pub(super) fn has_effects(&self) -> bool {
        !self.kicked.is_empty() || !self.rechecked.is_empty()
    }

    /// What is to be done now, with so many ends at most.
    pub(super) fn take_effects(&mut self, most: usize) -> Vec<Effect> {
        let mut effects = self.ends(most);
        // Whoever came back meanwhile is not among them: it is not to be cut off.
        let rechecked = std::iter::from_fn(|| self.rechecked.pop_first()).take(MOST_RECHECKED);
        let recheck = |client_id: Arc<str>| Effect::Recheck {
            client_id: (*client_id).into(),
        };
        effects.extend(rechecked.map(recheck));
        effects
    }

    fn ends(&mut self, most: usize) -> Vec<Effect> {
        let Self {
            kicked,
            by_connection,
            ..
        } = self;
        std::iter::from_fn(|| kicked.pop_first())
            .take(most)
            .filter_map(|(connection, why)| {
                let session = by_connection.get(&connection)?;
                Some(Effect::Kick {
                    connection,
                    client_id: session.client_id.clone(),
                    username: session.name.as_str().into(),
                    why,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    fn session(account: &str, ends: Option<i64>) -> Session {
        Session {
            name: name(account),
            client_id: "c".into(),
            ip: Fact::Open,
            fingerprint: None,
            certificate: None,
            ends: ends.map(|s| Timestamp::from_second(s).unwrap()),
            since: Timestamp::UNIX_EPOCH,
            by: Proof::Password,
            token: None,
            kept: Kept::Unknown,
        }
    }

    fn two() -> Sessions {
        let mut sessions = Sessions::default();
        sessions.begin(ConnectionId(1), session("ann", None));
        sessions.begin(ConnectionId(2), session("bob", Some(50)));
        sessions
    }

    #[test]
    fn a_change_concerns_the_connections_of_its_accounts_only() {
        assert_eq!(
            two().of_accounts(&[name("ann"), name("eve")]),
            [ConnectionId(1)]
        );
    }

    #[test]
    fn a_connection_that_ended_is_neither_found_nor_kicked() {
        let mut sessions = two();
        sessions.kick(ConnectionId(1), None);
        sessions.end(ConnectionId(1));
        assert!(sessions.of_accounts(&[name("ann")]).is_empty());
        assert!(sessions.take_effects(500).is_empty());
        assert!(
            sessions.by_account.len() == 1,
            "an account without connections takes no memory"
        );
    }

    #[test]
    fn whoever_ends_while_another_has_its_client_id_has_not_left() {
        let mut sessions = Sessions::default();
        sessions.begin(ConnectionId(1), session("ann", None));
        sessions.begin(ConnectionId(2), session("ann", None));
        assert!(sessions.end(ConnectionId(1)).is_none());
        assert!(sessions.end(ConnectionId(2)).is_some());
        assert!(sessions.end(ConnectionId(2)).is_none());
    }

    #[test]
    fn a_validity_is_due_once_when_it_ends() {
        let mut sessions = two();
        assert!(sessions.due(Timestamp::from_second(49).unwrap()).is_empty());
        assert_eq!(
            sessions.due(Timestamp::from_second(50).unwrap()),
            [ConnectionId(2)]
        );
        assert!(sessions.due(Timestamp::from_second(51).unwrap()).is_empty());
    }

    #[test]
    fn a_validity_that_is_moved_is_due_at_its_new_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut sessions = two();
        sessions.put_off(ConnectionId(1), Some(at(10)));
        sessions.put_off(ConnectionId(2), None);
        assert!(sessions.due(at(9)).is_empty());
        assert_eq!(sessions.due(at(10)), [ConnectionId(1)]);
        sessions.end(ConnectionId(1));
        assert!(sessions.due(at(60)).is_empty());
    }

    #[test]
    fn a_doubtful_connection_is_due_once() {
        let mut sessions = two();
        sessions.doubt(ConnectionId(1));
        assert_eq!(sessions.due(Timestamp::UNIX_EPOCH), [ConnectionId(1)]);
        assert!(sessions.due(Timestamp::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn many_kicks_are_spread_over_ticks() {
        let mut sessions = Sessions::default();
        for id in 0..1200 {
            sessions.begin(ConnectionId(id), session("ann", None));
            sessions.kick(ConnectionId(id), None);
        }
        let rounds: Vec<_> = (0..4).map(|_| sessions.take_effects(500).len()).collect();
        assert_eq!(rounds, [500, 500, 200, 0]);
    }
}
