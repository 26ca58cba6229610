//! What each stored credential costs here: how long one check holds a 2.0 broker's only thread.
//!
//! Must not: measure more than one check per distinct cost, however many accounts there are.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::conf::{At, Conf};
use super::finding::Finding;
use super::plugin;
use crate::cli::clock;
use crate::cli::place::Place;
use crate::cli::print::{self, Answer};
use crate::config::{CostLimits, SourceConfig};
use crate::credential::{Cost, Credential};
use crate::model::AccountName;

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
        for source in config.sources {
            let place = match source {
                SourceConfig::PasswordFile(path) => Place::File(path),
                SourceConfig::Database(database) => Place::Database(database.path),
                SourceConfig::Query(_) => continue,
            };
            if place.path().exists() {
                match census(&place, &config.limits) {
                    Ok(census) => {
                        found.extend(census.unusable(&ours.line.at, place.path()));
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
}

struct Example {
    name: AccountName,
    why: String,
}

fn census(place: &Place, limits: &CostLimits) -> Result<Census, String> {
    let mut census = Census::default();
    let mut store = place.open().map_err(|failure| failure.message)?;
    store
        .accounts(&mut |account| {
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

impl Census {
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
