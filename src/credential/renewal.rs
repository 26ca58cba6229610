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

/// The least of its five figures: 7 MiB five times.
const ARGON2: u64 = 35_840;

/// The least of its figures: 2^13 by 8 by 10.
const SCRYPT: u64 = 655_360;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CostLimits;
    use crate::credential::cost::{Bytes, Digest, Readings};
    use crate::credential::{Salt, hash};
    use crate::mechanism::Mechanism;
    use crate::model::{SaltPlace, Scheme, StoredCredential};

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
                memory_kib: 7_167,
                passes: 5,
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
    fn no_figure_of_owasp_for_argon2_is_weaker_and_what_is_just_below_the_least_is() {
        let argon2 = |memory_kib, passes| {
            renewal(
                &made(Recipe::Argon2id {
                    memory_kib,
                    passes,
                    lanes: 1,
                }),
                Rehash::Weaker,
            )
        };
        for (memory_kib, passes) in [
            (47_104, 1),
            (19_456, 2),
            (12_288, 3),
            (9_216, 4),
            (7_168, 5),
        ] {
            assert_eq!(argon2(memory_kib, passes), None, "{memory_kib} {passes}");
        }
        for (memory_kib, passes) in [(35_839, 1), (17_919, 2), (7_167, 5), (7_168, 4)] {
            assert_eq!(
                argon2(memory_kib, passes),
                Some(ANEW),
                "{memory_kib} {passes}"
            );
        }
    }

    #[test]
    fn each_threshold_has_two_sides() {
        let pbkdf2 = |iterations| Cost::Pbkdf2 {
            digest: Digest::Sha256,
            iterations,
            output: 32,
            readings: Readings::One,
        };
        let sha_crypt = |rounds| Cost::ShaCrypt {
            digest: Digest::Sha512,
            rounds,
            salt: 16,
        };
        let bcrypt = |cost| Cost::Bcrypt {
            cost,
            bytes: Bytes::Unsigned,
        };
        let scrypt = |log_n, r, p| Cost::Scrypt {
            log_n,
            r,
            p,
            output: 32,
        };
        for (weaker, enough) in [
            (pbkdf2(4_999), pbkdf2(5_000)),
            (sha_crypt(4_999), sha_crypt(5_000)),
            (bcrypt(9), bcrypt(10)),
            (scrypt(17, 4, 1), scrypt(17, 8, 1)),
            (scrypt(13, 8, 9), scrypt(13, 8, 10)),
            (scrypt(14, 8, 4), scrypt(14, 8, 5)),
        ] {
            assert!(weaker.is_weaker(5_000), "{weaker:?}");
            assert!(!enough.is_weaker(5_000), "{enough:?}");
        }
        let plain = Cost::Plain {
            digest: Digest::Sha512,
            place: SaltPlace::Suffix,
        };
        assert!(plain.is_weaker(0));
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
