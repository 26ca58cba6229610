//! The record of what was done: it grows at its end, is shortened at its beginning, and nothing else.
#![forbid(unsafe_code)]

use super::*;
use crate::store::{Broken, Entry, Link, Pruned, Record, Search};

fn moment(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap()
}

fn entry(at: i64, username: &str) -> Entry {
    Entry {
        at: moment(at),
        who: "cli:root".into(),
        from: "local".into(),
        verb: "createClient".into(),
        username: Some(username.into()),
        groupname: None,
        rolename: None,
        before: None,
        after: Some("{}".into()),
    }
}

/// A database with records of these moments, about a, b, c and so on.
fn recorded(times: &[i64]) -> Place {
    let place = Place::new();
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    for (at, letter) in times.iter().zip('a'..) {
        change.record(entry(*at, &letter.to_string())).unwrap();
    }
    change.commit().unwrap();
    place
}

fn records(database: &mut Database, search: &Search) -> Vec<Record> {
    let mut all = Vec::new();
    let mut trail = database.trail().unwrap();
    trail
        .records(search, &mut |record| {
            all.push(record);
            Ok(())
        })
        .unwrap();
    all
}

fn about(database: &mut Database, search: &Search) -> String {
    let records = records(database, search).into_iter();
    records
        .map(|record| record.entry.username.unwrap())
        .collect()
}

/// The end of the chain, or where it is broken.
fn verified(database: &mut Database) -> Result<Link, Broken> {
    let anchor = database.trail().unwrap().anchor().unwrap();
    let records = records(database, &Search::default());
    let mut records = records.iter();
    records.try_fold(anchor, |end, record| end.followed_by(record))
}

fn prune(database: &mut Database, before: i64) -> Option<Pruned> {
    let mut change = database.begin().unwrap();
    let pruned = change.prune_record(moment(before)).unwrap();
    change.commit().unwrap();
    pruned
}

#[test]
fn records_are_chained_across_changes_and_what_is_taken_back_leaves_none() {
    let place = recorded(&[1, 2]);
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    change.record(entry(3, "c")).unwrap();
    change.savepoint().unwrap();
    change.record(entry(4, "x")).unwrap();
    change.roll_back().unwrap();
    change.record(entry(4, "d")).unwrap();
    change.commit().unwrap();
    let mut given_up = database.begin().unwrap();
    given_up.record(entry(5, "y")).unwrap();
    drop(given_up);
    assert_eq!(about(&mut database, &Search::default()), "abcd");
    assert_eq!(verified(&mut database).unwrap().seq, 4);
}

#[test]
fn records_are_found_by_time_account_and_number() {
    let mut database = recorded(&[10, 20, 30, 40]).database();
    let mut found = |search: Search| about(&mut database, &search);
    let between = |since, until| Search {
        since: Some(moment(since)),
        until: Some(moment(until)),
        ..Search::default()
    };
    assert_eq!(found(between(20, 40)), "bc");
    assert_eq!(found(between(41, 50)), "");
    let newest = |search: Search, most| Search {
        newest: Some(most),
        ..search
    };
    assert_eq!(found(newest(Search::default(), 2)), "cd");
    assert_eq!(found(newest(between(10, 40), 2)), "bc");
    assert_eq!(found(newest(Search::default(), 0)), "");
    let username = Some(name("c"));
    assert_eq!(
        found(Search {
            username,
            ..Search::default()
        }),
        "c"
    );
}

#[test]
fn no_tool_changes_a_record_or_takes_one_away_by_accident() {
    let place = recorded(&[1, 2, 3]);
    let tool = Connection::open(&place.path).unwrap();
    for sql in [
        "UPDATE audit SET who = 'nobody' WHERE seq = 2",
        "UPDATE OR REPLACE audit SET seq = 3 WHERE seq = 2",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 3",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 2",
        "INSERT INTO audit SELECT seq + 2, at, who, source, verb, username, groupname, rolename,
             before, after, hash, hash FROM audit WHERE seq = 3",
        "INSERT INTO audit SELECT seq + 1, at, who, source, verb, username, groupname, rolename,
             before, after, prev, hash FROM audit WHERE seq = 3",
        "UPDATE audit_anchor SET seq = 2",
        "UPDATE audit_anchor SET id = 1, seq = 0",
        "UPDATE audit_anchor SET hash = zeroblob(32)",
        "DELETE FROM audit_anchor",
        "INSERT OR REPLACE INTO audit_anchor VALUES (1, 2, zeroblob(32))",
    ] {
        assert!(tool.execute(sql, []).is_err(), "{sql}");
    }
    let mut database = place.database();
    assert_eq!(about(&mut database, &Search::default()), "abc");
    assert_eq!(verified(&mut database).unwrap().seq, 3);
}

#[test]
fn the_oldest_records_are_pruned_and_the_others_continue_them() {
    // The clock was set back once.
    let place = recorded(&[10, 20, 15, 30]);
    let mut database = place.database();
    assert_eq!(prune(&mut database, 10), None);
    assert_eq!(about(&mut database, &Search::default()), "abcd");
    let pruned = |records, last| Some(Pruned { records, last });
    assert_eq!(
        prune(&mut database, 20),
        pruned(1, 1),
        "c is behind b, which stays"
    );
    assert_eq!(prune(&mut database, 20), None);
    assert_eq!(verified(&mut database).unwrap().seq, 4);
    assert_eq!(prune(&mut database, 31), pruned(3, 4));
    assert_eq!(verified(&mut database).unwrap().seq, 4);
    let mut change = database.begin().unwrap();
    change.record(entry(40, "e")).unwrap();
    change.commit().unwrap();
    assert_eq!(verified(&mut database).unwrap().seq, 5);
}

#[test]
fn whoever_takes_the_triggers_away_is_found_out() {
    for (sql, broken) in [
        (
            "UPDATE audit SET who = 'nobody' WHERE seq = 2",
            Broken::Hash(2),
        ),
        (
            "UPDATE audit SET prev = hash WHERE seq = 2",
            Broken::Prev(2),
        ),
        (
            "UPDATE audit SET hash = prev WHERE seq = 3",
            Broken::Hash(3),
        ),
        (
            "DELETE FROM audit WHERE seq = 2",
            Broken::Number {
                expected: 2,
                found: 3,
            },
        ),
        (
            "DELETE FROM audit WHERE seq = 1",
            Broken::Number {
                expected: 1,
                found: 2,
            },
        ),
        (
            "UPDATE audit_anchor SET hash = randomblob(32)",
            Broken::Prev(1),
        ),
    ] {
        let place = recorded(&[1, 2, 3]);
        place.tool("DROP TRIGGER audit_stays; DROP TRIGGER audit_is_pruned; DROP TRIGGER audit_anchor_follows");
        place.tool(sql);
        assert_eq!(verified(&mut place.database()), Err(broken), "{sql}");
    }
}

#[test]
fn the_record_is_nothing_that_a_broker_looks_at() {
    let place = Place::of(&[plain("a")]);
    let config = DatabaseConfig {
        path: place.path.clone(),
        roles: true,
    };
    let mut watched = open(&config).unwrap().watched;
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    change.record(entry(1, "a")).unwrap();
    change.commit().unwrap();
    assert_eq!(refresh(&mut watched), accounts(&[]));
}
