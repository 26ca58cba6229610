//! What was answered just now, so that it is not found out again: of each client how it stands, and of the
//! last topic who was told yes.
//!
//! Must not: refuse anybody, or be shared. A yes is remembered and a no is found out each time. A yes is of
//! rules that never change, under their number; whose rules those are is believed for as long as nothing
//! that was found out has been replaced. One thread has a memory to itself, so nobody waits for it.
#![forbid(unsafe_code)]

use std::sync::{Arc, Weak};

use super::Engine;
use super::standing::{Says, Standing};
use crate::policy::{Asker, HeardTopic, PartId, Topic};
use crate::request::{Access, Passage, Passing};
use crate::verdict::{Denial, Permit};

/// The last topic that was asked about, and who may do what with it.
#[derive(Default)]
pub struct Memory {
    topic: HeardTopic,
    /// Counts topics: what was remembered in another round is of another topic.
    round: u64,
    granted: Granted,
}

/// What was allowed, each in the place that its number leads to.
struct Granted(Box<[Grant; PLACES]>);

/// That these rules allow this with the topic of that round.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Grant {
    round: u64,
    what: u64,
}

/// A client that has asked.
pub struct Seat {
    client_id: Option<Box<str>>,
    username: Option<Box<str>>,
    stand: Stand,
}

/// How it stood.
struct Stand {
    /// How much had been replaced by then.
    as_of: u64,
    /// The rules that are asked about it, where what others are told holds for it too.
    part: Option<PartId>,
    /// Weak: what is not in force any more is not kept for somebody who is silent.
    standing: Weak<Standing>,
}

impl Engine {
    /// "May this client do that?" As [`may`](Self::may) answers it, with what is remembered of the client and
    /// of the topic, which the memory has heard.
    pub fn may_again(&self, passage: Passage, seat: &mut Seat, memory: &mut Memory) -> Permit {
        // Before anything is found out: what is replaced from now on counts from here.
        let replaced = self.replaced();
        let Seat {
            client_id,
            username,
            stand,
        } = seat;
        if stand.as_of == replaced
            && let Some(part) = stand.part
            && memory.has_granted(part, passage)
        {
            return Permit::Allow;
        }
        let asker = Asker {
            client_id: client_id.as_deref(),
            username: username.as_deref(),
        };
        let access = passage.of(asker.client_id, asker.username, memory.topic.as_str());
        let topic = memory.topic.topic();
        let (permit, part) = self.find_out(&access, asker, topic, stand, replaced);
        if let (Permit::Allow, Some(part)) = (permit, part) {
            memory.remember(part, passage.to);
        }
        permit
    }

    /// What has been replaced of what is found out about clients: no two moments with the same number have
    /// anything between them.
    fn replaced(&self) -> u64 {
        // Both only grow: their sum is the same only where both are.
        let of_file = self.authorities.file().map_or(0, |file| file.changes());
        self.standings.replaced().wrapping_add(of_file)
    }

    fn find_out(
        &self,
        access: &Access<'_>,
        asker: Asker<'_>,
        topic: Option<Topic<'_>>,
        stand: &mut Stand,
        replaced: u64,
    ) -> (Permit, Option<PartId>) {
        if !self.has_acl() {
            return (self.deny(access, Denial::NoRule), None);
        }
        let Some(question) = topic.and_then(|topic| super::access::passage(access, topic)) else {
            return (self.deny(access, Denial::BadRequest), None);
        };
        if let Some(file) = self.sole_file() {
            if stand.as_of != replaced {
                stand.part = file.in_force().part(asker);
                stand.as_of = replaced;
            }
            return self.by_file(file, access, asker, &question);
        }
        let known = match stand.standing.upgrade() {
            Some(standing) if stand.as_of == replaced => Some(standing),
            Some(_) | None => self.stand_as_found(asker, stand, replaced),
        };
        let standing = known.unwrap_or_else(|| self.stand_first(asker));
        self.judge_access(&standing, access, asker, &question)
    }

    /// How a client stands that is known, and what to believe from now on.
    fn stand_as_found(
        &self,
        asker: Asker<'_>,
        stand: &mut Stand,
        replaced: u64,
    ) -> Option<Arc<Standing>> {
        stand.as_of = NEVER;
        let standing = self.standings.find(asker)?;
        *stand = Stand {
            part: match &standing.says {
                Says::Granted { granted, .. } => Some(granted.rights.part()),
                Says::File => self
                    .authorities
                    .file()
                    .and_then(|file| file.in_force().part(asker)),
                Says::Refused(_) | Says::Nobody => None,
            },
            standing: Arc::downgrade(&standing),
            as_of: replaced,
        };
        Some(standing)
    }
}

impl Memory {
    /// Whether the last topic is this one.
    #[must_use]
    pub fn is_about(&self, topic: &[u8]) -> bool {
        self.topic.is(topic)
    }

    /// From now on the topic is this one, and nobody has been told anything about it.
    pub fn hear(&mut self, topic: &str) {
        self.round = self.round.wrapping_add(1);
        self.topic.hear(topic);
    }

    fn has_granted(&self, part: PartId, passage: Passage) -> bool {
        let grant = self.grant(part, passage.to);
        passage.is_possible() && self.granted.0.get(grant.place()) == Some(&grant)
    }

    fn remember(&mut self, part: PartId, to: Passing) {
        let grant = self.grant(part, to);
        if let Some(place) = self.granted.0.get_mut(grant.place()) {
            *place = grant;
        }
    }

    fn grant(&self, part: PartId, to: Passing) -> Grant {
        let to = match to {
            Passing::FromClient => 0,
            Passing::ToClient => 1,
        };
        Grant {
            round: self.round,
            what: part.number().wrapping_mul(2).wrapping_add(to),
        }
    }
}

impl Default for Granted {
    fn default() -> Self {
        Self(Box::new([Grant { round: 0, what: 0 }; PLACES]))
    }
}

impl Grant {
    fn place(self) -> usize {
        // The lowest bits: numbers are given one after the other.
        usize::try_from(self.what & LAST_PLACE).unwrap_or_default()
    }
}

impl Seat {
    /// A client with these names, of which nothing is known.
    #[must_use]
    pub fn of(asker: Asker<'_>) -> Self {
        Self {
            client_id: asker.client_id.map(Into::into),
            username: asker.username.map(Into::into),
            stand: Stand {
                as_of: NEVER,
                part: None,
                standing: Weak::new(),
            },
        }
    }

    /// Whether those are its names.
    #[must_use]
    pub fn is_of(&self, client_id: Option<&[u8]>, username: Option<&[u8]>) -> bool {
        self.client_id.as_deref().map(str::as_bytes) == client_id
            && self.username.as_deref().map(str::as_bytes) == username
    }
}

/// How many answers about one topic are remembered.
const PLACES: usize = 64;

/// Its bits are those that can differ.
const LAST_PLACE: u64 = 63;

/// Nothing has been replaced so often.
const NEVER: u64 = u64::MAX;
