//! One line of a password file, as Mosquitto's `password_file.c` splits it and a little kinder.
//!
//! Must not: allocate, judge a credential, or know the line's neighbours. The reader and the writer
//! share this grammar: what the one lets in, the other can change.
#![forbid(unsafe_code)]

use memchr::memchr;

use crate::model::{AccountName, NameError};

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Nothing.
    Blank,
    /// `#` in the first column.
    Comment,
    /// An account.
    Entry {
        /// The username; always a valid [`AccountName`].
        name: &'a str,
        /// The stored text, never empty and not yet understood.
        credential: &'a str,
    },
    /// Neither of them. It lets nobody in, and takes no other line down with it.
    Bad {
        /// Whose line it is, where that can be read: that account is then unusable.
        name: Option<&'a str>,
        /// What is wrong, without anything that the line says.
        why: &'static str,
    },
}

/// Splits a line, given without its newline and, if it is the first, without a byte order mark.
#[must_use]
pub fn split(line: &[u8]) -> Line<'_> {
    if line.first() == Some(&b'#') {
        return Line::Comment;
    }
    let line = trimmed(line);
    if line.is_empty() {
        return Line::Blank;
    }
    let Some((name, rest)) = cut(line) else {
        return Line::Bad {
            name: None,
            why: "there is no colon between a username and a credential",
        };
    };
    let credential = field(rest);
    let name = match readable(trimmed(name)) {
        Ok(name) => name,
        Err(why) => return Line::Bad { name: None, why },
    };
    let bad = |why| Line::Bad {
        name: Some(name),
        why,
    };
    if line.contains(&0) {
        return bad("it contains a NUL byte");
    }
    match std::str::from_utf8(credential) {
        Ok("") => bad("there is no credential behind the username"),
        Ok(credential) => Line::Entry { name, credential },
        Err(_) => bad("the credential is not UTF-8"),
    }
}

/// The stored text in what is behind a username: up to the next colon, whatever comes after that. SCRAM
/// keys have colons of their own, so they are all of the line.
fn field(rest: &[u8]) -> &[u8] {
    let whole = trimmed(rest);
    if whole.starts_with(KEYS.as_bytes()) {
        return whole;
    }
    cut(rest).map_or(whole, |(credential, _)| trimmed(credential))
}

/// Whether a line can hold this credential and give it back.
#[must_use]
pub fn can_hold(credential: &str) -> bool {
    let bytes = credential.as_bytes();
    !bytes.is_empty() && !credential.contains(char::is_control) && field(bytes) == bytes
}

/// What SCRAM keys begin with.
const KEYS: &str = "SCRAM-SHA-";

/// What is before and behind the first colon.
fn cut(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = text.split_at_checked(memchr(b':', text)?)?;
    rest.split_first().map(|(_, rest)| (name, rest))
}

fn readable(name: &[u8]) -> Result<&str, &'static str> {
    let name = std::str::from_utf8(name).map_err(|_| "the username is not UTF-8")?;
    match AccountName::check(name) {
        Ok(()) => Ok(name),
        Err(NameError::Empty) => Err("the username is empty"),
        Err(NameError::TooLong(_)) => Err("the username is longer than 65535 bytes"),
        Err(NameError::Control) => Err("the username contains control characters"),
    }
}

/// Without blanks at both ends; with the broker's `isspace`, so the CR of a CRLF goes too.
fn trimmed(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let from = text.iter().position(|byte| !blank(byte)).unwrap_or(0);
    let to = text
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(from, |last| last.saturating_add(1));
    text.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry<'a>(name: &'a str, credential: &'a str) -> Line<'a> {
        Line::Entry { name, credential }
    }

    fn whose(line: &[u8]) -> Option<&str> {
        match split(line) {
            Line::Bad { name, .. } => name,
            other @ (Line::Blank | Line::Comment | Line::Entry { .. }) => {
                panic!("{other:?} is not bad")
            }
        }
    }

    #[test]
    fn name_and_credential_are_trimmed_and_the_rest_is_ignored() {
        assert_eq!(split(b"roger:$7$x"), entry("roger", "$7$x"));
        assert_eq!(split(b" roger \t: $7$x \r"), entry("roger", "$7$x"));
        assert_eq!(split(b"roger:$7$x:more:\xff"), entry("roger", "$7$x"));
        assert_eq!(split(b"ro ger:$7$ x"), entry("ro ger", "$7$ x"));
        assert_eq!(split(b" #roger:x"), entry("#roger", "x"));
    }

    #[test]
    fn scram_keys_keep_their_colons() {
        assert_eq!(
            split(b"roger: SCRAM-SHA-256$1:s$k:k \r"),
            entry("roger", "SCRAM-SHA-256$1:s$k:k")
        );
        assert_eq!(split(b"roger:SCRAM:x"), entry("roger", "SCRAM"));
    }

    #[test]
    fn comments_and_blanks_are_no_entries() {
        assert_eq!(split(b"# roger:$7$x"), Line::Comment);
        assert_eq!(split(b"#"), Line::Comment);
        assert_eq!(split(b""), Line::Blank);
        assert_eq!(split(b" \t\r"), Line::Blank);
    }

    #[test]
    fn a_bad_line_lets_nobody_in_and_says_whose_it_is() {
        assert_eq!(whose(b"roger"), None);
        assert_eq!(whose(b":$7$x"), None);
        assert_eq!(whose(b" : "), None);
        assert_eq!(whose(b"ro\xffger:$7$x"), None);
        assert_eq!(whose(b"ro\0ger:$7$x"), None);
        assert_eq!(whose(b"roger:"), Some("roger"));
        assert_eq!(whose(b"roger: :$7$x"), Some("roger"));
        assert_eq!(whose(b"roger:$7$\0x"), Some("roger"));
        assert_eq!(whose(b"roger:$7$x:\0"), Some("roger"));
        assert_eq!(whose(b"roger:$7$\xff"), Some("roger"));
        assert_eq!(whose(&[&[b'a'; 65_536][..], b":x"].concat()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_and_every_name_is_valid(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            match split(&line) {
                Line::Entry { name, credential } => {
                    prop_assert!(AccountName::new(name).is_ok());
                    let has_colons = credential.contains(':') && !credential.starts_with(KEYS);
                    prop_assert!(!credential.is_empty() && !has_colons && !credential.contains('\0'));
                }
                Line::Bad { name: Some(name), .. } => prop_assert!(AccountName::new(name).is_ok()),
                Line::Bad { name: None, .. } | Line::Blank | Line::Comment => {}
            }
        }

        #[test]
        fn what_is_written_is_read_again(name in "[^:#\\s\\pC][^:\\pC]{0,20}[^:\\s\\pC]", credential in "[!-9;-~]{1,40}") {
            let line = format!("{name}:{credential}");
            prop_assert_eq!(split(line.as_bytes()), entry(&name, &credential));
        }
    }
}
