//! The rules of a role: its ACLs.
//!
//! Must not: lose a condition of a rule that the API does not know of: a rule that is there is never
//! written again by the way.
#![forbid(unsafe_code)]

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::fields::permission;
use super::roles::end_holders;
use crate::admin::Command;
use crate::dynsec::Json;
use crate::model::RoleName;
use crate::policy::{AclType, Permission, Priority, Rule, StoredRole};

pub(super) fn add(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (role, rule) = named(hand, order)?;
    let priority = order.number("priority");
    let command = Command::PutRule {
        role: role.clone(),
        rule,
        priority: Some(priority.map_or(Priority::RULE, Priority::clamped)),
    };
    hand.add(&command, "ACL with this topic already exists")?;
    end_holders(hand, &role)?;
    Ok(None)
}

pub(super) fn remove(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (role, rule) = named(hand, order)?;
    let command = Command::RemoveRule {
        role: role.clone(),
        acl_type: rule.acl_type(),
        topic: rule.template().as_str().into(),
    };
    hand.carry_out(&command)?;
    end_holders(hand, &role)?;
    Ok(None)
}

/// The rules of a list, without what is none, and of those of one type and topic the first.
pub(super) fn all(items: &[Json]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for rule in items.iter().filter_map(read) {
        if seen.insert((rule.acl_type(), rule.template().as_str().to_owned())) {
            rules.push(rule);
        }
    }
    rules
}

/// The rules of a role: type by type, each in the order in which they are asked.
pub(super) fn shown(role: &StoredRole) -> Value {
    let mut rules: Vec<&Rule> = role.rules.iter().collect();
    rules.sort_by_key(|rule| (rule.acl_type() as u8, Reverse(rule.priority())));
    let rules = rules.into_iter().map(|rule| {
        json!({
            "acltype": rule.acl_type().as_str(),
            "topic": rule.template().as_str(),
            "priority": rule.priority().number(),
            "allow": rule.permission() == Permission::Allow,
        })
    });
    rules.collect()
}

fn read(item: &Json) -> Option<Rule> {
    let text = |name| item.field(name).and_then(Json::text);
    let acl_type: AclType = text("acltype")?.parse().ok()?;
    let allow = permission(item.field("allow").and_then(Json::switch).unwrap_or(false));
    let priority = item.field("priority").and_then(Json::whole);
    let rule = Rule::new(acl_type, allow, text("topic")?).ok()?;
    Some(rule.with_priority(priority.map_or(Priority::RULE, Priority::clamped)))
}

/// The role, which is there, and the rule that is named.
fn named(hand: &mut Hand<'_, '_>, order: &Order) -> Result<(RoleName, Rule), Refusal> {
    let role = order.rolename()?;
    if !hand.batch.has_role(&role)? {
        return Err(Refusal::new("Role not found"));
    }
    let acl_type = order.text("acltype", "Invalid/missing acltype")?;
    let acl_type = acl_type.parse();
    let acl_type = acl_type.map_err(|_| Refusal::new("Unknown acltype"))?;
    let topic = order.text("topic", "Invalid/missing topic")?;
    let allow = permission(order.switch("allow").unwrap_or(false));
    let rule = Rule::new(acl_type, allow, topic);
    Ok((role, rule.map_err(|_| Refusal::new("Invalid ACL topic"))?))
}
