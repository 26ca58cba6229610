//! Each oddity beside a rule that is none.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::super::acl_file::{AclFile, Subscriptions};
use super::super::{
    AclType, Conditions, Permission, Priority, Qos, RoleDefinition, Rule, WildcardSubscriptions,
    Window,
};
use super::*;
use crate::model::NamePrefix;

use AclType::{
    PublishClientReceive as Receive, PublishClientSend as Send, SubscribeLiteral as Literal,
    SubscribePattern as Pattern,
};

fn allow(acl_type: AclType, filter: &str) -> Rule {
    Rule::new(acl_type, Permission::Allow, filter).unwrap()
}

fn deny(acl_type: AclType, filter: &str) -> Rule {
    Rule::new(acl_type, Permission::Deny, filter).unwrap()
}

fn definition(rules: Vec<Rule>) -> RoleDefinition {
    RoleDefinition {
        name: "r".into(),
        rules,
        wildcard_subscriptions: WildcardSubscriptions::Allow,
        window: Window::default(),
        admin_prefix: None,
    }
}

fn of_role(rules: Vec<Rule>) -> Vec<(usize, Oddity)> {
    let found = role(&definition(rules)).unwrap();
    found
        .iter()
        .map(|found| (found.rule, found.oddity))
        .collect()
}

fn of_rule(rule: Rule) -> Vec<Oddity> {
    let found = of_role(vec![rule]);
    found.into_iter().map(|(_, oddity)| oddity).collect()
}

/// The lines and what is odd about them.
fn of_file(text: &str) -> Vec<(usize, Oddity)> {
    let rules = AclFile::parse(text, Subscriptions::AsMosquitto).unwrap();
    let found = file(&rules);
    let line = |found: &Finding| (rules.rules()[found.rule].line, found.oddity);
    found.iter().map(line).collect()
}

#[test]
fn rules_that_never_match_are_found() {
    for (rule, oddity) in [
        (allow(Send, "$share/g/a"), Oddity::SharedTopic),
        (deny(Receive, "$share/#"), Oddity::SharedTopic),
        (allow(Send, "$SYS/+/x/#"), Oddity::BrokersOwnTopic),
        (allow(Send, "$SYS/broker/uptime"), Oddity::BrokersOwnTopic),
        (
            allow(Send, "$SYS/broker/connection/b/x"),
            Oddity::BrokersOwnTopic,
        ),
        (allow(Literal, "$share/+/a"), Oddity::ImpossibleLiteral),
        (allow(Pattern, "a/x%u"), Oddity::LiteralName),
        (allow(Literal, "a/%u"), Oddity::LiteralName),
    ] {
        assert_eq!(of_rule(rule.clone()), [oddity], "{rule:?}");
    }
}

#[test]
fn rules_that_do_match_are_no_finding() {
    for rule in [
        allow(Pattern, "$share/g/a"),
        allow(Literal, "$share/g/a"),
        allow(Send, "$SYS/broker/connection/b/state"),
        allow(Send, "$SYS/broker/connection/+/state"),
        deny(Send, "#"),
        allow(Receive, "$SYS/broker/uptime"),
        allow(Send, "a/%u"),
        allow(Literal, "a/+"),
        allow(Pattern, "100%/u"),
    ] {
        assert_eq!(of_rule(rule.clone()), [], "{rule:?}");
    }
}

#[test]
fn rules_that_open_much_are_noted() {
    for (rule, oddities) in [
        (allow(Send, "#"), vec![Oddity::Everything]),
        (allow(Receive, "$SYS/#"), vec![Oddity::BrokersStatus]),
        (allow(Send, "$CONTROL/#"), vec![Oddity::Administration]),
        (allow(Receive, "$CONTROL/#"), vec![]),
        (allow(Send, "$CONTROL/doorman/own/v1"), vec![]),
        (allow(Send, "a/%c"), vec![Oddity::ChosenClientId]),
        (allow(Send, "%u/#"), vec![Oddity::NameOwnsTree]),
        (
            allow(Send, "%c/#"),
            vec![Oddity::ChosenClientId, Oddity::NameOwnsTree],
        ),
        (deny(Send, "%c/#"), vec![]),
    ] {
        assert_eq!(of_rule(rule.clone()), oddities, "{rule:?}");
    }
}

#[test]
fn whoever_is_limited_and_hears_what_others_are_answered_is_found() {
    let answers = "$CONTROL/dynamic-security/v1/response";
    let limited = |rules| {
        let admin_prefix = NamePrefix::new("p-").ok();
        let limited = RoleDefinition {
            admin_prefix,
            ..definition(rules)
        };
        role(&limited).unwrap()
    };
    let orders = || allow(Send, "$CONTROL/dynamic-security/v1");
    for filter in [answers, "$CONTROL/#", "$CONTROL/+/v1/response"] {
        let found = limited(vec![orders(), allow(Receive, filter)]);
        let oddity = Oddity::Overhears;
        assert_eq!(found, [Finding { rule: 1, oddity }], "{filter}");
        assert_eq!(oddity.weight(), Weight::Warning);
        // Without a limit that is what it is for.
        let found = of_role(vec![orders(), allow(Receive, filter)]);
        assert_eq!(found, [(0, Oddity::Administration)], "{filter}");
    }
    for rule in [
        deny(Receive, "$CONTROL/#"),
        allow(Receive, "$CONTROL/dynamic-security/v1"),
        allow(Receive, "$CONTROL/doorman/own/v1/response"),
        allow(Receive, "p-/#"),
        allow(Literal, answers),
        allow(Pattern, "$CONTROL/#"),
    ] {
        assert_eq!(limited(vec![orders(), rule.clone()]), [], "{rule:?}");
    }
    // Refused before it is allowed.
    let first = deny(Receive, answers).with_priority(Priority::clamped(1));
    let found = limited(vec![orders(), allow(Receive, "$CONTROL/#"), first]);
    assert_eq!(found, []);
}

#[test]
fn a_rule_below_one_that_covers_it_is_found() {
    let rules = vec![
        allow(Send, "a/b"),
        deny(Send, "a/+"),
        allow(Send, "a/%u"),
        deny(Send, "a/c"),
        allow(Receive, "a/b"),
        allow(Send, "a/b/c"),
    ];
    let found = of_role(rules.clone());
    assert_eq!(found, [(2, Oddity::Overruled(1)), (3, Oddity::Repeated(1))]);
    // Asked earlier, it is not below.
    let mut early = rules;
    early[2] = early[2].clone().with_priority(Priority::clamped(1));
    assert_eq!(of_role(early), [(3, Oddity::Repeated(1))]);
}

#[test]
fn a_rule_with_conditions_covers_only_what_meets_them() {
    let up_to = |qos| {
        let conditions = Conditions {
            max_qos: Some(qos),
            ..Conditions::default()
        };
        allow(Send, "a/+").with_conditions(conditions).unwrap()
    };
    assert_eq!(
        of_role(vec![up_to(Qos::AtLeastOnce), deny(Send, "a/b")]),
        []
    );
    let narrower = vec![up_to(Qos::AtLeastOnce), up_to(Qos::AtMostOnce)];
    assert_eq!(of_role(narrower), [(1, Oddity::Repeated(0))]);
}

#[test]
fn a_literal_with_wildcards_needs_a_role_that_has_them() {
    let mut role = definition(vec![allow(Literal, "a/+"), allow(Literal, "a")]);
    assert_eq!(super::role(&role).unwrap(), []);
    role.wildcard_subscriptions = WildcardSubscriptions::Deny;
    let oddity = Oddity::DeniedWildcard;
    assert_eq!(super::role(&role).unwrap(), [Finding { rule: 0, oddity }]);
}

#[test]
fn a_plus_where_another_rule_has_the_name_is_noted() {
    let rules = vec![allow(Send, "a/%u/in"), allow(Send, "a/+/out")];
    assert_eq!(of_role(rules), [(1, Oddity::AnyName(0))]);
    let other = vec![
        allow(Send, "a/%u/in"),
        allow(Send, "b/+"),
        allow(Receive, "a/+"),
    ];
    assert_eq!(of_role(other), []);
}

#[test]
fn odd_lines_of_a_file_are_found() {
    let text = "topic read a\ntopic b\nuser ann\ntopic deny a/#\ntopic read a/b\ntopic %u/x\n\
                topic c\ntopic read c\npattern write $SYS/x\npattern x%u\npattern read $share/g/a\n\
                pattern read %c/x\n";
    assert_eq!(
        of_file(text),
        [
            (1, Oddity::AnonymousOnly),
            (5, Oddity::Overruled(0)),
            (6, Oddity::LiteralName),
            (8, Oddity::Repeated(5)),
            (9, Oddity::BrokersOwnTopic),
            (10, Oddity::NameInsideLevel),
            (11, Oddity::SharedTopic),
            (12, Oddity::ChosenClientId),
        ]
    );
}

#[test]
fn what_two_rules_of_a_file_allow_together_a_third_need_not() {
    let both = "user ann\ntopic read a\ntopic write a\ntopic a\n";
    assert_eq!(of_file(both), [(4, Oddity::Repeated(1))]);
    assert_eq!(of_file("user ann\ntopic read a\ntopic a\n"), []);
    assert_eq!(of_file("user ann\ntopic a\nuser bob\ntopic a\n"), []);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn ten_thousand_rules_are_gone_through_at_once() {
    let rule = |at: usize| allow(Send, &format!("site/{at}/+/state"));
    let start = Instant::now();
    assert_eq!(of_role((0..10_000).map(rule).collect()), []);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn every_oddity_says_what_to_do() {
    for oddity in [
        Oddity::SharedTopic,
        Oddity::Overruled(1),
        Oddity::Overhears,
        Oddity::AnonymousOnly,
    ] {
        assert!(oddity.to_string().len() > 40);
    }
    assert_eq!(Oddity::Overruled(1).weight(), Weight::Warning);
    assert_eq!(Oddity::Everything.weight(), Weight::Note);
}
