//! What `mosquitto_passwd` writes: `$6$` (1.x) and `$7$` (2.x).
//!
//! Must not: write `$6$`, which is one unstretched SHA-512.
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cost::{Cost, Digest, Readings};
use super::error::{ParseError, Part};
use super::field::{self, MOST_BYTES};
use super::{Credential, pbkdf2};
use crate::config::CostLimits;
use crate::model::SaltPlace;

const HASH: usize = 64;
/// 2.0 writes 12 bytes, 2.1 writes 64.
const LEAST_SALT: usize = 8;

/// `SALT$HASH`: SHA-512 of password and salt.
pub(super) fn six(rest: &str) -> Result<Credential, ParseError> {
    let [salt, hash] = field::parts(rest, "$6$SALT$HASH (Mosquitto 1.x or crypt(3))")?;
    let cost = Cost::Plain {
        digest: Digest::Sha512,
        place: SaltPlace::Suffix,
    };
    read(cost, salt, hash)
}

/// `ITERATIONS$SALT$HASH`: PBKDF2-HMAC-SHA512.
pub(super) fn seven(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    let [iterations, salt, hash] = field::parts(rest, "$7$ITERATIONS$SALT$HASH")?;
    let iterations = pbkdf2::counted(iterations)?;
    let cost = pbkdf2::cost(Digest::Sha512, iterations, HASH, Readings::One, limits)?;
    read(cost, salt, hash)
}

fn read(cost: Cost, salt: &str, hash: &str) -> Result<Credential, ParseError> {
    let salt = field::padded(salt, Part::Salt)?;
    let salt = field::sized(salt, Part::Salt, LEAST_SALT, MOST_BYTES)?;
    let hash = field::padded(hash, Part::Hash)?;
    let hash = field::sized(hash, Part::Hash, HASH, HASH)?;
    Ok(Credential::new(cost, salt, hash))
}

/// The text of a `$7$` entry.
pub(super) fn written(iterations: u32, salt: &[u8], hash: &[u8]) -> String {
    format!(
        "$7${iterations}${}${}",
        STANDARD.encode(salt),
        STANDARD.encode(hash)
    )
}
