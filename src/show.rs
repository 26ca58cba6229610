//! Text that somebody else chose, made fit for a log line.
//!
//! Must not: be bypassed. A client picks its username and client id; printed raw they could end a
//! line early, colour a terminal or forge a second entry that fail2ban believes.
#![forbid(unsafe_code)]

use std::fmt;

/// Longest excerpt of foreign text that is shown, in bytes once escaped. The broker cuts a log line
/// at about 1000 bytes; two excerpts and the fields around them stay below that.
const LONGEST: usize = 256;

/// Shows untrusted text in double quotes: control characters, quotes, backslashes and everything
/// that is not plainly visible escaped, cut after 256 bytes with the full length in bytes told.
pub struct Shown<'a>(pub &'a str);

/// Text for people: bare where it is plain, quoted and escaped where it is not.
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !r#""'\"#.contains(c));
        if !self.0.is_empty() && self.0.len() <= 128 && self.0.chars().all(plain) {
            f.pad(self.0)
        } else {
            f.pad(&Shown(self.0).to_string())
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= LONGEST && self.0.bytes().all(is_plain) {
            f.write_str("\"")?;
            f.write_str(self.0)?;
            return f.write_str("\"");
        }
        let mut left = LONGEST;
        f.write_str("\"")?;
        for c in self.0.chars() {
            let escaped = c.escape_debug();
            // At most ten bytes for any character that is escaped, its own length for others.
            let bytes = escaped.clone().map(char::len_utf8).sum();
            let Some(rest) = left.checked_sub(bytes) else {
                return write!(f, "\"...({} bytes)", self.0.len());
            };
            left = rest;
            write!(f, "{escaped}")?;
        }
        f.write_str("\"")
    }
}

/// What stands for itself, as almost every name does.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_itself_is_what_would_not_be_escaped() {
        for byte in 0..128_u8 {
            let escaped = char::from(byte).escape_debug().count() > 1;
            assert_eq!(is_plain(byte), !escaped, "{byte}");
        }
    }

    #[test]
    fn plain_text_is_quoted() {
        assert_eq!(Shown("sensor/3").to_string(), "\"sensor/3\"");
    }

    #[test]
    fn a_line_break_or_quote_cannot_leave_the_quotes() {
        assert_eq!(Shown("a\"\nb\u{1b}[0m").to_string(), r#""a\"\nb\u{1b}[0m""#);
        assert_eq!(Shown("\u{202e}x").to_string(), r#""\u{202e}x""#);
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        for long in ["x".repeat(65_535), "\u{202e}".repeat(20_000)] {
            let shown = Shown(&long).to_string();
            assert!(shown.ends_with(&format!("\"...({} bytes)", long.len())));
            assert!(shown.len() < 300);
        }
    }
}
