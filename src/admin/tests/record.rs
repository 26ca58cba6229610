//! What is written down of each verb, and what never is.
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::admin::{Batch, Change, DefaultsChange, GroupChange, RoleChange, Rotation};
use crate::store::{Record, Search, Store};

fn records(store: &mut Database) -> Vec<Record> {
    let mut all = Vec::new();
    let mut trail = store.trail().unwrap();
    let seen = trail.records(&Search::default(), &mut |record| {
        all.push(record);
        Ok(())
    });
    seen.unwrap();
    all
}

/// Verb, names, and both sides.
fn line(record: &Record) -> String {
    let entry = &record.entry;
    let names = [&entry.username, &entry.groupname, &entry.rolename];
    let parts = [Some(&entry.verb)]
        .into_iter()
        .chain(names.map(Option::as_ref));
    let mut line = parts
        .flatten()
        .map(|part| &**part)
        .collect::<Vec<_>>()
        .join(" ");
    for (mark, side) in [(" - ", &entry.before), (" + ", &entry.after)] {
        if let Some(side) = side {
            line.push_str(mark);
            line.push_str(side);
        }
    }
    line
}

/// What is written down of a command on a furnished database; nothing if nothing is.
#[track_caller]
pub(super) fn written(store: &mut Database, command: Command) -> String {
    let before = records(store).len();
    let _outcome = one(store, command).unwrap();
    let all = records(store);
    let new: Vec<_> = all[before..].iter().map(line).collect();
    assert!(new.len() <= 1, "{new:?}");
    new.concat()
}

#[track_caller]
fn writes(store: &mut Database, command: Command, line: &str) {
    assert_eq!(written(store, command.clone()), line);
    if let Ok(Outcome::Unchanged) = one(store, command) {
        assert_eq!(line_of_last(store), line, "what changes nothing is no act");
    }
}

fn line_of_last(store: &mut Database) -> String {
    line(records(store).last().unwrap())
}

/// A hash that is one, and that nobody knows the password of.
fn cheap(byte: u8) -> String {
    let [salt, hash] = [12, 64].map(|length| STANDARD.encode(vec![byte; length]));
    format!("$7$101${salt}${hash}")
}

fn hashed(text: &str) -> Command {
    Command::SetCredential {
        name: name("ann"),
        credential: StoredCredential::marked(text),
        rotation: Rotation::KeepOld,
    }
}

#[test]
fn of_an_account_what_differs_is_written_down_and_of_a_password_its_kind() {
    let (_dir, mut store) = store();
    assert_eq!(
        line_of_last(&mut store),
        r#"createClient ann + {"credential":"unusable"}"#
    );
    let _ = written(&mut store, hashed(&cheap(1)));
    writes(
        &mut store,
        hashed(&cheap(2)),
        concat!(
            r#"setClientPassword ann - {"credential":"PBKDF2-HMAC-SHA512, 101 iterations","#,
            r#""second_credential":"unusable"} "#,
            r#"+ {"credential":"PBKDF2-HMAC-SHA512, 101 iterations","#,
            r#""second_credential":"PBKDF2-HMAC-SHA512, 101 iterations"}"#
        ),
    );
    writes(
        &mut store,
        Command::DropSecondCredential(name("ann")),
        r#"dropOldPassword ann - {"second_credential":"PBKDF2-HMAC-SHA512, 101 iterations"}"#,
    );
    let set = |change| Command::Set {
        name: name("ann"),
        change,
    };
    let off = Change {
        disabled: Some(true),
        ..Change::default()
    };
    writes(
        &mut store,
        set(off),
        r#"disableClient ann + {"disabled":true}"#,
    );
    let bound = Change {
        client_id: Some(Some("c1".into())),
        ..Change::default()
    };
    writes(
        &mut store,
        set(bound),
        r#"setClientId ann + {"clientid":"c1"}"#,
    );
    let several = Change {
        disabled: Some(false),
        textname: Some(Some("Ann".into())),
        networks: Some(vec!["10.0.0.0/8".parse().unwrap()]),
        valid_until: Some(Some(Timestamp::UNIX_EPOCH)),
        ..Change::default()
    };
    writes(
        &mut store,
        set(several),
        concat!(
            r#"modifyClient ann - {"disabled":true} + {"networks":["10.0.0.0/8"],"#,
            r#""textname":"Ann","valid_until":"1970-01-01T00:00:00Z"}"#
        ),
    );
}

#[test]
fn of_a_deletion_what_is_lost_is_written_down() {
    let (_dir, mut store) = furnished();
    let grant = |to| Command::GrantRole {
        to,
        role: role("reader"),
        priority: None,
    };
    let join = Command::JoinGroup {
        account: name("ann"),
        group: group("staff"),
        priority: priority(5),
    };
    writes(
        &mut store,
        grant(ann()),
        r#"addClientRole ann reader + {"priority":-1}"#,
    );
    writes(
        &mut store,
        grant(staff()),
        r#"addGroupRole staff reader + {"priority":-1}"#,
    );
    writes(
        &mut store,
        join.clone(),
        r#"addGroupClient ann staff + {"priority":5}"#,
    );
    let _ = written(
        &mut store,
        Command::PutRule {
            role: role("reader"),
            rule: send(Permission::Allow, "a/#"),
            priority: None,
        },
    );
    let mut batch = Batch::begin(&mut store, actor()).unwrap();
    for command in [
        Command::DeleteRole(role("reader")),
        Command::DeleteGroup(group("staff")),
    ] {
        assert_eq!(batch.carry_out(&command).unwrap(), Outcome::Deleted);
    }
    batch.commit().unwrap();
    let all = records(&mut store);
    let [.., of_role, of_group] = &all[..] else {
        panic!("{all:?}");
    };
    assert_eq!(
        line(of_role),
        concat!(
            r#"deleteRole reader - {"accounts":1,"acls":[{"acltype":"publishClientSend","#,
            r#""allow":true,"priority":0,"topic":"a/#}],"groups":[{"name":"staff","priority":-1}]}"#
        )
        .replace("a/#}", "a/#\"}")
    );
    assert_eq!(line(of_group), r#"deleteGroup staff - {"accounts":1}"#);
    writes(
        &mut store,
        Command::Delete(name("ann")),
        r#"deleteClient ann - {"credential":"unusable"}"#,
    );
}

#[test]
fn of_roles_and_rules_what_differs_is_written_down() {
    let (_dir, mut store) = furnished();
    let rule = |permission, priority| Command::PutRule {
        role: role("reader"),
        rule: send(permission, "a"),
        priority,
    };
    writes(
        &mut store,
        rule(Permission::Allow, priority(3)),
        concat!(
            r#"addRoleACL reader + {"acltype":"publishClientSend","allow":true,"#,
            r#""priority":3,"topic":"a"}"#
        ),
    );
    writes(
        &mut store,
        rule(Permission::Deny, None),
        concat!(
            r#"modifyRoleACL reader - {"acltype":"publishClientSend","allow":true,"topic":"a"} "#,
            r#"+ {"acltype":"publishClientSend","allow":false,"topic":"a"}"#
        ),
    );
    let texts = RoleChange {
        textname: Some(Some("R".into())),
        wildcard_subscriptions: Some(crate::policy::WildcardSubscriptions::Deny),
        ..RoleChange::default()
    };
    writes(
        &mut store,
        Command::SetRole {
            name: role("reader"),
            change: texts,
        },
        r#"modifyRole reader + {"allowwildcardsubs":false,"textname":"R"}"#,
    );
}

#[test]
fn of_groups_and_defaults_what_differs_is_written_down() {
    let (_dir, mut store) = furnished();
    writes(
        &mut store,
        Command::SetGroup {
            name: group("staff"),
            change: GroupChange {
                textdescription: Some(Some("d".into())),
                ..GroupChange::default()
            },
        },
        r#"modifyGroup staff + {"textdescription":"d"}"#,
    );
    writes(
        &mut store,
        Command::SetDefaults(DefaultsChange {
            send: Some(Permission::Allow),
            receive: Some(Permission::Allow),
            ..DefaultsChange::default()
        }),
        r#"setDefaultACLAccess - {"publishClientSend":false} + {"publishClientSend":true}"#,
    );
    writes(
        &mut store,
        Command::SetAnonymousGroup(Some(group("staff"))),
        r#"setAnonymousGroup staff + {"groupname":"staff"}"#,
    );
    writes(
        &mut store,
        Command::SetAnonymousGroup(None),
        r#"setAnonymousGroup - {"groupname":"staff"}"#,
    );
}

#[test]
fn of_a_role_that_is_put_in_anothers_place_the_rules_that_differ_are_written_down() {
    let (_dir, mut store) = furnished();
    let of = |topics: &[&str]| {
        let mut role = StoredRole::named(role("reader"));
        let rules = topics.iter().map(|topic| send(Permission::Allow, topic));
        role.rules = rules.collect();
        Command::PutRole(role)
    };
    let _ = written(&mut store, of(&["a", "b"]));
    let line = written(&mut store, of(&["b", "c"]));
    assert!(
        line.starts_with("modifyRole reader - {\"acls\":[{"),
        "{line}"
    );
    assert!(line.contains("\"a\"") && line.contains("\"c\"") && !line.contains("\"b\""));
    let line = written(&mut store, of(&["c", "b"]));
    assert_eq!(line, r#"modifyRole reader + {"acls":"in another order"}"#);
    let many: Vec<String> = (0..150).map(|number| format!("t/{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let line = written(&mut store, of(&many));
    assert!(line.contains(r#"{"more":50}"#), "{line}");
}

#[test]
fn what_is_refused_or_taken_back_is_not_written_down() {
    let (_dir, mut store) = furnished();
    let before = records(&mut store);
    assert!(one(&mut store, Command::Add(account("ann"))).is_err());
    let both = [Command::Delete(name("ann")), Command::Delete(name("eve"))];
    assert!(apply(&mut store, actor(), &both).is_err());
    assert_eq!(records(&mut store), before);
    for record in before {
        assert_eq!(record.entry.who, actor().who);
        assert_eq!(
            (record.entry.from, record.entry.at),
            (actor().from, actor().at)
        );
    }
}

#[test]
fn an_import_is_one_record_of_what_was_done_how_often() {
    let (_dir, mut store) = furnished();
    let before = records(&mut store).len();
    let mut batch = Batch::import(&mut store, actor(), "in.csv").unwrap();
    for name in ["bob", "cat", "ann"] {
        let other = Account {
            disabled: true,
            ..account(name)
        };
        let _outcome = batch.carry_out(&Command::Put(other)).unwrap();
    }
    let failed = batch.attempt(|batch| {
        let _outcome = batch.carry_out(&Command::Delete(name("bob")))?;
        batch.carry_out(&Command::Delete(name("eve")))
    });
    assert!(failed.is_err());
    batch.set_changes(77).unwrap();
    batch.commit().unwrap();
    assert_eq!(records(&mut store).len(), before + 1);
    assert_eq!(
        line_of_last(&mut store),
        r#"import + {"createClient":2,"file":"in.csv","modifyClient":1,"setChangeIndex":1}"#
    );
    let batch = Batch::import(&mut store, actor(), "in.csv").unwrap();
    batch.commit().unwrap();
    assert_eq!(records(&mut store).len(), before + 1, "nothing was done");
}

#[test]
fn pruning_is_written_down() {
    let (_dir, mut store) = furnished();
    let mut prune = |at| {
        let mut batch = Batch::begin(&mut store, actor()).unwrap();
        let pruned = batch.prune_record(Timestamp::from_second(at).unwrap());
        batch.commit().unwrap();
        let lines: Vec<_> = records(&mut store).iter().map(line).collect();
        (pruned.unwrap().is_some(), lines)
    };
    assert!(!prune(1).0);
    let (done, lines) = prune(1_700_000_001);
    assert!(done);
    assert_eq!(
        lines,
        [r#"pruneAudit - {"last":3,"records":3,"until":"2023-11-14T22:13:21Z"}"#]
    );
}
