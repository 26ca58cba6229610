//! What somebody lost: the usual changes one by one, and random ones held against random questions.
#![forbid(unsafe_code)]

use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::{LEVELS, holder, holding, message, name, questions, rule, text};
use super::*;

use AclType::{
    PublishClientReceive as Receive, PublishClientSend as Send, SubscribeLiteral as Literal,
    SubscribePattern as Pattern,
};

fn made(holder: &Holder, defaults: Defaults) -> Arc<Rights> {
    Compiler::thorough().rights(holder, defaults, at(0))
}

/// What is lost from these rules to those.
fn lost(before: &[Rule], now: &[Rule]) -> Loss {
    with(now.to_vec()).lost_since(&with(before.to_vec()))
}

fn lost_with(defaults: Defaults, before: &[Rule], now: &[Rule]) -> Loss {
    let rights = |rules: &[Rule]| {
        let roles = vec![assigned(&role("r", rules.to_vec()), 0)];
        let groups = Vec::new();
        made(&Holder { roles, groups }, defaults)
    };
    rights(now).lost_since(&rights(before))
}

fn rules() -> Vec<Rule> {
    vec![
        allow(Send, "a/+/x"),
        deny(Send, "a/#"),
        allow(Send, "b/%u/#"),
        allow(Pattern, "b/#"),
        deny(Literal, "b/c"),
        allow(Receive, "b/#"),
    ]
}

#[test]
fn nothing_is_lost_where_rules_that_allow_are_added_anywhere() {
    for at in 0..=rules().len() {
        for filter in ["a/+/x", "a/b", "#", "q"] {
            let mut more = rules();
            more.insert(at, allow(Send, filter));
            assert_eq!(lost(&rules(), &more), Loss::Nothing, "{at} {filter}");
        }
    }
}

#[test]
fn nothing_is_lost_where_rules_that_deny_are_taken_away() {
    let mut fewer = rules();
    fewer.retain(|rule| rule.permission() == Permission::Allow);
    assert_eq!(lost(&rules(), &fewer), Loss::Nothing);
    assert_eq!(lost(&fewer, &rules()), Loss::Rules);
}

#[test]
fn a_rule_that_is_taken_away_is_lost() {
    for at in 0..rules().len() {
        let mut fewer = rules();
        let gone = fewer.remove(at);
        let expected = match gone.permission() {
            Permission::Allow => Loss::Rules,
            Permission::Deny => Loss::Nothing,
        };
        assert_eq!(lost(&rules(), &fewer), expected, "{gone:?}");
    }
}

#[test]
fn a_rule_that_denies_costs_only_what_it_is_about() {
    let before = [allow(Send, "a/b"), allow(Send, "x/%c"), deny(Send, "d/#")];
    let with = |filter| [&[deny(Send, filter)], &before[..]].concat();
    for harmless in ["a/c", "a/b/+", "+", "$SYS/#", "d/+", "y/#"] {
        assert_eq!(lost(&before, &with(harmless)), Loss::Nothing, "{harmless}");
    }
    for harmful in ["a/+", "#", "x/y", "x/%u", "+/b", "a/b/#"] {
        assert_eq!(lost(&before, &with(harmful)), Loss::Rules, "{harmful}");
    }
    let below = [&before[..], &[deny(Send, "a/b")]].concat();
    assert_eq!(lost(&before, &below), Loss::Nothing, "it is never asked");
}

#[test]
fn an_order_that_decides_nothing_may_change() {
    let (a, no, b) = (allow(Send, "a/#"), deny(Send, "b/c"), allow(Send, "b/+"));
    let before = [a.clone(), no.clone(), b.clone()];
    for same in [[&no, &a, &b], [&no, &b, &a]] {
        let same = same.map(Clone::clone);
        assert_eq!(lost(&before, &same), Loss::Nothing);
    }
    let other = [b, no, a];
    assert_eq!(lost(&before, &other), Loss::Nothing);
    assert_eq!(lost(&other, &before), Loss::Rules);
}

#[test]
fn a_rule_that_covers_another_takes_its_place() {
    for (before, now) in [
        (allow(Send, "a/b"), allow(Send, "a/+")),
        (allow(Send, "a/%u/%c"), allow(Send, "a/#")),
        (allow(Literal, "a/+"), allow(Pattern, "a/#")),
        (allow(Pattern, "$share/g/a"), allow(Pattern, "a")),
        (allow(Pattern, "$share/g/a"), allow(Pattern, "$share/+/a")),
    ] {
        let (before, now) = ([before], [now]);
        assert_eq!(lost(&before, &now), Loss::Nothing, "{before:?} {now:?}");
        assert_eq!(lost(&now, &before), Loss::Rules, "{before:?} {now:?}");
    }
    let below = [deny(Send, "a/c"), allow(Send, "a/+")];
    assert_eq!(lost(&[allow(Send, "a/b")], &below), Loss::Nothing);
    assert_eq!(lost(&[allow(Send, "a/c")], &below), Loss::Rules);
    // Of somebody else's name.
    assert_eq!(
        lost(&[allow(Send, "%u")], &[allow(Send, "%c")]),
        Loss::Rules
    );
    let literal = [allow(Literal, "%c/x")];
    assert_eq!(lost(&literal, &[allow(Pattern, "%c/x")]), Loss::Rules);
}

#[test]
fn conditions_that_let_through_less_are_a_loss() {
    let up_to = |bytes| {
        let conditions = Conditions {
            max_payload: Some(bytes),
            ..Conditions::default()
        };
        [allow(Send, "a").with_conditions(conditions).unwrap()]
    };
    assert_eq!(lost(&up_to(9), &up_to(10)), Loss::Nothing);
    assert_eq!(lost(&up_to(9), &[allow(Send, "a")]), Loss::Nothing);
    assert_eq!(lost(&up_to(10), &up_to(9)), Loss::Rules);
    assert_eq!(lost(&[allow(Send, "a")], &up_to(9)), Loss::Rules);
}

#[test]
fn the_same_rules_by_another_way_are_no_loss() {
    let (yes, no) = (
        role("yes", vec![allow(Send, "a/#"), allow(Pattern, "#")]),
        role("no", vec![deny(Send, "b")]),
    );
    let own = rights(&Holder {
        roles: vec![assigned(&yes, 5), assigned(&no, 1)],
        groups: Vec::new(),
    });
    let grouped = rights(&Holder {
        roles: vec![assigned(&no, 0)],
        groups: vec![membership("g", 3, vec![assigned(&yes, 0)])],
    });
    let copied = with(vec![
        allow(Pattern, "#"),
        deny(Send, "b"),
        allow(Send, "a/#"),
    ]);
    for (before, now) in [(&own, &grouped), (&grouped, &own), (&own, &copied)] {
        assert!(now.keeps(before));
    }
    assert!(!with(yes.rules()[..1].to_vec()).keeps(&own));
}

#[test]
fn a_dormant_role_allows_nothing() {
    let written = |until| RoleDefinition {
        window: Window { from: None, until },
        ..definition("r", vec![allow(Send, "a")])
    };
    let holding = |until| {
        let role = Arc::new(Role::compile(written(until)).unwrap());
        rights(&Holder {
            roles: vec![assigned(&role, 0)],
            groups: Vec::new(),
        })
    };
    let (awake, dormant) = (holding(None), holding(Some(at(0))));
    assert_eq!(dormant.lost_since(&awake), Loss::Rules);
    assert_eq!(awake.lost_since(&dormant), Loss::Nothing);
}

#[test]
fn a_stricter_default_is_told_from_a_lost_rule() {
    let strict = made(&Holder::default(), Defaults::DENY);
    let fresh = made(&Holder::default(), Defaults::FRESH);
    assert_eq!(strict.lost_since(&fresh), Loss::Defaults);
    assert_eq!(fresh.lost_since(&strict), Loss::Nothing);
    let more = with(vec![allow(Receive, "a"), allow(Send, "a")]);
    assert_eq!(more.lost_since(&fresh), Loss::Defaults);
    assert_eq!(strict.lost_since(&more), Loss::Rules);
    let open = Defaults {
        send: Permission::Allow,
        ..Defaults::FRESH
    };
    // What the default allows needs no rule, but for $CONTROL.
    let open = made(&Holder::default(), open);
    assert_eq!(open.lost_since(&more), Loss::Nothing);
    let control = with(vec![allow(Send, "$CONTROL/#")]);
    assert_eq!(open.lost_since(&control), Loss::Rules);
}

#[test]
fn a_denial_below_a_default_that_allows_is_a_loss_of_rules() {
    let denied = |filter| lost_with(Defaults::FRESH, &[], &[deny(Receive, filter)]);
    assert_eq!(denied("a"), Loss::Rules);
    assert_eq!(denied("$CONTROL/#"), Loss::Nothing);
    let both = [deny(Receive, "a/#"), deny(Receive, "a/b")];
    assert_eq!(lost_with(Defaults::FRESH, &both[..1], &both), Loss::Nothing);
}

#[test]
fn a_role_without_wildcard_subscriptions_costs_those_and_nothing_else() {
    let lost = |wildcards, rules: Vec<Rule>| {
        let before = role("r", rules.clone());
        let now = Arc::new(
            Role::compile(RoleDefinition {
                wildcard_subscriptions: wildcards,
                ..definition("r", rules)
            })
            .unwrap(),
        );
        let rights = |role: &Arc<Role>| {
            rights(&Holder {
                roles: vec![assigned(role, 0)],
                groups: Vec::new(),
            })
        };
        let (before, now) = (rights(&before), rights(&now));
        (now.lost_since(&before), before.lost_since(&now))
    };
    let never = WildcardSubscriptions::Deny;
    for (rule, loss) in [
        (allow(Pattern, "a/+"), Loss::Rules),
        (allow(Literal, "a/+"), Loss::Rules),
        (allow(Pattern, "a/%u"), Loss::Nothing),
        (allow(Literal, "a"), Loss::Nothing),
        (allow(Send, "#"), Loss::Nothing),
    ] {
        let (there, back) = lost(never, vec![rule.clone()]);
        assert_eq!((there, back), (loss, Loss::Nothing), "{rule:?}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn a_hundred_thousand_rules_are_compared_at_once() {
    let rules = |count: usize| -> Vec<Rule> {
        let rule = |at: usize| match at % 10 {
            0 => deny(Send, &format!("site/{at}/+/secret")),
            _ => allow(Send, &format!("site/{at}/+/state")),
        };
        (0..count).map(rule).collect()
    };
    let (all, mut turned) = (rules(100_000), rules(100_000));
    turned.reverse();
    let (all, turned) = (with(all), with(turned));
    let wide = with(vec![allow(Send, "#")]);
    let few = with(rules(99_995));
    for (now, before, loss) in [
        (&all, &few, Loss::Nothing),
        (&few, &all, Loss::Rules),
        (&wide, &all, Loss::Nothing),
        (&all, &wide, Loss::Rules),
        // Too many pairs to compare.
        (&turned, &all, Loss::Rules),
    ] {
        let start = Instant::now();
        assert_eq!(now.lost_since(before), loss);
        let taken = start.elapsed();
        // Far above what it takes: this machine may be busy, and this build is not a fast one.
        assert!(taken.as_millis() < 2_000, "{taken:?}");
    }
}

/// A change of what somebody holds.
#[derive(Clone, Debug)]
enum Change {
    Remove(prop::sample::Index),
    Add(prop::sample::Index, Rule),
    Priority(prop::sample::Index, i64),
    Wildcards(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at)().prop_map(Change::Remove),
        (at(), rule()).prop_map(|(at, rule)| Change::Add(at, rule)),
        (at(), -1_i64..=1).prop_map(|(at, priority)| Change::Priority(at, priority)),
        (at)().prop_map(Change::Wildcards),
        (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn where_nothing_is_lost_no_answer_turns_to_no(
        before in holding(5),
        changes in vec(change(), 1..4),
        asked in vec((text(LEVELS), message(), name(), name()), 30),
        (then_fresh, now_fresh) in (any::<bool>(), any::<bool>()),
    ) {
        let mut after = before.clone();
        for change in changes {
            if after.is_empty() {
                break;
            }
            let count = after.len();
            match change {
                Change::Remove(at) => {
                    let rules = &mut after[at.index(count)].definition.rules;
                    if !rules.is_empty() {
                        rules.remove(at.index(rules.len()));
                    }
                }
                Change::Add(at, rule) => {
                    let rules = &mut after[at.index(count)].definition.rules;
                    let places = rules.len().saturating_add(1);
                    rules.insert(at.index(places), rule);
                }
                Change::Priority(at, priority) => {
                    after[at.index(count)].priority = Priority::clamped(priority);
                }
                Change::Wildcards(at) => {
                    let flag = &mut after[at.index(count)].definition.wildcard_subscriptions;
                    *flag = match flag {
                        WildcardSubscriptions::Allow => WildcardSubscriptions::Deny,
                        WildcardSubscriptions::Deny => WildcardSubscriptions::Allow,
                    };
                }
                Change::Swap(a, b) => {
                    let rules = &mut after[a.index(count)].definition.rules;
                    if !rules.is_empty() {
                        let count = rules.len();
                        rules.swap(a.index(count), b.index(count));
                    }
                }
            }
        }
        let defaults = |fresh| if fresh { Defaults::FRESH } else { Defaults::DENY };
        let (then_defaults, now_defaults) = (defaults(then_fresh), defaults(now_fresh));
        let then = made(&holder(&before), then_defaults);
        let now = made(&holder(&after), now_defaults);
        let loss = now.lost_since(&then);
        // A loss that is the default's alone is none where the default stays.
        let kept = match loss {
            Loss::Nothing => now,
            Loss::Defaults => made(&holder(&after), then_defaults),
            Loss::Rules => return Ok(()),
        };
        // Questions that the rules tell apart, and others.
        let of_rules = before.iter().flat_map(|held| &held.definition.rules);
        let topics = of_rules.map(|rule| rule.template().as_str().replace("%c", "a").replace("%u", "b"));
        let concrete = topics.flat_map(|text| [text.replace(['+', '#'], "a"), text]);
        let named = concrete.map(|text| (text, MESSAGE, Some("a".to_owned()), Some("b".to_owned())));
        for (text, message, client_id, username) in named.chain(asked) {
            let asker = Asker { client_id: client_id.as_deref(), username: username.as_deref() };
            for question in questions(&text, message) {
                let was = then.check(asker, &question).permission;
                let is = kept.check(asker, &question).permission;
                prop_assert!(
                    is == Permission::Allow || was == Permission::Deny,
                    "{:?} {:?} {:?}", loss, asker, question
                );
            }
        }
    }
}
