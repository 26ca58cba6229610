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

/// A table that says who has what, and how early that is asked.
pub(in crate::store::sqlite) struct Bonds {
    priority: &'static str,
    put: &'static str,
    delete: &'static str,
}

/// The roles of accounts' own.
pub(in crate::store::sqlite) const ACCOUNT_ROLES: Bonds = Bonds {
    priority: "SELECT priority FROM account_role WHERE account_id = ?1 AND role_id = ?2",
    put: "INSERT INTO account_role (account_id, role_id, priority) VALUES (?1, ?2, ?3)
          ON CONFLICT (account_id, role_id) DO UPDATE SET priority = excluded.priority",
    delete: "DELETE FROM account_role WHERE account_id = ?1 AND role_id = ?2",
};

/// The roles of groups.
pub(in crate::store::sqlite) const GROUP_ROLES: Bonds = Bonds {
    priority: "SELECT priority FROM group_role WHERE group_id = ?1 AND role_id = ?2",
    put: "INSERT INTO group_role (group_id, role_id, priority) VALUES (?1, ?2, ?3)
          ON CONFLICT (group_id, role_id) DO UPDATE SET priority = excluded.priority",
    delete: "DELETE FROM group_role WHERE group_id = ?1 AND role_id = ?2",
};

/// The groups of accounts.
pub(in crate::store::sqlite) const GROUPS: Bonds = Bonds {
    priority: "SELECT priority FROM group_member WHERE account_id = ?1 AND group_id = ?2",
    put: "INSERT INTO group_member (account_id, group_id, priority) VALUES (?1, ?2, ?3)
          ON CONFLICT (account_id, group_id) DO UPDATE SET priority = excluded.priority",
    delete: "DELETE FROM group_member WHERE account_id = ?1 AND group_id = ?2",
};

/// Whoever has something, and what that is.
pub(in crate::store::sqlite) struct Bond {
    of: &'static Bonds,
    ids: [i64; 2],
}

impl Bonds {
    /// That of one to another, if both are there.
    pub(in crate::store::sqlite) fn between(
        &'static self,
        whose: Option<i64>,
        what: Option<i64>,
    ) -> Option<Bond> {
        let ids = [whose?, what?];
        Some(Bond { of: self, ids })
    }
}

impl Bond {
    /// With which priority, if there is such a bond.
    pub(in crate::store::sqlite) fn priority(
        &self,
        connection: &Connection,
    ) -> Result<Option<i64>> {
        connection
            .prepare_cached(self.of.priority)?
            .query_row(self.ids, |row| row.get(0))
            .optional()
    }

    /// Ties it, or gives another priority to the one that is there.
    pub(in crate::store::sqlite) fn put(
        &self,
        connection: &Connection,
        priority: i32,
    ) -> Result<()> {
        let [whose, what] = self.ids;
        connection
            .prepare_cached(self.of.put)?
            .execute(params![whose, what, priority])
            .map(drop)
    }

    /// Unties it; whether there was one.
    pub(in crate::store::sqlite) fn delete(&self, connection: &Connection) -> Result<bool> {
        connection
            .prepare_cached(self.of.delete)?
            .execute(self.ids)
            .map(|rows| rows > 0)
    }
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
