//! How a tree grows: node by node, the best-ranked entries first.
//!
//! Must not: be searched. What can never be found is left out when the tree is finished.
#![forbid(unsafe_code)]

use hashbrown::HashMap;

use super::super::template::{Level, Template};
use super::edges::{Edges, Mixed, Origin, Text};
use super::flat::Drafts;
use super::{Entry, Node, NodeId, TooMany, Trie, at};

/// A tree that grows.
#[derive(Default)]
pub(in crate::policy) struct Builder {
    nodes: Vec<Draft>,
    edges: Edges,
    mixed: Vec<Mixed>,
    /// Where the text of a level lies; most levels come many times.
    texts: HashMap<Box<str>, Text>,
    flat: Drafts,
}

#[derive(Debug)]
struct Draft {
    node: Node,
    /// How many edges are text.
    texts: usize,
    here: Vec<Entry>,
    below: Vec<Entry>,
}

impl Builder {
    /// A node that is below no other.
    pub(in crate::policy) fn root(&mut self) -> Result<NodeId, TooMany> {
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(|_| TooMany)?);
        if id == NodeId::NONE {
            return Err(TooMany);
        }
        self.nodes.push(Draft::new());
        Ok(id)
    }

    /// Adds a template with what it ends in, best rank first. What it says of shared subscriptions is the
    /// caller's, and whether a wildcard in it can stand for itself.
    pub(in crate::policy) fn template(
        &mut self,
        root: NodeId,
        template: &Template,
        is_literal: bool,
        entry: Entry,
    ) -> Result<(), TooMany> {
        let is_plain = !is_literal || template.literal().is_some();
        if is_plain && self.flat.add(root, template, entry) {
            return Ok(());
        }
        self.add(root, template.levels(), entry)
    }

    /// Adds levels with what they end in, best rank first.
    pub(in crate::policy) fn add<'a>(
        &mut self,
        root: NodeId,
        levels: impl Iterator<Item = Level<'a>>,
        entry: Entry,
    ) -> Result<(), TooMany> {
        let mut node = root;
        self.note(node, entry);
        for level in levels {
            if level == Level::Hash {
                if let Some(draft) = self.draft(node) {
                    draft.below.push(entry);
                }
                return Ok(());
            }
            node = self.step(node, level)?;
            self.note(node, entry);
        }
        if let Some(draft) = self.draft(node) {
            draft.here.push(entry);
        }
        Ok(())
    }

    /// The tree as it is searched.
    pub(in crate::policy) fn finish(mut self) -> Result<Trie, TooMany> {
        let mut entries = Vec::new();
        let length = |entries: &Vec<Entry>| u32::try_from(entries.len()).map_err(|_| TooMany);
        for draft in &mut self.nodes {
            draft.node.start = length(&entries)?;
            entries.extend(reachable(std::mem::take(&mut draft.here)));
            draft.node.middle = length(&entries)?;
            entries.extend(reachable(std::mem::take(&mut draft.below)));
            draft.node.end = length(&entries)?;
            draft.node.has_texts = draft.texts > 1;
        }
        let nodes = &mut self.nodes;
        let flat = self.flat.finish(&mut entries, |root, form| {
            if let Some(Draft { node, .. }) = nodes.get_mut(root.0 as usize) {
                let (start, end) = &mut node.forms;
                *start = if start == end { form } else { *start };
                *end = form.saturating_add(1);
            }
        })?;
        let mut edges = self.edges;
        let is_many = |node: &&Draft| {
            at(&self.nodes, node.node.origin.parent.0).is_some_and(|parent| parent.texts > 1)
        };
        edges.clear(self.nodes.iter().filter(is_many).count());
        for (id, draft) in (0..).zip(&self.nodes) {
            if is_many(&draft) {
                edges.insert(NodeId(id), |id| origin(&self.nodes, id));
            }
        }
        let nodes = self.nodes.into_iter().map(|draft| draft.node);
        Ok(Trie {
            nodes: nodes.collect(),
            entries: entries.into(),
            edges,
            mixed: self.mixed.into(),
            flat,
        })
    }

    fn step(&mut self, node: NodeId, level: Level<'_>) -> Result<NodeId, TooMany> {
        let known = match (level, self.draft(node)) {
            (Level::Text(text), _) => self.edges.find(node, text, |id| origin(&self.nodes, id)),
            (Level::Mixed(text), Some(draft)) => {
                let first = draft.node.mixed;
                self.find_mixed(first, text)
            }
            (Level::Plus, Some(draft)) => Some(draft.node.plus),
            (Level::Client, Some(draft)) => Some(draft.node.client),
            (Level::User, Some(draft)) => Some(draft.node.user),
            (Level::Hash, _) | (_, None) => None,
        };
        if let Some(known) = known.filter(|known| known.is_some()) {
            return Ok(known);
        }
        let child = self.root()?;
        let text = match level {
            Level::Text(text) | Level::Mixed(text) => self.text(text)?,
            Level::Plus | Level::Hash | Level::Client | Level::User => Origin::NONE.text,
        };
        let mixed = u32::try_from(self.mixed.len()).map_err(|_| TooMany)?;
        let Some(draft) = self.draft(node) else {
            return Ok(child);
        };
        match level {
            Level::Plus => draft.node.plus = child,
            Level::Client => draft.node.client = child,
            Level::User => draft.node.user = child,
            Level::Mixed(_) => {
                let next = std::mem::replace(&mut draft.node.mixed, mixed);
                self.mixed.push(Mixed { text, child, next });
            }
            Level::Text(_) => {
                draft.texts = draft.texts.saturating_add(1);
                draft.node.only = child;
                if let Some(draft) = self.draft(child) {
                    draft.node.origin = Origin { parent: node, text };
                }
                let Self { edges, nodes, .. } = self;
                edges.insert(child, |id| origin(nodes, id));
            }
            Level::Hash => {}
        }
        Ok(child)
    }

    fn find_mixed(&self, first: u32, text: &str) -> Option<NodeId> {
        let mut next = first;
        while let Some(mixed) = at(&self.mixed, next) {
            if self.edges.text(mixed.text) == text {
                return Some(mixed.child);
            }
            next = mixed.next;
        }
        None
    }

    fn text(&mut self, text: &str) -> Result<Text, TooMany> {
        if let Some(known) = self.texts.get(text) {
            return Ok(*known);
        }
        let new = self.edges.keep(text)?;
        self.texts.insert(text.into(), new);
        Ok(new)
    }

    fn note(&mut self, node: NodeId, entry: Entry) {
        if let Some(Draft { node, .. }) = self.draft(node) {
            node.best = node.best.min(entry.rank);
            node.kinds |= entry.kinds;
        }
    }

    fn draft(&mut self, node: NodeId) -> Option<&mut Draft> {
        self.nodes.get_mut(node.0 as usize)
    }
}

impl Draft {
    fn new() -> Self {
        Self {
            node: Node {
                origin: Origin::NONE,
                only: NodeId::NONE,
                best: u32::MAX,
                kinds: 0,
                has_texts: false,
                plus: NodeId::NONE,
                client: NodeId::NONE,
                user: NodeId::NONE,
                mixed: u32::MAX,
                start: 0,
                middle: 0,
                end: 0,
                forms: (0, 0),
            },
            texts: 0,
            here: Vec::new(),
            below: Vec::new(),
        }
    }
}

/// Without the entries that are never asked because an earlier one always answers.
pub(super) fn reachable(entries: Vec<Entry>) -> impl Iterator<Item = Entry> {
    let mut answered = 0;
    entries.into_iter().filter(move |entry| {
        let new = entry.kinds & !answered != 0;
        if entry.is_unconditional() {
            answered |= entry.kinds;
        }
        new
    })
}

fn origin(nodes: &[Draft], id: NodeId) -> Option<Origin> {
    at(nodes, id.0).map(|draft| draft.node.origin)
}
