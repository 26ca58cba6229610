//! The edges of a tree that are text: all nodes' in one table, and the texts in one string.
//!
//! Must not: trust a hash. The text of an edge is compared, so two levels that meet in the table are
//! still two. The table holds numbers of nodes only and stays in the processor's cache longer than
//! anything else; an edge's text is told by the node it leads to, which is needed anyhow.
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

/// Edges for levels that are text.
#[derive(Debug, Default)]
pub(super) struct Edges {
    table: HashTable<NodeId>,
    texts: String,
    hash: DefaultHashBuilder,
}

/// By which edge a node is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) parent: NodeId,
    pub(super) text: Text,
}

/// A text that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    start: u32,
    end: u32,
}

impl Origin {
    /// No edge, or one that is no text.
    pub(super) const NONE: Self = Self {
        parent: NodeId::NONE,
        text: Text { start: 0, end: 0 },
    };
}

impl Edges {
    /// The node at the end of an edge.
    pub(super) fn find(
        &self,
        parent: NodeId,
        level: &str,
        origin_of: impl Fn(NodeId) -> Option<Origin>,
    ) -> Option<NodeId> {
        let is_it = |child: &NodeId| {
            let origin = origin_of(*child);
            origin.is_some_and(|origin| origin.parent == parent && self.is(origin.text, level))
        };
        let hash = hash_of(&self.hash, parent, level);
        self.table.find(hash, is_it).copied()
    }

    /// One more edge.
    pub(super) fn insert(&mut self, child: NodeId, origin_of: impl Fn(NodeId) -> Option<Origin>) {
        let Self { table, texts, hash } = self;
        let hasher = |child: &NodeId| {
            let origin = origin_of(*child).unwrap_or(Origin::NONE);
            hash_of(hash, origin.parent, text_of(texts, origin.text))
        };
        table.insert_unique(hasher(&child), child, hasher);
    }

    /// Forgets all edges but not the texts, and has room for so many.
    pub(super) fn clear(&mut self, edges: usize) {
        self.table = HashTable::with_capacity(edges);
        self.texts.shrink_to_fit();
    }

    /// Keeps a text.
    pub(super) fn keep(&mut self, text: &str) -> Result<Text, TooMany> {
        let place = |at| u32::try_from(at).map_err(|_| TooMany);
        let start = place(self.texts.len())?;
        self.texts.push_str(text);
        let end = place(self.texts.len())?;
        Ok(Text { start, end })
    }

    /// A text that was kept.
    pub(super) fn text(&self, text: Text) -> &str {
        text_of(&self.texts, text)
    }

    /// Whether that is the level. Bytes are compared: where characters begin need not be known.
    pub(super) fn is(&self, Text { start, end }: Text, level: &str) -> bool {
        let text = self.texts.as_bytes().get(start as usize..end as usize);
        text == Some(level.as_bytes())
    }
}

fn hash_of(hash: &DefaultHashBuilder, parent: NodeId, level: &str) -> u64 {
    let mut hasher = hash.build_hasher();
    hasher.write_u32(parent.0);
    hasher.write(level.as_bytes());
    hasher.finish()
}

fn text_of(texts: &str, Text { start, end }: Text) -> &str {
    texts.get(start as usize..end as usize).unwrap_or_default()
}
