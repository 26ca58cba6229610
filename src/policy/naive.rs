//! The oracle of the tests: every decision by the shortest way to say it, one rule after the other.
//!
//! Must not: share anything with what it judges. It puts names into texts where the room compares,
//! recurses where the room searches, and sorts what it is given itself.
#![forbid(unsafe_code)]

use std::cmp::Reverse;

use super::acl_file::{self, Access, AclFile, Section};
use super::question::{Asker, Qos, Question};
use super::role::RoleDefinition;
use super::rule::{AclType, Conditions, Permission, Retain, Rule};
use super::{Defaults, Priority, WildcardSubscriptions};

/// A level of a rule's filter with the names in it.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Plus,
    Hash,
}

/// Where names are put in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Names {
    Nowhere,
    InWholeLevels,
    Anywhere,
}

/// What decided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cause {
    /// The grant of this number, by this rule.
    Rule(usize, Rule),
    Wildcards(usize),
    Default,
}

/// A role as a client holds it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) definition: RoleDefinition,
    pub(crate) priority: Priority,
    /// Name and priority.
    pub(crate) group: Option<(String, Priority)>,
}

/// dynamic-security's answer.
pub(crate) fn decide(
    held: &[Held],
    defaults: Defaults,
    asker: Asker<'_>,
    question: &Question<'_>,
) -> (Permission, Cause) {
    let mut held: Vec<&Held> = held.iter().collect();
    held.sort_by_key(|held| {
        let group = held.group.as_ref();
        let group = group.map(|(name, priority)| (Reverse(*priority), name.clone()));
        (
            group.is_some(),
            group,
            Reverse(held.priority),
            held.definition.name.clone(),
        )
    });
    for (at, held) in held.iter().enumerate() {
        let definition = &held.definition;
        if let Question::Subscribe(filter, _) = question
            && definition.wildcard_subscriptions == WildcardSubscriptions::Deny
            && filter.plain().contains(['+', '#'])
        {
            return (Permission::Deny, Cause::Wildcards(at));
        }
        let mut rules: Vec<&Rule> = definition.rules.iter().collect();
        rules.sort_by_key(|rule| Reverse(rule.priority()));
        let (literal, pattern) = types(question);
        for acl_type in [literal, Some(pattern)].into_iter().flatten() {
            let of_type = rules.iter().filter(|rule| rule.acl_type() == acl_type);
            for rule in of_type {
                if is_about(rule, asker, question) && holds(rule.conditions(), question) {
                    return (rule.permission(), Cause::Rule(at, (**rule).clone()));
                }
            }
        }
    }
    let control = match question {
        Question::Send(topic, _) | Question::Receive(topic, _) => topic.as_str(),
        Question::Subscribe(filter, _) | Question::Unsubscribe(filter) => filter.plain(),
    };
    let default = match question {
        Question::Send(..) => defaults.send,
        Question::Receive(..) => defaults.receive,
        Question::Subscribe(..) => defaults.subscribe,
        Question::Unsubscribe(..) => defaults.unsubscribe,
    };
    match control.starts_with("$CONTROL") {
        true => (Permission::Deny, Cause::Default),
        false => (default, Cause::Default),
    }
}

/// Mosquitto's answer to a topic: the permission, and the number of the line that decided.
pub(crate) fn file_decides(
    file: &AclFile,
    asker: Asker<'_>,
    topic: &str,
    access: Access,
) -> (Permission, Option<usize>) {
    let own = |rule: &acl_file::FileRule| match (&rule.section, asker.username) {
        (Section::Anonymous, None) => true,
        (Section::User(name), Some(username)) => &**name == username,
        _ => false,
    };
    let mut rules: Vec<_> = file.rules().to_vec();
    rules.sort_by_key(|rule| rule.line);
    let tier = |pattern: bool, denies: bool| {
        rules.iter().find(|rule| {
            let section = match pattern {
                true => rule.section == Section::Pattern,
                false => own(rule),
            };
            let names = match pattern {
                true => Names::Anywhere,
                false => Names::Nowhere,
            };
            let says = match denies {
                true => rule.access == Access::Deny,
                false => rule.access == access || rule.access == Access::ReadWrite,
            };
            section && says && covers(rule.template.as_str(), names, asker, topic)
        })
    };
    let names = [asker.client_id, asker.username].into_iter().flatten();
    let wild = names.clone().any(|name| name.contains(['+', '#']));
    let patterns = rules.iter().filter(|rule| rule.section == Section::Pattern);
    let unclear = patterns.clone().any(|rule| {
        let text = rule.template.as_str();
        let bad = |placeholder: &str, name: Option<&str>| {
            let name = name.unwrap_or_default();
            text.contains(placeholder) && (name.contains('/') || name.starts_with('$'))
        };
        rule.access == Access::Deny && (bad("%c", asker.client_id) || bad("%u", asker.username))
    });
    if let Some(rule) = tier(false, true) {
        return (Permission::Deny, Some(rule.line));
    }
    if let Some(rule) = tier(false, false) {
        return (Permission::Allow, Some(rule.line));
    }
    if patterns.count() > 0 && (wild || unclear) {
        return (Permission::Deny, None);
    }
    if let Some(rule) = tier(true, true) {
        return (Permission::Deny, Some(rule.line));
    }
    match tier(true, false) {
        Some(rule) => (Permission::Allow, Some(rule.line)),
        None => (Permission::Deny, None),
    }
}

/// Whether a rule's filter covers a topic or a filter.
pub(crate) fn covers(ours: &str, names: Names, asker: Asker<'_>, theirs: &str) -> bool {
    // What begins with $ is matched only by what begins with $.
    if theirs.starts_with('$') && !ours.starts_with('$') {
        return false;
    }
    let Some(ours) = tokens(ours, names, asker) else {
        return false;
    };
    let theirs: Vec<&str> = theirs.split('/').collect();
    covers_levels(&ours, &theirs)
}

fn covers_levels(ours: &[Token], theirs: &[&str]) -> bool {
    match (ours, theirs) {
        ([], []) | ([Token::Hash], _) => true,
        ([Token::Plus, ours @ ..], [level, theirs @ ..]) if *level != "#" => {
            covers_levels(ours, theirs)
        }
        ([Token::Text(text), ours @ ..], [level, theirs @ ..]) if text == level => {
            covers_levels(ours, theirs)
        }
        _ => false,
    }
}

/// The levels with the names in them; none if one of the names cannot be put in.
fn tokens(text: &str, names: Names, asker: Asker<'_>) -> Option<Vec<Token>> {
    let levels = text.split('/').map(|level| match level {
        "+" => Some(Token::Plus),
        "#" => Some(Token::Hash),
        "%c" | "%u" if names == Names::InWholeLevels => filled(level, asker).map(Token::Text),
        _ if names == Names::Anywhere => filled(level, asker).map(Token::Text),
        _ => Some(Token::Text(level.to_owned())),
    });
    levels.collect()
}

/// A level with the names in it; none if one of them cannot be put in.
pub(crate) fn filled(level: &str, asker: Asker<'_>) -> Option<String> {
    let fits = |name: &&str| !name.is_empty() && !name.contains(['+', '#', '/']);
    let mut text = String::new();
    let mut rest = level;
    while let Some(next) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("%c") {
            text.push_str(asker.client_id.filter(fits)?);
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("%u") {
            text.push_str(asker.username.filter(fits)?);
            rest = behind;
        } else {
            text.push(next);
            rest = rest.strip_prefix(next).unwrap_or_default();
        }
    }
    Some(text)
}

fn types(question: &Question<'_>) -> (Option<AclType>, AclType) {
    match question {
        Question::Send(..) => (None, AclType::PublishClientSend),
        Question::Receive(..) => (None, AclType::PublishClientReceive),
        Question::Subscribe(..) => (Some(AclType::SubscribeLiteral), AclType::SubscribePattern),
        Question::Unsubscribe(..) => (
            Some(AclType::UnsubscribeLiteral),
            AclType::UnsubscribePattern,
        ),
    }
}

fn is_about(rule: &Rule, asker: Asker<'_>, question: &Question<'_>) -> bool {
    let ours = rule.template().as_str();
    let filter = match question {
        Question::Send(topic, _) | Question::Receive(topic, _) => {
            return covers(ours, Names::InWholeLevels, asker, topic.as_str());
        }
        Question::Subscribe(filter, _) | Question::Unsubscribe(filter) => filter,
    };
    if rule.acl_type().is_literal() {
        return ours == filter.as_str() || ours == filter.plain();
    }
    let Some(share) = ours.strip_prefix("$share/") else {
        return covers(ours, Names::InWholeLevels, asker, filter.plain());
    };
    let Some(group) = filter.group() else {
        return false;
    };
    let Some((our_group, our_filter)) = share.split_once('/') else {
        return share == "#";
    };
    // Behind a level of its own, a group has no first level.
    covers(
        &format!("x/{our_group}"),
        Names::InWholeLevels,
        asker,
        &format!("x/{group}"),
    ) && covers(our_filter, Names::InWholeLevels, asker, filter.plain())
}

fn holds(conditions: &Conditions, question: &Question<'_>) -> bool {
    let (qos, retain, payload) = match question {
        Question::Send(_, message) | Question::Receive(_, message) => {
            (message.qos, message.retain, message.payload)
        }
        Question::Subscribe(_, qos) => (*qos, false, 0),
        Question::Unsubscribe(_) => (Qos::AtMostOnce, false, 0),
    };
    let too_large = conditions.max_payload.is_some_and(|most| payload > most);
    let too_high = conditions.max_qos.is_some_and(|most| qos > most);
    let kept = retain && conditions.retain == Retain::Never;
    !(too_large || too_high || kept)
}
