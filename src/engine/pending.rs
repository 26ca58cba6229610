//! Clients that were left waiting for an answer.
//!
//! The broker knows a waiting client by its client id only, and reports nothing when it leaves
//! (broker-facts, delayed authentication). So each is given a ticket, a newer CONNECT with the same id
//! ends the older ticket, and only a live ticket may be completed: otherwise a late "yes" would let
//! somebody else in. Must not: decide. A ticket holds a password only where it may be stored anew, and no
//! token that could be shown again.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::lock;
use crate::credential::Cost;
use crate::model::{CertificateName, Fingerprint};
use crate::pool::{Interest, TicketId};
use crate::request::{Address, Certificate, Client, Connect, ConnectionId, Method, Occasion};
use crate::secret::Secret;
use crate::throttle::Who;
use crate::token::Unproven;
use crate::verified::Tags;

/// How many clients may wait at once; the queue of the pool is one part of that.
const MOST: usize = 100_000;

/// A promise of a verdict.
pub(super) struct Ticket {
    /// The connection.
    pub(super) connection: ConnectionId,
    /// Its client id, by which the broker knows it.
    pub(super) client_id: Box<str>,
    /// The username, which the broker has for it as well.
    pub(super) username: Box<str>,
    /// The address as the broker wrote it.
    address: Option<Box<str>>,
    listener: Option<u16>,
    certificate: KeptCertificate,
    /// What is being verified.
    pub(super) question: Question,
    /// Watched by the worker.
    interest: Arc<Interest>,
    deadline: Instant,
    outcome: Outcome,
}

/// A certificate that was shown.
enum KeptCertificate {
    None,
    Unread,
    Unreadable,
    Named(Box<[CertificateName]>),
}

/// What is being verified.
pub(super) enum Question {
    /// Which credential a password fits.
    Password(Fitting),
    /// Which key signed a token.
    Token(Handed),
}

/// A password and what it may fit.
pub(super) struct Fitting {
    /// The fingerprints of each step.
    pub(super) tags: Vec<Tags>,
    /// The account's credential.
    pub(super) credential: Option<Fingerprint>,
    /// What the first step costs.
    pub(super) cost: Cost,
    /// When it began.
    pub(super) begun: Instant,
    /// The password, where it may be stored anew.
    pub(super) password: Option<Secret>,
}

/// A token whose signature others verify.
pub(super) struct Handed {
    /// What is left of it here.
    pub(super) token: Unproven,
    /// Whether it names no key that was there.
    pub(super) is_of_strange_key: bool,
    /// Whether the username is more than what a token says of which nothing is known: the client says so as
    /// well, or the token is good.
    pub(super) is_named: bool,
}

/// What a ticket waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A worker's answer; the deadline is when it is too late.
    Open,
    /// Nothing: it is refused, and told at the deadline.
    Refused,
}

/// A ticket that is taken.
pub(super) enum Claim {
    /// Its client waits for it.
    Live(Ticket),
    /// Its client is gone: whatever is found out, nobody is told.
    Dead(Ticket),
}

/// Who waits under which client id, in all of the broker. A broker may have loaded the plugin for
/// several listeners, and completes by client id whoever waits under it: a ticket of one listener
/// ends when another listener is asked about the same id.
#[derive(Default)]
pub struct Waiting(Mutex<Names>);

#[derive(Default)]
struct Names {
    last: u64,
    live: HashMap<Box<str>, Stub>,
}

/// The tickets of one engine.
pub(super) struct Pending {
    waiting: Arc<Waiting>,
    tickets: HashMap<TicketId, Ticket>,
    deadlines: BTreeSet<(Instant, TicketId)>,
}

/// What the worker is given of a ticket.
#[derive(Clone)]
pub(super) struct Stub {
    /// Its name.
    pub(super) id: TicketId,
    /// Lost when the ticket dies.
    pub(super) interest: Arc<Interest>,
}

impl Ticket {
    /// The request that it answers; without its password, unless that may be stored anew.
    pub(super) fn connect(&self) -> Connect<'_> {
        Connect {
            client: Client {
                connection: Some(self.connection),
                id: Some(&self.client_id),
                address: Address::new(self.address.as_deref()),
                listener: self.listener,
                restored: false,
                certificate: self.certificate.as_request(),
            },
            username: match &self.question {
                Question::Token(handed) if !handed.is_named => None,
                Question::Password(_) | Question::Token(_) => Some(&self.username),
            },
            password: match &self.question {
                Question::Password(fitting) => fitting.password.as_ref().map(Secret::expose),
                Question::Token(_) => None,
            },
            occasion: Occasion::Later,
            method: match &self.question {
                Question::Password(_) => Method::Password,
                Question::Token(_) => Method::Token,
            },
        }
    }

    /// As whom it is counted.
    pub(super) fn who(&self) -> Who<'_> {
        Who {
            ip: Address::new(self.address.as_deref()).ip(),
            username: &self.username,
            credential: match &self.question {
                Question::Password(fitting) => fitting.credential,
                Question::Token(_) => None,
            },
        }
    }

    /// What it waited for.
    pub(super) fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl KeptCertificate {
    fn of(certificate: Certificate<'_>) -> Self {
        match certificate {
            Certificate::None => Self::None,
            Certificate::Unread => Self::Unread,
            Certificate::Unreadable => Self::Unreadable,
            Certificate::Named(names) => Self::Named(names.into()),
        }
    }

    fn as_request(&self) -> Certificate<'_> {
        match self {
            Self::None => Certificate::None,
            Self::Unread => Certificate::Unread,
            Self::Unreadable => Certificate::Unreadable,
            Self::Named(names) => Certificate::Named(names),
        }
    }
}

impl Waiting {
    fn names(&self) -> MutexGuard<'_, Names> {
        lock(&self.0)
    }

    /// A new ticket takes the name.
    fn take(&self, client_id: &str) -> Stub {
        self.supersede(client_id);
        let mut names = self.names();
        names.last = names.last.wrapping_add(1);
        let stub = Stub {
            id: TicketId(names.last),
            interest: Arc::default(),
        };
        names.live.insert(client_id.into(), stub.clone());
        stub
    }

    /// Whether the ticket still had the name; it has it no more.
    fn release(&self, client_id: &str, id: TicketId) -> bool {
        let mut names = self.names();
        let live = names.live.get(client_id).is_some_and(|stub| stub.id == id);
        if live {
            names.live.remove(client_id);
        }
        live
    }

    /// A CONNECT with this id has come: whoever waited under it is gone.
    fn supersede(&self, client_id: &str) {
        let mut names = self.names();
        if names.live.is_empty() {
            return;
        }
        let dead = names.live.remove(client_id);
        if let Some(stub) = dead {
            stub.interest.lose();
        }
    }
}

impl Pending {
    /// Nobody waits yet.
    pub(super) fn new(waiting: Arc<Waiting>) -> Self {
        Self {
            waiting,
            tickets: HashMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// Issues a ticket; none when too many wait, or the client cannot be named.
    pub(super) fn issue(
        &mut self,
        connect: &Connect<'_>,
        question: Question,
        outcome: Outcome,
        deadline: Instant,
    ) -> Option<Stub> {
        let (connection, client_id) = connect.client.connection.zip(connect.client.id)?;
        if self.tickets.len() >= MOST {
            return None;
        }
        let username = connect.username?;
        let stub = self.waiting.take(client_id);
        let ticket = Ticket {
            connection,
            client_id: client_id.into(),
            username: username.into(),
            address: connect.client.address.text().map(Into::into),
            listener: connect.client.listener,
            certificate: KeptCertificate::of(connect.client.certificate),
            question,
            interest: Arc::clone(&stub.interest),
            deadline,
            outcome,
        };
        self.deadlines.insert((deadline, stub.id));
        self.tickets.insert(stub.id, ticket);
        Some(stub)
    }

    /// A CONNECT with this id has come: whoever waited under it, here or at another listener, is
    /// gone. Its ticket is dead from now on, and is cleared away when it is claimed or due.
    pub(super) fn supersede(&mut self, client_id: &str) {
        self.waiting.supersede(client_id);
    }

    /// Takes a ticket. It is not alive any more.
    pub(super) fn claim(&mut self, id: TicketId) -> Option<Claim> {
        let ticket = self.tickets.remove(&id)?;
        ticket.interest.end();
        self.deadlines.remove(&(ticket.deadline, id));
        Some(if self.waiting.release(&ticket.client_id, id) {
            Claim::Live(ticket)
        } else {
            Claim::Dead(ticket)
        })
    }

    /// Takes the tickets whose deadline has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Claim> {
        let mut due = Vec::new();
        while let Some((_, id)) = self
            .deadlines
            .first()
            .filter(|(deadline, _)| *deadline <= now)
        {
            let id = *id;
            due.extend(self.claim(id));
        }
        due
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.tickets.len()
    }

    /// Whether anybody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    fn now() -> Instant {
        Instant::now()
    }

    fn connect(connection: u64, id: &'static str) -> Connect<'static> {
        Connect {
            client: Client {
                connection: Some(ConnectionId(connection)),
                id: Some(id),
                address: Address::new(Some("192.0.2.1")),
                listener: Some(1883),
                restored: false,
                certificate: Certificate::None,
            },
            username: Some("ann"),
            password: Some(b"pw"),
            occasion: Occasion::Later,
            method: Method::Password,
        }
    }

    /// The connection of a live ticket that is taken.
    fn live(claim: Option<Claim>) -> Option<ConnectionId> {
        match claim? {
            Claim::Live(ticket) => Some(ticket.connection),
            Claim::Dead(_) => None,
        }
    }

    fn pending() -> Pending {
        Pending::new(Arc::default())
    }

    #[test]
    fn a_connect_at_another_listener_ends_the_ticket_too() {
        let waiting = Arc::new(Waiting::default());
        let mut first = Pending::new(Arc::clone(&waiting));
        let mut second = Pending::new(waiting);
        let ours = issue(&mut first, 1, "x", now());
        let theirs = issue(&mut second, 1, "x", now());
        assert_ne!(ours.id, theirs.id);
        assert!(
            live(first.claim(ours.id)).is_none(),
            "it would complete the other's client"
        );
        assert!(live(second.claim(theirs.id)).is_some());
        let ours = issue(&mut first, 2, "x", now());
        second.supersede("x");
        assert!(live(first.claim(ours.id)).is_none());
        assert!(first.is_empty() && second.is_empty());
    }

    fn question() -> Question {
        Question::Password(Fitting {
            tags: Vec::new(),
            credential: None,
            cost: Cost::standard(),
            begun: now(),
            password: None,
        })
    }

    fn issue(pending: &mut Pending, connection: u64, id: &'static str, deadline: Instant) -> Stub {
        pending
            .issue(
                &connect(connection, id),
                question(),
                Outcome::Open,
                deadline,
            )
            .unwrap()
    }

    #[test]
    fn a_live_ticket_is_claimed_once() {
        let mut pending = pending();
        let stub = issue(&mut pending, 1, "x", now());
        assert_eq!(live(pending.claim(stub.id)), Some(ConnectionId(1)));
        assert!(pending.claim(stub.id).is_none() && pending.is_empty());
        assert!(pending.waiting.names().live.is_empty() && pending.deadlines.is_empty());
    }

    #[test]
    fn a_newer_connect_with_the_same_id_ends_the_older_ticket() {
        let mut pending = pending();
        let older = issue(&mut pending, 1, "x", now());
        let other = issue(&mut pending, 2, "y", now());
        let newer = issue(&mut pending, 3, "x", now());
        assert!(!older.interest.is_there(), "no worker need begin with it");
        assert!(live(pending.claim(older.id)).is_none());
        assert_eq!(live(pending.claim(newer.id)), Some(ConnectionId(3)));
        assert!(live(pending.claim(other.id)).is_some());
        let last = issue(&mut pending, 4, "x", now());
        pending.supersede("x");
        assert!(
            live(pending.claim(last.id)).is_none(),
            "even where the newer one is answered at once"
        );
    }

    #[test]
    fn a_ticket_is_due_at_its_deadline() {
        let mut pending = pending();
        let start = now();
        issue(&mut pending, 1, "soon", start);
        issue(&mut pending, 2, "late", start + Duration::from_secs(1));
        let due: Vec<_> = pending
            .due(start)
            .into_iter()
            .filter_map(|claim| live(Some(claim)))
            .map(|connection| connection.0)
            .collect();
        assert_eq!(due, [1]);
        assert!(pending.due(start).is_empty());
        assert_eq!(pending.due(start + Duration::from_secs(2)).len(), 1);
    }

    #[test]
    fn who_has_no_connection_gets_no_ticket() {
        let mut pending = pending();
        let mut caller = connect(1, "http-api");
        caller.client.connection = None;
        assert!(
            pending
                .issue(&caller, question(), Outcome::Open, now())
                .is_none()
        );
    }
}
