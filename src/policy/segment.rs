//! Roles that are asked in one go: one of them, or many merged into one index.
//!
//! Must not: change what is decided. Merging costs memory and is worth it for many small roles; so a
//! large role stays by itself, a few roles stay as they are, and a merged index is shared by
//! everybody who has the same roles in the same order. A client's own roles are never merged with
//! those of its groups: a role that only one client has would cost it a copy of all the others.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::grant::Grant;
use super::index::{Finding, Index, IndexBuilder, WildcardSubscriptions};
use super::question::{Asker, Question};
use super::role::Role;
use super::shared::Shared;
use super::trie::TooMany;

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

/// Roles in order, in one index.
#[derive(Debug)]
pub(super) struct Merged {
    roles: Box<[Arc<Role>]>,
    /// The rank of each role's first rule.
    starts: Box<[u32]>,
    /// The first without wildcard subscriptions.
    without_wildcards: Option<usize>,
    index: Index,
}

/// What decides: the place of a role among the client's grants in force, and of a rule in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Rule { grant: usize, rule: usize },
    WildcardSubscription { grant: usize },
}

impl Segment {
    /// The segments of grants that are in force.
    pub(super) fn all(grants: &[Grant], merges: &mut Shared<Merged>) -> Vec<Self> {
        let mut segments = Vec::new();
        let mut first = 0_usize;
        let belong_together = |a: &Grant, b: &Grant| {
            let small = |grant: &Grant| grant.role.rules().len() <= LARGE;
            a.group.is_some() == b.group.is_some() && small(a) && small(b)
        };
        for run in grants.chunk_by(belong_together) {
            match Self::merge(run, merges) {
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

    /// What the roles say.
    pub(super) fn ask(&self, asker: Asker<'_>, question: &Question<'_>) -> Option<Place> {
        match &self.content {
            Content::One(role) => Some(match role.ask(asker, question)? {
                Finding::Rule(rank) => Place::Rule {
                    grant: self.first,
                    rule: rank as usize,
                },
                Finding::WildcardSubscription => Place::WildcardSubscription { grant: self.first },
            }),
            Content::Many(merged) => merged.ask(self.first, asker, question),
        }
    }

    /// One index for a run of grants, where that is worth it and there is room for it.
    fn merge(run: &[Grant], merges: &mut Shared<Merged>) -> Option<Arc<Merged>> {
        if run.len() < MANY {
            return None;
        }
        let roles: Box<[Arc<Role>]> = run.iter().map(|grant| grant.role.clone()).collect();
        let is_same = |merged: &Merged| {
            let mut pairs = merged.roles.iter().zip(&roles);
            merged.roles.len() == roles.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let names: Vec<&str> = roles.iter().map(|role| &**role.name()).collect();
        // A merge that does not fit is no loss: the roles are asked one by one.
        merges
            .find_or_make(&names, is_same, || Merged::new(roles.clone()))
            .ok()
    }
}

impl Merged {
    fn new(roles: Box<[Arc<Role>]>) -> Result<Self, TooMany> {
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
        })
    }

    fn ask(&self, first: usize, asker: Asker<'_>, question: &Question<'_>) -> Option<Place> {
        Some(match self.index.ask(asker, question)? {
            Finding::Rule(rank) => {
                // The last role that begins at or before this rank: those without rules begin where
                // the next one does.
                let role = self.starts.partition_point(|start| *start <= rank);
                let role = role.saturating_sub(1);
                let start = self.starts.get(role).copied().unwrap_or_default();
                Place::Rule {
                    grant: first.saturating_add(role),
                    rule: rank.saturating_sub(start) as usize,
                }
            }
            Finding::WildcardSubscription => Place::WildcardSubscription {
                grant: first.saturating_add(self.without_wildcards.unwrap_or_default()),
            },
        })
    }
}

/// From so many roles on they are merged.
const MANY: usize = 4;

/// A role with more rules than this is not merged with others.
const LARGE: usize = 4_096;
