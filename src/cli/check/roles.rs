//! Roles and groups in doorman's databases: what somebody edited into nonsense, and rules that say what
//! nobody meant.
//!
//! Must not: judge rules itself; the policy knows what is odd about them.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::Path;

use super::conf::{At, Conf, Plugin};
use super::finding::{Finding, Level, first_names};
use super::odd::{Tally, level};
use super::{holders, plugin};
use crate::cli::print::Plain;
use crate::config::SourceConfig;
use crate::model::RoleName;
use crate::policy::lint::{self, Oddity};
use crate::policy::{RoleDefinition, Rule, StoredRole};
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
                Ok(roles) if database.roles => {
                    found.extend(odd_rules(at, path, roles));
                    found.extend(of_holders(at, path, &mut open));
                }
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

/// What is odd about the rules by themselves.
fn odd_rules(at: &At, path: &Path, roles: Vec<RoleDefinition>) -> Vec<Finding> {
    let mut odd = OddRules::new(at);
    let mut found = Vec::new();
    for role in roles {
        let findings = match lint::role(&role) {
            Ok(findings) => findings,
            Err(error) => {
                let name = Plain(&role.name);
                found.push(Finding::problem(at, format!("role {name}: {error}")));
                continue;
            }
        };
        let words = |rule: usize| role.rules.get(rule).map_or_else(String::new, words);
        for finding in findings {
            let oddity = finding.oddity;
            let other = oddity.other().map(words);
            odd.note(&role.name, &words(finding.rule), oddity, other.as_deref());
        }
    }
    found.extend(odd.told(path));
    found
}

/// Roles that no account has, and rules that answer none.
fn of_holders(at: &At, path: &Path, database: &mut Database) -> Vec<Finding> {
    let held = database.roles().map_err(Into::into);
    let held = match held.and_then(|mut roles| holders::look(roles.as_mut())) {
        Ok(held) => held,
        Err(error) => return vec![Finding::problem(at, error.to_string())],
    };
    let mut odd = OddRules::new(at);
    for idle in held.idle.idle() {
        let (role, rule) = idle.before;
        let other = format!("role {}: {}", Plain(role), words(rule));
        odd.note(idle.role, &words(idle.rule), idle.oddity, Some(&other));
    }
    let mut found = odd.told(path);
    found.extend(nobodys(at, &held.by_none));
    found
}

fn nobodys(at: &At, roles: &BTreeSet<RoleName>) -> Option<Finding> {
    let first = roles.iter().take(MOST_NAMES);
    let first: Vec<_> = first.map(|role| Plain(role.as_str()).to_string()).collect();
    let all = u64::try_from(roles.len()).unwrap_or(u64::MAX);
    let names = first_names(&first, all);
    (!roles.is_empty()).then(|| Finding::note(at, format!("no account has these roles: {names}")))
}

fn words(rule: &Rule) -> String {
    RuleView::new(rule).words()
}

/// Odd rules: of each kind the first ones, and how many more there are.
struct OddRules<'a> {
    at: &'a At,
    tally: Tally,
    found: Vec<Finding>,
}

impl<'a> OddRules<'a> {
    fn new(at: &'a At) -> Self {
        Self {
            at,
            tally: Tally::default(),
            found: Vec::new(),
        }
    }

    fn note(&mut self, role: &str, rule: &str, oddity: Oddity, other: Option<&str>) {
        if !self.tally.tells(oddity) {
            return;
        }
        let mut text = format!("role {}: {rule}: {oddity}", Plain(role));
        if let Some(other) = other {
            text = format!("{text} ({other})");
        }
        self.found
            .push(Finding::new(level(oddity), Some(self.at), text));
    }

    fn told(self, path: &Path) -> Vec<Finding> {
        let Self {
            tally, mut found, ..
        } = self;
        found.extend(tally.more().into_iter().map(|(more, oddity)| {
            let text = format!("{}: {more} more rules: {oddity}", path.display());
            Finding::new(Level::Note, None, text)
        }));
        found
    }
}

/// So many names are told.
const MOST_NAMES: usize = 20;
