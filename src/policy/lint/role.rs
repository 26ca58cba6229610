//! The rules of a role.
//!
//! Must not: look at other roles: what they say depends on who has them.
#![forbid(unsafe_code)]

use std::cmp::Reverse;

use super::super::index::WildcardSubscriptions;
use super::super::role::{Role, RoleDefinition};
use super::super::rule::{AclType, Permission, Rule};
use super::super::topic::Filter;
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
    let shadows = shadows(definition)?;
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
        let sends = rule.acl_type() == AclType::PublishClientSend;
        openness(rule.template(), sends).for_each(&mut note);
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

/// For each rule the one before it that covers it, both by their places in the definition.
fn shadows(definition: &RoleDefinition) -> Result<Vec<Option<usize>>, TooMany> {
    let rules = &definition.rules;
    let compiled = Role::compile(definition.clone())?;
    let mut order: Vec<usize> = (0..rules.len()).collect();
    // As a role is compiled.
    order.sort_by_key(|at| {
        let rule = rules.get(*at);
        rule.map(|rule| (!rule.acl_type().is_literal(), Reverse(rule.priority())))
    });
    let mut shadows = vec![None; rules.len()];
    for (rank, (at, rule)) in order.iter().zip(compiled.rules()).enumerate() {
        let before = compiled.covering(rule).map(|(before, _)| before as usize);
        if let (Some(shadow), Some(before)) = (shadows.get_mut(*at), before) {
            *shadow = order.get(before).copied().filter(|_| before < rank);
        }
    }
    Ok(shadows)
}
