//! What a batch counts, what of it can be taken back, and what it costs among many accounts.
#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;

use super::*;
use crate::admin::{Batch, Change, Error, Rotation};
use crate::store::password_file::PasswordFile;
use crate::store::{Page, Store, Totals};

fn totals(store: &mut Database) -> Totals {
    store.roles().unwrap().totals().unwrap()
}

#[test]
fn what_changes_something_is_counted_once_and_nothing_else_is() {
    let (_dir, mut store) = furnished();
    let before = Totals {
        accounts: 1,
        groups: 1,
        roles: 1,
        changes: 3,
    };
    assert_eq!(totals(&mut store), before);
    let grant = Command::GrantRole {
        to: ann(),
        role: role("reader"),
        priority: None,
    };
    for (command, counted) in [
        (grant.clone(), 4),
        (grant, 4),
        (Command::Add(account("ann")), 4),
        (Command::DeleteRole(role("writer")), 4),
        (Command::DeleteRole(role("reader")), 5),
    ] {
        let _done_or_refused = one(&mut store, command.clone());
        assert_eq!(totals(&mut store).changes, counted, "{command:?}");
    }
    let both = [Command::Delete(name("ann")), Command::Delete(name("eve"))];
    assert!(apply(&mut store, actor(), &both).is_err());
    assert_eq!(totals(&mut store).changes, 5);
}

fn add(batch: &mut Batch<'_>, name: &str) -> Result<(), Error> {
    let outcome = batch.carry_out(&Command::Add(account(name)))?;
    assert_eq!(outcome, Outcome::Added);
    Ok(())
}

#[test]
fn an_attempt_that_fails_leaves_nothing_behind_and_the_batch_goes_on() {
    let (dir, mut store) = furnished();
    let mut batch = Batch::begin(&mut store, actor()).unwrap();
    add(&mut batch, "bob").unwrap();
    let failed = batch.attempt(|batch| {
        add(batch, "cat")?;
        batch.attempt(|batch| add(batch, "dan"))?;
        let inner = batch.attempt(|batch| {
            add(batch, "eve")?;
            add(batch, "ann")
        });
        assert!(matches!(inner, Err(Error::Exists { .. })));
        assert_eq!(batch.account(&name("eve"))?, None);
        assert!(batch.account(&name("dan"))?.is_some());
        batch.carry_out(&Command::DeleteRole(role("writer")))
    });
    assert!(matches!(failed, Err(Error::RoleMissing { .. })));
    let fine: Result<_, Error> = batch.attempt(|batch| add(batch, "fay"));
    fine.unwrap();
    batch.commit().unwrap();
    let mut roles = store.roles().unwrap();
    let names = roles.account_names(Page::ALL).unwrap();
    assert_eq!(names, ["ann", "bob", "fay"].map(name));
    assert_eq!(roles.totals().unwrap().changes, 5);
    drop(roles);
    assert_eq!(noticed(&dir)[1], 0, "nobody was changed");
}

#[test]
fn an_attempt_on_a_password_file_leaves_nothing_behind_either() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("passwd");
    std::fs::write(&path, "# staff\nann:first\n").unwrap();
    let mut store = PasswordFile::open(&path).unwrap();
    let mut batch = Batch::begin(&mut store, actor()).unwrap();
    let failed = batch.attempt(|batch| {
        let outcome = batch.carry_out(&Command::Delete(name("ann")))?;
        assert_eq!(outcome, Outcome::Deleted);
        batch.carry_out(&Command::Delete(name("eve")))
    });
    assert!(matches!(failed, Err(Error::Missing { .. })));
    batch.attempt(|batch| add(batch, "bob")).unwrap();
    batch.commit().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "# staff\nann:first\nbob:first\n");
}

/// A seek is one step however large the index; a walk among ten thousand would be thousands.
const MORE: u32 = 20;

/// What each verb on one account costs SQLite among so many accounts that all hold the same.
fn costs(accounts: u32) -> Vec<(String, u32)> {
    let (dir, mut store) = furnished();
    let tool = Connection::open(dir.path().join("db")).unwrap();
    tool.execute_batch(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {accounts})
         INSERT INTO account (username) SELECT 'x' || i FROM n;
         INSERT INTO role (rolename) VALUES ('held');
         INSERT INTO account_group (groupname) VALUES ('full');
         INSERT INTO account_role (account_id, role_id)
             SELECT account.id, role.id FROM account, role WHERE rolename = 'held';
         INSERT INTO group_member (account_id, group_id)
             SELECT account.id, account_group.id FROM account, account_group
             WHERE groupname = 'full';
         DELETE FROM change;"
    ))
    .unwrap();
    let steps = store.count_steps();
    let mut costs = Vec::new();
    for command in verbs() {
        let before = steps.load(Ordering::Relaxed);
        let outcome = one(&mut store, command.clone()).unwrap();
        assert_ne!(outcome, Outcome::Unchanged, "{command:?}");
        let spent = steps.load(Ordering::Relaxed).saturating_sub(before);
        costs.push((format!("{command:?}"), spent));
    }
    costs
}

/// Verbs on one account; each changes something.
fn verbs() -> Vec<Command> {
    let account = || name("bob");
    let bob = || Grantee::Account(account());
    let grant = |of, number| Command::GrantRole {
        to: bob(),
        role: role(of),
        priority: priority(number),
    };
    let join = |to, number| Command::JoinGroup {
        account: account(),
        group: group(to),
        priority: priority(number),
    };
    let change = Change {
        disabled: Some(true),
        networks: Some(vec!["10.0.0.0/8".parse().unwrap()]),
        ..Change::default()
    };
    vec![
        Command::Add(super::account("bob")),
        Command::SetCredential {
            name: account(),
            credential: StoredCredential::marked("next"),
            rotation: Rotation::KeepOld,
        },
        Command::DropSecondCredential(account()),
        Command::Set {
            name: account(),
            change,
        },
        grant("held", 1),
        grant("held", 2),
        grant("reader", 1),
        join("full", 1),
        join("full", 2),
        join("staff", 1),
        Command::RevokeRole {
            from: bob(),
            role: role("held"),
        },
        Command::LeaveGroup {
            account: account(),
            group: group("full"),
        },
        Command::Delete(account()),
    ]
}

#[test]
fn a_verb_on_one_account_costs_the_same_among_ten_thousand() {
    for ((verb, among_few), (_, among_many)) in costs(10).into_iter().zip(costs(10_000)) {
        assert!(
            among_many <= among_few.saturating_add(MORE),
            "{verb}: {among_few} steps, and {among_many} where there are many"
        );
    }
}
