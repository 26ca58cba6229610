//! What a client holds: roles of its own and roles of its groups, and the order they are asked in.
//!
//! Must not: decide anything, or look into a role.
#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::sync::Arc;

use super::role::Role;
use super::rule::Priority;

/// What a client holds.
#[derive(Clone, Debug, Default)]
pub struct Holder {
    /// Its own roles.
    pub roles: Vec<Assignment>,
    /// The groups it is in. An anonymous client holds nothing but the anonymous group.
    pub groups: Vec<Membership>,
}

/// A role of a client or of a group.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The role.
    pub role: Arc<Role>,
    /// How early it is asked among the others.
    pub priority: Priority,
}

/// A group that a client is in.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The group's name.
    pub group: Arc<str>,
    /// How early it is asked among the client's groups.
    pub priority: Priority,
    /// The group's roles.
    pub roles: Vec<Assignment>,
}

/// One role of a client, and how it came by it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The role.
    pub role: Arc<Role>,
    /// Its priority among the roles of the client or the group.
    pub priority: Priority,
    /// The group it comes from; none for a role of the client's own.
    pub group: Option<GroupGrant>,
}

/// The group a role comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupGrant {
    /// Its name.
    pub name: Arc<str>,
    /// Its priority among the client's groups.
    pub priority: Priority,
}

impl Holder {
    /// The roles in the order they are asked: the client's own, then each group's; by priority, and
    /// by name where that is equal.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        let mut groups: Vec<&Membership> = self.groups.iter().collect();
        groups.sort_by_key(|group| (Reverse(group.priority), &group.group));
        let of_groups = groups.into_iter().flat_map(|membership| {
            let group = GroupGrant {
                name: membership.group.clone(),
                priority: membership.priority,
            };
            granted(&membership.roles, Some(group))
        });
        let own = granted(&self.roles, None);
        own.into_iter().chain(of_groups).collect()
    }
}

impl Grant {
    /// Whether it is the same role, the very same compiled one, held in the same way.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.role, &other.role)
            && self.priority == other.priority
            && self.group == other.group
    }
}

fn granted(assignments: &[Assignment], group: Option<GroupGrant>) -> Vec<Grant> {
    let mut sorted: Vec<&Assignment> = assignments.iter().collect();
    sorted.sort_by_key(|assignment| (Reverse(assignment.priority), assignment.role.name()));
    let grant = |assignment: &Assignment| Grant {
        role: assignment.role.clone(),
        priority: assignment.priority,
        group: group.clone(),
    };
    sorted.into_iter().map(grant).collect()
}
