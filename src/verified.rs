//! Remembers which password was last found right for which stored credential, so that a broker's
//! re-check after SIGHUP, or a client that comes back, does not cost a slow hash again.
//!
//! Must not: hold a password, or anything a password could be guessed from without the key, which is
//! random for each process and never leaves it. The stored credential is part of the key, so a
//! changed account is unknown here at once. A wrong password is remembered for a minute: a device that
//! tries the same one again and again costs nothing.
#![forbid(unsafe_code)]

use std::hash::Hasher as _;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use lru::LruCache;
use sha2::Sha256;
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use subtle::ConstantTimeEq;

use crate::model::{AccountName, Fingerprint, PskIdentity, PskKey, StoredCredential};

/// How many passwords are remembered: about 150 bytes each.
const MOST: usize = 1_000_000;

/// How many refused passwords are remembered.
const MOST_REFUSED: usize = 10_000;

/// How long a password is remembered as right. Once a day it is hashed again.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a password is remembered as wrong.
const AGE_REFUSED: Duration = Duration::from_secs(60);

/// The memory of verified passwords.
pub struct Verified {
    key: Hmac<Sha256>,
    credentials: SipHasher13,
    right: LruCache<Fingerprint, Seen>,
    wrong: LruCache<Tag, Instant>,
    most: usize,
}

/// A credential's fingerprint and a password, under the key: the first half of their HMAC-SHA256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Tag(u128);

/// One question: does this password fit this credential?
#[derive(Clone, Copy)]
pub struct Tags {
    /// The account's stored credential.
    pub credential: Fingerprint,
    /// The credential with the password.
    password: Tag,
}

/// A password that was right, and when.
struct Seen {
    password: Tag,
    at: Instant,
}

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
        let Tag(own) = mac(&key, &[b"credentials"]);
        Self {
            key,
            credentials: SipHasher13::new_with_key(&own.to_be_bytes()),
            right: LruCache::unbounded(),
            wrong: LruCache::unbounded(),
            most,
        }
    }

    /// The fingerprint of an account's stored credential.
    #[must_use]
    pub fn fingerprint(&self, name: &AccountName, credential: &StoredCredential) -> Fingerprint {
        let salt = credential.salt.as_deref().unwrap_or("");
        let parts = [name.as_str(), &credential.text, salt];
        self.fingerprint_of(&parts.map(str::as_bytes))
    }

    /// The fingerprint of an account's key of TLS-PSK.
    #[must_use]
    pub fn mark(&self, name: &AccountName, identity: &PskIdentity, key: &PskKey) -> Fingerprint {
        let parts = ["psk", name.as_str(), identity.as_str()];
        let [psk, name, identity] = parts.map(str::as_bytes);
        self.fingerprint_of(&[psk, name, identity, key.expose()])
    }

    fn fingerprint_of(&self, parts: &[&[u8]]) -> Fingerprint {
        let mut hasher = self.credentials;
        for part in parts {
            // Lengths in front, so that no two lists of parts read alike.
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        Fingerprint(hasher.finish128().as_u128())
    }

    /// The question whether a password fits a credential.
    #[must_use]
    pub fn tags(&self, credential: Fingerprint, password: &[u8]) -> Tags {
        Tags {
            credential,
            password: mac(&self.key, &[&credential.0.to_be_bytes(), password]),
        }
    }

    /// Whether the password was found right within a day.
    pub fn holds(&mut self, tags: &Tags, now: Instant) -> bool {
        self.found_right(tags)
            .is_some_and(|at| now.saturating_duration_since(at) < AGE)
    }

    /// Whether the password was found right, however long ago.
    pub fn held(&mut self, tags: &Tags) -> bool {
        self.found_right(tags).is_some()
    }

    fn found_right(&mut self, tags: &Tags) -> Option<Instant> {
        let seen = self.right.get(&tags.credential)?;
        let same: bool = seen.password.0.ct_eq(&tags.password.0).into();
        same.then_some(seen.at)
    }

    /// Whether the password was found wrong a moment ago.
    pub fn refuses(&mut self, tags: &Tags, now: Instant) -> bool {
        self.wrong
            .get(&tags.password)
            .is_some_and(|at| now.saturating_duration_since(*at) < AGE_REFUSED)
    }

    /// Remembers that the password is right; from when it was first found so.
    pub fn remember(&mut self, tags: &Tags, now: Instant) {
        if self.holds(tags, now) {
            return;
        }
        self.right.put(
            tags.credential,
            Seen {
                password: tags.password,
                at: now,
            },
        );
        if self.right.len() > self.most {
            self.right.pop_lru();
        }
    }

    /// Remembers that the password is wrong.
    pub fn remember_refusal(&mut self, tags: &Tags, now: Instant) {
        self.wrong.put(tags.password, now);
        if self.wrong.len() > MOST_REFUSED.min(self.most) {
            self.wrong.pop_lru();
        }
    }

    /// Nothing is remembered any more.
    #[cfg(test)]
    pub fn forget(&mut self) {
        self.right.clear();
        self.wrong.clear();
    }
}

/// Only the last part may differ in length.
fn mac(key: &Hmac<Sha256>, parts: &[&[u8]]) -> Tag {
    let mut mac = key.clone();
    parts.iter().for_each(|part| mac.update(part));
    let whole: [u8; 32] = mac.finalize().into_bytes().into();
    let half = whole.first_chunk().copied().unwrap_or_default();
    Tag(u128::from_be_bytes(half))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    fn now() -> Instant {
        Instant::now()
    }

    fn tags(verified: &Verified, account: &str, credential: &str, password: &[u8]) -> Tags {
        let stored = StoredCredential::marked(credential);
        verified.tags(verified.fingerprint(&name(account), &stored), password)
    }

    fn filled() -> Verified {
        let mut verified = Verified::new(&[7; 32]);
        verified.remember(&tags(&verified, "ann", "c1", b"right"), now());
        verified
    }

    fn holds(verified: &mut Verified, account: &str, credential: &str, password: &[u8]) -> bool {
        let tags = tags(verified, account, credential, password);
        verified.holds(&tags, now())
    }

    #[test]
    fn the_password_that_was_right_holds_for_a_day() {
        let mut verified = filled();
        assert!(holds(&mut verified, "ann", "c1", b"right"));
        let tags = tags(&verified, "ann", "c1", b"right");
        assert!(!verified.holds(&tags, now() + AGE));
        assert!(verified.held(&tags), "and longer for whoever is in");
    }

    #[test]
    fn another_password_account_or_credential_does_not_hold() {
        let mut verified = filled();
        assert!(!holds(&mut verified, "ann", "c1", b"wrong"));
        assert!(!holds(&mut verified, "ann", "c2", b"right"));
        assert!(!holds(&mut verified, "bob", "c1", b"right"));
        // The same letters, divided otherwise.
        assert!(!holds(&mut verified, "an", "nc1", b"right"));
    }

    #[test]
    fn a_salt_of_its_own_is_part_of_the_credential() {
        let with = |verified: &Verified, salt: &str| {
            let stored = StoredCredential {
                salt: Some(salt.into()),
                ..StoredCredential::marked("c1")
            };
            verified.tags(verified.fingerprint(&name("ann"), &stored), b"right")
        };
        let mut verified = Verified::new(&[7; 32]);
        verified.remember(&with(&verified, "x"), now());
        assert!(verified.holds(&with(&verified, "x"), now()));
        assert!(!verified.holds(&with(&verified, "y"), now()));
    }

    #[test]
    fn both_credentials_of_a_rotation_are_remembered() {
        let mut verified = filled();
        verified.remember(&tags(&verified, "ann", "c2", b"new"), now());
        assert!(holds(&mut verified, "ann", "c1", b"right"));
        assert!(holds(&mut verified, "ann", "c2", b"new"));
    }

    #[test]
    fn a_refusal_is_remembered_for_a_minute_and_for_that_password_only() {
        let mut verified = filled();
        let wrong = tags(&verified, "ann", "c1", b"wrong");
        assert!(!verified.refuses(&wrong, now()));
        verified.remember_refusal(&wrong, now());
        assert!(verified.refuses(&wrong, now()));
        assert!(!verified.refuses(&wrong, now() + AGE_REFUSED));
        for other in [
            tags(&verified, "ann", "c1", b"other"),
            tags(&verified, "bob", "c1", b"wrong"),
            tags(&verified, "ann", "c2", b"wrong"),
        ] {
            assert!(!verified.refuses(&other, now()));
        }
    }

    #[test]
    fn both_memories_are_bounded_and_forget_the_oldest() {
        let mut verified = Verified::bounded(&[7; 32], 2);
        for account in ["a", "b", "c"] {
            verified.remember(&tags(&verified, account, "x", b"p"), now());
            verified.remember_refusal(&tags(&verified, account, "x", b"q"), now());
        }
        assert!(!holds(&mut verified, "a", "x", b"p") && holds(&mut verified, "c", "x", b"p"));
        let oldest = tags(&verified, "a", "x", b"q");
        assert!(!verified.refuses(&oldest, now()));
        assert_eq!((verified.right.len(), verified.wrong.len()), (2, 2));
    }

    /// What somebody does with the memory, a while after the one before.
    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Right,
        Wrong,
        Ask,
    }

    proptest! {
        /// Two maps that never forget and know the times say the same.
        #[test]
        fn it_remembers_what_two_maps_would(
            deeds in proptest::collection::vec(
                (prop_oneof![Just(Deed::Right), Just(Deed::Wrong), Just(Deed::Ask)], 0..3_u8, 0..3_u8, 0..50_000_u64),
                1..100,
            ),
        ) {
            let mut verified = Verified::new(&[7; 32]);
            let mut at = now();
            let mut right: HashMap<u8, (u8, Instant)> = HashMap::new();
            let mut wrong: HashMap<(u8, u8), Instant> = HashMap::new();
            for (deed, account, password, later) in deeds {
                at = at.checked_add(Duration::from_secs(later)).unwrap();
                let tags = tags(&verified, &format!("a{account}"), "c", &[password]);
                match deed {
                    Deed::Right => {
                        verified.remember(&tags, at);
                        let is_new = right.get(&account).is_none_or(|(known, since)| {
                            *known != password || at.duration_since(*since) >= AGE
                        });
                        if is_new {
                            right.insert(account, (password, at));
                        }
                    }
                    Deed::Wrong => {
                        verified.remember_refusal(&tags, at);
                        wrong.insert((account, password), at);
                    }
                    Deed::Ask => {}
                }
                let since = right.get(&account).filter(|(known, _)| *known == password);
                prop_assert_eq!(verified.held(&tags), since.is_some());
                let is_fresh = since.is_some_and(|(_, since)| at.duration_since(*since) < AGE);
                prop_assert_eq!(verified.holds(&tags, at), is_fresh);
                let refused = wrong.get(&(account, password));
                let is_fresh = refused.is_some_and(|since| at.duration_since(*since) < AGE_REFUSED);
                prop_assert_eq!(verified.refuses(&tags, at), is_fresh);
            }
        }
    }
}
