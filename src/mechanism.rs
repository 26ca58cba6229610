//! SCRAM's mechanisms by name, the two functions that RFC 5802 writes H and HMAC, and what is known of
//! somebody who proves a password with them.
//!
//! Must not: take part in an exchange, or know how keys are stored. Keys are secrets: `Debug` never
//! shows them.
#![forbid(unsafe_code)]

use std::fmt;

use hmac::digest::Key;
use hmac::digest::block_api::BlockSizeUser;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

/// A mechanism, by its hash. Each is offered without channel binding: a plugin sees nothing of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Mechanism {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The lowest iteration count that clients are told to accept (RFC 7677, section 4).
    pub const LEAST_ITERATIONS: u32 = 4096;

    /// Its name in SASL, which MQTT calls the authentication method.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The length of its hash.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// H.
    #[must_use]
    pub fn hash(self, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        })
    }

    /// HMAC, over the parts one behind the other.
    #[must_use]
    pub fn mac(self, key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Sha256 => mac::<Hmac<Sha256>, Sha256>(key, parts),
            Self::Sha512 => mac::<Hmac<Sha512>, Sha512>(key, parts),
        })
    }

    /// H(HMAC(SaltedPassword, "Client Key")).
    #[must_use]
    pub fn stored_key(self, salted_password: &[u8]) -> Zeroizing<Vec<u8>> {
        self.hash(&self.mac(salted_password, &[b"Client Key"]))
    }

    /// HMAC(SaltedPassword, "Server Key").
    #[must_use]
    pub fn server_key(self, salted_password: &[u8]) -> Zeroizing<Vec<u8>> {
        self.mac(salted_password, &[b"Server Key"])
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of somebody who proves a password by SCRAM.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// By which mechanism.
    pub mechanism: Mechanism,
    /// Told to whoever asks.
    pub salt: Vec<u8>,
    /// How often the hash is repeated; told as well.
    pub iterations: u32,
    /// What a proof is held against.
    pub stored: Zeroizing<Vec<u8>>,
    /// What signs the answer.
    pub server: Zeroizing<Vec<u8>>,
}

impl Keys {
    /// Those of a SaltedPassword: the output of PBKDF2 with HMAC and the mechanism's hash.
    #[must_use]
    pub fn of(
        mechanism: Mechanism,
        salted_password: &[u8],
        salt: Vec<u8>,
        iterations: u32,
    ) -> Self {
        Self {
            mechanism,
            salt,
            iterations,
            stored: mechanism.stored_key(salted_password),
            server: mechanism.server_key(salted_password),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn mac<M: Mac + KeyInit, D: sha2::Digest + BlockSizeUser>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes the hash of a key longer than a block, and fills a shorter one with zeros (RFC 2104).
    let long = (key.len() > D::block_size()).then(|| D::digest(key));
    let key = long.as_deref().unwrap_or(key);
    let mut block = Key::<M>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = <M as KeyInit>::new(&block);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 4231, test cases 2 and 6: a short key, and one longer than a block of either hash.
    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let short = |m: Mechanism| hex(&m.mac(b"Jefe", &[b"what do ya want ", b"for nothing?"]));
        assert!(short(Mechanism::Sha256).starts_with("5bdcc146bf60754e6a042426089575c7"));
        assert!(short(Mechanism::Sha512).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
        let text: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let long = |m: Mechanism| hex(&m.mac(&[0xaa; 131], &[text]));
        assert!(long(Mechanism::Sha256).starts_with("60e431591ee0b67f0d8a26aacbf5b77f"));
        assert!(long(Mechanism::Sha512).starts_with("80b24263c7c1a3ebb71493c1dd7be8b4"));
    }

    #[test]
    fn only_the_two_names_are_mechanisms() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::named(mechanism.name()), Some(mechanism));
        }
        for name in [
            "",
            "SCRAM-SHA-1",
            "scram-sha-256",
            "SCRAM-SHA-256-PLUS",
            "SCRAM-SHA-256 ",
        ] {
            assert_eq!(Mechanism::named(name), None, "{name}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = Keys::of(Mechanism::Sha256, &[7; 32], b"salt".to_vec(), 1);
        assert_eq!(format!("{keys:?}"), "[redacted]");
    }
}
