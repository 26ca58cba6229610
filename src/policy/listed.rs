//! Rights that are lists of topics, as a token has them.
//!
//! Must not: deny anything. What the lists say nothing of is somebody else's to say.
#![forbid(unsafe_code)]

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    AclType, Assignment, Compiler, Defaults, Holder, Permission, Priority, Rights, RoleDefinition,
    Rule, RuleError, TooMany, WildcardSubscriptions, Window,
};

/// Why lists of topics are no rights.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Something in them is no filter.
    #[error(transparent)]
    Filter(#[from] RuleError),
    /// There is too much in them.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

impl Compiler {
    /// The rights of whoever may publish to these topics, and subscribe to and be sent those.
    ///
    /// # Errors
    /// When they hold what is no filter, or more than can be counted.
    pub fn listed(
        &mut self,
        publish: &[Box<str>],
        subscribe: &[Box<str>],
        now: Timestamp,
    ) -> Result<Arc<Rights>, ListError> {
        let mut rules = Vec::new();
        let mut allow = |acl_type, filter: &str| {
            rules.push(Rule::new(acl_type, Permission::Allow, filter)?);
            Ok::<_, RuleError>(())
        };
        for filter in publish {
            allow(AclType::PublishClientSend, filter)?;
        }
        for filter in subscribe {
            allow(AclType::SubscribePattern, filter)?;
            allow(AclType::UnsubscribePattern, filter)?;
            allow(AclType::PublishClientReceive, filter)?;
        }
        let role = self.role(RoleDefinition {
            name: "token".into(),
            rules,
            wildcard_subscriptions: WildcardSubscriptions::Allow,
            window: Window::default(),
            admin_prefix: None,
        })?;
        let holder = Holder {
            roles: vec![Assignment {
                role,
                priority: Priority::MEMBER,
            }],
            groups: Vec::new(),
        };
        Ok(self.rights(&holder, Defaults::DENY, now))
    }
}
