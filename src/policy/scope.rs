//! What an administrator may administer: everything, or what is called as a role of his says.
//!
//! Must not: let somebody hand out what he has not. What he may write into a role is what his own rights
//! surely allow, to him, as they are; where that is not clear he may not write it. Nothing about
//! `$CONTROL` is ever his to write: whoever is limited makes no administrators.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::difference::may_be_control;
use super::difference::meeting::{has_wildcards, is_hidden, meet};
use super::index::{Finding, WildcardSubscriptions};
use super::question::{Asker, Question};
use super::rights::{Defaults, Rights};
use super::rule::{AclType, Permission, Rule};
use super::stored::StoredRole;
use super::template::{Level, Share, Template};
use crate::model::NamePrefix;

/// What an administrator may administer.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Everything.
    Everything,
    /// What his roles say.
    Limited(Limit),
}

/// The limit of an administrator.
#[derive(Clone, Debug)]
pub struct Limit {
    prefixes: Prefixes,
    rights: Arc<Rights>,
    client_id: Option<Box<str>>,
    username: Option<Box<str>>,
}

/// What the names begin with that an administrator may administer; without any, that is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes(Arc<[NamePrefix]>);

impl Prefixes {
    /// Whether a name is among those.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.0.iter().any(|prefix| prefix.covers(name))
    }
}

impl Scope {
    /// What somebody may administer whose rights let it give orders by this question.
    #[must_use]
    pub fn of(rights: &Arc<Rights>, asker: Asker<'_>, question: &Question<'_>) -> Self {
        let mut prefixes = Vec::new();
        for grant in rights.grants() {
            match grant.role.ask(asker, question).0 {
                Some(Finding::Rule(_, Permission::Allow)) => match grant.role.admin_prefix() {
                    Some(prefix) => prefixes.push(prefix.clone()),
                    None => return Self::Everything,
                },
                // What comes behind has no say.
                Some(Finding::Rule(_, Permission::Deny) | Finding::WildcardSubscription) => break,
                None => {}
            }
        }
        Self::Limited(Limit {
            prefixes: Prefixes(prefixes.into()),
            rights: Arc::clone(rights),
            client_id: asker.client_id.map(Into::into),
            username: asker.username.map(Into::into),
        })
    }

    /// The limit; none where there is none.
    #[must_use]
    pub fn limit(&self) -> Option<&Limit> {
        match self {
            Self::Everything => None,
            Self::Limited(limit) => Some(limit),
        }
    }

    /// What names begin with; none where they may begin with anything.
    #[must_use]
    pub fn prefixes(&self) -> Option<&Prefixes> {
        self.limit().map(|limit| &limit.prefixes)
    }

    /// Whether something of this name is there to be administered.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.prefixes().is_none_or(|prefixes| prefixes.covers(name))
    }
}

impl Limit {
    /// Whether something of this name is there to be administered.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.prefixes.covers(name)
    }

    /// Whether an administrator may let others do what this rule is about, whatever it says of it: his own
    /// rights surely allow all of that.
    #[must_use]
    pub fn may_give(&self, rule: &Rule) -> bool {
        if rule.concerns_administration() {
            return false;
        }
        let asker = Asker {
            client_id: self.client_id.as_deref(),
            username: self.username.as_deref(),
        };
        let subscribes = rule.acl_type().beyond_literal() == AclType::SubscribePattern;
        for grant in self.rights.grants() {
            let refuses = grant.role.wildcard_subscriptions() == WildcardSubscriptions::Deny;
            if subscribes && refuses && has_wildcards(rule.template()) {
                return false;
            }
            let alike =
                |own: &&Rule| own.acl_type().beyond_literal() == rule.acl_type().beyond_literal();
            for own in grant.role.rules().iter().filter(alike) {
                match own.permission() {
                    Permission::Deny if meet(own, rule) => return false,
                    Permission::Allow if surely_covers(own, rule, asker) => return true,
                    Permission::Deny | Permission::Allow => {}
                }
            }
        }
        // No default opens `$CONTROL`.
        !may_be_control(rule)
            && default(&self.rights.defaults(), rule.acl_type()) == Permission::Allow
    }
}

impl Rule {
    /// Whether it may be about `$CONTROL`, beyond what everybody may have: to change one's own password.
    #[must_use]
    pub fn concerns_administration(&self) -> bool {
        let is_own =
            self.acl_type() == AclType::PublishClientSend && self.template().as_str() == OWN_TOPIC;
        may_be_control(self) && !is_own
    }
}

impl StoredRole {
    /// Whether it has to do with administration: with who may give orders or hear answers, or with what
    /// they are limited to.
    #[must_use]
    pub fn concerns_administration(&self) -> bool {
        let mut rules = self.rules.iter();
        self.admin_prefix.is_some() || rules.any(Rule::concerns_administration)
    }

    /// Whether whoever holds it may administer something, or hear what is answered, by it.
    #[must_use]
    pub fn administers(&self) -> bool {
        let opens =
            |rule: &Rule| rule.permission() == Permission::Allow && rule.concerns_administration();
        self.admin_prefix.is_some() || self.rules.iter().any(opens)
    }
}

/// Where everybody who may receive it is answered.
pub const RESPONSE_TOPIC: &str = "$CONTROL/dynamic-security/v1/response";

/// Where clients send what they order for themselves: no right to administer is needed, and none follows.
pub const OWN_TOPIC: &str = "$CONTROL/doorman/own/v1";

fn default(defaults: &Defaults, acl_type: AclType) -> Permission {
    match acl_type {
        AclType::PublishClientSend => defaults.send,
        AclType::PublishClientReceive => defaults.receive,
        AclType::SubscribeLiteral | AclType::SubscribePattern => defaults.subscribe,
        AclType::UnsubscribeLiteral | AclType::UnsubscribePattern => defaults.unsubscribe,
    }
}

/// Whether all that a rule is about, for whatever client, is what this one is about for this client.
fn surely_covers(own: &Rule, rule: &Rule, asker: Asker<'_>) -> bool {
    if !own.conditions().hold(rule.conditions().largest()) || own.template().share() != Share::Plain
    {
        return false;
    }
    match (own.acl_type().is_literal(), rule.acl_type().is_literal()) {
        (true, true) => own.template().as_str() == rule.template().as_str(),
        (true, false) => false,
        (false, true | false) => levels_covered(own.template(), rule.template(), asker),
    }
}

fn levels_covered(own: &Template, sought: &Template, asker: Asker<'_>) -> bool {
    let mut sought = sought.levels();
    let mut first = true;
    for ours in own.levels() {
        let theirs = sought.next();
        let hidden = first && theirs.is_some_and(is_hidden);
        match (ours, theirs) {
            (Level::Hash, _) => return !hidden,
            (_, None | Some(Level::Hash | Level::Mixed(_))) => return false,
            (Level::Plus, Some(_)) if !hidden => {}
            (_, Some(Level::Text(text))) if ours.covers(text, hidden, asker) => {}
            // A name of others is none of one's own.
            (_, Some(_)) => return false,
        }
        first = false;
    }
    sought.next().is_none()
}

#[cfg(test)]
mod tests;
