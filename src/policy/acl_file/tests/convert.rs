//! Files as roles, held against the files themselves by asking everything.
#![forbid(unsafe_code)]

use super::super::super::proof::{Kind, Proof};
use super::*;
use crate::policy::{AclType, Defaults, Permission, Priority, Rule};

const BOUND: usize = 200_000;

fn differences(converted: &Converted) -> Vec<(Option<usize>, Difference)> {
    let all = converted.inexact.iter();
    all.map(|inexact| (inexact.line, inexact.what)).collect()
}

/// The proof that a file's roles say what it says.
fn proof(text: &str) -> Proof {
    let file = file(text);
    file.to_roles().prove(&file, BOUND).unwrap()
}

const USUAL: &str = "topic read news/#\n\
    user ann\ntopic a/#\ntopic deny a/secret\ntopic read a/secret\ntopic write b/+/x\n\
    user bob\ntopic #\ntopic deny a/+/y\n\
    pattern deny a/%u/no\npattern a/%u/#\npattern write d/%c\npattern read $SYS/#\n";

#[test]
fn the_roles_of_a_file_say_what_it_says() {
    for text in [
        "",
        "topic a\n",
        "user ann\ntopic read a\n",
        "pattern read a/%c\n",
        USUAL,
    ] {
        let proof = proof(text);
        assert!(proof.holds() && proof.asked > 0, "{text} {proof:?}");
    }
}

#[test]
fn each_section_is_a_role_and_denials_are_asked_first() {
    let converted = file(USUAL).to_roles();
    let names: Vec<&str> = converted.users.iter().map(|user| &*user.user).collect();
    assert_eq!(names, ["ann", "bob"]);
    assert_eq!(converted.anonymous.as_ref().unwrap().rules.len(), 1);
    assert_eq!(converted.patterns.as_ref().unwrap().rules.len(), 6);
    // What is both denied and allowed has one rule.
    let ann = &converted.users[0].role;
    let secret = ann
        .rules
        .iter()
        .filter(|rule| rule.template().as_str() == "a/secret");
    assert!(secret.clone().count() == 2);
    assert!(
        secret
            .into_iter()
            .all(|rule| rule.permission() == Permission::Deny)
    );
    assert_eq!(converted.defaults.subscribe, Permission::Allow);
    assert_eq!(converted.defaults.receive, Permission::Deny);
}

#[test]
fn a_wrong_conversion_is_caught() {
    let file = file(USUAL);
    let right = file.to_roles();
    assert!(right.prove(&file, BOUND).unwrap().holds());
    let caught = |change: fn(&mut Converted)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        let proof = wrong.prove(&file, BOUND).unwrap();
        assert!(proof.disagreeing > 0 && !proof.holds());
        proof
    };
    let proof = caught(|wrong| {
        wrong.users[0]
            .role
            .rules
            .retain(|rule| rule.permission() == Permission::Allow);
    });
    let told = &proof.disagreements[0];
    assert_eq!(told.username.as_deref(), Some("ann"));
    assert_eq!(
        (told.text.as_str(), told.first),
        ("a/secret", Permission::Deny)
    );
    // The patterns' denials must not come after their allowances.
    drop(caught(|wrong| {
        let rules = &mut wrong.patterns.as_mut().unwrap().rules;
        for rule in rules {
            *rule = rule.clone().with_priority(Priority::RULE);
        }
        wrong.patterns.as_mut().unwrap().rules.reverse();
    }));
    drop(caught(|wrong| {
        let rule = Rule::new(AclType::PublishClientSend, Permission::Allow, "a/%c/#");
        wrong.patterns.as_mut().unwrap().rules.push(rule.unwrap());
    }));
    drop(caught(|wrong| wrong.anonymous = None));
    let proof = caught(|wrong| wrong.defaults = Defaults::DENY);
    assert!(
        proof
            .disagreements
            .iter()
            .any(|told| told.kind == Kind::Unsubscribe)
    );
}

#[test]
fn a_bound_that_is_reached_is_told() {
    let file = file(USUAL);
    let proof = file.to_roles().prove(&file, 10).unwrap();
    assert!(!proof.complete && !proof.holds() && proof.asked == 10);
}

#[test]
fn what_roles_cannot_say_is_told_and_opens_nothing() {
    for (text, expected) in [
        (
            "user ann\ntopic a/%u\n",
            vec![(Some(2), Difference::NameLeftOut)],
        ),
        ("user ann\ntopic a/x%u\n", vec![]),
        (
            "user ann\ntopic deny %c/a\n",
            vec![(Some(2), Difference::NameWidened)],
        ),
        (
            "pattern a/x%u\n",
            vec![
                (Some(1), Difference::NameLeftOut),
                (None, Difference::WideNames),
            ],
        ),
        (
            "pattern deny a/x%u\npattern a/+\n",
            vec![
                (Some(1), Difference::NameWidened),
                (None, Difference::WideNames),
                (None, Difference::UnclearNames),
            ],
        ),
        (
            "topic read $CONTROL/#\n",
            vec![(None, Difference::ControlSubscriptions)],
        ),
    ] {
        let file = file(text);
        let converted = file.to_roles();
        assert_eq!(differences(&converted), expected, "{text}");
        for told in converted.prove(&file, BOUND).unwrap().disagreements {
            assert_eq!(told.first, Permission::Allow, "{text} {told:?}");
        }
    }
    let lost = "pattern deny $x%u/a\npattern $xann/a\n";
    let lost = differences(&file(lost).to_roles());
    assert_eq!(lost[0], (Some(1), Difference::DenialLost));
    let enforced = AclFile::parse("topic a\n", Subscriptions::Enforce).unwrap();
    let enforced = differences(&enforced.to_roles());
    assert_eq!(enforced, [(None, Difference::EnforcedSubscriptions)]);
}

proptest! {
    // Three of four proofs do not hold, which is as it should be.
    #![proptest_config(ProptestConfig {
        cases: 300,
        max_global_rejects: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn roles_say_what_their_file_says_or_the_difference_is_told(text in text()) {
        let file = file(&text);
        let converted = file.to_roles();
        let proof = converted.prove(&file, BOUND).unwrap();
        let all = differences(&converted);
        let lines = all.iter().any(|(line, _)| line.is_some());
        if !lines && !text.contains("user +") && !text.contains("user a/b") && !text.contains("user $x") {
            prop_assert_eq!(&proof.disagreements, &[], "{}", text);
        }
        // Nothing is opened but what is told to be.
        let opens = |what: &Difference| !matches!(what, Difference::NameLeftOut | Difference::NameWidened);
        if !all.iter().any(|(_, what)| opens(what)) {
            for told in &proof.disagreements {
                prop_assert_eq!(told.first, Permission::Allow, "{} {:?}", text, told);
            }
        }
    }

    /// The other way round: what random questions find, the proof has found.
    #[test]
    fn where_a_proof_holds_random_questions_find_nothing(
        text in text(),
        drop in any::<prop::sample::Index>(),
        asked in vec(filter_text(), 1..60),
    ) {
        let file = file(&text);
        let mut converted = file.to_roles();
        if let Some(patterns) = &mut converted.patterns && !patterns.rules.is_empty() {
            patterns.rules.remove(drop.index(patterns.rules.len()));
        }
        let proof = converted.prove(&file, BOUND).unwrap();
        prop_assume!(proof.holds());
        let patterns = converted.patterns.into_iter().map(|role| {
            let role = std::sync::Arc::new(crate::policy::Role::compile(role).unwrap());
            crate::policy::Assignment { role, priority: Priority::RULE }
        });
        let holder = crate::policy::Holder { roles: patterns.collect(), groups: Vec::new() };
        let mut compiler = crate::policy::Compiler::thorough();
        let rights = compiler.rights(&holder, converted.defaults, jiff::Timestamp::UNIX_EPOCH);
        let asker = asker("some-client", "stranger");
        // Some of the levels are the names.
        let named = |text: &String| text.replace('b', "stranger").replace('c', "some-client");
        let asked: Vec<String> = asked.iter().map(named).collect();
        for topic in asked.iter().filter_map(|text| Topic::new(text).ok()) {
            let question = Question::Receive(topic, Message::EMPTY);
            let permission = rights.check(asker, &question).permission;
            prop_assert_eq!(file.check(asker, &question).permission, permission, "{}", text);
        }
    }
}

#[test]
fn what_is_carried_of_a_file_is_what_its_roles_say() {
    for text in [
        USUAL,
        "user ann\ntopic a/%u\ntopic b\ntopic deny b/%c\ntopic deny $x%c/a\n",
        "pattern a/x%u\npattern deny a/x%c/%u\npattern a/#\npattern deny $x%u/a\n",
    ] {
        let file = file(text);
        let carried = file.as_carried().unwrap();
        let proof = file.to_roles().prove(&carried, BOUND).unwrap();
        assert!(proof.holds() && proof.asked > 0, "{text} {proof:?}");
    }
}
