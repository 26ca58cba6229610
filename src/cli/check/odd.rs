//! Odd rules are told one by one until it is clear what they have in common.
//!
//! Must not: drop a finding without a count.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use super::finding::Level;
use crate::policy::lint::{Oddity, Weight};

/// How many there were of each kind, and one of them.
#[derive(Default)]
pub(super) struct Tally(HashMap<Discriminant<Oddity>, (usize, Oddity)>);

impl Tally {
    /// Counts one, and says whether it is among the first of its kind.
    pub(super) fn tells(&mut self, oddity: Oddity) -> bool {
        let kind = self.0.entry(discriminant(&oddity)).or_insert((0, oddity));
        kind.0 = kind.0.saturating_add(1);
        kind.0 <= MOST
    }

    /// The kinds of which there are more, and how many more.
    pub(super) fn more(self) -> Vec<(usize, Oddity)> {
        let mut more: Vec<_> = self
            .0
            .into_values()
            .filter(|(count, _)| *count > MOST)
            .map(|(count, oddity)| (count.saturating_sub(MOST), oddity))
            .collect();
        more.sort_by_key(|(count, oddity)| (*count, oddity.to_string()));
        more
    }
}

/// How bad it is, in the words of `doorman check`.
pub(super) fn level(oddity: Oddity) -> Level {
    match oddity.weight() {
        Weight::Warning => Level::Warning,
        Weight::Note => Level::Note,
    }
}

/// So many of one kind are told one by one.
const MOST: usize = 20;
