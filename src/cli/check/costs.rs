//! What each stored credential costs here: how long one check holds a 2.0 broker's only thread.
//!
//! Must not: measure more than one check per distinct cost, however many accounts there are.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::conf::{At, Conf};
use super::finding::{Finding, first_names};
use super::plugin;
use crate::cli::clock;
use crate::cli::place::Place;
use crate::cli::print::{self, Answer};
use crate::config::{Config, SourceConfig};
use crate::credential::{Cost, Credential};
use crate::mechanism::Mechanism;
use crate::model::{Account, AccountName};

/// One cost and who has it.
#[derive(Serialize)]
pub(super) struct CostRow {
    source: String,
    cost: String,
    accounts: u64,
    milliseconds: f64,
}

impl Answer for CostRow {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            source,
            cost,
            accounts,
            milliseconds,
        } = self;
        writeln!(
            out,
            "{source}: {cost}: {accounts} credentials, {milliseconds:.1} ms each on this machine"
        )
    }
}

/// Measures the costs in all sources that doorman itself keeps.
pub(super) fn measure(conf: &Conf) -> (Vec<CostRow>, Vec<Finding>) {
    let mut rows = Vec::new();
    let mut found = Vec::new();
    for ours in conf.plugins().iter().filter(|plugin| plugin.is_ours()) {
        let config = plugin::config(ours);
        for source in &config.sources {
            let place = match source {
                SourceConfig::PasswordFile(path) => Place::File(path.clone()),
                SourceConfig::Database(database) => Place::Database(database.path.clone()),
                SourceConfig::Query(_) => continue,
            };
            if place.path().exists() {
                match census(&place, &config) {
                    Ok(census) => {
                        found.extend(census.unusable(&ours.line.at, place.path()));
                        found.extend(census.quick(&ours.line.at, place.path()));
                        rows.extend(census.rows(place.path()));
                    }
                    Err(why) => found.push(Finding::problem(&ours.line.at, why)),
                }
            }
        }
    }
    (rows, found)
}

/// How many accounts have which cost, and which cannot be checked at all.
#[derive(Default)]
struct Census {
    costs: HashMap<Cost, u64>,
    unusable: u64,
    /// The first of them.
    examples: Vec<Example>,
    /// How many SCRAM clients refuse for having too few iterations, and the first of them.
    quick: u64,
    quick_names: Vec<AccountName>,
}

struct Example {
    name: AccountName,
    why: String,
}

fn census(place: &Place, config: &Config) -> Result<Census, String> {
    let limits = &config.limits;
    let mut census = Census::default();
    let mut store = place.open().map_err(|failure| failure.message)?;
    store
        .accounts(&mut |account| {
            if is_quick(&account, config) {
                census.quick = census.quick.saturating_add(1);
                if census.quick_names.len() < EXAMPLES {
                    census.quick_names.push(account.name.clone());
                }
            }
            for stored in account.credentials() {
                match Credential::parse(stored, limits) {
                    Ok(credential) => {
                        let count = census.costs.entry(credential.cost()).or_default();
                        *count = count.saturating_add(1);
                    }
                    Err(error) => {
                        census.unusable = census.unusable.saturating_add(1);
                        if census.examples.len() < EXAMPLES {
                            census.examples.push(Example {
                                name: account.name.clone(),
                                why: error.to_string(),
                            });
                        }
                    }
                }
            }
            Ok(())
        })
        .map_err(|error| error.to_string())?;
    Ok(census)
}

/// Whether the keys that a SCRAM client is told of have fewer iterations than it accepts.
fn is_quick(account: &Account, config: &Config) -> bool {
    let read = |stored| Credential::parse(stored, &config.limits).ok();
    let credentials: Vec<_> = account.credentials().filter_map(read).collect();
    Mechanism::ALL
        .into_iter()
        .filter(|mechanism| config.scram.offers(*mechanism))
        .any(|mechanism| {
            let serves = |credential: &&Credential| credential.holds_keys() || config.scram_hashes;
            let mut serving = credentials.iter().filter(serves);
            let keys = serving.find_map(|credential| credential.keys(mechanism));
            keys.is_some_and(|keys| keys.iterations < Mechanism::LEAST_ITERATIONS)
        })
}

impl Census {
    /// Accounts that log in by their password and not by SCRAM.
    fn quick(&self, at: &At, source: &Path) -> Option<Finding> {
        let names: Vec<_> = self
            .quick_names
            .iter()
            .map(|n| print::name(n).to_string())
            .collect();
        (self.quick > 0).then(|| {
            let (least, source) = (Mechanism::LEAST_ITERATIONS, source.display());
            Finding::warning(
                at,
                format!(
                    "{source}: fewer than {least} iterations, which SCRAM clients refuse (a new \
                     password has more, and plugin_opt_rehash stores passwords anew when they are \
                     shown): {}",
                    first_names(&names, self.quick)
                ),
            )
        })
    }

    fn rows(self, source: &Path) -> Vec<CostRow> {
        let mut rows: Vec<_> = self
            .costs
            .into_iter()
            .map(|(cost, accounts)| {
                let ((), took) = clock::timed(|| cost.burn(b"a password of usual length"));
                CostRow {
                    source: source.display().to_string(),
                    cost: cost.to_string(),
                    accounts,
                    milliseconds: took.as_secs_f64() * 1_000.0,
                }
            })
            .collect();
        rows.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
        rows
    }

    fn unusable(&self, at: &At, source: &Path) -> Vec<Finding> {
        let mut found: Vec<_> = self
            .examples
            .iter()
            .map(|Example { name, why }| {
                let name = print::name(name);
                let source = source.display();
                Finding::problem(at, format!("{source}: {name} cannot log in: {why}"))
            })
            .collect();
        let shown = u64::try_from(self.examples.len()).unwrap_or(u64::MAX);
        if let Some(more) = self.unusable.checked_sub(shown).filter(|more| *more > 0) {
            found.push(Finding::problem(
                at,
                format!(
                    "{}: {more} more credentials cannot be checked",
                    source.display()
                ),
            ));
        }
        found
    }
}

/// How many unusable credentials are told one by one.
const EXAMPLES: usize = 20;
