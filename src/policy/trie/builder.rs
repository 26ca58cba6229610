//! How a tree grows: node by node, the best-ranked entries first.
//!
//! Must not: be searched. What can never be found is left out when the tree is finished.
#![forbid(unsafe_code)]

use hashbrown::HashMap;

use super::super::template::Level;
use super::edges::{Edge, Edges, Mixed, Text};
use super::{Entry, Node, NodeId, TooMany, Trie, at};

/// A tree that grows.
#[derive(Default)]
pub(in crate::policy) struct Builder {
    nodes: Vec<Draft>,
    edges: Edges,
    mixed: Vec<Mixed>,
    /// Where the text of a level lies; most levels come many times.
    texts: HashMap<Box<str>, Text>,
}

#[derive(Debug)]
struct Draft {
    node: Node,
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

    /// Adds what a template ends in. Entries are added best rank first.
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
    pub(in crate::policy) fn finish(self) -> Result<Trie, TooMany> {
        let mut entries = Vec::new();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        let length = |entries: &Vec<Entry>| u32::try_from(entries.len()).map_err(|_| TooMany);
        for Draft {
            mut node,
            here,
            below,
        } in self.nodes
        {
            node.start = length(&entries)?;
            entries.extend(reachable(here));
            node.middle = length(&entries)?;
            entries.extend(reachable(below));
            node.end = length(&entries)?;
            nodes.push(node);
        }
        let mut edges = self.edges;
        edges.shrink();
        Ok(Trie {
            nodes: nodes.into(),
            entries: entries.into(),
            edges,
            mixed: self.mixed.into(),
        })
    }

    fn step(&mut self, node: NodeId, level: Level<'_>) -> Result<NodeId, TooMany> {
        let known = match (level, self.draft(node)) {
            (Level::Text(text), _) => self.edges.find(node, text),
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
            Level::Plus | Level::Hash | Level::Client | Level::User => Text::NONE,
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
                draft.node.has_texts = true;
                self.edges.insert(Edge {
                    parent: node,
                    child,
                    text,
                });
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
            },
            here: Vec::new(),
            below: Vec::new(),
        }
    }
}

/// Without the entries that are never asked because an earlier one always answers.
fn reachable(entries: Vec<Entry>) -> impl Iterator<Item = Entry> {
    let mut answered = 0;
    entries.into_iter().filter(move |entry| {
        let new = entry.kinds & !answered != 0;
        if entry.is_unconditional() {
            answered |= entry.kinds;
        }
        new
    })
}
