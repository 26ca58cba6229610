//! Templates that are nothing but text: all of a tree's in one table, found by the whole text at once.
//!
//! Must not: trust a hash. The text is compared. A template's first entries lie beside where its text is,
//! in one line of the processor's cache, so that one of very many costs little more than one of a few.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::builder::reachable;
use super::{Entry, NodeId, TooMany};
use crate::policy::rule::Permission;

/// All of them.
#[derive(Debug)]
pub(super) struct Literals {
    table: HashTable<Literal>,
    texts: Box<str>,
    hash: DefaultHashBuilder,
}

/// One of them.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Literal {
    root: NodeId,
    start: u32,
    end: u32,
    /// The first of its entries, and where the others are.
    pub(super) first: [Entry; 2],
    pub(super) others: (u32, u32),
}

/// As they grow.
#[derive(Default)]
pub(super) struct Drafts {
    places: HashMap<(NodeId, Box<str>), usize>,
    all: Vec<(NodeId, Box<str>, Vec<Entry>)>,
}

impl Literals {
    /// The one that is below this root and is this text.
    pub(super) fn find(&self, root: NodeId, plain: &str) -> Option<&Literal> {
        if self.table.is_empty() {
            return None;
        }
        // Bytes are compared: where characters begin need not be known.
        let is_it = |literal: &Literal| {
            let text = self.texts.as_bytes();
            let text = text.get(literal.start as usize..literal.end as usize);
            literal.root == root && text == Some(plain.as_bytes())
        };
        self.table.find(hash_of(&self.hash, root, plain), is_it)
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Drafts {
    /// Adds what a text ends in, best rank first.
    pub(super) fn add(&mut self, root: NodeId, text: &str, entry: Entry) {
        let key = (root, Box::from(text));
        let place = *self.places.entry(key).or_insert_with_key(|(root, text)| {
            self.all.push((*root, text.clone(), Vec::new()));
            self.all.len().saturating_sub(1)
        });
        if let Some((_, _, entries)) = self.all.get_mut(place) {
            entries.push(entry);
        }
    }

    /// As they are searched; what does not fit in a line goes to the tree's entries.
    pub(super) fn finish(self, entries: &mut Vec<Entry>) -> Result<Literals, TooMany> {
        let number = |length: usize| u32::try_from(length).map_err(|_| TooMany);
        let hash = DefaultHashBuilder::default();
        let mut texts = String::new();
        let mut table = HashTable::with_capacity(self.all.len());
        for (root, text, own) in self.all {
            let start = number(texts.len())?;
            texts.push_str(&text);
            let mut own = reachable(own);
            let first = std::array::from_fn(|_| own.next().unwrap_or(NOTHING));
            let from = number(entries.len())?;
            entries.extend(own);
            let literal = Literal {
                root,
                start,
                end: number(texts.len())?,
                first,
                others: (from, number(entries.len())?),
            };
            // Each text is there once, and the table has room for all.
            table.insert_unique(hash_of(&hash, root, &text), literal, |literal| {
                let text = texts.get(literal.start as usize..literal.end as usize);
                hash_of(&hash, literal.root, text.unwrap_or_default())
            });
        }
        Ok(Literals {
            table,
            texts: texts.into(),
            hash,
        })
    }
}

fn hash_of(hash: &DefaultHashBuilder, root: NodeId, text: &str) -> u64 {
    let mut hasher = hash.build_hasher();
    hasher.write_u32(root.0);
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// What answers nothing.
const NOTHING: Entry = Entry {
    rank: u32::MAX,
    max_payload: 0,
    max_qos: 0,
    retain: false,
    permission: Permission::Deny,
    kinds: 0,
};
