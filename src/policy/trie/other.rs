//! The other way of a message: what the same rules say of it, as far as the search for the one way comes by.
//!
//! Must not: make a search look further, or guess. What was passed over is noted by its rank; only what is
//! better than all of that is known.
#![forbid(unsafe_code)]

use super::Entry;
use crate::policy::rule::Permission;

/// What was met.
#[derive(Debug)]
pub(super) struct Other {
    /// The kinds of entries that answer; none where there is no other way.
    kinds: u8,
    /// The best rank of them, and what it says.
    best: u32,
    permission: Permission,
    /// The best rank that one may have that was not met.
    unmet: u32,
}

impl Other {
    /// Nothing was met yet of these kinds.
    pub(super) fn of(kinds: u8) -> Self {
        Self {
            kinds,
            best: u32::MAX,
            permission: Permission::Deny,
            unmet: u32::MAX,
        }
    }

    /// An entry that covers the question.
    pub(super) fn meet(&mut self, entry: Entry) {
        if entry.kinds & self.kinds == 0 || entry.rank >= self.best {
            return;
        }
        if entry.is_unconditional() {
            self.best = entry.rank;
            self.permission = entry.permission;
        } else {
            // Of another message, that is: it may be an answer.
            self.pass(entry.rank);
        }
    }

    /// Entries are not looked at, of which this is the best rank.
    pub(super) fn pass(&mut self, rank: u32) {
        self.unmet = self.unmet.min(rank);
    }

    /// The same, of these kinds.
    pub(super) fn pass_kinds(&mut self, rank: u32, kinds: u8) {
        if kinds & self.kinds != 0 {
            self.pass(rank);
        }
    }

    /// Whether it is allowed, whatever the message.
    pub(super) fn is_allowed(&self) -> bool {
        self.best < self.unmet && self.permission == Permission::Allow
    }
}
