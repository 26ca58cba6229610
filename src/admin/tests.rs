//! The verbs on a database: what each does, what it refuses, and that all of a batch counts or none.
#![forbid(unsafe_code)]

mod accounts;
mod batches;
mod far;
mod groups;
mod limits;
mod psk;
mod record;
mod roles;

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{Actor, Command, Outcome, apply};
use crate::model::{Account, AccountName, GroupName, RoleName, StoredCredential};
use crate::policy::{AclType, Grantee, Permission, Priority, Rule, StoredGroup, StoredRole};
use crate::store::sqlite::Database;

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn role(text: &str) -> RoleName {
    RoleName::new(text).unwrap()
}

fn group(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

fn account(text: &str) -> Account {
    let credential = Some(StoredCredential::marked("first"));
    Account {
        credential,
        ..Account::named(name(text))
    }
}

fn send(permission: Permission, topic: &str) -> Rule {
    Rule::new(AclType::PublishClientSend, permission, topic).unwrap()
}

fn priority(number: i64) -> Option<Priority> {
    Some(Priority::clamped(number))
}

/// A database with the account ann.
fn store() -> (TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Database::create(&dir.path().join("db"), None).unwrap();
    assert_eq!(
        one(&mut store, Command::Add(account("ann"))),
        Ok(Outcome::Added)
    );
    (dir, store)
}

/// A database with the account ann, the role reader and the group staff.
fn furnished() -> (TempDir, Database) {
    let (dir, mut store) = store();
    for command in [
        Command::AddRole(StoredRole::named(role("reader"))),
        Command::AddGroup(StoredGroup::named(group("staff"))),
    ] {
        assert_eq!(one(&mut store, command), Ok(Outcome::Added));
    }
    (dir, store)
}

fn ann() -> Grantee {
    Grantee::Account(name("ann"))
}

fn staff() -> Grantee {
    Grantee::Group(group("staff"))
}

fn actor() -> Actor {
    Actor {
        who: "cli:root".into(),
        from: "local".into(),
        at: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

/// What one command does, its error as text.
fn one(store: &mut Database, command: Command) -> Result<Outcome, String> {
    apply(store, actor(), &[command])
        .map(|outcomes| outcomes[0])
        .map_err(|error| error.to_string())
}

/// What a running broker would notice: the number of changes of the policy, and of holders.
fn noticed(dir: &TempDir) -> [i64; 2] {
    let tool = Connection::open(dir.path().join("db")).unwrap();
    let number = |sql| tool.query_row(sql, [], |row| row.get(0)).unwrap();
    [
        number("SELECT revision FROM policy"),
        number("SELECT coalesce(max(seq), 0) FROM change"),
    ]
}

/// Checks that a command does this once, and then nothing that anybody would notice.
#[track_caller]
fn once(dir: &TempDir, store: &mut Database, command: &Command, outcome: Outcome) {
    let before = noticed(dir);
    assert_eq!(one(store, command.clone()), Ok(outcome));
    let after = noticed(dir);
    assert_ne!(before, after, "nobody would notice");
    assert_eq!(one(store, command.clone()), Ok(Outcome::Unchanged));
    assert_eq!(noticed(dir), after);
}

/// Checks that a command is refused in these words, and nobody would notice it.
#[track_caller]
fn refused(dir: &TempDir, store: &mut Database, command: Command, why: &str) {
    let before = noticed(dir);
    let error = one(store, command).unwrap_err();
    assert!(error.contains(why), "{error}");
    assert_eq!(noticed(dir), before);
}
