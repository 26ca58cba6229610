//! The statements on roles, groups and who holds them, for administration.
//!
//! Must not: touch a row that stays as it is. Triggers number every write and tell the broker, which
//! then judges everybody concerned again; so nothing is deleted to be inserted anew.
#![forbid(unsafe_code)]

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::model::NamePrefix;
use crate::policy::{
    Conditions, Defaults, Permission, Qos, Retain, Rule, StoredGroup, StoredRole,
    WildcardSubscriptions, Window,
};
use crate::store::sqlite::role_record;

/// The role with this id, without its rules.
pub(in crate::store::sqlite) fn role(
    connection: &Connection,
    id: i64,
) -> Result<Option<std::result::Result<StoredRole, String>>> {
    connection
        .prepare_cached(
            "SELECT rolename, textname, textdescription, allow_wildcard_subs, valid_from,
                    valid_until, admin_prefix
             FROM role WHERE id = ?1",
        )?
        .query_row([id], |row| Ok(role_record::role(row)))
        .optional()
}

/// The id of the role of this name.
pub(in crate::store::sqlite) fn role_id(
    connection: &Connection,
    rolename: &str,
) -> Result<Option<i64>> {
    id(
        connection,
        "SELECT id FROM role WHERE rolename = ?1",
        rolename,
    )
}

/// The ids of all roles, in the order of their names.
pub(in crate::store::sqlite) fn role_ids(connection: &Connection) -> Result<Vec<i64>> {
    connection
        .prepare_cached("SELECT id FROM role ORDER BY rolename")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The rules of a role, in the order in which they were added.
pub(in crate::store::sqlite) fn rules(
    connection: &Connection,
    role: i64,
) -> Result<Vec<std::result::Result<Rule, String>>> {
    connection
        .prepare_cached(
            "SELECT acltype, topic, allow, priority, max_qos, retain, max_payload
             FROM role_acl WHERE role_id = ?1 ORDER BY id",
        )?
        .query_map([role], |row| Ok(role_record::rule(row)))?
        .collect()
}

/// The rule of this type and topic.
pub(in crate::store::sqlite) fn rule(
    connection: &Connection,
    role: i64,
    acltype: &str,
    topic: &str,
) -> Result<Option<std::result::Result<Rule, String>>> {
    connection
        .prepare_cached(
            "SELECT acltype, topic, allow, priority, max_qos, retain, max_payload
             FROM role_acl WHERE role_id = ?1 AND acltype = ?2 AND topic = ?3",
        )?
        .query_row(params![role, acltype, topic], |row| {
            Ok(role_record::rule(row))
        })
        .optional()
}

/// Writes a new role without rules; its id.
pub(in crate::store::sqlite) fn insert_role(
    connection: &Connection,
    role: &StoredRole,
) -> Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO role (rolename, textname, textdescription, allow_wildcard_subs,
                               valid_from, valid_until, admin_prefix)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .insert(params![
            role.name.as_str(),
            role.textname,
            role.textdescription,
            role.wildcard_subscriptions == WildcardSubscriptions::Allow,
            role.window.from.map(jiff::Timestamp::as_second),
            role.window.until.map(jiff::Timestamp::as_second),
            role.admin_prefix.as_ref().map(NamePrefix::as_str),
        ])
}

/// Writes what people read about a role, which is no change for anybody who holds it.
pub(in crate::store::sqlite) fn describe_role(
    connection: &Connection,
    role: &StoredRole,
) -> Result<()> {
    execute(
        connection,
        "UPDATE role SET textname = ?2, textdescription = ?3 WHERE rolename = ?1",
        params![role.name.as_str(), role.textname, role.textdescription],
    )
}

/// Writes when a role holds.
pub(in crate::store::sqlite) fn set_window(
    connection: &Connection,
    rolename: &str,
    window: Window,
) -> Result<()> {
    execute(
        connection,
        "UPDATE role SET valid_from = ?2, valid_until = ?3 WHERE rolename = ?1",
        params![
            rolename,
            window.from.map(jiff::Timestamp::as_second),
            window.until.map(jiff::Timestamp::as_second),
        ],
    )
}

/// Writes whether the holders of a role may subscribe with wildcards.
pub(in crate::store::sqlite) fn set_wildcard_subscriptions(
    connection: &Connection,
    rolename: &str,
    wildcard_subscriptions: WildcardSubscriptions,
) -> Result<()> {
    execute(
        connection,
        "UPDATE role SET allow_wildcard_subs = ?2 WHERE rolename = ?1",
        params![
            rolename,
            wildcard_subscriptions == WildcardSubscriptions::Allow
        ],
    )
}

/// Writes what the holders of a role may administer by it.
pub(in crate::store::sqlite) fn set_admin_prefix(
    connection: &Connection,
    rolename: &str,
    prefix: Option<&NamePrefix>,
) -> Result<()> {
    execute(
        connection,
        "UPDATE role SET admin_prefix = ?2 WHERE rolename = ?1",
        params![rolename, prefix.map(NamePrefix::as_str)],
    )
}

/// Takes a role away, and with it its rules and whoever holds it.
pub(in crate::store::sqlite) fn delete_role(
    connection: &Connection,
    rolename: &str,
) -> Result<bool> {
    delete(
        connection,
        "DELETE FROM role WHERE rolename = ?1",
        [rolename],
    )
}

/// Writes a new rule behind those that are there.
pub(in crate::store::sqlite) fn insert_rule(
    connection: &Connection,
    role: i64,
    rule: &Rule,
) -> Result<()> {
    write_rule(
        connection,
        "INSERT INTO role_acl (role_id, acltype, topic, allow, priority, max_qos, retain, max_payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        role,
        rule,
    )
}

/// Writes a rule over the one of its type and topic, which keeps its id and so its place.
pub(in crate::store::sqlite) fn update_rule(
    connection: &Connection,
    role: i64,
    rule: &Rule,
) -> Result<()> {
    write_rule(
        connection,
        "UPDATE role_acl SET allow = ?4, priority = ?5, max_qos = ?6, retain = ?7, max_payload = ?8
         WHERE role_id = ?1 AND acltype = ?2 AND topic = ?3",
        role,
        rule,
    )
}

/// Takes a rule away.
pub(in crate::store::sqlite) fn delete_rule(
    connection: &Connection,
    role: i64,
    acltype: &str,
    topic: &str,
) -> Result<bool> {
    delete(
        connection,
        "DELETE FROM role_acl WHERE role_id = ?1 AND acltype = ?2 AND topic = ?3",
        params![role, acltype, topic],
    )
}

/// The group with this id, without its roles.
pub(in crate::store::sqlite) fn group(
    connection: &Connection,
    id: i64,
) -> Result<Option<std::result::Result<StoredGroup, String>>> {
    connection
        .prepare_cached(
            "SELECT groupname, textname, textdescription FROM account_group WHERE id = ?1",
        )?
        .query_row([id], |row| Ok(role_record::group(row)))
        .optional()
}

/// The id of the group of this name.
pub(in crate::store::sqlite) fn group_id(
    connection: &Connection,
    groupname: &str,
) -> Result<Option<i64>> {
    id(
        connection,
        "SELECT id FROM account_group WHERE groupname = ?1",
        groupname,
    )
}

/// The ids of all groups, in the order of their names.
pub(in crate::store::sqlite) fn group_ids(connection: &Connection) -> Result<Vec<i64>> {
    connection
        .prepare_cached("SELECT id FROM account_group ORDER BY groupname")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Writes a new group without roles; its id.
pub(in crate::store::sqlite) fn insert_group(
    connection: &Connection,
    group: &StoredGroup,
) -> Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO account_group (groupname, textname, textdescription) VALUES (?1, ?2, ?3)",
        )?
        .insert(params![
            group.name.as_str(),
            group.textname,
            group.textdescription
        ])
}

/// Writes what people read about a group.
pub(in crate::store::sqlite) fn describe_group(
    connection: &Connection,
    group: &StoredGroup,
) -> Result<()> {
    execute(
        connection,
        "UPDATE account_group SET textname = ?2, textdescription = ?3 WHERE groupname = ?1",
        params![group.name.as_str(), group.textname, group.textdescription],
    )
}

/// Takes a group away, and with it its roles and members.
pub(in crate::store::sqlite) fn delete_group(
    connection: &Connection,
    groupname: &str,
) -> Result<bool> {
    delete(
        connection,
        "DELETE FROM account_group WHERE groupname = ?1",
        [groupname],
    )
}

/// What happens where no rule answers.
pub(in crate::store::sqlite) fn defaults(
    connection: &Connection,
) -> Result<std::result::Result<Defaults, String>> {
    connection
        .prepare_cached(
            "SELECT publish_client_send, publish_client_receive, subscribe, unsubscribe
             FROM policy",
        )?
        .query_row([], |row| Ok(role_record::defaults(row)))
}

/// Writes what happens where no rule answers.
pub(in crate::store::sqlite) fn set_defaults(
    connection: &Connection,
    defaults: Defaults,
) -> Result<()> {
    let allows = |permission| permission == Permission::Allow;
    execute(
        connection,
        "UPDATE policy SET publish_client_send = ?1, publish_client_receive = ?2, subscribe = ?3,
                unsubscribe = ?4",
        params![
            allows(defaults.send),
            allows(defaults.receive),
            allows(defaults.subscribe),
            allows(defaults.unsubscribe),
        ],
    )
}

/// The name of the group of clients without a username.
pub(in crate::store::sqlite) fn anonymous_group(connection: &Connection) -> Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT groupname FROM policy JOIN account_group ON account_group.id = anonymous_group_id",
        )?
        .query_row([], |row| row.get(0))
        .optional()
}

/// Says which group is that of clients without a username; none takes them out of theirs.
pub(in crate::store::sqlite) fn set_anonymous_group(
    connection: &Connection,
    group: Option<i64>,
) -> Result<()> {
    execute(
        connection,
        "UPDATE policy SET anonymous_group_id = ?1",
        [group],
    )
}

fn id(connection: &Connection, sql: &str, name: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached(sql)?
        .query_row([name], |row: &Row<'_>| row.get(0))
        .optional()
}

fn write_rule(connection: &Connection, sql: &str, role: i64, rule: &Rule) -> Result<()> {
    let Conditions {
        max_qos,
        retain,
        max_payload,
    } = *rule.conditions();
    let max_qos = max_qos.map(Qos::number);
    execute(
        connection,
        sql,
        params![
            role,
            rule.acl_type().as_str(),
            rule.template().as_str(),
            rule.permission() == Permission::Allow,
            rule.priority().number(),
            max_qos,
            retain == Retain::Either,
            max_payload,
        ],
    )
}

fn execute(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<()> {
    connection.prepare_cached(sql)?.execute(params).map(drop)
}

fn delete(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<bool> {
    connection
        .prepare_cached(sql)?
        .execute(params)
        .map(|rows| rows > 0)
}
