//! ACL files: a line that is none ends the start, and a rule may say what nobody meant.
//!
//! Must not: judge rules itself; the policy knows what is odd about them.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::rc::Rc;

use super::conf::{At, Conf};
use super::finding::{Finding, Level};
use super::odd::{Tally, level};
use super::plugin;
use crate::cli::exit::Failure;
use crate::policy::acl_file::{AclFile, Subscriptions};
use crate::policy::lint;
use crate::store::acl_file::understand;

/// Looks at every ACL file that doorman reads.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    let ours = conf.plugins().into_iter().filter(|plugin| plugin.is_ours());
    let found = ours.filter_map(|ours| {
        let path = plugin::config(&ours).acl_file?;
        let at = ours.options.iter().find(|option| option.key == "acl_file");
        let at = at.map_or(&ours.line.at, |option| &option.at);
        Some(match fs::read(&path) {
            Ok(bytes) => rules(Some(at), &path, &bytes),
            Err(error) => vec![Finding::problem(at, format!("{}: {error}", path.display()))],
        })
    });
    found.flatten().collect()
}

/// Looks at one ACL file.
pub(super) fn alone(path: &Path) -> Result<Vec<Finding>, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    Ok(rules(None, path, &bytes))
}

/// What is wrong with a file as a whole, told where it is named, or with its rules.
fn rules(at: Option<&At>, path: &Path, bytes: &[u8]) -> Vec<Finding> {
    match understand(path, bytes, Subscriptions::AsMosquitto) {
        Err(error) => vec![Finding::new(Level::Problem, at, error.to_string())],
        Ok(rules) if rules.rules().is_empty() => vec![Finding::new(
            Level::Warning,
            at,
            format!("{}: no rule: nobody may publish or read", path.display()),
        )],
        Ok(rules) => odd_rules(&path.into(), &rules),
    }
}

/// What is odd about the rules: of each kind the first ones, and how many more there are.
fn odd_rules(path: &Rc<Path>, file: &AclFile) -> Vec<Finding> {
    let line = |rule: usize| {
        let line = file.rules().get(rule).map_or(0, |rule| rule.line);
        u64::try_from(line).unwrap_or(u64::MAX)
    };
    let mut odd = lint::file(file);
    odd.sort_by_key(|odd| line(odd.rule));
    let mut tally = Tally::default();
    let mut found = Vec::new();
    for odd in &odd {
        let oddity = odd.oddity;
        if !tally.tells(oddity) {
            continue;
        }
        let text = match oddity.other() {
            None => oddity.to_string(),
            Some(other) => format!("{oddity} (line {})", line(other)),
        };
        let at = At::beyond(Rc::clone(path), line(odd.rule));
        found.push(Finding::new(level(oddity), Some(&at), text));
    }
    let more = tally.more().into_iter().map(|(more, oddity)| {
        let text = format!("{}: {more} more lines: {oddity}", path.display());
        Finding::new(Level::Note, None, text)
    });
    found.extend(more);
    found
}
