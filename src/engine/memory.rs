//! What was answered lately, so that it is not found out again: of each client how it stands, and of some
//! topics who was told yes.
//!
//! Must not: refuse anybody, or be shared. A yes is remembered and a no is found out each time. A yes is of
//! rules that never change, under their number; whose rules those are is believed for as long as nothing
//! that was found out has been replaced. One thread has a memory to itself, so nobody waits for it.
#![forbid(unsafe_code)]

use std::hash::BuildHasher as _;
use std::str::Utf8Error;
use std::sync::{Arc, Weak};

use hashbrown::DefaultHashBuilder;

use super::Engine;
use super::kept::Subscribed;
use super::standing::{Says, Standing};
use crate::policy::{Again, Asker, HeardTopic, PartId, Topic};
use crate::request::{Access, Passage, Passing};
use crate::verdict::{Denial, Permit};

/// Some topics that were asked about, and who may do what with them. It is always about one of them.
pub struct Memory {
    topics: Box<[Heard]>,
    /// The place of the one it is about.
    here: usize,
    /// How many there have been.
    rounds: u64,
    granted: Granted,
    hash: DefaultHashBuilder,
}

/// A topic.
struct Heard {
    topic: HeardTopic,
    /// Its number. What was remembered under another one is of another topic.
    round: u64,
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
    subscriptions: Subscribed,
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
    /// of the topic that the memory is about.
    pub fn may_again(&self, passage: Passage, seat: &mut Seat, memory: &mut Memory) -> Permit {
        // Before anything is found out: what is replaced from now on counts from here.
        let replaced = self.replaced();
        if seat.stand.as_of == replaced
            && let Some(part) = seat.stand.part
            && memory.has_granted(part, passage)
        {
            return Permit::Allow;
        }
        self.may_anew(passage, seat, memory, replaced)
    }

    /// What is not remembered. By itself: what is remembered is told without what this needs.
    #[inline(never)]
    fn may_anew(
        &self,
        passage: Passage,
        seat: &mut Seat,
        memory: &mut Memory,
        replaced: u64,
    ) -> Permit {
        let Seat {
            client_id,
            username,
            subscriptions,
            stand,
        } = seat;
        let asker = Asker {
            client_id: client_id.as_deref(),
            username: username.as_deref(),
        };
        let Some(heard) = memory.topics.get(memory.here) else {
            return Permit::Deny;
        };
        let access = passage.of(asker.client_id, asker.username, heard.topic.as_str());
        let topic = heard.topic.topic();
        // What was found to be so at this count is so.
        let is_sure = stand.as_of == replaced || self.is_sure_of(*subscriptions, &access);
        let (permit, again) = self.find_out(&access, asker, topic, stand, replaced, is_sure);
        if let (Permit::Allow, Some(again)) = (permit, again) {
            memory.remember(again, passage.to);
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
        is_sure: bool,
    ) -> (Permit, Option<Again>) {
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
            _ if !is_sure => self.standings.find(asker),
            Some(standing) if stand.as_of == replaced => Some(standing),
            Some(_) | None => self.stand_as_found(asker, stand, replaced),
        };
        let (standing, is_sure) = match known {
            Some(standing) => (standing, is_sure),
            None => {
                let first = self.stand_first(asker);
                // Where there is no room to keep it, nobody is told when it changes.
                (first.standing, is_sure && first.is_kept)
            }
        };
        match is_sure {
            true => self.judge_access(&standing, access, asker, &question),
            false => (self.judge_kept(&standing, access, asker, &question), None),
        }
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
                // Of several rules the first that has an answer counts.
                Says::ByToken(_) | Says::Refused(_) | Says::Nobody => None,
            },
            standing: Arc::downgrade(&standing),
            as_of: replaced,
        };
        Some(standing)
    }
}

impl Memory {
    /// From now on it is about this topic.
    ///
    /// # Errors
    /// When it is no text; then it is about nothing that anybody may publish to.
    pub fn turn_to(&mut self, topic: &[u8]) -> Result<(), Utf8Error> {
        if self.is_about(topic) {
            return Ok(());
        }
        self.here = match topic.len() <= SHORT {
            true => usize::try_from(self.hash.hash_one(topic) % SHORT_ONES).unwrap_or_default(),
            // One place for all of them: what is kept has a bound.
            false => PLACE_OF_LONG,
        };
        if self.is_about(topic) {
            return Ok(());
        }
        let text = str::from_utf8(topic);
        self.rounds = self.rounds.wrapping_add(1);
        if let Some(heard) = self.topics.get_mut(self.here) {
            heard.round = self.rounds;
            heard.topic.hear(text.unwrap_or_default());
        }
        text.map(|_| ())
    }

    fn is_about(&self, topic: &[u8]) -> bool {
        let heard = self.topics.get(self.here);
        heard.is_some_and(|heard| heard.topic.is(topic))
    }

    fn has_granted(&self, part: PartId, passage: Passage) -> bool {
        let grant = self.grant(part, passage.to);
        passage.is_possible() && self.granted.0.get(grant.place()) == Some(&grant)
    }

    fn remember(&mut self, again: Again, to: Passing) {
        self.note(again.part, to);
        if again.both_ways {
            self.note(again.part, to.other());
        }
    }

    fn note(&mut self, part: PartId, to: Passing) {
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
            round: self.topics.get(self.here).map_or(0, |heard| heard.round),
            what: part.number().wrapping_mul(2).wrapping_add(to),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        let heard = || Heard {
            topic: HeardTopic::with_capacity(SHORT),
            round: 0,
        };
        Self {
            topics: std::iter::repeat_with(heard).take(TOPICS).collect(),
            here: 0,
            rounds: 0,
            granted: Granted::default(),
            hash: DefaultHashBuilder::default(),
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
        // Numbers are given one after the other: those of one topic lie side by side.
        let number = self.round.wrapping_mul(SPREAD).wrapping_add(self.what);
        usize::try_from(number & LAST_PLACE).unwrap_or_default()
    }
}

impl Seat {
    /// A client with these names, of which nothing is known but whether its subscriptions were asked about.
    #[must_use]
    pub fn of(asker: Asker<'_>, subscriptions: Subscribed) -> Self {
        Self {
            subscriptions,
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

/// How many topics are remembered that are short, and the place of the last one that was not.
const SHORT_ONES: u64 = 256;
const PLACE_OF_LONG: usize = 256;
const TOPICS: usize = 257;

/// A topic of more bytes is long.
const SHORT: usize = 256;

/// How many answers are remembered.
const PLACES: usize = 1024;
const LAST_PLACE: u64 = 1023;

/// Two topics do not lie in the same places unless there are many answers about them.
const SPREAD: u64 = 61;

/// Nothing has been replaced so often.
const NEVER: u64 = u64::MAX;
