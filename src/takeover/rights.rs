//! What the roles and groups of a place say somebody may do: read, compiled, and asked here.
//!
//! Must not: know what is asked, or keep more than it was given: who holds what is asked of the place.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Error;
use crate::model::{GroupName, RoleName};
use crate::policy::{
    Assignment, Compiler, Defaults, Holder, Holdings, Membership, Priority, Ranked, Rights, Role,
    StoredGroup, StoredRole, TooMany,
};
use crate::store::{self, Roles};

/// All roles and groups of a place.
///
/// # Errors
/// When it cannot be read.
pub fn roles_and_groups(
    place: &mut dyn Roles,
) -> Result<(Vec<StoredRole>, Vec<StoredGroup>), store::Error> {
    let (mut roles, mut groups) = (Vec::new(), Vec::new());
    place.roles(&mut |role| {
        roles.push(role);
        Ok(())
    })?;
    place.groups(&mut |group| {
        groups.push(group);
        Ok(())
    })?;
    Ok((roles, groups))
}

/// The roles and groups of a place, compiled.
pub struct Compiled {
    compiler: Compiler,
    roles: HashMap<RoleName, Arc<Role>>,
    groups: HashMap<GroupName, StoredGroup>,
    defaults: Defaults,
    anonymous: Option<GroupName>,
    now: Timestamp,
}

impl Compiled {
    /// Reads and compiles all there is, for this moment.
    pub fn read(place: &mut dyn Roles, now: Timestamp) -> Result<Self, Error> {
        let (roles, groups) = roles_and_groups(place)?;
        let (defaults, anonymous) = (place.defaults()?, place.anonymous_group()?);
        let mut compiler = Compiler::thorough();
        let compile = |role: StoredRole| Ok((role.name.clone(), compiler.role(role.definition())?));
        let roles = roles.into_iter().map(compile);
        let groups = groups.into_iter().map(|group| (group.name.clone(), group));
        Ok(Self {
            roles: roles.collect::<Result<_, TooMany>>()?,
            groups: groups.collect(),
            compiler,
            defaults,
            anonymous,
            now,
        })
    }

    /// Every role, in no order.
    pub fn roles(&self) -> impl Iterator<Item = (&RoleName, &Arc<Role>)> {
        self.roles.iter()
    }

    /// What somebody holds.
    pub fn holder(&self, holdings: &Holdings) -> Holder {
        let membership = |held: &Ranked<GroupName>| {
            let group = self.groups.get(&held.name)?;
            Some(Membership {
                group: group.name.as_str().into(),
                priority: held.priority,
                roles: self.assignments(&group.roles),
            })
        };
        Holder {
            roles: self.assignments(&holdings.roles),
            groups: holdings.groups.iter().filter_map(membership).collect(),
        }
    }

    /// The rights of whoever holds this.
    pub fn of(&mut self, holdings: &Holdings) -> Arc<Rights> {
        let holder = self.holder(holdings);
        self.compiler.rights(&holder, self.defaults, self.now)
    }

    /// What clients without a username hold.
    pub fn anonymous(&self) -> Holdings {
        let anonymous = |name: &GroupName| Ranked {
            name: name.clone(),
            priority: Priority::MEMBER,
        };
        Holdings {
            roles: Vec::new(),
            groups: self.anonymous.iter().map(anonymous).collect(),
        }
    }

    /// Their rights.
    pub fn of_anonymous(&mut self) -> Arc<Rights> {
        self.of(&self.anonymous())
    }

    /// The place keeps no name of a role or group that it has not.
    fn assignments(&self, held: &[Ranked<RoleName>]) -> Vec<Assignment> {
        let assignment = |held: &Ranked<RoleName>| {
            Some(Assignment {
                role: Arc::clone(self.roles.get(&held.name)?),
                priority: held.priority,
            })
        };
        held.iter().filter_map(assignment).collect()
    }
}
