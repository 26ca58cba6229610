//! Argon2 in PHC strings, as Mosquitto 2.1 and most others write them.
//!
//! Must not: read Argon2d, whose memory accesses depend on the password and which nobody stores
//! passwords with, or strings with a key id or associated data, which would need a second secret.
#![forbid(unsafe_code)]

use ::argon2::{Algorithm, Argon2, Block, Params};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::Credential;
use super::cost::{Cost, Scratch, Unable, Variant, Version};
use super::error::{ParseError, Part};
use super::field::{self, LEAST_HASH, MOST_BYTES};
use crate::config::CostLimits;

const FORM: &str = "$argon2id$v=19$m=MEMORY,t=PASSES,p=LANES$SALT$HASH";
/// RFC 9106 section 3.1.
const LEAST_SALT: usize = 8;
/// Blocks of 1 KiB that are left to the next verification.
const MOST_KEPT: usize = 65_536;

/// Behind `$argon2id$`.
pub(super) fn id(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    parse(Variant::Id, rest, limits)
}

/// Behind `$argon2i$`.
pub(super) fn i(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    parse(Variant::I, rest, limits)
}

fn parse(variant: Variant, rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    let (version, rest) = match rest.split_once('$') {
        Some(("v=19", rest)) => (Version::V19, rest),
        Some(("v=16", rest)) => (Version::V16, rest),
        // Strings from before the version had a field.
        Some((costs, _)) if costs.starts_with("m=") => (Version::V16, rest),
        Some(_) | None => return Err(ParseError::Malformed { form: FORM }),
    };
    let [costs, salt, hash] = field::parts(rest, FORM)?;
    let [memory_kib, passes, lanes] = field::parameters(costs, ["m", "t", "p"], FORM)?;
    field::within("Argon2 memory in KiB", memory_kib, limits.memory_kib.into())?;
    field::within("Argon2 passes", passes, limits.passes.into())?;
    field::within("Argon2 lanes", lanes, limits.passes.into())?;
    let salt = field::unpadded(salt, Part::Salt)?;
    let salt = field::sized(salt, Part::Salt, LEAST_SALT, MOST_BYTES)?;
    let hash = field::unpadded(hash, Part::Hash)?;
    let expected = field::sized(hash, Part::Hash, LEAST_HASH, MOST_BYTES)?;
    let outside = ParseError::Parameters {
        algorithm: "Argon2",
    };
    hasher(variant, version, memory_kib, passes, lanes).map_err(|Unable| outside)?;
    let cost = Cost::Argon2 {
        variant,
        version,
        memory_kib,
        passes,
        lanes,
        output: u16::try_from(expected.len()).map_err(|_| outside)?,
    };
    Ok(Credential::new(cost, salt, expected))
}

/// Checks the parameters together; cheap.
pub(super) fn hasher(
    variant: Variant,
    version: Version,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Result<Argon2<'static>, Unable> {
    let algorithm = match variant {
        Variant::I => Algorithm::Argon2i,
        Variant::Id => Algorithm::Argon2id,
    };
    let version = match version {
        Version::V16 => ::argon2::Version::V0x10,
        Version::V19 => ::argon2::Version::V0x13,
    };
    let params = Params::new(memory_kib, passes, lanes, None).map_err(|_| Unable)?;
    Ok(Argon2::new(algorithm, version, params))
}

/// Fills `out`. Memory that cannot be had is an error and not the end of the broker.
pub(super) fn derive(
    hasher: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
    scratch: &mut Scratch,
) -> Result<(), Unable> {
    let blocks = &mut scratch.blocks;
    let needed = hasher.params().block_count();
    let missing = needed.saturating_sub(blocks.len());
    blocks.try_reserve_exact(missing).map_err(|_| Unable)?;
    blocks.resize(needed.max(blocks.len()), Block::new());
    let done = hasher.hash_password_into_with_memory(password, salt, out, blocks.as_mut_slice());
    if blocks.len() > MOST_KEPT {
        *blocks = Vec::new();
    }
    done.map_err(|_| Unable)
}

/// The text of an Argon2id entry.
pub(super) fn written(
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: &[u8],
    hash: &[u8],
) -> String {
    format!(
        "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    )
}
