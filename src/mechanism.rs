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

    /// RFC 4231: all test cases but the fifth, which has half of a MAC. Keys shorter than the hash, as long and longer
    /// than a block of either.
    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let counted: Vec<u8> = (1..=25).collect();
        let longer = b"This is a test using a larger than block-size key and a larger than block-size data. \
                       The key needs to be hashed before being used by the HMAC algorithm.";
        let cases: [(&[u8], &[u8], &str, &str); 6] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
                 daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
                "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39\
                 bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
            ),
            (
                &counted,
                &[0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
                "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db\
                 a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
                 6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ),
            (
                &[0xaa; 131],
                longer,
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
                "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944\
                 b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
            ),
        ];
        for (key, text, sha256, sha512) in cases {
            // In one piece, and in two.
            let (first, rest) = text.split_at(text.len() / 2);
            for parts in [&[text][..], &[first, rest]] {
                assert_eq!(hex(&Mechanism::Sha256.mac(key, parts)), sha256);
                assert_eq!(hex(&Mechanism::Sha512.mac(key, parts)), sha512);
            }
        }
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
