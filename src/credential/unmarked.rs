//! Credentials that do not say what they are: RabbitMQ's, EMQX's, and passwords in clear.
//!
//! Must not: be reached by guessing. The first two need a source that was told so; the last needs
//! `allow_cleartext_credentials`, and a text that does not look like somebody's hash.
#![forbid(unsafe_code)]

use sha2::{Digest as _, Sha512};

use super::Credential;
use super::cost::{Cost, Digest};
use super::error::{ParseError, Part};
use super::field::{self, MOST_BYTES};
use crate::config::CostLimits;
use crate::model::{EmqxDigest, SaltPlace};

const RABBITMQ_SALT: usize = 4;
const RABBITMQ: usize = 36;

/// Base64 of four bytes of salt and SHA-256 of salt and password.
pub(super) fn rabbitmq(text: &str) -> Result<Credential, ParseError> {
    let both = field::padded(text, Part::Hash)?;
    let mut salt = field::sized(both, Part::Hash, RABBITMQ, RABBITMQ)?;
    let hash = salt.split_off(RABBITMQ_SALT);
    let cost = Cost::Plain {
        digest: Digest::Sha256,
        place: SaltPlace::Prefix,
    };
    Ok(Credential::new(cost, salt, hash))
}

/// A hexadecimal digest with the salt, as text, in a column of its own.
pub(super) fn emqx(
    text: &str,
    salt: &str,
    digest: EmqxDigest,
    place: SaltPlace,
    limits: &CostLimits,
) -> Result<Credential, ParseError> {
    let digest = match digest {
        EmqxDigest::Plain if limits.cleartext => return clear(text, salt, place),
        EmqxDigest::Plain => return Err(ParseError::Cleartext),
        EmqxDigest::Sha256 => Digest::Sha256,
        EmqxDigest::Sha512 => Digest::Sha512,
    };
    let salt = field::sized(salt.as_bytes().to_vec(), Part::Salt, 0, MOST_BYTES)?;
    let hash = field::hexadecimal(text, Part::Hash)?;
    let hash = field::sized(hash, Part::Hash, digest.bytes(), digest.bytes())?;
    Ok(Credential::new(Cost::Plain { digest, place }, salt, hash))
}

/// The password itself, where that is allowed and the text cannot be a hash of an unknown form.
pub(super) fn cleartext(
    text: &str,
    salt: Option<&str>,
    limits: &CostLimits,
) -> Result<Credential, ParseError> {
    // Who keeps a salt keeps hashes: taking one as the password would let in who stole the table.
    if looks_hashed(text) || salt.is_some_and(|salt| !salt.is_empty()) {
        return Err(ParseError::Unknown);
    }
    if !limits.cleartext {
        return Err(ParseError::Cleartext);
    }
    clear(text, "", SaltPlace::Prefix)
}

/// Compares through SHA-512, so that neither the length nor a common beginning shows in the time.
/// EMQX's "plain" puts a salt in front of the password or behind it, if there is one.
fn clear(text: &str, salt: &str, place: SaltPlace) -> Result<Credential, ParseError> {
    let salt = field::sized(salt.as_bytes().to_vec(), Part::Salt, 0, MOST_BYTES)?;
    let hash = Sha512::digest(text.as_bytes()).to_vec();
    let digest = Digest::Sha512;
    Ok(Credential::new(Cost::Plain { digest, place }, salt, hash))
}

/// `$name$…`, `{NAME}…` and `name$…$…`: crypt(3), LDAP and Django have more forms than are read
/// here, and argon2d and md5 are among them.
fn looks_hashed(text: &str) -> bool {
    let dollars = text.bytes().filter(|byte| *byte == b'$').count();
    let crypt = text.starts_with('$') && dollars > 1;
    let ldap = text.starts_with('{') && text.contains('}');
    let beginning = |(marker, _): &(&str, _)| {
        let cut = text.len() > 2 && marker.starts_with(text);
        cut || text.starts_with(marker.trim_end_matches('$'))
    };
    crypt || ldap || dollars > 2 || super::MARKERS.iter().any(beginning)
}
