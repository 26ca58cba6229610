//! Many templates as one tree of levels, and the search for the best-ranked entry that covers a
//! question.
//!
//! Must not: know roles, rules or files, allocate in a search, or change once it is built.
//!
//! Most templates are not in the tree: those of a few forms lie in one table ([`flat`]), and each form is looked
//! for before the tree is searched for the others.
//!
//! A node is a template's first levels; the entries of the templates that end there lie in one list,
//! best rank first, and those that end in `#` in another. A search goes down from a node that the
//! caller names: along the text of a level, the names it equals, and `+`. A branch that holds nothing
//! better than what was found, or nothing of the kind asked for, is left alone.
//!
//! What a hostile question can cost: a node is reached by one path only, so a search enters no node
//! twice, and never one below the levels of the deepest template. There is nothing to remember and
//! nothing grows as 2^levels but the operator's own templates.
#![forbid(unsafe_code)]

mod builder;
mod edges;
mod flat;
mod lines;
mod other;
#[cfg(test)]
mod tests;

pub(super) use self::builder::Builder;
use self::edges::{Edges, Mixed, Origin};
use self::flat::{Flat, Levels, Open};
use self::lines::Kept;
use self::other::Other;
use super::question::{Asker, Message};
use super::rule::{Conditions, Permission, Retain};
use super::template::is_filled;
use super::topic::{is_hidden, split_level};

/// A finished tree.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Box<[Node]>,
    entries: Box<[Entry]>,
    edges: Edges,
    mixed: Box<[Mixed]>,
    flat: Flat,
}

/// A place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(u32);

/// What a template ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Lower is asked earlier.
    pub(super) rank: u32,
    max_payload: u32,
    max_qos: u8,
    retain: bool,
    permission: Permission,
    /// What it is an answer to: one bit for each kind.
    kinds: u8,
}

/// More than 32 bits can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are too many rules")]
pub struct TooMany;

/// For whom an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// As for everybody; and a message may also go the other way.
    BothWays,
    /// For whoever asks the same of the same rules, whatever the message: neither a name nor the message was
    /// looked at.
    Everybody,
    /// For whoever asked, and for this message.
    One,
}

/// One question on its way through the tree.
#[derive(Debug)]
pub(super) struct Search<'a> {
    /// The kinds of entries that may answer.
    pub(super) kinds: u8,
    /// Those that may if their template is the question's text.
    pub(super) literal_kinds: u8,
    pub(super) asker: Asker<'a>,
    pub(super) message: Message,
    /// Only a lower rank is of interest; that of what was found.
    best: u32,
    permission: Permission,
    /// Whether a name or the message was looked at.
    is_personal: bool,
    other: Other,
    #[cfg(test)]
    visited: usize,
}

/// How a node was reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    /// Each level is that of the question, character by character.
    Literal,
    /// Something stood for something else.
    Covering,
}

/// One line of the processor's cache.
#[derive(Debug)]
#[repr(align(64))]
struct Node {
    origin: Origin,
    /// The best rank here and below, and all kinds.
    best: u32,
    kinds: u8,
    /// Whether it has more than one edge that is text; else the end of the one.
    has_texts: bool,
    only: NodeId,
    plus: NodeId,
    client: NodeId,
    user: NodeId,
    /// The first of a list.
    mixed: u32,
    /// Entries `start..middle` end here, `middle..end` in a # below.
    start: u32,
    middle: u32,
    end: u32,
    /// Of a root, the forms of the templates that are not below it.
    forms: (u32, u32),
}

impl Trie {
    /// Looks below a node for something better than the search has; `plain` is a topic or a filter.
    pub(super) fn search(&self, node: NodeId, plain: &str, search: &mut Search<'_>) {
        let forms = at(&self.nodes, node.0).map_or((0, 0), |root| root.forms);
        let wanted = search.kinds | search.literal_kinds;
        let mut levels = None;
        for (number, form) in self.flat.forms(forms) {
            if form.best >= search.best {
                search.other.pass(form.best);
                break;
            }
            if form.kinds & wanted == 0 {
                search.other.pass_kinds(form.best, form.kinds);
                continue;
            }
            match form.open() {
                None => self.text_form(number, plain, search),
                Some(open) => {
                    let levels = levels.get_or_insert_with(|| Levels::of(plain));
                    self.open_form((number, open), levels, search);
                }
            }
        }
        self.walk(node, plain, search);
    }

    /// The template that is the question's text. By itself: what only the other forms need is not made ready for it.
    #[inline(never)]
    fn text_form(&self, number: u32, plain: &str, search: &mut Search<'_>) {
        if let Some(line) = self.flat.text(number, plain) {
            self.take_line(line, Path::Literal, search);
        }
    }

    /// The templates of another form.
    #[inline(never)]
    fn open_form(&self, (number, open): (u32, Open), levels: &Levels<'_>, search: &mut Search<'_>) {
        for line in self.flat.open(number, open, levels) {
            let text = self.flat.text_of(line);
            if open.covers(text, levels, search.asker, &mut search.is_personal) {
                self.take_line(line, Path::Covering, search);
            }
        }
    }

    /// The same among the templates without a form.
    fn walk(&self, node: NodeId, plain: &str, search: &mut Search<'_>) {
        let Some(root) = self.enter(node, search) else {
            return;
        };
        let (level, rest) = split_level(plain);
        let hidden = is_hidden(level);
        if level != "#" && !hidden {
            self.take(root.below(), Path::Covering, search);
        }
        self.level(root, node, (level, rest), hidden, Path::Literal, search);
    }

    /// Looks for shared subscriptions below a node: its first level is the group.
    pub(super) fn search_shared(
        &self,
        node: NodeId,
        group: &str,
        plain: &str,
        search: &mut Search<'_>,
    ) {
        let Some(root) = self.enter(node, search) else {
            return;
        };
        self.take(root.below(), Path::Covering, search);
        search.is_personal |= root.names();
        let names = [
            (root.plus, true),
            (root.client, search.asker.client() == Some(group)),
            (root.user, search.asker.user() == Some(group)),
        ];
        if let Some(child) = self.text_child(root, node, group) {
            self.walk(child, plain, search);
        }
        // A literal is found above: no group has a wildcard or stands for a name.
        let literal_kinds = std::mem::take(&mut search.literal_kinds);
        for (child, _) in names.into_iter().filter(|(_, fits)| *fits) {
            self.walk(child, plain, search);
        }
        search.literal_kinds = literal_kinds;
    }

    /// A node below the first level, with what is left of the question.
    fn visit(&self, id: NodeId, rest: Option<&str>, path: Path, search: &mut Search<'_>) {
        let Some(node) = self.enter(id, search) else {
            return;
        };
        let Some(rest) = rest else {
            self.take(node.here(), path, search);
            // The level above a # counts too.
            self.take(node.below(), Path::Covering, search);
            return;
        };
        let levels = split_level(rest);
        if levels.0 != "#" {
            self.take(node.below(), Path::Covering, search);
        }
        self.level(node, id, levels, false, path, search);
    }

    /// From a node along one level of the question.
    fn level(
        &self,
        node: &Node,
        id: NodeId,
        (level, rest): (&str, Option<&str>),
        hidden: bool,
        path: Path,
        search: &mut Search<'_>,
    ) {
        match level {
            "#" => self.take(node.below(), path, search),
            "+" => self.visit(node.plus, rest, path, search),
            _ => {
                if let Some(child) = self.text_child(node, id, level) {
                    self.visit(child, rest, path, search);
                }
                if !hidden {
                    search.is_personal |= node.names();
                    if node.client.is_some() && search.asker.client() == Some(level) {
                        self.visit(node.client, rest, Path::Covering, search);
                    }
                    if node.user.is_some() && search.asker.user() == Some(level) {
                        self.visit(node.user, rest, Path::Covering, search);
                    }
                    if node.plus.is_some() {
                        self.visit(node.plus, rest, Path::Covering, search);
                    }
                }
                self.mixed(node, (level, rest), hidden, search);
            }
        }
    }

    /// The node below another along a level's text.
    fn text_child(&self, node: &Node, id: NodeId, level: &str) -> Option<NodeId> {
        let origin_of = |child: NodeId| at(&self.nodes, child.0).map(|node| node.origin);
        if node.has_texts {
            return self.edges.find(id, level, origin_of);
        }
        let origin = origin_of(node.only)?;
        self.edges.is(origin.text, level).then_some(node.only)
    }

    fn mixed(
        &self,
        node: &Node,
        (level, rest): (&str, Option<&str>),
        hidden: bool,
        search: &mut Search<'_>,
    ) {
        let mut next = node.mixed;
        while let Some(mixed) = at(&self.mixed, next) {
            search.is_personal = true;
            let text = self.edges.text(mixed.text);
            if hidden == (hidden && is_hidden(text)) && is_filled(text, level, search.asker) {
                self.visit(mixed.child, rest, Path::Covering, search);
            }
            next = mixed.next;
        }
    }

    /// The node, if there is one with something to find.
    fn enter(&self, id: NodeId, search: &mut Search<'_>) -> Option<&Node> {
        let node = at(&self.nodes, id.0)?;
        #[cfg(test)]
        {
            search.visited = search.visited.saturating_add(1);
        }
        let wanted = search.kinds | search.literal_kinds;
        let is_wanted = node.best < search.best && node.kinds & wanted != 0;
        if !is_wanted {
            search.other.pass_kinds(node.best, node.kinds);
        }
        is_wanted.then_some(node)
    }

    fn take_line(&self, line: Kept<'_>, path: Path, search: &mut Search<'_>) {
        if !take(line.first(), path, search) {
            let others = self.entries.get(line.others() as usize..);
            take(others.into_iter().flatten().copied(), path, search);
        }
    }

    fn take(&self, (start, end): (u32, u32), path: Path, search: &mut Search<'_>) {
        let range = start as usize..end as usize;
        let entries = self.entries.get(range).unwrap_or_default();
        take(entries.iter().copied(), path, search);
    }
}

/// The best of a list, if it is better than what the search has; whether there is one, or the list went on
/// to what is no better.
fn take(mut entries: impl Iterator<Item = Entry>, path: Path, search: &mut Search<'_>) -> bool {
    let kinds = match path {
        Path::Literal => search.kinds | search.literal_kinds,
        Path::Covering => search.kinds,
    };
    while let Some(entry) = entries.next() {
        if entry.rank >= search.best {
            search.other.pass(entry.rank);
            return true;
        }
        search.other.meet(entry);
        if entry.kinds & kinds == 0 {
            continue;
        }
        search.is_personal |= !entry.is_unconditional();
        if entry.holds(search.message) {
            search.best = entry.rank;
            search.permission = entry.permission;
            // Rules for both ways often stand side by side.
            let last = entries.next().map_or(entry.rank, |next| {
                search.other.meet(next);
                next.rank
            });
            search.other.pass(last.saturating_add(1));
            return true;
        }
    }
    false
}

impl Entry {
    /// Something of this rank that answers these kinds of questions.
    pub(super) fn new(
        rank: u32,
        kinds: u8,
        permission: Permission,
        conditions: &Conditions,
    ) -> Self {
        Self {
            rank,
            max_payload: conditions.max_payload.unwrap_or(u32::MAX),
            max_qos: conditions.max_qos.map_or(u8::MAX, |qos| qos as u8),
            retain: conditions.retain == Retain::Either,
            permission,
            kinds,
        }
    }

    fn holds(&self, message: Message) -> bool {
        message.qos as u8 <= self.max_qos
            && (self.retain || !message.retain)
            && message.payload <= self.max_payload
    }

    fn is_unconditional(&self) -> bool {
        self.max_payload == u32::MAX && self.max_qos == u8::MAX && self.retain
    }
}

impl Node {
    fn here(&self) -> (u32, u32) {
        (self.start, self.middle)
    }

    fn below(&self) -> (u32, u32) {
        (self.middle, self.end)
    }

    /// Whether a name can lead on from here.
    fn names(&self) -> bool {
        self.client.is_some() || self.user.is_some()
    }
}

impl NodeId {
    const NONE: Self = Self(u32::MAX);

    fn is_some(self) -> bool {
        self != Self::NONE
    }
}

impl<'a> Search<'a> {
    /// For entries of any rank.
    pub(super) fn new(asker: Asker<'a>, message: Message, kinds: u8, literal_kinds: u8) -> Self {
        Self {
            kinds,
            literal_kinds,
            asker,
            message,
            best: u32::MAX,
            permission: Permission::Deny,
            is_personal: false,
            other: Other::of(0),
            #[cfg(test)]
            visited: 0,
        }
    }

    /// By the way, what entries of these kinds say: of the same message the other way.
    pub(super) fn and_other(self, kinds: u8) -> Self {
        Self {
            other: Other::of(kinds),
            ..self
        }
    }

    /// The rank of what was found, and what it says.
    pub(super) fn found(&self) -> Option<(u32, Permission)> {
        (self.best != u32::MAX).then_some((self.best, self.permission))
    }

    /// For whom that holds.
    pub(super) fn reach(&self) -> Reach {
        match (self.is_personal, self.other.is_allowed()) {
            (true, _) => Reach::One,
            (false, false) => Reach::Everybody,
            (false, true) => Reach::BothWays,
        }
    }
}

fn at<T>(items: &[T], index: u32) -> Option<&T> {
    items.get(index as usize)
}
