//! Remembers which password was last found right for which stored credential, so that a broker's
//! re-check after SIGHUP, or a client that comes back, does not cost a slow hash again.
//!
//! Must not: hold a password, or anything a password could be guessed from without the key, which is
//! random for each process and never leaves it. The stored credential is part of the key, so a
//! changed account is unknown here at once. Wrong passwords are not remembered.
#![forbid(unsafe_code)]

use hmac::{Hmac, KeyInit, Mac};
use lru::LruCache;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::model::{AccountName, StoredCredential};

/// How many credentials are remembered: about 100 bytes each.
const MOST: usize = 1_000_000;

/// The memory of verified passwords.
pub struct Verified {
    key: Hmac<Sha256>,
    tags: LruCache<Tag, Tag>,
    most: usize,
}

/// A keyed fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag([u8; 32]);

impl Verified {
    /// An empty memory under a key of 32 random bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self::bounded(key, MOST)
    }

    fn bounded(key: &[u8; 32], most: usize) -> Self {
        // HMAC fills a key shorter than the digest's block with zeros (RFC 2104).
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        let key = <Hmac<Sha256> as KeyInit>::new(&block);
        Self {
            key,
            tags: LruCache::unbounded(),
            most,
        }
    }

    /// The fingerprint of an account's stored credential. Another text, salt or account is another
    /// fingerprint.
    #[must_use]
    pub fn fingerprint(&self, name: &AccountName, credential: &StoredCredential) -> Tag {
        self.mac(name, credential, None)
    }

    /// Whether this password was found right for this credential.
    pub fn holds(
        &mut self,
        name: &AccountName,
        credential: &StoredCredential,
        password: &[u8],
    ) -> bool {
        let asked = self.mac(name, credential, Some(password));
        let about = self.mac(name, credential, None);
        self.tags
            .get(&about)
            .is_some_and(|known| known.0.ct_eq(&asked.0).into())
    }

    /// Remembers that this password is right for this credential.
    pub fn remember(&mut self, name: &AccountName, credential: &StoredCredential, password: &[u8]) {
        let about = self.mac(name, credential, None);
        let tag = self.mac(name, credential, Some(password));
        self.tags.put(about, tag);
        if self.tags.len() > self.most {
            self.tags.pop_lru();
        }
    }

    fn mac(
        &self,
        name: &AccountName,
        credential: &StoredCredential,
        password: Option<&[u8]>,
    ) -> Tag {
        let mut mac = self.key.clone();
        let salt = credential.salt.as_deref().unwrap_or("");
        let parts = [
            name.as_str().as_bytes(),
            credential.text.as_bytes(),
            salt.as_bytes(),
        ];
        for part in parts.into_iter().chain(password) {
            // Lengths in front, so that no two lists of parts read alike.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Tag(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    fn filled() -> Verified {
        let mut verified = Verified::new(&[7; 32]);
        verified.remember(&name("ann"), &StoredCredential::marked("c1"), b"right");
        verified
    }

    #[test]
    fn the_password_that_was_right_holds() {
        assert!(filled().holds(&name("ann"), &StoredCredential::marked("c1"), b"right"));
    }

    #[test]
    fn another_password_account_or_credential_does_not_hold() {
        let mut verified = filled();
        assert!(!verified.holds(&name("ann"), &StoredCredential::marked("c1"), b"wrong"));
        assert!(!verified.holds(&name("ann"), &StoredCredential::marked("c2"), b"right"));
        assert!(!verified.holds(&name("bob"), &StoredCredential::marked("c1"), b"right"));
        // The same letters, divided otherwise.
        assert!(!verified.holds(&name("an"), &StoredCredential::marked("nc1"), b"right"));
    }

    #[test]
    fn a_salt_of_its_own_is_part_of_the_credential() {
        let with = |salt: &str| StoredCredential {
            salt: Some(salt.into()),
            ..StoredCredential::marked("c1")
        };
        let mut verified = Verified::new(&[7; 32]);
        verified.remember(&name("ann"), &with("x"), b"right");
        assert!(verified.holds(&name("ann"), &with("x"), b"right"));
        assert!(!verified.holds(&name("ann"), &with("y"), b"right"));
    }

    #[test]
    fn both_credentials_of_a_rotation_are_remembered() {
        let mut verified = filled();
        verified.remember(&name("ann"), &StoredCredential::marked("c2"), b"new");
        assert!(verified.holds(&name("ann"), &StoredCredential::marked("c1"), b"right"));
        assert!(verified.holds(&name("ann"), &StoredCredential::marked("c2"), b"new"));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let mut verified = Verified::bounded(&[7; 32], 2);
        for account in ["a", "b", "c"] {
            verified.remember(&name(account), &StoredCredential::marked("x"), b"p");
        }
        assert!(!verified.holds(&name("a"), &StoredCredential::marked("x"), b"p"));
        assert!(verified.holds(&name("c"), &StoredCredential::marked("x"), b"p"));
        assert_eq!(verified.tags.len(), 2);
    }
}
