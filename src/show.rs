//! Text that somebody else chose, made fit for a log line.
//!
//! Must not: be bypassed. A client picks its username and client id; printed raw they could end a
//! line early, colour a terminal or forge a second entry that fail2ban believes.
#![forbid(unsafe_code)]

use std::fmt;

/// Longest excerpt of foreign text that is shown, in characters.
const LONGEST: usize = 128;

/// Shows untrusted text in double quotes: control characters, quotes, backslashes and everything
/// that is not plainly visible escaped, cut after 128 characters with the full length in bytes told.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars().take(LONGEST) {
            write!(f, "{}", c.escape_debug())?;
        }
        f.write_str("\"")?;
        if self.0.chars().nth(LONGEST).is_some() {
            write!(f, "...({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let shown = Shown(&"x".repeat(65_535)).to_string();
        assert!(shown.ends_with("\"...(65535 bytes)"));
        assert!(shown.len() < 160);
    }
}
