//! Roles and groups in doorman's databases: what somebody edited into nonsense.
//!
//! Must not: judge what a role allows; that is the operator's.
#![forbid(unsafe_code)]

use super::conf::Conf;
use super::finding::Finding;
use super::plugin;
use crate::config::SourceConfig;
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
            // A database that cannot be opened is told by the look at costs.
            let Ok(mut database) = Database::open(&database.path) else {
                continue;
            };
            let problem = |error: Error| Finding::problem(&ours.line.at, error.to_string());
            found.extend(read(&mut database).err().map(problem));
        }
    }
    found
}

fn read(database: &mut Database) -> Result<(), Error> {
    let mut roles = database.roles()?;
    roles.roles(&mut |_| Ok(()))?;
    roles.groups(&mut |_| Ok(()))
}
