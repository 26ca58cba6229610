//! A token whose signature is verified elsewhere: what is asked there, and what waits for the answer.
//!
//! Must not: give anything of a token away before a key is known that signed it, or believe in a key that is not
//! in force any more when the answer comes.
#![forbid(unsafe_code)]

use std::sync::Arc;

use jiff::Timestamp;

use super::json::Object;
use super::{Claims, Fault, Key, KeyId, decoded, divided};
use crate::config::{Algorithm, Jwt};

/// A key that may have signed a token.
pub struct Signer {
    key: Key,
    algorithm: Algorithm,
}

/// A token without its signature. Many may wait, so it takes no more memory than it is long.
pub struct Unproven {
    payload: Vec<u8>,
    signers: Vec<KeyId>,
}

impl Signer {
    pub(super) fn new(key: &Key, algorithm: Algorithm) -> Self {
        Self {
            key: key.clone(),
            algorithm,
        }
    }

    /// Whether it signed this token.
    #[must_use]
    pub fn signed(&self, token: &[u8]) -> bool {
        let parts = divided(token).and_then(|(signed, part)| Ok((signed, decoded(part)?)));
        parts.is_ok_and(|(signed, signature)| self.key.verify(self.algorithm, signed, &signature))
    }
}

impl Unproven {
    pub(super) fn new(payload: Vec<u8>, signers: &[Signer]) -> Self {
        Self {
            payload,
            signers: signers.iter().map(|signer| signer.key.id()).collect(),
        }
    }

    /// What is in it, if it was found to be signed by that one of its [`Signer`]s, which is still one of these
    /// keys, and is good now.
    ///
    /// # Errors
    /// For the first thing that is wrong, as [`Parsed::verify`](super::Parsed::verify) has it.
    pub fn verified(
        &self,
        signer: Option<usize>,
        keys: &[Arc<[Key]>],
        wanted: &Jwt,
        now: Timestamp,
    ) -> Result<Claims, Fault> {
        let signer = signer.and_then(|index| self.signers.get(index));
        let signer = *signer.ok_or(Fault::Signature)?;
        let mut keys = keys.iter().flat_map(|keys| keys.iter());
        match keys.any(|key| key.id() == signer) {
            true => Claims::judge(&Object::read(&self.payload)?, signer, wanted, now),
            false => Err(Fault::NoKey),
        }
    }
}
