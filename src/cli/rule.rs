//! One rule of a role on the command line.
//!
//! Must not: judge a topic or a condition; [`Rule`] does, and says why.
#![forbid(unsafe_code)]

use clap::Args;

use super::deed::Deed;
use super::exit::Failure;
use super::grant::priority;
use crate::admin::Command;
use crate::model::RoleName;
use crate::policy::{AclType, Conditions, Permission, Priority, Qos, Retain, Rule};

/// Which rule.
#[derive(Args, Debug)]
pub(super) struct RuleArg {
    /// The role's name
    #[arg(value_name = "NAME", value_parser = RoleName::new)]
    role: RoleName,
    /// What the rule is about: publishClientSend (the client publishes), publishClientReceive (it is
    /// sent what was published), subscribeLiteral or unsubscribeLiteral (exactly this filter),
    /// subscribePattern or unsubscribePattern (every filter that this one covers)
    #[arg(value_name = "ACLTYPE", value_parser = str::parse::<AclType>)]
    acl_type: AclType,
    /// A topic or filter, with + and #; a level %u stands for the username, %c for the client id
    #[arg(value_name = "TOPIC")]
    topic: String,
}

/// A rule that denies.
#[derive(Args, Debug)]
pub(super) struct DenyArgs {
    #[command(flatten)]
    rule: RuleArg,
    /// Ask it before the rules with a lower number, from -100000 to 100000; not given, a rule that is
    /// there keeps its number and a new one has 0
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = priority)]
    priority: Option<Priority>,
}

/// A rule that allows.
#[derive(Args, Debug)]
pub(super) struct AllowArgs {
    #[command(flatten)]
    rule: DenyArgs,
    /// Only up to this QoS; of a subscription, the one that is asked for
    #[arg(long, value_name = "0|1|2", value_parser = qos)]
    max_qos: Option<Qos>,
    /// Only messages that are not retained
    #[arg(long)]
    no_retain: bool,
    /// Only messages whose payload is at most so large: bytes, or 64K, 1M
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_payload: Option<u32>,
}

impl AllowArgs {
    /// To put the rule.
    pub(super) fn put(&self) -> Result<Deed, Failure> {
        let conditions = Conditions {
            max_qos: self.max_qos,
            retain: if self.no_retain {
                Retain::Never
            } else {
                Retain::Either
            },
            max_payload: self.max_payload,
        };
        self.rule.with(Permission::Allow, conditions)
    }
}

impl DenyArgs {
    /// To put the rule.
    pub(super) fn put(&self) -> Result<Deed, Failure> {
        self.with(Permission::Deny, Conditions::default())
    }

    fn with(&self, permission: Permission, conditions: Conditions) -> Result<Deed, Failure> {
        let RuleArg {
            role,
            acl_type,
            topic,
        } = &self.rule;
        let rule = Rule::new(*acl_type, permission, topic)
            .and_then(|rule| rule.with_conditions(conditions))
            .map_err(|error| Failure::usage(error.to_string()))?;
        let command = Command::PutRule {
            role: role.clone(),
            rule,
            priority: self.priority,
        };
        let word = match permission {
            Permission::Allow => "allow",
            Permission::Deny => "deny",
        };
        Ok(Deed::rule(role, word, *acl_type, topic, command))
    }
}

impl RuleArg {
    /// To remove it.
    pub(super) fn remove(&self) -> Deed {
        let command = Command::RemoveRule {
            role: self.role.clone(),
            acl_type: self.acl_type,
            topic: self.topic.as_str().into(),
        };
        Deed::rule(&self.role, "", self.acl_type, &self.topic, command)
    }
}

/// A QoS by its number.
pub(super) fn qos(text: &str) -> Result<Qos, String> {
    let number = text.parse().ok();
    number
        .and_then(Qos::of)
        .ok_or_else(|| "accepted are 0, 1 and 2".to_owned())
}

/// Bytes, up to the largest payload of MQTT.
pub(super) fn size(text: &str) -> Result<u32, String> {
    let (digits, factor) = match (text.strip_suffix('K'), text.strip_suffix('M')) {
        (Some(digits), _) => (digits, 1024),
        (None, Some(digits)) => (digits, 1024 * 1024),
        (None, None) => (text, 1),
    };
    let number: Option<u32> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(factor))
        .filter(|size| *size <= LARGEST)
        .ok_or_else(|| format!("accepted are bytes up to {LARGEST}, and sizes such as 64K or 1M"))
}

/// What fits into a packet, MQTT 5 section 2.1.4.
const LARGEST: u32 = 268_435_455;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_is_bytes() {
        for (text, bytes) in [("0", 0), ("1500", 1500), ("64K", 65_536), ("1M", 1_048_576)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "K",
            "-1",
            "1k",
            "1.5M",
            "256M",
            "268435456",
            "99999999999",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_priority_too_high_is_the_highest() {
        assert_eq!(priority("200000").unwrap().number(), 100_000);
        assert!(priority("first").is_err());
    }
}
