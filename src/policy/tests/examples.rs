//! The semantics of roles, one sentence at a time.
#![forbid(unsafe_code)]

use super::*;

use AclType::{
    PublishClientReceive as Receive, PublishClientSend as Send, SubscribeLiteral as Literal,
    SubscribePattern as Pattern, UnsubscribeLiteral, UnsubscribePattern,
};

#[test]
fn each_type_answers_its_own_question_and_no_other() {
    let all = AclType::ALL;
    for (acl_type, question) in [
        (Send, send("a")),
        (Receive, receive("a")),
        (Literal, subscribe("a")),
        (Pattern, subscribe("a")),
        (UnsubscribeLiteral, unsubscribe("a")),
        (UnsubscribePattern, unsubscribe("a")),
    ] {
        assert!(may(&with(vec![allow(acl_type, "a")]), question));
        let others = all.into_iter().filter(|other| {
            let subscribes = matches!(question, Question::Subscribe(..));
            let unsubscribes = matches!(question, Question::Unsubscribe(_));
            let same = (subscribes && [Literal, Pattern].contains(other))
                || (unsubscribes && [UnsubscribeLiteral, UnsubscribePattern].contains(other));
            *other != acl_type && !same
        });
        let others = with(others.map(|other| allow(other, "a")).collect());
        assert!(!may(&others, question), "{acl_type}");
    }
}

#[test]
fn the_rule_of_the_highest_priority_decides() {
    let rules = |first: i64, second: i64| {
        with(vec![
            allow(Send, "a/#").with_priority(Priority::clamped(first)),
            deny(Send, "a/b").with_priority(Priority::clamped(second)),
        ])
    };
    assert!(may(&rules(2, 1), send("a/b")));
    assert!(!may(&rules(1, 2), send("a/b")));
    assert!(may(&rules(1, 2), send("a/c")));
}

#[test]
fn of_equal_priority_the_rule_that_was_added_first_decides() {
    let (yes, no) = (allow(Send, "z/#"), deny(Send, "z/a"));
    assert!(may(&with(vec![yes.clone(), no.clone()]), send("z/a")));
    assert!(!may(&with(vec![no, yes]), send("z/a")));
}

#[test]
fn own_roles_come_before_those_of_groups() {
    let yes = role("yes", vec![allow(Send, "a")]);
    let no = role("no", vec![deny(Send, "a")]);
    let holder = |own: &Arc<Role>, group: &Arc<Role>| Holder {
        roles: vec![assigned(own, -100)],
        groups: vec![membership("g", 100, vec![assigned(group, 100)])],
    };
    assert!(may(&rights(&holder(&yes, &no)), send("a")));
    assert!(!may(&rights(&holder(&no, &yes)), send("a")));
}

#[test]
fn roles_and_groups_come_by_priority_and_then_by_name() {
    let yes = role("b", vec![allow(Send, "a")]);
    let no = role("a", vec![deny(Send, "a")]);
    for (priority, allowed) in [(1, true), (0, false), (-1, false)] {
        let own = Holder {
            roles: vec![assigned(&no, 0), assigned(&yes, priority)],
            groups: Vec::new(),
        };
        assert_eq!(may(&rights(&own), send("a")), allowed);
        // The names of the groups, not of the roles.
        let groups = Holder {
            roles: Vec::new(),
            groups: vec![
                membership("ga", 0, vec![assigned(&no, 0)]),
                membership("gb", priority, vec![assigned(&yes, -5)]),
            ],
        };
        assert_eq!(may(&rights(&groups), send("a")), allowed);
    }
}

#[test]
fn a_role_without_an_answer_leaves_the_question_to_the_next() {
    let silent = role("a", vec![deny(Send, "x"), deny(Receive, "a")]);
    let speaks = role("b", vec![allow(Send, "a")]);
    let holder = Holder {
        roles: vec![assigned(&silent, 0), assigned(&speaks, 0)],
        groups: Vec::new(),
    };
    assert!(may(&rights(&holder), send("a")));
    assert!(!may(&rights(&holder), send("x")));
    assert!(!may(&rights(&holder), send("y")));
}

#[test]
fn an_exact_literal_decides_before_any_pattern_of_its_role() {
    let high = Priority::clamped(100);
    let rules = with(vec![
        deny(Pattern, "a/#").with_priority(high),
        allow(Literal, "a/+"),
        allow(Pattern, "b/#").with_priority(high),
        deny(Literal, "b/c"),
    ]);
    assert!(may(&rules, subscribe("a/+")));
    assert!(!may(&rules, subscribe("a/b")));
    assert!(may(&rules, subscribe("b/+")));
    assert!(!may(&rules, subscribe("b/c")));
}

#[test]
fn names_in_a_literal_are_no_names() {
    let rules = with(vec![allow(Literal, "%u"), allow(UnsubscribeLiteral, "%c")]);
    assert!(may(&rules, subscribe("%u")));
    assert!(!may(&rules, subscribe("ann")));
    assert!(may(&rules, unsubscribe("%c")));
    assert!(!may(&rules, unsubscribe("c1")));
}

#[test]
fn a_pattern_allows_only_what_it_covers_wholly() {
    let rules = with(vec![allow(Pattern, "a/+/c")]);
    for (filter, allowed) in [
        ("a/b/c", true),
        ("a/+/c", true),
        ("a/#", false),
        ("a/+/#", false),
        ("a/b/+", false),
    ] {
        assert_eq!(may(&rules, subscribe(filter)), allowed, "{filter}");
    }
}

#[test]
fn a_role_without_wildcard_subscriptions_denies_them_before_its_rules() {
    let closed = |priority| {
        let role = Role::compile(RoleDefinition {
            wildcard_subscriptions: WildcardSubscriptions::Deny,
            ..definition("closed", vec![allow(Literal, "a/+"), allow(Pattern, "a/#")])
        });
        assigned(&Arc::new(role.unwrap()), priority)
    };
    let open = role("open", vec![allow(Pattern, "b/#")]);
    let holder = |priority| {
        rights(&Holder {
            roles: vec![closed(0), assigned(&open, priority)],
            groups: Vec::new(),
        })
    };
    let (first, last) = (holder(1), holder(-1));
    assert!(may(&first, subscribe("a/b")));
    assert!(!may(&first, subscribe("a/+")));
    assert!(may(&first, subscribe("b/+")));
    assert!(!may(&last, subscribe("b/+")));
    assert!(may(&last, subscribe("b/c")));
    assert_eq!(
        last.check(ANN, &subscribe("b/+")).because,
        Because::WildcardSubscription { grant: 0 }
    );
}

#[test]
fn to_unsubscribe_with_wildcards_is_nothing_special() {
    let role = Role::compile(RoleDefinition {
        wildcard_subscriptions: WildcardSubscriptions::Deny,
        ..definition("r", vec![allow(UnsubscribePattern, "a/#")])
    });
    let rights = rights(&Holder {
        roles: vec![assigned(&Arc::new(role.unwrap()), 0)],
        groups: Vec::new(),
    });
    assert!(may(&rights, unsubscribe("a/+")));
    assert!(!may(&rights, unsubscribe("b/+")));
    assert!(!may(&rights, subscribe("a/+")));
}

#[test]
fn a_shared_subscription_is_judged_by_its_filter() {
    let rules = with(vec![allow(Pattern, "a/#"), allow(Literal, "b")]);
    assert!(may(&rules, subscribe("$share/g/a/b")));
    assert!(may(&rules, subscribe("$share/g/b")));
    assert!(!may(&rules, subscribe("$share/g/c")));
    assert!(!may(&rules, subscribe("$share/g/#")));
}

#[test]
fn a_rule_that_names_a_group_is_one_rule_among_the_others() {
    let rules = with(vec![
        deny(Pattern, "$share/other/#"),
        allow(Pattern, "a/#"),
        allow(Pattern, "$share/%u/x/+"),
        allow(Literal, "$share/g/y"),
    ]);
    assert!(may(&rules, subscribe("a/b")));
    assert!(may(&rules, subscribe("$share/g/a/b")));
    assert!(!may(&rules, subscribe("$share/other/a/b")));
    assert!(may(&rules, subscribe("$share/ann/x/1")));
    assert!(!may(&rules, subscribe("$share/bob/x/1")));
    assert!(!may(&rules, subscribe("x/1")));
    assert!(may(&rules, subscribe("$share/g/y")));
    assert!(!may(&rules, subscribe("$share/h/y")));
}

#[test]
fn a_rule_whose_conditions_do_not_hold_leaves_the_question_to_the_next() {
    let small = Conditions {
        max_payload: Some(10),
        retain: Retain::Never,
        max_qos: Some(Qos::AtLeastOnce),
    };
    let narrow = allow(Send, "a").with_conditions(small).unwrap();
    let message = |qos, retain, payload| {
        let message = Message {
            qos,
            retain,
            payload,
        };
        Question::Send(Topic::new("a").unwrap(), message)
    };
    let met = message(Qos::AtLeastOnce, false, 10);
    let unmet = [
        message(Qos::ExactlyOnce, false, 10),
        message(Qos::AtMostOnce, true, 10),
        message(Qos::AtMostOnce, false, 11),
    ];
    let closed = with(vec![narrow.clone(), deny(Send, "a"), allow(Send, "#")]);
    let open = with(vec![narrow, allow(Send, "a")]);
    assert!(may(&closed, met) && may(&open, met));
    for question in unmet {
        assert!(!may(&closed, question) && may(&open, question));
    }
}

#[test]
fn a_subscription_with_a_higher_qos_than_allowed_is_denied() {
    let bound = Conditions {
        max_qos: Some(Qos::AtMostOnce),
        ..Conditions::default()
    };
    let rules = with(vec![allow(Pattern, "a").with_conditions(bound).unwrap()]);
    let ask = |qos| Question::Subscribe(Filter::new("a").unwrap(), qos);
    assert!(may(&rules, ask(Qos::AtMostOnce)));
    assert!(!may(&rules, ask(Qos::AtLeastOnce)));
}

#[test]
fn a_client_whose_name_is_a_wildcard_gets_nothing_by_it() {
    let rules = with(vec![
        allow(Send, "%u/x"),
        allow(Pattern, "%c/#"),
        allow(Pattern, "%u"),
    ]);
    assert!(may(&rules, send("ann/x")));
    assert!(may(&rules, subscribe("c1/#")));
    for name in ["+", "#", "/", "a/b", "", "$SYS"] {
        let asker = Asker {
            client_id: Some(name),
            username: Some(name),
        };
        for question in [
            send("a/x"),
            send("/x"),
            send("a/b/x"),
            send("$SYS/x"),
            subscribe("#"),
            subscribe("+/#"),
            subscribe("+"),
            subscribe("a/b/#"),
            subscribe("/#"),
            subscribe("$SYS/#"),
        ] {
            let decision = rules.check(asker, &question);
            assert_eq!(decision.permission, Permission::Deny, "{name} {question:?}");
        }
    }
}

#[test]
fn an_anonymous_client_is_no_user() {
    let rules = with(vec![allow(Send, "%u/x"), allow(Send, "y/%c")]);
    let anonymous = Asker {
        username: None,
        ..ANN
    };
    let ask = |topic| rules.check(anonymous, &send(topic)).permission;
    assert_eq!(ask("ann/x"), Permission::Deny);
    assert_eq!(ask("/x"), Permission::Deny);
    assert_eq!(ask("y/c1"), Permission::Allow);
}

#[test]
fn where_no_rule_answers_the_default_does() {
    let none = Holder::default();
    let rights = Compiler::thorough().rights(&none, Defaults::FRESH, at(0));
    assert!(may(&rights, receive("a")) && may(&rights, unsubscribe("a")));
    assert!(!may(&rights, send("a")) && !may(&rights, subscribe("a")));
    assert_eq!(rights.check(ANN, &send("a")).because, Because::Default);
}

#[test]
fn no_default_opens_the_control_topics() {
    let open = Defaults {
        send: Permission::Allow,
        receive: Permission::Allow,
        subscribe: Permission::Allow,
        unsubscribe: Permission::Allow,
    };
    let topic = "$CONTROL/dynamic-security/v1";
    let rights = Compiler::thorough().rights(&Holder::default(), open, at(0));
    for question in [
        send(topic),
        receive(topic),
        subscribe("$share/g/$CONTROL/#"),
    ] {
        let decision = rights.check(ANN, &question);
        assert_eq!(decision.permission, Permission::Deny);
        assert_eq!(decision.because, Because::Control);
    }
    assert!(may(&rights, send("CONTROL")) && may(&rights, subscribe("#")));
    let by_rule = with(vec![allow(Send, "$CONTROL/#")]);
    assert!(may(&by_rule, send(topic)));
}

#[test]
fn a_role_holds_within_its_window_and_the_rights_say_when_that_changes() {
    let role = |name: &str, rule, from, until| {
        let window = Window {
            from: Some(at(from)),
            until: Some(at(until)),
        };
        let role = Role::compile(RoleDefinition {
            window,
            ..definition(name, vec![rule])
        });
        assigned(&Arc::new(role.unwrap()), 0)
    };
    let holder = Holder {
        roles: vec![
            role("a", allow(Send, "a"), 10, 20),
            role("b", deny(Send, "b"), 15, 30),
            role("c", allow(Send, "b"), 0, 30),
        ],
        groups: Vec::new(),
    };
    let mut compiler = Compiler::thorough();
    for (now, a, b, changes_at) in [
        (9, false, true, Some(10)),
        (10, true, true, Some(15)),
        (15, true, false, Some(20)),
        (20, false, false, Some(30)),
        (30, false, false, None),
    ] {
        let rights = compiler.rights(&holder, Defaults::DENY, at(now));
        assert_eq!((may(&rights, send("a")), may(&rights, send("b"))), (a, b));
        assert_eq!(rights.changes_at(), changes_at.map(at), "{now}");
        assert_eq!(rights.grants().len() + rights.dormant().len(), 3);
    }
}

#[test]
fn who_holds_the_same_shares_the_same_rights() {
    let roles: Vec<Arc<Role>> = (0..10)
        .map(|number| {
            role(
                &format!("r{number}"),
                vec![allow(Send, &format!("a/{number}"))],
            )
        })
        .collect();
    let all = roles.iter().map(|role| assigned(role, 0)).collect();
    let mut holder = Holder {
        roles: Vec::new(),
        groups: vec![membership("g", 0, all)],
    };
    let mut compiler = Compiler::thorough();
    let (one, two) = (
        compiler.rights(&holder, Defaults::DENY, at(0)),
        compiler.rights(&holder, Defaults::DENY, at(0)),
    );
    assert!(Arc::ptr_eq(&one, &two));
    holder.roles.push(assigned(&roles[3], 0));
    let other = compiler.rights(&holder, Defaults::DENY, at(0));
    assert!(!Arc::ptr_eq(&one, &other));
    assert!(may(&other, send("a/7")) && !may(&other, send("a/x")));
}

#[test]
fn a_role_that_was_compiled_anew_is_another() {
    let holder = |rule| Holder {
        roles: vec![assigned(&role("r", vec![rule]), 0)],
        groups: Vec::new(),
    };
    let mut compiler = Compiler::thorough();
    let before = compiler.rights(&holder(allow(Send, "a")), Defaults::DENY, at(0));
    let after = compiler.rights(&holder(deny(Send, "a")), Defaults::DENY, at(0));
    assert!(may(&before, send("a")) && !may(&after, send("a")));
}

#[test]
fn an_explanation_lists_what_decided_and_what_was_beaten() {
    let small = Conditions {
        max_payload: Some(1),
        ..Conditions::default()
    };
    let first = role(
        "first",
        vec![
            allow(Send, "a/b").with_conditions(small).unwrap(),
            deny(Send, "a/+"),
            allow(Send, "x"),
        ],
    );
    let second = role("second", vec![allow(Send, "#")]);
    let rights = rights(&Holder {
        roles: vec![assigned(&first, 0)],
        groups: vec![membership("g", 0, vec![assigned(&second, 0)])],
    });
    let explanation = rights.explain(ANN, &send("a/b"));
    let said: Vec<_> = explanation
        .candidates
        .iter()
        .map(|candidate| match candidate.say {
            Say::Rule(rule) => (rule.template().as_str(), candidate.is_answer()),
            Say::PassedOver(rule) => (rule.template().as_str(), candidate.is_answer()),
            Say::WildcardSubscription => ("wildcard", true),
        })
        .collect();
    assert_eq!(said, [("a/b", false), ("a/+", true), ("#", true)]);
    assert_eq!(explanation.decision.permission, Permission::Deny);
    let because = Because::Rule { grant: 0, rule: 1 };
    assert_eq!(explanation.decision.because, because);
}
