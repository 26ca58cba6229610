//! Commands and questions that come as JSON.
#![forbid(unsafe_code)]

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::{
    Batch, Change, Command, DefaultsChange, Existing, GroupChange, Import, Pile, Question,
    RoleChange, Rotation, Seen,
};
use super::*;
use crate::credential::Known;
use crate::model::CertificateName;
use crate::policy::{Conditions, Qos, Ranked, Retain, WildcardSubscriptions};
use crate::store::{Record, Search, Store as _};

/// Each command on accounts; of those with fields one that says all and one that says little.
fn on_accounts() -> Vec<Command> {
    let mut whole = account("ann");
    whole.second_credential = Some(StoredCredential::marked("second"));
    whole.valid_until = Some(Timestamp::from_second(7).unwrap());
    whole.networks = vec!["10.0.0.0/8".parse().unwrap()];
    let change = Change {
        disabled: Some(true),
        valid_from: Some(None),
        valid_until: Some(Some(Timestamp::from_second(7).unwrap())),
        client_id: Some(None),
        networks: Some(Vec::new()),
        notes: Some("".into()),
        ..Change::default()
    };
    let name = || name("ann");
    let lay = |credential, change, existing| Command::Lay {
        name: name(),
        credential,
        change,
        existing,
    };
    vec![
        Command::Add(whole.clone()),
        Command::Put(Account::named(name())),
        lay(None, change.clone(), Existing::Keep),
        lay(whole.credential, Change::default(), Existing::Update),
        Command::SetCredential {
            name: name(),
            credential: StoredCredential::marked("third"),
            rotation: Rotation::KeepOld,
        },
        Command::Renew {
            name: name(),
            old: StoredCredential::marked("$7$1$a$b"),
            new: StoredCredential::marked("$7$2$a$b"),
        },
        Command::DropSecondCredential(name()),
        Command::AddCertificate(name(), CertificateName::new("dns:a.example").unwrap()),
        Command::RemoveCertificate(name(), CertificateName::new("dns:a.example").unwrap()),
        Command::Set {
            name: name(),
            change,
        },
        Command::Delete(name()),
    ]
}

/// Each command on roles.
fn on_roles() -> Vec<Command> {
    let conditions = Conditions {
        max_qos: Some(Qos::AtLeastOnce),
        retain: Retain::Never,
        max_payload: Some(9),
    };
    let rule = send(Permission::Allow, "a/%u/#").with_priority(Priority::clamped(-7));
    let narrow = rule.clone().with_conditions(conditions).unwrap();
    let mut reader = StoredRole::named(role("reader"));
    reader.rules = vec![narrow, send(Permission::Deny, "b")];
    reader.wildcard_subscriptions = WildcardSubscriptions::Deny;
    let name = || role("reader");
    let change = RoleChange {
        textname: Some(Some("R".into())),
        valid_until: Some(None),
        wildcard_subscriptions: Some(WildcardSubscriptions::Allow),
        ..RoleChange::default()
    };
    vec![
        Command::AddRole(reader.clone()),
        Command::PutRole(reader),
        Command::SetRole {
            name: name(),
            change,
        },
        Command::DeleteRole(name()),
        Command::PutRule {
            role: name(),
            rule,
            priority: priority(4),
        },
        Command::RemoveRule {
            role: name(),
            acl_type: AclType::SubscribeLiteral,
            topic: "a#".into(),
        },
        Command::GrantRole {
            to: ann(),
            role: name(),
            priority: None,
        },
        Command::RevokeRole {
            from: staff(),
            role: name(),
        },
        Command::SetDefaults(DefaultsChange {
            send: Some(Permission::Deny),
            ..DefaultsChange::default()
        }),
    ]
}

/// Each command on groups.
fn on_groups() -> Vec<Command> {
    let mut crew = StoredGroup::named(group("staff"));
    crew.roles = vec![Ranked {
        name: role("reader"),
        priority: Priority::clamped(3),
    }];
    let (account, group) = (name("ann"), group("staff"));
    vec![
        Command::AddGroup(crew.clone()),
        Command::PutGroup(crew),
        Command::SetGroup {
            name: group.clone(),
            change: GroupChange::default(),
        },
        Command::DeleteGroup(group.clone()),
        Command::JoinGroup {
            account: account.clone(),
            group: group.clone(),
            priority: priority(-9),
        },
        Command::LeaveGroup {
            account,
            group: group.clone(),
        },
        Command::SetAnonymousGroup(None),
        Command::SetAnonymousGroup(Some(group)),
    ]
}

#[test]
fn every_command_comes_back_from_json_as_it_went() {
    let commands = [on_accounts(), on_roles(), on_groups()].concat();
    let json = serde_json::to_string(&commands).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<Command>>(&json).unwrap(),
        commands
    );
    let brought = commands.iter().flat_map(Command::credentials).count();
    assert_eq!(brought, 5);
    // Elsewhere an account is without them.
    assert!(
        !serde_json::to_string(&account("ann"))
            .unwrap()
            .contains("first")
    );
}

#[test]
fn what_is_no_command_is_none() {
    for json in [
        r#"{"delete": ""}"#,
        r#"{"delete": "a\nb"}"#,
        r#"{"set": {"name": "ann", "change": {"superuser": true}}}"#,
        r#"{"setCredential": {"name": "ann", "credential": null, "rotation": "replace"}}"#,
        r#"{"setCredential": {"name": "ann", "credential": "x"}}"#,
        r#"{"addRole": {"name": "r", "wildcardSubscriptions": "maybe", "window": {}, "rules": []}}"#,
        r#"{"forget": "ann"}"#,
    ] {
        assert!(serde_json::from_str::<Command>(json).is_err(), "{json}");
    }
    assert!(serde_json::from_str::<Command>(r#"{"delete": "ann"}"#).is_ok());
}

#[test]
fn an_import_lays_what_it_says_over_what_is_there() {
    let (_dir, mut store) = store();
    let stored = |store: &mut Database| store.account(&name("ann")).unwrap().unwrap();
    let lay = |text: Option<&str>, existing| Command::Lay {
        name: name("ann"),
        credential: text.map(StoredCredential::marked),
        change: Change {
            notes: Some("laid".into()),
            ..Change::default()
        },
        existing,
    };
    let kept = one(&mut store, lay(Some("new"), Existing::Keep));
    assert_eq!(kept, Ok(Outcome::Unchanged));
    assert_eq!(&*stored(&mut store).notes, "");
    let keep_old = Command::SetCredential {
        name: name("ann"),
        credential: StoredCredential::marked("next"),
        rotation: Rotation::KeepOld,
    };
    assert_eq!(one(&mut store, keep_old), Ok(Outcome::Changed));
    for text in [None, Some("next")] {
        assert!(one(&mut store, lay(text, Existing::Update)).is_ok());
        assert!(stored(&mut store).second_credential.is_some(), "{text:?}");
    }
    let changed = one(&mut store, lay(Some("new"), Existing::Update));
    assert_eq!(changed, Ok(Outcome::Changed));
    let after = stored(&mut store);
    assert_eq!(after.credential, Some(StoredCredential::marked("new")));
    assert_eq!((after.second_credential, &*after.notes), (None, "laid"));
}

#[test]
fn an_import_within_other_orders_is_one_record_and_the_others_have_theirs() {
    let (_dir, mut store) = store();
    let import = Import {
        file: "list".into(),
        strict: false,
        commands: vec![
            Command::Add(account("bob")),
            Command::Add(account("ann")),
            Command::Add(account("eve")),
        ],
    };
    let mut batch = Batch::begin(&mut store, actor()).unwrap();
    let (lines, undo) = import.within(&mut batch).unwrap();
    assert!(lines[0].is_ok() && lines[1].is_err() && lines[2].is_ok() && !undo);
    let deleted = batch.carry_out(&Command::Delete(name("bob")));
    assert_eq!(deleted.unwrap(), Outcome::Deleted);
    batch.commit().unwrap();
    let mut verbs = Vec::new();
    let mut trail = store.trail().unwrap();
    let all = Search::default();
    trail
        .records(&all, &mut |record| {
            verbs.push(record.entry.verb.to_string());
            Ok(())
        })
        .unwrap();
    assert_eq!(verbs, ["createClient", "import", "deleteClient"]);
}

/// All of a list, part by part; and in how many.
fn whole<T: DeserializeOwned>(
    store: &mut Database,
    begin: i64,
    question: impl Fn(i64) -> Question,
) -> (Vec<T>, usize) {
    let mut batch = Batch::begin(store, actor()).unwrap();
    let (mut all, mut parts, mut at) = (Vec::new(), 0_usize, Some(begin));
    while let Some(from) = at {
        let answer = question(from).answer(&mut batch).unwrap();
        let pile: Pile<T> = serde_json::from_value(answer).unwrap();
        assert!(pile.next.is_none_or(|next| next > from));
        all.extend(pile.items);
        at = pile.next;
        parts = parts.saturating_add(1);
    }
    (all, parts)
}

#[test]
fn a_long_list_comes_in_parts_and_nothing_of_it_twice_or_not_at_all() {
    let (_dir, mut store) = store();
    let numbers = || (0..1_100).map(|number| format!("n{number:04}"));
    let commands: Vec<Command> = numbers()
        .map(|text| Command::Add(account(&text)))
        .chain(numbers().map(|text| Command::AddRole(StoredRole::named(role(&text)))))
        .chain(numbers().map(|text| Command::AddGroup(StoredGroup::named(group(&text)))))
        .collect();
    let _outcomes = apply(&mut store, actor(), &commands).unwrap();
    let expected: Vec<String> = numbers().collect();

    let (seen, parts) = whole::<Seen>(&mut store, i64::MIN, Question::Accounts);
    let mut names: Vec<_> = seen
        .iter()
        .map(|seen| seen.account.name.to_string())
        .collect();
    assert_eq!(names.remove(0), "ann");
    assert_eq!((names, parts), (expected.clone(), 3));
    assert!(matches!(seen[0].credential, Some(Known::Unusable { .. })));
    let (roles, _) = whole::<StoredRole>(&mut store, 0, Question::Roles);
    let names: Vec<_> = roles.iter().map(|role| role.name.to_string()).collect();
    assert_eq!(names, expected);
    let (groups, _) = whole::<StoredGroup>(&mut store, 0, Question::Groups);
    let names: Vec<_> = groups.iter().map(|group| group.name.to_string()).collect();
    assert_eq!(names, expected);
    for newest in [None, Some(700)] {
        let part = |behind| {
            Question::Records(Search {
                newest,
                behind: Some(behind),
                ..Search::default()
            })
        };
        let (records, parts) = whole::<Record>(&mut store, 0, part);
        let first = 3_301 - newest.map_or(3_301, |newest| newest as i64) + 1;
        let numbers: Vec<i64> = records.iter().map(|record| record.seq).collect();
        assert_eq!(numbers, (first..=3_301).collect::<Vec<_>>());
        assert!(parts > 1);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_told_and_does_not_hide_the_others() {
    let (dir, mut store) = furnished();
    let tool = Connection::open(dir.path().join("db")).unwrap();
    tool.execute_batch(
        "PRAGMA ignore_check_constraints = ON; INSERT INTO account (username) VALUES ('a' || char(10));",
    )
    .unwrap();
    assert_eq!(
        one(&mut store, Command::Add(account("zoe"))),
        Ok(Outcome::Added)
    );
    let mut batch = Batch::begin(&mut store, actor()).unwrap();
    let answer = Question::Accounts(0).answer(&mut batch).unwrap();
    let pile: Pile<Value> = serde_json::from_value(answer).unwrap();
    assert_eq!((pile.items.len(), pile.next), (2, None));
    assert!(pile.unreadable.is_some());
}
