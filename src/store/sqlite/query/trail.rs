//! The statements on the record of what administration did.
//!
//! Must not: change a record. The oldest ones are taken away together, and the newest of them stays as
//! what the others continue.
#![forbid(unsafe_code)]

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::store::{Hash, Link, Record, Search};

/// The newest record that was pruned; none if the row was taken away.
pub(in crate::store::sqlite) fn anchor(connection: &Connection) -> Result<Option<Link>> {
    connection
        .prepare_cached("SELECT seq, hash FROM audit_anchor")?
        .query_row([], link)
        .optional()
}

/// The newest record.
pub(in crate::store::sqlite) fn newest(connection: &Connection) -> Result<Option<Link>> {
    connection
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], link)
        .optional()
}

/// Writes a record down.
pub(in crate::store::sqlite) fn insert(connection: &Connection, record: &Record) -> Result<()> {
    let entry = &record.entry;
    connection
        .prepare_cached(
            "INSERT INTO audit (seq, at, who, source, verb, username, groupname, rolename, before,
                                after, prev, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            record.seq,
            entry.at.as_second(),
            entry.who,
            entry.from,
            entry.verb,
            entry.username,
            entry.groupname,
            entry.rolename,
            entry.before,
            entry.after,
            record.prev.0,
            record.hash.0,
        ])
        .map(drop)
}

/// Shows records, the oldest first, until the visitor fails.
pub(in crate::store::sqlite) fn each<E: From<rusqlite::Error>>(
    connection: &Connection,
    search: &Search,
    mut visit: impl FnMut(&Row<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let seconds = |at: jiff::Timestamp| at.as_second();
    let newest = search
        .newest
        .map(|most| i64::try_from(most).unwrap_or(i64::MAX));
    let mut statement = connection.prepare_cached(
        "SELECT seq, at, who, source, verb, username, groupname, rolename, before, after, prev, hash
         FROM audit
         WHERE (?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR at < ?2)
           AND (?3 IS NULL OR username = ?3)
           AND (?4 IS NULL OR seq >= coalesce(
                (SELECT min(seq) FROM
                    (SELECT seq FROM audit
                     WHERE (?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR at < ?2)
                       AND (?3 IS NULL OR username = ?3)
                     ORDER BY seq DESC LIMIT ?4)),
                9223372036854775807))
           AND (?5 IS NULL OR seq > ?5)
         ORDER BY seq",
    )?;
    let mut rows = statement.query(params![
        search.since.map(seconds),
        search.until.map(seconds),
        search.username.as_ref().map(|name| name.as_str()),
        newest,
        search.behind,
    ])?;
    while let Some(row) = rows.next()? {
        visit(row)?;
    }
    Ok(())
}

/// The last of those records at the beginning that are all from before a moment.
pub(in crate::store::sqlite) fn last_before(
    connection: &Connection,
    seconds: i64,
) -> Result<Option<Link>> {
    connection
        .prepare_cached(
            "SELECT seq, hash FROM audit
             WHERE seq < coalesce((SELECT min(seq) FROM audit WHERE at >= ?1),
                                  9223372036854775807)
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([seconds], link)
        .optional()
}

/// Takes away all records up to this one; says how many.
pub(in crate::store::sqlite) fn prune(connection: &Connection, last: Link) -> Result<usize> {
    connection
        .prepare_cached("UPDATE audit_anchor SET seq = ?1, hash = ?2")?
        .execute(params![last.seq, last.hash.0])?;
    connection
        .prepare_cached("DELETE FROM audit WHERE seq <= ?1")?
        .execute([last.seq])
}

fn link(row: &Row<'_>) -> Result<Link> {
    Ok(Link {
        seq: row.get(0)?,
        hash: Hash(row.get(1)?),
    })
}
