//! Templates of a few forms, all in one table: those that are text by the whole text, the others by the
//! levels that are.
//!
//! Must not: trust a hash. What is found is compared, level by level. A template, the beginning of its entries
//! and a text that is not long lie in one line of the processor's cache ([`lines`](super::lines)), and nothing
//! leads to it but its hash: one of very many costs little more than one of a few.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashMap};

use super::builder::reachable;
use super::lines::{Kept, Line, Lines, SHORT};
use super::{Entry, NodeId, TooMany};
use crate::policy::question::Asker;
use crate::policy::rule::Permission;
use crate::policy::template::{Level, Template};

/// All of a tree's templates that have a form.
#[derive(Debug)]
pub(super) struct Flat {
    forms: Box<[Form]>,
    lines: Lines,
    long: Box<[u8]>,
    hash: DefaultHashBuilder,
}

/// A form that templates below a root have, those of the best rank first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// The best rank of them, and all kinds.
    pub(super) best: u32,
    pub(super) kinds: u8,
    shape: Shape,
}

/// What templates of one form have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// They are text.
    Text,
    /// They have so many levels, of which these are a wildcard or a name, and perhaps a # behind them.
    Levels { count: u8, open: u8, hash: bool },
}

/// The levels of a question, as far as any form goes.
pub(super) struct Levels<'a> {
    first: [&'a [u8]; MOST_LEVELS],
    count: usize,
}

/// As they grow.
#[derive(Default)]
pub(super) struct Drafts {
    forms: Vec<(NodeId, Form)>,
    known: HashMap<(NodeId, Shape), usize>,
    /// How many forms beside text a root has.
    counts: HashMap<NodeId, usize>,
    places: HashMap<(usize, Box<str>), usize>,
    all: Vec<Draft>,
}

struct Draft {
    form: usize,
    text: Box<str>,
    entries: Vec<Entry>,
}

impl Flat {
    /// The forms there are below a root.
    pub(super) fn forms(&self, (start, end): (u32, u32)) -> impl Iterator<Item = (u32, &Form)> {
        let range = start as usize..end as usize;
        (start..).zip(self.forms.get(range).unwrap_or_default())
    }

    /// The template of a form that is this text.
    pub(super) fn text(&self, form: u32, plain: &str) -> Option<Kept<'_>> {
        let mut hasher = self.hash.build_hasher();
        hasher.write_u32(form);
        hasher.write(plain.as_bytes());
        let is_it =
            |line: &Kept<'_>| line.form() == form && self.text_of(*line) == plain.as_bytes();
        self.lines.find(hasher.finish()).find(is_it)
    }

    /// The templates of a form that are these levels where they are text.
    pub(super) fn open(
        &self,
        form: u32,
        open: Open,
        levels: &Levels<'_>,
    ) -> impl Iterator<Item = Kept<'_>> {
        let hash = open.fits(levels).then(|| {
            let levels = levels.first.iter().take(usize::from(open.count));
            open.hash_of(&self.hash, form, levels.copied())
        });
        let lines = hash.map(|hash| self.lines.find(hash));
        lines
            .into_iter()
            .flatten()
            .filter(move |line| line.form() == form)
    }

    /// The text of a template.
    pub(super) fn text_of<'a>(&'a self, line: Kept<'a>) -> &'a [u8] {
        let length = usize::from(line.length());
        if length <= SHORT {
            return line.text().get(..length).unwrap_or_default();
        }
        let start = line.text().first_chunk().copied().map(u32::from_le_bytes);
        let behind = start.and_then(|start| self.long.get(start as usize..));
        behind
            .and_then(|text| text.get(..length))
            .unwrap_or_default()
    }
}

impl Form {
    /// Its levels; none where its templates are text.
    pub(super) fn open(&self) -> Option<Open> {
        match self.shape {
            Shape::Text => None,
            Shape::Levels { count, open, hash } => Some(Open { count, open, hash }),
        }
    }
}

/// A form with levels that are not text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    count: u8,
    open: u8,
    hash: bool,
}

impl Open {
    fn is_open(self, level: usize) -> bool {
        self.open >> level & 1 == 1
    }

    /// Whether templates of so many levels can cover a question.
    fn fits(self, levels: &Levels<'_>) -> bool {
        let count = usize::from(self.count);
        match self.hash {
            true => count <= levels.count,
            false => count == levels.count,
        }
    }

    fn hash_of<'a>(
        self,
        hash: &DefaultHashBuilder,
        form: u32,
        levels: impl Iterator<Item = &'a [u8]>,
    ) -> u64 {
        let mut hasher = hash.build_hasher();
        hasher.write_u32(form);
        for (at, level) in levels.enumerate() {
            if !self.is_open(at) {
                hasher.write(level);
                hasher.write_u8(b'/');
            }
        }
        hasher.finish()
    }

    /// Whether a template of this form covers these levels, and whether a name was looked at.
    pub(super) fn covers(
        self,
        text: &[u8],
        levels: &Levels<'_>,
        asker: Asker<'_>,
        is_personal: &mut bool,
    ) -> bool {
        let [first, ..] = levels.first;
        let hidden = first.first() == Some(&b'$');
        if hidden && (self.is_open(0) || self.count == 0) {
            return false;
        }
        let ours = text.split(|byte| *byte == b'/');
        let ours = ours.take(usize::from(self.count));
        ours.zip(levels.first)
            .enumerate()
            .all(|(at, (ours, theirs))| {
                if !self.is_open(at) {
                    return ours == theirs;
                }
                let name = match (ours, theirs) {
                    (_, b"#") => return false,
                    (b"+", _) => return true,
                    (_, b"+") => return false,
                    (b"%c", _) => asker.client(),
                    (_, _) => asker.user(),
                };
                *is_personal = true;
                name.is_some_and(|name| name.as_bytes() == theirs)
            })
    }
}

impl<'a> Levels<'a> {
    /// Those of a topic or a filter.
    pub(super) fn of(plain: &'a str) -> Self {
        let mut first = [&b""[..]; MOST_LEVELS];
        let mut rest = plain.as_bytes();
        for (place, count) in first.iter_mut().zip(1..) {
            match memchr::memchr(b'/', rest).and_then(|at| rest.split_at_checked(at)) {
                Some((level, behind)) => {
                    *place = level;
                    rest = behind.get(1..).unwrap_or_default();
                }
                None => {
                    *place = rest;
                    return Self { first, count };
                }
            }
        }
        Self {
            first,
            count: MOST_LEVELS.saturating_add(1),
        }
    }
}

impl Shape {
    /// The form of a template, if it has one.
    fn of(template: &Template) -> Option<Self> {
        if template.literal().is_some() {
            return Some(Self::Text);
        }
        let (mut count, mut open, mut hash) = (0_u8, 0_u8, false);
        for level in template.levels() {
            let bit = 1_u8.checked_shl(u32::from(count)).filter(|_| !hash);
            match level {
                Level::Hash => {
                    hash = true;
                    continue;
                }
                Level::Mixed(_) => return None,
                Level::Text(_) => {
                    bit?;
                }
                Level::Plus | Level::Client | Level::User => open |= bit?,
            }
            count = count.saturating_add(1);
        }
        Some(Self::Levels { count, open, hash })
    }
}

impl Drafts {
    /// Adds what a template ends in, best rank first; whether it has a form, and there are not too many.
    pub(super) fn add(&mut self, root: NodeId, template: &Template, entry: Entry) -> bool {
        let Some(shape) = Shape::of(template) else {
            return false;
        };
        let known = self.known.get(&(root, shape)).copied();
        let Some(form) = known.or_else(|| self.form(root, shape, entry)) else {
            return false;
        };
        if let Some((_, form)) = self.forms.get_mut(form) {
            form.best = form.best.min(entry.rank);
            form.kinds |= entry.kinds;
        }
        let key = (form, Box::from(template.as_str()));
        let place = *self.places.entry(key).or_insert_with_key(|(form, text)| {
            self.all.push(Draft {
                form: *form,
                text: text.clone(),
                entries: Vec::new(),
            });
            self.all.len().saturating_sub(1)
        });
        if let Some(draft) = self.all.get_mut(place) {
            draft.entries.push(entry);
        }
        true
    }

    fn form(&mut self, root: NodeId, shape: Shape, entry: Entry) -> Option<usize> {
        let count = self.counts.entry(root).or_default();
        if shape != Shape::Text {
            if *count >= MOST_FORMS {
                return None;
            }
            *count = count.saturating_add(1);
        }
        let place = self.forms.len();
        self.known.insert((root, shape), place);
        let form = Form {
            best: entry.rank,
            kinds: entry.kinds,
            shape,
        };
        self.forms.push((root, form));
        Some(place)
    }

    /// As they are searched, with the forms of each root; what does not fit in a line goes to the tree's
    /// entries.
    pub(super) fn finish(
        self,
        entries: &mut Vec<Entry>,
        mut of_root: impl FnMut(NodeId, u32),
    ) -> Result<Flat, TooMany> {
        let number = |length: usize| u32::try_from(length).map_err(|_| TooMany);
        let mut order: Vec<usize> = (0..self.forms.len()).collect();
        let form_at = |place: &usize| self.forms.get(*place).copied();
        order.sort_by_key(|place| form_at(place).map(|(root, form)| (root.0, form.best)));
        let mut places = vec![0_u32; order.len()];
        for (new, old) in (0..).zip(&order) {
            if let (Some(place), Some((root, _))) = (places.get_mut(*old), form_at(old)) {
                *place = new;
                of_root(root, new);
            }
        }
        let forms: Vec<Form> = order
            .iter()
            .filter_map(form_at)
            .map(|(_, form)| form)
            .collect();
        let (hash, mut long) = (DefaultHashBuilder::default(), Vec::new());
        let mut lines = Vec::with_capacity(self.all.len());
        for draft in self.all {
            let form = places.get(draft.form).copied().unwrap_or_default();
            let shape = forms
                .get(form as usize)
                .map_or(Shape::Text, |form| form.shape);
            let mut own = reachable(draft.entries);
            let first = std::array::from_fn(|_| own.next().unwrap_or(NOTHING));
            let others = number(entries.len())?;
            entries.extend(own);
            entries.push(NOTHING);
            let bytes = draft.text.as_bytes();
            let (length, text) = kept(bytes, &mut long)?;
            let line = Line {
                first,
                others,
                form,
                length,
                text,
            };
            lines.push((hash_of(&hash, shape, form, bytes), line));
        }
        Ok(Flat {
            forms: forms.into(),
            lines: Lines::of(&lines),
            long: long.into(),
            hash,
        })
    }
}

/// A text in its line, or where it begins among the long ones.
fn kept(text: &[u8], long: &mut Vec<u8>) -> Result<(u16, [u8; SHORT]), TooMany> {
    let length = u16::try_from(text.len()).map_err(|_| TooMany)?;
    let mut place = [0; SHORT];
    let start = u32::try_from(long.len()).map_err(|_| TooMany)?;
    let bytes = match text.len() <= SHORT {
        true => text,
        false => {
            long.extend_from_slice(text);
            &start.to_le_bytes()
        }
    };
    for (to, from) in place.iter_mut().zip(bytes) {
        *to = *from;
    }
    Ok((length, place))
}

fn hash_of(hash: &DefaultHashBuilder, shape: Shape, form: u32, text: &[u8]) -> u64 {
    match shape {
        Shape::Text => {
            let mut hasher = hash.build_hasher();
            hasher.write_u32(form);
            hasher.write(text);
            hasher.finish()
        }
        Shape::Levels {
            count,
            open,
            hash: tail,
        } => {
            let levels = text.split(|byte| *byte == b'/').take(usize::from(count));
            let open = Open {
                count,
                open,
                hash: tail,
            };
            open.hash_of(hash, form, levels)
        }
    }
}

/// What answers nothing, and ends a list.
const NOTHING: Entry = Entry {
    rank: u32::MAX,
    max_payload: 0,
    max_qos: 0,
    retain: false,
    permission: Permission::Deny,
    kinds: 0,
};

/// A template with more levels has no form.
const MOST_LEVELS: usize = 8;

/// A root has so many forms beside text: each is looked for.
const MOST_FORMS: usize = 12;
