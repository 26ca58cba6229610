//! A password file in memory: its own text and an index into it.
//!
//! Must not: let one bad line take another down. A line whose name can be read but whose credential
//! cannot be used still denies that name; nothing behind it is asked. Twelve bytes of index an account
//! beside the text itself; line numbers and offsets are 32 bits, so a file ends at 4 GiB.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::line::{self, Line};
use crate::config::CostLimits;
use crate::credential::Credential;
use crate::model::{AccountName, StoredCredential};

/// Every account of one state of the file. Never changes.
pub(super) struct Snapshot {
    text: Vec<u8>,
    index: HashTable<Place>,
    hasher: RandomState,
}

/// Where an account's line begins.
#[derive(Clone, Copy)]
struct Place {
    offset: u32,
    line: u32,
}

/// A line that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// Counted from 1.
    pub(super) line: u32,
    /// What is wrong with it.
    pub(super) why: String,
}

/// What separates two states.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// How many accounts are new.
    pub(super) added: usize,
    /// Whose credential is another one.
    pub(super) changed: Vec<AccountName>,
    /// Who is gone.
    pub(super) removed: Vec<AccountName>,
}

/// Why bytes are not a password file at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAPasswordFile {
    /// No line can be read, and there are bytes that no text has.
    #[error("not a text file")]
    NotText,
    /// Beyond what the index can address.
    #[error("larger than 4 GiB")]
    TooLarge,
}

impl Snapshot {
    /// Reads the text of a password file. Lines that cannot be used are remarked upon.
    ///
    /// # Errors
    /// When it is not a password file at all; an empty one is.
    pub(super) fn parse(
        text: Vec<u8>,
        limits: &CostLimits,
    ) -> Result<(Self, Vec<Remark>), NotAPasswordFile> {
        if u32::try_from(text.len()).is_err() {
            return Err(NotAPasswordFile::TooLarge);
        }
        let mut snapshot = Self {
            text,
            index: HashTable::new(),
            hasher: RandomState::new(),
        };
        let mut remarks = Vec::new();
        let mut usable = 0_usize;
        let mut place = Place {
            offset: bom(&snapshot.text),
            line: 1,
        };
        while let Some(bytes) = snapshot.line(place) {
            let next = place.behind(bytes);
            let (name, wrong) = read(bytes, limits);
            usable = usable.saturating_add(usize::from(name.is_some() && wrong.is_none()));
            let hash = name.map(|name| snapshot.hasher.hash_one(name));
            if let Some(why) = wrong {
                remarks.push(Remark {
                    line: place.line,
                    why,
                });
            }
            if let Some(hash) = hash {
                snapshot.enter(hash, place, &mut remarks);
            }
            place = next;
        }
        if usable == 0 && !is_text(&snapshot.text) {
            return Err(NotAPasswordFile::NotText);
        }
        Ok((snapshot, remarks))
    }

    /// The stored credential of a name; an unusable line gives its text all the same.
    pub(super) fn credential(&self, name: &str) -> Option<StoredCredential> {
        let hash = self.hasher.hash_one(name);
        let place = self
            .index
            .find(hash, |place| self.name(*place) == Some(name))?;
        Some(StoredCredential::marked(
            self.entry(*place).map_or("", |(_, credential)| credential),
        ))
    }

    /// How many accounts there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Every so manieth credential, at most `most` of them.
    pub(super) fn sample(&self, most: usize) -> Vec<StoredCredential> {
        let step = self.len().div_ceil(most.max(1)).max(1);
        self.index
            .iter()
            .step_by(step)
            .filter_map(|place| self.entry(*place))
            .map(|(_, credential)| StoredCredential::marked(credential))
            .collect()
    }

    /// What a reader of `old` has to learn.
    pub(super) fn since(&self, old: &Self) -> Difference {
        let mut difference = Difference::default();
        for name in self.names() {
            match old.credential(name) {
                None => difference.added = difference.added.saturating_add(1),
                Some(before) if self.credential(name).as_ref() != Some(&before) => {
                    difference.changed.extend(AccountName::new(name));
                }
                Some(_) => {}
            }
        }
        let gone = old.names().filter(|name| self.credential(name).is_none());
        difference.removed = gone.flat_map(AccountName::new).collect();
        difference
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.index.iter().filter_map(|place| self.name(*place))
    }

    /// The later line of a name replaces the earlier.
    fn enter(&mut self, hash: u64, place: Place, remarks: &mut Vec<Remark>) {
        let Self {
            text,
            index,
            hasher,
        } = self;
        let named = |place: &Place| name(at(text, *place).unwrap_or_default());
        let new = named(&place);
        match index.find_mut(hash, |other| named(other) == new) {
            Some(other) => {
                let why = format!(
                    "the same username as line {}, which it replaces",
                    other.line
                );
                remarks.push(Remark {
                    line: place.line,
                    why,
                });
                *other = place;
            }
            None => {
                index.insert_unique(hash, place, |other| {
                    hasher.hash_one(named(other).unwrap_or_default())
                });
            }
        }
    }

    fn line(&self, place: Place) -> Option<&[u8]> {
        at(&self.text, place)
    }

    fn name(&self, place: Place) -> Option<&str> {
        self.line(place).and_then(name)
    }

    fn entry(&self, place: Place) -> Option<(&str, &str)> {
        match line::split(self.line(place)?) {
            Line::Entry { name, credential } => Some((name, credential)),
            Line::Blank | Line::Comment | Line::Bad { .. } => None,
        }
    }
}

impl Place {
    /// The line behind this one. Offsets fit: the text's length does.
    fn behind(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self {
            offset: self.offset.saturating_add(length).saturating_add(1),
            line: self.line.saturating_add(1),
        }
    }
}

/// The line that begins at a place, without its newline; none at the end of the text.
fn at(text: &[u8], place: Place) -> Option<&[u8]> {
    let rest = text
        .get(usize::try_from(place.offset).ok()?..)
        .filter(|rest| !rest.is_empty())?;
    rest.split(|byte| *byte == b'\n').next()
}

fn name(bytes: &[u8]) -> Option<&str> {
    match line::split(bytes) {
        Line::Entry { name, .. } => Some(name),
        Line::Bad { name, .. } => name,
        Line::Blank | Line::Comment => None,
    }
}

/// The name that a line speaks of, and what is wrong with the line.
fn read<'a>(bytes: &'a [u8], limits: &CostLimits) -> (Option<&'a str>, Option<String>) {
    match line::split(bytes) {
        Line::Blank | Line::Comment => (None, None),
        Line::Bad { name, why } => (name, Some(why.to_string())),
        Line::Entry { name, credential } => {
            let parsed = Credential::parse(&StoredCredential::marked(credential), limits);
            (Some(name), parsed.err().map(|error| error.to_string()))
        }
    }
}

/// Where the text begins behind a byte order mark.
fn bom(text: &[u8]) -> u32 {
    if text.starts_with("\u{feff}".as_bytes()) {
        3
    } else {
        0
    }
}

fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}
