//! A token bucket that is one point in time: when it will be full again.
//!
//! Must not: read a clock, or overflow; a time that cannot be reckoned with leaves the bucket as it
//! is. A bucket that nobody holds is a full one, so forgetting a full bucket changes nothing.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::config::Rate;

/// Tokens of one kind for one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// How long until `tokens` are there; nothing if they are.
    pub(super) fn wait(self, rate: Rate, tokens: u32, now: Instant) -> Duration {
        let needed = interval(rate).saturating_mul(tokens.min(rate.count.get()));
        self.missing(now)
            .saturating_add(needed)
            .saturating_sub(rate.period)
    }

    /// Takes them, there or not. A bucket is never more than two periods away from full.
    pub(super) fn take(&mut self, rate: Rate, tokens: u32, now: Instant) {
        let missing = self
            .missing(now)
            .saturating_add(interval(rate).saturating_mul(tokens))
            .min(rate.period.saturating_mul(2));
        self.full_at = now.checked_add(missing).unwrap_or(now);
    }

    /// Gives one back.
    pub(super) fn give_back(&mut self, rate: Rate) {
        let sooner = self.full_at.checked_sub(interval(rate));
        self.full_at = sooner.unwrap_or(self.full_at);
    }

    fn missing(self, now: Instant) -> Duration {
        self.full_at.saturating_duration_since(now)
    }
}

/// The time in which one token comes back.
fn interval(rate: Rate) -> Duration {
    let count = rate.count.get();
    rate.period.checked_div(count).unwrap_or(rate.period)
}
