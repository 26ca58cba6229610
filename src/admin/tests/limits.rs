//! What is within the limit of an administrator, verb by verb, where a message cannot say it.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::*;
use crate::admin::{Batch, Error, RoleChange};
use crate::model::NamePrefix;
use crate::policy::{
    Asker, Assignment, Compiler, Defaults, Holder, Message, Qos, Question, Ranked, Role, Scope,
    Topic, WildcardSubscriptions,
};

const TOPIC: &str = "$CONTROL/dynamic-security/v1";

/// What somebody may administer who is limited to `p-` and may publish below `a/`.
pub(super) fn scope(more: &[Rule]) -> Scope {
    let mut role = StoredRole::named(role("limited"));
    role.admin_prefix = Some(NamePrefix::new("p-").unwrap());
    role.rules = [TOPIC, "a/#"]
        .map(|topic| send(Permission::Allow, topic))
        .to_vec();
    role.rules.extend_from_slice(more);
    let holder = Holder {
        roles: vec![Assignment {
            role: Arc::new(Role::compile(role.definition()).unwrap()),
            priority: Priority::MEMBER,
        }],
        groups: Vec::new(),
    };
    let rights = Compiler::thorough().rights(&holder, Defaults::FRESH, actor().at);
    let message = Message {
        qos: Qos::AtMostOnce,
        retain: false,
        payload: 0,
    };
    let asker = Asker {
        client_id: Some("c"),
        username: Some("boss"),
    };
    Scope::of(
        &rights,
        asker,
        &Question::Send(Topic::new(TOPIC).unwrap(), message),
    )
}

/// A database with roles, groups and accounts under the prefix.
fn furnished_below() -> (TempDir, Database) {
    let (dir, mut store) = store();
    let mut strict = StoredRole::named(role("p-strict"));
    strict.wildcard_subscriptions = WildcardSubscriptions::Deny;
    strict.rules = vec![
        send(Permission::Deny, "secret/#").with_priority(Priority::clamped(5)),
        send(Permission::Deny, "a/x"),
        send(Permission::Allow, "#"),
    ];
    let mut mixed = StoredGroup::named(group("p-mixed"));
    let ranked = |text| Ranked {
        name: role(text),
        priority: Priority::MEMBER,
    };
    mixed.roles = vec![ranked("p-strict"), ranked("reader")];
    for command in [
        Command::AddRole(StoredRole::named(role("reader"))),
        Command::AddRole(strict),
        Command::AddGroup(mixed),
        Command::Add(account("p-ann")),
    ] {
        assert_eq!(one(&mut store, command), Ok(Outcome::Added));
    }
    (dir, store)
}

/// What comes of a command by somebody with a limit.
pub(super) fn limited(
    store: &mut Database,
    scope: &Scope,
    command: &Command,
) -> Result<Outcome, Error> {
    let mut batch = Batch::begin(store, actor()).unwrap();
    batch.hand_over(actor(), scope.clone());
    batch.carry_out(command)
}

#[track_caller]
fn is_outside(store: &mut Database, scope: &Scope, command: &Command) {
    let refused = limited(store, scope, command);
    assert!(
        matches!(refused, Err(Error::Outside)),
        "{command:?}: {refused:?}"
    );
}

fn put_rule(rule: Rule, priority: Option<Priority>) -> Command {
    Command::PutRule {
        role: role("p-strict"),
        rule,
        priority,
    }
}

fn remove_rule(topic: &str) -> Command {
    Command::RemoveRule {
        role: role("p-strict"),
        acl_type: AclType::PublishClientSend,
        topic: topic.into(),
    }
}

#[test]
fn a_denial_is_weakened_and_taken_away_by_those_only_who_could_let_it_through() {
    let (_dir, mut store) = furnished_below();
    let scope = scope(&[]);
    let mut outside = |command: Command| is_outside(&mut store, &scope, &command);
    outside(remove_rule("secret/#"));
    outside(put_rule(send(Permission::Allow, "secret/#"), None));
    outside(put_rule(send(Permission::Deny, "secret/#"), priority(4)));
    let mut changed = |command: Command| {
        let done = limited(&mut store, &scope, &command);
        assert!(done.is_ok(), "{command:?}: {done:?}");
    };
    changed(put_rule(send(Permission::Deny, "secret/#"), priority(6)));
    changed(put_rule(send(Permission::Deny, "b"), None));
    changed(put_rule(send(Permission::Allow, "a/y"), None));
    changed(remove_rule("a/x"));
    changed(remove_rule("#"));
}

#[test]
fn a_role_that_is_written_anew_says_no_more_than_its_writer_may() {
    let (_dir, mut store) = furnished_below();
    let scope = scope(&[]);
    let with = |rules: Vec<Rule>| {
        let mut role = StoredRole::named(role("p-strict"));
        role.wildcard_subscriptions = WildcardSubscriptions::Deny;
        role.rules = rules;
        Command::PutRole(role)
    };
    let secret = || send(Permission::Deny, "secret/#").with_priority(Priority::clamped(5));
    for rules in [
        vec![],
        vec![send(Permission::Allow, "a/b")],
        vec![secret(), send(Permission::Allow, "#")],
        vec![secret(), send(Permission::Allow, "b")],
    ] {
        is_outside(&mut store, &scope, &with(rules));
    }
    let done = limited(
        &mut store,
        &scope,
        &with(vec![secret(), send(Permission::Allow, "a/b")]),
    );
    assert!(matches!(done, Ok(Outcome::Changed)), "{done:?}");
}

#[test]
fn what_surrounds_the_rules_of_a_role_opens_nothing() {
    let (_dir, mut store) = furnished_below();
    let narrow = scope(&[]);
    let set = |change: RoleChange| Command::SetRole {
        name: role("p-strict"),
        change,
    };
    let wildcards = set(RoleChange {
        wildcard_subscriptions: Some(WildcardSubscriptions::Allow),
        ..RoleChange::default()
    });
    let later = set(RoleChange {
        valid_from: Some(Some(actor().at)),
        ..RoleChange::default()
    });
    let limit = set(RoleChange {
        admin_prefix: Some(NamePrefix::new("p-").ok()),
        ..RoleChange::default()
    });
    for command in [&wildcards, &later, &limit] {
        is_outside(&mut store, &narrow, command);
    }
    let text = set(RoleChange {
        textname: Some(Some("t".into())),
        ..RoleChange::default()
    });
    assert!(limited(&mut store, &narrow, &text).is_ok());
    let all = |acl_type| Rule::new(acl_type, Permission::Allow, "#").unwrap();
    let wide = scope(&[
        all(AclType::SubscribePattern),
        all(AclType::PublishClientSend),
    ]);
    assert!(limited(&mut store, &wide, &wildcards).is_ok());
    assert!(limited(&mut store, &wide, &later).is_ok());
    is_outside(&mut store, &wide, &limit);
}

#[test]
fn a_group_that_is_written_anew_neither_gains_nor_loses_what_is_called_otherwise() {
    let (_dir, mut store) = furnished_below();
    let scope = scope(&[]);
    let with = |roles: &[&str]| {
        let mut group = StoredGroup::named(group("p-mixed"));
        let ranked = roles.iter().map(|name| Ranked {
            name: role(name),
            priority: Priority::MEMBER,
        });
        group.roles = ranked.collect();
        Command::PutGroup(group)
    };
    let lost = limited(&mut store, &scope, &with(&["p-strict"]));
    assert!(matches!(lost, Err(Error::RoleMissing { .. })), "{lost:?}");
    assert!(limited(&mut store, &scope, &with(&["reader"])).is_ok());
    let gained = Command::AddGroup(StoredGroup {
        roles: vec![Ranked {
            name: role("reader"),
            priority: Priority::MEMBER,
        }],
        ..StoredGroup::named(group("p-new"))
    });
    let gained = limited(&mut store, &scope, &gained);
    assert!(
        matches!(gained, Err(Error::RoleMissing { .. })),
        "{gained:?}"
    );
}

#[test]
fn an_account_is_put_under_the_prefix_and_nowhere_else() {
    let (_dir, mut store) = furnished_below();
    let scope = scope(&[]);
    assert!(limited(&mut store, &scope, &Command::Put(account("p-ann"))).is_ok());
    is_outside(&mut store, &scope, &Command::Put(account("ann")));
    is_outside(&mut store, &scope, &Command::Put(account("new")));
}

#[test]
fn what_concerns_everybody_is_beyond_every_limit() {
    let (_dir, mut store) = furnished_below();
    let mut batch = Batch::begin(&mut store, actor()).unwrap();
    batch.hand_over(actor(), scope(&[]));
    assert!(matches!(batch.set_changes(7), Err(Error::Outside)));
    assert!(matches!(
        batch.prune_record(actor().at),
        Err(Error::Outside)
    ));
    let defaults = Command::SetDefaults(crate::admin::DefaultsChange::default());
    assert!(matches!(batch.carry_out(&defaults), Err(Error::Outside)));
    let nobody = Command::SetAnonymousGroup(None);
    assert!(matches!(batch.carry_out(&nobody), Err(Error::Outside)));
    assert!(matches!(batch.account(&name("ann")), Ok(None)));
    assert!(matches!(batch.has_role(&role("reader")), Ok(false)));
    assert!(matches!(batch.has_role(&role("p-strict")), Ok(true)));
}
