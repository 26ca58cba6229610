//! Roles and groups, read from doorman's own database and compiled.
//!
//! Must not: compile a role again that is as it was, or put half of what it read in force: one rule
//! that cannot be understood, and the book stays as it is. For the watcher's thread.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;
use jiff::Timestamp;
use rusqlite::Connection;

use super::failure;
use super::query::grants::{self, RoleRow, RuleRow};
use crate::policy::{
    Book, Conditions, Defaults, Group, GroupId, Permission, Priority, Qos, Retain, Role,
    RoleDefinition, RoleId, Rule, WildcardSubscriptions, Window,
};
use crate::store::Error;

/// What was read, and which changes that includes.
#[derive(Default)]
pub(super) struct Shelf {
    /// None before anything was read.
    revision: Option<i64>,
    roles: HashMap<RoleId, (i64, Arc<Role>)>,
}

impl Shelf {
    /// The book as it is now, if it is another one than at the last time.
    pub(super) fn read(
        &mut self,
        connection: &Connection,
        path: &Path,
    ) -> Result<Option<Book>, Error> {
        let failed = |error| failure(path, &error);
        // All from one state of the database.
        let reading = connection.unchecked_transaction().map_err(failed)?;
        let Some(policy) = grants::policy(&reading).map_err(failed)? else {
            return Err(Error::Corrupt {
                path: path.to_owned(),
                why: "the row of the table policy is missing".to_owned(),
            });
        };
        if self.revision == Some(policy.revision) {
            return Ok(None);
        }
        let mut roles = HashMap::new();
        for row in grants::roles(&reading).map_err(failed)? {
            let id = RoleId(row.id);
            let revision = row.revision;
            let known = self.roles.get(&id).filter(|(known, _)| *known == revision);
            let role = match known {
                Some((_, role)) => role.clone(),
                None => {
                    let rules = grants::rules(&reading, row.id).map_err(failed)?;
                    let compiled = compile(row, rules);
                    Arc::new(compiled.map_err(|why| Error::Corrupt {
                        path: path.to_owned(),
                        why,
                    })?)
                }
            };
            roles.insert(id, (revision, role));
        }
        let mut groups: HashMap<GroupId, Group> = HashMap::new();
        for (id, name) in grants::groups(&reading).map_err(failed)? {
            let name = name.into();
            let roles = Vec::new();
            groups.insert(GroupId(id), Group { name, roles });
        }
        for (group, role, priority) in grants::group_roles(&reading).map_err(failed)? {
            // Both are there by the foreign keys, which a tool may not have kept.
            if let Some(group) = groups.get_mut(&GroupId(group)) {
                group
                    .roles
                    .push((RoleId(role), Priority::clamped(priority)));
            }
        }
        let defaults = Defaults {
            send: permission(policy.send),
            receive: permission(policy.receive),
            subscribe: permission(policy.subscribe),
            unsubscribe: permission(policy.unsubscribe),
        };
        self.roles = roles;
        self.revision = Some(policy.revision);
        Ok(Some(Book {
            roles: self
                .roles
                .iter()
                .map(|(id, (_, role))| (*id, role.clone()))
                .collect(),
            groups,
            defaults,
            anonymous: policy.anonymous_group_id.map(GroupId),
        }))
    }
}

fn compile(row: RoleRow, rules: Vec<RuleRow>) -> Result<Role, String> {
    let name = row.name;
    let wrong = |why: String| format!("role {name:?}: {why}");
    let moment = |seconds: Option<i64>| {
        let moment = seconds.map(Timestamp::from_second).transpose();
        moment.map_err(|error| wrong(error.to_string()))
    };
    let window = Window {
        from: moment(row.valid_from)?,
        until: moment(row.valid_until)?,
    };
    let rules = rules.into_iter().map(|row| {
        let what = format!("{} {:?}", row.acl_type, row.topic);
        rule(row).map_err(|why| wrong(format!("{what}: {why}")))
    });
    let definition = RoleDefinition {
        name: name.as_str().into(),
        rules: rules.collect::<Result<_, String>>()?,
        wildcard_subscriptions: match row.wildcard_subscriptions {
            true => WildcardSubscriptions::Allow,
            false => WildcardSubscriptions::Deny,
        },
        window,
    };
    Role::compile(definition).map_err(|error| wrong(error.to_string()))
}

fn rule(row: RuleRow) -> Result<Rule, String> {
    let max_qos = row.max_qos.map(|qos| Qos::of(qos).ok_or("no such QoS"));
    let conditions = Conditions {
        max_qos: max_qos.transpose()?,
        retain: match row.retain {
            true => Retain::Either,
            false => Retain::Never,
        },
        max_payload: row.max_payload,
    };
    let make = || {
        let rule = Rule::new(row.acl_type.parse()?, permission(row.allow), &row.topic)?;
        rule.with_priority(Priority::clamped(row.priority))
            .with_conditions(conditions)
    };
    make().map_err(|error: crate::policy::RuleError| error.to_string())
}

fn permission(allow: bool) -> Permission {
    match allow {
        true => Permission::Allow,
        false => Permission::Deny,
    }
}
