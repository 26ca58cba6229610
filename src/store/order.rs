//! Everything that a configuration names, in the order of its lines: which source knows an account, and
//! which one has something to say of what a client may do.
//!
//! Must not: say what follows from it. The plugin decides by what it is told here, and `doorman explain`
//! tells of it: there is no second order.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::acl_file::{self, AclSource};
use super::{Error, Granted, Grantor, Named, Source, Watched, open};
use crate::config::{Config, SourceConfig};
use crate::model::Account;
use crate::policy::Asker;

/// All of it, open.
pub struct Ordered {
    /// Who knows accounts.
    pub sources: Vec<Arc<dyn Source>>,
    /// Who says who may do what.
    pub authorities: Authorities,
    /// What the watcher has to keep fresh.
    pub watched: Vec<Box<dyn Watched>>,
}

/// Who says who may do what; nobody where that is the broker's to say.
#[derive(Default)]
pub struct Authorities(Vec<Authority>);

/// One of them, and the path of its file.
pub enum Authority {
    /// An ACL file.
    File(PathBuf, Arc<AclSource>),
    /// Roles, or a query.
    Grants(PathBuf, Arc<dyn Grantor>),
}

/// What the first authority says that has something to say.
pub enum Opinion<'a> {
    /// The rules of this ACL file decide.
    File(&'a Path, &'a AclSource),
    /// What was granted does.
    Granted {
        /// The file of the one that said so.
        path: &'a Path,
        /// Its place among them.
        authority: usize,
        /// What it said.
        granted: Granted,
    },
}

/// Opens everything.
///
/// # Errors
/// For the first that cannot be opened or is not what it should be.
pub fn open_all(config: &Config) -> Result<Ordered, Error> {
    let mut all = Ordered {
        sources: Vec::new(),
        authorities: Authorities::default(),
        watched: Vec::new(),
    };
    for place in 0..=config.sources.len() {
        if place == config.acl_file_place
            && let Some(path) = &config.acl_file
        {
            let file = acl_file::open(path, config.acl_subscribe.into())?;
            let authority = Authority::File(path.clone(), file.source);
            all.authorities.0.push(authority);
            all.watched.push(file.watched);
        }
        let Some(source) = config.sources.get(place) else {
            break;
        };
        let opened = open(source, &config.limits)?;
        let grants = |grantor| Authority::Grants(path_of(source).to_owned(), grantor);
        all.sources.extend(opened.source);
        all.authorities.0.extend(opened.grantor.map(grants));
        all.watched.push(opened.watched);
    }
    Ok(all)
}

/// The account of the first source that knows the name, and that source.
///
/// # Errors
/// When a source before it cannot be asked.
pub fn known<'a>(
    sources: &'a [Arc<dyn Source>],
    username: &str,
    client_id: Option<&str>,
) -> Result<Option<(Account, &'a dyn Source)>, Error> {
    for source in sources {
        if let Some(account) = source.account(username, client_id)? {
            return Ok(Some((account, &**source)));
        }
    }
    Ok(None)
}

impl Authorities {
    /// What the first one says that has an opinion on this client.
    ///
    /// # Errors
    /// When one before it cannot be asked.
    pub fn opinion(&self, asker: Asker<'_>, now: Timestamp) -> Result<Option<Opinion<'_>>, Error> {
        for (place, authority) in self.0.iter().enumerate() {
            match authority {
                Authority::File(path, file) if file.in_force().speaks_of(asker.username) => {
                    return Ok(Some(Opinion::File(path, file)));
                }
                Authority::File(..) => {}
                Authority::Grants(path, grantor) => {
                    if let Some(granted) = grantor.grant(asker, now)? {
                        return Ok(Some(Opinion::Granted {
                            path,
                            authority: place,
                            granted,
                        }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Who decides where nobody has an opinion: what an ACL file does not speak of, it denies.
    #[must_use]
    pub fn last_resort(&self) -> Option<Opinion<'_>> {
        self.0.iter().find_map(|authority| match authority {
            Authority::File(path, file) => Some(Opinion::File(path, file)),
            Authority::Grants(..) => None,
        })
    }

    /// The ACL file, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&AclSource> {
        self.0.iter().find_map(|authority| match authority {
            Authority::File(_, file) => Some(&**file),
            Authority::Grants(..) => None,
        })
    }

    /// The one of this place, if it grants rights.
    #[must_use]
    pub fn grantor(&self, place: usize) -> Option<&dyn Grantor> {
        match self.0.get(place) {
            Some(Authority::Grants(_, grantor)) => Some(&**grantor),
            Some(Authority::File(..)) | None => None,
        }
    }

    /// What the first one that knows roles by name says of these.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn named(
        &self,
        roles: &[Box<str>],
        now: Timestamp,
    ) -> Result<Option<(&Path, Named)>, Error> {
        for authority in &self.0 {
            if let Authority::Grants(path, grantor) = authority
                && let Some(named) = grantor.named(roles, now)?
            {
                return Ok(Some((path, named)));
            }
        }
        Ok(None)
    }

    /// Whether what is said of a client depends on its client id too.
    #[must_use]
    pub fn asks_client_id(&self) -> bool {
        let mut places = 0..self.0.len();
        places.any(|place| self.grantor(place).is_some_and(Grantor::asks_client_id))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether that is the broker's to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Authority> for Authorities {
    fn from_iter<T: IntoIterator<Item = Authority>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

fn path_of(source: &SourceConfig) -> &Path {
    match source {
        SourceConfig::PasswordFile(path) => path,
        SourceConfig::Database(database) => &database.path,
        SourceConfig::Query(query) => &query.path,
    }
}
