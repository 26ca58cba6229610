//! The edges of a tree that are text: all nodes' in one table, and the texts in one string.
//!
//! Must not: trust a hash. The text of an edge is compared, so two levels that meet in the table are
//! still two.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{NodeId, TooMany};

/// An edge for levels that are text with names in it; those of one node form a list.
#[derive(Debug)]
pub(super) struct Mixed {
    pub(super) text: Text,
    pub(super) child: NodeId,
    pub(super) next: u32,
}

/// Edges for levels that are text, of all nodes in one table.
#[derive(Debug, Default)]
pub(super) struct Edges {
    table: HashTable<Edge>,
    texts: String,
    hash: DefaultHashBuilder,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) parent: NodeId,
    pub(super) child: NodeId,
    pub(super) text: Text,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    start: u32,
    length: u32,
}

impl Text {
    /// No text.
    pub(super) const NONE: Self = Self {
        start: 0,
        length: 0,
    };
}

impl Edges {
    /// The node at the end of an edge.
    pub(super) fn find(&self, parent: NodeId, level: &str) -> Option<NodeId> {
        let hash = hash_of(&self.hash, parent, level);
        let is_it = |edge: &Edge| edge.parent == parent && self.text(edge.text) == level;
        self.table.find(hash, is_it).map(|edge| edge.child)
    }

    /// One more edge.
    pub(super) fn insert(&mut self, edge: Edge) {
        let Self { table, texts, hash } = self;
        let hasher = |edge: &Edge| hash_of(hash, edge.parent, text_of(texts, edge.text));
        table.insert_unique(hasher(&edge), edge, hasher);
    }

    /// Keeps a text.
    pub(super) fn keep(&mut self, text: &str) -> Result<Text, TooMany> {
        let new = Text {
            start: u32::try_from(self.texts.len()).map_err(|_| TooMany)?,
            length: u32::try_from(text.len()).map_err(|_| TooMany)?,
        };
        self.texts.push_str(text);
        Ok(new)
    }

    /// Gives back the room that was kept for more.
    pub(super) fn shrink(&mut self) {
        let Self { table, texts, hash } = self;
        texts.shrink_to_fit();
        table.shrink_to_fit(|edge| hash_of(hash, edge.parent, text_of(texts, edge.text)));
    }

    /// A text that was kept.
    pub(super) fn text(&self, text: Text) -> &str {
        text_of(&self.texts, text)
    }
}

fn hash_of(hash: &DefaultHashBuilder, parent: NodeId, level: &str) -> u64 {
    let mut hasher = hash.build_hasher();
    hasher.write_u32(parent.0);
    hasher.write(level.as_bytes());
    hasher.finish()
}

fn text_of(texts: &str, Text { start, length }: Text) -> &str {
    let rest = texts.get(start as usize..).unwrap_or_default();
    rest.get(..length as usize).unwrap_or_default()
}
