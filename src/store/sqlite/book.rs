//! Roles and groups, read from doorman's own database and compiled.
//!
//! Must not: compile a role again that is as it was, or put half of what it read in force: one rule
//! that cannot be understood, and the book stays as it is. For the watcher's thread.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;
use rusqlite::Connection;

use super::failure;
use super::query::{grants, roles};
use crate::policy::{Book, Group, GroupId, Priority, Role, RoleId, StoredRole};
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
        let corrupt = |why| Error::Corrupt {
            path: path.to_owned(),
            why,
        };
        let mut roles = HashMap::new();
        for (id, revision) in grants::roles(&reading).map_err(failed)? {
            let known = self.roles.get(&RoleId(id));
            let role = match known.filter(|(known, _)| *known == revision) {
                Some((_, role)) => role.clone(),
                None => {
                    let stored = stored(&reading, id).map_err(failed)?;
                    Arc::new(stored.and_then(compile).map_err(corrupt)?)
                }
            };
            roles.insert(RoleId(id), (revision, role));
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
        let defaults = policy.defaults.map_err(corrupt)?;
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

/// A role with its rules, or which of them cannot be understood.
fn stored(connection: &Connection, id: i64) -> rusqlite::Result<Result<StoredRole, String>> {
    let role = match roles::role(connection, id)? {
        Some(Ok(role)) => role,
        Some(Err(why)) => return Ok(Err(why)),
        None => return Ok(Err("a role is gone while it is read".to_owned())),
    };
    let rules = roles::rules(connection, id)?;
    let wrong = |why| format!("role {:?}: {why}", role.name.as_str());
    let rules = rules
        .into_iter()
        .collect::<Result<_, String>>()
        .map_err(wrong);
    Ok(rules.map(|rules| StoredRole { rules, ..role }))
}

fn compile(role: StoredRole) -> Result<Role, String> {
    let name = role.name.clone();
    Role::compile(role.definition()).map_err(|error| format!("role {:?}: {error}", name.as_str()))
}
