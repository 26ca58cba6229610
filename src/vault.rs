//! Keys that are sealed before they are stored: XChaCha20-Poly1305 with keys from a file.
//!
//! Must not: open a file, or make a nonce: both are arguments. What is sealed is bound to its identity
//! and account, so nobody who may only write the database can give a device's key to another account.
#![forbid(unsafe_code)]

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::model::{AccountName, PskIdentity, PskKey};

/// The keys of a file: the first one seals, each of them opens.
pub struct Vault(Vec<XChaCha20Poly1305>);

/// Why a file's text holds no keys. It says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVault {
    /// No line of it is a key.
    #[error("there is no key in it: 64 hexadecimal digits on a line")]
    Empty,
    /// A line of it is something else.
    #[error("line {0} is not 64 hexadecimal digits")]
    Line(usize),
    /// More than anybody needs.
    #[error("more than {MOST} keys")]
    TooMany,
}

impl Vault {
    /// Reads the text of a key file: a key on each line, empty lines and comments aside.
    ///
    /// # Errors
    /// When a line is something else, or none is a key.
    pub fn parse(text: &[u8]) -> Result<Self, NoVault> {
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if keys.len() == MOST {
                return Err(NoVault::TooMany);
            }
            let key = PskKey::from_hex(line).map_err(|_| NoVault::Line(number))?;
            let cipher = XChaCha20Poly1305::new_from_slice(key.expose());
            keys.push(cipher.map_err(|_| NoVault::Line(number))?);
        }
        match keys.is_empty() {
            true => Err(NoVault::Empty),
            false => Ok(Self(keys)),
        }
    }

    /// Seals a key with the first one: the nonce, what is sealed, and the tag. None where that cannot be
    /// done.
    #[must_use]
    pub fn seal(
        &self,
        nonce: [u8; NONCE],
        identity: &PskIdentity,
        name: &AccountName,
        key: &PskKey,
    ) -> Option<Vec<u8>> {
        let bound = bound(identity, name);
        let payload = Payload {
            msg: key.expose(),
            aad: &bound,
        };
        let sealed = self
            .0
            .first()?
            .encrypt(&XNonce::from(nonce), payload)
            .ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for this identity and account, by any of the keys; whether by the first one.
    #[must_use]
    pub fn open(
        &self,
        sealed: &[u8],
        identity: &PskIdentity,
        name: &AccountName,
    ) -> Option<(PskKey, bool)> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE>()?;
        let bound = bound(identity, name);
        let mut keys = self.0.iter().enumerate();
        keys.find_map(|(place, key)| {
            let payload = Payload { msg, aad: &bound };
            let opened = key.decrypt(&XNonce::from(*nonce), payload).ok()?;
            let key = PskKey::new(Zeroizing::new(opened)).ok()?;
            Some((key, place == 0))
        })
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a sealed key belongs to; lengths in front, so that no two read alike.
fn bound(identity: &PskIdentity, name: &AccountName) -> Vec<u8> {
    let mut bound = b"doorman psk 1".to_vec();
    for part in [identity.as_str(), name.as_str()] {
        bound.extend((part.len() as u64).to_be_bytes());
        bound.extend(part.as_bytes());
    }
    bound
}

/// How many bytes are added to what is sealed: the nonce before it and the tag behind it.
pub const ADDED: usize = NONCE + 16;

/// The length of a nonce, long enough to be drawn at random.
pub const NONCE: usize = 24;

/// A file with more keys than that is another kind of file.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(lines: &[&str]) -> Vault {
        Vault::parse(lines.join("\n").as_bytes()).unwrap()
    }

    fn identity(text: &str) -> PskIdentity {
        PskIdentity::new(text).unwrap()
    }

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    fn key() -> PskKey {
        PskKey::from_hex(b"00112233445566778899aabbccddeeff").unwrap()
    }

    fn sealed(vault: &Vault) -> Vec<u8> {
        let sealed = vault.seal([7; NONCE], &identity("i"), &name("ann"), &key());
        sealed.unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_for_its_identity_and_account_alone() {
        let vault = vault(&["# ours", &"a1".repeat(32), ""]);
        let sealed = sealed(&vault);
        assert_eq!(sealed.len(), key().expose().len() + ADDED);
        let open = |bytes: &[u8], i: &str, who: &str| vault.open(bytes, &identity(i), &name(who));
        assert_eq!(open(&sealed, "i", "ann"), Some((key(), true)));
        assert_eq!(open(&sealed, "i", "bob"), None);
        assert_eq!(open(&sealed, "j", "ann"), None);
        assert_eq!(open(&sealed, "ia", "nn"), None);
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert_eq!(open(&other, "i", "ann"), None, "byte {at}");
            assert_eq!(open(&sealed[..at], "i", "ann"), None, "{at} bytes");
        }
    }

    #[test]
    fn an_older_key_opens_and_another_one_does_not() {
        let [old, new] = ["a1".repeat(32), "b2".repeat(32)];
        let sealed = sealed(&vault(&[&old]));
        let open = |vault: Vault| vault.open(&sealed, &identity("i"), &name("ann"));
        assert_eq!(open(vault(&[&new, &old])), Some((key(), false)));
        assert_eq!(open(vault(&[&new])), None);
    }

    #[test]
    fn a_file_of_something_else_is_refused_by_its_line() {
        let parse = |text: &str| Vault::parse(text.as_bytes()).map(drop);
        assert_eq!(parse("# no key\n\n"), Err(NoVault::Empty));
        let good = "0a".repeat(32);
        assert_eq!(parse(&format!("{good}\r\n#\n{good}")), Ok(()));
        for bad in ["0a", "tulip", &"0a".repeat(33)] {
            let text = format!("{good}\n{bad}");
            assert_eq!(parse(&text), Err(NoVault::Line(2)), "{bad}");
        }
        let many = vec![good; MOST + 1].join("\n");
        assert_eq!(parse(&many), Err(NoVault::TooMany));
    }
}
