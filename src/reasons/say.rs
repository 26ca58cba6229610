//! What decides, or would have: one thing said, for scripts and in words.
//!
//! Must not: weigh anything; what comes first is known by whoever lists them.
#![forbid(unsafe_code)]

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::request::Action;
use super::rule_view::RuleView;
use crate::config::UnknownUser;
use crate::model::Account;
use crate::policy::acl_file::{Access, FileRule, Section};
use crate::policy::{Grant, Permission, Priority, Rule};
use crate::show::Plain;
use crate::verdict::Reason;

/// One thing said.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Say {
    /// A rule of a role.
    Rule {
        #[serde(flatten)]
        holder: Holder,
        #[serde(flatten)]
        rule: RuleView,
    },
    /// A role without wildcard subscriptions.
    WildcardSubscriptions {
        #[serde(flatten)]
        holder: Holder,
    },
    /// A role that does not hold at the moment.
    NotInForce {
        #[serde(flatten)]
        holder: Holder,
        state: &'static str,
        valid_from: Option<String>,
        valid_until: Option<String>,
    },
    /// No rule.
    Default { acltype: &'static str, allow: bool },
    /// No rule, and it is about `$CONTROL`.
    Control,
    /// A line of an ACL file.
    Line {
        file: String,
        line: usize,
        section: &'static str,
        user: Option<String>,
        access: &'static str,
        topic: String,
    },
    /// No line of it.
    NoLine { file: String },
    /// The name cannot be compared with its patterns.
    UnsafeName { file: String },
    /// It is not asked.
    AlwaysGranted { file: String },
    /// The account cannot be used.
    Account {
        reason: &'static str,
        #[serde(skip)]
        words: String,
    },
    /// A role that whoever asks may not see.
    OutsideOfTheLimit,
    /// No source says anything.
    Nobody {
        #[serde(skip)]
        unknown_user: Option<UnknownUser>,
    },
}

/// A role, and how somebody came by it.
#[derive(Serialize)]
pub(super) struct Holder {
    /// None where it is no role, but topics in a token.
    role: Option<String>,
    role_priority: i32,
    group: Option<String>,
    group_priority: Option<i32>,
    /// Whether it is by a token that names the role or the topic.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    token: bool,
}

impl Say {
    /// A rule says it.
    pub(super) fn rule(grant: &Grant, rule: &Rule) -> Self {
        Self::Rule {
            holder: Holder::new(grant),
            rule: RuleView::new(rule),
        }
    }

    /// A role says it to every filter with wildcards.
    pub(super) fn wildcards(grant: &Grant) -> Self {
        let holder = Holder::new(grant);
        Self::WildcardSubscriptions { holder }
    }

    /// A role says nothing, since it does not hold.
    pub(super) fn dormant(grant: &Grant, now: jiff::Timestamp) -> Self {
        let window = grant.role.window();
        Self::NotInForce {
            holder: Holder::new(grant),
            state: window.state(now),
            valid_from: window.from.map(|at| at.to_string()),
            valid_until: window.until.map(|at| at.to_string()),
        }
    }

    /// The default says it.
    pub(super) fn default(action: Action, permission: Permission) -> Self {
        Self::Default {
            acltype: action.default_name(),
            allow: permission == Permission::Allow,
        }
    }

    /// A line of an ACL file says it.
    pub(super) fn line(file: &Path, rule: &FileRule) -> Self {
        let (section, user) = match &rule.section {
            Section::Anonymous => ("anonymous", None),
            Section::User(name) => ("user", Some(name.to_string())),
            Section::Pattern => ("pattern", None),
        };
        Self::Line {
            file: file.display().to_string(),
            line: rule.line,
            section,
            user,
            access: match rule.access {
                Access::Read => "read",
                Access::Write => "write",
                Access::ReadWrite => "readwrite",
                Access::Deny => "deny",
            },
            topic: rule.template.as_str().to_owned(),
        }
    }

    /// The same, of a role that a token names, or of topics in it.
    pub(super) fn of_token(mut self, are_topics: bool) -> Self {
        if let Self::Rule { holder, .. }
        | Self::WildcardSubscriptions { holder }
        | Self::NotInForce { holder, .. } = &mut self
        {
            holder.token = true;
            if are_topics {
                holder.role = None;
            }
        }
        self
    }

    /// Whether somebody has said it of this question, and not of whatever nobody speaks of.
    pub(super) fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Rule { .. } | Self::WildcardSubscriptions { .. } | Self::Line { .. }
        )
    }

    /// The same for whoever sees only roles and groups of some names.
    pub(super) fn seen(self, sees: impl Fn(&str) -> bool) -> Self {
        match &self {
            Self::Rule { holder, .. }
            | Self::WildcardSubscriptions { holder }
            | Self::NotInForce { holder, .. }
                if !(holder.role.as_deref().is_none_or(&sees)
                    && holder.group.as_deref().is_none_or(&sees)) =>
            {
                Self::OutsideOfTheLimit
            }
            Self::Rule { .. }
            | Self::WildcardSubscriptions { .. }
            | Self::NotInForce { .. }
            | Self::Default { .. }
            | Self::Control
            | Self::Line { .. }
            | Self::NoLine { .. }
            | Self::UnsafeName { .. }
            | Self::AlwaysGranted { .. }
            | Self::Account { .. }
            | Self::OutsideOfTheLimit
            | Self::Nobody { .. } => self,
        }
    }

    /// The account's state says it.
    pub(super) fn account(account: &Account, reason: Reason) -> Self {
        let moment =
            |at: Option<jiff::Timestamp>| at.map_or_else(String::new, |at| format!(" {at}"));
        let words = if reason == Reason::Disabled {
            "the account is disabled".to_owned()
        } else if reason == Reason::NotYetValid {
            format!(
                "the account is not valid before{}",
                moment(account.valid_from)
            )
        } else if reason == Reason::Expired {
            format!("the account expired:{}", moment(account.valid_until))
        } else {
            format!("the account is not admitted: {}", reason.word())
        };
        Self::Account {
            reason: reason.word(),
            words,
        }
    }
}

impl fmt::Display for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { holder, rule } => write!(f, "{holder}: {}", rule.words()),
            Self::WildcardSubscriptions { holder } => {
                write!(f, "{holder}: its holders may not subscribe with wildcards")
            }
            Self::NotInForce {
                holder,
                state,
                valid_from,
                valid_until,
            } => {
                write!(f, "{holder}: {state}")?;
                for (word, at) in [("from", valid_from), ("until", valid_until)] {
                    if let Some(at) = at {
                        write!(f, ", valid {word} {at}")?;
                    }
                }
                Ok(())
            }
            Self::Default { acltype, allow } => {
                let word = if *allow { "allow" } else { "deny" };
                write!(
                    f,
                    "no rule answers, and the default for {acltype} is {word}"
                )
            }
            Self::Control => f.write_str("no rule answers, and no default opens $CONTROL"),
            Self::Line {
                file,
                line,
                section,
                user,
                access,
                topic,
            } => {
                let whom = match (*section, user) {
                    (_, Some(user)) => format!("user {}: topic", Plain(user)),
                    ("anonymous", None) => "without a username: topic".to_owned(),
                    (_, None) => "pattern".to_owned(),
                };
                write!(f, "{file}:{line}: {whom} {access} {}", Plain(topic))
            }
            Self::NoLine { file } => write!(f, "{file}: no rule of this file is about it"),
            Self::UnsafeName { file } => write!(
                f,
                "{file}: the client id or the username has a +, # or / in it, and cannot be compared \
                 with the patterns"
            ),
            Self::AlwaysGranted { file } => write!(
                f,
                "{file}: subscriptions are not asked about, but each message is"
            ),
            Self::OutsideOfTheLimit => f.write_str("a role outside of the administrative limit"),
            Self::Account { words, .. } => f.write_str(words),
            Self::Nobody { unknown_user } => f.write_str(nobody(*unknown_user)),
        }
    }
}

fn nobody(unknown_user: Option<UnknownUser>) -> &'static str {
    match unknown_user {
        Some(UnknownUser::Deny) => {
            "no source says what it may do, and plugin_opt_unknown_user is deny"
        }
        Some(UnknownUser::Defer) | None => {
            "no source says what it may do: other plugins and the broker's own acl_file decide, and \
             without them it is denied"
        }
    }
}

impl Holder {
    fn new(grant: &Grant) -> Self {
        let group = grant.group.as_ref();
        Self {
            role: Some(grant.role.name().to_string()),
            role_priority: grant.priority.number(),
            group: group.map(|group| group.name.to_string()),
            group_priority: group.map(|group| group.priority.number()),
            token: false,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let priority = |f: &mut fmt::Formatter<'_>, number: i32| {
            if number == Priority::MEMBER.number() {
                return Ok(());
            }
            write!(f, " (priority {number})")
        };
        match &self.role {
            Some(role) => write!(f, "role {}", Plain(role))?,
            None => f.write_str("topics")?,
        }
        priority(f, self.role_priority)?;
        if let (Some(group), Some(number)) = (&self.group, self.group_priority) {
            write!(f, " through group {}", Plain(group))?;
            priority(f, number)?;
        }
        if self.token {
            f.write_str(" of the token")?;
        }
        Ok(())
    }
}
