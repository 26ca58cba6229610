//! The statements on how many there are, what they are called, and how often anything was changed.
//!
//! Must not: read more of an account than its name: a list of half a million is a walk along an index.
#![forbid(unsafe_code)]

use rusqlite::{Connection, Result};

use crate::store::sqlite::record;
use crate::store::{Listed, Page, Totals};

/// How many there are of each.
pub(in crate::store::sqlite) fn totals(connection: &Connection) -> Result<Totals> {
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM account_group),
                    (SELECT count(*) FROM role), changes
             FROM policy",
        )?
        .query_row([], |row| {
            let number = |column| row.get(column).map(i64::unsigned_abs);
            Ok(Totals {
                accounts: number(0)?,
                groups: number(1)?,
                roles: number(2)?,
                changes: number(3)?,
            })
        })
}

/// Names of accounts.
pub(in crate::store::sqlite) fn accounts(
    connection: &Connection,
    page: Page,
) -> Result<Vec<String>> {
    let sql = "SELECT username FROM account ORDER BY username LIMIT ?1 OFFSET ?2";
    names(connection, sql, page)
}

/// What a list shows of accounts, but for what they hold.
pub(in crate::store::sqlite) fn listed(
    connection: &Connection,
    page: Page,
) -> Result<Vec<std::result::Result<Listed, String>>> {
    connection
        .prepare_cached(
            "SELECT username, client_id, textname, textdescription, disabled FROM account
             ORDER BY username LIMIT ?1 OFFSET ?2",
        )?
        .query_map(limits(page), |row| Ok(record::listed(row)))?
        .collect()
}

/// Names of groups.
pub(in crate::store::sqlite) fn groups(connection: &Connection, page: Page) -> Result<Vec<String>> {
    let sql = "SELECT groupname FROM account_group ORDER BY groupname LIMIT ?1 OFFSET ?2";
    names(connection, sql, page)
}

/// Names of roles.
pub(in crate::store::sqlite) fn roles(connection: &Connection, page: Page) -> Result<Vec<String>> {
    let sql = "SELECT rolename FROM role ORDER BY rolename LIMIT ?1 OFFSET ?2";
    names(connection, sql, page)
}

/// Counts one change.
pub(in crate::store::sqlite) fn count_change(connection: &Connection) -> Result<()> {
    connection
        .prepare_cached("UPDATE policy SET changes = changes + 1 WHERE changes < ?1")?
        .execute([i64::MAX])
        .map(drop)
}

/// Says how many changes there have been.
pub(in crate::store::sqlite) fn set_changes(connection: &Connection, changes: i64) -> Result<()> {
    connection
        .prepare_cached("UPDATE policy SET changes = ?1")?
        .execute([changes])
        .map(drop)
}

fn names(connection: &Connection, sql: &str, page: Page) -> Result<Vec<String>> {
    connection
        .prepare_cached(sql)?
        .query_map(limits(page), |row| row.get(0))?
        .collect()
}

/// SQLite takes a negative limit for none.
fn limits(page: Page) -> [i64; 2] {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    [page.count.map_or(-1, number), number(page.offset)]
}
