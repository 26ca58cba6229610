//! The sources, opened and asked as the plugin does it.
//!
//! Must not: have an order of its own. It is that of `engine::access`: the account first, then the first
//! source with something to say, and an ACL file last of all where nobody has.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::admission::{self, Approach, Fact};
use crate::cli::exit::Failure;
use crate::cli::place::Place;
use crate::config::{AclSubscribe, Config, DatabaseConfig, SourceConfig, UnknownUser};
use crate::model::Account;
use crate::policy::acl_file::AclFile;
use crate::policy::{Asker, Rights};
use crate::store::{self, Error, Grantor, Source};
use crate::verdict::Reason;

/// The sources, open.
pub(super) struct Sources {
    accounts: Vec<Arc<dyn Source>>,
    authorities: Vec<Authority>,
    unknown_user: UnknownUser,
}

/// Somebody who says who may do what.
enum Authority {
    File(PathBuf, Box<AclFile>),
    Grants(PathBuf, Arc<dyn Grantor>),
}

/// How somebody stands.
pub(super) struct Standing<'a> {
    pub(super) says: Says<'a>,
    pub(super) account: Option<Account>,
    /// Whether there are accounts, and none of this name.
    pub(super) is_unknown: bool,
}

/// Who decides about somebody.
pub(super) enum Says<'a> {
    /// Nobody: the account cannot be used.
    Refused(Reason),
    /// Roles, or a query.
    Rights(&'a Path, Arc<Rights>),
    /// An ACL file.
    File(&'a Path, &'a AclFile),
    /// No source.
    Nobody(UnknownUser),
}

impl Sources {
    /// Opens what a configuration names.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let mut accounts = Vec::new();
        let mut authorities = Vec::new();
        for place in 0..=config.sources.len() {
            if place == config.acl_file_place
                && let Some(path) = &config.acl_file
            {
                let rules = acl_file(path, config.acl_subscribe)?;
                authorities.push(Authority::File(path.clone(), Box::new(rules)));
            }
            let Some(source) = config.sources.get(place) else {
                break;
            };
            let path = match source {
                SourceConfig::PasswordFile(path) => path,
                SourceConfig::Database(DatabaseConfig { path, .. }) => {
                    // The plugin would make it; whoever asks makes nothing.
                    Place::Database(path.clone()).exists()?;
                    path
                }
                SourceConfig::Query(query) => &query.path,
            };
            let opened = store::open(source, &config.limits)?;
            accounts.extend(opened.source);
            let grants = |grantor| Authority::Grants(path.clone(), grantor);
            authorities.extend(opened.grantor.map(grants));
        }
        Ok(Self {
            accounts,
            authorities,
            unknown_user: config.unknown_user,
        })
    }

    /// How a client stands; none if there is no such account, and no rule for one of its name.
    pub(super) fn stand(
        &self,
        asker: Asker<'_>,
        now: Timestamp,
    ) -> Result<Option<Standing<'_>>, Error> {
        let mut account = None;
        if let Some(username) = asker.username {
            for source in &self.accounts {
                account = source.account(username, asker.client_id)?;
                if account.is_some() {
                    break;
                }
            }
        }
        let is_unknown = asker.username.is_some() && account.is_none() && !self.accounts.is_empty();
        // Where it comes from is looked at when it comes.
        let approach = Approach {
            client_id: Fact::Open,
            ip: Fact::Open,
        };
        let admitted = account
            .as_ref()
            .map(|account| admission::admit(account, approach, now));
        let says = match (admitted, self.granted(asker, now)?) {
            (Some(Err(reason)), _) => Says::Refused(reason),
            (_, Some(says)) => says,
            (_, None) if is_unknown => return Ok(None),
            (_, None) => self.last_resort(),
        };
        Ok(Some(Standing {
            says,
            account,
            is_unknown,
        }))
    }

    fn granted(&self, asker: Asker<'_>, now: Timestamp) -> Result<Option<Says<'_>>, Error> {
        for authority in &self.authorities {
            match authority {
                Authority::File(path, file) if file.speaks_of(asker.username) => {
                    return Ok(Some(Says::File(path, file)));
                }
                Authority::File(..) => {}
                Authority::Grants(path, grantor) => {
                    if let Some(granted) = grantor.grant(asker, now)? {
                        return Ok(Some(Says::Rights(path, granted.rights)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// What an ACL file does not speak of, it denies.
    fn last_resort(&self) -> Says<'_> {
        let file = self
            .authorities
            .iter()
            .find_map(|authority| match authority {
                Authority::File(path, file) => Some(Says::File(path, file)),
                Authority::Grants(..) => None,
            });
        file.unwrap_or(Says::Nobody(self.unknown_user))
    }
}

fn acl_file(path: &Path, how: AclSubscribe) -> Result<AclFile, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    Ok(store::acl_file::understand(path, &bytes, how.into())?)
}
