//! A password file in memory: its own text and an index into it.
//!
//! Must not: let one bad line take another down. A line whose name can be read but whose credential
//! cannot be used still denies that name; nothing behind it is asked. Some fifteen bytes of index an
//! account beside the text itself; line numbers and offsets are 32 bits, so a file ends at 4 GiB.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use memchr::{memchr, memchr_iter};

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
    /// Of the name.
    hash: u32,
}

/// What the line of an account says; a line that cannot be used has an empty credential.
struct Told<'a> {
    name: &'a str,
    credential: &'a str,
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
    /// How many have another credential.
    pub(super) changed: usize,
    /// How many are gone.
    pub(super) removed: usize,
    /// Who was changed or is gone; none when they are too many to be named.
    pub(super) names: Option<Vec<AccountName>>,
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
            index: HashTable::with_capacity(expected(&text)),
            text,
            hasher: RandomState::new(),
        };
        let mut remarks = Vec::new();
        let mut usable = 0_usize;
        let mut place = Place {
            offset: bom(&snapshot.text),
            line: 1,
            hash: 0,
        };
        while let Some(bytes) = snapshot.line(place) {
            let next = place.behind(bytes);
            let (name, wrong) = read(bytes, limits);
            usable = usable.saturating_add(usize::from(name.is_some() && wrong.is_none()));
            let hash = name.map(|name| snapshot.hash(name));
            if let Some(why) = wrong {
                remarks.push(Remark {
                    line: place.line,
                    why,
                });
            }
            if let Some(hash) = hash {
                snapshot.enter(Place { hash, ..place }, &mut remarks);
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
        self.find(name).map(StoredCredential::marked)
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
            .filter_map(|place| self.told(*place))
            .filter(|told| !told.credential.is_empty())
            .map(|told| StoredCredential::marked(told.credential))
            .collect()
    }

    /// What a reader of `old` has to learn, by name if there are at most `most` names.
    pub(super) fn since(&self, old: &Self, most: usize) -> Difference {
        let mut difference = Difference::default();
        let mut names = Vec::new();
        let mut touched = |name| {
            if names.len() <= most {
                names.extend(AccountName::new(name));
            }
        };
        for told in self.accounts() {
            match old.find(told.name) {
                None => difference.added = difference.added.saturating_add(1),
                Some(before) if before != told.credential => {
                    difference.changed = difference.changed.saturating_add(1);
                    touched(told.name);
                }
                Some(_) => {}
            }
        }
        // Who is in both states is counted; the names are only looked for if somebody is missing.
        let kept = self.len().saturating_sub(difference.added);
        difference.removed = old.len().saturating_sub(kept);
        if difference.removed > 0 {
            let gone = old.accounts().filter(|told| self.find(told.name).is_none());
            gone.for_each(|told| touched(told.name));
        }
        difference.names = (names.len() <= most).then_some(names);
        difference
    }

    /// In the order of their lines, which is the order in which memory is fast.
    fn accounts(&self) -> impl Iterator<Item = Told<'_>> {
        let mut places: Vec<_> = self.index.iter().copied().collect();
        places.sort_unstable_by_key(|place| place.offset);
        places.into_iter().filter_map(|place| self.told(place))
    }

    /// The text of a name's credential.
    fn find(&self, name: &str) -> Option<&str> {
        let hash = self.hash(name);
        let mut credential = None;
        let is_it = |place: &Place| {
            let told = (place.hash == hash).then(|| self.told(*place)).flatten();
            credential = told
                .filter(|told| told.name == name)
                .map(|told| told.credential);
            credential.is_some()
        };
        self.index.find(spread(hash), is_it)?;
        credential
    }

    /// The later line of a name replaces the earlier.
    fn enter(&mut self, place: Place, remarks: &mut Vec<Remark>) {
        let Self { text, index, .. } = self;
        let named = |place: &Place| at(text, *place).and_then(told).map(|told| told.name);
        let same = |other: &Place| other.hash == place.hash && named(other) == named(&place);
        match index.find_mut(spread(place.hash), same) {
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
                index.insert_unique(spread(place.hash), place, |other| spread(other.hash));
            }
        }
    }

    /// Half a hash is enough to tell names apart before their lines are looked at.
    fn hash(&self, name: &str) -> u32 {
        let [a, b, c, d, ..] = self.hasher.hash_one(name).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn line(&self, place: Place) -> Option<&[u8]> {
        at(&self.text, place)
    }

    fn told(&self, place: Place) -> Option<Told<'_>> {
        self.line(place).and_then(told)
    }
}

impl Place {
    /// The line behind this one. Offsets fit: the text's length does.
    fn behind(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self {
            offset: self.offset.saturating_add(length).saturating_add(1),
            line: self.line.saturating_add(1),
            hash: 0,
        }
    }
}

/// What the index goes by: it looks at the first and the last bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The line that begins at a place, without its newline; none at the end of the text.
fn at(text: &[u8], place: Place) -> Option<&[u8]> {
    let rest = text
        .get(usize::try_from(place.offset).ok()?..)
        .filter(|rest| !rest.is_empty())?;
    memchr(b'\n', rest).map_or(Some(rest), |end| rest.get(..end))
}

fn told(bytes: &[u8]) -> Option<Told<'_>> {
    let (name, credential) = match line::split(bytes) {
        Line::Entry { name, credential } => (name, credential),
        Line::Bad { name, .. } => (name?, ""),
        Line::Blank | Line::Comment => return None,
    };
    Some(Told { name, credential })
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

/// How many accounts a text of this length may have: room made for them at once is not made again
/// and again while they are read. Never more than the lines there are, and never more than fit if
/// each is as short as stored credentials get: a file of newlines must not ask for an index.
fn expected(text: &[u8]) -> usize {
    let lines = memchr_iter(b'\n', text).count();
    lines.min(text.len() / SHORT_LINE)
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

/// The bytes of a short name and bcrypt's sixty.
const SHORT_LINE: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line whose credential can be used.
    fn good(name: &str, salt: char) -> String {
        let salt = salt.to_string().repeat(16);
        format!("{name}:$7$101${salt}${}==", "A".repeat(86))
    }

    fn parse(text: impl Into<Vec<u8>>) -> (Snapshot, Vec<Remark>) {
        Snapshot::parse(text.into(), &CostLimits::STANDARD).unwrap()
    }

    fn lines(remarks: &[Remark]) -> Vec<u32> {
        remarks.iter().map(|remark| remark.line).collect()
    }

    #[test]
    fn accounts_are_found_whatever_ends_their_lines() {
        let text = format!(
            "\u{feff}{}\r\n\n# c\n{}",
            good("ann", 'a'),
            good("bob", 'b')
        );
        let (snapshot, remarks) = parse(text);
        assert_eq!((snapshot.len(), remarks), (2, vec![]));
        assert!(
            snapshot
                .credential("ann")
                .is_some_and(|c| c.text.ends_with("A=="))
        );
        assert!(snapshot.credential("bob").is_some());
        assert!(snapshot.credential("# c").is_none() && snapshot.credential("").is_none());
    }

    #[test]
    fn a_bad_line_is_remarked_upon_and_denies_its_name_only() {
        let text = format!(
            "{}\nbob:$7$x\nnothing\n{}",
            good("ann", 'a'),
            good("eve", 'e')
        );
        let (snapshot, remarks) = parse(text);
        assert_eq!(lines(&remarks), [2, 3]);
        assert_eq!(snapshot.len(), 3);
        let bob = snapshot.credential("bob").unwrap();
        assert!(Credential::parse(&bob, &CostLimits::STANDARD).is_err());
        assert!(snapshot.credential("eve").is_some());
        assert!(!remarks[0].why.contains("$7$x"), "{}", remarks[0].why);
    }

    #[test]
    fn the_last_line_of_a_name_counts_even_if_it_is_the_bad_one() {
        let (snapshot, remarks) =
            parse(format!("{}\n{}\nbob:x", good("ann", 'a'), good("ann", 'b')));
        assert_eq!(lines(&remarks), [2, 3]);
        assert!(
            snapshot
                .credential("ann")
                .is_some_and(|c| c.text.contains("bbb"))
        );
        let (snapshot, remarks) = parse(format!("{}\nann:x", good("ann", 'a')));
        assert_eq!(lines(&remarks), [2, 2]);
        assert_eq!(&*snapshot.credential("ann").unwrap().text, "x");
    }

    #[test]
    fn bytes_that_are_no_text_are_not_a_password_file_but_an_empty_one_is() {
        let refused = |bytes: &[u8]| Snapshot::parse(bytes.to_vec(), &CostLimits::STANDARD).err();
        assert_eq!(
            refused(b"\x1f\x8b\x08\0\0:\xff\n"),
            Some(NotAPasswordFile::NotText)
        );
        assert_eq!(refused(b"\xff\xfea\0:\0"), Some(NotAPasswordFile::NotText));
        assert_eq!(refused(b""), None);
        // One damaged line among good ones is a damaged line.
        let mixed = [good("ann", 'a').as_bytes(), b"\nb\0b:x\n\xff:y\n"].concat();
        assert!(parse(mixed).0.credential("ann").is_some());
    }

    #[test]
    fn a_difference_tells_who_was_added_changed_and_removed() {
        let (old, _) = parse([good("ann", 'a'), good("bob", 'b'), good("eve", 'e')].join("\n"));
        let (new, _) = parse([good("new", 'n'), good("eve", 'E'), good("ann", 'a')].join("\n"));
        let names = |names: &[&str]| -> Vec<AccountName> {
            names
                .iter()
                .map(|name| AccountName::new(name).unwrap())
                .collect()
        };
        let expected = Difference {
            added: 1,
            changed: 1,
            removed: 1,
            names: Some(names(&["eve", "bob"])),
        };
        assert_eq!(new.since(&old, 2), expected);
        assert_eq!(new.since(&old, 1).names, None);
        assert_eq!(new.since(&new, 0).names, Some(vec![]));
    }

    #[test]
    fn a_sample_is_bounded_and_spread() {
        let many: Vec<_> = (0..1000).map(|n| good(&n.to_string(), 'a')).collect();
        let (snapshot, _) = parse(many.join("\n"));
        assert!((200..=256).contains(&snapshot.sample(256).len()));
        assert_eq!(parse("").0.sample(256).len(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok((snapshot, _)) = Snapshot::parse(bytes, &CostLimits::STANDARD) {
                prop_assert_eq!(snapshot.accounts().count(), snapshot.len());
                prop_assert!(snapshot.accounts().all(|told| snapshot.credential(told.name).is_some()));
            }
        }

        /// What else is in the file takes no good line down.
        #[test]
        fn a_good_line_is_found_among_anything(
            before in prop::collection::vec(any::<u8>(), 0..100),
            after in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let line = good("needle in hay", 'n');
            let text = [&before, line.as_bytes(), &after].join(&b"\n"[..]);
            let (snapshot, _) = parse(text);
            prop_assert!(snapshot.credential("needle in hay").is_some());
        }
    }
}
