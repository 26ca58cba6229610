//! The rules of a role.
//!
//! Must not: look at other roles: what they say depends on who has them.
#![forbid(unsafe_code)]

use super::super::index::{self, WildcardSubscriptions};
use super::super::question::{Asker, Message, Question};
use super::super::role::{Role, RoleDefinition};
use super::super::rule::{AclType, Permission, Rule};
use super::super::scope::RESPONSE_TOPIC;
use super::super::topic::{Filter, Topic};
use super::super::trie::TooMany;
use super::names::Names;
use super::{Finding, Oddity, has_literal_names, is_brokers_own, is_shared_topic, openness};

/// What is odd about the rules of a role, by their places in its definition.
///
/// # Errors
/// When it has more rules than can be counted.
pub fn role(definition: &RoleDefinition) -> Result<Vec<Finding>, TooMany> {
    let rules = &definition.rules;
    let allowing = rules.iter().enumerate().filter(|(_, rule)| allows(rule));
    let names = Names::of(allowing.map(|(at, rule)| (at, rule.acl_type(), rule.template())));
    let compiled = Role::compile(definition.clone())?;
    let order = order(rules);
    let shadows = shadows(&compiled, &order);
    let overhears = overhears(&compiled).and_then(|rank| order.get(rank).copied());
    let mut found = Vec::new();
    for (rule, (at, shadow)) in rules.iter().zip(shadows.into_iter().enumerate()) {
        let mut note = |oddity| found.push(Finding { rule: at, oddity });
        if let Some(dead) = dead(rule, definition.wildcard_subscriptions) {
            note(dead);
            continue;
        }
        if let Some(other) = shadow {
            let before = rules.get(other).map(Rule::permission);
            note(match before == Some(rule.permission()) {
                true => Oddity::Repeated(other),
                false => Oddity::Overruled(other),
            });
            continue;
        }
        if has_literal_names(rule.template()) {
            note(Oddity::LiteralName);
        }
        if !allows(rule) {
            continue;
        }
        if overhears == Some(at) {
            note(Oddity::Overhears);
        }
        // Whoever is limited cannot give himself everything.
        let administers =
            rule.acl_type() == AclType::PublishClientSend && definition.admin_prefix.is_none();
        openness(rule.template(), administers).for_each(&mut note);
        if let Some(other) = names.beside(rule.acl_type(), rule.template()) {
            note(Oddity::AnyName(other));
        }
    }
    Ok(found)
}

fn allows(rule: &Rule) -> bool {
    rule.permission() == Permission::Allow
}

/// Why a rule never answers, whatever the others are.
fn dead(rule: &Rule, wildcards: WildcardSubscriptions) -> Option<Oddity> {
    let template = rule.template();
    match rule.acl_type() {
        AclType::PublishClientSend | AclType::PublishClientReceive if is_shared_topic(template) => {
            Some(Oddity::SharedTopic)
        }
        AclType::PublishClientSend if is_brokers_own(template) => Some(Oddity::BrokersOwnTopic),
        AclType::SubscribeLiteral | AclType::UnsubscribeLiteral => {
            let Ok(filter) = Filter::new(template.as_str()) else {
                return Some(Oddity::ImpossibleLiteral);
            };
            let denied = rule.acl_type() == AclType::SubscribeLiteral
                && wildcards == WildcardSubscriptions::Deny
                && filter.has_wildcards();
            denied.then_some(Oddity::DeniedWildcard)
        }
        AclType::PublishClientSend
        | AclType::PublishClientReceive
        | AclType::SubscribePattern
        | AclType::UnsubscribePattern => None,
    }
}

/// The places of the rules in the definition, in the order in which they are asked.
fn order(rules: &[Rule]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by_key(|at| rules.get(*at).map(Rule::place));
    order
}

/// The rule by which whoever is limited hears what others are answered, by its rank.
fn overhears(compiled: &Role) -> Option<usize> {
    compiled.admin_prefix()?;
    let question = Question::Receive(Topic::new(RESPONSE_TOPIC).ok()?, Message::EMPTY);
    match compiled.ask(Asker::ANYBODY, &question).0? {
        index::Finding::Rule(rank, Permission::Allow) => usize::try_from(rank).ok(),
        index::Finding::Rule(_, Permission::Deny) | index::Finding::WildcardSubscription => None,
    }
}

/// For each rule the one before it that covers it, both by their places in the definition.
fn shadows(compiled: &Role, order: &[usize]) -> Vec<Option<usize>> {
    let mut shadows = vec![None; order.len()];
    for (rank, (at, rule)) in order.iter().zip(compiled.rules()).enumerate() {
        let before = compiled.covering(rule).map(|(before, _)| before as usize);
        if let (Some(shadow), Some(before)) = (shadows.get_mut(*at), before) {
            *shadow = order.get(before).copied().filter(|_| before < rank);
        }
    }
    shadows
}
