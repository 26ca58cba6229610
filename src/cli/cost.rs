//! How costly a new password's hash is, and the hashing itself.
//!
//! Must not: stretch what cannot be guessed. A secret that doorman generated is stored cheaply on
//! purpose: a 2.0 broker checks passwords on its only thread.
#![forbid(unsafe_code)]

use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use super::clock;
use super::exit::Failure;
use super::prompt::Chosen;
use crate::config::CostLimits;
use crate::credential::Recipe;
use crate::founding::hashed;
use crate::mechanism::Mechanism;
use crate::model::StoredCredential;
use crate::secret::Secret;

/// The flags that set the cost of a password that a person chose.
#[derive(Args, Clone, Debug)]
#[group(id = "cost", multiple = true)]
pub(super) struct CostArgs {
    /// PBKDF2 iterations for this password [default: 210000, and 600000 for --scram sha-256]
    #[arg(long, value_name = "N", help_heading = "Cost", conflicts_with_all = ["argon2id", "cost_ms"],
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=2_000_000))]
    iterations: Option<u32>,
    /// Use Argon2id, which the stock broker of most distributions cannot read
    #[arg(long, help_heading = "Cost")]
    argon2id: bool,
    /// Store keys for SCRAM logins instead of a hash, which no stock broker can read
    #[arg(
        long,
        value_name = "HASH",
        help_heading = "Cost",
        conflicts_with = "argon2id"
    )]
    scram: Option<Scram>,
    /// Measure this machine and choose the cost so that one check takes about this long
    #[arg(long, value_name = "MILLISECONDS", help_heading = "Cost",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000))]
    cost_ms: Option<u32>,
}

/// SCRAM's mechanisms by their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scram {
    /// SCRAM-SHA-256, which most clients know
    #[value(name = "sha-256")]
    Sha256,
    /// SCRAM-SHA-512
    #[value(name = "sha-512")]
    Sha512,
}

impl Scram {
    fn mechanism(self) -> Mechanism {
        match self {
            Self::Sha256 => Mechanism::Sha256,
            Self::Sha512 => Mechanism::Sha512,
        }
    }
}

impl CostArgs {
    /// Refuses what nobody could log in with, before a password is asked for.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let least = Mechanism::LEAST_ITERATIONS;
        match (self.scram, self.iterations) {
            (Some(_), Some(iterations)) if iterations < least => Err(Failure::usage(format!(
                "SCRAM clients refuse less than {least} iterations"
            ))),
            (_, _) => Ok(()),
        }
    }

    /// What may go wrong with this password.
    pub(super) fn doubt(&self, chosen: &Chosen) -> Option<&'static str> {
        let secret = match chosen {
            Chosen::ByPerson(secret) | Chosen::Generated(secret) => secret,
        };
        let is_plain = secret
            .expose()
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~'));
        (self.scram.is_some() && !is_plain).then_some(
            "a SCRAM client may write the letters of this password in another way before it hashes \
             them (RFC 4013), and then is refused; those of ASCII stay as they are",
        )
    }

    /// The recipe for a password that a person chose.
    pub(super) fn recipe(&self) -> Result<Recipe, Failure> {
        let wanted = self.cost_ms.map(|ms| Duration::from_millis(ms.into()));
        if self.argon2id {
            return Ok(match wanted {
                None => Recipe::ARGON2ID,
                Some(wanted) => argon2id(
                    scale(1, probe(&argon2id(1))?, wanted).clamp(1, CostLimits::STANDARD.passes),
                ),
            });
        }
        match (wanted, self.iterations) {
            (Some(wanted), _) => {
                let fitting = scale(PROBE, probe(&self.pbkdf2(PROBE))?, wanted);
                let most = CostLimits::STANDARD.iterations;
                Ok(self.pbkdf2(fitting.clamp(self.least(), most)))
            }
            (None, Some(iterations)) => Ok(self.pbkdf2(iterations)),
            (None, None) => Ok(match self.scram {
                None => Recipe::STRONG,
                Some(scram) => Recipe::strong_scram(scram.mechanism()),
            }),
        }
    }

    /// Hashes a chosen password at this cost, a generated one cheaply.
    pub(super) fn store(&self, chosen: &Chosen) -> Result<StoredCredential, Failure> {
        match (chosen, self.scram) {
            (Chosen::ByPerson(secret), _) => Ok(hashed(secret, &self.recipe()?)?),
            (Chosen::Generated(secret), None) => Ok(hashed(secret, &Recipe::GENERATED)?),
            (Chosen::Generated(secret), Some(scram)) => {
                let recipe = Recipe::generated_scram(scram.mechanism());
                Ok(hashed(secret, &recipe)?)
            }
        }
    }

    fn pbkdf2(&self, iterations: u32) -> Recipe {
        match self.scram {
            None => Recipe::Pbkdf2Sha512 { iterations },
            Some(scram) => Recipe::Scram {
                mechanism: scram.mechanism(),
                iterations,
            },
        }
    }

    fn least(&self) -> u32 {
        match self.scram {
            None => LEAST,
            Some(_) => Mechanism::LEAST_ITERATIONS,
        }
    }
}

/// OWASP's first choice, with more or fewer passes where a time is asked for.
fn argon2id(passes: u32) -> Recipe {
    match Recipe::ARGON2ID {
        Recipe::Argon2id {
            memory_kib, lanes, ..
        } => Recipe::Argon2id {
            memory_kib,
            passes,
            lanes,
        },
        other @ (Recipe::Pbkdf2Sha512 { .. } | Recipe::Scram { .. }) => other,
    }
}

/// How long one hash takes here: the shortest of three, as anything else only adds to it.
fn probe(recipe: &Recipe) -> Result<Duration, Failure> {
    let password = Secret::new(b"a password of usual length".to_vec());
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let (result, took) = clock::timed(|| hashed(&password, recipe));
        result?;
        best = best.min(took);
    }
    Ok(best)
}

/// How much work fits into a time, when so much work took so long.
fn scale(work: u32, took: Duration, wanted: Duration) -> u32 {
    let work = u128::from(work).saturating_mul(wanted.as_nanos());
    u32::try_from(work.checked_div(took.as_nanos()).unwrap_or(u128::MAX)).unwrap_or(u32::MAX)
}

/// Iterations measured to calibrate: some milliseconds.
const PROBE: u32 = 10_000;
/// However slow the machine, a person's password is not stored below what Mosquitto 2.1 uses.
const LEAST: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_scales_with_time() {
        let ms = Duration::from_millis;
        assert_eq!(scale(10_000, ms(10), ms(100)), 100_000);
        assert_eq!(scale(1, ms(40), ms(10)), 0);
        assert_eq!(scale(1, Duration::ZERO, ms(10)), u32::MAX);
    }
}
