//! Templates as lines of the processor's cache, found by a hash.
//!
//! Must not: trust a hash, or change once it is built. A hash leads to a place, and from there on; a byte of each
//! place says whether its line can be meant, so that others are not looked at. Many lines lie in memory of
//! their own that the kernel is asked to keep in huge pages: to find one of a hundred thousand would mean a
//! walk through its tables of pages as well.
#![forbid(unsafe_code)]

use std::ops::Deref;

use memmap2::{Advice, Mmap, MmapOptions};

use super::Entry;
use crate::policy::rule::Permission;

/// A template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// The first of its entries, and where the others begin.
    pub(super) first: [Entry; FIRST],
    pub(super) others: u32,
    pub(super) form: u32,
    /// Of the text.
    pub(super) length: u16,
    /// The text, or where it begins.
    pub(super) text: [u8; SHORT],
}

/// So many entries lie in their line.
pub(super) const FIRST: usize = 2;

/// What is left of a line.
pub(super) const SHORT: usize = 30;

/// All of them: the lines by their places, and behind them a byte for each place.
#[derive(Debug)]
pub(super) struct Lines {
    memory: Memory,
    from: usize,
    places: usize,
}

/// A line as it lies there.
type Bytes = [u8; 64];

#[derive(Debug)]
enum Memory {
    Shared(Box<[u8]>),
    Own(Mmap),
}

impl Lines {
    /// Lines, each with its hash.
    pub(super) fn of(all: &[(u64, Line)]) -> Self {
        let places = all.len().saturating_add(all.len() / 3).saturating_add(1);
        let length = places.saturating_mul(size_of::<Bytes>().saturating_add(1));
        let (memory, from) = in_huge_pages(all, places, length).unwrap_or_else(|| {
            let mut bytes = vec![0; length.saturating_add(size_of::<Bytes>())];
            let from = bytes.as_ptr().align_offset(size_of::<Bytes>());
            put(&mut bytes, from, places, all);
            (Memory::Shared(bytes.into()), from)
        });
        Self {
            memory,
            from,
            places,
        }
    }

    /// The lines that may have this hash; all that have it are among them.
    pub(super) fn find(&self, hash: u64) -> Found<'_> {
        let (lines, tags) = parts(self.memory.get(self.from..), self.places);
        let place = home(hash, self.places);
        // The likeliest line is on its way while its byte is: neither lies in a cache.
        std::hint::black_box(lines.get(place).and_then(|line| line.first().copied()));
        Found {
            lines,
            tags,
            place,
            tag: tag(hash),
        }
    }
}

/// The lines that may have one hash.
pub(super) struct Found<'a> {
    lines: &'a [Bytes],
    tags: &'a [u8],
    /// The next one to look at.
    place: usize,
    tag: u8,
}

impl<'a> Iterator for Found<'a> {
    type Item = Kept<'a>;

    /// There are more places than lines, so that a vacant one comes.
    fn next(&mut self) -> Option<Kept<'a>> {
        loop {
            let place = self.place;
            let tag = *self.tags.get(place)?;
            if tag == VACANT {
                return None;
            }
            self.place = behind(place, self.tags.len());
            if tag == self.tag {
                return self.lines.get(place).map(Kept);
            }
        }
    }
}

/// None where that is not worth it, or the kernel has no such memory.
fn in_huge_pages(all: &[(u64, Line)], places: usize, length: usize) -> Option<(Memory, usize)> {
    if length < HUGE_PAGE {
        return None;
    }
    let reserved = length.checked_add(HUGE_PAGE)?;
    let mut bytes = MmapOptions::new().len(reserved).map_anon().ok()?;
    // Refused by a kernel that has none; the memory is as good as any then.
    drop(bytes.advise(Advice::HugePage));
    let from = bytes.as_ptr().align_offset(HUGE_PAGE);
    put(&mut bytes, from, places, all);
    Some((Memory::Own(bytes.make_read_only().ok()?), from))
}

fn put(bytes: &mut [u8], from: usize, places: usize, all: &[(u64, Line)]) {
    let bytes = bytes.get_mut(from..).unwrap_or_default();
    let length = places.saturating_mul(size_of::<Bytes>());
    let Some((lines, tags)) = bytes.split_at_mut_checked(length) else {
        return;
    };
    let (lines, _) = lines.as_chunks_mut();
    for (hash, line) in all {
        let is_vacant = |place: &usize| tags.get(*place) == Some(&VACANT);
        let all = std::iter::successors(Some(home(*hash, places)), |place| {
            Some(behind(*place, places))
        });
        // There are more places than lines.
        let place = all.take(places).find(is_vacant);
        let place = place.and_then(|place| tags.get_mut(place).zip(lines.get_mut(place)));
        if let Some((to_tag, to_line)) = place {
            *to_tag = tag(*hash);
            *to_line = line.to_bytes();
        }
    }
}

fn parts(bytes: Option<&[u8]>, places: usize) -> (&[Bytes], &[u8]) {
    let length = places.saturating_mul(size_of::<Bytes>());
    let parts = bytes.and_then(|bytes| bytes.split_at_checked(length));
    let (lines, rest) = parts.unwrap_or_default();
    (lines.as_chunks().0, rest.get(..places).unwrap_or_default())
}

/// The first place of a hash, by its upper half.
fn home(hash: u64, places: usize) -> usize {
    let half = u64::BITS / 2;
    let wide = (hash >> half).wrapping_mul(places as u64) >> half;
    usize::try_from(wide).unwrap_or_default()
}

/// The place behind another.
fn behind(place: usize, places: usize) -> usize {
    let next = place.saturating_add(1);
    if next == places { 0 } else { next }
}

fn tag(hash: u64) -> u8 {
    hash.to_le_bytes()[0] | 1
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }
}

impl Line {
    fn to_bytes(self) -> Bytes {
        let mut bytes = [0; size_of::<Bytes>()];
        let [first, second] = self.first.map(Entry::to_bytes);
        let parts = [
            &first[..],
            &second,
            &self.others.to_le_bytes(),
            &self.form.to_le_bytes(),
            &self.length.to_le_bytes(),
            &self.text,
        ];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }
}

/// A line that lies there.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a>(&'a Bytes);

impl<'a> Kept<'a> {
    /// The first of its entries, each read when it is asked for.
    pub(super) fn first(self) -> impl Iterator<Item = Entry> + 'a {
        let (first, _) = self.0.as_chunks();
        first.iter().take(FIRST).copied().map(Entry::of_bytes)
    }

    pub(super) fn others(self) -> u32 {
        u32::from_le_bytes(self.part::<24, 4>())
    }

    pub(super) fn form(self) -> u32 {
        u32::from_le_bytes(self.part::<28, 4>())
    }

    pub(super) fn length(self) -> u16 {
        u16::from_le_bytes(self.part::<32, 2>())
    }

    pub(super) fn text(self) -> &'a [u8] {
        self.0.get(34..).unwrap_or_default()
    }

    fn part<const AT: usize, const LENGTH: usize>(self) -> [u8; LENGTH] {
        let behind = self.0.get(AT..).and_then(<[u8]>::first_chunk);
        behind.copied().unwrap_or([0; LENGTH])
    }
}

impl Entry {
    fn to_bytes(self) -> [u8; 12] {
        let [a, b, c, d] = self.rank.to_le_bytes();
        let [e, f, g, h] = self.max_payload.to_le_bytes();
        let permission = u8::from(self.permission == Permission::Allow);
        let retain = u8::from(self.retain);
        [
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            self.max_qos,
            retain,
            permission,
            self.kinds,
        ]
    }

    fn of_bytes(bytes: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, max_qos, retain, permission, kinds] = bytes;
        Self {
            rank: u32::from_le_bytes([a, b, c, d]),
            max_payload: u32::from_le_bytes([e, f, g, h]),
            max_qos,
            retain: retain == 1,
            permission: match permission {
                1 => Permission::Allow,
                _ => Permission::Deny,
            },
            kinds,
        }
    }
}

/// The byte of a place without a line.
const VACANT: u8 = 0;

/// As large as the pages are that are asked for.
const HUGE_PAGE: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32) -> Line {
        let entry = |rank| Entry {
            rank,
            max_payload: !number,
            max_qos: 1,
            retain: number.is_multiple_of(2),
            permission: Permission::Allow,
            kinds: 0b101,
        };
        let mut text = [7; SHORT];
        text[SHORT - 1] = 9;
        Line {
            first: [entry(number), entry(u32::MAX)],
            others: number ^ 1,
            form: !number,
            length: 513,
            text,
        }
    }

    /// Hashes that lead to a few places, to the last one among them, and are told apart by few bytes.
    fn close(number: u32) -> u64 {
        u64::MAX << (number % 9) ^ u64::from(number % 5)
    }

    fn far(number: u32) -> u64 {
        u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn each_line_is_found_by_its_hash_as_it_was() {
        type Case = (u32, fn(u32) -> u64);
        // The last ones are more than a huge page.
        let cases: [Case; 6] = [
            (0, close),
            (1, close),
            (2, far),
            (3, close),
            (500, close),
            (40_000, far),
        ];
        for (count, hash) in cases {
            let all = (0..count).map(|number| (hash(number), line(number)));
            let all: Vec<_> = all.collect();
            let lines = Lines::of(&all);
            assert_eq!(matches!(lines.memory, Memory::Own(_)), count == 40_000);
            for (hash, line) in &all {
                let found = lines.find(*hash).filter(|found| found.form() == line.form);
                let found: Vec<_> = found.collect();
                let [found] = found[..] else {
                    panic!("{} of line {}", found.len(), line.form);
                };
                assert!(found.first().eq(line.first));
                assert_eq!(found.others(), line.others);
                assert_eq!(found.length(), line.length);
                assert_eq!(found.text(), &line.text);
            }
        }
    }

    #[test]
    fn a_hash_that_no_line_has_leads_to_few_of_them_or_none() {
        let all: Vec<_> = (0..1000_u64)
            .map(|number| (number << 54, line(0)))
            .collect();
        let lines = Lines::of(&all);
        let others = (0..1000_u64).map(|number| lines.find(number << 54 | 2).count());
        assert_eq!(others.sum::<usize>(), 0);
        assert_eq!(Lines::of(&[]).find(7).count(), 0);
    }
}
