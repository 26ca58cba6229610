//! What one client may do, compiled from what it holds: shared by all who hold the same.
//!
//! Must not: know the time. Roles that do not hold at the moment are set aside when the rights are
//! made, and [`Rights::changes_at`] says when that has to be done again. A check allocates nothing,
//! takes no lock and writes nothing.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::grant::{Grant, Holder};
use super::kept;
use super::part::{Again, PartId};
use super::question::{Asker, Question};
use super::role::{Role, RoleDefinition};
use super::rule::{Permission, Rule};
use super::segment::{MANY, Merges, Place, Segment};
use super::shared::Shared;
use super::trie::{Reach, TooMany};

/// What a client may do.
#[derive(Debug)]
pub struct Rights {
    part: PartId,
    grants: Box<[Grant]>,
    dormant: Box<[Grant]>,
    segments: Box<[Segment]>,
    defaults: Defaults,
    changes_at: Option<Timestamp>,
    is_rough: bool,
    /// By grant and place among its rules, found out when it is first asked.
    particular: OnceLock<Box<[(usize, usize)]>>,
}

/// What happens when no rule answers: `defaultACLAccess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// To publish.
    pub send: Permission,
    /// To be sent what was published.
    pub receive: Permission,
    /// To subscribe.
    pub subscribe: Permission,
    /// To unsubscribe.
    pub unsubscribe: Permission,
}

/// An answer.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub permission: Permission,
    /// Why.
    pub because: Because,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A rule.
    Rule {
        /// Of this one of [`Rights::grants`].
        grant: usize,
        /// The place among the rules of its role.
        rule: usize,
    },
    /// A role without wildcard subscriptions.
    WildcardSubscription {
        /// This one of [`Rights::grants`].
        grant: usize,
    },
    /// No rule answered, and the default did. dynamic-security leaves a question that its default
    /// denies to whoever else is asked.
    Default,
    /// No rule answered, and no default opens `$CONTROL`.
    Control,
}

/// Makes rights, and shares what is alike.
#[derive(Debug)]
pub struct Compiler {
    roles: Shared<Role>,
    rights: Shared<Rights>,
    merges: Merges,
}

impl Defaults {
    /// Nothing, as without any such setting.
    pub const DENY: Self = Self {
        send: Permission::Deny,
        receive: Permission::Deny,
        subscribe: Permission::Deny,
        unsubscribe: Permission::Deny,
    };

    /// As a new configuration of dynamic-security has them.
    pub const FRESH: Self = Self {
        receive: Permission::Allow,
        unsubscribe: Permission::Allow,
        ..Self::DENY
    };

    fn decide(&self, question: &Question<'_>) -> Decision {
        let permission = match question {
            Question::Send(..) => self.send,
            Question::Receive(..) => self.receive,
            Question::Subscribe(..) => self.subscribe,
            Question::Unsubscribe(..) => self.unsubscribe,
        };
        let control = question.is_about_control();
        match permission {
            Permission::Allow if control => Decision {
                permission: Permission::Deny,
                because: Because::Control,
            },
            Permission::Allow | Permission::Deny => Decision {
                permission,
                because: Because::Default,
            },
        }
    }
}

impl Rights {
    /// Whether this client, which holds these rights, may do that.
    pub fn check(&self, asker: Asker<'_>, question: &Question<'_>) -> Decision {
        self.decide(asker, question).0
    }

    /// The same, and what of it may be told again to whoever holds these rights and asks about the same
    /// topic; nothing where it depends on a name or on the message.
    pub fn decide(&self, asker: Asker<'_>, question: &Question<'_>) -> (Decision, Option<Again>) {
        let mut again = Some(Again {
            part: self.part,
            both_ways: false,
        });
        for segment in &self.segments {
            let (place, reach) = segment.ask(asker, question);
            again = again.filter(|_| reach != Reach::One).map(|again| Again {
                // One before might have an answer to the other way.
                both_ways: reach == Reach::BothWays && segment.first == 0,
                ..again
            });
            let decision = match place {
                None => continue,
                Some(Place::WildcardSubscription { grant }) => Decision {
                    permission: Permission::Deny,
                    because: Because::WildcardSubscription { grant },
                },
                Some(Place::Rule {
                    grant,
                    rule,
                    permission,
                }) => Decision {
                    permission,
                    because: Because::Rule { grant, rule },
                },
            };
            return (decision, again);
        }
        (self.defaults.decide(question), again)
    }

    /// The number of these rules.
    #[must_use]
    pub fn part(&self) -> PartId {
        self.part
    }

    /// The first rule that covers all another one is about: the numbers of the grant and of the rule
    /// in its role.
    pub(super) fn covering(&self, sought: &Rule) -> Option<(usize, usize, Permission)> {
        let mut segments = self.segments.iter();
        match segments.find_map(|segment| segment.covering(sought))? {
            Place::Rule {
                grant,
                rule,
                permission,
            } => Some((grant, rule, permission)),
            Place::WildcardSubscription { .. } => None,
        }
    }

    /// Those of somebody who holds one role of these rules, and nothing else.
    #[cfg(test)]
    pub(crate) fn of_one_role(rules: impl Iterator<Item = Rule>, defaults: Defaults) -> Arc<Self> {
        use crate::policy::{Assignment, Priority, WildcardSubscriptions, Window};

        let role = Role::compile(RoleDefinition {
            name: "role".into(),
            rules: rules.collect(),
            wildcard_subscriptions: WildcardSubscriptions::Allow,
            window: Window::default(),
            admin_prefix: None,
        });
        let holder = Holder {
            roles: vec![Assignment {
                role: Arc::new(role.unwrap()),
                priority: Priority::MEMBER,
            }],
            groups: Vec::new(),
        };
        Compiler::quick().rights(&holder, defaults, Timestamp::UNIX_EPOCH)
    }

    /// The rules by which a filter may be allowed that nothing in it tells of.
    pub(super) fn particular(&self) -> impl Iterator<Item = &Rule> {
        let found = self.particular.get_or_init(|| {
            let grants = self.grants.iter().enumerate();
            let all = grants.flat_map(|(grant, granted)| {
                let rules = granted.role.rules().iter().enumerate();
                let particular = rules.filter(|(_, rule)| kept::is_particular(rule));
                particular.map(move |(place, _)| (grant, place))
            });
            all.collect()
        });
        let rule =
            |(grant, place): &(usize, usize)| self.grants.get(*grant)?.role.rules().get(*place);
        found.iter().filter_map(rule)
    }

    /// The roles in force, in the order they are asked.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// The roles that do not hold at the moment.
    #[must_use]
    pub fn dormant(&self) -> &[Grant] {
        &self.dormant
    }

    /// What happens when no rule answers.
    #[must_use]
    pub fn defaults(&self) -> Defaults {
        self.defaults
    }

    /// Whether a thorough compiler might make them quicker to ask.
    #[must_use]
    pub fn is_rough(&self) -> bool {
        self.is_rough
    }

    /// When some role begins or ceases to hold, and new rights have to be made.
    #[must_use]
    pub fn changes_at(&self) -> Option<Timestamp> {
        self.changes_at
    }
}

impl Compiler {
    /// One that takes its time, so that checks take less of it.
    #[must_use]
    pub fn thorough() -> Self {
        Self {
            roles: Shared::new(),
            rights: Shared::new(),
            merges: Merges::new(),
        }
    }

    /// One for where somebody waits: it makes no index of many rules.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            roles: Shared::new(),
            rights: Shared::new(),
            merges: Merges::small(),
        }
    }

    /// A compiled role, shared with whoever else has one that is defined alike.
    ///
    /// # Errors
    /// When it has more rules than can be counted.
    pub fn role(&mut self, mut definition: RoleDefinition) -> Result<Arc<Role>, TooMany> {
        definition.sort();
        let is_same = |role: &Role| definition.is(role);
        self.roles.find_or_make(&definition.rules, is_same, || {
            Role::compile(definition.clone())
        })
    }

    /// The rights of whoever holds this, at this moment. Who holds the same shares them.
    pub fn rights(&mut self, holder: &Holder, defaults: Defaults, now: Timestamp) -> Arc<Rights> {
        let all = holder.grants();
        let changes = all
            .iter()
            .filter_map(|grant| grant.role.window().next_change(now));
        let changes_at = changes.min();
        let (grants, dormant): (Vec<Grant>, Vec<Grant>) = all
            .into_iter()
            .partition(|grant| grant.role.window().holds(now));
        let Self { rights, merges, .. } = self;
        let is_same = |rights: &Rights| {
            rights.changes_at == changes_at
                && rights.defaults == defaults
                && are_same(&rights.grants, &grants)
                && are_same(&rights.dormant, &dormant)
        };
        let names: Vec<&str> = grants.iter().map(|grant| &**grant.role.name()).collect();
        let made = rights.find_or_make(&names, is_same, || {
            let segments = Segment::all(&grants, merges);
            Ok::<_, Infallible>(Rights {
                part: PartId::new(),
                is_rough: merges.is_small() && segments.len() >= MANY,
                segments: segments.into(),
                grants: grants.clone().into(),
                dormant: dormant.clone().into(),
                defaults,
                changes_at,
                particular: OnceLock::new(),
            })
        });
        match made {
            Ok(rights) => rights,
        }
    }
}

fn are_same(a: &[Grant], b: &[Grant]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b))
}
