//! How much of its time the broker's thread may spend on hashing.
//!
//! Must not: read a clock. A bucket of time: full at the start, emptied by what hashing took, refilled by
//! the time that goes by beside it. So the longest it lasts in one go is what a second may spend, and one
//! hash, which may overdraw it and is paid back before the next; any second spends at most half as much
//! again.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

/// The bucket. Holds the allowance of one second.
pub(super) struct Budget {
    each_second: Duration,
    left: Duration,
    owed: Duration,
    filled: Option<Instant>,
}

impl Budget {
    /// An allowance for each second; full.
    pub(super) fn new(each_second: Duration) -> Self {
        Self {
            each_second,
            left: each_second,
            owed: Duration::ZERO,
            filled: None,
        }
    }

    /// Whether there is time for another hash.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let passed = self
            .filled
            .map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
        self.filled = self.filled.max(Some(now));
        let earned = self.each_second.mul_f64(passed.as_secs_f64().min(60.0));
        let rest = earned.saturating_sub(self.owed);
        self.owed = self.owed.saturating_sub(earned);
        self.left = self.left.saturating_add(rest).min(self.each_second);
        self.owed.is_zero() && !self.left.is_zero()
    }

    /// What is left of this second.
    #[cfg(test)]
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// A hash took this long.
    pub(super) fn spend(&mut self, time: Duration) {
        self.owed = self.owed.saturating_add(time.saturating_sub(self.left));
        self.left = self.left.saturating_sub(time);
        // Nothing is earned meanwhile.
        self.filled = self.filled.and_then(|filled| filled.checked_add(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_full_budget_is_spent_and_comes_back_with_time() {
        let (mut budget, start) = (Budget::new(MS * 500), now());
        assert!(budget.allows(start));
        budget.spend(MS * 500);
        assert!(!budget.allows(start + MS * 500));
        assert!(budget.allows(start + MS * 501));
        budget.spend(MS * 10);
        assert!(
            !budget.allows(start + MS * 512),
            "what was overdrawn is paid back first"
        );
        assert!(budget.allows(start + MS * 600));
    }

    #[test]
    fn it_never_holds_more_than_one_second_allows() {
        let (mut budget, start) = (Budget::new(MS * 100), now());
        assert!(budget.allows(start + Duration::from_secs(1_000_000)));
        budget.spend(MS * 100);
        assert!(!budget.allows(start + Duration::from_secs(1_000_000)));
    }

    #[test]
    fn no_second_spends_more_than_half_as_much_again() {
        let (mut budget, start) = (Budget::new(MS * 500), now());
        let mut at = start;
        let mut begun = Vec::new();
        while at < start + Duration::from_secs(10) {
            if budget.allows(at) {
                budget.spend(MS * 30);
                begun.push(at);
                at += MS * 30;
            } else {
                at += MS;
            }
        }
        let in_second = |from: &Instant| {
            let end = *from + Duration::from_secs(1);
            begun.iter().filter(|at| (*from..end).contains(at)).count()
        };
        let most = begun.iter().map(in_second).max().unwrap();
        assert!(
            (17..=25).contains(&most),
            "{most} hashes of 30 ms in a second"
        );
        assert!(begun.len() > 100, "{} in ten", begun.len());
    }
}
