//! Password files line by line: what lets nobody in, and where the stock broker would stop.
//!
//! Must not: judge credentials; [`super::costs`] does that for files and databases alike.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use super::conf::{At, Conf};
use super::finding::Finding;
use super::plugin;
use crate::config::SourceConfig;
use crate::store::password_file::{Line, split};

/// Looks at the lines of every password file that doorman reads.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    let mut found = Vec::new();
    for ours in conf.plugins().iter().filter(|plugin| plugin.is_ours()) {
        for source in plugin::config(ours).sources {
            match source {
                SourceConfig::PasswordFile(path) => found.extend(lines(&ours.line.at, &path)),
                SourceConfig::Database(_) | SourceConfig::Query(_) => {}
            }
        }
    }
    found
}

fn lines(at: &At, path: &Path) -> Vec<Finding> {
    // A file that cannot be read is told by the look at permissions and by the one at costs.
    let bytes = fs::read(path).unwrap_or_default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut bad = (1_u64..)
        .zip(bytes.split(|byte| *byte == b'\n'))
        .filter_map(|(number, line)| match split(line) {
            Line::Bad { why, .. } => Some((number, why)),
            Line::Blank | Line::Comment | Line::Entry { .. } => None,
        });
    let mut found: Vec<_> = bad
        .by_ref()
        .take(TOLD)
        .map(|(number, why)| Finding::warning(at, format!("{}:{number}: {why}", path.display())))
        .collect();
    let more = bad.count();
    if more > 0 {
        let path = path.display();
        found.push(Finding::warning(
            at,
            format!("{path}: {more} more such lines"),
        ));
    }
    found
}

/// How many bad lines are told one by one.
const TOLD: usize = 20;
