//! What is known about keys that anybody can make up: a table that forgets, and how keys are made.
//!
//! Must not: know a key by more than a fingerprint, or grow beyond its size. A key is a keyed fingerprint,
//! so nobody outside can find two names that meet.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use lru::LruCache;

use super::Who;

/// A fingerprint of an address, a username or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

/// Makes keys, under a secret of this process.
#[derive(Default)]
pub(super) struct Keys(RandomState);

/// Where somebody comes from, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A unix socket.
    Local,
    /// An IPv4 address.
    V4(u32),
    /// The first half of an IPv6 address: whoever has one address of a /64 has them all.
    V6([u8; 8]),
}

impl Place {
    /// The place of an address; one of IPv4 written as IPv6 is one of IPv4.
    #[must_use]
    pub fn of(ip: Option<IpAddr>) -> Self {
        match ip.map(|ip| ip.to_canonical()) {
            None => Self::Local,
            Some(IpAddr::V4(ip)) => Self::V4(ip.to_bits()),
            Some(IpAddr::V6(ip)) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

impl Keys {
    /// The key of a place.
    pub(super) fn place(&self, place: Place) -> Key {
        self.key(Some(place), None)
    }

    /// The key of a username.
    pub(super) fn name(&self, who: &Who<'_>) -> Key {
        self.key(None, Some(who))
    }

    /// The key of a username at a place.
    pub(super) fn pair(&self, place: Place, who: &Who<'_>) -> Key {
        self.key(Some(place), Some(who))
    }

    fn key(&self, place: Option<Place>, who: Option<&Who<'_>>) -> Key {
        let name = who.map(|who| (who.username, who.credential));
        Key(self.0.hash_one((place, name)))
    }
}

/// The most recently used of the values there were.
pub(super) struct Table<T> {
    values: LruCache<Key, T>,
    most: usize,
}

impl<T> Table<T> {
    /// An empty one that holds so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            values: LruCache::unbounded(),
            most,
        }
    }

    /// Looks without counting it as use: who only asks keeps nothing alive.
    pub(super) fn find(&self, key: Key) -> Option<&T> {
        self.values.peek(&key)
    }

    /// All of them, the most recently used first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.values.iter().map(|(key, value)| (*key, value))
    }

    /// The same, to change it.
    pub(super) fn find_mut(&mut self, key: Key) -> Option<&mut T> {
        self.values.peek_mut(&key)
    }

    /// The value as the most recently used one, made where it is missing.
    pub(super) fn touch(&mut self, key: Key, new: impl FnOnce() -> T) -> &mut T {
        if self.values.len() >= self.most && !self.values.contains(&key) {
            self.values.pop_lru();
        }
        self.values.get_or_insert_mut(key, new)
    }

    /// Forgets it.
    pub(super) fn remove(&mut self, key: Key) {
        self.values.pop(&key);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}
