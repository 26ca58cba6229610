//! An ACL file as roles: one for each user, one for clients without a username, one for the patterns.
//!
//! Must not: open what the file closes without a word. What cannot be said by roles exactly is told;
//! where such a rule allows it is left out, and where it denies it denies more.
//!
//! The four tiers become priorities: in each role what denies is asked before what allows, and the
//! role of the patterns is asked after the other.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::super::grant::{Assignment, Holder};
use super::super::index::WildcardSubscriptions;
use super::super::proof::{self, Proof};
use super::super::question::Asker;
use super::super::rights::{Compiler, Defaults};
use super::super::role::{Role, RoleDefinition, Window};
use super::super::rule::{AclType, Permission, Priority, Rule};
use super::super::template::{About, Level, Substitution, Template};
use super::super::topic;
use super::super::trie::TooMany;
use super::{Access, AclFile, FileRule, Section, Subscriptions};

/// The roles that say what a file says.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The role of each user that the file names, in the order of their names.
    pub users: Vec<UserRole>,
    /// The role of clients without a username.
    pub anonymous: Option<RoleDefinition>,
    /// The role of everybody, with a priority below that of the others.
    pub patterns: Option<RoleDefinition>,
    /// What happens when no rule answers.
    pub defaults: Defaults,
    /// What the roles do not say exactly.
    pub inexact: Vec<Inexact>,
}

/// The role of one user.
#[derive(Clone, Debug)]
pub struct UserRole {
    /// The username.
    pub user: Arc<str>,
    /// What it may do beside the patterns.
    pub role: RoleDefinition,
}

/// Something that roles do not say as the file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inexact {
    /// The line, if it is one.
    pub line: Option<usize>,
    /// What.
    pub what: Difference,
}

/// What roles do not say as the file does. Its `Display` says what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// `%c` or `%u` that is no name, or a name beside other text, in a line that allows.
    NameLeftOut,
    /// The same in a line that denies.
    NameWidened,
    /// The same in a line that denies and cannot be widened: the one difference that opens something
    /// to everybody.
    DenialLost,
    /// The file denies everything by pattern to names with `+` or `#`.
    WideNames,
    /// The file denies everything by pattern to names that a denial cannot be compared with.
    UnclearNames,
    /// The file grants subscriptions to `$CONTROL`; no default does.
    ControlSubscriptions,
    /// Subscriptions were refused as a whole; roles grant them, and each message is judged.
    EnforcedSubscriptions,
}

impl AclFile {
    /// The file as roles.
    #[must_use]
    pub fn to_roles(&self) -> Converted {
        let mut inexact = Vec::new();
        let mut of_section: HashMap<&Section, Vec<&FileRule>> = HashMap::new();
        for rule in &self.rules {
            of_section.entry(&rule.section).or_default().push(rule);
        }
        let mut users: Vec<UserRole> = Vec::new();
        let (mut anonymous, mut patterns) = (None, None);
        for (section, rules) in of_section {
            match section {
                Section::Anonymous => {
                    anonymous = Some(role(ANONYMOUS_ROLE.into(), &rules, &mut inexact));
                }
                Section::Pattern => {
                    patterns = Some(role(PATTERN_ROLE.into(), &rules, &mut inexact));
                }
                Section::User(user) => users.push(UserRole {
                    user: Arc::clone(user),
                    role: role(format!("{USER_ROLE}{user}").into(), &rules, &mut inexact),
                }),
            }
        }
        users.sort_by(|a, b| a.user.cmp(&b.user));
        inexact.sort_by_key(|inexact| inexact.line);
        let reads_control = |rule: &FileRule| {
            let first = rule.template.levels().next();
            matches!(first, Some(Level::Text(text)) if text.starts_with("$CONTROL"))
                && rule.access != Access::Write
        };
        let whole = [
            (patterns.is_some(), Difference::WideNames),
            (
                self.unclear.client || self.unclear.user,
                Difference::UnclearNames,
            ),
            (
                self.rules.iter().any(reads_control),
                Difference::ControlSubscriptions,
            ),
            (
                self.subscriptions == Subscriptions::Enforce,
                Difference::EnforcedSubscriptions,
            ),
        ];
        let whole = whole.into_iter().filter(|(there, _)| *there);
        inexact.extend(whole.map(|(_, what)| Inexact { line: None, what }));
        Converted {
            users,
            anonymous,
            patterns,
            defaults: Defaults {
                subscribe: Permission::Allow,
                unsubscribe: Permission::Allow,
                ..Defaults::DENY
            },
            inexact,
        }
    }

    /// The file as roles can say it: without the lines that were left out, with those that deny more.
    /// What differs from this is no difference that [`Converted::inexact`] tells of by its line.
    ///
    /// # Errors
    /// When there are more rules than can be counted.
    pub fn as_carried(&self) -> Result<Self, TooMany> {
        let carried = self.rules.iter().filter_map(|rule| {
            let (text, exact) = expressed(&rule.template);
            if exact {
                return Some(rule.clone());
            }
            let text = text.filter(|_| rule.access == Access::Deny)?;
            let substitution = match rule.section {
                Section::Pattern => Substitution::Anywhere,
                Section::Anonymous | Section::User(_) => Substitution::Never,
            };
            let template = Template::parse(&text, About::Topics, substitution).ok()?;
            let rule = rule.clone();
            Some(FileRule { template, ..rule })
        });
        Self::of(carried.collect(), Subscriptions::AsMosquitto)
    }
}

impl Converted {
    /// Asks the file and the roles everything that their rules can tell apart, for each user that the
    /// file names, a stranger and a client without a username; at most so many questions.
    ///
    /// # Errors
    /// When there are more rules than can be counted.
    pub fn prove(&self, file: &AclFile, bound: usize) -> Result<Proof, TooMany> {
        let compiled =
            |definition: &RoleDefinition| Role::compile(definition.clone()).map(Arc::new);
        let optional =
            |definition: &Option<RoleDefinition>| definition.as_ref().map(compiled).transpose();
        let (patterns, anonymous) = (optional(&self.patterns)?, optional(&self.anonymous)?);
        let users = self.users.iter().map(|user| {
            let role = compiled(&user.role)?;
            Ok((Some(Arc::clone(&user.user)), Some(role)))
        });
        let subjects = users.chain([Ok((None, anonymous)), Ok((Some(self.stranger()), None))]);
        let mut proof = Proof::default();
        for subject in subjects {
            let (user, own) = subject?;
            let rules = file.rules.iter().filter(|rule| match &rule.section {
                Section::Anonymous => user.is_none(),
                Section::User(name) => user.as_ref() == Some(name),
                Section::Pattern => true,
            });
            let roles = [(&own, OWN), (&patterns, OF_PATTERNS)];
            let templates = rules.map(|rule| &rule.template);
            let of_roles = roles.iter().filter_map(|(role, _)| role.as_ref());
            let of_roles = of_roles.flat_map(|role| role.rules().iter().map(Rule::template));
            let templates: Vec<&Template> = templates.chain(of_roles).collect();
            let assigned = roles.iter().filter_map(|(role, priority)| {
                Some(Assignment {
                    role: (*role).clone()?,
                    priority: *priority,
                })
            });
            let holder = Holder {
                roles: assigned.collect(),
                groups: Vec::new(),
            };
            let rights =
                Compiler::thorough().rights(&holder, self.defaults, jiff::Timestamp::UNIX_EPOCH);
            for client_id in [user.as_deref(), Some("some-client")] {
                let asker = Asker {
                    client_id,
                    username: user.as_deref(),
                };
                proof.add(proof::compare(
                    &templates,
                    asker,
                    bound.saturating_sub(proof.asked),
                    |asker, question| file.check(asker, question).permission,
                    |asker, question| rights.check(asker, question).permission,
                ));
            }
        }
        Ok(proof)
    }

    /// A name that the file does not know.
    fn stranger(&self) -> Arc<str> {
        let mut name = "stranger".to_owned();
        while self.users.iter().any(|user| *user.user == *name) {
            name.push('x');
        }
        name.into()
    }
}

/// The role of a section.
fn role(name: Arc<str>, lines: &[&FileRule], inexact: &mut Vec<Inexact>) -> RoleDefinition {
    let mut rules = Vec::new();
    let mut seen = HashSet::new();
    // What denies comes first in a file's order, so of two for the same topics it stays.
    for line in lines {
        let (text, exact) = expressed(&line.template);
        if !exact {
            let what = match line.access {
                Access::Read | Access::Write | Access::ReadWrite => Difference::NameLeftOut,
                Access::Deny if text.is_some() => Difference::NameWidened,
                Access::Deny => Difference::DenialLost,
            };
            let line = Some(line.line);
            inexact.push(Inexact { line, what });
        }
        let denies = line.access == Access::Deny;
        let Some(text) = text.filter(|_| exact || denies) else {
            continue;
        };
        let (permission, priority) = match denies {
            true => (Permission::Deny, DENIALS),
            false => (Permission::Allow, ALLOWANCES),
        };
        let types: &[AclType] = match line.access {
            Access::Read => &[AclType::PublishClientReceive],
            Access::Write => &[AclType::PublishClientSend],
            Access::ReadWrite | Access::Deny => {
                &[AclType::PublishClientReceive, AclType::PublishClientSend]
            }
        };
        for acl_type in types {
            if !seen.insert((*acl_type, text.clone())) {
                continue;
            }
            let rule = Rule::new(*acl_type, permission, &text);
            rules.extend(rule.map(|rule| rule.with_priority(Priority::clamped(priority))));
        }
    }
    RoleDefinition {
        name,
        rules,
        wildcard_subscriptions: WildcardSubscriptions::Allow,
        window: Window::default(),
        admin_prefix: None,
    }
}

/// The filter of a role's rule for a line's topics, or for more; and whether it is exactly for those.
fn expressed(template: &Template) -> (Option<String>, bool) {
    let mut exact = true;
    let mut levels = Vec::new();
    for (at, (level, text)) in template
        .levels()
        .zip(template.as_str().split('/'))
        .enumerate()
    {
        let widened = match level {
            Level::Plus | Level::Hash | Level::Client | Level::User => false,
            // In a role these would be names.
            Level::Text(text) => text == "%c" || text == "%u",
            Level::Mixed(_) => true,
        };
        exact &= !widened;
        if widened && at == 0 && topic::is_hidden(text) {
            return (None, false);
        }
        levels.push(if widened { "+" } else { text });
    }
    (Some(levels.join("/")), exact)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameLeftOut => {
                "a role cannot say this %c or %u: it knows names as whole levels, and no others; the \
                 line was left out"
            }
            Self::NameWidened => {
                "a role cannot say this %c or %u: it knows names as whole levels, and no others; the \
                 whole level is denied"
            }
            Self::DenialLost => {
                "a role cannot deny this: no wildcard stands for a first level that begins with $"
            }
            Self::WideNames => {
                "the file lets no pattern allow anything to a username or client id with + or #; roles \
                 do not look at them, and no name matches more for it"
            }
            Self::UnclearNames => {
                "a pattern that denies by name cannot be compared with a name that begins with $ or has \
                 a /; the file denies such clients everything by pattern, roles pass the rule over: \
                 have no such names"
            }
            Self::ControlSubscriptions => {
                "the file grants every subscription, and no default opens $CONTROL; add a \
                 subscribePattern where it is needed"
            }
            Self::EnforcedSubscriptions => {
                "subscriptions are granted, and each message is judged"
            }
        })
    }
}

/// The priorities: within a role, and of the roles.
const DENIALS: i64 = 1;
const ALLOWANCES: i64 = 0;

/// The name of the role of clients without a username.
pub const ANONYMOUS_ROLE: &str = "acl-anonymous";
/// The name of the role of everybody.
pub const PATTERN_ROLE: &str = "acl-patterns";
/// What the names of the roles of users begin with; the user's name follows.
pub const USER_ROLE: &str = "acl-user-";
/// The priority of the role of a user, or of clients without a username.
pub const OWN: Priority = Priority::RULE;
/// The priority of the role of everybody.
pub const OF_PATTERNS: Priority = Priority::MEMBER;
