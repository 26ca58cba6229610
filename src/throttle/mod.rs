//! Attackers last: whether a login that would cost a slow hash may have it, and how soon.
//!
//! Must not: read a clock, look at passwords, or keep more of a name than tells whose failures they are.
//! Everything is asked before the hash is begun, and the answer for a username that has logged in from an
//! address before never depends on what others do. What the parts are and why:
//!
//! - A *pair* is a username at an address. One that logged in within `remember` is *known*: it passes
//!   the buckets of its address, its username and of all, and its address's penalty. Only its own
//!   failures hold it up, and a bucket of its own.
//! - Each failure counts for its pair; the first few of a pair count for the address too. So a device
//!   with a stale password stops at its own penalty, and whoever tries many names meets the address's.
//! - Everybody else takes a token from three buckets and gets it back for being right: five hundred
//!   devices behind one address enter, five hundred guesses do not. A guess costs the username ten.
//! - Only an admitted attempt makes an entry, and the bucket of all bounds those: pushing an entry out
//!   of a full table takes most of an hour at the standard rates, and any penalty is forgiven in ten
//!   minutes. Known pairs and known addresses have tables of their own, which only a right password
//!   enters; somebody who has one and 65 536 addresses to use it from could still empty them.
//! - A unix socket counts as a place of its own without a penalty or a bucket: who may open it is up to
//!   the file system.
#![forbid(unsafe_code)]

mod bans;
mod bucket;
mod penalty;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use self::bans::excerpt;
pub use self::bans::{Ban, Entry, Whom};
use self::bucket::Bucket;
use self::penalty::{Penalty, Tariff, doubled};
pub use self::table::Place;
use self::table::{Key, Keys, Table};
use crate::config::ThrottleLimits;
use crate::model::Fingerprint;

/// Whether an attempt goes on.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It does, in this order.
    Admit(Standing),
    /// Not now.
    Refuse {
        /// When it might, at the earliest.
        retry_after: Duration,
    },
}

/// Whose work comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The pair has logged in, or somebody else has from this address.
    Known,
    /// Nothing is known.
    New,
    /// The pair or its address fails a lot.
    Suspect,
}

/// Who wants to enter.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// From which address; a unix socket has none.
    pub ip: Option<IpAddr>,
    /// As whom.
    pub username: &'a str,
    /// With which credential: failures are counted until there is a new one.
    pub credential: Option<Fingerprint>,
}

/// The memory of attempts.
pub struct Throttle {
    limits: ThrottleLimits,
    keys: Keys,
    known: Table<Known>,
    /// When somebody last logged in from an address.
    good: Table<Instant>,
    pairs: Table<Attempts>,
    addresses: Table<Address>,
    names: Table<Name>,
    all: Option<Bucket>,
}

/// A pair that has logged in.
struct Known {
    at: Instant,
    bucket: Bucket,
}

/// What a pair has done.
struct Attempts {
    username: Box<str>,
    place: Place,
    penalty: Penalty,
    /// Tokens it took and was neither right nor wrong with yet: no more than these are given back.
    taken: u32,
}

/// What an address has done.
struct Address {
    place: Place,
    penalty: Penalty,
    bucket: Bucket,
}

/// What a username has done, wherever it came from.
struct Name {
    username: Box<str>,
    bucket: Bucket,
}

/// One question, looked up.
struct Trace<'a> {
    username: &'a str,
    place: Place,
    pair: Key,
    name: Key,
    /// None for a unix socket.
    address: Option<Key>,
    known: bool,
    good: bool,
}

impl Throttle {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(limits: ThrottleLimits) -> Self {
        Self::sized(limits, MOST)
    }

    fn sized(limits: ThrottleLimits, most: usize) -> Self {
        Self {
            limits,
            keys: Keys::default(),
            known: Table::new(most),
            good: Table::new(most),
            pairs: Table::new(most),
            addresses: Table::new(most),
            names: Table::new(most),
            all: None,
        }
    }

    /// Of how many usernames at addresses something is remembered that was no success.
    #[must_use]
    pub fn suspects(&self) -> usize {
        self.pairs.len()
    }

    /// Whether a login that needs a hash may have it now. Each one admitted is followed by
    /// [`failed`](Self::failed), by [`succeeded`](Self::succeeded), or by [`released`](Self::released) if
    /// nobody could say.
    pub fn admit(&mut self, who: &Who<'_>, now: Instant) -> Admission {
        if !self.limits.on {
            return Admission::Admit(Standing::New);
        }
        if self.is_exempt(who) {
            return Admission::Admit(Standing::Known);
        }
        let trace = self.trace(who, now);
        let retry_after = self.wait(&trace, now);
        if !retry_after.is_zero() {
            return Admission::Refuse { retry_after };
        }
        let standing = self.standing(&trace, now);
        self.take(&trace, now);
        Admission::Admit(standing)
    }

    /// The one admitted was wrong.
    pub fn failed(&mut self, who: &Who<'_>, now: Instant) {
        if self.ignores(who) {
            return;
        }
        let trace = self.trace(who, now);
        let tariff = self.pair_tariff();
        let attempts = self.pairs.touch(trace.pair, || Attempts::none(&trace, now));
        let before = attempts.penalty.failures(tariff, now);
        attempts.penalty.fail(tariff, now);
        attempts.taken = attempts.taken.saturating_sub(1);
        // Beyond its free failures a pair is slow by itself, and not its address's fault any more.
        if let Some(key) = trace.address
            && before < tariff.free
        {
            let tariff = self.address_tariff(trace.good);
            let address = self.addresses.touch(key, || Address::new(trace.place, now));
            address.penalty.fail(tariff, now);
        }
        if !trace.known {
            let name = self.names.touch(trace.name, || Name::new(&trace, now));
            name.bucket
                .take(self.limits.username_rate, FAILURE_SURCHARGE, now);
        }
    }

    /// The one admitted was right.
    pub fn succeeded(&mut self, who: &Who<'_>, now: Instant) {
        if self.ignores(who) {
            return;
        }
        let trace = self.trace(who, now);
        self.give_back(&trace);
        self.forgive(&trace, now);
        if let Some(known) = self.known.find_mut(trace.pair) {
            known.bucket.give_back(self.limits.address_rate);
        }
        if let Some(key) = trace.address
            && !trace.known
            && let Some(address) = self.addresses.find_mut(key)
        {
            // Only a pair's first login does: nobody frees an address with his own account again
            // and again.
            address.penalty.release(now);
        }
        self.remember(trace.pair, trace.address, now);
    }

    /// The one admitted was not verified after all: it has cost nothing, and nothing is known of it.
    pub fn released(&mut self, who: &Who<'_>, now: Instant) {
        if self.ignores(who) {
            return;
        }
        let trace = self.trace(who, now);
        match self.known.find_mut(trace.pair) {
            Some(known) if trace.known => known.bucket.give_back(self.limits.address_rate),
            Some(_) | None => self.give_back(&trace),
        }
    }

    /// Somebody got in without a hash and so without being admitted here: gives standing, and no token
    /// back.
    pub fn recognised(&mut self, who: &Who<'_>, now: Instant) {
        if !self.ignores(who) {
            let place = Place::of(who.ip);
            let address = (place != Place::Local).then(|| self.keys.place(place));
            self.remember(self.keys.pair(place, who), address, now);
        }
    }

    /// How long a refusal may be held back: doubled with each failure, and never for long.
    #[must_use]
    pub fn delay(&self, who: &Who<'_>, now: Instant) -> Duration {
        if self.ignores(who) {
            return Duration::ZERO;
        }
        let trace = self.trace(who, now);
        let mut failures = self.pair_failures(&trace, now);
        if !trace.known {
            failures = failures.max(self.address_excess(&trace, now));
        }
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => doubled(FIRST_DELAY, doublings).min(self.limits.longest_delay),
        }
    }

    fn ignores(&self, who: &Who<'_>) -> bool {
        !self.limits.on || self.is_exempt(who)
    }

    fn is_exempt(&self, who: &Who<'_>) -> bool {
        who.ip.is_some_and(|ip| {
            let ip = ip.to_canonical();
            self.limits.exempt.iter().any(|net| net.contains(&ip))
        })
    }

    fn trace<'a>(&self, who: &Who<'a>, now: Instant) -> Trace<'a> {
        let place = Place::of(who.ip);
        let pair = self.keys.pair(place, who);
        let address = (place != Place::Local).then(|| self.keys.place(place));
        let recent = |at: Instant| now.saturating_duration_since(at) <= self.limits.remember;
        Trace {
            username: who.username,
            place,
            pair,
            name: self.keys.name(who),
            address,
            known: self.known.find(pair).is_some_and(|known| recent(known.at)),
            good: address.is_none_or(|key| self.good.find(key).is_some_and(|at| recent(*at))),
        }
    }

    /// The longest of the waits that stand in the way.
    fn wait(&self, trace: &Trace<'_>, now: Instant) -> Duration {
        let limits = &self.limits;
        let pair = self.pairs.find(trace.pair);
        let own = pair.map_or(Duration::ZERO, |attempts| attempts.penalty.wait(now));
        if trace.known {
            let known = self.known.find(trace.pair);
            return known.map_or(own, |known| {
                own.max(known.bucket.wait(limits.address_rate, 1, now))
            });
        }
        let address = trace.address.and_then(|key| self.addresses.find(key));
        let address = address.map_or(Duration::ZERO, |address| {
            let penalty = match self.address_excess(trace, now) {
                0 => Duration::ZERO,
                _ => address.penalty.wait(now),
            };
            penalty.max(address.bucket.wait(limits.address_rate, 1, now))
        });
        let name = self.names.find(trace.name).map_or(Duration::ZERO, |name| {
            name.bucket.wait(limits.username_rate, 1, now)
        });
        let kept = match trace.good {
            true => 0,
            false => limits.total_rate.count.get() / KEPT_FOR_GOOD,
        };
        let all = self.all.map_or(Duration::ZERO, |all| {
            all.wait(limits.total_rate, kept.saturating_add(1), now)
        });
        own.max(address).max(name).max(all)
    }

    fn take(&mut self, trace: &Trace<'_>, now: Instant) {
        let tariff = self.pair_tariff();
        if trace.known {
            if let Some(known) = self.known.find_mut(trace.pair) {
                known.bucket.take(self.limits.address_rate, 1, now);
            }
            if let Some(attempts) = self.pairs.find_mut(trace.pair) {
                attempts.penalty.probe(tariff, now);
            }
            return;
        }
        let attempts = self.pairs.touch(trace.pair, || Attempts::none(trace, now));
        attempts.penalty.probe(tariff, now);
        attempts.taken = attempts.taken.saturating_add(1);
        let tariff = self.address_tariff(trace.good);
        if let Some(key) = trace.address {
            let address = self.addresses.touch(key, || Address::new(trace.place, now));
            address.penalty.probe(tariff, now);
            address.bucket.take(self.limits.address_rate, 1, now);
        }
        let name = self.names.touch(trace.name, || Name::new(trace, now));
        name.bucket.take(self.limits.username_rate, 1, now);
        let all = self.all.get_or_insert(Bucket::full(now));
        all.take(self.limits.total_rate, 1, now);
    }

    /// A clean slate for the pair.
    fn forgive(&mut self, trace: &Trace<'_>, now: Instant) {
        let Some(attempts) = self.pairs.find_mut(trace.pair) else {
            return;
        };
        attempts.penalty = Penalty::none(now);
        if attempts.taken == 0 {
            self.pairs.remove(trace.pair);
        }
    }

    /// What the pair took.
    fn give_back(&mut self, trace: &Trace<'_>) {
        let attempts = self.pairs.find_mut(trace.pair);
        let Some((attempts, left)) = attempts.and_then(|a| {
            let left = a.taken.checked_sub(1)?;
            Some((a, left))
        }) else {
            return;
        };
        attempts.taken = left;
        if let Some(address) = trace.address.and_then(|key| self.addresses.find_mut(key)) {
            address.bucket.give_back(self.limits.address_rate);
        }
        if let Some(name) = self.names.find_mut(trace.name) {
            name.bucket.give_back(self.limits.username_rate);
        }
        if let Some(all) = &mut self.all {
            all.give_back(self.limits.total_rate);
        }
    }

    fn remember(&mut self, pair: Key, address: Option<Key>, now: Instant) {
        let known = self.known.touch(pair, || Known {
            at: now,
            bucket: Bucket::full(now),
        });
        known.at = known.at.max(now);
        if let Some(key) = address {
            let at = self.good.touch(key, || now);
            *at = now.max(*at);
        }
    }

    fn standing(&self, trace: &Trace<'_>, now: Instant) -> Standing {
        let by_address = || {
            let free = self.address_tariff(trace.good).free;
            !trace.known && self.address_failures(trace, now) >= free.div_ceil(2)
        };
        let by_itself = self.pair_failures(trace, now) >= self.limits.username_failures;
        let suspect = by_itself || by_address();
        match (suspect, trace.known || trace.good) {
            (true, _) => Standing::Suspect,
            (false, true) => Standing::Known,
            (false, false) => Standing::New,
        }
    }

    fn pair_failures(&self, trace: &Trace<'_>, now: Instant) -> u32 {
        let tariff = self.pair_tariff();
        let attempts = self.pairs.find(trace.pair);
        attempts.map_or(0, |attempts| attempts.penalty.failures(tariff, now))
    }

    fn address_failures(&self, trace: &Trace<'_>, now: Instant) -> u32 {
        let tariff = self.address_tariff(trace.good);
        let address = trace.address.and_then(|key| self.addresses.find(key));
        address.map_or(0, |address| address.penalty.failures(tariff, now))
    }

    /// The failures beyond those an address has free. It has more of them once somebody has logged in
    /// from it, and a wait it earned before may end with that.
    fn address_excess(&self, trace: &Trace<'_>, now: Instant) -> u32 {
        let free = self.address_tariff(trace.good).free;
        self.address_failures(trace, now).saturating_sub(free)
    }

    fn pair_tariff(&self) -> Tariff {
        Tariff {
            free: self.limits.username_failures,
            longest: self.limits.longest_wait,
            forgive: self.limits.forgive,
        }
    }

    fn address_tariff(&self, good: bool) -> Tariff {
        let free = self.limits.address_failures;
        Tariff {
            free: if good {
                free.saturating_mul(GENEROSITY)
            } else {
                free
            },
            ..self.pair_tariff()
        }
    }
}

impl Attempts {
    fn none(trace: &Trace<'_>, now: Instant) -> Self {
        Self {
            username: excerpt(trace.username).into(),
            place: trace.place,
            penalty: Penalty::none(now),
            taken: 0,
        }
    }
}

impl Address {
    fn new(place: Place, now: Instant) -> Self {
        Self {
            place,
            penalty: Penalty::none(now),
            bucket: Bucket::full(now),
        }
    }
}

impl Name {
    fn new(trace: &Trace<'_>, now: Instant) -> Self {
        Self {
            username: excerpt(trace.username).into(),
            bucket: Bucket::full(now),
        }
    }
}

/// How many entries each table holds: some hundred bytes each, and names of up to 256.
const MOST: usize = 65_536;

/// What a failure costs its username beyond the token it took. Attempts that are right cost nothing,
/// so the bucket can be wide enough for many devices with one username at once.
const FAILURE_SURCHARGE: u32 = 9;

/// How many times as many free failures an address has from which somebody has logged in. As failures
/// halve each minute, half of them is also the pace per minute that is never punished: 15 for a
/// stranger, 30 for somebody with an account of his own. With four it would be a guess each second.
const GENEROSITY: u32 = 2;

/// The part of the bucket of all that is kept for addresses from which somebody has logged in.
const KEPT_FOR_GOOD: u32 = 4;

/// How long the refusal of a first failure may be held back.
const FIRST_DELAY: Duration = Duration::from_millis(100);
