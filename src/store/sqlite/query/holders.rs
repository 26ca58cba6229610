//! The statements on who holds which role and who is in which group, for administration.
//!
//! Must not: touch a row that stays as it is, as [`super::roles`] must not. Whoever is listed is listed
//! by seeks into an index: a role that half a million accounts hold is shown as fast as any.
#![forbid(unsafe_code)]

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::model::{AccountName, GroupName, RoleName};
use crate::policy::Ranked;
use crate::store::sqlite::role_record;

/// The roles of an account's own, in the order they are asked.
pub(in crate::store::sqlite) fn roles_of_account(
    connection: &Connection,
    account: i64,
) -> Result<Vec<std::result::Result<Ranked<RoleName>, String>>> {
    all(
        connection,
        "SELECT rolename, priority FROM account_role JOIN role ON role.id = role_id
         WHERE account_id = ?1 ORDER BY priority DESC, rolename",
        [account],
        role_record::ranked_role,
    )
}

/// The groups of an account, in the order they are asked.
pub(in crate::store::sqlite) fn groups_of_account(
    connection: &Connection,
    account: i64,
) -> Result<Vec<std::result::Result<Ranked<GroupName>, String>>> {
    all(
        connection,
        "SELECT groupname, priority FROM group_member JOIN account_group ON account_group.id = group_id
         WHERE account_id = ?1 ORDER BY priority DESC, groupname",
        [account],
        role_record::ranked_group,
    )
}

/// The roles of the accounts from one name to another, by name, each with whose it is.
pub(in crate::store::sqlite) fn roles_between(
    connection: &Connection,
    names: [&str; 2],
) -> Result<Vec<Held<RoleName>>> {
    all(
        connection,
        "SELECT rolename, priority, username
         FROM account CROSS JOIN account_role ON account_id = account.id
         CROSS JOIN role ON role.id = role_id
         WHERE username BETWEEN ?1 AND ?2 ORDER BY username, priority DESC, rolename",
        names,
        |row| Ok((row.get(2)?, role_record::ranked_role(row))),
    )?
    .into_iter()
    .collect()
}

/// The groups of the accounts from one name to another, as [`roles_between`].
pub(in crate::store::sqlite) fn groups_between(
    connection: &Connection,
    names: [&str; 2],
) -> Result<Vec<Held<GroupName>>> {
    all(
        connection,
        "SELECT groupname, priority, username
         FROM account CROSS JOIN group_member ON account_id = account.id
         CROSS JOIN account_group ON account_group.id = group_id
         WHERE username BETWEEN ?1 AND ?2 ORDER BY username, priority DESC, groupname",
        names,
        |row| Ok((row.get(2)?, role_record::ranked_group(row))),
    )?
    .into_iter()
    .collect()
}

/// The roles of a group, in the order they are asked.
pub(in crate::store::sqlite) fn roles_of_group(
    connection: &Connection,
    group: i64,
) -> Result<Vec<std::result::Result<Ranked<RoleName>, String>>> {
    all(
        connection,
        "SELECT rolename, priority FROM group_role JOIN role ON role.id = role_id
         WHERE group_id = ?1 ORDER BY priority DESC, rolename",
        [group],
        role_record::ranked_role,
    )
}

/// The groups that hold a role.
pub(in crate::store::sqlite) fn groups_with_role(
    connection: &Connection,
    role: i64,
) -> Result<Vec<std::result::Result<Ranked<GroupName>, String>>> {
    all(
        connection,
        "SELECT groupname, priority FROM group_role JOIN account_group ON account_group.id = group_id
         WHERE role_id = ?1 ORDER BY groupname",
        [role],
        role_record::ranked_group,
    )
}

/// How many accounts hold a role of their own.
pub(in crate::store::sqlite) fn count_with_role(connection: &Connection, role: i64) -> Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM account_role WHERE role_id = ?1")?
        .query_row([role], |row| row.get(0).map(i64::unsigned_abs))
}

/// The first accounts that hold a role, in the order in which they were made; -1 for all.
pub(in crate::store::sqlite) fn accounts_with_role(
    connection: &Connection,
    role: i64,
    limit: i64,
) -> Result<Vec<std::result::Result<Ranked<AccountName>, String>>> {
    all(
        connection,
        "SELECT username, priority FROM account_role JOIN account ON account.id = account_id
         WHERE role_id = ?1 ORDER BY account_id LIMIT ?2",
        [role, limit],
        role_record::ranked_account,
    )
}

/// How many accounts are in a group.
pub(in crate::store::sqlite) fn count_members(connection: &Connection, group: i64) -> Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM group_member WHERE group_id = ?1")?
        .query_row([group], |row| row.get(0).map(i64::unsigned_abs))
}

/// The first accounts in a group, in the order in which they were made; -1 for all.
pub(in crate::store::sqlite) fn members(
    connection: &Connection,
    group: i64,
    limit: i64,
) -> Result<Vec<std::result::Result<Ranked<AccountName>, String>>> {
    all(
        connection,
        "SELECT username, priority FROM group_member JOIN account ON account.id = account_id
         WHERE group_id = ?1 ORDER BY account_id LIMIT ?2",
        [group, limit],
        role_record::ranked_account,
    )
}

/// With which priority an account holds a role of its own.
pub(in crate::store::sqlite) fn account_role(
    connection: &Connection,
    account: i64,
    role: i64,
) -> Result<Option<i64>> {
    priority(
        connection,
        "SELECT priority FROM account_role WHERE account_id = ?1 AND role_id = ?2",
        [account, role],
    )
}

/// Gives an account a role.
pub(in crate::store::sqlite) fn insert_account_role(
    connection: &Connection,
    account: i64,
    role: i64,
    priority: i32,
) -> Result<()> {
    write(
        connection,
        "INSERT INTO account_role (account_id, role_id, priority) VALUES (?1, ?2, ?3)",
        params![account, role, priority],
    )
}

/// Gives another priority to a role of an account.
pub(in crate::store::sqlite) fn update_account_role(
    connection: &Connection,
    account: i64,
    role: i64,
    priority: i32,
) -> Result<()> {
    write(
        connection,
        "UPDATE account_role SET priority = ?3 WHERE account_id = ?1 AND role_id = ?2",
        params![account, role, priority],
    )
}

/// Takes a role from an account.
pub(in crate::store::sqlite) fn delete_account_role(
    connection: &Connection,
    account: i64,
    role: i64,
) -> Result<bool> {
    delete(
        connection,
        "DELETE FROM account_role WHERE account_id = ?1 AND role_id = ?2",
        [account, role],
    )
}

/// With which priority a group holds a role.
pub(in crate::store::sqlite) fn group_role(
    connection: &Connection,
    group: i64,
    role: i64,
) -> Result<Option<i64>> {
    priority(
        connection,
        "SELECT priority FROM group_role WHERE group_id = ?1 AND role_id = ?2",
        [group, role],
    )
}

/// Gives a group a role.
pub(in crate::store::sqlite) fn insert_group_role(
    connection: &Connection,
    group: i64,
    role: i64,
    priority: i32,
) -> Result<()> {
    write(
        connection,
        "INSERT INTO group_role (group_id, role_id, priority) VALUES (?1, ?2, ?3)",
        params![group, role, priority],
    )
}

/// Gives another priority to a role of a group.
pub(in crate::store::sqlite) fn update_group_role(
    connection: &Connection,
    group: i64,
    role: i64,
    priority: i32,
) -> Result<()> {
    write(
        connection,
        "UPDATE group_role SET priority = ?3 WHERE group_id = ?1 AND role_id = ?2",
        params![group, role, priority],
    )
}

/// Takes a role from a group.
pub(in crate::store::sqlite) fn delete_group_role(
    connection: &Connection,
    group: i64,
    role: i64,
) -> Result<bool> {
    delete(
        connection,
        "DELETE FROM group_role WHERE group_id = ?1 AND role_id = ?2",
        [group, role],
    )
}

/// With which priority an account is in a group.
pub(in crate::store::sqlite) fn member(
    connection: &Connection,
    account: i64,
    group: i64,
) -> Result<Option<i64>> {
    priority(
        connection,
        "SELECT priority FROM group_member WHERE account_id = ?1 AND group_id = ?2",
        [account, group],
    )
}

/// Puts an account into a group.
pub(in crate::store::sqlite) fn insert_member(
    connection: &Connection,
    account: i64,
    group: i64,
    priority: i32,
) -> Result<()> {
    write(
        connection,
        "INSERT INTO group_member (account_id, group_id, priority) VALUES (?1, ?2, ?3)",
        params![account, group, priority],
    )
}

/// Gives another priority to a group of an account.
pub(in crate::store::sqlite) fn update_member(
    connection: &Connection,
    account: i64,
    group: i64,
    priority: i32,
) -> Result<()> {
    write(
        connection,
        "UPDATE group_member SET priority = ?3 WHERE account_id = ?1 AND group_id = ?2",
        params![account, group, priority],
    )
}

/// Takes an account out of a group.
pub(in crate::store::sqlite) fn delete_member(
    connection: &Connection,
    account: i64,
    group: i64,
) -> Result<bool> {
    delete(
        connection,
        "DELETE FROM group_member WHERE account_id = ?1 AND group_id = ?2",
        [account, group],
    )
}

/// Whose it is, and what.
pub(in crate::store::sqlite) type Held<T> = (String, std::result::Result<Ranked<T>, String>);

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> T,
) -> Result<Vec<T>> {
    connection
        .prepare_cached(sql)?
        .query_map(params, |row| Ok(read(row)))?
        .collect()
}

fn priority(connection: &Connection, sql: &str, ids: [i64; 2]) -> Result<Option<i64>> {
    connection
        .prepare_cached(sql)?
        .query_row(ids, |row| row.get(0))
        .optional()
}

fn write(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<()> {
    connection.prepare_cached(sql)?.execute(params).map(drop)
}

fn delete(connection: &Connection, sql: &str, ids: [i64; 2]) -> Result<bool> {
    connection
        .prepare_cached(sql)?
        .execute(ids)
        .map(|rows| rows > 0)
}
