//! Where one rule has `+` and another the client's own name.
//!
//! Must not: compare rules with each other. Each rule leaves what stands before its names, and each
//! `+` is looked up there.
#![forbid(unsafe_code)]

use std::hash::Hash;

use hashbrown::HashMap;

use super::super::template::{Level, Template};

/// What stands before names: in rules of this kind, up to this place, and the first such rule.
pub(super) struct Names<'a, K>(HashMap<(K, &'a str), usize>);

impl<'a, K: Hash + Eq + Copy> Names<'a, K> {
    /// Of rules that allow, with their places.
    pub(super) fn of(rules: impl Iterator<Item = (usize, K, &'a Template)>) -> Self {
        let mut names = HashMap::new();
        for (rule, kind, template) in rules {
            for (before, _) in places(template).filter(|(_, level)| level.is_name()) {
                names.entry((kind, before)).or_insert(rule);
            }
        }
        Self(names)
    }

    /// The rule that has a name where this one has its first `+` beside names.
    pub(super) fn beside(&self, kind: K, template: &'a Template) -> Option<usize> {
        let mut pluses = places(template).filter(|(_, level)| *level == Level::Plus);
        pluses.find_map(|(before, _)| self.0.get(&(kind, before)).copied())
    }
}

/// Each level with the text before it.
fn places(template: &Template) -> impl Iterator<Item = (&str, Level<'_>)> {
    let plain = template.plain().unwrap_or_default();
    let mut at = 0_usize;
    template
        .levels()
        .zip(plain.split('/'))
        .map(move |(level, text)| {
            let before = plain.get(..at).unwrap_or_default();
            at = at.saturating_add(text.len()).saturating_add(1);
            (before, level)
        })
}
