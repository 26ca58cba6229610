//! How much work a credential is, and doing that work.
//!
//! Must not: depend on what is stored beyond its parameters. [`Cost::burn`] and
//! [`super::Credential::verify`] call the same function, so that a username nobody has takes as
//! long as a wrong password. The length of the salt is left out of most costs: it changes at most
//! the first of many blocks, and would tell apart accounts that were hashed alike.
#![forbid(unsafe_code)]

use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU32;

use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use super::{argon2, bcrypt, pbkdf2, scrypt, sha_crypt};
use crate::model::SaltPlace;

/// Everything that decides how long a verification takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// PBKDF2 with HMAC.
    Pbkdf2 {
        /// The hash below HMAC.
        digest: Digest,
        /// How often it is repeated.
        iterations: u32,
        /// Bytes of output; each further digest length costs all iterations again.
        output: u16,
        /// How the salt may be meant.
        readings: Readings,
    },
    /// Argon2.
    Argon2 {
        /// Which of the family.
        variant: Variant,
        /// Which edition of it.
        version: Version,
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
        /// Bytes of output.
        output: u16,
    },
    /// bcrypt.
    Bcrypt {
        /// The exponent.
        cost: u32,
        /// How password bytes above 127 are read.
        bytes: Bytes,
    },
    /// scrypt.
    Scrypt {
        /// The exponent of N.
        log_n: u8,
        /// Block size.
        r: u32,
        /// Parallelism.
        p: u32,
        /// Bytes of output.
        output: u16,
    },
    /// crypt(3) with SHA-2.
    ShaCrypt {
        /// SHA-256 or SHA-512.
        digest: Digest,
        /// Rounds.
        rounds: u32,
        /// Bytes of salt, which every round hashes again.
        salt: u8,
    },
    /// One hash of salt and password, unstretched. A password in clear is compared so too.
    Plain {
        /// Which hash.
        digest: Digest,
        /// Where the salt goes.
        place: SaltPlace,
    },
}

/// The hash functions in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-1; inside HMAC only.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How many ways there are to read a stored salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Readings {
    /// One.
    One,
    /// Decoded, and as text: both are tried, always.
    Two,
}

/// The variants of Argon2 that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Argon2i.
    I,
    /// Argon2id.
    Id,
}

/// The editions of Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// 16, which strings without `v=` have.
    V16,
    /// 19, the current one.
    V19,
}

/// How bcrypt reads the bytes of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bytes {
    /// As they are.
    Unsigned,
    /// With the sign extension of crypt_blowfish before 1.1, which `$2x$` stands for.
    SignExtended,
}

/// Memory that one verification leaves to the next: having it anew costs Argon2 as much as its work.
#[derive(Default)]
pub struct Scratch {
    pub(super) blocks: Vec<::argon2::Block>,
}

/// One PBKDF2-HMAC-SHA512 with 64 bytes of output.
#[derive(Clone, Copy, Debug)]
pub struct Derivation<'a> {
    /// The salt.
    pub salt: &'a [u8],
    /// How often the hash is repeated.
    pub iterations: NonZeroU32,
}

/// The computation could not be done; the answer is no.
pub(super) struct Unable;

impl Cost {
    /// What to burn when no account was ever seen: `$7$` as `mosquitto_passwd` 2.1 writes it.
    #[must_use]
    pub fn standard() -> Self {
        Self::Pbkdf2 {
            digest: Digest::Sha512,
            iterations: 1000,
            output: 64,
            readings: Readings::One,
        }
    }

    /// Does the work of verifying a wrong password, and throws the result away.
    pub fn burn(&self, password: &[u8]) {
        self.burn_with(password, &mut Scratch::default());
    }

    /// [`Self::burn`], in memory that is used again.
    pub fn burn_with(&self, password: &[u8], scratch: &mut Scratch) {
        let salt = vec![0; self.usual_salt()];
        let times = match self {
            Self::Pbkdf2 {
                readings: Readings::Two,
                ..
            } => 2,
            Self::Pbkdf2 { .. }
            | Self::Argon2 { .. }
            | Self::Bcrypt { .. }
            | Self::Scrypt { .. }
            | Self::ShaCrypt { .. }
            | Self::Plain { .. } => 1,
        };
        for _ in 0..times {
            black_box(self.derived(black_box(password), &salt, scratch));
        }
    }

    /// Whether it takes about a millisecond or more: worth another thread. Weighed in iterations of
    /// PBKDF2-HMAC-SHA512, of which a core does some two thousand in that time.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        let weight = match *self {
            Self::Pbkdf2 {
                iterations,
                output,
                digest,
                readings,
            } => {
                let blocks = u64::from(output).div_ceil(digest.bytes() as u64);
                let readings = match readings {
                    Readings::One => 1,
                    Readings::Two => 2,
                };
                u64::from(iterations)
                    .saturating_mul(blocks)
                    .saturating_mul(readings)
            }
            Self::Argon2 {
                memory_kib, passes, ..
            } => u64::from(memory_kib).saturating_mul(passes.into()),
            // A round of bcrypt is 4 KiB of key schedule, twice.
            Self::Bcrypt { cost, .. } => 1_u64
                .checked_shl(cost)
                .unwrap_or(u64::MAX)
                .saturating_mul(64),
            Self::Scrypt { log_n, r, p, .. } => 1_u64
                .checked_shl(log_n.into())
                .unwrap_or(u64::MAX)
                .saturating_mul(r.into())
                .saturating_mul(p.into()),
            Self::ShaCrypt { rounds, .. } => rounds.into(),
            Self::Plain { .. } => 0,
        };
        weight >= 2_000
    }

    /// The derivation of [`super::Credential::derivation`], over a salt that nobody has.
    #[must_use]
    pub fn derivation(&self) -> Option<Derivation<'static>> {
        match *self {
            Self::Pbkdf2 {
                digest: Digest::Sha512,
                iterations,
                output,
                readings: Readings::One,
            } if usize::from(output) <= Digest::Sha512.bytes() => {
                let iterations = NonZeroU32::new(iterations)?;
                Some(Derivation {
                    salt: &[0; 16],
                    iterations,
                })
            }
            Self::Pbkdf2 { .. }
            | Self::Argon2 { .. }
            | Self::Bcrypt { .. }
            | Self::Scrypt { .. }
            | Self::ShaCrypt { .. }
            | Self::Plain { .. } => None,
        }
    }

    /// The hash of the password; none where it cannot be computed.
    pub(super) fn derived(
        &self,
        password: &[u8],
        salt: &[u8],
        scratch: &mut Scratch,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut found = Zeroizing::new(vec![0; self.output()]);
        match self.derive(password, salt, &mut found, scratch) {
            Ok(()) => Some(found),
            Err(Unable) => None,
        }
    }

    /// Fills `out`, which is [`Self::output`] bytes long.
    pub(super) fn derive(
        &self,
        password: &[u8],
        salt: &[u8],
        out: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), Unable> {
        match *self {
            Self::Pbkdf2 {
                digest, iterations, ..
            } => {
                pbkdf2::derive(digest, password, salt, iterations, out);
                Ok(())
            }
            Self::Argon2 {
                variant,
                version,
                memory_kib,
                passes,
                lanes,
                output: _,
            } => {
                let hasher = argon2::hasher(variant, version, memory_kib, passes, lanes)?;
                argon2::derive(&hasher, password, salt, out, scratch)
            }
            Self::Bcrypt { cost, bytes } => bcrypt::derive(cost, bytes, password, salt, out),
            Self::Scrypt { log_n, r, p, .. } => scrypt::derive(log_n, r, p, password, salt, out),
            Self::ShaCrypt { digest, rounds, .. } => {
                sha_crypt::derive(digest, rounds, password, salt, out)
            }
            Self::Plain { digest, place } => {
                let (first, second) = match place {
                    SaltPlace::Prefix => (salt, password),
                    SaltPlace::Suffix => (password, salt),
                };
                plain(digest, first, second, out)
            }
        }
    }

    fn output(&self) -> usize {
        match *self {
            Self::Pbkdf2 { output, .. }
            | Self::Argon2 { output, .. }
            | Self::Scrypt { output, .. } => usize::from(output),
            Self::Bcrypt { .. } => bcrypt::OUTPUT,
            Self::ShaCrypt { digest, .. } | Self::Plain { digest, .. } => digest.bytes(),
        }
    }

    fn usual_salt(&self) -> usize {
        match *self {
            Self::ShaCrypt { salt, .. } => usize::from(salt),
            Self::Pbkdf2 { .. }
            | Self::Argon2 { .. }
            | Self::Bcrypt { .. }
            | Self::Scrypt { .. }
            | Self::Plain { .. } => 16,
        }
    }
}

impl Digest {
    /// The length of its output.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

fn plain(digest: Digest, first: &[u8], second: &[u8], out: &mut [u8]) -> Result<(), Unable> {
    match digest {
        Digest::Sha256 => fill(
            out,
            &Sha256::new()
                .chain_update(first)
                .chain_update(second)
                .finalize(),
        ),
        Digest::Sha512 => fill(
            out,
            &Sha512::new()
                .chain_update(first)
                .chain_update(second)
                .finalize(),
        ),
        Digest::Sha1 => Err(Unable),
    }
}

/// Copies a result of exactly the right length.
pub(super) fn fill(out: &mut [u8], result: &[u8]) -> Result<(), Unable> {
    if out.len() != result.len() {
        return Err(Unable);
    }
    out.copy_from_slice(result);
    Ok(())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pbkdf2 {
                digest, iterations, ..
            } => write!(f, "PBKDF2-HMAC-{digest}, {iterations} iterations"),
            Self::Argon2 {
                variant,
                memory_kib,
                passes,
                lanes,
                ..
            } => {
                let name = match variant {
                    Variant::I => "Argon2i",
                    Variant::Id => "Argon2id",
                };
                write!(f, "{name}, m={memory_kib} KiB, t={passes}, p={lanes}")
            }
            Self::Bcrypt { cost, .. } => write!(f, "bcrypt, cost {cost}"),
            Self::Scrypt { log_n, r, p, .. } => write!(f, "scrypt, N=2^{log_n}, r={r}, p={p}"),
            Self::ShaCrypt { digest, rounds, .. } => {
                write!(f, "crypt(3) {digest}, {rounds} rounds")
            }
            Self::Plain { digest, .. } => write!(f, "{digest}, not stretched"),
        }
    }
}
