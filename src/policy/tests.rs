//! Roles and rights: examples of every rule of order, an allow beside each deny.
#![forbid(unsafe_code)]

mod difference;
mod examples;
mod express;
mod idle;
mod properties;

use std::sync::Arc;

use jiff::Timestamp;

use super::*;

/// Ann, with client id c1.
const ANN: Asker<'_> = Asker {
    client_id: Some("c1"),
    username: Some("ann"),
};

const MESSAGE: Message = Message {
    qos: Qos::AtMostOnce,
    retain: false,
    payload: 10,
};

fn allow(acl_type: AclType, filter: &str) -> Rule {
    Rule::new(acl_type, Permission::Allow, filter).unwrap()
}

fn deny(acl_type: AclType, filter: &str) -> Rule {
    Rule::new(acl_type, Permission::Deny, filter).unwrap()
}

fn definition(name: &str, rules: Vec<Rule>) -> RoleDefinition {
    RoleDefinition {
        name: name.into(),
        rules,
        wildcard_subscriptions: WildcardSubscriptions::Allow,
        window: Window::default(),
        admin_prefix: None,
    }
}

fn role(name: &str, rules: Vec<Rule>) -> Arc<Role> {
    Arc::new(Role::compile(definition(name, rules)).unwrap())
}

fn assigned(role: &Arc<Role>, priority: i64) -> Assignment {
    Assignment {
        role: role.clone(),
        priority: Priority::clamped(priority),
    }
}

fn membership(group: &str, priority: i64, roles: Vec<Assignment>) -> Membership {
    Membership {
        group: group.into(),
        priority: Priority::clamped(priority),
        roles,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn rights(holder: &Holder) -> Arc<Rights> {
    Compiler::thorough().rights(holder, Defaults::DENY, at(0))
}

/// The rights of somebody with this one role.
fn with(rules: Vec<Rule>) -> Arc<Rights> {
    rights(&Holder {
        roles: vec![assigned(&role("r", rules), 0)],
        groups: Vec::new(),
    })
}

fn send(topic: &str) -> Question<'_> {
    Question::Send(Topic::new(topic).unwrap(), MESSAGE)
}

fn receive(topic: &str) -> Question<'_> {
    Question::Receive(Topic::new(topic).unwrap(), MESSAGE)
}

fn subscribe(filter: &str) -> Question<'_> {
    Question::Subscribe(Filter::new(filter).unwrap(), Qos::AtMostOnce)
}

fn unsubscribe(filter: &str) -> Question<'_> {
    Question::Unsubscribe(Filter::new(filter).unwrap())
}

/// Whether Ann may.
fn may(rights: &Rights, question: Question<'_>) -> bool {
    rights.check(ANN, &question).permission == Permission::Allow
}
