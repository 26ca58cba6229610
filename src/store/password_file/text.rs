//! A password file in memory, changed line by line.
//!
//! Must not: touch a file, or any byte that it was not asked to change: comments, blank lines, lines
//! nobody understands, their order and their endings all come out as they went in. Of several lines
//! with one name the last one counts, as in the broker.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::ops::Range;

use hashbrown::HashMap;

use super::line::{Line, split};

/// The lines of a password file and an index of the names in them.
#[derive(Clone)]
pub(super) struct Text {
    bytes: Vec<u8>,
    /// What stands before the first line: a byte order mark or nothing.
    mark: Range<usize>,
    lines: Vec<Piece>,
    /// The line that counts, by name.
    last: HashMap<Box<str>, usize>,
    /// For a line that counts or did: the one before it with the same name.
    earlier: HashMap<usize, usize>,
    ending: &'static str,
    changed: bool,
}

/// A line with its ending.
#[derive(Clone)]
enum Piece {
    Kept(Range<usize>),
    Written(Box<str>),
    Gone,
}

impl Text {
    pub(super) fn parse(bytes: Vec<u8>) -> Self {
        let mark = if bytes.starts_with(BYTE_ORDER_MARK) {
            0..BYTE_ORDER_MARK.len()
        } else {
            0..0
        };
        let mut text = Self {
            ending: ending_of(bytes.split_inclusive(|&byte| byte == b'\n').next()),
            lines: Vec::new(),
            last: HashMap::new(),
            earlier: HashMap::new(),
            changed: false,
            mark: mark.clone(),
            bytes: Vec::new(),
        };
        let mut from = mark.end;
        let rest = bytes.get(from..).unwrap_or_default();
        for line in rest.split_inclusive(|&byte| byte == b'\n') {
            let to = from.saturating_add(line.len());
            if let Some(name) = name_in(line) {
                text.index(name, text.lines.len());
            }
            text.lines.push(Piece::Kept(from..to));
            from = to;
        }
        text.bytes = bytes;
        text
    }

    /// Whether anything was changed since [`Text::parse`].
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    /// The line that counts for this name.
    pub(super) fn line(&self, name: &str) -> Option<Line<'_>> {
        self.last.get(name).map(|&at| split(self.body(at)))
    }

    /// The lines that count, in the order of the file.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        (0..self.lines.len()).filter_map(|at| {
            let body = self.body(at);
            let counts = name_in(body).and_then(|name| self.last.get(name)) == Some(&at);
            counts.then(|| split(body))
        })
    }

    /// Writes an entry in the place of the line that counts and takes the name's other lines away,
    /// or adds one at the end.
    pub(super) fn put(&mut self, name: &str, credential: &str) {
        if self.line(name) == Some(Line::Entry { name, credential })
            && !self
                .last
                .get(name)
                .is_some_and(|at| self.earlier.contains_key(at))
        {
            return;
        }
        self.changed = true;
        if let Some(&at) = self.last.get(name) {
            let ending = match self.whole(at) {
                line if line.ends_with(b"\r\n") => "\r\n",
                line if line.ends_with(b"\n") => "\n",
                _ => "",
            };
            self.replace(at, Piece::Written(entry(name, credential, ending)));
            self.remove_earlier(at);
        } else {
            self.index(name, self.lines.len());
            let line = entry(name, credential, self.ending);
            self.lines.push(Piece::Written(line));
        }
    }

    /// Takes every line of this name away; says whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some(at) = self.last.remove(name) else {
            return false;
        };
        self.changed = true;
        self.replace(at, Piece::Gone);
        self.remove_earlier(at);
        true
    }

    pub(super) fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.bytes.get(self.mark.clone()).unwrap_or_default())?;
        let mut ended = true;
        for at in 0..self.lines.len() {
            let line = self.whole(at);
            if line.is_empty() {
                continue;
            }
            // The file's last line may lack its newline; what follows must not be glued to it.
            if !ended {
                out.write_all(self.ending.as_bytes())?;
            }
            out.write_all(line)?;
            ended = line.ends_with(b"\n");
        }
        Ok(())
    }

    fn index(&mut self, name: &str, at: usize) {
        if let Some(last) = self.last.get_mut(name) {
            self.earlier.insert(at, *last);
            *last = at;
        } else {
            self.last.insert(name.into(), at);
        }
    }

    fn remove_earlier(&mut self, mut at: usize) {
        while let Some(earlier) = self.earlier.remove(&at) {
            self.replace(earlier, Piece::Gone);
            at = earlier;
        }
    }

    fn replace(&mut self, at: usize, piece: Piece) {
        if let Some(place) = self.lines.get_mut(at) {
            *place = piece;
        }
    }

    fn whole(&self, at: usize) -> &[u8] {
        match self.lines.get(at) {
            Some(Piece::Kept(range)) => self.bytes.get(range.clone()).unwrap_or_default(),
            Some(Piece::Written(line)) => line.as_bytes(),
            Some(Piece::Gone) | None => b"",
        }
    }

    fn body(&self, at: usize) -> &[u8] {
        let line = self.whole(at);
        line.strip_suffix(b"\n").unwrap_or(line)
    }
}

fn name_in(line: &[u8]) -> Option<&str> {
    match split(line.strip_suffix(b"\n").unwrap_or(line)) {
        Line::Entry { name, .. } => Some(name),
        Line::Bad { name, .. } => name,
        Line::Blank | Line::Comment => None,
    }
}

fn ending_of(line: Option<&[u8]>) -> &'static str {
    if line.is_some_and(|line| line.ends_with(b"\r\n")) {
        "\r\n"
    } else {
        "\n"
    }
}

fn entry(name: &str, credential: &str, ending: &str) -> Box<str> {
    [name, ":", credential, ending].concat().into()
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edited(before: &[u8], edit: impl FnOnce(&mut Text)) -> Vec<u8> {
        let mut text = Text::parse(before.to_vec());
        edit(&mut text);
        let mut out = Vec::new();
        text.write_to(&mut out).unwrap();
        out
    }

    #[test]
    fn a_change_keeps_every_other_byte() {
        let before = b"# staff\n\n roger : old : x\nnonsense\n\xff\xfe\nsub:$7$s\n#end";
        assert_eq!(
            edited(before, |text| text.put("roger", "new")),
            b"# staff\n\nroger:new\nnonsense\n\xff\xfe\nsub:$7$s\n#end"
        );
    }

    #[test]
    fn a_new_entry_is_never_glued_to_the_last_line() {
        assert_eq!(edited(b"a:1", |text| text.put("b", "2")), b"a:1\nb:2\n");
        assert_eq!(
            edited(b"a:1\r\n#x", |text| text.put("b", "2")),
            b"a:1\r\n#x\r\nb:2\r\n"
        );
        assert_eq!(edited(b"", |text| text.put("b", "2")), b"b:2\n");
    }

    #[test]
    fn endings_and_the_byte_order_mark_stay() {
        assert_eq!(
            edited(b"\xef\xbb\xbfa:1\r\nb:2", |text| {
                text.put("a", "3");
                text.put("b", "4");
            }),
            b"\xef\xbb\xbfa:3\r\nb:4"
        );
    }

    #[test]
    fn of_several_lines_the_last_one_counts_and_stays_alone_after_a_change() {
        let before = b"a:1\nb:2\na:3\na:\nc:4\n";
        let text = Text::parse(b"a:1\nb:2\na:3\nc:4\n".to_vec());
        let counting: Vec<_> = text.lines().collect();
        assert_eq!(
            counting,
            [("b", "2"), ("a", "3"), ("c", "4")]
                .map(|(name, credential)| Line::Entry { name, credential })
        );
        assert_eq!(
            edited(before, |text| text.put("a", "5")),
            b"b:2\na:5\nc:4\n"
        );
        assert_eq!(
            edited(before, |text| assert!(text.remove("a"))),
            b"b:2\nc:4\n"
        );
    }

    #[test]
    fn an_entry_can_come_and_go_and_come_again() {
        let after = edited(b"a:1\n#x\n", |text| {
            text.put("b", "2");
            assert!(text.remove("a"));
            assert!(text.remove("b"));
            text.put("a", "3");
            text.put("a", "4");
        });
        assert_eq!(after, b"#x\na:4\n");
    }

    #[test]
    fn the_same_again_is_no_change() {
        let mut text = Text::parse(b"a:1\n".to_vec());
        text.put("a", "1");
        assert!(!text.remove("b"));
        assert!(!text.is_changed());
        text.put("a", "2");
        assert!(text.is_changed());
    }

    proptest! {
        #[test]
        fn without_a_change_every_byte_comes_out_as_it_went_in(bytes in "[ab:#\r\n \u{feff}é]{0,60}") {
            prop_assert_eq!(edited(bytes.as_bytes(), |_| ()), bytes.as_bytes());
        }

        #[test]
        fn what_was_put_counts_and_what_was_removed_is_gone(bytes in "[ab:#\r\n ]{0,60}") {
            let put = edited(bytes.as_bytes(), |text| text.put("a", "$7$x"));
            let found = Text::parse(put.clone());
            prop_assert_eq!(found.line("a"), Some(Line::Entry { name: "a", credential: "$7$x" }));
            let removed = Text::parse(edited(&put, |text| {
                text.remove("a");
            }));
            prop_assert_eq!(removed.line("a"), None);
        }
    }
}
