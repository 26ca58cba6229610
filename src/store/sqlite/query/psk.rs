//! The statements about keys of TLS-PSK.
//!
//! Must not: understand what they find.
#![forbid(unsafe_code)]

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

/// A row as it is.
pub(in crate::store::sqlite) struct Raw {
    pub(in crate::store::sqlite) id: i64,
    pub(in crate::store::sqlite) identity: String,
    pub(in crate::store::sqlite) username: String,
    pub(in crate::store::sqlite) key: Vec<u8>,
    pub(in crate::store::sqlite) sealed: bool,
}

/// The row of an identity.
pub(in crate::store::sqlite) fn one(
    connection: &Connection,
    identity: &str,
) -> Result<Option<Raw>> {
    connection
        .prepare_cached(
            "SELECT psk.id, identity, username, key, sealed FROM psk
             JOIN account ON account.id = account_id WHERE identity = ?1",
        )?
        .query_row([identity], raw)
        .optional()
}

/// The rows of an account, by identity.
pub(in crate::store::sqlite) fn of(connection: &Connection, username: &str) -> Result<Vec<Raw>> {
    connection
        .prepare_cached(
            "SELECT psk.id, identity, username, key, sealed FROM psk
             JOIN account ON account.id = account_id WHERE username = ?1 ORDER BY identity",
        )?
        .query_map([username], raw)?
        .collect()
}

/// Some rows behind an id, by id.
pub(in crate::store::sqlite) fn some(
    connection: &Connection,
    behind: i64,
    most: u32,
) -> Result<Vec<Raw>> {
    connection
        .prepare_cached(
            "SELECT psk.id, identity, username, key, sealed FROM psk
             JOIN account ON account.id = account_id WHERE psk.id > ?1 ORDER BY psk.id LIMIT ?2",
        )?
        .query_map(params![behind, most], raw)?
        .collect()
}

/// The first rows that are sealed.
pub(in crate::store::sqlite) fn sealed(connection: &Connection, most: u32) -> Result<Vec<Raw>> {
    connection
        .prepare_cached(
            "SELECT psk.id, identity, username, key, sealed FROM psk
             JOIN account ON account.id = account_id WHERE sealed = 1 LIMIT ?1",
        )?
        .query_map([most], raw)?
        .collect()
}

/// Writes a row, in place of the one of its identity if there is one.
pub(in crate::store::sqlite) fn put(
    connection: &Connection,
    identity: &str,
    account: i64,
    key: &[u8],
    sealed: bool,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO psk (identity, account_id, key, sealed) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (identity) DO UPDATE
             SET account_id = excluded.account_id, key = excluded.key, sealed = excluded.sealed",
        )?
        .execute(params![identity, account, key, sealed])
        .map(drop)
}

/// Takes a row away.
pub(in crate::store::sqlite) fn delete(connection: &Connection, identity: &str) -> Result<bool> {
    connection
        .prepare_cached("DELETE FROM psk WHERE identity = ?1")?
        .execute([identity])
        .map(|rows| rows > 0)
}

/// From here on what is replaced is overwritten in the file.
pub(in crate::store::sqlite) fn overwrite(connection: &Connection) -> Result<()> {
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))
}

/// Whether it is.
pub(in crate::store::sqlite) fn overwrites(connection: &Connection) -> Result<bool> {
    connection.query_row("PRAGMA secure_delete", [], |row| row.get(0))
}

fn raw(row: &Row<'_>) -> Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        identity: row.get(1)?,
        username: row.get(2)?,
        key: row.get(3)?,
        sealed: row.get(4)?,
    })
}
