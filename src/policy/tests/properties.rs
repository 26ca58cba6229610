//! The index beside the oracle, on random rules, names and questions that meet often.
#![forbid(unsafe_code)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::naive::{self, Cause, Held};
use super::super::template::About;
use super::super::template::Template;
use super::*;

/// A rule's filter, a topic or a subscription's filter; most are one level or two.
pub(super) fn text(levels: &'static [&'static str]) -> impl Strategy<Value = String> {
    let share = prop_oneof![
        6 => Just(""),
        1 => select(&["$share/g/", "$share/+/", "$share/%u/", "$share/a/", "$share/"][..]),
    ];
    (share, self::levels(levels)).prop_map(|(share, levels)| share.to_owned() + &levels)
}

fn levels(levels: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(select(levels), 1..4).prop_map(|levels| levels.join("/"))
}

pub(super) fn name() -> impl Strategy<Value = Option<String>> {
    let names = &[
        "a", "b", "+", "#", "/", "a/b", "$x", "$", "%c", "%u", "", "a+", "c", "$SYS",
    ][..];
    option::weighted(0.9, select(names).prop_map(str::to_owned))
}

pub(super) fn rule() -> impl Strategy<Value = Rule> {
    let parts = (
        select(&AclType::ALL[..]),
        any::<bool>(),
        text(LEVELS),
        -1_i64..=1,
        prop_oneof![3 => Just(None), 1 => (0_u8..3, any::<bool>(), 0_u32..3).prop_map(Some)],
    );
    parts.prop_filter_map(
        "no rule",
        |(acl_type, allow, filter, priority, conditions)| {
            let permission = match allow {
                true => Permission::Allow,
                false => Permission::Deny,
            };
            let rule = Rule::new(acl_type, permission, &filter).ok()?;
            let rule = rule.with_priority(Priority::clamped(priority));
            let Some((qos, retain, payload)) = conditions else {
                return Some(rule);
            };
            let retain = match retain {
                true => Retain::Never,
                false => Retain::Either,
            };
            let conditions = Conditions {
                max_qos: Qos::of(qos),
                retain,
                max_payload: Some(payload),
            };
            Some(rule.clone().with_conditions(conditions).unwrap_or(rule))
        },
    )
}

pub(super) fn held() -> impl Strategy<Value = Held> {
    let group = option::of((select(&["g", "h"][..]), 0_i64..2));
    (vec(rule(), 0..8), 0_usize..10, -1_i64..=1, group).prop_map(
        |(rules, wildcards, priority, group)| Held {
            definition: RoleDefinition {
                wildcard_subscriptions: match wildcards {
                    0 => WildcardSubscriptions::Deny,
                    _ => WildcardSubscriptions::Allow,
                },
                ..definition("", rules)
            },
            priority: Priority::clamped(priority),
            group: group.map(|(name, priority)| (name.to_owned(), Priority::clamped(priority))),
        },
    )
}

/// Up to so many roles; a group has one priority only, and every role a name of its own.
pub(super) fn holding(most: usize) -> impl Strategy<Value = Vec<Held>> {
    vec(held(), 0..=most).prop_map(|mut all| {
        let mut priorities = std::collections::BTreeMap::new();
        // Not in the order they are held.
        for (name, held) in "dbjagiefch".chars().zip(&mut all) {
            held.definition.name = name.to_string().into();
            if let Some((name, priority)) = &mut held.group {
                *priority = *priorities.entry(name.clone()).or_insert(*priority);
            }
        }
        all
    })
}

pub(super) fn holder(all: &[Held]) -> Holder {
    let mut holder = Holder::default();
    for held in all {
        let role = Role::compile(held.definition.clone()).unwrap();
        let assignment = Assignment {
            role: Arc::new(role),
            priority: held.priority,
        };
        let Some((name, priority)) = &held.group else {
            holder.roles.push(assignment);
            continue;
        };
        let mut groups = holder.groups.iter_mut();
        match groups.find(|group| *group.group == **name) {
            Some(group) => group.roles.push(assignment),
            None => holder.groups.push(Membership {
                group: name.as_str().into(),
                priority: *priority,
                roles: vec![assignment],
            }),
        }
    }
    holder
}

/// All four questions about one text, as far as they can be asked.
pub(super) fn questions(text: &str, message: Message) -> Vec<Question<'_>> {
    let topic = Topic::new(text).into_iter();
    let filter = Filter::new(text).into_iter();
    topic
        .flat_map(|topic| {
            [
                Question::Send(topic, message),
                Question::Receive(topic, message),
            ]
        })
        .chain(filter.flat_map(|filter| {
            [
                Question::Subscribe(filter, message.qos),
                Question::Unsubscribe(filter),
            ]
        }))
        .collect()
}

pub(super) fn message() -> impl Strategy<Value = Message> {
    (0_u8..3, any::<bool>(), 0_u32..4).prop_map(|(qos, retain, payload)| Message {
        qos: Qos::of(qos).unwrap(),
        retain,
        payload,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn every_decision_is_the_oracles(
        all in holding(9),
        asked in vec((text(LEVELS), message(), name(), name()), 1..12),
        fresh in any::<bool>(),
    ) {
        let defaults = if fresh { Defaults::FRESH } else { Defaults::DENY };
        let rights = Compiler::thorough().rights(&holder(&all), defaults, at(0));
        for (text, message, client_id, username) in &asked {
            let asker = Asker {
                client_id: client_id.as_deref(),
                username: username.as_deref(),
            };
            for question in questions(text, *message) {
                let decision = rights.check(asker, &question);
                let (permission, cause) = naive::decide(&all, defaults, asker, &question);
                prop_assert_eq!(decision.permission, permission, "{:?} {:?}", asker, question);
                let because = match decision.because {
                    Because::Rule { grant, rule } => {
                        let role = &rights.grants()[grant].role;
                        Cause::Rule(grant, role.rules()[rule].clone())
                    }
                    Because::WildcardSubscription { grant } => Cause::Wildcards(grant),
                    Because::Default | Because::Control => Cause::Default,
                };
                prop_assert_eq!(because, cause, "{:?} {:?}", asker, question);
            }
        }
    }

    #[test]
    fn what_is_said_of_everybody_is_what_each_is_told(
        all in holding(9),
        asked in vec((message(), name(), name()), 2..8),
        text in text(LEVELS),
    ) {
        let rights = Compiler::thorough().rights(&holder(&all), Defaults::FRESH, at(0));
        let answers = asked.iter().map(|(message, client_id, username)| {
            let asker = Asker { client_id: client_id.as_deref(), username: username.as_deref() };
            let questions = questions(&text, *message);
            let decided = questions.iter().map(|question| rights.decide(asker, question));
            decided.collect::<Vec<_>>()
        });
        let answers: Vec<_> = answers.collect();
        for (one, other) in answers.iter().zip(answers.iter().skip(1)) {
            for ((one, again), (other, _)) in one.iter().zip(other) {
                if let Some(again) = again {
                    prop_assert_eq!(again.part, rights.part());
                    prop_assert_eq!(one, other, "{}", text);
                }
            }
        }
    }

    #[test]
    fn where_a_message_is_said_to_go_both_ways_everybody_may_have_it_go_the_other(
        all in holding(9),
        (asked, others) in ((message(), name(), name()), vec((message(), name(), name()), 1..8)),
        text in text(LEVELS),
        fresh in any::<bool>(),
    ) {
        let defaults = if fresh { Defaults::FRESH } else { Defaults::DENY };
        let rights = Compiler::thorough().rights(&holder(&all), defaults, at(0));
        let Ok(topic) = Topic::new(&text) else { return Ok(()) };
        let ways = [Question::Send, Question::Receive];
        for (way, other_way) in ways.iter().zip(ways.iter().rev()) {
            let asker = Asker { client_id: asked.1.as_deref(), username: asked.2.as_deref() };
            let (_, again) = rights.decide(asker, &way(topic, asked.0));
            if !again.is_some_and(|again| again.both_ways) {
                continue;
            }
            for (message, client_id, username) in &others {
                let other = Asker { client_id: client_id.as_deref(), username: username.as_deref() };
                let question = other_way(topic, *message);
                let (permission, _) = naive::decide(&all, defaults, other, &question);
                prop_assert_eq!(permission, Permission::Allow, "{:?} {:?}", other, question);
            }
        }
    }

    #[test]
    fn an_explanation_names_what_decided(
        all in holding(9),
        (text, message, client_id, username) in (text(LEVELS), message(), name(), name()),
    ) {
        let rights = Compiler::thorough().rights(&holder(&all), Defaults::DENY, at(0));
        let asker = Asker {
            client_id: client_id.as_deref(),
            username: username.as_deref(),
        };
        for question in questions(&text, message) {
            let explanation = rights.explain(asker, &question);
            let mut answers = explanation.candidates.iter().filter(|c| c.is_answer());
            let first = answers.next();
            match (explanation.decision.because, first) {
                (Because::Rule { grant, rule }, Some(first)) => {
                    let grant = &rights.grants()[grant];
                    prop_assert!(std::ptr::eq(first.grant, grant));
                    prop_assert_eq!(first.say, Say::Rule(&grant.role.rules()[rule]));
                }
                (Because::WildcardSubscription { grant }, Some(first)) => {
                    prop_assert!(std::ptr::eq(first.grant, &rights.grants()[grant]));
                    prop_assert_eq!(first.say, Say::WildcardSubscription);
                }
                (Because::Default | Because::Control, None) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn a_name_never_allows_more_than_one_that_is_plain_text(
        rules in vec(rule(), 1..8),
        text in text(LEVELS),
        evil in select(&["+", "#", "/", "a/b", "a/#", "+/+", "$SYS", ""][..]),
    ) {
        // Rules that only allow: what nobody is denied, a hostile name must not gain.
        let rules = rules.into_iter().filter(|rule| rule.permission() == Permission::Allow);
        let rights = with(rules.collect());
        let hostile = Asker { client_id: Some(evil), username: Some(evil) };
        let plain = Asker { client_id: None, username: None };
        for question in questions(&text, MESSAGE) {
            let first_level = question_is_named(&question, evil);
            let (evils, plains) = (rights.check(hostile, &question), rights.check(plain, &question));
            prop_assert!(evils.permission == plains.permission || first_level);
        }
    }

    #[test]
    fn filters_meet_exactly_where_some_topic_matches_both(
        ours in levels(SMALL), theirs in levels(SMALL), client_id in name(), username in name(),
    ) {
        let ours = Template::parse(&ours, About::Topics, Substitution::Anywhere);
        let (Ok(ours), Ok(_)) = (ours, Template::parse(&theirs, About::Topics, Substitution::Never)) else {
            return Ok(());
        };
        let asker = Asker { client_id: client_id.as_deref(), username: username.as_deref() };
        let names = naive::Names::Anywhere;
        let both = topics(ours.as_str(), &theirs, asker).any(|topic| {
            naive::covers(ours.as_str(), names, asker, &topic)
                && naive::covers(&theirs, naive::Names::Nowhere, asker, &topic)
        });
        prop_assert_eq!(ours.meets(&theirs, asker), both, "{:?} {}", ours, theirs);
    }
}

/// A name that begins with `$` can be a level, though not the first.
fn question_is_named(question: &Question<'_>, name: &str) -> bool {
    let text = match question {
        Question::Send(topic, _) | Question::Receive(topic, _) => topic.as_str(),
        Question::Subscribe(filter, _) | Question::Unsubscribe(filter) => filter.plain(),
    };
    !name.is_empty() && text.split('/').skip(1).any(|level| level == name)
}

/// Every topic of up to four levels that these filters can tell apart.
fn topics(ours: &str, theirs: &str, asker: Asker<'_>) -> impl Iterator<Item = String> {
    let filled = ours
        .split('/')
        .filter_map(|level| naive::filled(level, asker));
    let mut levels: Vec<String> = filled
        .chain(theirs.split('/').map(str::to_owned))
        .filter(|level| !level.contains(['+', '#']))
        .collect();
    levels.push("q".to_owned());
    levels.sort();
    levels.dedup();
    let mut topics = levels.clone();
    let mut deepest = levels.clone();
    for _ in 1..4 {
        let deeper = |topic: &String| {
            let below = levels.iter().map(|level| format!("{topic}/{level}"));
            below.collect::<Vec<_>>()
        };
        deepest = deepest.iter().flat_map(deeper).collect();
        topics.extend_from_slice(&deepest);
    }
    topics.into_iter().filter(|topic| !topic.is_empty())
}

pub(super) const LEVELS: &[&str] = &[
    "a", "b", "+", "+", "#", "%c", "%u", "", "$x", "$SYS", "x%c", "c",
];

const SMALL: &[&str] = &["a", "b", "+", "#", "%c", "%u", "$x", "x%c"];
