//! How costly a new password's hash is, and the hashing itself.
//!
//! Must not: stretch what cannot be guessed. A secret that doorman generated is stored cheaply on
//! purpose: a 2.0 broker checks passwords on its only thread.
#![forbid(unsafe_code)]

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::clock;
use super::exit::Failure;
use super::prompt::Chosen;
use crate::config::CostLimits;
use crate::credential::Recipe;
use crate::founding::hashed;
use crate::model::StoredCredential;
use crate::secret::Secret;

/// The flags that set the cost of a password that a person chose.
#[derive(Args, Clone, Debug)]
#[group(id = "cost", multiple = true)]
pub(super) struct CostArgs {
    /// PBKDF2 iterations for this password [default: 210000]
    #[arg(long, value_name = "N", help_heading = "Cost", conflicts_with_all = ["argon2id", "cost_ms"],
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=2_000_000))]
    iterations: Option<u32>,
    /// Use Argon2id, which the stock broker of most distributions cannot read
    #[arg(long, help_heading = "Cost")]
    argon2id: bool,
    /// Measure this machine and choose the cost so that one check takes about this long
    #[arg(long, value_name = "MILLISECONDS", help_heading = "Cost",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000))]
    cost_ms: Option<u32>,
}

impl CostArgs {
    /// The recipe for a password that a person chose.
    pub(super) fn recipe(&self) -> Result<Recipe, Failure> {
        let wanted = self.cost_ms.map(|ms| Duration::from_millis(ms.into()));
        match (self.argon2id, wanted) {
            (false, None) => {
                Ok(self
                    .iterations
                    .map_or(Recipe::STRONG, |iterations| Recipe::Pbkdf2Sha512 {
                        iterations,
                    }))
            }
            (false, Some(wanted)) => Ok(Recipe::Pbkdf2Sha512 {
                iterations: scale(PROBE, probe(&pbkdf2(PROBE))?, wanted)
                    .clamp(LEAST, CostLimits::STANDARD.iterations),
            }),
            (true, None) => Ok(Recipe::ARGON2ID),
            (true, Some(wanted)) => Ok(argon2id(
                scale(1, probe(&argon2id(1))?, wanted).clamp(1, CostLimits::STANDARD.passes),
            )),
        }
    }

    /// Hashes a chosen password at this cost, a generated one cheaply.
    pub(super) fn store(&self, chosen: &Chosen) -> Result<StoredCredential, Failure> {
        match chosen {
            Chosen::ByPerson(secret) => Ok(hashed(secret, &self.recipe()?)?),
            Chosen::Generated(secret) => Ok(hashed(secret, &Recipe::GENERATED)?),
        }
    }
}

fn pbkdf2(iterations: u32) -> Recipe {
    Recipe::Pbkdf2Sha512 { iterations }
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
        other @ Recipe::Pbkdf2Sha512 { .. } => other,
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
