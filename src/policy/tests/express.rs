//! Rights as lines of an ACL file, beside the rights themselves.
#![forbid(unsafe_code)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::acl_file::{
    Access, AclFile, Bounds, Expressed, Shortfall, Subscriptions, as_expressed, express,
};
use super::properties::{LEVELS, holder, holding, message, name, questions, text};
use super::*;

/// A file with these lines for this client.
fn file(asker: Asker<'_>, expressed: &Expressed) -> AclFile {
    let mut text = asker
        .username
        .map_or(String::new(), |name| format!("user {name}\n"));
    for (access, topic) in &expressed.lines {
        text.push_str(&format!("topic {access} {topic}\n"));
    }
    AclFile::parse(&text, Subscriptions::AsMosquitto).unwrap()
}

fn lines(rules: Vec<Rule>) -> Vec<(Access, String)> {
    let asker = Asker {
        client_id: None,
        ..ANN
    };
    express(&with(rules), asker, Bounds::Keep).lines
}

const SEND: AclType = AclType::PublishClientSend;
const RECEIVE: AclType = AclType::PublishClientReceive;

#[test]
fn what_denies_comes_first_and_two_allowances_are_one_line() {
    let said = lines(vec![
        allow(SEND, "b"),
        deny(SEND, "a/secret"),
        allow(SEND, "a/#"),
        allow(RECEIVE, "a/#"),
        allow(RECEIVE, "c"),
    ]);
    let expected = [
        (Access::Deny, "a/secret"),
        (Access::Write, "b"),
        (Access::ReadWrite, "a/#"),
        (Access::Read, "c"),
    ];
    assert_eq!(said, expected.map(|(access, text)| (access, text.into())));
}

#[test]
fn a_line_that_changes_no_answer_is_left_out() {
    // Nothing is allowed there; and a line of a file denies reading too.
    assert_eq!(
        lines(vec![deny(SEND, "a/b"), allow(RECEIVE, "a/#")]),
        [(Access::Read, "a/#".into())]
    );
    // It is never asked.
    assert_eq!(
        lines(vec![allow(SEND, "a/#"), deny(SEND, "a/b")]),
        [(Access::Write, "a/#".into())]
    );
    // It is asked first, and there is something to deny.
    assert_eq!(
        lines(vec![deny(SEND, "a/b"), allow(SEND, "a/+")]),
        [(Access::Deny, "a/b".into()), (Access::Write, "a/+".into())]
    );
}

#[test]
fn names_are_put_in_where_there_is_only_one() {
    let rules = || {
        vec![
            deny(SEND, "no/%c"),
            allow(SEND, "%u/%c/x"),
            allow(SEND, "no/#"),
        ]
    };
    let bound = express(&with(rules()), ANN, Bounds::Keep);
    let expected = [
        (Access::Deny, "no/c1"),
        (Access::Write, "ann/c1/x"),
        (Access::Write, "no/#"),
    ];
    assert_eq!(
        bound.lines,
        expected.map(|(access, text)| (access, text.into()))
    );
    assert_eq!(bound.unsaid, []);
    let any = Asker {
        client_id: None,
        ..ANN
    };
    let unbound = express(&with(rules()), any, Bounds::Keep);
    let expected = [(Access::Deny, "no/+"), (Access::Write, "no/#")];
    assert_eq!(
        unbound.lines,
        expected.map(|(access, text)| (access, text.into()))
    );
    let why: Vec<_> = unbound.unsaid.iter().map(|unsaid| unsaid.why).collect();
    assert_eq!(why, [Shortfall::AnyClientId, Shortfall::ClientId]);
    // A name that would be a wildcard is no topic.
    let evil = Asker {
        username: Some("#"),
        ..any
    };
    let rights = with(vec![allow(SEND, "home/%u"), deny(SEND, "%u")]);
    assert_eq!(express(&rights, evil, Bounds::Keep).lines, []);
}

#[test]
fn what_holds_under_conditions_is_left_out_unless_it_is_to_hold_always() {
    let conditions = Conditions {
        max_payload: Some(10),
        ..Conditions::default()
    };
    let rights = with(vec![
        allow(SEND, "a").with_conditions(conditions).unwrap(),
        allow(SEND, "b"),
    ]);
    let kept = express(&rights, ANN, Bounds::Keep);
    assert_eq!(kept.lines, [(Access::Write, "b".into())]);
    assert_eq!(kept.unsaid[0].why, Shortfall::Bound);
    let dropped = express(&rights, ANN, Bounds::Drop);
    assert_eq!(dropped.lines.len(), 2);
    assert_eq!(dropped.unsaid[0].why, Shortfall::Unbound);
}

#[test]
fn a_topic_that_no_line_can_have_is_denied_more_or_not_allowed() {
    let expressed = express(
        &with(vec![
            deny(SEND, " a/b "),
            allow(SEND, "x "),
            deny(SEND, "$x "),
            allow(SEND, "#"),
            allow(SEND, "$x /#"),
        ]),
        ANN,
        Bounds::Keep,
    );
    let lines: Vec<_> = expressed
        .lines
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(lines, ["+/+", "#", "$x /#"]);
    let why: Vec<_> = expressed.unsaid.iter().map(|unsaid| unsaid.why).collect();
    let expected = [
        Shortfall::NearTopic,
        Shortfall::Topic,
        Shortfall::DenialLost,
    ];
    assert_eq!(why, expected);
}

#[test]
fn defaults_that_allow_are_lines_and_others_are_none() {
    let holder = Holder::default();
    let mut compiler = Compiler::thorough();
    let fresh = compiler.rights(&holder, Defaults::FRESH, at(0));
    let expressed = express(&fresh, ANN, Bounds::Keep);
    let expected = [(Access::Read, "#"), (Access::Read, "$SYS/#")];
    assert_eq!(
        expressed.lines,
        expected.map(|(access, text)| (access, text.into()))
    );
    let nothing = compiler.rights(&holder, Defaults::DENY, at(0));
    assert_eq!(express(&nothing, ANN, Bounds::Keep).lines, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn lines_open_nothing_and_close_nothing_where_nobody_is_denied(
        all in holding(6),
        asked in vec((text(LEVELS), message(), name(), name()), 1..20),
        username in name(),
        fresh in any::<bool>(),
    ) {
        let defaults = if fresh { Defaults::FRESH } else { Defaults::DENY };
        let rights = Compiler::thorough().rights(&holder(&all), defaults, at(0));
        let username = username.filter(|name| !name.is_empty());
        let any = Asker { client_id: None, username: username.as_deref() };
        let expressed = express(&rights, any, Bounds::Keep);
        let is_lost = expressed.unsaid.iter().any(|unsaid| unsaid.why == Shortfall::DenialLost);
        let denies = expressed.lines.iter().any(|(access, _)| *access == Access::Deny);
        let file = file(any, &expressed);
        for (text, message, client_id, _) in &asked {
            let asker = Asker { client_id: client_id.as_deref(), ..any };
            for question in questions(text, *message) {
                let (said, ours) = (
                    as_expressed(&file, &rights, asker, &question),
                    rights.check(asker, &question).permission,
                );
                let opens = (said, ours) == (Permission::Allow, Permission::Deny);
                prop_assert!(!opens || is_lost, "{asker:?} {question:?} {expressed:?}");
                let closes = (said, ours) == (Permission::Deny, Permission::Allow);
                prop_assert!(
                    !closes || denies || !expressed.unsaid.is_empty(),
                    "{asker:?} {question:?} {expressed:?}"
                );
            }
        }
    }
}
