//! A rule of a role as it is shown.
//!
//! Must not: know its role, or where it stands among the others.
#![forbid(unsafe_code)]

use std::fmt::Write as _;

use serde::Serialize;

use crate::policy::{Permission, Qos, Retain, Rule};
use crate::show::Plain;

/// One rule, in the words of dynamic-security.
#[derive(Serialize)]
pub struct RuleView {
    acltype: &'static str,
    topic: String,
    priority: i32,
    allow: bool,
    max_qos: Option<u8>,
    retain: bool,
    max_payload: Option<u32>,
}

impl RuleView {
    /// The view of a rule.
    #[must_use]
    pub fn new(rule: &Rule) -> Self {
        let conditions = rule.conditions();
        Self {
            acltype: rule.acl_type().as_str(),
            topic: rule.template().as_str().to_owned(),
            priority: rule.priority().number(),
            allow: rule.permission() == Permission::Allow,
            max_qos: conditions.max_qos.map(Qos::number),
            retain: conditions.retain == Retain::Either,
            max_payload: conditions.max_payload,
        }
    }

    /// As a row among other rules.
    #[must_use]
    pub fn row(&self) -> String {
        let Self {
            acltype,
            topic,
            priority,
            ..
        } = self;
        let mut text = format!(
            "{priority:>8}  {:<5}  {acltype:<20}  {}",
            self.permission(),
            Plain(topic)
        );
        for condition in self.conditions() {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "  {condition}");
        }
        text
    }

    /// In a sentence: its priority only where it has one of its own.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { acltype, topic, .. } = self;
        let mut text = format!("{} {acltype} {}", self.permission(), Plain(topic));
        let mut aside = self.conditions();
        if self.priority != 0 {
            aside.insert(0, format!("priority {}", self.priority));
        }
        if !aside.is_empty() {
            // Writing to a String cannot fail.
            let _infallible = write!(text, " ({})", aside.join(", "));
        }
        text
    }

    fn permission(&self) -> &'static str {
        if self.allow { "allow" } else { "deny" }
    }

    fn conditions(&self) -> Vec<String> {
        let qos = self.max_qos.map(|qos| format!("QoS at most {qos}"));
        let retain = (!self.retain).then(|| "not retained".to_owned());
        let payload = self.max_payload;
        let payload = payload.map(|bytes| format!("at most {bytes} bytes"));
        [qos, retain, payload].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{AclType, Conditions, Priority};

    #[test]
    fn a_sentence_tells_what_is_not_ordinary() {
        let rule = Rule::new(AclType::PublishClientSend, Permission::Allow, "a/#").unwrap();
        assert_eq!(RuleView::new(&rule).words(), "allow publishClientSend a/#");
        let conditions = Conditions {
            max_qos: Some(Qos::AtLeastOnce),
            retain: Retain::Never,
            max_payload: Some(7),
        };
        let rule = rule.with_priority(Priority::clamped(-3));
        let rule = rule.with_conditions(conditions).unwrap();
        assert_eq!(
            RuleView::new(&rule).words(),
            "allow publishClientSend a/# (priority -3, QoS at most 1, not retained, at most 7 bytes)"
        );
    }
}
