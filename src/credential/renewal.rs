//! Whether a stored credential is to be stored anew, and how.
//!
//! Must not: see a password. What is stored is weighed by what a guess costs, against what is usual today.
#![forbid(unsafe_code)]

use super::{Cost, Credential, Form, Recipe};
use crate::config::Rehash;

impl Credential {
    /// How it is to be stored anew; none where it is good as it is.
    #[must_use]
    pub fn renewal(&self, rehash: Rehash, iterations: u32) -> Option<Recipe> {
        let keys = match &self.form {
            Form::Hash => None,
            Form::Keys { mechanism, .. } => Some(*mechanism),
        };
        let (wanted, is_other) = match rehash {
            Rehash::Off => return None,
            // Whoever logs in by SCRAM goes on doing so.
            Rehash::Weaker => (keys, false),
            Rehash::Keys(mechanism) => (Some(mechanism), keys != Some(mechanism)),
        };
        let recipe = match wanted {
            None => Recipe::Pbkdf2Sha512 { iterations },
            Some(mechanism) => Recipe::Scram {
                mechanism,
                iterations,
            },
        };
        (is_other || self.cost.is_weaker(iterations)).then_some(recipe)
    }
}

impl Cost {
    /// Whether a guess costs less than so many iterations of PBKDF2, or than OWASP's figures for what is
    /// no repeated hash.
    fn is_weaker(&self, than: u32) -> bool {
        match *self {
            Self::Plain { .. } => true,
            Self::Pbkdf2 { iterations, .. } => iterations < than,
            Self::ShaCrypt { rounds, .. } => rounds < than,
            Self::Bcrypt { cost, .. } => cost < BCRYPT,
            Self::Argon2 {
                memory_kib, passes, ..
            } => u64::from(memory_kib).saturating_mul(passes.into()) < ARGON2,
            Self::Scrypt { log_n, r, p, .. } => {
                let blocks = u64::from(r).saturating_mul(p.into());
                let times = 1_u64.checked_shl(log_n.into()).unwrap_or(u64::MAX);
                blocks.saturating_mul(times) < SCRYPT
            }
        }
    }
}

const BCRYPT: u32 = 10;

/// 19 MiB twice.
const ARGON2: u64 = 38_912;

/// The least of its figures: 2^13 by 8 by 10.
const SCRYPT: u64 = 655_360;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CostLimits;
    use crate::credential::{Salt, hash};
    use crate::mechanism::Mechanism;
    use crate::model::{Scheme, StoredCredential};

    fn renewal(stored: &StoredCredential, rehash: Rehash) -> Option<Recipe> {
        let limits = CostLimits {
            cleartext: true,
            ..CostLimits::STANDARD
        };
        Credential::parse(stored, &limits)
            .unwrap()
            .renewal(rehash, 5_000)
    }

    fn made(recipe: Recipe) -> StoredCredential {
        hash(b"pw", &recipe, &Salt::new([1; 16])).unwrap()
    }

    const ANEW: Recipe = Recipe::Pbkdf2Sha512 { iterations: 5_000 };

    const fn keys(mechanism: Mechanism, iterations: u32) -> Recipe {
        Recipe::Scram {
            mechanism,
            iterations,
        }
    }

    #[test]
    fn what_is_weaker_in_each_family_is_stored_anew_and_what_is_not_stays() {
        let marked = StoredCredential::marked;
        let rabbit = StoredCredential {
            scheme: Scheme::RabbitMq,
            ..marked("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR")
        };
        for weak in [
            made(Recipe::Pbkdf2Sha512 { iterations: 4_999 }),
            made(Recipe::Argon2id {
                memory_kib: 19_455,
                passes: 2,
                lanes: 1,
            }),
            marked("$2b$04$PTNkttFed1uDPJ10bWXqGOq/3ieu2yA/mMar0bKYfSrNTWW3bfmqW"),
            marked("in clear"),
            rabbit,
        ] {
            assert_eq!(renewal(&weak, Rehash::Weaker), Some(ANEW));
            assert_eq!(renewal(&weak, Rehash::Off), None);
        }
        for strong in [made(ANEW), made(Recipe::ARGON2ID)] {
            assert_eq!(renewal(&strong, Rehash::Weaker), None);
        }
    }

    #[test]
    fn keys_stay_keys_and_become_others_where_that_is_said() {
        let (sha256, sha512) = (Mechanism::Sha256, Mechanism::Sha512);
        let few = made(keys(sha256, 4_096));
        let enough = made(keys(sha256, 5_000));
        let anew = Some(keys(sha256, 5_000));
        for rehash in [Rehash::Weaker, Rehash::Keys(sha256)] {
            assert_eq!(renewal(&few, rehash), anew);
            assert_eq!(renewal(&enough, rehash), None);
        }
        for other in [
            made(ANEW),
            made(Recipe::ARGON2ID),
            made(keys(sha512, 9_000)),
        ] {
            assert_eq!(renewal(&other, Rehash::Keys(sha256)), anew);
        }
    }
}
