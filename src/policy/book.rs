//! All roles and groups of one source, compiled, and what follows for somebody who holds some of them.
//!
//! Must not: know who holds what: a source may have more accounts than anybody wants to keep. A book is
//! never changed; a change makes another one, which shares the roles that are as they were.
#![forbid(unsafe_code)]

use std::sync::Arc;

use hashbrown::HashMap;

use super::grant::{Assignment, Holder, Membership};
use super::rights::Defaults;
use super::role::Role;
use super::rule::Priority;

/// A role, as its source numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleId(pub i64);

/// A group, as its source numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub i64);

/// The roles and groups there are.
#[derive(Clone, Debug)]
pub struct Book {
    /// Every role.
    pub roles: HashMap<RoleId, Arc<Role>>,
    /// Every group.
    pub groups: HashMap<GroupId, Group>,
    /// What happens when no rule answers.
    pub defaults: Defaults,
    /// The group of clients without a username.
    pub anonymous: Option<GroupId>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// Its roles.
    pub roles: Vec<(RoleId, Priority)>,
}

/// What somebody holds, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Roles of its own.
    pub roles: Vec<(RoleId, Priority)>,
    /// Groups that it is in.
    pub groups: Vec<(GroupId, Priority)>,
}

/// A role or a group that is not in the book: it was made after the book was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role or group is too new to be known yet")]
pub struct TooNew;

impl Book {
    /// What clients without a username hold.
    #[must_use]
    pub fn anonymous(&self) -> Holding {
        Holding {
            roles: Vec::new(),
            groups: self
                .anonymous
                .map(|id| (id, Priority::MEMBER))
                .into_iter()
                .collect(),
        }
    }

    /// The roles and groups of these numbers.
    ///
    /// # Errors
    /// When one of them is not in the book: without it, nothing that follows would be right.
    pub fn holder(&self, holding: &Holding) -> Result<Holder, TooNew> {
        let groups = holding.groups.iter().map(|(id, priority)| {
            let group = self.groups.get(id).ok_or(TooNew)?;
            Ok(Membership {
                group: group.name.clone(),
                priority: *priority,
                roles: self.assignments(&group.roles)?,
            })
        });
        Ok(Holder {
            roles: self.assignments(&holding.roles)?,
            groups: groups.collect::<Result<_, TooNew>>()?,
        })
    }

    fn assignments(&self, roles: &[(RoleId, Priority)]) -> Result<Vec<Assignment>, TooNew> {
        let assignment = |(id, priority): &(RoleId, Priority)| {
            Ok(Assignment {
                role: self.roles.get(id).ok_or(TooNew)?.clone(),
                priority: *priority,
            })
        };
        roles.iter().map(assignment).collect()
    }
}
