//! JSON Web Tokens (RFC 7519) in their compact form, signed (RFC 7515): bytes, keys and the time in, claims
//! or what is wrong out.
//!
//! Must not: know accounts, read a clock or a file, or follow anything that a token says of its own key:
//! `jwk`, `jku` and `x5u` are never looked at, and which algorithm verifies is the key's to say. What has
//! been parsed is believed by nobody before [`Parsed::verify`], or [`Unproven::verified`].
#![forbid(unsafe_code)]

mod claims;
mod fault;
mod json;
mod key;
mod signer;
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
pub use self::signer::{Signer, Unproven};
use crate::config::{Algorithm, Jwt};

/// A token as it was written; nothing of it is known to be true.
pub struct Parsed<'a> {
    /// What is signed.
    signed: &'a [u8],
    signature: Vec<u8>,
    algorithm: Box<str>,
    kid: Option<Box<str>>,
    /// The payload, and how it is written.
    payload: Object,
    written: Vec<u8>,
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
        let (signed, signature) = divided(token)?;
        let mut parts = signed.split(|byte| *byte == b'.');
        let (header, payload) = parts.next().zip(parts.next()).ok_or(Fault::Shape)?;
        if parts.next().is_some() {
            return Err(Fault::Shape);
        }
        let header = Object::read(&decoded(header)?)?;
        if header.find("crit").is_some() {
            return Err(Fault::Critical);
        }
        let signature = decoded(signature)?;
        let algorithm = header.text("alg")?.ok_or(Fault::Algorithm)?.into();
        let kid = header.text("kid")?.map(Into::into);
        let written = decoded(payload)?;
        Ok(Self {
            signed,
            signature,
            algorithm,
            kid,
            payload: Object::read(&written)?,
            written,
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
        let (algorithm, meant) = self.meant(keys, wanted)?;
        let mut meant = meant.into_iter();
        let signer = meant.find(|key| key.verify(algorithm, self.signed, &self.signature));
        let signer = signer.ok_or(Fault::Signature)?;
        Claims::judge(&self.payload, signer.id(), wanted, now)
    }

    /// Whether its signature takes longer to verify than it takes to ask another thread.
    #[must_use]
    pub fn is_worth_a_thread(&self) -> bool {
        Algorithm::named(&self.algorithm).is_some_and(|algorithm| !algorithm.is_secret())
    }

    /// What is left of it for those who find out elsewhere whether one of these keys signed it, and what is to
    /// be asked of each key there.
    ///
    /// # Errors
    /// For what is wrong whoever signed it.
    pub fn divide(
        self,
        keys: &[Arc<[Key]>],
        wanted: &Jwt,
    ) -> Result<(Unproven, Vec<Signer>), Fault> {
        let (algorithm, meant) = self.meant(keys, wanted)?;
        let meant = meant.into_iter();
        let signers: Vec<_> = meant.map(|key| Signer::new(key, algorithm)).collect();
        Ok((Unproven::new(self.written, &signers), signers))
    }

    /// The keys that it may be signed with, and by which algorithm.
    fn meant<'k>(
        &self,
        keys: &'k [Arc<[Key]>],
        wanted: &Jwt,
    ) -> Result<(Algorithm, Vec<&'k Key>), Fault> {
        let algorithm = Algorithm::named(&self.algorithm).ok_or(Fault::Algorithm)?;
        if !wanted.algorithms.is_empty() && !wanted.algorithms.contains(&algorithm) {
            return Err(Fault::NotAllowed);
        }
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
            0 => Err(Fault::NotTheKeys),
            1..=MOST_TRIED => Ok((algorithm, meant)),
            _ => Err(Fault::NoKey),
        }
    }
}

/// What is signed, and the signature as it is written.
fn divided(token: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let mut parts = token.rsplitn(2, |byte| *byte == b'.');
    let (signature, signed) = parts.next().zip(parts.next()).ok_or(Fault::Shape)?;
    Ok((signed, signature))
}

/// Base64url as RFC 7515 has it: nothing behind it, and no bits to spare.
fn decoded(part: &[u8]) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Shape)
}

/// A token of more bytes is none.
pub const LONGEST: usize = 16 * 1024;

/// A token that names none is tried with so many keys, and with none where there are more.
const MOST_TRIED: usize = 8;
