//! What is read of roles, groups and who holds them, to decide with.
//!
//! Must not: read a rule: that is done once for administration and for deciding, in `roles.rs`.
#![forbid(unsafe_code)]

use rusqlite::{Connection, OptionalExtension, Result};

use crate::policy::Defaults;
use crate::store::sqlite::role_record;

/// The row of `policy`.
pub(in crate::store::sqlite) struct PolicyRow {
    pub(in crate::store::sqlite) defaults: std::result::Result<Defaults, String>,
    pub(in crate::store::sqlite) anonymous_group_id: Option<i64>,
    pub(in crate::store::sqlite) revision: i64,
}

/// Something held, and its priority.
pub(in crate::store::sqlite) struct Held {
    /// [`ROLE`], [`GROUP`], or 0 for the account itself.
    pub(in crate::store::sqlite) kind: i64,
    pub(in crate::store::sqlite) id: i64,
    pub(in crate::store::sqlite) priority: i64,
}

/// In [`Held::kind`]: a role of its own.
pub(in crate::store::sqlite) const ROLE: i64 = 1;
/// In [`Held::kind`]: a group that it is in.
pub(in crate::store::sqlite) const GROUP: i64 = 2;

/// The one row of `policy`.
pub(in crate::store::sqlite) fn policy(connection: &Connection) -> Result<Option<PolicyRow>> {
    connection
        .prepare_cached(
            "SELECT publish_client_send, publish_client_receive, subscribe, unsubscribe,
                    anonymous_group_id, revision
             FROM policy",
        )?
        .query_row([], |row| {
            Ok(PolicyRow {
                defaults: role_record::defaults(row),
                anonymous_group_id: row.get(4)?,
                revision: row.get(5)?,
            })
        })
        .optional()
}

/// Every role: its id and the number of its last change.
pub(in crate::store::sqlite) fn roles(connection: &Connection) -> Result<Vec<(i64, i64)>> {
    connection
        .prepare_cached("SELECT id, revision FROM role")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The role of a name: its id.
pub(in crate::store::sqlite) fn role(connection: &Connection, name: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM role WHERE rolename = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// Every group: its id and name.
pub(in crate::store::sqlite) fn groups(connection: &Connection) -> Result<Vec<(i64, String)>> {
    connection
        .prepare_cached("SELECT id, groupname FROM account_group")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The roles of every group: group, role, priority.
pub(in crate::store::sqlite) fn group_roles(
    connection: &Connection,
) -> Result<Vec<(i64, i64, i64)>> {
    connection
        .prepare_cached("SELECT group_id, role_id, priority FROM group_role")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}

/// That there is an account of this name, and what it holds.
pub(in crate::store::sqlite) fn held(connection: &Connection, username: &str) -> Result<Vec<Held>> {
    connection
        .prepare_cached(
            "SELECT 0, id, 0 FROM account WHERE username = ?1
             UNION ALL
             SELECT 1, role_id, priority FROM account_role
             WHERE account_id = (SELECT id FROM account WHERE username = ?1)
             UNION ALL
             SELECT 2, group_id, priority FROM group_member
             WHERE account_id = (SELECT id FROM account WHERE username = ?1)",
        )?
        .query_map([username], |row| {
            Ok(Held {
                kind: row.get(0)?,
                id: row.get(1)?,
                priority: row.get(2)?,
            })
        })?
        .collect()
}
