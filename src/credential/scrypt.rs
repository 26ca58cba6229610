//! scrypt in PHC strings, as passlib and others write them.
//!
//! Must not: read `$7$` or `$s0$`, which other tools write for scrypt; the first is Mosquitto's.
#![forbid(unsafe_code)]

use ::scrypt::Params;

use super::Credential;
use super::cost::{Cost, Unable};
use super::error::{ParseError, Part};
use super::field::{self, LEAST_HASH, MOST_BYTES};
use crate::config::CostLimits;

const FORM: &str = "$scrypt$ln=COST,r=BLOCK,p=PARALLEL$SALT$HASH";
const LEAST_SALT: usize = 1;

/// Behind `$scrypt$`.
pub(super) fn phc(rest: &str, limits: &CostLimits) -> Result<Credential, ParseError> {
    let [costs, salt, hash] = field::parts(rest, FORM)?;
    let [log_n, r, p] = field::parameters(costs, ["ln", "r", "p"], FORM)?;
    field::within("the exponent of scrypt's N", log_n, 63)?;
    field::within("scrypt's block size", r, u32::MAX.into())?;
    field::within("scrypt's parallelism", p, limits.passes.into())?;
    let log_n = u8::try_from(log_n).map_err(|_| outside())?;
    field::within(
        "scrypt memory in KiB",
        memory_kib(log_n, r, p),
        limits.memory_kib.into(),
    )?;
    params(log_n, r, p).map_err(|Unable| outside())?;
    let salt = field::unpadded(salt, Part::Salt)?;
    let salt = field::sized(salt, Part::Salt, LEAST_SALT, MOST_BYTES)?;
    let hash = field::unpadded(hash, Part::Hash)?;
    let expected = field::sized(hash, Part::Hash, LEAST_HASH, MOST_BYTES)?;
    let cost = Cost::Scrypt {
        log_n,
        r,
        p,
        output: u16::try_from(expected.len()).map_err(|_| outside())?,
    };
    Ok(Credential::new(cost, salt, expected))
}

fn outside() -> ParseError {
    ParseError::Parameters {
        algorithm: "scrypt",
    }
}

/// RFC 7914: 128 r bytes for each of N entries of the table and p blocks.
fn memory_kib(log_n: u8, r: u32, p: u32) -> u64 {
    let blocks = (1u64 << log_n.min(62)).saturating_add(p.into());
    blocks
        .saturating_mul(r.into())
        .saturating_mul(128)
        .div_ceil(1024)
}

fn params(log_n: u8, r: u32, p: u32) -> Result<Params, Unable> {
    // RFC 7914 section 2. The crate multiplies these two as 32 bits before it compares.
    if u64::from(r).saturating_mul(p.into()) >= 1 << 30 {
        return Err(Unable);
    }
    Params::new(log_n, r, p).map_err(|_| Unable)
}

/// Fills `out`.
pub(super) fn derive(
    log_n: u8,
    r: u32,
    p: u32,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<(), Unable> {
    ::scrypt::scrypt(password, salt, &params(log_n, r, p)?, out).map_err(|_| Unable)
}
