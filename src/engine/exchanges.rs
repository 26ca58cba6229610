//! The exchanges that wait for a client's last message.
//!
//! Must not: decide. There is one for each connection at most, so many in all, and each for so long:
//! whoever begins one more than that ends the oldest, which is the one most likely to be waited for in
//! vain. Each ends with its connection, too.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use crate::mechanism::Mechanism;
use crate::model::Fingerprint;
use crate::request::{Address, Certificate, Client, Connect, ConnectionId, Method, Occasion, Said};
use crate::scram;

/// How many wait at once.
const MOST: usize = 10_000;

/// How long a client may take for its hash and its answer.
const LONGEST: Duration = Duration::from_mins(1);

/// One that has begun.
pub(super) struct Begun {
    /// What has been said.
    pub(super) exchange: scram::Exchange,
    /// By which mechanism.
    pub(super) mechanism: Mechanism,
    /// As whom.
    pub(super) username: Box<str>,
    /// Whose keys they are; none for keys that nobody has.
    pub(super) fingerprint: Option<Fingerprint>,
    client_id: Option<Box<str>>,
    address: Option<Box<str>>,
    listener: Option<u16>,
    deadline: Instant,
}

/// All of them.
#[derive(Default)]
pub(super) struct Exchanges {
    begun: HashMap<ConnectionId, Begun>,
    deadlines: BTreeSet<(Instant, ConnectionId)>,
}

impl Begun {
    /// One that begins now.
    pub(super) fn new(
        said: &Said<'_>,
        exchange: scram::Exchange,
        mechanism: Mechanism,
        username: &str,
        fingerprint: Option<Fingerprint>,
        now: Instant,
    ) -> Self {
        Self {
            exchange,
            mechanism,
            username: username.into(),
            fingerprint,
            client_id: said.client.id.map(Into::into),
            address: said.client.address.text().map(Into::into),
            listener: said.client.listener,
            deadline: now.checked_add(LONGEST).unwrap_or(now),
        }
    }

    /// The login that it is.
    pub(super) fn connect(&self, connection: ConnectionId) -> Connect<'_> {
        Connect {
            client: Client {
                connection: Some(connection),
                id: self.client_id.as_deref(),
                address: Address::new(self.address.as_deref()),
                listener: self.listener,
                restored: false,
                certificate: Certificate::None,
            },
            username: Some(&self.username),
            password: None,
            occasion: Occasion::Now,
            method: Method::Scram(self.mechanism),
        }
    }
}

impl Exchanges {
    /// One begins; the one is returned that had to end for it.
    pub(super) fn begin(
        &mut self,
        connection: ConnectionId,
        begun: Begun,
    ) -> Option<(ConnectionId, Begun)> {
        self.take(connection);
        self.deadlines.insert((begun.deadline, connection));
        self.begun.insert(connection, begun);
        if self.begun.len() <= MOST {
            return None;
        }
        let (_, oldest) = *self.deadlines.first()?;
        self.take(oldest).map(|begun| (oldest, begun))
    }

    /// Ends the one of a connection.
    pub(super) fn take(&mut self, connection: ConnectionId) -> Option<Begun> {
        let begun = self.begun.remove(&connection)?;
        self.deadlines.remove(&(begun.deadline, connection));
        Some(begun)
    }

    /// Ends those that have taken too long.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(ConnectionId, Begun)> {
        let mut due = Vec::new();
        while let Some((_, connection)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            let connection = *connection;
            due.extend(self.take(connection).map(|begun| (connection, begun)));
        }
        due
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.begun.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::Keys;
    use crate::request::Turn;

    fn begun(now: Instant) -> Begun {
        let client = Client {
            connection: None,
            id: Some("c"),
            address: Address::new(None),
            listener: None,
            restored: false,
            certificate: Certificate::None,
        };
        let said = Said {
            client,
            username: None,
            turn: Turn::Next,
            data: b"",
        };
        let first = scram::First::parse(b"n,,n=u,r=x").unwrap();
        let keys = Keys::of(Mechanism::Sha256, &[7; 32], vec![1], 1);
        let (_, exchange) = scram::Exchange::begin(&first, &[0; 18], keys);
        Begun::new(&said, exchange, Mechanism::Sha256, "u", None, now)
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    #[test]
    fn each_connection_has_one_and_the_oldest_ends_for_one_too_many() {
        let start = Instant::now();
        let mut all = Exchanges::default();
        for number in 0..10_000 {
            let at = start + Duration::from_millis(number);
            assert!(all.begin(ConnectionId(number), begun(at)).is_none());
        }
        let late = start + Duration::from_secs(11);
        assert!(all.begin(ConnectionId(5), begun(late)).is_none());
        let (ended, _) = all.begin(ConnectionId(10_000), begun(late)).unwrap();
        assert_eq!((ended, all.len()), (ConnectionId(0), MOST));
        assert!(all.take(ended).is_none());
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    #[test]
    fn whoever_takes_a_minute_is_late() {
        let start = Instant::now();
        let mut all = Exchanges::default();
        all.begin(ConnectionId(1), begun(start));
        all.begin(ConnectionId(2), begun(start + Duration::from_secs(1)));
        assert!(all.due(start + Duration::from_secs(59)).is_empty());
        let due = all.due(start + LONGEST);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].0, ConnectionId(1));
        assert!(all.take(ConnectionId(2)).is_some() && all.deadlines.is_empty());
    }
}
