//! One rule of a role: which event, which topics, allowed or denied, under which conditions.
//!
//! Must not: know its role, or be asked alone: which rule decides is a matter of order.
//!
//! A rule whose conditions do not hold is passed over, and the next one is asked. Only a rule that
//! allows has conditions: "allow up to 1 kB" says what it lets through and nothing else. The same
//! words on a rule that denies could mean that small messages are denied or that large ones are, and
//! whoever reads them the wrong way has opened something; what is wanted is said by a rule that
//! allows with a condition, and one below it that denies.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::question::{Message, Qos};
use super::template::{About, Substitution, Template};
use super::topic::FilterError;
use super::written::Written;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Rule {
    acl_type: AclType,
    permission: Permission,
    priority: Priority,
    template: Template,
    conditions: Conditions,
}

/// What a rule is about, with the names of dynamic-security.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AclType {
    /// The client publishes.
    PublishClientSend,
    /// The client is sent what was published.
    PublishClientReceive,
    /// It subscribes with exactly this filter.
    SubscribeLiteral,
    /// It subscribes with a filter that this one covers.
    SubscribePattern,
    /// It unsubscribes exactly this filter.
    UnsubscribeLiteral,
    /// It unsubscribes a filter that this one covers.
    UnsubscribePattern,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Permission {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// The higher one is asked first. Of a rule in its role, a role of a client or group, a group of a
/// client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i32")]
pub struct Priority(i32);

/// What a message must be like for a rule to let it through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conditions {
    /// The highest QoS; of a subscription, the one that is asked for.
    pub max_qos: Option<Qos>,
    /// Whether it may be retained.
    pub retain: Retain,
    /// The most bytes of payload.
    pub max_payload: Option<u32>,
}

/// Whether a message may be retained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Retain {
    /// It may.
    #[default]
    Either,
    /// It may not.
    Never,
}

/// Why there is no such rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Its filter is none.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// See the module.
    #[error("only a rule that allows has conditions; deny the rest with a rule below it")]
    ConditionalDeny,
    /// There is no message yet.
    #[error("{0} knows no retained messages and no payload, only a highest QoS")]
    NoMessage(AclType),
    /// There is nothing to look at.
    #[error("{0} knows no conditions")]
    Unconditional(AclType),
    /// No such type.
    #[error(
        "an ACL type is publishClientSend, publishClientReceive, subscribeLiteral, subscribePattern, \
         unsubscribeLiteral or unsubscribePattern"
    )]
    AclType,
}

impl Rule {
    /// A rule of ordinary priority, without conditions.
    ///
    /// # Errors
    /// When the filter is none.
    pub fn new(acl_type: AclType, permission: Permission, filter: &str) -> Result<Self, RuleError> {
        let (about, substitution) = match acl_type {
            AclType::PublishClientSend | AclType::PublishClientReceive => {
                (About::Topics, Substitution::WholeLevels)
            }
            AclType::SubscribeLiteral | AclType::UnsubscribeLiteral => {
                (About::Subscriptions, Substitution::Never)
            }
            AclType::SubscribePattern | AclType::UnsubscribePattern => {
                (About::Subscriptions, Substitution::WholeLevels)
            }
        };
        Ok(Self {
            acl_type,
            permission,
            priority: Priority::RULE,
            template: Template::parse(filter, about, substitution)?,
            conditions: Conditions::default(),
        })
    }

    /// The same rule, asked earlier or later.
    #[must_use]
    pub fn with_priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// The same rule for these messages only.
    ///
    /// # Errors
    /// When it denies, or is about something that has no such properties.
    pub fn with_conditions(self, conditions: Conditions) -> Result<Self, RuleError> {
        if conditions != Conditions::default() {
            let only_qos = conditions.retain == Retain::Either && conditions.max_payload.is_none();
            match self.acl_type {
                _ if self.permission == Permission::Deny => return Err(RuleError::ConditionalDeny),
                AclType::UnsubscribeLiteral | AclType::UnsubscribePattern => {
                    return Err(RuleError::Unconditional(self.acl_type));
                }
                AclType::SubscribeLiteral | AclType::SubscribePattern if !only_qos => {
                    return Err(RuleError::NoMessage(self.acl_type));
                }
                AclType::SubscribeLiteral
                | AclType::SubscribePattern
                | AclType::PublishClientSend
                | AclType::PublishClientReceive => {}
            }
        }
        Ok(Self { conditions, ..self })
    }

    /// What it is about.
    #[must_use]
    pub fn acl_type(&self) -> AclType {
        self.acl_type
    }

    /// What it says.
    #[must_use]
    pub fn permission(&self) -> Permission {
        self.permission
    }

    /// How early it is asked in its role.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// The topics or filters it is about.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Which messages it lets through.
    #[must_use]
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }
}

impl AclType {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::PublishClientSend,
        Self::PublishClientReceive,
        Self::SubscribeLiteral,
        Self::SubscribePattern,
        Self::UnsubscribeLiteral,
        Self::UnsubscribePattern,
    ];

    /// Its name in dynamic-security.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PublishClientSend => "publishClientSend",
            Self::PublishClientReceive => "publishClientReceive",
            Self::SubscribeLiteral => "subscribeLiteral",
            Self::SubscribePattern => "subscribePattern",
            Self::UnsubscribeLiteral => "unsubscribeLiteral",
            Self::UnsubscribePattern => "unsubscribePattern",
        }
    }

    /// The type that answers the same question by what it covers.
    pub(super) fn beyond_literal(self) -> Self {
        match self {
            Self::SubscribeLiteral => Self::SubscribePattern,
            Self::UnsubscribeLiteral => Self::UnsubscribePattern,
            Self::PublishClientSend
            | Self::PublishClientReceive
            | Self::SubscribePattern
            | Self::UnsubscribePattern => self,
        }
    }

    /// Whether a filter must be exactly the rule's.
    #[must_use]
    pub fn is_literal(self) -> bool {
        matches!(self, Self::SubscribeLiteral | Self::UnsubscribeLiteral)
    }
}

/// The name in any case, as dynamic-security takes it.
impl FromStr for AclType {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut all = Self::ALL.into_iter();
        all.find(|acl_type| acl_type.as_str().eq_ignore_ascii_case(text))
            .ok_or(RuleError::AclType)
    }
}

impl fmt::Display for AclType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Priority {
    /// A rule's, where nothing is said.
    pub const RULE: Self = Self(0);
    /// A role's or a group's, where nothing is said.
    pub const MEMBER: Self = Self(-1);

    /// This number, or the nearest one from -100000 to 100000.
    #[must_use]
    pub fn clamped(number: i64) -> Self {
        let number = number.clamp(-MOST, MOST);
        Self(i32::try_from(number).unwrap_or_default())
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl Conditions {
    /// Whether a message meets them all.
    pub(super) fn hold(&self, message: Message) -> bool {
        self.max_qos.is_none_or(|most| message.qos <= most)
            && (self.retain == Retain::Either || !message.retain)
            && self.max_payload.is_none_or(|most| message.payload <= most)
    }

    /// The message that meets other conditions only if they let through all that these do.
    pub(super) fn largest(&self) -> Message {
        Message {
            qos: self.max_qos.unwrap_or(Qos::ExactlyOnce),
            retain: self.retain == Retain::Either,
            payload: self.max_payload.unwrap_or(u32::MAX),
        }
    }
}

/// Priorities lie between this and its negative.
const MOST: i64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(acl_type: AclType, permission: Permission) -> Rule {
        Rule::new(acl_type, permission, "a/+").unwrap()
    }

    #[test]
    fn an_acl_type_is_named_in_any_case() {
        for acl_type in AclType::ALL {
            assert_eq!(acl_type.as_str().parse(), Ok(acl_type));
            assert_eq!(acl_type.as_str().to_uppercase().parse(), Ok(acl_type));
        }
        for text in ["", "publish", "subscribe", "publishClientSend "] {
            assert_eq!(text.parse::<AclType>(), Err(RuleError::AclType));
        }
    }

    #[test]
    fn priorities_stay_within_a_hundred_thousand() {
        let clamped = [-100_001, -100_000, 7, 100_000, i64::MAX].map(Priority::clamped);
        let numbers = clamped.map(Priority::number);
        assert_eq!(numbers, [-100_000, -100_000, 7, 100_000, 100_000]);
    }

    #[test]
    fn each_condition_lets_through_up_to_its_bound_and_nothing_beyond() {
        let conditions = Conditions {
            max_qos: Some(Qos::AtLeastOnce),
            retain: Retain::Never,
            max_payload: Some(10),
        };
        let met = Message {
            qos: Qos::AtLeastOnce,
            retain: false,
            payload: 10,
        };
        assert!(conditions.hold(met));
        let qos = Qos::ExactlyOnce;
        assert!(!conditions.hold(Message { qos, ..met }));
        assert!(!conditions.hold(Message {
            retain: true,
            ..met
        }));
        assert!(!conditions.hold(Message { payload: 11, ..met }));
        let any = Message {
            qos,
            retain: true,
            payload: u32::MAX,
        };
        assert!(Conditions::default().hold(any));
    }

    #[test]
    fn conditions_go_with_rules_that_allow_what_has_these_properties() {
        let (allow, deny) = (Permission::Allow, Permission::Deny);
        let qos = Conditions {
            max_qos: Some(Qos::AtMostOnce),
            ..Conditions::default()
        };
        let size = Conditions {
            max_payload: Some(1),
            ..Conditions::default()
        };
        let send = AclType::PublishClientSend;
        let subscribe = AclType::SubscribePattern;
        let unsubscribe = AclType::UnsubscribePattern;
        assert!(rule(send, allow).with_conditions(size).is_ok());
        assert!(rule(subscribe, allow).with_conditions(qos).is_ok());
        assert!(
            rule(unsubscribe, deny)
                .with_conditions(Conditions::default())
                .is_ok()
        );
        for (acl_type, permission, conditions, error) in [
            (send, deny, qos, RuleError::ConditionalDeny),
            (subscribe, allow, size, RuleError::NoMessage(subscribe)),
            (
                unsubscribe,
                allow,
                qos,
                RuleError::Unconditional(unsubscribe),
            ),
        ] {
            let refused = rule(acl_type, permission).with_conditions(conditions);
            assert_eq!(refused, Err(error));
        }
    }

    #[test]
    fn a_rule_whose_filter_is_none_is_refused() {
        let refused = Rule::new(AclType::PublishClientSend, Permission::Allow, "a#");
        assert_eq!(refused, Err(RuleError::Filter(FilterError::Hash)));
    }
}
