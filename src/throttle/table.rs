//! What is known about keys that anybody can make up: a table that forgets, and how keys are made.
//!
//! Must not: hold a name or an address as text, or grow beyond its size. A key is a keyed fingerprint,
//! so nobody outside can find two names that meet.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use lru::LruCache;
use sha2::Sha256;

/// A fingerprint of an address, a username or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

/// Makes keys.
pub(super) struct Keys(Hmac<Sha256>);

/// Where somebody comes from, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A unix socket.
    Local,
    /// An IPv4 address.
    V4(u32),
    /// The first half of an IPv6 address: whoever has one address of a /64 has them all.
    V6([u8; 8]),
}

impl Place {
    /// The place of an address; one of IPv4 written as IPv6 is one of IPv4.
    pub(super) fn of(ip: Option<IpAddr>) -> Self {
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
    /// Keys under a secret of this process.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        // HMAC fills a key shorter than the digest's block with zeros (RFC 2104).
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(secret) {
            *to = *from;
        }
        Self(<Hmac<Sha256> as KeyInit>::new(&block))
    }

    /// The key of a place.
    pub(super) fn place(&self, place: Place) -> Key {
        self.mac(Some(place), None)
    }

    /// The key of a username.
    pub(super) fn name(&self, username: &str) -> Key {
        self.mac(None, Some(username))
    }

    /// The key of a username at a place.
    pub(super) fn pair(&self, place: Place, username: &str) -> Key {
        self.mac(Some(place), Some(username))
    }

    fn mac(&self, place: Option<Place>, name: Option<&str>) -> Key {
        let mut mac = self.0.clone();
        // The key may serve others too. Each kind of place has a length of its own and the name comes
        // last, so no two read alike.
        mac.update(b"throttle");
        match place {
            None => mac.update(&[0]),
            Some(Place::Local) => mac.update(&[1]),
            Some(Place::V4(address)) => {
                mac.update(&[2]);
                mac.update(&address.to_be_bytes());
            }
            Some(Place::V6(network)) => {
                mac.update(&[3]);
                mac.update(&network);
            }
        }
        mac.update(&[u8::from(name.is_some())]);
        mac.update(name.unwrap_or_default().as_bytes());
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let (half, _) = tag.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Key(u128::from_be_bytes(*half))
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

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}
