//! A role: its rules in the order they are asked, compiled, and the time in which it holds.
//!
//! Must not: know who has it, or what time it is.
#![forbid(unsafe_code)]

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;

use super::index::{Finding, Index, IndexBuilder, WildcardSubscriptions};
use super::question::{Asker, Question};
use super::rule::{AclType, Permission, Rule};
use super::trie::{Reach, TooMany};
use crate::model::NamePrefix;

/// A role as it is written down.
#[derive(Clone, Debug)]
pub struct RoleDefinition {
    /// Its name.
    pub name: Arc<str>,
    /// Its rules, in the order they were added.
    pub rules: Vec<Rule>,
    /// Whether its holders may subscribe with wildcards.
    pub wildcard_subscriptions: WildcardSubscriptions,
    /// When it holds.
    pub window: Window,
    /// What its holders may administer by it; none for no limit.
    pub admin_prefix: Option<NamePrefix>,
}

/// A compiled role.
#[derive(Debug)]
pub struct Role {
    name: Arc<str>,
    /// In the order they are asked: the index in this list is a rule's rank.
    rules: Box<[Rule]>,
    wildcard_subscriptions: WildcardSubscriptions,
    window: Window,
    admin_prefix: Option<NamePrefix>,
    index: Index,
}

/// A time that may be open at both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Not from this moment on.
    pub until: Option<Timestamp>,
}

impl Role {
    /// Compiles a role.
    ///
    /// # Errors
    /// When it has more rules than can be counted.
    pub fn compile(definition: RoleDefinition) -> Result<Self, TooMany> {
        let RoleDefinition {
            name,
            mut rules,
            wildcard_subscriptions,
            window,
            admin_prefix,
        } = definition;
        sort(&mut rules);
        let mut index = IndexBuilder::new()?;
        index.add(&rules, wildcard_subscriptions)?;
        Ok(Self {
            name,
            rules: rules.into(),
            wildcard_subscriptions,
            window,
            admin_prefix,
            index: index.finish()?,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its rules in the order they are asked: literals, then the rest, each by priority.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether its holders may subscribe with wildcards.
    #[must_use]
    pub fn wildcard_subscriptions(&self) -> WildcardSubscriptions {
        self.wildcard_subscriptions
    }

    /// When it holds.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// What the names begin with of all that its holders may administer by it; none for no limit.
    #[must_use]
    pub fn admin_prefix(&self) -> Option<&NamePrefix> {
        self.admin_prefix.as_ref()
    }

    /// What its rules say, and for whom that holds.
    pub(super) fn ask(
        &self,
        asker: Asker<'_>,
        question: &Question<'_>,
    ) -> (Option<Finding>, Reach) {
        self.index.ask(asker, question)
    }

    /// The first of its rules that covers all another one is about.
    pub(super) fn covering(&self, rule: &Rule) -> Option<(u32, Permission)> {
        self.index.covering(rule)
    }

    /// Whether it denies this subscription before any of its rules is asked.
    pub(super) fn refuses_wildcards_of(&self, question: &Question<'_>) -> bool {
        let Question::Subscribe(filter, _) = question else {
            return false;
        };
        self.wildcard_subscriptions == WildcardSubscriptions::Deny && filter.has_wildcards()
    }
}

impl RoleDefinition {
    /// Its rules in the order they are asked.
    pub(super) fn sort(&mut self) {
        sort(&mut self.rules);
    }

    /// Whether this is what a role was compiled from, once it is sorted.
    pub(super) fn is(&self, role: &Role) -> bool {
        self.name == role.name
            && self.rules == *role.rules
            && self.wildcard_subscriptions == role.wildcard_subscriptions
            && self.window == role.window
            && self.admin_prefix == role.admin_prefix
    }
}

/// The sort is stable: of equal priority, the one that was added first.
fn sort(rules: &mut [Rule]) {
    rules.sort_by_key(Rule::place);
}

impl Rule {
    /// Where it is asked among the rules of its role; of equal places, in the order they were added.
    pub(super) fn place(&self) -> impl Ord + use<> {
        (!self.acl_type().is_literal(), Reverse(self.priority()))
    }

    /// Whether its topics or filters are those of the question; conditions are not looked at.
    pub(super) fn concerns(&self, asker: Asker<'_>, question: &Question<'_>) -> bool {
        match (self.acl_type(), question) {
            (AclType::PublishClientSend, Question::Send(topic, _))
            | (AclType::PublishClientReceive, Question::Receive(topic, _)) => {
                self.template().covers(topic.as_str(), asker)
            }
            (AclType::SubscribePattern, Question::Subscribe(filter, _))
            | (AclType::UnsubscribePattern, Question::Unsubscribe(filter)) => {
                self.template().covers_filter(filter, asker)
            }
            (AclType::SubscribeLiteral, Question::Subscribe(filter, _))
            | (AclType::UnsubscribeLiteral, Question::Unsubscribe(filter)) => {
                [filter.as_str(), filter.plain()].contains(&self.template().as_str())
            }
            _ => false,
        }
    }
}

impl Window {
    /// Whether this moment is in it.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    /// In words, whether it is in it.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> &'static str {
        if self.holds(now) {
            "in force"
        } else if self.from.is_some_and(|from| now < from) {
            "not yet valid"
        } else {
            "expired"
        }
    }

    /// When that changes next.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = [self.from, self.until].into_iter().flatten();
        ends.filter(|end| now < *end).min()
    }
}
