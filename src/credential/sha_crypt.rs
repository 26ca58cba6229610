//! crypt(3) with SHA-2: `$5$` and `$6$`, as in /etc/shadow.
//!
//! Must not: hash a password of any length. Every round hashes the password again and the first
//! step hashes it once per byte, so 64 KB would hold the broker up for seconds. libxcrypt refuses
//! 512 bytes and more (CRYPT_MAX_PASSPHRASE_SIZE), so nobody has such a password; one is answered
//! with no, after as much work as the longest possible one.
#![forbid(unsafe_code)]

use ::sha_crypt::{Params, sha256_crypt, sha512_crypt};
use zeroize::Zeroizing;

use super::Credential;
use super::cost::{Cost, Digest, Unable, fill};
use super::error::{ParseError, Part};
use super::field;
use crate::config::CostLimits;

const FORM: &str = "$5$[rounds=N$]SALT$HASH or $6$[rounds=N$]SALT$HASH";
const ROUNDS: &str = "rounds=";
const USUAL_ROUNDS: u32 = 5000;
/// crypt(3) raises what is below it.
const LEAST_ROUNDS: u32 = 1000;
const MOST_SALT: usize = 16;
const MOST_PASSWORD: usize = 511;
const CHARACTERS_512: usize = 86;
const CHARACTERS_256: usize = 43;

/// Whether this `$6$` is crypt(3)'s and not Mosquitto 1.x's.
pub(super) fn claims_six(rest: &str) -> bool {
    let crypt_hash = |(_, hash): (&str, &str)| {
        hash.len() == CHARACTERS_512 && hash.bytes().all(|byte| value(byte).is_some())
    };
    rest.starts_with(ROUNDS) || rest.rsplit_once('$').is_some_and(crypt_hash)
}

/// Behind `$5$`.
pub(super) fn five(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    parse(Digest::Sha256, CHARACTERS_256, rest, limits)
}

/// Behind `$6$`.
pub(super) fn six(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    parse(Digest::Sha512, CHARACTERS_512, rest, limits)
}

fn parse(
    digest: Digest,
    characters: usize,
    rest: &str,
    limits: &CostLimits,
) -> Result<Credential, ParseError> {
    let (rounds, rest) = match rest.strip_prefix(ROUNDS) {
        Some(rest) => {
            let split = rest.split_once('$');
            let (rounds, rest) = split.ok_or(ParseError::Malformed { form: FORM })?;
            (field::decimal(rounds, "rounds")?, rest)
        }
        None => (USUAL_ROUNDS, rest),
    };
    field::within("rounds", rounds, limits.iterations.into())?;
    let rounds = rounds.max(LEAST_ROUNDS);
    let [salt, hash] = field::parts(rest, FORM)?;
    let salt = field::sized(salt.as_bytes().to_vec(), Part::Salt, 0, MOST_SALT)?;
    let expected = Some(hash)
        .filter(|hash| hash.len() == characters)
        .and_then(|hash| decoded(hash, digest.bytes()))
        .ok_or(ParseError::Encoding {
            part: Part::Hash,
            encoding: "crypt(3)'s base64 of one digest",
        })?;
    let cost = Cost::ShaCrypt {
        digest,
        rounds,
        salt: u8::try_from(salt.len()).unwrap_or(u8::MAX),
    };
    Ok(Credential::new(cost, salt, expected))
}

/// Fills `out` in the order in which crypt(3) writes the bytes.
pub(super) fn derive(
    digest: Digest,
    rounds: u32,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<(), Unable> {
    let possible = password.get(..MOST_PASSWORD).unwrap_or(password);
    let params = Params::new(rounds).map_err(|_| Unable)?;
    let (found, order): (Zeroizing<Vec<u8>>, &[usize]) = match digest {
        Digest::Sha256 => (
            Zeroizing::new(sha256_crypt(possible, salt, params).to_vec()),
            &ORDER_256,
        ),
        Digest::Sha512 => (
            Zeroizing::new(sha512_crypt(possible, salt, params).to_vec()),
            &ORDER_512,
        ),
        Digest::Sha1 => return Err(Unable),
    };
    let written = order.iter().filter_map(|at| found.get(*at).copied());
    let written: Zeroizing<Vec<u8>> = Zeroizing::new(written.collect());
    fill(out, &written)?;
    if password.len() > MOST_PASSWORD {
        return Err(Unable);
    }
    Ok(())
}

/// Undoes crypt(3)'s base64, which puts the low bits first.
fn decoded(text: &str, length: usize) -> Option<Vec<u8>> {
    let values: Vec<u32> = text.bytes().map(value).collect::<Option<_>>()?;
    let mut bytes = Vec::with_capacity(length.next_multiple_of(3));
    for group in values.chunks(4) {
        let word = group
            .iter()
            .rev()
            .fold(0, |word, value| (word << 6) | value);
        bytes.extend(word.to_le_bytes().into_iter().take(3));
    }
    let clean = bytes.iter().skip(length).all(|byte| *byte == 0);
    bytes.truncate(length);
    (clean && bytes.len() == length).then_some(bytes)
}

fn value(byte: u8) -> Option<u32> {
    let at = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        .iter()
        .position(|known| *known == byte)?;
    u32::try_from(at).ok()
}

/// Which byte of the digest is written where (Drepper, "Unix crypt using SHA-256 and SHA-512",
/// step 22), the low byte of each group of three first.
const ORDER_256: [usize; 32] = [
    20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3, 14, 4, 24, 5, 25, 15, 26, 16, 6, 17, 7, 27, 8, 28,
    18, 29, 19, 9, 30, 31,
];

/// The same for SHA-512.
const ORDER_512: [usize; 64] = [
    42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3, 4, 46, 25, 26, 5, 47, 48, 27, 6, 7, 49, 28, 29, 8,
    50, 51, 30, 9, 10, 52, 31, 32, 11, 53, 54, 33, 12, 13, 55, 34, 35, 14, 56, 57, 36, 15, 16, 58,
    37, 38, 17, 59, 60, 39, 18, 19, 61, 40, 41, 20, 62, 63,
];
