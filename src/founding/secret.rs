//! Passwords that nobody chose, and how a new one is stored.
//!
//! Must not: show one, or take randomness from anywhere but the system.
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::credential::{HashError, Recipe, Salt, hash};
use crate::model::StoredCredential;
use crate::secret::Secret;

/// Why there is no password, or none that can be stored.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// The system has no random numbers.
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The recipe cannot be followed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Makes a secret of 192 random bits in base64url, fit for any configuration file.
///
/// # Errors
/// When the system has no random numbers.
pub fn generate() -> Result<Secret, NoSecret> {
    let mut bits = Zeroizing::new([0_u8; GENERATED]);
    getrandom::fill(bits.as_mut_slice()).map_err(NoSecret::Randomness)?;
    Ok(Secret::new(
        URL_SAFE_NO_PAD.encode(bits.as_slice()).into_bytes(),
    ))
}

/// Hashes a password with a fresh salt.
///
/// # Errors
/// When the system has no random numbers, or the recipe cannot be followed.
pub fn hashed(secret: &Secret, recipe: &Recipe) -> Result<StoredCredential, NoSecret> {
    let mut salt = [0_u8; Salt::BYTES];
    getrandom::fill(&mut salt).map_err(NoSecret::Randomness)?;
    Ok(hash(secret.expose(), recipe, &Salt::new(salt))?)
}

/// Bytes of a generated secret: 192 bits, out of reach of any guesser.
const GENERATED: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_have_192_bits_and_differ() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.expose().len(), 32);
        assert!(!one.same(&two));
    }
}
