//! New credentials.
//!
//! Must not: choose a salt. Randomness is an argument, so that a test can repeat what it saw.
#![forbid(unsafe_code)]

use std::fmt;
use std::num::NonZeroU32;

use zeroize::Zeroizing;

use super::cost::{Digest, Unable, Variant, Version};
use super::error::HashError;
use super::{argon2, mosquitto, pbkdf2, scram};
use crate::lanes::{self, Work};
use crate::mechanism::{Keys, Mechanism};
use crate::model::StoredCredential;

/// How a new credential is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// `$7$`, which every stock broker since 2.0 reads too.
    Pbkdf2Sha512 {
        /// How often the hash is repeated.
        iterations: u32,
    },
    /// `$argon2id$`, which a stock broker reads from 2.1 on, if it was built so.
    Argon2id {
        /// Memory in KiB, at least 8 for each lane.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// SCRAM's keys, which no stock broker reads.
    Scram {
        /// For which mechanism.
        mechanism: Mechanism,
        /// How often the hash is repeated.
        iterations: u32,
    },
}

impl Recipe {
    /// For a password that a person chose: OWASP's figure for PBKDF2-HMAC-SHA512.
    pub const STRONG: Self = Self::Pbkdf2Sha512 {
        iterations: 210_000,
    };
    /// For 192 random bits: stretching adds nothing to what cannot be guessed.
    pub const GENERATED: Self = Self::Pbkdf2Sha512 { iterations: 101 };
    /// SCRAM keys of a password that a person chose, by OWASP's figures for the mechanism's hash.
    #[must_use]
    pub const fn strong_scram(mechanism: Mechanism) -> Self {
        Self::Scram {
            mechanism,
            iterations: match mechanism {
                Mechanism::Sha256 => 600_000,
                Mechanism::Sha512 => 210_000,
            },
        }
    }

    /// SCRAM keys of 192 random bits: as cheap as clients accept.
    #[must_use]
    pub const fn generated_scram(mechanism: Mechanism) -> Self {
        Self::Scram {
            mechanism,
            iterations: Mechanism::LEAST_ITERATIONS,
        }
    }

    /// OWASP's first choice for Argon2id.
    pub const ARGON2ID: Self = Self::Argon2id {
        memory_kib: 19_456,
        passes: 2,
        lanes: 1,
    };
}

/// Sixteen random bytes. `$7$` uses the first twelve, because a stock 2.0 broker requires exactly
/// that many.
pub struct Salt([u8; Self::BYTES]);

impl Salt {
    /// How many random bytes to fetch.
    pub const BYTES: usize = 16;
    const MOSQUITTO: usize = 12;

    /// Takes bytes that no other credential was made with.
    #[must_use]
    pub fn new(random: [u8; Self::BYTES]) -> Self {
        Self(random)
    }

    fn twelve(&self) -> &[u8] {
        let (twelve, _unused) = self.0.split_at(Self::MOSQUITTO);
        twelve
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Hashes passwords for storage, each with its salt, side by side where the recipe allows it.
///
/// # Errors
/// As [`hash`], for the first one that cannot be hashed.
pub fn hash_all(
    passwords: &[&[u8]],
    recipe: &Recipe,
    salts: &[Salt],
) -> Result<Vec<StoredCredential>, HashError> {
    let pairs = passwords.iter().zip(salts);
    let Recipe::Pbkdf2Sha512 { iterations } = *recipe else {
        return pairs
            .map(|(password, salt)| hash(password, recipe, salt))
            .collect();
    };
    let times = NonZeroU32::new(iterations).filter(|times| i32::try_from(times.get()).is_ok());
    let times = times.ok_or(HashError::Iterations)?;
    let pairs: Vec<_> = pairs.collect();
    let mut hashed = Vec::with_capacity(pairs.len());
    for some in pairs.chunks(lanes::width().max(1)) {
        let begin =
            |(password, salt): &(&&[u8], &Salt)| Work::begin(password, salt.twelve(), times);
        let mut works: Vec<Work> = some.iter().map(begin).collect();
        lanes::advance(&mut works, times.get());
        for (work, (_, salt)) in works.iter().zip(some) {
            let output = work.output().ok_or(HashError::Iterations)?;
            let text = mosquitto::written(iterations, salt.twelve(), output.as_slice());
            hashed.push(StoredCredential::marked(&text));
        }
    }
    Ok(hashed)
}

/// Hashes a password for storage.
///
/// # Errors
/// When the recipe's parameters make no sense, or there is not enough memory for them.
pub fn hash(password: &[u8], recipe: &Recipe, salt: &Salt) -> Result<StoredCredential, HashError> {
    let text = match *recipe {
        Recipe::Pbkdf2Sha512 { iterations } => {
            // The broker keeps it in an int.
            if iterations == 0 || i32::try_from(iterations).is_err() {
                return Err(HashError::Iterations);
            }
            let salt = salt.twelve();
            let hash = derived(Digest::Sha512, password, salt, iterations);
            mosquitto::written(iterations, salt, &hash)
        }
        Recipe::Scram {
            mechanism,
            iterations,
        } => {
            if iterations == 0 {
                return Err(HashError::Iterations);
            }
            let hash = derived(scram::digest(mechanism), password, &salt.0, iterations);
            let keys = Keys::of(mechanism, &hash, salt.0.to_vec(), iterations);
            scram::written(&keys)
        }
        Recipe::Argon2id {
            memory_kib,
            passes,
            lanes,
        } => {
            let mut hash = Zeroizing::new([0; 32]);
            argon2::hasher(Variant::Id, Version::V19, memory_kib, passes, lanes)
                .and_then(|hasher| {
                    let scratch = &mut super::Scratch::default();
                    argon2::derive(&hasher, password, &salt.0, hash.as_mut_slice(), scratch)
                })
                .map_err(|Unable| HashError::Argon2)?;
            argon2::written(memory_kib, passes, lanes, &salt.0, hash.as_slice())
        }
    };
    Ok(StoredCredential::marked(&text))
}

/// PBKDF2 with one output of its hash.
fn derived(digest: Digest, password: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
    let mut hash = Zeroizing::new(vec![0; digest.bytes()]);
    pbkdf2::derive(digest, password, salt, iterations, &mut hash);
    hash
}
