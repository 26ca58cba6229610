//! Roles and groups as they are written down, and who holds them.
//!
//! Must not: decide anything, or know where it is written. What is asked is compiled from these, see
//! [`RoleDefinition`](super::RoleDefinition) and [`Holder`](super::Holder).
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use super::index::WildcardSubscriptions;
use super::role::{RoleDefinition, Window};
use super::rule::{Priority, Rule};
use crate::model::{AccountName, GroupName, NamePrefix, RoleName};

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredRole {
    /// Its name.
    pub name: RoleName,
    /// A name for people.
    pub textname: Option<Box<str>>,
    /// What it is for.
    pub textdescription: Option<Box<str>>,
    /// Whether its holders may subscribe with wildcards.
    pub wildcard_subscriptions: WildcardSubscriptions,
    /// When it holds.
    pub window: Window,
    /// What the names begin with of all that its holders may administer by it; none for no limit.
    pub admin_prefix: Option<NamePrefix>,
    /// Its rules, in the order they were added; no two of one type have the same topic.
    pub rules: Vec<Rule>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredGroup {
    /// Its name.
    pub name: GroupName,
    /// A name for people.
    pub textname: Option<Box<str>>,
    /// What it is for.
    pub textdescription: Option<Box<str>>,
    /// Its roles, in the order they are asked.
    pub roles: Vec<Ranked<RoleName>>,
}

/// What an account holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holdings {
    /// Its own roles, in the order they are asked.
    pub roles: Vec<Ranked<RoleName>>,
    /// Its groups, in the order they are asked.
    pub groups: Vec<Ranked<GroupName>>,
}

/// A role or a group among others of the same holder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ranked<T> {
    /// Which.
    pub name: T,
    /// How early it is asked.
    pub priority: Priority,
}

/// Who can be given a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Grantee {
    /// An account.
    Account(AccountName),
    /// A group, and through it its members.
    Group(GroupName),
}

impl StoredRole {
    /// A role with nothing but a name: it answers no question.
    #[must_use]
    pub fn named(name: RoleName) -> Self {
        Self {
            name,
            textname: None,
            textdescription: None,
            wildcard_subscriptions: WildcardSubscriptions::Allow,
            window: Window::default(),
            admin_prefix: None,
            rules: Vec::new(),
        }
    }

    /// The rules in the order they are asked.
    #[must_use]
    pub fn rules_as_asked(&self) -> Vec<&Rule> {
        let mut rules: Vec<&Rule> = self.rules.iter().collect();
        rules.sort_by_key(|rule| rule.place());
        rules
    }

    /// What it is compiled from.
    #[must_use]
    pub fn definition(self) -> RoleDefinition {
        RoleDefinition {
            name: self.name.as_str().into(),
            rules: self.rules,
            wildcard_subscriptions: self.wildcard_subscriptions,
            window: self.window,
            admin_prefix: self.admin_prefix,
        }
    }
}

impl StoredGroup {
    /// A group with nothing but a name.
    #[must_use]
    pub fn named(name: GroupName) -> Self {
        Self {
            name,
            textname: None,
            textdescription: None,
            roles: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AclType, Permission, Role};
    use super::*;

    #[test]
    fn the_rules_are_listed_in_the_order_in_which_a_compiled_role_asks_them() {
        let rule = |acl_type, topic, priority| {
            let rule = Rule::new(acl_type, Permission::Allow, topic).unwrap();
            rule.with_priority(Priority::clamped(priority))
        };
        let mut role = StoredRole::named(RoleName::new("r").unwrap());
        role.rules = vec![
            rule(AclType::PublishClientSend, "a", 0),
            rule(AclType::PublishClientSend, "b", 5),
            rule(AclType::SubscribeLiteral, "c", -7),
            rule(AclType::PublishClientReceive, "d", 5),
        ];
        let asked: Vec<_> = role.rules_as_asked().into_iter().cloned().collect();
        let topics: Vec<_> = asked.iter().map(|rule| rule.template().as_str()).collect();
        assert_eq!(topics, ["c", "b", "d", "a"]);
        let compiled = Role::compile(role.definition());
        assert_eq!(compiled.unwrap().rules(), asked);
    }
}
