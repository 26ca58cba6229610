//! The record of what administration did: each act is chained to the one before it by a hash.
//!
//! The hash is SHA-256 of the text "doorman audit 1" and a zero byte, the hash before it, the number and
//! the Unix seconds as 8 bytes each, most significant first, and then each field in the order of
//! [`Entry`]: a zero byte for none, or a one, the length as 8 bytes, and the bytes. Must not: see a
//! credential; and not promise more than a chain can: whoever may write the file can write another chain.
//! It is known by a hash of the first one that was kept elsewhere.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Error;
use crate::model::AccountName;

/// One act, before it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// When, in whole seconds.
    pub at: Timestamp,
    /// By whom: `cli:root`, `mqtt:roger`.
    pub who: Box<str>,
    /// From where: `local`, or an address and client id.
    pub from: Box<str>,
    /// What was done; the name of dynamic-security's command where there is one.
    pub verb: Box<str>,
    /// To which account.
    pub username: Option<Box<str>>,
    /// To which group, or with which.
    pub groupname: Option<Box<str>>,
    /// To which role, or with which.
    pub rolename: Option<Box<str>>,
    /// What differs, as it was: a JSON object.
    pub before: Option<Box<str>>,
    /// What differs, as it is.
    pub after: Option<Box<str>>,
}

/// One act as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Its number: one more than that of the record before it.
    pub seq: i64,
    /// What was done.
    pub entry: Entry,
    /// The hash of the record before it.
    pub prev: Hash,
    /// Its own.
    pub hash: Hash,
}

/// What stands for a record and all before it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

/// The end of a chain: what the next record continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// The number of the last record.
    pub seq: i64,
    /// Its hash.
    pub hash: Hash,
}

/// Why a record does not continue the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Records are missing before it, or it is there twice.
    #[error("record {found} stands where record {expected} should")]
    Number {
        /// The number that should come.
        expected: i64,
        /// The number it has.
        found: i64,
    },
    /// It continues something else.
    #[error("record {0} does not continue the one before it")]
    Prev(i64),
    /// It was changed after it was written.
    #[error("record {0} is not what was written down: its hash is another")]
    Hash(i64),
}

/// Which records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Search {
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Not from this moment on.
    pub until: Option<Timestamp>,
    /// About this account.
    pub username: Option<AccountName>,
    /// Of these, the newest so many.
    pub newest: Option<u64>,
    /// Of those, the ones behind this number.
    pub behind: Option<i64>,
}

/// What was pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pruned {
    /// How many records.
    pub records: u64,
    /// The newest of them.
    pub last: i64,
}

/// The record of a place, being read.
pub trait Trail {
    /// What the oldest record continues: the newest one that was pruned.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn anchor(&mut self) -> Result<Link, Error>;

    /// Shows records, the oldest first, until the visitor fails.
    ///
    /// # Errors
    /// When the place or a record cannot be read, or the visitor's own.
    fn records(
        &mut self,
        search: &Search,
        visit: &mut dyn FnMut(Record) -> Result<(), Error>,
    ) -> Result<(), Error>;
}

impl Link {
    /// The record that continues this with an act.
    #[must_use]
    pub fn record(&self, entry: Entry) -> Record {
        let seq = self.seq.saturating_add(1);
        Record {
            seq,
            hash: digest(self.hash, seq, &entry),
            prev: self.hash,
            entry,
        }
    }

    /// The end of the chain with this record.
    ///
    /// # Errors
    /// When it does not continue this one, or its hash is not its own.
    pub fn followed_by(&self, record: &Record) -> Result<Self, Broken> {
        let expected = self.seq.saturating_add(1);
        let (found, hash) = (record.seq, record.hash);
        if found != expected {
            return Err(Broken::Number { expected, found });
        }
        if record.prev != self.hash {
            return Err(Broken::Prev(found));
        }
        if hash != digest(self.hash, found, &record.entry) {
            return Err(Broken::Hash(found));
        }
        Ok(Self { seq: found, hash })
    }
}

fn digest(prev: Hash, seq: i64, entry: &Entry) -> Hash {
    let Entry {
        at,
        who,
        from,
        verb,
        username,
        groupname,
        rolename,
        before,
        after,
    } = entry;
    let mut sha = Sha256::new()
        .chain_update(b"doorman audit 1\0")
        .chain_update(prev.0)
        .chain_update(seq.to_be_bytes())
        .chain_update(at.as_second().to_be_bytes());
    let required = [who, from, verb].map(Some);
    let optional = [username, groupname, rolename, before, after].map(Option::as_ref);
    for field in required.into_iter().chain(optional) {
        match field {
            None => sha.update([0]),
            Some(text) => {
                let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
                sha.update([1]);
                sha.update(length.to_be_bytes());
                sha.update(text.as_bytes());
            }
        }
    }
    Hash(sha.finalize().into())
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct NoHash;

impl TryFrom<String> for Hash {
    type Error = NoHash;

    fn try_from(text: String) -> Result<Self, NoHash> {
        text.parse()
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl FromStr for Hash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or(NoHash);
        let mut hash = [0; 32];
        if text.len() != 64 {
            return Err(NoHash);
        }
        let pairs = text.as_bytes().chunks_exact(2);
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            let number = pair
                .iter()
                .try_fold(0, |number, byte| Ok(number << 4 | digit(byte)?))?;
            *byte = u8::try_from(number).map_err(|_| NoHash)?;
        }
        Ok(Self(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Link = Link {
        seq: 0,
        hash: Hash([0; 32]),
    };

    fn entry() -> Entry {
        Entry {
            at: Timestamp::from_second(1_700_000_000).unwrap(),
            who: "cli:root".into(),
            from: "local".into(),
            verb: "createClient".into(),
            username: Some("ann".into()),
            groupname: None,
            rolename: None,
            before: None,
            after: Some("{}".into()),
        }
    }

    #[test]
    fn a_record_continues_the_one_it_was_made_for_and_no_other() {
        let first = START.record(entry());
        let end = START.followed_by(&first).unwrap();
        let second = end.record(entry());
        assert_ne!(first.hash, second.hash);
        assert!(end.followed_by(&second).is_ok());
        let expected = Broken::Number {
            expected: 1,
            found: 2,
        };
        assert_eq!(START.followed_by(&second), Err(expected));
        let elsewhere = Link {
            hash: Hash([7; 32]),
            ..end
        };
        assert_eq!(elsewhere.followed_by(&second), Err(Broken::Prev(2)));
    }

    #[test]
    fn no_field_can_be_another_and_none_can_be_moved() {
        let record = START.record(entry());
        let changes: [fn(&mut Entry); 10] = [
            |entry| entry.at = Timestamp::UNIX_EPOCH,
            |entry| entry.who = "cli:roo".into(),
            |entry| (entry.who, entry.from) = ("cli:rootl".into(), "ocal".into()),
            |entry| entry.verb = "deleteClient".into(),
            |entry| entry.username = None,
            |entry| entry.username = Some("".into()),
            |entry| (entry.username, entry.groupname) = (None, Some("ann".into())),
            |entry| entry.rolename = Some("".into()),
            |entry| (entry.before, entry.after) = (Some("{}".into()), None),
            |entry| entry.after = Some("{ }".into()),
        ];
        for change in changes {
            let mut other = record.clone();
            change(&mut other.entry);
            assert_eq!(START.followed_by(&other), Err(Broken::Hash(1)), "{other:?}");
        }
        assert!(START.followed_by(&record).is_ok());
    }

    #[test]
    fn the_hash_is_as_it_is_written_down_above() {
        let hash = START.record(entry()).hash.to_string();
        assert_eq!(hash, HASH_OF_ENTRY);
        assert_eq!(hash.parse::<Hash>().unwrap().to_string(), hash);
        let (short, odd) = (hash.replacen(['0', '1'], "", 1), format!("{:g>64}", "f"));
        for text in ["", "xyz", &short, &odd] {
            assert_eq!(text.parse::<Hash>(), Err(NoHash));
        }
    }

    /// Computed by another program from the words at the head of this file.
    const HASH_OF_ENTRY: &str = "54d34582bf50a4b1369498e8c604344c9ff85869933e6443a7ef695a416bac1e";
}
