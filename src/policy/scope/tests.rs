//! Who is limited to what, and what may be handed out within a limit.
#![forbid(unsafe_code)]

use super::super::grant::{Assignment, Holder};
use super::super::question::{Message, Qos};
use super::super::rights::Compiler;
use super::super::role::{Role, RoleDefinition, Window};
use super::super::rule::{Conditions, Priority, Retain};
use super::super::topic::Topic;
use super::*;

const CONTROL: &str = "$CONTROL/dynamic-security/v1";
const ANN: Asker<'_> = Asker {
    client_id: Some("ann's"),
    username: Some("ann"),
};

fn rule(text: &str) -> Rule {
    let words: Vec<&str> = text.split(' ').collect();
    let permission = match words[0] {
        "allow" => Permission::Allow,
        _ => Permission::Deny,
    };
    Rule::new(words[1].parse().unwrap(), permission, words[2]).unwrap()
}

fn role(prefix: Option<&str>, priority: i64, rules: &[&str]) -> Assignment {
    let definition = RoleDefinition {
        name: format!("r{priority}").into(),
        rules: rules.iter().map(|text| rule(text)).collect(),
        wildcard_subscriptions: WildcardSubscriptions::Allow,
        window: Window::default(),
        admin_prefix: prefix.map(|prefix| NamePrefix::new(prefix).unwrap()),
    };
    Assignment {
        role: Arc::new(Role::compile(definition).unwrap()),
        priority: Priority::clamped(priority),
    }
}

fn scope(roles: Vec<Assignment>) -> Scope {
    let holder = Holder {
        roles,
        groups: Vec::new(),
    };
    let now = jiff::Timestamp::UNIX_EPOCH;
    let rights = Compiler::thorough().rights(&holder, Defaults::FRESH, now);
    let message = Message {
        qos: Qos::AtLeastOnce,
        retain: false,
        payload: 10,
    };
    let question = Question::Send(Topic::new(CONTROL).unwrap(), message);
    Scope::of(&rights, ANN, &question)
}

const OPENS: &str = "allow publishClientSend $CONTROL/dynamic-security/#";

#[test]
fn whoever_gives_orders_by_limited_roles_only_is_limited_to_all_of_their_prefixes() {
    let limited = scope(vec![
        role(Some("a-"), 2, &[OPENS]),
        role(Some("b-"), 1, &[OPENS]),
        role(Some("c-"), 0, &[]),
    ]);
    for (name, covered) in [("a-1", true), ("b-", true), ("a", false), ("c-1", false)] {
        assert_eq!(limited.covers(name), covered, "{name}");
    }
}

#[test]
fn a_role_without_a_limit_that_opens_the_topic_takes_it_away_and_any_other_does_not() {
    let limited = || role(Some("a-"), 2, &[OPENS]);
    let covers = |other| scope(vec![limited(), other]).covers("b");
    assert!(covers(role(None, 1, &[OPENS])));
    assert!(!covers(role(None, 1, &["allow publishClientSend #"])));
    let between = role(None, 1, &["deny publishClientSend $CONTROL/#"]);
    let all = scope(vec![limited(), between, role(None, 0, &[OPENS])]);
    assert!(!all.covers("b"), "what has no say lifts no limit");
}

fn gives(own: &[&str], sought: &str) -> bool {
    let scope = scope(vec![role(Some("a-"), 0, own)]);
    scope.limit().unwrap().may_give(&rule(sought))
}

/// What somebody has, what it wants to hand out, and whether it may.
const HANDED_OUT: &str = "
allow publishClientSend a/#       | allow publishClientSend a/b             | yes
allow publishClientSend a/#       | allow publishClientSend a               | yes
allow publishClientSend a/#       | allow publishClientSend a/%u/#          | yes
allow publishClientSend a/#       | allow publishClientSend b               | no
allow publishClientSend a/#       | allow publishClientSend #               | no
allow publishClientSend a/#       | allow subscribePattern a/b              | no
allow publishClientSend a/+       | allow publishClientSend a/#             | no
allow publishClientSend a/%u      | allow publishClientSend a/ann           | yes
allow publishClientSend a/%u      | allow publishClientSend a/bob           | no
allow publishClientSend a/%u      | allow publishClientSend a/%u            | no
allow publishClientSend a/%u      | allow publishClientSend a/+             | no
allow publishClientSend #         | allow publishClientSend $SYS/a          | no
allow publishClientSend #         | allow publishClientSend %u/a            | yes
allow subscribePattern a/#        | allow subscribeLiteral a/#              | yes
allow subscribeLiteral a/#        | allow subscribeLiteral a/#              | yes
allow subscribeLiteral a/#        | allow subscribePattern a/#              | no
allow subscribePattern #          | allow subscribePattern $share/g/a       | yes
allow subscribePattern $share/#   | allow subscribePattern $share/#         | no
allow publishClientSend x         | allow publishClientReceive a            | yes
deny publishClientReceive a/b     | allow publishClientReceive a/#          | no
deny publishClientReceive a/b     | allow publishClientReceive c            | yes
allow publishClientSend #         | allow publishClientSend $CONTROL/doorman/own/v1 | no
allow publishClientSend $CONTROL/doorman/own/v1 | allow publishClientSend $CONTROL/doorman/own/v1 | yes
";

#[test]
fn nobody_hands_out_what_he_has_not() {
    let lines = HANDED_OUT.lines().filter(|line| !line.is_empty());
    for line in lines {
        let [own, sought, given] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert_eq!(gives(&[own], sought), given == "yes", "{line}");
    }
}

#[test]
fn nothing_about_control_is_handed_out_whatever_one_has() {
    for own in ["$CONTROL/#", "$CONTROL/dynamic-security/v1"] {
        for acl_type in AclType::ALL {
            let own = format!("allow {acl_type} {own}");
            for topic in [
                "$CONTROL/#",
                "$CONTROL/dynamic-security/v1",
                "$CONTROL/+/v1",
            ] {
                assert!(!gives(&[&own], &format!("allow {acl_type} {topic}")));
            }
        }
    }
    let own = "allow subscribePattern $CONTROL/#";
    assert!(!gives(&[own], "allow subscribePattern $share/g/$CONTROL/#"));
    assert!(!gives(&[own], "allow subscribeLiteral $share/g/$CONTROL/a"));
}

#[test]
fn what_is_handed_out_under_a_condition_stays_under_it() {
    let retained = Conditions {
        retain: Retain::Never,
        ..Conditions::default()
    };
    let own = rule("allow publishClientSend a/#")
        .with_conditions(retained)
        .unwrap();
    assert!(!surely_covers(
        &own,
        &rule("allow publishClientSend a/b"),
        ANN
    ));
    let same = rule("allow publishClientSend a/b")
        .with_conditions(retained)
        .unwrap();
    assert!(surely_covers(&own, &same, ANN));
}

#[test]
fn roles_that_have_to_do_with_administration_are_told_from_others() {
    let stored = |prefix: Option<&str>, rules: &[&str]| StoredRole {
        rules: rules.iter().map(|text| rule(text)).collect(),
        admin_prefix: prefix.map(|prefix| NamePrefix::new(prefix).unwrap()),
        ..StoredRole::named(crate::model::RoleName::new("r").unwrap())
    };
    assert!(stored(Some("a-"), &[]).concerns_administration());
    for rule in [
        OPENS,
        "deny publishClientSend $CONTROL/#",
        "allow subscribePattern $share/g/$CONTROL/#",
        "allow subscribePattern $share/#",
    ] {
        assert!(stored(None, &[rule]).concerns_administration(), "{rule}");
    }
    assert!(!stored(None, &["allow publishClientSend #"]).concerns_administration());
    let own = format!("allow publishClientSend {OWN_TOPIC}");
    assert!(!stored(None, &[&own]).concerns_administration());
    let denies = stored(None, &["deny publishClientSend $CONTROL/#"]);
    assert!(!denies.administers() && stored(None, &[OPENS]).administers());
    assert!(stored(Some("a-"), &[]).administers());
}
