//! Rules, priorities and QoS as JSON.
//!
//! Must not: let anything in past the constructors: what is read is checked as what is typed is.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use super::question::Qos;
use super::rule::{AclType, Conditions, Permission, Priority, Retain, Rule, RuleError};

/// A rule.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Written {
    acltype: AclType,
    topic: Box<str>,
    permission: Permission,
    priority: Priority,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_qos: Option<Qos>,
    #[serde(default, skip_serializing_if = "is_either")]
    retain: Retain,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_payload: Option<u32>,
}

fn is_either(retain: &Retain) -> bool {
    *retain == Retain::Either
}

impl From<Rule> for Written {
    fn from(rule: Rule) -> Self {
        let Conditions {
            max_qos,
            retain,
            max_payload,
        } = *rule.conditions();
        Self {
            acltype: rule.acl_type(),
            topic: rule.template().as_str().into(),
            permission: rule.permission(),
            priority: rule.priority(),
            max_qos,
            retain,
            max_payload,
        }
    }
}

impl TryFrom<Written> for Rule {
    type Error = RuleError;

    fn try_from(written: Written) -> Result<Self, RuleError> {
        let Written {
            acltype,
            topic,
            permission,
            priority,
            max_qos,
            retain,
            max_payload,
        } = written;
        let rule = Self::new(acltype, permission, &topic)?.with_priority(priority);
        rule.with_conditions(Conditions {
            max_qos,
            retain,
            max_payload,
        })
    }
}

impl From<i64> for Priority {
    fn from(number: i64) -> Self {
        Self::clamped(number)
    }
}

impl From<Priority> for i32 {
    fn from(priority: Priority) -> Self {
        priority.number()
    }
}

/// There are three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a QoS is 0, 1 or 2")]
pub struct NoQos;

impl TryFrom<u8> for Qos {
    type Error = NoQos;

    fn try_from(number: u8) -> Result<Self, NoQos> {
        Self::of(number).ok_or(NoQos)
    }
}

impl From<Qos> for u8 {
    fn from(qos: Qos) -> Self {
        qos.number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_comes_back_as_it_went() {
        for (acl_type, conditions) in [
            (AclType::SubscribeLiteral, Conditions::default()),
            (
                AclType::PublishClientSend,
                Conditions {
                    max_qos: Qos::of(1),
                    retain: Retain::Never,
                    max_payload: Some(7),
                },
            ),
        ] {
            let rule = Rule::new(acl_type, Permission::Allow, "a/+").unwrap();
            let rule = rule.with_priority(Priority::clamped(-3));
            let rule = rule.with_conditions(conditions).unwrap();
            let json = serde_json::to_value(&rule).unwrap();
            assert_eq!(serde_json::from_value::<Rule>(json).unwrap(), rule);
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let good = serde_json::json!({
            "acltype": "publishClientSend", "topic": "a", "permission": "allow", "priority": 0,
        });
        assert!(serde_json::from_value::<Rule>(good.clone()).is_ok());
        for (field, value) in [
            ("acltype", serde_json::json!("publish")),
            ("topic", "a#".into()),
            ("permission", "maybe".into()),
            ("maxQos", 3.into()),
            ("more", 1.into()),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert!(serde_json::from_value::<Rule>(bad).is_err(), "{field}");
        }
    }
}
