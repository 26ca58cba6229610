//! The verbs on roles, rules, grants and defaults.
#![forbid(unsafe_code)]

use super::*;
use crate::admin::{DefaultsChange, RoleChange};
use crate::policy::{Conditions, Defaults, Qos, WildcardSubscriptions, Window};
use crate::store::Store as _;

fn put(rule: Rule, priority: Option<Priority>) -> Command {
    Command::PutRule {
        role: role("reader"),
        rule,
        priority,
    }
}

fn grant(to: Grantee, name: &str, priority: Option<Priority>) -> Command {
    let role = role(name);
    Command::GrantRole { to, role, priority }
}

fn revoke(from: Grantee, name: &str) -> Command {
    let role = role(name);
    Command::RevokeRole { from, role }
}

fn reader(store: &mut Database) -> StoredRole {
    let found = store.roles().unwrap().role(&role("reader")).unwrap();
    found.unwrap()
}

fn topics(store: &mut Database) -> Vec<String> {
    let rules = reader(store).rules;
    rules
        .iter()
        .map(|rule| rule.template().as_str().to_owned())
        .collect()
}

#[test]
fn a_role_is_added_once_and_comes_back_whole() {
    let (dir, mut store) = store();
    let second = |number| Some(jiff::Timestamp::from_second(number).unwrap());
    let whole = StoredRole {
        textname: Some("Reader".into()),
        textdescription: Some("who looks".into()),
        wildcard_subscriptions: WildcardSubscriptions::Deny,
        window: Window {
            from: second(-5),
            until: second(2_000_000_000),
        },
        rules: vec![
            send(Permission::Deny, "z").with_priority(Priority::clamped(7)),
            send(Permission::Allow, "a/%u/#")
                .with_conditions(Conditions {
                    max_qos: Some(Qos::AtLeastOnce),
                    max_payload: Some(0),
                    ..Conditions::default()
                })
                .unwrap(),
        ],
        ..StoredRole::named(role("reader"))
    };
    let add = Command::AddRole(whole.clone());
    assert_eq!(one(&mut store, add.clone()), Ok(Outcome::Added));
    refused(&dir, &mut store, add, "a role RoleName(\"reader\") already");
    assert_eq!(reader(&mut store), whole);
    store.check().unwrap();
}

#[test]
fn a_role_is_changed_field_by_field_and_deleted_once() {
    let (dir, mut store) = furnished();
    let set = |change| Command::SetRole {
        name: role("reader"),
        change,
    };
    let deny = RoleChange {
        wildcard_subscriptions: Some(WildcardSubscriptions::Deny),
        ..RoleChange::default()
    };
    once(&dir, &mut store, &set(deny), Outcome::Changed);
    let from = RoleChange {
        valid_from: Some(Some(jiff::Timestamp::UNIX_EPOCH)),
        ..RoleChange::default()
    };
    once(&dir, &mut store, &set(from), Outcome::Changed);
    let before = noticed(&dir);
    let text = RoleChange {
        textname: Some(Some("Reader".into())),
        ..RoleChange::default()
    };
    assert_eq!(one(&mut store, set(text)), Ok(Outcome::Changed));
    assert_eq!(noticed(&dir), before, "a name for people concerns nobody");
    let role_now = reader(&mut store);
    assert_eq!(role_now.textname.as_deref(), Some("Reader"));
    assert_eq!(role_now.wildcard_subscriptions, WildcardSubscriptions::Deny);
    let delete = Command::DeleteRole(role("reader"));
    assert_eq!(one(&mut store, delete.clone()), Ok(Outcome::Deleted));
    refused(&dir, &mut store, delete, "no role");
    refused(&dir, &mut store, set(RoleChange::default()), "no role");
}

#[test]
fn a_rule_that_is_changed_keeps_its_place_and_the_priority_that_is_not_named() {
    let (dir, mut store) = furnished();
    let (allow, deny) = (Permission::Allow, Permission::Deny);
    once(
        &dir,
        &mut store,
        &put(send(allow, "a"), priority(5)),
        Outcome::Added,
    );
    once(
        &dir,
        &mut store,
        &put(send(allow, "b"), priority(5)),
        Outcome::Added,
    );
    once(
        &dir,
        &mut store,
        &put(send(deny, "a"), None),
        Outcome::Changed,
    );
    assert_eq!(topics(&mut store), ["a", "b"]);
    let rule = reader(&mut store).rules[0].clone();
    assert_eq!(
        (rule.permission(), rule.priority().number()),
        (Permission::Deny, 5)
    );
    once(
        &dir,
        &mut store,
        &put(send(deny, "a"), priority(6)),
        Outcome::Changed,
    );
    let capped = send(allow, "b").with_conditions(Conditions {
        max_payload: Some(9),
        ..Conditions::default()
    });
    once(
        &dir,
        &mut store,
        &put(capped.unwrap(), None),
        Outcome::Changed,
    );
    // What is said is the whole rule: without a condition it has none.
    once(
        &dir,
        &mut store,
        &put(send(allow, "b"), None),
        Outcome::Changed,
    );
    assert_eq!(topics(&mut store), ["a", "b"]);
}

#[test]
fn a_rule_is_removed_once_and_found_by_type_and_topic_together() {
    let (dir, mut store) = furnished();
    let rule = send(Permission::Allow, "a");
    assert_eq!(one(&mut store, put(rule, None)), Ok(Outcome::Added));
    let remove = |acl_type, topic: &str| Command::RemoveRule {
        role: role("reader"),
        acl_type,
        topic: topic.into(),
    };
    let (sent, received) = (AclType::PublishClientSend, AclType::PublishClientReceive);
    refused(&dir, &mut store, remove(received, "a"), "has no rule");
    refused(&dir, &mut store, remove(sent, "A"), "has no rule");
    let removed = one(&mut store, remove(sent, "a"));
    assert_eq!(removed, Ok(Outcome::Deleted));
    refused(&dir, &mut store, remove(sent, "a"), "has no rule");
    let elsewhere = Command::PutRule {
        role: role("writer"),
        rule: send(Permission::Allow, "a"),
        priority: None,
    };
    refused(&dir, &mut store, elsewhere, "no role");
}

#[test]
fn a_role_is_granted_to_accounts_and_groups_that_are_there() {
    let (dir, mut store) = furnished();
    for to in [ann(), staff()] {
        once(
            &dir,
            &mut store,
            &grant(to.clone(), "reader", None),
            Outcome::Added,
        );
        once(
            &dir,
            &mut store,
            &grant(to.clone(), "reader", priority(3)),
            Outcome::Changed,
        );
        // A priority that is not named stays.
        let again = one(&mut store, grant(to.clone(), "reader", None));
        assert_eq!(again, Ok(Outcome::Unchanged));
        refused(&dir, &mut store, grant(to, "writer", None), "no role");
    }
    let eve = Grantee::Account(name("eve"));
    refused(&dir, &mut store, grant(eve, "reader", None), "no account");
    let crew = Grantee::Group(group("crew"));
    refused(&dir, &mut store, grant(crew, "reader", None), "no group");
}

#[test]
fn what_is_revoked_is_gone_and_what_was_not_held_is_no_error() {
    let (dir, mut store) = furnished();
    for from in [ann(), staff()] {
        let granted = one(&mut store, grant(from.clone(), "reader", None));
        assert_eq!(granted, Ok(Outcome::Added));
        once(
            &dir,
            &mut store,
            &revoke(from.clone(), "reader"),
            Outcome::Deleted,
        );
        refused(&dir, &mut store, revoke(from, "writer"), "no role");
    }
    let eve = Grantee::Account(name("eve"));
    refused(&dir, &mut store, revoke(eve, "reader"), "no account");
}

#[test]
fn a_deleted_role_is_held_by_nobody_and_its_holders_are_told() {
    let (dir, mut store) = furnished();
    for to in [ann(), staff()] {
        assert_eq!(
            one(&mut store, grant(to, "reader", None)),
            Ok(Outcome::Added)
        );
    }
    let [_, told] = noticed(&dir);
    let delete = Command::DeleteRole(role("reader"));
    assert_eq!(one(&mut store, delete), Ok(Outcome::Deleted));
    assert!(noticed(&dir)[1] > told, "ann is not looked at again");
    let mut roles = store.roles().unwrap();
    assert_eq!(roles.holdings(&name("ann")).unwrap().roles, []);
    let staff = roles.group(&group("staff")).unwrap().unwrap();
    assert_eq!(staff.roles, []);
}

#[test]
fn defaults_are_fresh_until_they_are_set_one_by_one() {
    let (dir, mut store) = store();
    assert_eq!(store.roles().unwrap().defaults().unwrap(), Defaults::FRESH);
    let change = DefaultsChange {
        send: Some(Permission::Allow),
        receive: Some(Permission::Deny),
        ..DefaultsChange::default()
    };
    once(
        &dir,
        &mut store,
        &Command::SetDefaults(change),
        Outcome::Changed,
    );
    let expected = Defaults {
        send: Permission::Allow,
        receive: Permission::Deny,
        ..Defaults::FRESH
    };
    assert_eq!(store.roles().unwrap().defaults().unwrap(), expected);
}

#[test]
fn a_batch_over_accounts_and_roles_is_carried_out_whole_or_not_at_all() {
    let (_dir, mut store) = store();
    let mut batch = vec![
        Command::Add(account("bob")),
        Command::AddRole(StoredRole::named(role("reader"))),
        grant(Grantee::Account(name("bob")), "reader", None),
        grant(Grantee::Account(name("bob")), "writer", None),
    ];
    assert!(apply(&mut store, actor(), &batch).is_err());
    assert_eq!(store.account(&name("bob")).unwrap(), None);
    assert_eq!(store.roles().unwrap().role(&role("reader")).unwrap(), None);
    batch.pop();
    assert_eq!(
        apply(&mut store, actor(), &batch).unwrap(),
        [Outcome::Added; 3]
    );
}

#[test]
fn a_role_is_put_in_place_of_the_one_of_its_name_and_stays_with_its_holders() {
    let (dir, mut store) = furnished();
    let grant = Command::GrantRole {
        to: ann(),
        role: role("reader"),
        priority: None,
    };
    assert_eq!(one(&mut store, grant), Ok(Outcome::Added));
    let with = |topics: [&str; 2]| StoredRole {
        rules: topics
            .map(|topic| send(Permission::Allow, topic))
            .into_iter()
            .collect(),
        textname: Some(topics[0].into()),
        ..StoredRole::named(role("reader"))
    };
    // The order of the rules is part of the role.
    for topics in [["a", "b"], ["b", "a"], ["b", "c"]] {
        let put = Command::PutRole(with(topics));
        once(&dir, &mut store, &put, Outcome::Changed);
        let found = store.roles().unwrap().role(&role("reader")).unwrap();
        assert_eq!(found, Some(with(topics)));
    }
    let holdings = store.roles().unwrap().holdings(&name("ann")).unwrap();
    assert_eq!(holdings.roles.len(), 1);
}
