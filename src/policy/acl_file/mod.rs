//! Mosquitto's `acl_file`: its syntax, and its answers.
//!
//! Must not: open the file. The rules are asked in four tiers: what the user is denied, what the user
//! is allowed, what patterns deny, what patterns allow; else no. Topics before the first `user` are
//! those of anonymous clients, and of nobody else.
//!
//! Where the versions of Mosquitto differ, or a name cannot be put into a pattern:
//!
//! - `%c` and `%u` stand for the name inside a level too, as in 2.0; 2.1.2 does not match those.
//! - Once patterns are asked, a client id or username with `+` or `#` is denied (CVE-2017-7650).
//! - A name with `/` matches no pattern, as in 2.1; in 2.0 it reaches into other levels. Nor does a
//!   name match a first level that begins with `$`.
//! - A pattern that denies and names what such a client cannot be compared with denies it whatever
//!   patterns are asked for: what is not understood does not open anything.
//!
//! Mosquitto grants every subscription and looks at each message. [`Subscriptions::Enforce`] grants a
//! subscription if some one rule lets the client read everything that the filter covers, and no rule
//! of a tier up to that one denies it anything of it. So what is granted will be delivered, but two
//! rules that only together cover the filter do not grant it. To unsubscribe is always granted.
#![forbid(unsafe_code)]

mod convert;
mod express;
mod line;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::HashMap;

pub use self::convert::{
    ANONYMOUS_ROLE, Converted, Difference, Inexact, OF_PATTERNS, OWN, PATTERN_ROLE, USER_ROLE,
    UserRole,
};
pub use self::express::{
    Bounds, Expressed, Shortfall, Unsaid, as_expressed, can_have_section, express,
};
pub use self::line::Mistake;
use self::line::read;
use super::part::{Again, PartId};
use super::question::{Asker, Message, Question};
use super::rule::{Conditions, Permission};
use super::template::{Level, Template};
use super::trie::{Builder, Entry, NodeId, Reach, Search, TooMany, Trie};
use crate::config::AclSubscribe;

/// A file that was understood.
#[derive(Debug)]
pub struct AclFile {
    /// In the order they are asked.
    rules: Box<[FileRule]>,
    trie: Trie,
    anonymous: Tiers,
    users: HashMap<Arc<str>, Tiers>,
    patterns: Tiers,
    subscriptions: Subscriptions,
    unclear: Unclear,
}

/// A rule of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// The line it stands in; the first is 1.
    pub line: usize,
    /// Whom it is about.
    pub section: Section,
    /// What it says.
    pub access: Access,
    /// The topics.
    pub template: Template,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// Clients without a username.
    Anonymous,
    /// Clients with this one.
    User(Arc<str>),
    /// All.
    Pattern,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// To be sent what is published.
    Read,
    /// To publish.
    Write,
    /// Both.
    ReadWrite,
    /// Neither.
    Deny,
}

/// How subscriptions are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subscriptions {
    /// All are granted.
    #[default]
    AsMosquitto,
    /// Those whose messages the client may read.
    Enforce,
}

impl From<AclSubscribe> for Subscriptions {
    fn from(option: AclSubscribe) -> Self {
        match option {
            AclSubscribe::AsMosquitto => Self::AsMosquitto,
            AclSubscribe::Enforce => Self::Enforce,
        }
    }
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
    /// This one of [`AclFile::rules`]; of a subscription also one that denies a part of it.
    Rule(usize),
    /// No rule is about it.
    NoRule,
    /// The client id or the username cannot be compared with patterns.
    UnsafeName,
    /// Not asked for.
    AlwaysGranted,
}

/// A line that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// This one.
    #[error("line {line}: {mistake}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        mistake: Mistake,
    },
    /// All of them together.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// The rules of one section.
#[derive(Clone, Debug)]
struct Tiers {
    part: PartId,
    node: NodeId,
    /// Those that deny.
    denials: Vec<usize>,
}

/// Which names a pattern that denies speaks of.
#[derive(Clone, Copy, Debug, Default)]
struct Unclear {
    client: bool,
    user: bool,
}

impl AclFile {
    /// Understands a file's text.
    ///
    /// # Errors
    /// With the first line that cannot be understood.
    pub fn parse(text: &str, subscriptions: Subscriptions) -> Result<Self, ParseError> {
        Ok(Self::of(read(text)?, subscriptions)?)
    }

    fn of(mut rules: Vec<FileRule>, subscriptions: Subscriptions) -> Result<Self, TooMany> {
        // The sort is stable: within a tier, in the order of the file.
        rules.sort_by_key(|rule| {
            let pattern = rule.section == Section::Pattern;
            (pattern, rule.access != Access::Deny)
        });
        let mut trie = Builder::default();
        let mut section = || {
            Ok::<_, TooMany>(Tiers {
                part: PartId::new(),
                node: trie.root()?,
                denials: Vec::new(),
            })
        };
        let (mut anonymous, mut patterns) = (section()?, section()?);
        let mut users: HashMap<Arc<str>, Tiers> = HashMap::new();
        for rule in &rules {
            if let Section::User(name) = &rule.section
                && !users.contains_key(name)
            {
                users.insert(name.clone(), section()?);
            }
        }
        let mut unclear = Unclear::default();
        for (index, rule) in rules.iter().enumerate() {
            let tiers = match &rule.section {
                Section::Anonymous => &mut anonymous,
                Section::Pattern => &mut patterns,
                Section::User(name) => match users.get_mut(name) {
                    Some(tiers) => tiers,
                    None => continue,
                },
            };
            if rule.access == Access::Deny {
                tiers.denials.push(index);
                if rule.section == Section::Pattern {
                    unclear.note(&rule.template);
                }
            }
            let rank = u32::try_from(index).map_err(|_| TooMany)?;
            let entry = Entry::new(
                rank,
                rule.access.kinds(),
                rule.access.permission(),
                &Conditions::default(),
            );
            trie.template(tiers.node, &rule.template, false, entry)?;
        }
        Ok(Self {
            rules: rules.into(),
            trie: trie.finish()?,
            anonymous,
            users,
            patterns,
            subscriptions,
            unclear,
        })
    }

    /// Whether this client may do that.
    pub fn check(&self, asker: Asker<'_>, question: &Question<'_>) -> Decision {
        self.decide(asker, question).0
    }

    /// The same, and what of it may be told again to whoever has this [`part`](Self::part) and asks about the
    /// same topic; nothing where it depends on more.
    pub fn decide(&self, asker: Asker<'_>, question: &Question<'_>) -> (Decision, Option<Again>) {
        let decision = match question {
            Question::Send(topic, _) => return self.topic(asker, topic.as_str(), (WRITE, READ)),
            Question::Receive(topic, _) => return self.topic(asker, topic.as_str(), (READ, WRITE)),
            Question::Subscribe(filter, _) if self.subscriptions == Subscriptions::Enforce => {
                self.subscription(asker, filter.plain())
            }
            Question::Subscribe(..) | Question::Unsubscribe(_) => Decision {
                permission: Permission::Allow,
                because: Because::AlwaysGranted,
            },
        };
        (decision, None)
    }

    /// The number of the rules that are about this client: its section and the patterns. None of whoever
    /// cannot be judged by patterns: what others are told does not hold for it.
    #[must_use]
    pub fn part(&self, asker: Asker<'_>) -> Option<PartId> {
        let part = self.own(asker).map_or(self.patterns.part, |own| own.part);
        (!self.is_unsafe(asker)).then_some(part)
    }

    /// The rules in the order they are asked.
    #[must_use]
    pub fn rules(&self) -> &[FileRule] {
        &self.rules
    }

    /// Every rule that is about a client and a topic it publishes to or is sent, in the order they
    /// are asked. Not for each message: all rules are looked at.
    pub fn explain(&self, asker: Asker<'_>, question: &Question<'_>) -> Vec<&FileRule> {
        let (kinds, filter) = match question {
            Question::Send(topic, _) => (WRITE | DENY, topic.as_str()),
            Question::Receive(topic, _) => (READ | DENY, topic.as_str()),
            Question::Subscribe(filter, _) if self.subscriptions == Subscriptions::Enforce => {
                (READ | DENY, filter.plain())
            }
            Question::Subscribe(..) | Question::Unsubscribe(_) => return Vec::new(),
        };
        let concerns = |rule: &&FileRule| {
            let section = match &rule.section {
                Section::Anonymous => asker.username.is_none(),
                Section::User(name) => asker.username == Some(name),
                Section::Pattern => true,
            };
            let concerned = match rule.access {
                Access::Deny => rule.template.meets(filter, asker),
                Access::Read | Access::Write | Access::ReadWrite => {
                    rule.template.covers(filter, asker)
                }
            };
            section && rule.access.kinds() & kinds != 0 && concerned
        };
        self.rules.iter().filter(concerns).collect()
    }

    /// Whether there is a rule for this client: a section of its own, or any pattern.
    #[must_use]
    pub fn speaks_of(&self, username: Option<&str>) -> bool {
        let pattern = self
            .rules
            .last()
            .is_some_and(|last| last.section == Section::Pattern);
        pattern
            || match username {
                None => self
                    .rules
                    .iter()
                    .any(|rule| rule.section == Section::Anonymous),
                Some(name) => self.users.contains_key(name),
            }
    }

    /// A rule that is asked before this one, by the same clients, and covers it; of several the last
    /// one that is needed.
    pub(super) fn covering(&self, rule: usize) -> Option<usize> {
        let place = rule;
        let rule = self.rules.get(place)?;
        let (tiers, asker) = match &rule.section {
            // Their text is what is asked for: no name stands for it.
            Section::Anonymous => (&self.anonymous, Asker::NOBODY),
            Section::User(name) => (self.users.get(name)?, Asker::NOBODY),
            Section::Pattern => (&self.patterns, Asker::ANYBODY),
        };
        let kinds = [READ, WRITE, DENY].into_iter();
        let mut last = None;
        for kind in kinds.filter(|kind| rule.access.kinds() & kind != 0) {
            let mut search = Search::new(asker, Message::EMPTY, kind | DENY, 0);
            self.trie
                .search(tiers.node, rule.template.as_str(), &mut search);
            let (found, _) = search.found()?;
            let found = Some(found as usize).filter(|found| *found < place)?;
            last = last.max(Some(found));
        }
        last
    }

    fn topic(
        &self,
        asker: Asker<'_>,
        topic: &str,
        (kind, other): (u8, u8),
    ) -> (Decision, Option<Again>) {
        let search = Search::new(asker, Message::EMPTY, kind | DENY, 0);
        let mut search = search.and_other(other | DENY);
        let own = self.own(asker);
        if let Some(own) = own {
            self.trie.search(own.node, topic, &mut search);
        }
        if search.found().is_none() {
            if self.is_unsafe(asker) {
                return (Decision::deny(Because::UnsafeName), None);
            }
            self.trie.search(self.patterns.node, topic, &mut search);
        }
        let part = own.map_or(self.patterns.part, |own| own.part);
        let reach = search.reach();
        let again = (reach != Reach::One).then_some(Again {
            part,
            both_ways: reach == Reach::BothWays,
        });
        let found = search.found().map(Decision::by);
        (found.unwrap_or(Decision::deny(Because::NoRule)), again)
    }

    fn subscription(&self, asker: Asker<'_>, filter: &str) -> Decision {
        if let Some(decision) = self.covered(asker, filter, self.own(asker)) {
            return decision;
        }
        if self.is_unsafe(asker) {
            return Decision::deny(Because::UnsafeName);
        }
        let patterns = self.covered(asker, filter, Some(&self.patterns));
        patterns.unwrap_or(Decision::deny(Because::NoRule))
    }

    /// What a section says of everything that a filter covers.
    fn covered(&self, asker: Asker<'_>, filter: &str, tiers: Option<&Tiers>) -> Option<Decision> {
        let tiers = tiers?;
        let meets = |index: &&usize| {
            let rule = self.rules.get(**index);
            rule.is_some_and(|rule| rule.template.meets(filter, asker))
        };
        if let Some(denial) = tiers.denials.iter().find(meets) {
            return Some(Decision::deny(Because::Rule(*denial)));
        }
        let mut search = Search::new(asker, Message::EMPTY, READ, 0);
        self.trie.search(tiers.node, filter, &mut search);
        search.found().map(Decision::by)
    }

    fn own(&self, asker: Asker<'_>) -> Option<&Tiers> {
        match asker.username {
            None => Some(&self.anonymous),
            Some(name) => self.users.get(name),
        }
    }

    /// Whether a client cannot be judged by the patterns there are.
    fn is_unsafe(&self, asker: Asker<'_>) -> bool {
        let there = self.rules.last();
        if there.is_none_or(|last| last.section != Section::Pattern) {
            return false;
        }
        let unclear = |name: &str, named: bool| {
            let name = name.as_bytes();
            memchr::memchr2(b'+', b'#', name).is_some()
                || (named && (name.first() == Some(&b'$') || name.contains(&b'/')))
        };
        asker
            .client_id
            .is_some_and(|id| unclear(id, self.unclear.client))
            || asker
                .username
                .is_some_and(|name| unclear(name, self.unclear.user))
    }
}

impl Access {
    fn permission(self) -> Permission {
        match self {
            Self::Read | Self::Write | Self::ReadWrite => Permission::Allow,
            Self::Deny => Permission::Deny,
        }
    }

    /// The bits of what it answers.
    fn kinds(self) -> u8 {
        match self {
            Self::Read => READ,
            Self::Write => WRITE,
            Self::ReadWrite => READ | WRITE,
            Self::Deny => DENY,
        }
    }
}

impl Decision {
    fn by((rank, permission): (u32, Permission)) -> Self {
        Self {
            permission,
            because: Because::Rule(rank as usize),
        }
    }

    const fn deny(because: Because) -> Self {
        Self {
            permission: Permission::Deny,
            because,
        }
    }
}

impl Unclear {
    fn note(&mut self, template: &Template) {
        for level in template.levels() {
            match level {
                Level::Client => self.client = true,
                Level::User => self.user = true,
                Level::Mixed(text) => {
                    self.client |= text.contains("%c");
                    self.user |= text.contains("%u");
                }
                Level::Text(_) | Level::Plus | Level::Hash => {}
            }
        }
    }
}

const READ: u8 = 1;
const WRITE: u8 = 2;
const DENY: u8 = 4;
