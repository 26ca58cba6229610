//! `doorman check`: reads a `mosquitto.conf` and says what will go wrong, before the broker does.
//!
//! Must not: change anything, or be silent about what it could not look at.
#![forbid(unsafe_code)]

mod access;
mod acl;
pub(super) mod conf;
mod costs;
mod finding;
mod holders;
mod line;
mod listener;
mod odd;
mod passwords;
mod plugin;
mod roles;
mod tokens;

use std::path::PathBuf;

use clap::Args;

use self::conf::Conf;
use self::finding::{Finding, Level};
use super::exit::{Exit, Failure};
use super::print::Printer;

/// What to check.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The broker's configuration
    #[arg(
        value_name = "MOSQUITTO_CONF",
        env = "DOORMAN_CONFIG",
        default_value = "/etc/mosquitto/mosquitto.conf"
    )]
    conf: PathBuf,
    /// Do not open the sources to read their roles and measure what their credentials cost
    #[arg(long)]
    no_costs: bool,
    /// Look at the rules of this ACL file, and at nothing else
    #[arg(long, value_name = "PATH")]
    acl_file: Option<PathBuf>,
}

/// Runs `doorman check`.
pub(super) fn run(args: &CheckArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let (found, rows) = match &args.acl_file {
        Some(path) => (acl::alone(path)?, Vec::new()),
        None => configuration(args)?,
    };
    for finding in &found {
        printer.answer(finding)?;
    }
    for row in &rows {
        printer.answer(row)?;
    }
    let clean = found.iter().all(|finding| finding.level == Level::Note);
    Ok(if clean { Exit::Done } else { Exit::Problems })
}

/// The findings about a configuration in the order of its lines, and what its credentials cost.
fn configuration(args: &CheckArgs) -> Result<(Vec<Finding>, Vec<costs::CostRow>), Failure> {
    let conf = Conf::read(&args.conf).map_err(|error| Failure::file(&args.conf, &error))?;
    let mut found: Vec<Finding> = conf
        .unreadable
        .iter()
        .map(|(at, why)| Finding::problem(at, why.clone()))
        .collect();
    found.extend(line::lint(&conf));
    found.extend(plugin::lint(&conf));
    found.extend(listener::lint(&conf));
    found.extend(access::lint(&conf));
    found.extend(acl::lint(&conf));
    found.extend(passwords::lint(&conf));
    found.extend(tokens::lint(&conf));
    let (rows, unusable) = if args.no_costs {
        Default::default()
    } else {
        found.extend(roles::lint(&conf));
        costs::measure(&conf)
    };
    found.extend(unusable);
    found.sort_by(|a, b| a.at.cmp(&b.at));
    Ok((found, rows))
}
