//! bcrypt, with the four letters that are in use.
//!
//! Must not: stop at a NUL as C programs do, which would let a prefix of the password in. Like every
//! other implementation it reads 72 bytes and no more. `$2a$`, `$2b$` and `$2y$` are one algorithm;
//! `$2x$` marks hashes made by crypt_blowfish before 1.1, which read bytes above 127 as negative.
//! crypt_blowfish's later `$2a$` differs for a few passwords with such bytes; those do not match.
#![forbid(unsafe_code)]

use std::iter;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};
use zeroize::Zeroizing;

use super::Credential;
use super::cost::{Bytes, Cost, Unable, fill};
use super::error::{ParseError, Part};
use super::field;
use crate::config::CostLimits;

/// The last byte of the 24 that bcrypt computes is never stored.
pub(super) const OUTPUT: usize = 23;

const FORM: &str = "$2b$COST$ and 53 characters";
const ALPHABET: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);
const SALT_CHARACTERS: usize = 22;
const HASH_CHARACTERS: usize = 31;
const KEY: usize = 72;
const LEAST_COST: u32 = 4;
const MOST_COST: u32 = 31;

/// Behind `$2a$`, `$2b$` or `$2y$`.
pub(super) fn correct(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    parse(Bytes::Unsigned, rest, limits)
}

/// Behind `$2x$`.
pub(super) fn sign_extended(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    parse(Bytes::SignExtended, rest, limits)
}

fn parse(bytes: Bytes, rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    let [cost, both] = field::parts(rest, FORM)?;
    let (salt, hash) = both
        .split_at_checked(SALT_CHARACTERS)
        .filter(|(_, hash)| cost.len() == 2 && hash.len() == HASH_CHARACTERS)
        .ok_or(ParseError::Malformed { form: FORM })?;
    let cost = field::decimal(cost, "the bcrypt cost")?;
    field::within("the bcrypt cost", cost, limits.bcrypt_cost.into())?;
    if !(LEAST_COST..=MOST_COST).contains(&cost) {
        return Err(ParseError::Parameters {
            algorithm: "bcrypt",
        });
    }
    let salt = decoded(salt, Part::Salt)?;
    let expected = field::sized(decoded(hash, Part::Hash)?, Part::Hash, OUTPUT, OUTPUT)?;
    Ok(Credential::new(
        Cost::Bcrypt { cost, bytes },
        salt,
        expected,
    ))
}

fn decoded(text: &str, part: Part) -> Result<Vec<u8>, ParseError> {
    ALPHABET.decode(text).map_err(|_| ParseError::Encoding {
        part,
        encoding: "bcrypt's base64",
    })
}

/// Fills `out`.
pub(super) fn derive(
    cost: u32,
    bytes: Bytes,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<(), Unable> {
    // The crate panics on costs and keys that it does not know; neither gets here.
    let salt = salt.try_into().map_err(|_| Unable)?;
    if cost > MOST_COST {
        return Err(Unable);
    }
    let terminated = password.iter().copied().chain(iter::once(0));
    let mut key: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(KEY));
    match bytes {
        Bytes::Unsigned => key.extend(terminated.take(KEY)),
        Bytes::SignExtended => smear(terminated.cycle(), &mut key),
    }
    let result = ::bcrypt::bcrypt(cost, salt, &key);
    fill(out, result.get(..OUTPUT).ok_or(Unable)?)
}

/// The 18 words of key that crypt_blowfish's `BF_set_key` made with its bug: a negative byte also
/// sets every bit before it in its word. Written out as 72 bytes, they are a key that cycles exactly.
fn smear(mut password: impl Iterator<Item = u8>, key: &mut Vec<u8>) {
    for _ in 0..KEY / 4 {
        let word = password.by_ref().take(4).fold(0u32, |word, byte| {
            (word << 8) | i32::from(byte.cast_signed()).cast_unsigned()
        });
        key.extend(word.to_be_bytes());
    }
}
