//! `doorman audit`: what was done, that nobody changed what is said of it, and how it is shortened.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Desk, SECRETS};

/// A database where three things were done.
fn done() -> Desk {
    let desk = Desk::database();
    desk.add("ann", "tulip-garden").code(0);
    desk.on(&["user", "disable", "ann"]).code(0);
    desk.on(&["role", "add", "reader"]).code(0);
    desk
}

fn list(desk: &Desk, more: &[&str]) -> Vec<Value> {
    let args = [&["audit", "list", "--json"], more].concat();
    desk.on(&args).code(0).json()
}

fn tool(desk: &Desk, sql: &str) {
    let tool = Connection::open(&desk.place).unwrap();
    tool.execute_batch(sql).unwrap();
}

#[test]
fn what_was_done_is_listed_with_who_did_it() {
    let desk = done();
    let all = list(&desk, &[]);
    assert_eq!(all.len(), 3);
    assert_eq!(all[0]["verb"], "createClient");
    assert_eq!(
        (&all[1]["username"], &all[1]["before"], &all[1]["after"]),
        (&json!("ann"), &json!(null), &json!({"disabled": true}))
    );
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap();
    let who = format!("cli:{}", user.unwrap().name);
    assert!(
        all.iter()
            .all(|record| record["who"] == who && record["from"] == "local")
    );
    desk.on(&["user", "disable", "ann"])
        .code(0)
        .tells("unchanged");
    desk.on(&["role", "add", "reader"]).code(4);
    assert_eq!(list(&desk, &[]).len(), 3, "nothing was done");
    desk.on(&["audit", "list"])
        .code(0)
        .tells("createClient client ann: credential \"PBKDF2-HMAC-SHA512, 101 iterations\"\n")
        .tells("local disableClient client ann: disabled true\n")
        .tells("createRole role reader\n");
}

#[test]
fn records_are_chosen_by_account_time_and_number() {
    let desk = done();
    assert_eq!(list(&desk, &["--user", "ann"]).len(), 2);
    assert_eq!(list(&desk, &["--user", "eve"]).len(), 0);
    let last = list(&desk, &["--limit", "1"]);
    assert_eq!((last.len(), &last[0]["verb"]), (1, &json!("createRole")));
    assert_eq!(list(&desk, &["--since", "1h"]).len(), 3);
    assert_eq!(list(&desk, &["--until", "1h"]).len(), 0);
    assert_eq!(list(&desk, &["--since", "2100-01-01"]).len(), 0);
    desk.on(&["audit", "list", "--since", "tomorrow"]).code(2);
}

#[test]
fn a_record_that_was_changed_or_taken_away_is_found() {
    for (sql, why) in [
        (
            "UPDATE audit SET verb = 'getClient' WHERE seq = 2",
            "record 2 is not what was",
        ),
        (
            "DELETE FROM audit WHERE seq = 2",
            "record 3 stands where record 2 should",
        ),
        (
            "PRAGMA ignore_check_constraints = 1; UPDATE audit SET hash = x'00' WHERE seq = 2",
            "record 2",
        ),
    ] {
        let desk = done();
        desk.on(&["audit", "verify"])
            .code(0)
            .tells("3 records hold together");
        tool(
            &desk,
            "DROP TRIGGER audit_stays; DROP TRIGGER audit_is_pruned",
        );
        tool(&desk, sql);
        desk.on(&["audit", "verify"]).code(6).says(why);
    }
}

#[test]
fn a_record_that_was_cut_off_or_written_anew_lacks_a_hash_that_is_known() {
    let desk = done();
    let told = desk.on(&["audit", "verify", "--json"]).code(0).json();
    let known = told[0]["hash"].as_str().unwrap();
    desk.on(&["user", "enable", "ann"]).code(0);
    desk.on(&["audit", "verify", "--known", known]).code(0);
    tool(
        &desk,
        "DROP TRIGGER audit_is_pruned; DELETE FROM audit WHERE seq > 2",
    );
    desk.on(&["audit", "verify"]).code(0);
    desk.on(&["audit", "verify", "--known", known])
        .code(6)
        .says("cut off");
    desk.on(&["audit", "verify", "--known", "abc"]).code(2);
}

#[test]
fn old_records_are_pruned_and_the_rest_goes_on() {
    let desk = done();
    desk.on(&["audit", "prune", "--before", "1h"])
        .code(0)
        .tells("0 records pruned");
    assert_eq!(list(&desk, &[]).len(), 3);
    desk.on(&["audit", "prune", "--before", "2100-01-01"])
        .code(0)
        .tells("3 records pruned");
    let left = list(&desk, &[]);
    assert_eq!((left.len(), &left[0]["verb"]), (1, &json!("pruneAudit")));
    assert_eq!(left[0]["before"]["records"], 3);
    desk.on(&["user", "enable", "ann"]).code(0);
    let told = desk.on(&["audit", "verify", "--json"]).code(0).json();
    assert_eq!(
        (&told[0]["records"], &told[0]["seq"]),
        (&json!(2), &json!(5))
    );
    desk.on(&["audit", "prune"]).code(2);
}

#[test]
fn a_password_file_keeps_no_record() {
    let desk = Desk::file();
    desk.add("ann", "tulip-garden").code(0);
    for verb in [
        &["list"][..],
        &["verify"],
        &["prune", "--before", "2100-01-01"],
    ] {
        let args = [&["audit"], verb].concat();
        desk.on(&args).code(1).says("keeps no record");
    }
}

/// Runs every verb that changes something, with passwords wherever one can be given.
fn every_verb(desk: &Desk) {
    let stdin = ["--password-stdin", "--iterations", "101"];
    let with = |args: &[&str], password: &str| {
        let args = [args, &stdin].concat();
        desk.on_with(&args, password).code(0);
    };
    with(&["user", "add", "ann", "--notes", "n"], "tulip-garden");
    with(&["user", "passwd", "ann", "--keep-old"], "rose-garden");
    for args in [
        "user drop-old ann",
        "user disable ann",
        "user enable ann",
        "user set ann --client-id c1 --textname Ann",
        "user add bob --generate",
        "role add r",
        "role allow r publishClientSend a",
        "role deny r publishClientSend a",
        "role set r --textname R",
        "role remove r publishClientSend a",
        "group add g",
        "group set g --textname G",
        "group grant g r",
        "group join g ann",
        "group anonymous g",
        "group anonymous --none",
        "user grant ann r",
        "user revoke ann r",
        "group leave g ann",
        "group revoke g r",
        "default set publishClientSend=allow",
        "role delete r",
        "group delete g",
        "user delete bob",
    ] {
        let args: Vec<_> = args.split(' ').collect();
        desk.on(&args).code(0);
    }
    desk.write("in.csv", "username,password\ncat,lily-garden\n");
    desk.on(&["import", "in.csv", "--iterations", "101"])
        .code(0);
    desk.on(&["user", "delete", "cat"]).code(0);
}

#[test]
fn nothing_of_a_password_is_ever_written_down() {
    let desk = Desk::database();
    every_verb(&desk);
    let database = Connection::open(&desk.place).unwrap();
    let all = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let records = all(
        "SELECT who || source || verb || coalesce(username, '') || coalesce(groupname, '') ||
                coalesce(rolename, '') || coalesce(before, '') || coalesce(after, '') FROM audit",
    );
    assert!(records.len() > 25, "{records:#?}");
    let written = records.concat();
    assert!(written.contains("101 iterations"));
    for secret in SECRETS {
        assert!(!written.contains(secret));
    }
    for stored in all("SELECT credential FROM account WHERE credential IS NOT NULL") {
        for part in stored.split('$').filter(|part| part.len() > 6) {
            assert!(!written.contains(part), "{part}");
        }
    }
    assert!(!written.contains("$7$"));
}
