//! Roles and groups in doorman's databases: what somebody edited into nonsense, and rules that say what
//! nobody meant.
//!
//! Must not: judge rules itself; the policy knows what is odd about them.
#![forbid(unsafe_code)]

use std::path::Path;

use super::conf::{At, Conf, Plugin};
use super::finding::{Finding, Level};
use super::odd::{Tally, level};
use super::plugin;
use crate::cli::print::Plain;
use crate::config::SourceConfig;
use crate::policy::lint;
use crate::policy::{RoleDefinition, StoredRole};
use crate::reasons::RuleView;
use crate::store::sqlite::Database;
use crate::store::{Error, Store as _};

/// Reads the roles and groups of every database that doorman keeps.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    let mut found = Vec::new();
    for ours in conf.plugins().iter().filter(|plugin| plugin.is_ours()) {
        for source in plugin::config(ours).sources {
            let SourceConfig::Database(database) = source else {
                continue;
            };
            let path = &database.path;
            // A database that cannot be opened is told by the look at costs.
            let Ok(mut open) = Database::open(path) else {
                continue;
            };
            let at = named(ours, path);
            match read(&mut open) {
                Err(error) => found.push(Finding::problem(at, error.to_string())),
                // What is not asked does not matter.
                Ok(roles) if database.roles => found.extend(odd_rules(at, path, roles)),
                Ok(_) => {}
            }
        }
    }
    found
}

/// The line that names a database.
fn named<'a>(plugin: &'a Plugin, path: &Path) -> &'a At {
    let mut options = plugin.options.iter();
    let names = options.find(|option| Path::new(option.value.trim_end()) == path);
    names.map_or(&plugin.line.at, |option| &option.at)
}

fn read(database: &mut Database) -> Result<Vec<RoleDefinition>, Error> {
    let mut roles = database.roles()?;
    let mut all = Vec::new();
    roles.roles(&mut |role| {
        all.push(StoredRole::definition(role));
        Ok(())
    })?;
    roles.groups(&mut |_| Ok(()))?;
    Ok(all)
}

/// What is odd about the rules: of each kind the first ones, and how many more there are.
fn odd_rules(at: &At, path: &Path, roles: Vec<RoleDefinition>) -> Vec<Finding> {
    let mut tally = Tally::default();
    let mut found = Vec::new();
    for role in roles {
        let name = Plain(&role.name);
        let odd = match lint::role(&role) {
            Ok(odd) => odd,
            Err(error) => {
                found.push(Finding::problem(at, format!("role {name}: {error}")));
                continue;
            }
        };
        let words = |rule: usize| {
            let rule = role.rules.get(rule);
            rule.map_or_else(String::new, |rule| RuleView::new(rule).words())
        };
        for odd in odd {
            let oddity = odd.oddity;
            if !tally.tells(oddity) {
                continue;
            }
            let mut text = format!("role {name}: {}: {oddity}", words(odd.rule));
            if let Some(other) = oddity.other() {
                text = format!("{text} ({})", words(other));
            }
            found.push(Finding::new(level(oddity), Some(at), text));
        }
    }
    found.extend(tally.more().into_iter().map(|(more, oddity)| {
        let text = format!("{}: {more} more rules: {oddity}", path.display());
        Finding::new(Level::Note, None, text)
    }));
    found
}
