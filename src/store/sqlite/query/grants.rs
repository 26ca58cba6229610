//! What is read of roles, groups and who holds them, to decide with.
//!
//! Must not: understand a row; [`super::super::book`] does.
#![forbid(unsafe_code)]

use rusqlite::{Connection, OptionalExtension, Result};

/// The row of `policy`.
pub(in crate::store::sqlite) struct PolicyRow {
    pub(in crate::store::sqlite) send: bool,
    pub(in crate::store::sqlite) receive: bool,
    pub(in crate::store::sqlite) subscribe: bool,
    pub(in crate::store::sqlite) unsubscribe: bool,
    pub(in crate::store::sqlite) anonymous_group_id: Option<i64>,
    pub(in crate::store::sqlite) revision: i64,
}

/// A row of `role`.
pub(in crate::store::sqlite) struct RoleRow {
    pub(in crate::store::sqlite) id: i64,
    pub(in crate::store::sqlite) name: String,
    pub(in crate::store::sqlite) wildcard_subscriptions: bool,
    pub(in crate::store::sqlite) valid_from: Option<i64>,
    pub(in crate::store::sqlite) valid_until: Option<i64>,
    pub(in crate::store::sqlite) revision: i64,
}

/// A row of `role_acl`.
pub(in crate::store::sqlite) struct RuleRow {
    pub(in crate::store::sqlite) acl_type: String,
    pub(in crate::store::sqlite) topic: String,
    pub(in crate::store::sqlite) allow: bool,
    pub(in crate::store::sqlite) priority: i64,
    pub(in crate::store::sqlite) max_qos: Option<u8>,
    pub(in crate::store::sqlite) retain: bool,
    pub(in crate::store::sqlite) max_payload: Option<u32>,
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
                send: row.get(0)?,
                receive: row.get(1)?,
                subscribe: row.get(2)?,
                unsubscribe: row.get(3)?,
                anonymous_group_id: row.get(4)?,
                revision: row.get(5)?,
            })
        })
        .optional()
}

/// Every role.
pub(in crate::store::sqlite) fn roles(connection: &Connection) -> Result<Vec<RoleRow>> {
    connection
        .prepare_cached(
            "SELECT id, rolename, allow_wildcard_subs, valid_from, valid_until, revision FROM role",
        )?
        .query_map([], |row| {
            Ok(RoleRow {
                id: row.get(0)?,
                name: row.get(1)?,
                wildcard_subscriptions: row.get(2)?,
                valid_from: row.get(3)?,
                valid_until: row.get(4)?,
                revision: row.get(5)?,
            })
        })?
        .collect()
}

/// The rules of a role, in the order in which they were added.
pub(in crate::store::sqlite) fn rules(connection: &Connection, role: i64) -> Result<Vec<RuleRow>> {
    connection
        .prepare_cached(
            "SELECT acltype, topic, allow, priority, max_qos, retain, max_payload
             FROM role_acl WHERE role_id = ?1 ORDER BY id",
        )?
        .query_map([role], |row| {
            Ok(RuleRow {
                acl_type: row.get(0)?,
                topic: row.get(1)?,
                allow: row.get(2)?,
                priority: row.get(3)?,
                max_qos: row.get(4)?,
                retain: row.get(5)?,
                max_payload: row.get(6)?,
            })
        })?
        .collect()
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
