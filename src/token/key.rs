//! Keys that tokens are signed with, and what each of them may verify.
//!
//! Must not: let a public key be taken for a secret, or a key for another algorithm than its own: that a
//! token asks for it does not make it so. A secret is never shown.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use spki::der::asn1::UintRef;
use spki::der::{Decode as _, Reader as _, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::config::Algorithm;
use crate::secret::Secret;

/// A key.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    kid: Option<Box<str>>,
    /// The only algorithm it is for, where that was said.
    only: Option<Algorithm>,
    material: Arc<Material>,
}

/// Which key it is, whatever it is called. Tells nothing of a secret but whether it is the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 32]);

enum Material {
    /// A secret of both sides.
    Shared(Secret),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point, uncompressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Why there are no keys in something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is neither PEM nor JSON.
    #[error("there is no key in it: neither BEGIN PUBLIC KEY nor a JWK or JWKS")]
    Nothing,
    /// It holds what belongs to the issuer.
    #[error("it holds a private key, which belongs to the issuer alone: put its public key here")]
    Private,
    /// A certificate is more than a key, and nobody would look at the rest of it.
    #[error("it holds a certificate: take its key out of it (openssl x509 -pubkey -noout)")]
    Certificate,
    /// Its PEM or JSON is damaged.
    #[error("it cannot be read")]
    Damaged,
    /// None of its keys can verify a token.
    #[error(
        "none of its keys can be used: RSA of 2048 to 8192 bits, P-256, P-384 and Ed25519 can, and a \
         secret of 32 bytes or more"
    )]
    Unusable,
    /// More than anybody needs.
    #[error("it holds too many keys")]
    TooMany,
    /// A short secret can be guessed from one token.
    #[error("a secret needs at least 32 bytes")]
    Short,
    /// Everybody has it.
    #[error("a public key is no secret: it belongs to plugin_opt_jwt_key_file")]
    Public,
}

impl Key {
    fn new(kid: Option<Box<str>>, only: Option<Algorithm>, material: Material) -> Self {
        let mut hash = Sha256::new();
        for part in material.parts() {
            // Their lengths, so that two parts are not another two.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Self {
            id: KeyId(hash.finalize().into()),
            kid,
            only,
            material: Arc::new(material),
        }
    }

    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What its issuer calls it.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it is for this algorithm.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm) -> bool {
        let long = |least: usize| matches!(&*self.material, Material::Shared(secret) if secret.expose().len() >= least);
        let fits = match algorithm {
            // No shorter than the hash (RFC 7518, section 3.2).
            Algorithm::Hs256 => long(32),
            Algorithm::Hs384 => long(48),
            Algorithm::Hs512 => long(64),
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => matches!(*self.material, Material::Rsa { .. }),
            Algorithm::Es256 => matches!(*self.material, Material::P256(_)),
            Algorithm::Es384 => matches!(*self.material, Material::P384(_)),
            Algorithm::EdDsa => matches!(*self.material, Material::Ed25519(_)),
        };
        fits && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether it made this signature by this algorithm.
    pub(super) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.verifies(algorithm) {
            return false;
        }
        match (algorithm, &*self.material) {
            (Algorithm::Hs256, Material::Shared(secret)) => {
                is_hmac(hmac::HMAC_SHA256, secret, signed, signature)
            }
            (Algorithm::Hs384, Material::Shared(secret)) => {
                is_hmac(hmac::HMAC_SHA384, secret, signed, signature)
            }
            (Algorithm::Hs512, Material::Shared(secret)) => {
                is_hmac(hmac::HMAC_SHA512, secret, signed, signature)
            }
            (_, Material::Rsa { n, e }) => {
                let key = RsaPublicKeyComponents { n, e };
                rsa_parameters(algorithm)
                    .is_some_and(|parameters| key.verify(parameters, signed, signature).is_ok())
            }
            (Algorithm::Es256, Material::P256(point)) => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(signed, signature).is_ok()
            }
            (Algorithm::Es384, Material::P384(point)) => {
                let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
                key.verify(signed, signature).is_ok()
            }
            (Algorithm::EdDsa, Material::Ed25519(point)) => {
                let key = UnparsedPublicKey::new(&ED25519, point);
                key.verify(signed, signature).is_ok()
            }
            (_, _) => false,
        }
    }
}

fn is_hmac(hash: hmac::Algorithm, secret: &Secret, signed: &[u8], signature: &[u8]) -> bool {
    let key = hmac::Key::new(hash, secret.expose());
    hmac::verify(&key, signed, signature).is_ok()
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512
        | Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::EdDsa => None,
    }
}

impl Material {
    fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let [n, e] = [n, e].map(|number| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number.get(zeros..).unwrap_or_default().to_vec()
        });
        let is_long = (256..=1024).contains(&n.len());
        (is_long && (1..=8).contains(&e.len())).then_some(Self::Rsa { n, e })
    }

    /// A point: a byte that says so, and two coordinates.
    fn point(bytes: &[u8], length: usize, make: fn(Vec<u8>) -> Self) -> Option<Self> {
        let is_point = bytes.first() == Some(&4) && bytes.len() == length;
        is_point.then(|| make(bytes.to_vec()))
    }

    fn ed25519(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 32).then(|| Self::Ed25519(bytes.to_vec()))
    }

    fn shared(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= SHORTEST_SECRET).then(|| Self::Shared(Secret::new(bytes)))
    }

    /// What it consists of, its kind first.
    fn parts(&self) -> [&[u8]; 3] {
        match self {
            Self::Shared(secret) => [b"secret", secret.expose(), b""],
            Self::Rsa { n, e } => [b"rsa", n, e],
            Self::P256(point) => [b"p-256", point, b""],
            Self::P384(point) => [b"p-384", point, b""],
            Self::Ed25519(point) => [b"ed25519", point, b""],
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyId")
    }
}

/// The keys in a file: PEM, a JWK or a JWKS.
///
/// # Errors
/// Where there is none that can be used, or something that belongs elsewhere.
pub fn public_keys(bytes: &[u8]) -> Result<Vec<Key>, KeysError> {
    if has(bytes, "PRIVATE KEY-----") {
        return Err(KeysError::Private);
    }
    if has(bytes, "BEGIN CERTIFICATE-----") {
        return Err(KeysError::Certificate);
    }
    if has(bytes, "-----BEGIN ") {
        return pem(bytes);
    }
    match bytes.trim_ascii_start().first() {
        Some(b'{') => json(bytes, Secrets::Taken),
        Some(_) | None => Err(KeysError::Nothing),
    }
}

/// The keys that an issuer publishes: a JWKS. A secret that is published is none.
///
/// # Errors
/// As for a file.
pub fn published_keys(bytes: &[u8]) -> Result<Vec<Key>, KeysError> {
    json(bytes, Secrets::PassedOver)
}

/// The secret that a file is.
///
/// # Errors
/// When it is too short, or something that is known to everybody.
pub fn secret_key(bytes: &[u8]) -> Result<Vec<Key>, KeysError> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if is_public(bytes) {
        return Err(KeysError::Public);
    }
    let material = Material::shared(bytes.to_vec()).ok_or(KeysError::Short)?;
    Ok(vec![Key::new(None, None, material)])
}

/// Whether something is a key that others have too, in any form that it may have been saved in: PEM with text in
/// front, JSON, a line of OpenSSH or bytes.
fn is_public(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = text.trim_ascii_start();
    let mut begins = PUBLIC.iter().map(|form| form.as_bytes());
    has(bytes, "-----BEGIN ")
        || begins.any(|form| text.starts_with(form))
        || SubjectPublicKeyInfoRef::from_der(bytes).is_ok()
}

fn has(bytes: &[u8], what: &str) -> bool {
    let mut parts = bytes.windows(what.len());
    parts.any(|part| part == what.as_bytes())
}

fn pem(bytes: &[u8]) -> Result<Vec<Key>, KeysError> {
    let mut keys = Vec::new();
    for key in SubjectPublicKeyInfoDer::pem_slice_iter(bytes) {
        let key = key.map_err(|_| KeysError::Damaged)?;
        let material = material(&key).ok_or(KeysError::Unusable)?;
        keys.push(Key::new(None, None, material));
    }
    match keys.len() {
        0 => Err(KeysError::Nothing),
        1..=MOST_KEYS => Ok(keys),
        _ => Err(KeysError::TooMany),
    }
}

/// What a SubjectPublicKeyInfo holds.
fn material(key: &[u8]) -> Option<Material> {
    let key = SubjectPublicKeyInfoRef::from_der(key).ok()?;
    let bits = key.subject_public_key.as_bytes()?;
    match key.algorithm.oid {
        RSA => {
            let mut reader = SliceReader::new(bits).ok()?;
            let numbers = reader.sequence(|inner| {
                Ok::<_, spki::der::Error>((UintRef::decode(inner)?, UintRef::decode(inner)?))
            });
            let (n, e) = numbers.ok()?;
            Material::rsa(n.as_bytes(), e.as_bytes())
        }
        EC => match key.algorithm.parameters_oid().ok()? {
            P256 => Material::point(bits, 65, Material::P256),
            P384 => Material::point(bits, 97, Material::P384),
            _ => None,
        },
        ED25519_KEY => Material::ed25519(bits),
        _ => None,
    }
}

/// Whether secrets count among keys in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    Taken,
    PassedOver,
}

/// A key in JSON (RFC 7517), as far as it says anything to us.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<Box<str>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

/// Keys that are not understood, or for something else, are passed over.
fn json(bytes: &[u8], secrets: Secrets) -> Result<Vec<Key>, KeysError> {
    let all = match serde_json::from_slice::<Jwks>(bytes) {
        Ok(set) => set.keys,
        Err(_) => vec![serde_json::from_slice(bytes).map_err(|_| KeysError::Damaged)?],
    };
    if all.len() > MOST_KEYS {
        return Err(KeysError::TooMany);
    }
    let mut keys = Vec::new();
    for jwk in all
        .into_iter()
        .filter_map(|value| Jwk::deserialize(value).ok())
    {
        if jwk.d.is_some() {
            return Err(KeysError::Private);
        }
        if jwk.kty != "oct" || secrets == Secrets::Taken {
            keys.extend(jwk.key());
        }
    }
    match keys.is_empty() {
        true => Err(KeysError::Unusable),
        false => Ok(keys),
    }
}

impl Jwk {
    fn key(self) -> Option<Key> {
        let is_to_verify = self
            .purpose
            .as_deref()
            .is_none_or(|purpose| purpose == "sig");
        let mut operations = self.key_ops.iter().flatten();
        let is_to_verify = is_to_verify
            && (self.key_ops.is_none() || operations.any(|operation| operation == "verify"));
        if !is_to_verify {
            return None;
        }
        let only = match &self.alg {
            Some(name) => Some(Algorithm::named(name)?),
            None => None,
        };
        let bytes = |field: &Option<String>| URL_SAFE_NO_PAD.decode(field.as_ref()?).ok();
        let point = || Some([vec![4], bytes(&self.x)?, bytes(&self.y)?].concat());
        let material = match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => Material::rsa(&bytes(&self.n)?, &bytes(&self.e)?)?,
            ("EC", Some("P-256")) => Material::point(&point()?, 65, Material::P256)?,
            ("EC", Some("P-384")) => Material::point(&point()?, 97, Material::P384)?,
            ("OKP", Some("Ed25519")) => Material::ed25519(&bytes(&self.x)?)?,
            ("oct", _) => Material::shared(bytes(&self.k)?)?,
            _ => return None,
        };
        let key = Key::new(self.kid, only, material);
        // One that is for nothing that it could do is none.
        let mut all = Algorithm::ALL.into_iter();
        all.any(|algorithm| key.verifies(algorithm)).then_some(key)
    }
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// How JSON begins, and the public keys of OpenSSH.
const PUBLIC: [&str; 4] = ["{", "ssh-", "ecdsa-", "sk-"];

/// As long as the shortest hash (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// No issuer has so many at a time.
const MOST_KEYS: usize = 64;
