//! Keys of TLS-PSK, and the identities that clients name them by.
//!
//! Must not: show a key. As JSON there is one in commands alone, on their way to a store.
#![forbid(unsafe_code)]

use std::borrow::Borrow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{AccountName, NameError};

/// Why a text is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    /// It could not be a username either.
    #[error(transparent)]
    Name(#[from] NameError),
    /// OpenSSL takes no longer ones.
    #[error("an identity can have at most {LONGEST_IDENTITY} bytes, not {0}")]
    TooLong(usize),
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// An empty key would be everybody's.
    #[error("a key cannot be empty")]
    Empty,
    /// Something is no pair of hexadecimal digits.
    #[error("a key is pairs of hexadecimal digits")]
    NoHex,
    /// OpenSSL takes no longer ones.
    #[error("a key can have at most {LONGEST_KEY} bytes")]
    TooLong,
}

/// What a client names its key by: what could be a username, and is no longer than OpenSSL takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PskIdentity(Arc<str>);

impl PskIdentity {
    /// Checks a text and takes it as an identity.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn new(text: &str) -> Result<Self, NoIdentity> {
        // The lesser reason first: a text that is too long for a name is too long for this.
        if text.len() > LONGEST_IDENTITY {
            return Err(NoIdentity::TooLong(text.len()));
        }
        AccountName::check(text)?;
        Ok(Self(text.into()))
    }

    /// The identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PskIdentity {
    type Error = NoIdentity;

    fn try_from(text: String) -> Result<Self, NoIdentity> {
        Self::new(&text)
    }
}

impl From<PskIdentity> for String {
    fn from(identity: PskIdentity) -> Self {
        identity.as_str().to_owned()
    }
}

impl Borrow<str> for PskIdentity {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key: wiped when dropped, shown by nothing.
#[derive(Clone)]
pub struct PskKey(Zeroizing<Vec<u8>>);

impl PskKey {
    /// Takes the bytes of a key.
    ///
    /// # Errors
    /// When there are none, or too many.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, NoKey> {
        match bytes.len() {
            0 => Err(NoKey::Empty),
            1..=LONGEST_KEY => Ok(Self(bytes)),
            _ => Err(NoKey::TooLong),
        }
    }

    /// Reads a key as stock files have it.
    ///
    /// # Errors
    /// When the text is no key.
    pub fn from_hex(text: &[u8]) -> Result<Self, NoKey> {
        if text.len() > LONGEST_KEY.saturating_mul(2) {
            return Err(NoKey::TooLong);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len().div_ceil(2)));
        for pair in text.chunks(2) {
            let digits = match pair {
                [high, low] => digit(*high).zip(digit(*low)),
                _ => None,
            };
            let (high, low) = digits.ok_or(NoKey::NoHex)?;
            bytes.push((high << 4) | low);
        }
        Self::new(bytes)
    }

    /// The key in lower case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len().saturating_mul(2)));
        for byte in self.0.iter() {
            // A string takes whatever is written.
            write!(text, "{byte:02x}").ok();
        }
        text
    }

    /// The bytes, for whoever seals or compares them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bits it has.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.0.len().saturating_mul(8)
    }
}

impl PartialEq for PskKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for PskKey {}

impl fmt::Debug for PskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for PskKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_hex().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PskKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Self::from_hex(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

/// An identity, whose it is, and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Psk {
    /// What the client names.
    pub identity: PskIdentity,
    /// The account that it becomes.
    pub name: AccountName,
    /// What it must have.
    pub key: PskKey,
}

/// A line of a stock `psk_file`.
#[derive(Debug, PartialEq, Eq)]
pub enum PskLine {
    /// Nothing, or a comment.
    Blank,
    /// An identity and its key.
    Entry(PskIdentity, PskKey),
}

/// Why a line of a stock `psk_file` cannot be taken. It says nothing of what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPskLine {
    /// Not UTF-8.
    #[error("the line is not UTF-8")]
    NoText,
    /// No colon.
    #[error("a line is an identity, a colon and a key")]
    NoColon,
    /// What stands before the colon.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// What stands behind it.
    #[error(transparent)]
    Key(#[from] NoKey),
}

impl PskLine {
    /// Reads a line without its break, as the broker does: blanks around both parts do not count.
    ///
    /// # Errors
    /// When it is no such line.
    pub fn parse(line: &[u8]) -> Result<Self, BadPskLine> {
        let text = std::str::from_utf8(line).map_err(|_| BadPskLine::NoText)?;
        if text.starts_with('#') || trimmed(text).is_empty() {
            return Ok(Self::Blank);
        }
        let (identity, rest) = text.split_once(':').ok_or(BadPskLine::NoColon)?;
        let key = rest.split_once(':').map_or(rest, |(key, _)| key);
        let identity = PskIdentity::new(trimmed(identity))?;
        Ok(Self::Entry(
            identity,
            PskKey::from_hex(trimmed(key).as_bytes())?,
        ))
    }
}

/// Without the blanks around it, which are those of C's `isspace`: a no-break space is part of an identity.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, ' ' | '\t'..='\r'))
}

fn digit(character: u8) -> Option<u8> {
    let digit = char::from(character).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// `PSK_MAX_IDENTITY_LEN` of OpenSSL 3.
const LONGEST_IDENTITY: usize = 256;

/// `PSK_MAX_PSK_LEN` of OpenSSL 3.
const LONGEST_KEY: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<PskKey, NoKey> {
        PskKey::from_hex(text.as_bytes())
    }

    #[test]
    fn a_key_is_pairs_of_digits_of_either_case_and_is_written_in_lower_case() {
        assert_eq!(*key("0aFF").unwrap().to_hex(), "0aff");
        assert_eq!(key("0aff"), key("0AFF"));
        assert_eq!(key(&"ab".repeat(512)).unwrap().bits(), 4096);
        for (text, why) in [
            ("", NoKey::Empty),
            ("abc", NoKey::NoHex),
            ("0g", NoKey::NoHex),
            ("0x0a", NoKey::NoHex),
            (" a", NoKey::NoHex),
            (&*"ab".repeat(513), NoKey::TooLong),
        ] {
            assert_eq!(key(text), Err(why), "{text}");
        }
    }

    #[test]
    fn an_identity_is_what_could_be_a_username_and_no_longer_than_openssl_takes() {
        for text in ["sensor-3", "a:b", "späť", &"x".repeat(256)] {
            assert_eq!(PskIdentity::new(text).unwrap().as_str(), text);
        }
        for text in ["", "a\nb", "a\0b", &"x".repeat(257)] {
            assert!(PskIdentity::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_line_of_a_stock_file_is_read_as_the_broker_reads_it() {
        let entry = |line: &str| match PskLine::parse(line.as_bytes()) {
            Ok(PskLine::Entry(identity, key)) => (identity.to_string(), key.to_hex().to_string()),
            other => panic!("{other:?}"),
        };
        let one = ("one".to_owned(), "ab12".to_owned());
        for line in ["one:ab12", "one:AB12", " one : ab12 \r", "one:ab12:rest"] {
            assert_eq!(entry(line), one, "{line}");
        }
        for identity in ["#one", "\u{a0}one\u{3000}"] {
            let line = format!("\t{identity}\u{b}:ab12");
            assert_eq!(entry(&line).0, identity, "behind a blank");
        }
        for blank in ["", "  ", "# one:ab12"] {
            assert_eq!(PskLine::parse(blank.as_bytes()), Ok(PskLine::Blank));
        }
        assert_eq!(PskLine::parse(b"one"), Err(BadPskLine::NoColon));
        assert_eq!(PskLine::parse(b"\xff:ab"), Err(BadPskLine::NoText));
        assert_eq!(
            PskLine::parse(b"one:xy"),
            Err(BadPskLine::Key(NoKey::NoHex))
        );
        assert!(matches!(
            PskLine::parse(b":ab"),
            Err(BadPskLine::Identity(_))
        ));
    }

    #[test]
    fn debug_of_a_key_shows_nothing_and_json_of_it_is_what_it_was() {
        let key = key("c0ffee").unwrap();
        assert_eq!(format!("{key:?}"), "[redacted]");
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<PskKey>(&json).unwrap(), key);
        assert!(serde_json::from_str::<PskKey>("\"xyz\"").is_err());
    }
}
