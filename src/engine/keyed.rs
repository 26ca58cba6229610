//! The connections that were given a key of TLS-PSK, and what has become of them.
//!
//! Must not: decide, or take a key for a proof: it is handed out before the client shows that it has it. An
//! entry ends with its connection. 2.1 tells of no connection that ends before its CONNECT, so of those that
//! wait so many are kept, each for as long as the broker waits for a CONNECT.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;

use crate::model::{AccountName, Fingerprint, PskIdentity};
use crate::request::{Client, ConnectionId};
use crate::verdict::Effect;

/// A key that was given to a connection.
#[derive(Clone)]
pub(super) struct Given {
    /// What the client named.
    pub(super) identity: PskIdentity,
    /// Whose key it is.
    pub(super) name: AccountName,
    /// Which key.
    pub(super) mark: Fingerprint,
    /// When the account's validity ends.
    pub(super) ends: Option<Timestamp>,
    /// Where the client came from, and where to.
    pub(super) from: From,
    /// When.
    pub(super) at: Instant,
}

/// Where a client came from and where to, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct From {
    /// Its address.
    pub(super) ip: Option<IpAddr>,
    /// The listener's port.
    pub(super) listener: Option<u16>,
}

/// What has become of a connection since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody has heard of it.
    Waits,
    /// The broker asked about it, or it begins an exchange.
    Asked,
    /// It is in by the key alone.
    Entered,
}

struct Entry {
    given: Given,
    stage: Stage,
    over: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Keyed {
    entries: HashMap<ConnectionId, Entry>,
    /// Those that nobody has heard of, the oldest first.
    waiting: BTreeSet<(Instant, ConnectionId)>,
    /// To be looked at again soon.
    doubtful: HashSet<ConnectionId>,
    /// To be ended.
    over: BTreeSet<ConnectionId>,
    /// The broker was told to end them, and did not say that they have: they may not be in yet.
    told: BTreeSet<ConnectionId>,
    /// What those named who are to be ended and were not heard of.
    names: BTreeSet<PskIdentity>,
    /// No validity ends before this.
    next_end: Option<Timestamp>,
    /// To be ended, and not heard of: when they cannot come any more.
    unseen: BTreeSet<(Instant, ConnectionId)>,
}

impl From {
    pub(super) fn of(client: &Client<'_>) -> Self {
        Self {
            ip: client.address.ip(),
            listener: client.listener,
        }
    }
}

impl Keyed {
    /// A key is given to a connection; whether there is room for one more.
    pub(super) fn give(&mut self, connection: ConnectionId, given: Given) -> bool {
        self.end(connection);
        if self.waiting.len() >= MOST
            && let Some((at, oldest)) = self.waiting.first().copied()
        {
            if given.at.saturating_duration_since(at) < LONGEST {
                return false;
            }
            self.end(oldest);
        }
        self.waiting.insert((given.at, connection));
        self.next_end = self.next_end.into_iter().chain(given.ends).min();
        let entry = Entry {
            given,
            stage: Stage::Waits,
            over: false,
        };
        self.entries.insert(connection, entry);
        true
    }

    /// The key of a connection, and whether it is over.
    pub(super) fn find(&self, connection: ConnectionId) -> Option<(Given, bool)> {
        let entry = self.entries.get(&connection)?;
        Some((entry.given.clone(), entry.over))
    }

    /// What a connection's client named.
    pub(super) fn identity(&self, connection: ConnectionId) -> Option<PskIdentity> {
        let entry = self.entries.get(&connection)?;
        Some(entry.given.identity.clone())
    }

    /// Whether nobody has heard of a connection since it was given a key, and it comes from where it came
    /// from: its memory may be another one's.
    pub(super) fn waits(&self, connection: ConnectionId, from: From) -> bool {
        let entry = self.entries.get(&connection);
        entry.is_some_and(|entry| entry.stage == Stage::Waits && entry.given.from == from)
    }

    /// What has become of a connection.
    pub(super) fn stage(&self, connection: ConnectionId) -> Option<Stage> {
        self.entries.get(&connection).map(|entry| entry.stage)
    }

    /// It is heard of.
    pub(super) fn heard_of(&mut self, connection: ConnectionId, stage: Stage) {
        if let Some(entry) = self.entries.get_mut(&connection) {
            entry.stage = stage;
            self.waiting.remove(&(entry.given.at, connection));
            self.unseen.remove(&(late(entry.given.at), connection));
            if entry.over {
                self.told.remove(&connection);
                self.over.insert(connection);
            }
        }
    }

    /// The connection is over.
    pub(super) fn end(&mut self, connection: ConnectionId) {
        self.doubtful.remove(&connection);
        self.over.remove(&connection);
        self.told.remove(&connection);
        if let Some(entry) = self.entries.remove(&connection) {
            self.waiting.remove(&(entry.given.at, connection));
            self.unseen.remove(&(late(entry.given.at), connection));
        }
    }

    /// The connections of these accounts, or all.
    pub(super) fn of(&self, names: Option<&[AccountName]>) -> Vec<ConnectionId> {
        let names: Option<HashSet<&AccountName>> = names.map(|names| names.iter().collect());
        let concerned = |entry: &Entry| match &names {
            Some(names) => names.contains(&entry.given.name),
            None => true,
        };
        let entries = self.entries.iter();
        let concerned = entries.filter(|(_, entry)| concerned(entry));
        concerned.map(|(connection, _)| *connection).collect()
    }

    /// Has a connection looked at again at the next beat.
    pub(super) fn doubt(&mut self, connection: ConnectionId) {
        if self.entries.contains_key(&connection) {
            self.doubtful.insert(connection);
        }
    }

    /// The connections in doubt, and those whose account's validity has ended.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<ConnectionId> {
        let mut due: Vec<_> = self.doubtful.drain().collect();
        if self.next_end.is_some_and(|end| end <= now) {
            let entries = self.entries.iter();
            let ends = entries.filter_map(|(connection, e)| Some((*connection, e.given.ends?)));
            let (over, later): (Vec<_>, Vec<_>) = ends.partition(|(_, end)| *end <= now);
            due.extend(over.into_iter().map(|(connection, _)| connection));
            self.next_end = later.into_iter().map(|(_, end)| end).min();
        }
        due
    }

    /// Has a connection ended, as soon as it is heard of; whether that is new. Before, its client may be no
    /// more, which nobody tells: what it named is ended now, and when it can come no more.
    pub(super) fn is_over(&mut self, connection: ConnectionId) -> bool {
        let Some(entry) = self.entries.get_mut(&connection) else {
            return false;
        };
        match entry.stage {
            Stage::Waits => {
                self.unseen.insert((late(entry.given.at), connection));
                if !entry.over {
                    self.names.insert(entry.given.identity.clone());
                }
            }
            Stage::Asked | Stage::Entered => {
                self.over.insert(connection);
            }
        }
        !std::mem::replace(&mut entry.over, true)
    }

    /// Whether there are connections to be ended.
    pub(super) fn has_effects(&self) -> bool {
        !self.over.is_empty() || !self.names.is_empty()
    }

    /// So many connections, and what so many named, to be ended now.
    pub(super) fn take_effects(&mut self, most: usize) -> Vec<Effect> {
        let over = std::iter::from_fn(|| self.over.pop_first()).take(most);
        let over: Vec<_> = over.collect();
        self.told.extend(&over);
        let over = over
            .into_iter()
            .map(|connection| Effect::KickKeyed { connection });
        let names = std::iter::from_fn(|| self.names.pop_first()).take(most);
        let names = names.map(|identity| Effect::KickUnseen {
            identity: identity.as_str().into(),
        });
        over.chain(names).collect()
    }

    /// How many nobody has heard of.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Has those ended that were not yet, though the broker was told to, and what those named who were not heard
    /// of and can come no more, who are forgotten; whether there is anybody to be ended.
    pub(super) fn try_again(&mut self, now: Instant) -> bool {
        self.over.append(&mut self.told);
        while let Some((_, connection)) = self.unseen.first().filter(|(at, _)| *at <= now) {
            let connection = *connection;
            let identity = self.identity(connection);
            self.names.extend(identity);
            self.unseen.pop_first();
            self.end(connection);
        }
        self.has_effects()
    }
}

/// When a connection can come no more that was given a key at this moment.
fn late(given: Instant) -> Instant {
    given.checked_add(LONGEST).unwrap_or(given)
}

/// So many wait for their CONNECT, or are in where nobody tells of it.
const MOST: usize = 100_000;

/// Longer than any broker waits for one.
const LONGEST: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: From = From {
        ip: None,
        listener: Some(8883),
    };

    fn given(name: &str, at: Instant) -> Given {
        Given {
            identity: PskIdentity::new(name).unwrap(),
            name: AccountName::new(name).unwrap(),
            mark: Fingerprint(1),
            ends: None,
            from: FROM,
            at,
        }
    }

    fn kick(number: u64) -> Effect {
        Effect::KickKeyed {
            connection: ConnectionId(number),
        }
    }

    fn named(identity: &str) -> Effect {
        Effect::KickUnseen {
            identity: identity.into(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    #[test]
    fn so_many_wait_and_one_more_when_the_oldest_is_too_old() {
        let start = Instant::now();
        let mut keyed = Keyed::default();
        for number in 0..100_000 {
            assert!(keyed.give(ConnectionId(number), given("ann", start)));
        }
        let one_more = ConnectionId(100_000);
        let early = start + Duration::from_secs(119);
        assert!(!keyed.give(one_more, given("bob", early)));
        assert!(keyed.find(one_more).is_none());
        assert!(keyed.give(one_more, given("bob", start + LONGEST)));
        assert!(keyed.find(ConnectionId(0)).is_none());
        keyed.heard_of(ConnectionId(1), Stage::Asked);
        assert!(
            keyed.give(ConnectionId(100_001), given("bob", early)),
            "whoever was heard of does not wait"
        );
        assert_eq!(keyed.of(Some(&[AccountName::new("bob").unwrap()])).len(), 2);
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    #[test]
    fn a_connection_waits_only_where_it_came_from_and_until_it_is_heard_of() {
        let mut keyed = Keyed::default();
        let connection = ConnectionId(1);
        keyed.give(connection, given("ann", Instant::now()));
        let elsewhere = From {
            listener: Some(1883),
            ..FROM
        };
        assert!(keyed.waits(connection, FROM) && !keyed.waits(connection, elsewhere));
        keyed.heard_of(connection, Stage::Entered);
        assert!(!keyed.waits(connection, FROM));
        assert_eq!(keyed.stage(connection), Some(Stage::Entered));
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    #[test]
    fn whoever_is_to_be_ended_is_until_it_has_ended() {
        let mut keyed = Keyed::default();
        let connection = ConnectionId(1);
        assert!(!keyed.is_over(connection));
        let start = Instant::now();
        keyed.give(connection, given("ann", start));
        assert!(keyed.is_over(connection) && !keyed.is_over(connection));
        // Its memory may be gone: only the name is ended.
        assert_eq!(keyed.take_effects(500), [named("ann")]);
        keyed.heard_of(connection, Stage::Asked);
        for _ in 0..2 {
            assert!(keyed.try_again(start));
            assert_eq!(keyed.take_effects(500), [kick(1)]);
            assert!(!keyed.has_effects(), "the broker was told");
        }
        keyed.heard_of(connection, Stage::Entered);
        assert_eq!(keyed.take_effects(500), [kick(1)], "it is in now");
        keyed.end(connection);
        assert!(!keyed.try_again(start) && keyed.unseen.is_empty());
        // Of one that is not heard of the name is told, and again when it can come no more.
        keyed.give(connection, given("ann", start));
        assert!(keyed.is_over(connection));
        assert_eq!(keyed.take_effects(500), [named("ann")]);
        assert!(!keyed.try_again(start + Duration::from_secs(119)));
        assert!(keyed.try_again(start + LONGEST));
        assert_eq!(keyed.take_effects(500), [named("ann")]);
        assert!(keyed.find(connection).is_none() && keyed.waiting.is_empty());
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    #[test]
    fn many_ends_are_spread_over_ticks() {
        let start = Instant::now();
        let mut keyed = Keyed::default();
        for number in 0..6 {
            let connection = ConnectionId(number);
            keyed.give(connection, given(&format!("device-{number}"), start));
            if number < 3 {
                keyed.heard_of(connection, Stage::Entered);
            }
            assert!(keyed.is_over(connection));
        }
        for number in 0..3 {
            let named = named(&format!("device-{}", number + 3));
            assert_eq!(keyed.take_effects(1), [kick(number), named]);
        }
        assert!(!keyed.has_effects());
    }
}
