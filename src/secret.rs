//! Bytes that must not be seen: passwords on their way to a verifier.
//!
//! Must not: print, serialise or clone itself. Compare only through [`Secret::same`], which takes
//! the same time wherever the bytes differ.
#![forbid(unsafe_code)]

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret bytes: wiped when dropped, shown as `[redacted]`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller keeps no copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for a verifier or for the one place that hands them to their owner.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether both hold the same bytes, in constant time for equal lengths.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_secrets_are_the_same() {
        assert!(Secret::new(b"tulip".to_vec()).same(&Secret::new(b"tulip".to_vec())));
    }

    #[test]
    fn a_longer_or_other_secret_is_not_the_same() {
        assert!(!Secret::new(b"tulip".to_vec()).same(&Secret::new(b"tulips".to_vec())));
        assert!(!Secret::new(b"tulip".to_vec()).same(&Secret::new(b"tulib".to_vec())));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(
            format!("{:?}", Secret::new(b"tulip".to_vec())),
            "[redacted]"
        );
    }
}
