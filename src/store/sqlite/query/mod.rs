//! Every SQL statement of doorman's own schema, and every pragma, as a named function.
//!
//! Must not: be imitated elsewhere: SQL appears in this room and in `migrations/` only. Statements are
//! prepared once per connection; what comes from outside is a bound parameter, never text.
#![forbid(unsafe_code)]

pub(super) mod grants;
pub(super) mod holders;
pub(super) mod names;
pub(super) mod psk;
pub(super) mod roles;
pub(super) mod trail;

use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::model::{Account, StoredCredential};
use crate::store::Login;
use crate::store::sqlite::record;

/// Settings of a connection that only reads, for the engine.
pub(super) fn configure_reader(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -8192;",
    )
}

/// Settings of the watcher's connection: a login record lost in a power cut does no harm.
pub(super) fn configure_watcher(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA synchronous = NORMAL;",
    )
}

/// Settings of the writer: durable, and with room for the index while a million accounts come in.
pub(super) fn configure_writer(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -65536;",
    )
}

/// Turns write-ahead logging on: readers and the writer then never wait for each other.
pub(super) fn write_ahead(connection: &Connection) -> Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
}

/// Moves what was committed from the `-wal` file into the database's own.
pub(super) fn checkpoint(connection: &Connection) -> Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

pub(super) fn application_id(connection: &Connection) -> Result<i64> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

pub(super) fn set_application_id(connection: &Connection, id: i64) -> Result<()> {
    connection.pragma_update(None, "application_id", id)
}

pub(super) fn user_version(connection: &Connection) -> Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

pub(super) fn set_user_version(connection: &Connection, version: i64) -> Result<()> {
    connection.pragma_update(None, "user_version", version)
}

/// Changes whenever another connection has committed.
pub(super) fn data_version(connection: &Connection) -> Result<i64> {
    connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

/// Changes with the schema, and when a backup is restored into the open database.
pub(super) fn schema_version(connection: &Connection) -> Result<i64> {
    connection
        .prepare_cached("PRAGMA schema_version")?
        .query_row([], |row| row.get(0))
}

/// The first thing that SQLite finds wrong with the whole file.
pub(super) fn first_defect(connection: &Connection) -> Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

/// How many tables, indexes and triggers there are.
pub(super) fn object_count(connection: &Connection) -> Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}

/// The account of this name, or why its row cannot be read. Where there is none somebody else's row is read
/// and thrown away, so that the time of a look does not tell who is there.
pub(super) fn account(
    connection: &Connection,
    username: &str,
) -> Result<Option<std::result::Result<Account, String>>> {
    connection
        .prepare_cached(
            "SELECT username, credential, second_credential, disabled, valid_from, valid_until,
                    client_id, notes,
                    (SELECT group_concat(network, ' ') FROM account_network
                     WHERE account_id = account.id),
                    (SELECT at FROM account_login WHERE account_id = account.id),
                    textname, textdescription,
                    (SELECT group_concat(certificate, ' ') FROM account_certificate
                     WHERE account_id = account.id)
             FROM account
             WHERE id = coalesce((SELECT id FROM account WHERE username = ?1),
                                 (SELECT max(id) FROM account))",
        )?
        .query_row([username], |row| {
            let account = record::account(row);
            let is_it = row.get_ref(0)?.as_str() == Ok(username);
            Ok(is_it.then_some(account))
        })
        .optional()
        .map(Option::flatten)
}

/// Shows every row behind an id, with its own, in the order in which the accounts were made, until the
/// visitor fails.
pub(super) fn accounts<E: From<rusqlite::Error>>(
    connection: &Connection,
    behind: i64,
    mut visit: impl FnMut(i64, std::result::Result<Account, String>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut statement = connection.prepare_cached(
        "SELECT username, credential, second_credential, disabled, valid_from, valid_until,
                client_id, notes,
                (SELECT group_concat(network, ' ') FROM account_network
                 WHERE account_id = account.id),
                (SELECT at FROM account_login WHERE account_id = account.id),
                textname, textdescription,
                (SELECT group_concat(certificate, ' ') FROM account_certificate
                 WHERE account_id = account.id),
                id
         FROM account WHERE id > ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([behind])?;
    while let Some(row) = rows.next()? {
        visit(row.get("id")?, record::account(row))?;
    }
    Ok(())
}

/// The first credential at or behind an id, and that id.
pub(super) fn credential_from(
    connection: &Connection,
    id: i64,
) -> Result<Option<(i64, Option<StoredCredential>)>> {
    connection
        .prepare_cached(
            "SELECT id, coalesce(credential, second_credential) FROM account
             WHERE id >= ?1 ORDER BY id LIMIT 1",
        )?
        .query_row([id], |row| {
            let text: Option<String> = row.get(1)?;
            Ok((
                row.get(0)?,
                text.map(|text| StoredCredential::marked(&text)),
            ))
        })
        .optional()
}

/// The lowest and the highest id there is.
pub(super) fn id_range(connection: &Connection) -> Result<Option<(i64, i64)>> {
    let ends = connection
        .prepare_cached("SELECT (SELECT min(id) FROM account), (SELECT max(id) FROM account)")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match ends {
        (Some(lowest), Some(highest)) => Some((lowest, highest)),
        _ => None,
    })
}

/// The id of the account of this name.
pub(super) fn id(connection: &Connection, username: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM account WHERE username = ?1")?
        .query_row([username], |row| row.get(0))
        .optional()
}

/// Writes the account in place of the one with this id. (An upsert in one statement would fire the
/// trigger that is there for INSERT OR REPLACE.)
pub(super) fn update(connection: &Connection, id: i64, account: &Account) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE account SET credential = ?2, second_credential = ?3, disabled = ?4,
                    valid_from = ?5, valid_until = ?6, client_id = ?7, notes = ?8,
                    textname = ?9, textdescription = ?10
             WHERE id = ?1",
        )?
        .execute(params![
            id,
            account.credential.as_ref().map(|stored| &*stored.text),
            account
                .second_credential
                .as_ref()
                .map(|stored| &*stored.text),
            account.disabled,
            account.valid_from.map(jiff::Timestamp::as_second),
            account.valid_until.map(jiff::Timestamp::as_second),
            account.client_id.as_deref(),
            &*account.notes,
            account.textname,
            account.textdescription,
        ])
        .map(drop)
}

/// Writes a new account; its id.
pub(super) fn insert(connection: &Connection, account: &Account) -> Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO account (username, credential, second_credential, disabled, valid_from,
                                  valid_until, client_id, notes, textname, textdescription)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .insert(params![
            account.name.as_str(),
            account.credential.as_ref().map(|stored| &*stored.text),
            account
                .second_credential
                .as_ref()
                .map(|stored| &*stored.text),
            account.disabled,
            account.valid_from.map(jiff::Timestamp::as_second),
            account.valid_until.map(jiff::Timestamp::as_second),
            account.client_id.as_deref(),
            &*account.notes,
            account.textname,
            account.textdescription,
        ])
}

/// Takes the account away, and with it whatever refers to it.
pub(super) fn delete(connection: &Connection, username: &str) -> Result<bool> {
    connection
        .prepare_cached("DELETE FROM account WHERE username = ?1")?
        .execute([username])
        .map(|rows| rows > 0)
}

/// The networks of an account, as text in the order of the key.
pub(super) fn networks(connection: &Connection, id: i64) -> Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT network FROM account_network WHERE account_id = ?1 ORDER BY network",
        )?
        .query_map([id], |row| row.get(0))?
        .collect()
}

pub(super) fn delete_networks(connection: &Connection, id: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM account_network WHERE account_id = ?1")?
        .execute([id])
        .map(drop)
}

pub(super) fn insert_network(connection: &Connection, id: i64, network: &str) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO account_network (account_id, network) VALUES (?1, ?2)")?
        .execute(params![id, network])
        .map(drop)
}

/// Whose certificate this is.
pub(super) fn certificate_holder(
    connection: &Connection,
    certificate: &str,
) -> Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT username FROM account_certificate JOIN account ON account.id = account_id
             WHERE certificate = ?1",
        )?
        .query_row([certificate], |row| row.get(0))
        .optional()
}

/// The certificates of an account, in order.
pub(super) fn certificates(connection: &Connection, id: i64) -> Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT certificate FROM account_certificate WHERE account_id = ?1 ORDER BY certificate",
        )?
        .query_map([id], |row| row.get(0))?
        .collect()
}

pub(super) fn delete_certificate(
    connection: &Connection,
    id: i64,
    certificate: &str,
) -> Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM account_certificate WHERE account_id = ?1 AND certificate = ?2",
        )?
        .execute(params![id, certificate])
        .map(drop)
}

pub(super) fn insert_certificate(
    connection: &Connection,
    id: i64,
    certificate: &str,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO account_certificate (account_id, certificate) VALUES (?1, ?2)",
        )?
        .execute(params![id, certificate])
        .map(drop)
}

/// Remembers a login, if the account is still there and no later one is known.
pub(super) fn record_login(connection: &Connection, login: &Login) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO account_login (account_id, at)
             SELECT id, ?2 FROM account WHERE username = ?1
             ON CONFLICT (account_id) DO UPDATE SET at = excluded.at WHERE excluded.at > at",
        )?
        .execute(params![login.name.as_str(), login.at.as_second()])
        .map(drop)
}

/// The number and the name of the newest change.
pub(super) fn newest_change(connection: &Connection) -> Result<Option<(i64, String)>> {
    connection
        .prepare_cached("SELECT seq, username FROM change ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Whose change has this number.
pub(super) fn change_at(connection: &Connection, seq: i64) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT username FROM change WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))
        .optional()
}

/// The number of the oldest change that is still written down.
pub(super) fn oldest_change(connection: &Connection) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT min(seq) FROM change")?
        .query_row([], |row| row.get(0))
}

/// Everybody who was changed after the change of this number.
pub(super) fn changed_after(connection: &Connection, seq: i64) -> Result<Vec<String>> {
    connection
        .prepare_cached("SELECT DISTINCT username FROM change WHERE seq > ?1")?
        .query_map([seq], |row| row.get(0))?
        .collect()
}

/// Forgets all but the newest changes.
pub(super) fn prune_changes(connection: &Connection, keep: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - ?1")?
        .execute([keep])
        .map(drop)
}

/// Remembers how a transaction is now.
pub(super) fn savepoint(connection: &Connection) -> Result<()> {
    execute(connection, "SAVEPOINT attempt")
}

/// Forgets the last savepoint.
pub(super) fn release(connection: &Connection) -> Result<()> {
    execute(connection, "RELEASE attempt")
}

/// Goes back to the last savepoint, which stays.
pub(super) fn roll_back(connection: &Connection) -> Result<()> {
    execute(connection, "ROLLBACK TO attempt")
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// How SQLite would carry out the operator's statement, step by step.
pub(super) fn plan(connection: &Connection, sql: &str) -> Result<Vec<String>> {
    // The one text that is not ours: from the operator's own configuration, and checked before.
    let mut statement = connection.prepare(&["EXPLAIN QUERY PLAN ", sql].concat())?;
    // Raw, because the parameters stay unbound.
    let steps = statement.raw_query().mapped(|row| row.get("detail"));
    steps.collect()
}
