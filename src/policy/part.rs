//! Numbers for rules that are asked together: what one client is asked about.
//!
//! Must not: be given twice. Where two numbers are the same, so are the rules, for good: rules never
//! change once they are compiled, and new ones get a new number.
#![forbid(unsafe_code)]

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// Some rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartId(NonZeroU64);

/// What may be told again to whoever has the same rules and asks about the same topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Those rules.
    pub part: PartId,
    /// Not only the answer: a message may go the other way as well.
    pub both_ways: bool,
}

impl PartId {
    /// A number that nothing has.
    pub(super) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let last = LAST.fetch_add(1, Ordering::Relaxed);
        // Of a number for each nanosecond, the last comes in five hundred years.
        Self(NonZeroU64::MIN.saturating_add(last))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice() {
        let (a, b) = (PartId::new(), PartId::new());
        assert!(a != b && a.number() != b.number());
    }
}
