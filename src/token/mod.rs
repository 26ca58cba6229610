//! JSON Web Tokens (RFC 7519) in their compact form, signed (RFC 7515): bytes, keys and the time in, claims
//! or what is wrong out.
//!
//! Must not: know accounts, read a clock or a file, or follow anything that a token says of its own key:
//! `jwk`, `jku` and `x5u` are never looked at, and which algorithm verifies is the key's to say. What has
//! been parsed is believed by nobody before [`Parsed::verify`].
#![forbid(unsafe_code)]

mod claims;
mod fault;
mod json;
mod key;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

pub use self::claims::{Acl, Claims};
pub use self::fault::Fault;
use self::json::Object;
pub use self::key::{Key, KeyId, KeysError, public_keys, published_keys, secret_key};
use crate::config::{Algorithm, Jwt};

/// A token as it was written; nothing of it is known to be true.
pub struct Parsed<'a> {
    /// What is signed.
    signed: &'a [u8],
    signature: Vec<u8>,
    algorithm: Box<str>,
    kid: Option<Box<str>>,
    payload: Object,
}

/// Whether these bytes have the form of a token: three parts in base64url, of which the first is that of
/// a JSON object. Nothing that does is ever taken for a password.
#[must_use]
pub fn looks_like_one(bytes: &[u8]) -> bool {
    let mut parts = bytes.split(|byte| *byte == b'.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // Names of hosts have dots and letters, too.
    header.first() == Some(&b'e')
        && payload.iter().chain(signature).all(is_base64url)
        && decoded(header).is_ok_and(|header| matches!(&*header, [b'{', .., b'}']))
}

impl<'a> Parsed<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// For what is none.
    pub fn read(token: &'a [u8]) -> Result<Self, Fault> {
        if token.len() > LONGEST {
            return Err(Fault::TooLong);
        }
        let mut parts = token.rsplitn(2, |byte| *byte == b'.');
        let (signature, signed) = parts.next().zip(parts.next()).ok_or(Fault::Shape)?;
        let mut parts = signed.split(|byte| *byte == b'.');
        let (header, payload) = parts.next().zip(parts.next()).ok_or(Fault::Shape)?;
        if parts.next().is_some() {
            return Err(Fault::Shape);
        }
        let header = Object::read(&decoded(header)?)?;
        if header.find("crit").is_some() {
            return Err(Fault::Critical);
        }
        Ok(Self {
            signed,
            signature: decoded(signature)?,
            algorithm: header.text("alg")?.ok_or(Fault::Algorithm)?.into(),
            kid: header.text("kid")?.map(Into::into),
            payload: Object::read(&decoded(payload)?)?,
        })
    }

    /// Who it says it is of.
    #[must_use]
    pub fn alleged(&self, wanted: &Jwt) -> Option<&str> {
        self.payload.text(&wanted.username).ok()?
    }

    /// Whether it names no key that is there.
    #[must_use]
    pub fn is_of_strange_key(&self, keys: &[Arc<[Key]>]) -> bool {
        let mut keys = keys.iter().flat_map(|keys| keys.iter());
        keys.all(|key| self.kid.is_none() || key.kid() != self.kid.as_deref())
    }

    /// What is in it, if it is signed with one of these keys and good now.
    ///
    /// # Errors
    /// For the first thing that is wrong: how it is signed comes before what it says.
    pub fn verify(
        &self,
        keys: &[Arc<[Key]>],
        wanted: &Jwt,
        now: Timestamp,
    ) -> Result<Claims, Fault> {
        let algorithm = Algorithm::named(&self.algorithm).ok_or(Fault::Algorithm)?;
        if !wanted.algorithms.is_empty() && !wanted.algorithms.contains(&algorithm) {
            return Err(Fault::NotAllowed);
        }
        let signer = self.signer(keys, algorithm)?;
        Claims::judge(&self.payload, signer, wanted, now)
    }

    /// The key that made the signature.
    fn signer(&self, keys: &[Arc<[Key]>], algorithm: Algorithm) -> Result<KeyId, Fault> {
        let all = || keys.iter().flat_map(|keys| keys.iter());
        let mut meant: Vec<&Key> = match &self.kid {
            None => all().collect(),
            Some(kid) => all().filter(|key| key.kid() == Some(kid)).collect(),
        };
        if meant.is_empty() {
            // A key in a PEM file has no name of its own.
            meant = all().filter(|key| key.kid().is_none()).collect();
        }
        if meant.is_empty() {
            return Err(Fault::NoKey);
        }
        meant.retain(|key| key.verifies(algorithm));
        match meant.len() {
            0 => return Err(Fault::NotTheKeys),
            1..=MOST_TRIED => {}
            _ => return Err(Fault::NoKey),
        }
        let mut meant = meant.into_iter();
        let signer = meant.find(|key| key.verify(algorithm, self.signed, &self.signature));
        signer.map(Key::id).ok_or(Fault::Signature)
    }
}

/// Base64url as RFC 7515 has it: nothing behind it, and no bits to spare.
fn decoded(part: &[u8]) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Shape)
}

/// A token of more bytes is none.
pub const LONGEST: usize = 16 * 1024;

/// A token that names none is tried with so many keys, and with none where there are more.
const MOST_TRIED: usize = 8;
