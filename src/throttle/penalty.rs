//! Failures of one key, the wait they cause, and how they are forgiven.
//!
//! Must not: forgive while somebody is made to wait. The count halves with each `forgive` that goes
//! by after the wait, so patience is rewarded and hammering is not.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

/// What failures cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tariff {
    /// How many have no consequence.
    pub(super) free: u32,
    /// The longest wait.
    pub(super) longest: Duration,
    /// The time in which the count halves.
    pub(super) forgive: Duration,
}

impl Tariff {
    /// The wait after so many failures: none, then a second, doubled with each one more.
    pub(super) fn wait(self, failures: u32) -> Duration {
        let beyond = failures.saturating_sub(self.free);
        match beyond.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => doubled(FIRST_WAIT, doublings).min(self.longest),
        }
    }

    /// Counting further would not lengthen the wait, only the time until it is forgiven.
    fn most(self) -> u32 {
        let reaches = |doublings: &u32| doubled(FIRST_WAIT, *doublings) >= self.longest;
        let doublings = (0..u32::BITS).find(reaches).unwrap_or(u32::BITS);
        self.free.saturating_add(1).saturating_add(doublings)
    }
}

/// The failures of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Penalty {
    failures: u32,
    /// Since when the count is what it is.
    since: Instant,
    /// Until when nothing more is admitted.
    until: Instant,
}

impl Penalty {
    /// None yet.
    pub(super) fn none(now: Instant) -> Self {
        Self {
            failures: 0,
            since: now,
            until: now,
        }
    }

    /// The failures that still count.
    pub(super) fn failures(&self, tariff: Tariff, now: Instant) -> u32 {
        self.settled(tariff, now).0
    }

    /// How long until the next attempt.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// One more. Never shortens a wait.
    pub(super) fn fail(&mut self, tariff: Tariff, now: Instant) {
        let (failures, since) = self.settled(tariff, now);
        // A tariff can become milder (an address somebody has logged in from): no step down here.
        let counted = failures.saturating_add(1).min(tariff.most()).max(failures);
        self.since = if failures == 0 { now } else { since };
        self.failures = counted;
        self.hold(tariff.wait(counted), now);
    }

    /// Somebody beyond the free failures was admitted: the next one waits until it is known how that
    /// ended, so that a wait that is over does not let a thousand in at once.
    pub(super) fn probe(&mut self, tariff: Tariff, now: Instant) {
        let (failures, since) = self.settled(tariff, now);
        (self.failures, self.since) = (failures, since);
        self.hold(tariff.wait(failures), now);
    }

    /// The one that was admitted was right: nobody has to wait for it. The count stays.
    pub(super) fn release(&mut self, now: Instant) {
        self.until = self.until.min(now);
    }

    fn hold(&mut self, wait: Duration, now: Instant) {
        // Without a wait there is no end of one to count forgiveness from.
        if wait.is_zero() {
            return;
        }
        let until = now.checked_add(wait).unwrap_or(now);
        self.until = self.until.max(until);
    }

    /// The count and its beginning, with what time has forgiven.
    fn settled(&self, tariff: Tariff, now: Instant) -> (u32, Instant) {
        let since = self.since.max(self.until.min(now));
        let quiet = now.saturating_duration_since(self.since.max(self.until));
        let halvings = quiet
            .as_nanos()
            .checked_div(tariff.forgive.as_nanos())
            .and_then(|halvings| u32::try_from(halvings).ok())
            .unwrap_or(u32::MAX);
        let failures = self.failures.checked_shr(halvings).unwrap_or(0);
        let spent = tariff.forgive.saturating_mul(halvings);
        (failures, since.checked_add(spent).unwrap_or(now).min(now))
    }
}

/// `time` doubled so many times, without end but not beyond it.
pub(super) fn doubled(time: Duration, times: u32) -> Duration {
    time.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
}

const FIRST_WAIT: Duration = Duration::from_secs(1);
