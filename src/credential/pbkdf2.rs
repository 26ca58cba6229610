//! PBKDF2 as everybody but Mosquitto writes it: go-auth and auth-plug, ChirpStack, passlib, Django
//! and HiveMQ.
//!
//! Must not: guess the salt's reading where a form fixes it. Only `PBKDF2$…` leaves it open; both
//! readings are then tried, every time.
#![forbid(unsafe_code)]

use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::cost::{Cost, Digest, Readings};
use super::error::{ParseError, Part};
use super::field::{self, LEAST_HASH, MOST_BYTES};
use super::{Credential, Form};
use crate::config::CostLimits;

/// Tools differ in what salt they take; an empty one is a damaged row.
const LEAST_SALT: usize = 1;

/// Fills `out`. The crate keeps HMAC's two key states and repeats nothing but the two compressions
/// of an iteration (docs/decisions/0005-sha512.md).
pub(super) fn derive(
    digest: Digest,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    out: &mut [u8],
) {
    match digest {
        Digest::Sha1 => ::pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, out),
        Digest::Sha256 => ::pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, out),
        Digest::Sha512 => ::pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, out),
    }
}

/// A cost within the limits. Output beyond one digest costs all iterations again, and counts so.
pub(super) fn cost(
    digest: Digest,
    iterations: u32,
    output: usize,
    readings: Readings,
    limits: &CostLimits,
) -> Result<Cost, ParseError> {
    let allowed = u64::from(limits.iterations);
    field::within("iterations", iterations, allowed)?;
    let blocks = u64::try_from(output.div_ceil(digest.bytes())).unwrap_or(u64::MAX);
    let work = u64::from(iterations).saturating_mul(blocks);
    field::within("iterations for all blocks of the hash", work, allowed)?;
    let output = u16::try_from(output).map_err(|_| ParseError::Length {
        part: Part::Hash,
        bytes: output,
        least: LEAST_HASH,
        most: MOST_BYTES,
    })?;
    Ok(Cost::Pbkdf2 {
        digest,
        iterations,
        output,
        readings,
    })
}

/// `sha512$ITERATIONS$SALT$HASH` behind `PBKDF2$`.
pub(super) fn go_auth(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    const FORM: &str = "PBKDF2$sha1|sha256|sha512$ITERATIONS$SALT$HASH";
    let [digest, iterations, salt, hash] = field::parts(rest, FORM)?;
    let digest = match digest {
        "sha1" => Digest::Sha1,
        "sha256" => Digest::Sha256,
        "sha512" => Digest::Sha512,
        _ => return Err(ParseError::Malformed { form: FORM }),
    };
    let expected = hash_of(field::padded(hash, Part::Hash)?)?;
    let text = salt_of(salt.as_bytes().to_vec())?;
    let (salts, readings) = match field::padded(salt, Part::Salt).and_then(salt_of) {
        Ok(decoded) => (vec![decoded, text], Readings::Two),
        Err(_) => (vec![text], Readings::One),
    };
    let iterations = counted(iterations)?;
    let cost = cost(digest, iterations, expected.len(), readings, limits)?;
    Ok(Credential {
        cost,
        salts,
        expected,
        form: Form::Hash,
    })
}

/// Behind `$pbkdf2$` or `$pbkdf2-sha1$`.
pub(super) fn sha1(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    dollar(Digest::Sha1, rest, limits)
}

/// Behind `$pbkdf2-sha256$`.
pub(super) fn sha256(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    dollar(Digest::Sha256, rest, limits)
}

/// Behind `$pbkdf2-sha512$`.
pub(super) fn sha512(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    dollar(Digest::Sha512, rest, limits)
}

/// `i=ITERATIONS,l=LENGTH$SALT$HASH` (PHC: ChirpStack) or `ITERATIONS$SALT$HASH` (passlib).
fn dollar(digest: Digest, rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    const FORM: &str =
        "$pbkdf2-DIGEST$i=ITERATIONS,l=LENGTH$SALT$HASH or $pbkdf2-DIGEST$ITERATIONS$SALT$HASH";
    let [costs, salt, hash] = field::parts(rest, FORM)?;
    if !costs.starts_with("i=") {
        // passlib writes '.' where base64 has '+'.
        let (salt, hash) = (salt.replace('.', "+"), hash.replace('.', "+"));
        return unpadded(digest, counted(costs)?, &salt, &hash, limits);
    }
    let (iterations, length) = if costs.contains(',') {
        let [iterations, length] = field::parameters(costs, ["i", "l"], FORM)?;
        (iterations, Some(length))
    } else {
        let [iterations] = field::parameters(costs, ["i"], FORM)?;
        (iterations, None)
    };
    let credential = unpadded(digest, iterations, salt, hash, limits)?;
    let found = u32::try_from(credential.expected.len()).ok();
    if length.is_some() && length != found {
        return Err(ParseError::Malformed { form: FORM });
    }
    Ok(credential)
}

fn unpadded(
    digest: Digest,
    iterations: u32,
    salt: &str,
    hash: &str,
    limits: &CostLimits,
) -> Result<Credential, ParseError> {
    let expected = hash_of(field::unpadded(hash, Part::Hash)?)?;
    let salt = salt_of(field::unpadded(salt, Part::Salt)?)?;
    let cost = cost(digest, iterations, expected.len(), Readings::One, limits)?;
    Ok(Credential::new(cost, salt, expected))
}

/// Behind `pbkdf2_sha1$`.
pub(super) fn django_sha1(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    django(Digest::Sha1, rest, limits)
}

/// Behind `pbkdf2_sha256$`.
pub(super) fn django_sha256(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    django(Digest::Sha256, rest, limits)
}

/// `ITERATIONS$SALT$HASH`, the salt as text and the hash one digest long.
fn django(digest: Digest, rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    let [iterations, salt, hash] = field::parts(rest, "pbkdf2_DIGEST$ITERATIONS$SALT$HASH")?;
    let hash = field::padded(hash, Part::Hash)?;
    let expected = field::sized(hash, Part::Hash, digest.bytes(), digest.bytes())?;
    let salt = salt_of(salt.as_bytes().to_vec())?;
    let iterations = counted(iterations)?;
    let cost = cost(digest, iterations, expected.len(), Readings::One, limits)?;
    Ok(Credential::new(cost, salt, expected))
}

/// HiveMQ's `SALT:ITERATIONS:HASH`. It has no marker but its shape: `None` without it. A Mosquitto
/// password file cannot hold it, because ':' ends the field there; databases can.
pub(super) fn hivemq(text: &str, limits: &CostLimits) -> Option<Result<Credential, ParseError>> {
    let mut fields = text.split(':');
    let (salt, iterations, hash) = (fields.next()?, fields.next()?, fields.next()?);
    let digits = !iterations.is_empty() && iterations.bytes().all(|byte| byte.is_ascii_digit());
    (digits && fields.next().is_none()).then(|| {
        let hash = field::padded(hash, Part::Hash)?;
        let expected = field::sized(hash, Part::Hash, 64, 64)?;
        let salt = salt_of(field::padded(salt, Part::Salt)?)?;
        let iterations = counted(iterations)?;
        let cost = cost(Digest::Sha512, iterations, 64, Readings::One, limits)?;
        Ok(Credential::new(cost, salt, expected))
    })
}

/// How often, in plain digits.
pub(super) fn counted(text: &str) -> Result<u32, ParseError> {
    field::decimal(text, "iterations")
}

fn hash_of(bytes: Vec<u8>) -> Result<Vec<u8>, ParseError> {
    field::sized(bytes, Part::Hash, LEAST_HASH, MOST_BYTES)
}

fn salt_of(bytes: Vec<u8>) -> Result<Vec<u8>, ParseError> {
    field::sized(bytes, Part::Salt, LEAST_SALT, MOST_BYTES)
}
