//! Keys for SCRAM: what PostgreSQL stores and calls `SCRAM-SHA-256`, the same for SHA-512, and the keys
//! that follow from a PBKDF2 hash.
//!
//! Must not: take the two for equally good. A hash is RFC 5802's SaltedPassword, from which a client's
//! proof is made, so whoever has it can log in; StoredKey and ServerKey only verify one.
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cost::{Cost, Digest, Readings};
use super::error::{ParseError, Part};
use super::field::{self, MOST_BYTES};
use super::{Credential, Form, pbkdf2};
use crate::config::CostLimits;
use crate::mechanism::{Keys, Mechanism};
use crate::model::StoredCredential;

/// Behind `SCRAM-SHA-256$`.
pub(super) fn sha256(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    keys(Mechanism::Sha256, rest, limits)
}

/// Behind `SCRAM-SHA-512$`.
pub(super) fn sha512(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    keys(Mechanism::Sha512, rest, limits)
}

/// `ITERATIONS:SALT$STOREDKEY:SERVERKEY`.
fn keys(mechanism: Mechanism, rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    const FORM: &str = "SCRAM-SHA-256|512$ITERATIONS:SALT$STOREDKEY:SERVERKEY";
    let malformed = || ParseError::Malformed { form: FORM };
    let [told, kept] = field::parts(rest, FORM)?;
    let (iterations, salt) = told.split_once(':').ok_or_else(malformed)?;
    let (stored, server) = kept.split_once(':').ok_or_else(malformed)?;
    let iterations = pbkdf2::counted(iterations)?;
    let salt = field::sized(field::padded(salt, Part::Salt)?, Part::Salt, 1, MOST_BYTES)?;
    let bytes = mechanism.bytes();
    let key = |text| field::sized(field::padded(text, Part::Key)?, Part::Key, bytes, bytes);
    let (stored, server) = (key(stored)?, key(server)?);
    let digest = digest(mechanism);
    let cost = pbkdf2::cost(digest, iterations, bytes, Readings::One, limits)?;
    Ok(Credential {
        form: Form::Keys {
            mechanism,
            server: server.into(),
        },
        ..Credential::new(cost, salt, stored)
    })
}

/// The hash that a mechanism repeats.
pub(super) fn digest(mechanism: Mechanism) -> Digest {
    match mechanism {
        Mechanism::Sha256 => Digest::Sha256,
        Mechanism::Sha512 => Digest::Sha512,
    }
}

/// The text that holds keys.
pub(super) fn written(keys: &Keys) -> String {
    let Keys {
        mechanism,
        salt,
        iterations,
        stored,
        server,
    } = keys;
    format!(
        "{mechanism}${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

impl Credential {
    /// What verifies a proof by this mechanism; none where what is stored is no hash of that kind, or
    /// not the whole of it, or where its salt can be read in two ways.
    #[must_use]
    pub fn keys(&self, mechanism: Mechanism) -> Option<Keys> {
        let Cost::Pbkdf2 {
            digest: stored,
            iterations,
            readings: Readings::One,
            ..
        } = self.cost
        else {
            return None;
        };
        let [salt] = self.salts.as_slice() else {
            return None;
        };
        if stored != digest(mechanism) {
            return None;
        }
        match &self.form {
            // Longer hashes begin with the one that is asked for.
            Form::Hash => {
                let salted = self.expected.get(..mechanism.bytes())?;
                Some(Keys::of(mechanism, salted, salt.clone(), iterations))
            }
            Form::Keys { server, .. } => Some(Keys {
                mechanism,
                salt: salt.clone(),
                iterations,
                stored: self.expected.clone().into(),
                server: server.clone(),
            }),
        }
    }

    /// Whether it holds keys, which log nobody in that has stolen them.
    #[must_use]
    pub fn holds_keys(&self) -> bool {
        match self.form {
            Form::Hash => false,
            Form::Keys { .. } => true,
        }
    }

    /// The keys that follow from a hash, to be stored in its place; none where none follow, or where
    /// keys are stored already. The hash does not follow from them any more.
    #[must_use]
    pub fn converted(&self) -> Option<StoredCredential> {
        if self.holds_keys() {
            return None;
        }
        let mut mechanisms = Mechanism::ALL.into_iter();
        let keys = mechanisms.find_map(|mechanism| self.keys(mechanism))?;
        Some(StoredCredential::marked(&written(&keys)))
    }
}
