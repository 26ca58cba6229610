//! Rules that answer nobody: everybody who has their role has another one that is asked before and covers
//! them.
//!
//! Must not: call a rule idle that answers a single holder, or that will when the validity of a role ends.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashSet;

use super::super::grant::{Grant, Holder};
use super::super::role::{Role, Window};
use super::super::rule::Rule;
use super::Oddity;

/// The rules of roles, as long as nobody has been seen whom they answer.
pub struct Unanswered(BTreeMap<Arc<str>, Open>);

/// A rule that answers nobody.
pub struct Idle<'a> {
    /// The role that it is in.
    pub role: &'a str,
    /// The rule.
    pub rule: &'a Rule,
    /// What is odd about it.
    pub oddity: Oddity,
    /// A role that is asked before, and its rule that covers this one.
    pub before: (&'a str, &'a Rule),
}

struct Open {
    role: Arc<Role>,
    /// By rank, with what covers it for whoever was looked at.
    rules: BTreeMap<usize, Option<Cover>>,
}

struct Cover {
    role: Arc<Role>,
    rank: usize,
}

impl Unanswered {
    /// The rules of roles that somebody has. Those that their own role covers are told of there.
    pub fn of(roles: impl Iterator<Item = Arc<Role>>) -> Self {
        let open = |role: Arc<Role>| {
            let covers = |at: usize, rule| {
                role.covering(rule)
                    .is_some_and(|(by, _)| (by as usize) < at)
            };
            let rules = role.rules().iter().enumerate();
            let rules = rules.filter(|(at, rule)| !covers(*at, rule));
            let rules = rules.map(|(at, _)| (at, None)).collect();
            (role.name().clone(), Open { role, rules })
        };
        Self(roles.map(open).collect())
    }

    /// Whether each has answered somebody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|open| open.rules.is_empty())
    }

    /// Looks at what somebody holds.
    pub fn look_at(&mut self, holder: &Holder) {
        let grants = holder.grants();
        let mut seen = HashSet::new();
        for (at, grant) in grants.iter().enumerate() {
            let name = grant.role.name();
            // Whoever holds it twice is answered by the first.
            let open = self.0.get_mut(name).filter(|_| seen.insert(name));
            let (Some(open), Some(before)) = (open, grants.get(..at)) else {
                continue;
            };
            let Open { role, rules } = open;
            rules.retain(|rank, cover| {
                let found = role
                    .rules()
                    .get(*rank)
                    .and_then(|rule| covering(before, rule));
                let is_idle = found.is_some();
                *cover = cover.take().or(found);
                is_idle
            });
        }
    }

    /// The rules that answered nobody who was looked at, by role and rank.
    pub fn idle(&self) -> impl Iterator<Item = Idle<'_>> {
        self.0.values().flat_map(|open| {
            let rules = open.rules.iter();
            rules.filter_map(|(rank, cover)| {
                let rule = open.role.rules().get(*rank)?;
                let cover = cover.as_ref()?;
                let before = cover.role.rules().get(cover.rank)?;
                let oddity = match before.permission() == rule.permission() {
                    true => Oddity::RepeatedElsewhere,
                    false => Oddity::OverruledElsewhere,
                };
                Some(Idle {
                    role: open.role.name(),
                    rule,
                    oddity,
                    before: (cover.role.name(), before),
                })
            })
        })
    }
}

/// The first rule that covers another one, of roles that hold at any time.
fn covering(grants: &[Grant], rule: &Rule) -> Option<Cover> {
    let mut lasting = grants
        .iter()
        .map(|grant| &grant.role)
        .filter(|role| role.window() == Window::default());
    lasting.find_map(|role| {
        let (rank, _) = role.covering(rule)?;
        Some(Cover {
            role: role.clone(),
            rank: rank as usize,
        })
    })
}
