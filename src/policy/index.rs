//! The rules of one role, or of several in order, compiled for asking.
//!
//! Must not: know who holds the roles or what happens when no rule answers.
//!
//! The order of dynamic-security becomes one number. Roles come one after the other; within a role
//! the literal rules come before the patterns, since an exact literal decides whatever its priority,
//! and a role without wildcard subscriptions answers those before any of its rules. So the role of
//! the best-ranked answer is the first that has one, and a hundred roles are asked like one.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use super::question::{Asker, Question};
use super::rule::{AclType, Permission, Rule};
use super::template::{Level, Share};
use super::trie::{Builder, Entry, NodeId, Reach, Search, TooMany, Trie};

/// Rules, compiled.
#[derive(Debug)]
pub(super) struct Index {
    trie: Trie,
    plain: NodeId,
    shared: NodeId,
    /// Subscriptions with wildcards are denied from this rank on.
    wildcards_end: Option<u32>,
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The rule of this rank decides.
    Rule(u32, Permission),
    /// The first role without wildcard subscriptions does.
    WildcardSubscription,
}

/// An index that grows.
pub(super) struct IndexBuilder {
    trie: Builder,
    plain: NodeId,
    shared: NodeId,
    wildcards_end: Option<u32>,
    next: u32,
}

impl IndexBuilder {
    /// Without rules.
    pub(super) fn new() -> Result<Self, TooMany> {
        let mut trie = Builder::default();
        Ok(Self {
            plain: trie.root()?,
            shared: trie.root()?,
            trie,
            wildcards_end: None,
            next: 0,
        })
    }

    /// Adds a role: its rules, in the order they are asked.
    pub(super) fn add(
        &mut self,
        rules: &[Rule],
        subscriptions: WildcardSubscriptions,
    ) -> Result<(), TooMany> {
        if subscriptions == WildcardSubscriptions::Deny && self.wildcards_end.is_none() {
            self.wildcards_end = Some(self.next);
        }
        for rule in rules {
            self.rule(rule)?;
            self.next = self.next.checked_add(1).ok_or(TooMany)?;
        }
        Ok(())
    }

    /// The rank that the next rule will have.
    pub(super) fn next_rank(&self) -> u32 {
        self.next
    }

    /// The index of what was added.
    pub(super) fn finish(self) -> Result<Index, TooMany> {
        Ok(Index {
            trie: self.trie.finish()?,
            plain: self.plain,
            shared: self.shared,
            wildcards_end: self.wildcards_end,
        })
    }

    fn rule(&mut self, rule: &Rule) -> Result<(), TooMany> {
        let entry = Entry::new(
            self.next,
            bit(rule.acl_type()),
            rule.permission(),
            rule.conditions(),
        );
        let template = rule.template();
        match template.share() {
            Share::Plain => {
                let is_literal = rule.acl_type().is_literal();
                self.trie.template(self.plain, template, is_literal, entry)
            }
            Share::Every => self.trie.add(self.shared, template.levels(), entry),
            Share::Group(group) => self.shared_rule(group, rule, entry),
        }
    }

    fn shared_rule(&mut self, group: Level<'_>, rule: &Rule, entry: Entry) -> Result<(), TooMany> {
        let levels = std::iter::once(group).chain(rule.template().levels());
        self.trie.add(self.shared, levels, entry)
    }
}

/// Whether a role lets its holders subscribe with wildcards at all: `allowwildcardsubs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WildcardSubscriptions {
    /// As its rules say.
    #[default]
    Allow,
    /// Never.
    Deny,
}

impl Index {
    /// What the first role with an answer says, and for whom that holds.
    pub(super) fn ask(
        &self,
        asker: Asker<'_>,
        question: &Question<'_>,
    ) -> (Option<Finding>, Reach) {
        let (send, receive) = (
            bit(AclType::PublishClientSend),
            bit(AclType::PublishClientReceive),
        );
        let (kinds, literal_kinds, other_kinds) = match question {
            Question::Send(..) => (send, 0, receive),
            Question::Receive(..) => (receive, 0, send),
            Question::Subscribe(..) => (
                bit(AclType::SubscribePattern),
                bit(AclType::SubscribeLiteral),
                0,
            ),
            Question::Unsubscribe(..) => (
                bit(AclType::UnsubscribePattern),
                bit(AclType::UnsubscribeLiteral),
                0,
            ),
        };
        let search = Search::new(asker, question.message(), kinds, literal_kinds);
        let mut search = search.and_other(other_kinds);
        let mut end = None;
        match question {
            Question::Send(topic, _) | Question::Receive(topic, _) => {
                self.trie.search(self.plain, topic.as_str(), &mut search);
            }
            Question::Subscribe(filter, _) | Question::Unsubscribe(filter) => {
                self.trie.search(self.plain, filter.plain(), &mut search);
                if let Some(group) = filter.group() {
                    let plain = filter.plain();
                    self.trie
                        .search_shared(self.shared, group, plain, &mut search);
                }
                let subscribes = matches!(question, Question::Subscribe(..));
                end = self
                    .wildcards_end
                    .filter(|_| subscribes && filter.has_wildcards());
            }
        }
        let finding = match (search.found(), end) {
            (Some((rank, permission)), Some(end)) if rank < end => {
                Some(Finding::Rule(rank, permission))
            }
            (_, Some(_)) => Some(Finding::WildcardSubscription),
            (found, None) => found.map(|(rank, permission)| Finding::Rule(rank, permission)),
        };
        (finding, search.reach())
    }
}

impl Index {
    /// The first rule that covers all another one is about: every client, topic and message.
    /// None is found for rules whose cover is not clear: `$share/#` and shared literals.
    pub(super) fn covering(&self, rule: &Rule) -> Option<(u32, Permission)> {
        let (asker, literal_kinds) = match rule.acl_type().is_literal() {
            // Its text is what is asked for: no name stands for it.
            true => (Asker::NOBODY, bit(rule.acl_type())),
            false => (Asker::ANYBODY, 0),
        };
        let kinds = bit(rule.acl_type().beyond_literal());
        let message = rule.conditions().largest();
        let mut search = Search::new(asker, message, kinds, literal_kinds);
        let template = rule.template();
        let plain = template.plain()?;
        match (template.group(), literal_kinds) {
            (None, _) => {}
            (Some(group), 0) => self
                .trie
                .search_shared(self.shared, group, plain, &mut search),
            (Some(_), _) => return None,
        }
        self.trie.search(self.plain, plain, &mut search);
        search.found()
    }
}

/// The bit of a type among the kinds of entries.
fn bit(acl_type: AclType) -> u8 {
    1 << acl_type as u8
}
