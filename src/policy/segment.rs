//! Roles that are asked in one go: one of them, or many merged into one index.
//!
//! Must not: change what is decided. Merging costs memory: a few roles stay as they are, a merged index
//! is shared by everybody who has the same roles in the same order, and all of them together have
//! a bound; beyond it roles are asked one by one, which takes longer. A client's own roles are never
//! merged with those of its groups: one that nobody else has would cost a copy of all the others.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::grant::Grant;
use super::index::{Finding, Index, IndexBuilder, WildcardSubscriptions};
use super::question::{Asker, Question};
use super::role::Role;
use super::rule::{Permission, Rule};
use super::shared::Shared;
use super::trie::{Reach, TooMany};

/// Some of a client's grants, in order.
#[derive(Debug)]
pub(super) struct Segment {
    /// The first of them among all the client's grants in force.
    pub(super) first: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    One(Arc<Role>),
    Many(Arc<Merged>),
}

/// The merged indexes there are.
#[derive(Debug)]
pub(super) struct Merges {
    merged: Shared<Merged>,
    /// How many rules they have.
    rules: Arc<AtomicUsize>,
    most: usize,
    /// How many rules one of them may have.
    largest: usize,
}

/// Roles in order, in one index.
#[derive(Debug)]
struct Merged {
    roles: Box<[Arc<Role>]>,
    /// The rank of each role's first rule.
    starts: Box<[u32]>,
    /// The first without wildcard subscriptions.
    without_wildcards: Option<usize>,
    index: Index,
    _taken: Taken,
}

/// A part of the rules that merged indexes may have, given back at the end.
#[derive(Debug)]
struct Taken {
    count: usize,
    of: Arc<AtomicUsize>,
}

/// What decides: the place of a role among the client's grants in force, and of a rule in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Rule {
        grant: usize,
        rule: usize,
        permission: Permission,
    },
    WildcardSubscription {
        grant: usize,
    },
}

impl Segment {
    /// The segments of grants that are in force.
    pub(super) fn all(grants: &[Grant], merges: &mut Merges) -> Vec<Self> {
        let mut segments = Vec::new();
        let mut first = 0_usize;
        let belong_together = |a: &Grant, b: &Grant| a.group.is_some() == b.group.is_some();
        for run in grants.chunk_by(belong_together) {
            match merges.merge(run) {
                Some(merged) => segments.push(Self {
                    first,
                    content: Content::Many(merged),
                }),
                None => segments.extend(run.iter().enumerate().map(|(at, grant)| Self {
                    first: first.saturating_add(at),
                    content: Content::One(grant.role.clone()),
                })),
            }
            first = first.saturating_add(run.len());
        }
        segments
    }

    /// What the roles say, and for whom that holds.
    pub(super) fn ask(&self, asker: Asker<'_>, question: &Question<'_>) -> (Option<Place>, Reach) {
        let (finding, reach) = match &self.content {
            Content::One(role) => role.ask(asker, question),
            Content::Many(merged) => merged.index.ask(asker, question),
        };
        let place = finding.map(|finding| match (&self.content, finding) {
            (Content::One(_), Finding::Rule(rank, permission)) => Place::Rule {
                grant: self.first,
                rule: rank as usize,
                permission,
            },
            (Content::One(_), Finding::WildcardSubscription) => {
                Place::WildcardSubscription { grant: self.first }
            }
            (Content::Many(merged), Finding::Rule(rank, permission)) => {
                merged.place(self.first, rank, permission)
            }
            (Content::Many(merged), Finding::WildcardSubscription) => {
                let role = merged.without_wildcards.unwrap_or_default();
                Place::WildcardSubscription {
                    grant: self.first.saturating_add(role),
                }
            }
        });
        (place, reach)
    }

    /// The first rule that covers all another one is about.
    pub(super) fn covering(&self, rule: &Rule) -> Option<Place> {
        match &self.content {
            Content::One(role) => role.covering(rule).map(|(rank, permission)| Place::Rule {
                grant: self.first,
                rule: rank as usize,
                permission,
            }),
            Content::Many(merged) => merged
                .index
                .covering(rule)
                .map(|(rank, permission)| merged.place(self.first, rank, permission)),
        }
    }
}

impl Merges {
    /// None yet.
    pub(super) fn new() -> Self {
        Self::sized(MOST, MOST)
    }

    /// Small ones only, which are made before anybody notices.
    pub(super) fn small() -> Self {
        Self::sized(MOST, LARGEST_SMALL)
    }

    /// Whether there are only small ones.
    pub(super) fn is_small(&self) -> bool {
        self.largest < self.most
    }

    fn sized(most: usize, largest: usize) -> Self {
        Self {
            merged: Shared::new(),
            rules: Arc::default(),
            most,
            largest,
        }
    }

    /// One index for a run of grants, where that is worth it and there is room for it.
    fn merge(&mut self, run: &[Grant]) -> Option<Arc<Merged>> {
        if run.len() < MANY {
            return None;
        }
        let lengths = run.iter().map(|grant| grant.role.rules().len());
        let count = lengths.fold(0, usize::saturating_add);
        if count > self.largest {
            return None;
        }
        let roles: Box<[Arc<Role>]> = run.iter().map(|grant| grant.role.clone()).collect();
        let is_same = |merged: &Merged| {
            let mut pairs = merged.roles.iter().zip(&roles);
            merged.roles.len() == roles.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let names: Vec<&str> = roles.iter().map(|role| &**role.name()).collect();
        let Self {
            merged,
            rules,
            most,
            largest: _,
        } = self;
        let made = merged.find_or_make(&names, is_same, || {
            Merged::new(roles.clone(), Taken::take(count, rules, *most)?)
        });
        made.ok()
    }
}

impl Taken {
    fn take(count: usize, of: &Arc<AtomicUsize>, most: usize) -> Result<Self, TooMany> {
        let sum = of.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        // What is too much is given back at once, by the drop.
        let taken = Self {
            count,
            of: of.clone(),
        };
        (sum <= most).then_some(taken).ok_or(TooMany)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.fetch_sub(self.count, Ordering::Relaxed);
    }
}

impl Merged {
    fn new(roles: Box<[Arc<Role>]>, taken: Taken) -> Result<Self, TooMany> {
        let mut index = IndexBuilder::new()?;
        let mut starts = Vec::with_capacity(roles.len());
        for role in &roles {
            starts.push(index.next_rank());
            index.add(role.rules(), role.wildcard_subscriptions())?;
        }
        let mut flags = roles.iter().map(|role| role.wildcard_subscriptions());
        Ok(Self {
            without_wildcards: flags.position(|flag| flag == WildcardSubscriptions::Deny),
            starts: starts.into(),
            index: index.finish()?,
            roles,
            _taken: taken,
        })
    }

    fn place(&self, first: usize, rank: u32, permission: Permission) -> Place {
        // The last role that begins at or before this rank: those without rules begin where
        // the next one does.
        let role = self.starts.partition_point(|start| *start <= rank);
        let role = role.saturating_sub(1);
        let start = self.starts.get(role).copied().unwrap_or_default();
        Place::Rule {
            grant: first.saturating_add(role),
            rule: rank.saturating_sub(start) as usize,
            permission,
        }
    }
}

/// From so many roles on they are merged.
pub(super) const MANY: usize = 4;

/// So many rules merged indexes have together, at a few hundred bytes each.
const MOST: usize = 1_000_000;

/// A merge of so many rules takes less than a hash.
const LARGEST_SMALL: usize = 500;

#[cfg(test)]
mod tests {
    use super::super::grant::{Assignment, Holder};
    use super::super::role::{RoleDefinition, Window};
    use super::super::rule::{AclType, Priority, Rule};
    use super::*;

    /// The grants of somebody with this many roles of two rules each.
    fn grants(roles: usize) -> Vec<Grant> {
        let rule = |filter| Rule::new(AclType::PublishClientSend, Permission::Allow, filter);
        let roles = (0..roles).map(|number| {
            let definition = RoleDefinition {
                name: format!("r{number}").into(),
                rules: vec![rule("a").unwrap(), rule("b").unwrap()],
                wildcard_subscriptions: WildcardSubscriptions::Allow,
                window: Window::default(),
                admin_prefix: None,
            };
            Assignment {
                role: Arc::new(Role::compile(definition).unwrap()),
                priority: Priority::MEMBER,
            }
        });
        let holder = Holder {
            roles: roles.collect(),
            groups: Vec::new(),
        };
        holder.grants()
    }

    #[test]
    fn many_roles_are_merged_and_a_few_are_not() {
        let mut merges = Merges::new();
        assert_eq!(Segment::all(&grants(MANY), &mut merges).len(), 1);
        assert_eq!(Segment::all(&grants(MANY - 1), &mut merges).len(), MANY - 1);
    }

    #[test]
    fn where_there_is_no_room_roles_are_asked_one_by_one() {
        let mut merges = Merges::sized(15, 15);
        let (four, other) = (grants(4), grants(4));
        let first = Segment::all(&four, &mut merges);
        assert_eq!(first.len(), 1);
        assert_eq!(Segment::all(&four, &mut merges).len(), 1, "the same again");
        assert_eq!(Segment::all(&other, &mut merges).len(), 4);
        drop(first);
        assert_eq!(Segment::all(&other, &mut merges).len(), 1, "room again");
    }
}
