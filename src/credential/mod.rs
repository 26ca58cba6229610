//! Stored credentials: what they are, whether a password fits, and how to write new ones.
//!
//! Must not: read a clock, a file or a random number, or do costly work while parsing. Parsing is
//! total: every text becomes a credential or a reason. The trap: two forms begin with `$6$`, and a
//! text that begins like a hash must never be taken for a password in clear.
#![forbid(unsafe_code)]

use std::fmt;

use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::config::CostLimits;
use crate::mechanism::Mechanism;
use crate::model::{Scheme, StoredCredential};

mod argon2;
mod bcrypt;
mod cost;
mod error;
mod field;
mod known;
mod mosquitto;
mod pbkdf2;
mod recipe;
mod renewal;
mod scram;
mod scrypt;
mod sha_crypt;
mod unmarked;

pub use cost::{Bytes, Cost, Derivation, Digest, Readings, Scratch, Variant, Version};
pub use error::{HashError, ParseError, Part};
pub use known::Known;
pub use recipe::{Recipe, Salt, hash, hash_all};

/// A stored credential that has been understood.
pub struct Credential {
    cost: Cost,
    /// Each way to read the salt.
    salts: Vec<Vec<u8>>,
    expected: Vec<u8>,
    form: Form,
}

/// What is expected.
enum Form {
    /// The hash of the password.
    Hash,
    /// SCRAM's StoredKey, and the ServerKey beside it: both follow from the hash.
    Keys {
        mechanism: Mechanism,
        server: Zeroizing<Vec<u8>>,
    },
}

/// Whether a password fits a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl Match {
    fn of(same: Choice) -> Self {
        if same.into() { Self::Yes } else { Self::No }
    }
}

impl Credential {
    /// Reads a stored credential.
    ///
    /// # Errors
    /// When it has no known form, is damaged, or asks for more work than the limits allow.
    pub fn parse(stored: &StoredCredential, limits: &CostLimits) -> Result<Self, ParseError> {
        let text: &str = &stored.text;
        if text.is_empty() {
            return Err(ParseError::Empty);
        }
        match stored.scheme {
            Scheme::Marked => marked(text, stored.salt.as_deref(), limits),
            Scheme::RabbitMq => unmarked::rabbitmq(text),
            Scheme::Emqx(digest, place) => {
                let salt = stored.salt.as_deref().unwrap_or_default();
                unmarked::emqx(text, salt, digest, place, limits)
            }
        }
    }

    /// Whether this is the password. Takes the same time for every wrong one of the same length.
    pub fn verify(&self, password: &[u8]) -> Match {
        self.verify_with(password, &mut Scratch::default())
    }

    /// [`Self::verify`], in memory that is used again.
    pub fn verify_with(&self, password: &[u8], scratch: &mut Scratch) -> Match {
        let same = self.salts.iter().fold(Choice::from(0), |same, salt| {
            same | match self.cost.derived(password, salt, scratch) {
                Some(hash) => self.is(&hash),
                None => Choice::from(0),
            }
        });
        Match::of(same)
    }

    /// Whether this hash is what is stored, or what is stored follows from it.
    fn is(&self, hash: &[u8]) -> Choice {
        match &self.form {
            Form::Hash => hash.ct_eq(&self.expected),
            Form::Keys { mechanism, server } => {
                mechanism.stored_key(hash).ct_eq(&self.expected)
                    & mechanism.server_key(hash).ct_eq(server)
            }
        }
    }

    /// What to derive where that is done for many at once; none for what is no
    /// PBKDF2-HMAC-SHA512 of at most 64 bytes.
    #[must_use]
    pub fn derivation(&self) -> Option<Derivation<'_>> {
        let salt = self.salts.first()?;
        Some(Derivation {
            salt,
            ..self.cost.derivation()?
        })
    }

    /// Whether the first 64 bytes of [`Self::derivation`] are what is stored, or what is stored follows
    /// from them. In constant time.
    pub fn fits(&self, output: &[u8; 64]) -> Match {
        let same = match output.get(..self.expected.len()) {
            Some(output) => self.is(output),
            None => Choice::from(0),
        };
        Match::of(same)
    }

    /// What verifying costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Of which kind it is, for people.
    #[must_use]
    pub fn kind(&self) -> String {
        match &self.form {
            Form::Hash => self.cost.to_string(),
            Form::Keys { mechanism, .. } => format!("{mechanism} keys, {}", self.cost),
        }
    }

    fn new(cost: Cost, salt: Vec<u8>, expected: Vec<u8>) -> Self {
        Self {
            cost,
            salts: vec![salt],
            expected,
            form: Form::Hash,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Reads what follows a marker.
type Reader = fn(&str, &CostLimits) -> Result<Credential, ParseError>;

/// Every marker, the longer ones before those they begin with.
const MARKERS: &[(&str, Reader)] = &[
    ("$7$", mosquitto::seven),
    ("$6$", six),
    ("$5$", sha_crypt::five),
    ("$argon2id$", argon2::id),
    ("$argon2i$", argon2::i),
    ("$2a$", bcrypt::correct),
    ("$2b$", bcrypt::correct),
    ("$2y$", bcrypt::correct),
    ("$2x$", bcrypt::sign_extended),
    ("$scrypt$", scrypt::phc),
    ("SCRAM-SHA-256$", scram::sha256),
    ("SCRAM-SHA-512$", scram::sha512),
    ("PBKDF2$", pbkdf2::go_auth),
    ("$pbkdf2$", pbkdf2::sha1),
    ("$pbkdf2-sha1$", pbkdf2::sha1),
    ("$pbkdf2-sha256$", pbkdf2::sha256),
    ("$pbkdf2-sha512$", pbkdf2::sha512),
    ("pbkdf2_sha1$", pbkdf2::django_sha1),
    ("pbkdf2_sha256$", pbkdf2::django_sha256),
];

fn marked(text: &str, salt: Option<&str>, limits: &CostLimits) -> Result<Credential, ParseError> {
    for (marker, read) in MARKERS {
        if let Some(rest) = text.strip_prefix(marker) {
            return read(rest, limits);
        }
    }
    if let Some(found) = pbkdf2::hivemq(text, limits) {
        return found;
    }
    unmarked::cleartext(text, salt, limits)
}

/// `$6$` is crypt(3)'s with its 86 characters or its `rounds=`, and Mosquitto 1.x's otherwise.
fn six(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    if sha_crypt::claims_six(rest) {
        sha_crypt::six(rest, limits)
    } else {
        mosquitto::six(rest)
    }
}

#[cfg(test)]
mod known_answers;
#[cfg(test)]
mod tests;
