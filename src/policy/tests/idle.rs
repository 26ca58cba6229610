//! Rules that answer none of their role's holders, by example and beside the oracle.
#![forbid(unsafe_code)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::lint::{Oddity, Unanswered};
use super::super::naive::{self, Cause, Held};
use super::properties::{holder, holding, message, name, questions, text};
use super::*;

use AclType::{PublishClientReceive as Receive, PublishClientSend as Send};

/// What is said of the rules of these roles where these people hold them.
fn idle(roles: &[&Arc<Role>], holders: &[Holder]) -> Vec<(String, Oddity)> {
    let mut unanswered = Unanswered::of(roles.iter().map(|role| Arc::clone(role)));
    for holder in holders {
        unanswered.look_at(holder);
    }
    let idle = unanswered.idle().map(|idle| {
        let (before, cover) = idle.before;
        let [rule, cover] = [idle.rule, cover].map(|rule| rule.template().as_str());
        (
            format!("{} {rule} by {before} {cover}", idle.role),
            idle.oddity,
        )
    });
    idle.collect()
}

fn with_roles(roles: &[(&Arc<Role>, i64)]) -> Holder {
    let roles = roles
        .iter()
        .map(|(role, priority)| assigned(role, *priority));
    Holder {
        roles: roles.collect(),
        groups: Vec::new(),
    }
}

#[test]
fn a_rule_is_idle_if_each_holder_of_its_role_has_another_that_covers_it() {
    let base = role(
        "base",
        vec![allow(Send, "a/b"), deny(Send, "x"), allow(Receive, "a/b")],
    );
    let ban = role("ban", vec![deny(Send, "a/#"), deny(Send, "+")]);
    let both = [&base, &ban];
    let banned = || with_roles(&[(&base, 0), (&ban, 1)]);
    let found = [
        ("base a/b by ban a/#".to_owned(), Oddity::OverruledElsewhere),
        ("base x by ban +".to_owned(), Oddity::RepeatedElsewhere),
    ];
    assert_eq!(idle(&both, &[banned()]), found);
    // Asked the other way round each has something to say.
    assert_eq!(idle(&both, &[with_roles(&[(&base, 1), (&ban, 0)])]), []);
    // Whoever has one alone is answered by it.
    for free in [
        with_roles(&[(&base, 0)]),
        with_roles(&[(&base, 0), (&role("else", vec![]), 1)]),
    ] {
        assert_eq!(idle(&both, &[banned(), free]), []);
    }
    // Groups are asked after what is one's own.
    let by_group = Holder {
        roles: vec![assigned(&ban, 0)],
        groups: vec![membership("g", 9, vec![assigned(&base, 9)])],
    };
    assert_eq!(idle(&both, &[by_group, banned()]), found);
}

#[test]
fn whoever_has_a_role_twice_is_answered_by_the_first() {
    let base = role("base", vec![allow(Send, "a")]);
    let ban = role("ban", vec![deny(Send, "a")]);
    let twice = Holder {
        roles: vec![assigned(&base, 0)],
        groups: vec![membership(
            "g",
            0,
            vec![assigned(&ban, 1), assigned(&base, 0)],
        )],
    };
    assert_eq!(
        idle(&[&base, &ban], &[twice]),
        [("ban a by base a".to_owned(), Oddity::OverruledElsewhere)]
    );
}

#[test]
fn a_role_that_ends_lets_others_answer_then() {
    let base = role("base", vec![allow(Send, "a")]);
    let ban = |window| {
        let definition = RoleDefinition {
            window,
            ..definition("ban", vec![deny(Send, "a")])
        };
        Arc::new(Role::compile(definition).unwrap())
    };
    let until = Window {
        from: None,
        until: Some(at(100)),
    };
    for (window, found) in [(until, 0), (Window::default(), 1)] {
        let ban = ban(window);
        let banned = with_roles(&[(&base, 0), (&ban, 1)]);
        assert_eq!(idle(&[&base, &ban], &[banned]).len(), found);
    }
}

/// Some of the roles, by the bits of a number.
fn some(all: &[Held], which: usize) -> Vec<Held> {
    let held = all.iter().enumerate();
    let held = held.filter(|(at, _)| which >> at & 1 == 1);
    held.map(|(_, held)| held.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn an_idle_rule_decides_nothing_for_anybody(
        all in holding(5),
        which in vec(1_usize..32, 1..4),
        asked in vec((text(&["a", "b", "+", "#", "%u", "$x"]), message(), name(), name()), 1..12),
    ) {
        let everything = holder(&all);
        let roles = everything.grants().into_iter().map(|grant| grant.role);
        let mut unanswered = Unanswered::of(roles);
        for which in &which {
            unanswered.look_at(&holder(&some(&all, *which)));
        }
        for which in which {
            let held = some(&all, which);
            let grants = holder(&held).grants();
            for (text, message, client_id, username) in &asked {
                let asker = Asker { client_id: client_id.as_deref(), username: username.as_deref() };
                for question in questions(text, *message) {
                    let (_, cause) = naive::decide(&held, Defaults::DENY, asker, &question);
                    let Cause::Rule(grant, decided) = cause else { continue };
                    let mut idle = unanswered.idle();
                    let role = grants[grant].role.name();
                    let found = idle.find(|idle| *idle.role == **role && *idle.rule == decided);
                    prop_assert!(found.is_none(), "{:?} {:?}", asker, question);
                }
            }
        }
    }
}
