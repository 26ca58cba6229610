//! The ACL file: a line that is none ends the start.
//!
//! Must not: judge what the rules allow.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use super::conf::{At, Conf};
use super::finding::Finding;
use super::plugin;
use crate::policy::acl_file::Subscriptions;
use crate::store::acl_file::understand;

/// Looks at every ACL file that doorman reads.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    let ours = conf.plugins().into_iter().filter(|plugin| plugin.is_ours());
    ours.filter_map(|ours| {
        let path = plugin::config(&ours).acl_file?;
        let at = ours.options.iter().find(|option| option.key == "acl_file");
        file(at.map_or(&ours.line.at, |option| &option.at), &path)
    })
    .collect()
}

fn file(at: &At, path: &Path) -> Option<Finding> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Some(Finding::problem(at, format!("{}: {error}", path.display()))),
    };
    match understand(path, &bytes, Subscriptions::AsMosquitto) {
        Err(error) => Some(Finding::problem(at, error.to_string())),
        Ok(rules) if rules.rules().is_empty() => Some(Finding::warning(
            at,
            format!("{}: no rule: nobody may publish or read", path.display()),
        )),
        Ok(_) => None,
    }
}
