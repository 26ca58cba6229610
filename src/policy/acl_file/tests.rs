//! Mosquitto's answers, one sentence at a time, and beside the oracle.
#![forbid(unsafe_code)]

mod convert;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::naive;
use super::super::question::Qos;
use super::super::topic::{Filter, FilterError, Topic};
use super::*;

fn file(text: &str) -> AclFile {
    AclFile::parse(text, Subscriptions::AsMosquitto).unwrap()
}

fn asker<'a>(client_id: &'a str, username: &'a str) -> Asker<'a> {
    Asker {
        client_id: Some(client_id),
        username: Some(username),
    }
}

const ANN: Asker<'_> = Asker {
    client_id: Some("c1"),
    username: Some("ann"),
};

const ANONYMOUS: Asker<'_> = Asker {
    client_id: Some("c1"),
    username: None,
};

fn read_of(file: &AclFile, asker: Asker<'_>, topic: &str) -> Decision {
    let topic = Topic::new(topic).unwrap();
    file.check(asker, &Question::Receive(topic, Message::EMPTY))
}

fn reads(file: &AclFile, asker: Asker<'_>, topic: &str) -> bool {
    read_of(file, asker, topic).permission == Permission::Allow
}

fn writes(file: &AclFile, asker: Asker<'_>, topic: &str) -> bool {
    let topic = Topic::new(topic).unwrap();
    let decision = file.check(asker, &Question::Send(topic, Message::EMPTY));
    decision.permission == Permission::Allow
}

fn subscribes(file: &AclFile, asker: Asker<'_>, filter: &str) -> bool {
    let filter = Filter::new(filter).unwrap();
    let decision = file.check(asker, &Question::Subscribe(filter, Qos::AtMostOnce));
    decision.permission == Permission::Allow
}

#[test]
fn each_access_is_for_what_it_says() {
    let file = file("user ann\ntopic read r\ntopic write w\ntopic b\ntopic deny d\n");
    for (topic, read, write) in [
        ("r", true, false),
        ("w", false, true),
        ("b", true, true),
        ("d", false, false),
        ("x", false, false),
    ] {
        assert_eq!(reads(&file, ANN, topic), read, "{topic}");
        assert_eq!(writes(&file, ANN, topic), write, "{topic}");
    }
}

#[test]
fn an_empty_file_denies_everything() {
    assert!(!reads(&file("# nothing\n"), ANN, "a"));
    assert!(!writes(&file(""), ANONYMOUS, "a"));
}

#[test]
fn topics_before_the_first_user_are_those_of_anonymous_clients() {
    let file = file("topic a\nuser ann\ntopic b\n");
    assert!(reads(&file, ANONYMOUS, "a") && !reads(&file, ANONYMOUS, "b"));
    assert!(!reads(&file, ANN, "a") && reads(&file, ANN, "b"));
    assert!(!reads(&file, asker("c1", "bob"), "b"));
}

#[test]
fn sections_of_one_user_are_one_section() {
    let file = file("user ann\ntopic a\nuser bob\ntopic b\nuser ann\ntopic deny a/x\ntopic a/+\n");
    assert!(reads(&file, ANN, "a") && reads(&file, ANN, "a/y"));
    assert!(!reads(&file, ANN, "a/x") && !reads(&file, ANN, "b"));
}

#[test]
fn the_four_tiers_come_in_order() {
    let file = file(
        "user ann\ntopic a/#\ntopic deny a/no\npattern deny #\npattern x/#\nuser bob\ntopic deny x\n",
    );
    assert!(
        reads(&file, ANN, "a/yes"),
        "a pattern does not undo a topic"
    );
    assert!(!reads(&file, ANN, "a/no"));
    assert!(!reads(&file, ANN, "x/y"));
    let file = self::file("user ann\ntopic deny x/no\npattern read x/#\n");
    assert!(!reads(&file, ANN, "x/no"), "a topic undoes a pattern");
    assert!(reads(&file, ANN, "x/yes") && reads(&file, ANONYMOUS, "x/no"));
}

#[test]
fn a_pattern_is_everybodys_wherever_it_stands() {
    let file = file("user bob\npattern read %c/x\npattern read %u/y\n");
    assert!(reads(&file, ANN, "c1/x") && reads(&file, ANN, "ann/y"));
    assert!(reads(&file, ANONYMOUS, "c1/x"));
    assert!(!reads(&file, ANN, "c2/x") && !reads(&file, ANONYMOUS, "ann/y"));
    assert!(!reads(&file, ANONYMOUS, "/y"));
}

#[test]
fn a_name_stands_inside_a_level_of_a_pattern_but_not_of_a_topic() {
    let file = file("user ann\ntopic t%u\npattern read x%uy/%c%c\n");
    assert!(reads(&file, ANN, "xanny/c1c1") && reads(&file, ANN, "t%u"));
    assert!(!reads(&file, ANN, "xbobby/c1c1") && !reads(&file, ANN, "tann"));
}

#[test]
fn wildcards_do_not_match_topics_of_the_broker() {
    let file = file("user ann\ntopic read #\ntopic read $SYS/x/#\n");
    assert!(reads(&file, ANN, "a") && reads(&file, ANN, "$SYS/x/y"));
    assert!(!reads(&file, ANN, "$SYS/y"));
}

#[test]
fn cve_2017_7650_a_name_with_a_wildcard_is_denied_by_patterns() {
    let file = file("user +\ntopic own\npattern read %u/x\npattern read %c/x\npattern read open\n");
    for evil in ["+", "#", "a+", "#/x"] {
        assert!(!reads(&file, asker(evil, "ann"), "open"), "{evil}");
        assert!(!reads(&file, asker("c1", evil), "a/x"), "{evil}");
    }
    assert!(reads(&file, ANN, "open") && reads(&file, ANN, "ann/x"));
    assert!(
        reads(&file, asker("c1", "+"), "own"),
        "patterns are not reached"
    );
    let no_patterns = self::file("user +\ntopic own\n");
    let decision = read_of(&no_patterns, asker("c1", "+"), "other");
    assert_eq!(decision.because, Because::NoRule);
}

#[test]
fn a_name_with_a_slash_reaches_into_no_other_level() {
    let file = file("pattern read home/%u/#\npattern read open\n");
    let evil = asker("c1", "bob/private");
    assert!(!reads(&file, evil, "home/bob/private/x"));
    assert!(reads(&file, evil, "open"));
    assert!(reads(&file, asker("c1", "bob"), "home/bob/private/x"));
    let system = asker("$SYS", "$SYS");
    let file = self::file("pattern read %u/#\npattern read %c/#\n");
    assert!(!reads(&file, system, "$SYS/x") && reads(&file, ANN, "ann/x"));
}

#[test]
fn who_cannot_be_compared_with_a_denial_is_denied_what_patterns_allow() {
    let file = file("user a/b\ntopic own\npattern deny secret/%u\npattern read #\n");
    assert!(reads(&file, ANN, "secret/bob") && !reads(&file, ANN, "secret/ann"));
    let unclear = asker("c1", "a/b");
    assert_eq!(
        read_of(&file, unclear, "secret/a/b").because,
        Because::UnsafeName
    );
    assert!(!reads(&file, unclear, "open") && reads(&file, unclear, "own"));
    assert!(
        reads(&file, asker("a/b", "ann"), "open"),
        "no denial names %c"
    );
}

#[test]
fn subscriptions_are_granted_as_mosquitto_does_or_by_what_may_be_read() {
    let text = "user ann\ntopic read a/#\ntopic deny a/no\ntopic write w\npattern read p/%u/+\n";
    let (granted, enforced) = (
        file(text),
        AclFile::parse(text, Subscriptions::Enforce).unwrap(),
    );
    for (filter, allowed) in [
        ("a/yes", true),
        ("a/yes/#", true),
        ("$share/g/a/yes", true),
        ("p/ann/+", true),
        ("a/#", false),
        ("a/+", false),
        ("a/no", false),
        ("$share/g/a/no", false),
        ("w", false),
        ("p/ann/#", false),
        ("p/+/+", false),
        ("#", false),
    ] {
        assert!(subscribes(&granted, ANN, filter));
        assert_eq!(subscribes(&enforced, ANN, filter), allowed, "{filter}");
    }
    let leave = Question::Unsubscribe(Filter::new("#").unwrap());
    assert_eq!(enforced.check(ANN, &leave).because, Because::AlwaysGranted);
}

#[test]
fn a_denial_by_pattern_closes_only_what_topics_do_not_open() {
    let text = "user ann\ntopic read a/#\npattern deny +/no\npattern read #\n";
    let enforced = AclFile::parse(text, Subscriptions::Enforce).unwrap();
    assert!(subscribes(&enforced, ANN, "a/#") && subscribes(&enforced, ANN, "b/yes"));
    assert!(!subscribes(&enforced, ANN, "b/#") && !subscribes(&enforced, ANN, "#"));
}

#[test]
fn a_decision_names_its_line() {
    let file = file("# first\nuser ann\ntopic read a\n\ntopic deny b\r\n");
    for (topic, line) in [("a", 3), ("b", 5)] {
        let Because::Rule(rule) = read_of(&file, ANN, topic).because else {
            panic!("no rule for {topic}");
        };
        assert_eq!(file.rules()[rule].line, line);
    }
}

#[test]
fn the_first_bad_line_is_told_by_its_number() {
    let error = AclFile::parse("user ann\n\ntopic read a#\nx\n", Subscriptions::AsMosquitto);
    let mistake = Mistake::Topic(FilterError::Hash);
    assert_eq!(error.unwrap_err(), ParseError::Line { line: 3, mistake });
    assert_eq!(
        ParseError::Line { line: 3, mistake }.to_string(),
        "line 3: # must be the whole last level of a filter"
    );
}

#[test]
fn an_explanation_lists_the_rules_in_the_order_they_are_asked() {
    let file = file("pattern read a\npattern deny #\nuser ann\ntopic read +\ntopic read b\n");
    let topic = Topic::new("a").unwrap();
    let rules = file.explain(ANN, &Question::Receive(topic, Message::EMPTY));
    let lines: Vec<usize> = rules.iter().map(|rule| rule.line).collect();
    assert_eq!(lines, [4, 2, 1]);
}

fn filter_text() -> impl Strategy<Value = String> {
    let levels = &[
        "a", "b", "+", "+", "#", "%c", "%u", "", "$x", "x%c", "%u%c", "c",
    ][..];
    vec(select(levels), 1..4).prop_map(|levels| levels.join("/"))
}

fn text() -> impl Strategy<Value = String> {
    let access = select(&["", "read ", "write ", "readwrite ", "deny "][..]);
    let line = prop_oneof![
        1 => select(&["user a", "user b", "user +", "user a/b", "user $x"][..]).prop_map(str::to_owned),
        3 => (access.clone(), filter_text()).prop_map(|(access, filter)| format!("topic {access}{filter}")),
        2 => (access, filter_text()).prop_map(|(access, filter)| format!("pattern {access}{filter}")),
    ];
    let good = line.prop_filter("a mistake", |line| {
        AclFile::parse(line, Subscriptions::AsMosquitto).is_ok()
    });
    vec(good, 0..12).prop_map(|lines| lines.join("\n"))
}

fn name() -> impl Strategy<Value = Option<String>> {
    let names = &["a", "b", "+", "#", "a/b", "$x", "%c", "", "c", "a+"][..];
    option::weighted(0.85, select(names).prop_map(str::to_owned))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_the_oracles(
        text in text(),
        asked in vec((filter_text(), name(), name()), 1..12),
    ) {
        let file = file(&text);
        for (topic, client_id, username) in &asked {
            let Ok(topic) = Topic::new(topic) else { continue };
            let asker = Asker { client_id: client_id.as_deref(), username: username.as_deref() };
            for (access, question) in [
                (Access::Read, Question::Receive(topic, Message::EMPTY)),
                (Access::Write, Question::Send(topic, Message::EMPTY)),
            ] {
                let decision = file.check(asker, &question);
                let line = match decision.because {
                    Because::Rule(rule) => Some(file.rules()[rule].line),
                    Because::NoRule | Because::UnsafeName => None,
                    Because::AlwaysGranted => panic!("{question:?}"),
                };
                let expected = naive::file_decides(&file, asker, topic.as_str(), access);
                prop_assert_eq!((decision.permission, line), expected, "{} {:?}", text, question);
            }
        }
    }

    #[test]
    fn what_is_said_of_a_part_is_what_each_of_it_is_told(
        text in text(),
        topic in filter_text(),
        askers in vec((name(), name()), 2..8),
    ) {
        let file = file(&text);
        let Ok(topic) = Topic::new(&topic) else { return Ok(()) };
        let (read, write) = (Question::Receive(topic, Message::EMPTY), Question::Send(topic, Message::EMPTY));
        let askers = askers.iter().map(|(client_id, username)| Asker {
            client_id: client_id.as_deref(),
            username: username.as_deref(),
        });
        let askers: Vec<Asker<'_>> = askers.collect();
        for one in &askers {
            for (question, other_way) in [(read, write), (write, read)] {
                let (decision, Some(again)) = file.decide(*one, &question) else { continue };
                for other in askers.iter().filter(|other| file.part(**other) == Some(again.part)) {
                    prop_assert_eq!(file.check(*other, &question), decision, "{} {:?} {:?}", text, one, other);
                    if again.both_ways {
                        let permission = file.check(*other, &other_way).permission;
                        prop_assert_eq!(permission, Permission::Allow, "{} {:?} {:?}", text, one, other);
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_granted_subscription_covers_may_be_read(
        text in text(),
        filters in vec(filter_text(), 1..20),
        topics in vec(filter_text(), 1..20),
        (client_id, username) in (name(), name()),
    ) {
        let file = AclFile::parse(&text, Subscriptions::Enforce).unwrap();
        let asker = Asker { client_id: client_id.as_deref(), username: username.as_deref() };
        let granted = |filter: &&String| Filter::new(filter).is_ok() && subscribes(&file, asker, filter);
        for filter in filters.iter().filter(granted) {
            for topic in topics.iter().filter(|topic| Topic::new(topic).is_ok()) {
                if naive::covers(filter, naive::Names::Nowhere, asker, topic) {
                    prop_assert!(reads(&file, asker, topic), "{} {} {}", text, filter, topic);
                }
            }
        }
    }
}
