//! Whom to ask: a database, an ACL file, or all that a `mosquitto.conf` gives to the plugin.
//!
//! Must not: have an order of its own. It is that of `engine::access`: the account first, then the first
//! source with something to say, and an ACL file last of all where nobody has.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use jiff::Timestamp;

use crate::admission::{self, Approach, Fact};
use crate::cli::check::conf::Conf;
use crate::cli::clock::{self, Bound};
use crate::cli::exit::{Exit, Failure};
use crate::cli::place::Place;
use crate::cli::way::{self, Way};
use crate::config::{AclSubscribe, Config, DatabaseConfig, SourceConfig, UnknownUser};
use crate::model::Account;
use crate::policy::acl_file::{AclFile, Subscriptions};
use crate::policy::{Asker, Rights};
use crate::store::{self, Error, Grantor, Source};
use crate::verdict::Reason;

/// Whom to ask, and as of when.
#[derive(Args, Debug)]
pub(super) struct SourcesArgs {
    #[command(flatten)]
    named: NamedArg,
    /// With --acl-file, how subscriptions are answered: as-mosquitto (all are granted) or enforce
    #[arg(long, value_name = "HOW", value_parser = subscribe)]
    acl_subscribe: Option<AclSubscribe>,
    /// Ask as if it were then: 2026-12-31, 2026-12-31T18:00:00Z, or a distance from now such as 30d
    #[arg(long, value_name = "TIME", value_parser = Bound::parse)]
    at: Option<Bound>,
}

/// The flags that name it.
#[derive(Clone, Debug)]
struct NamedArg(Option<Named>);

#[derive(Clone, Debug)]
enum Named {
    Database(PathBuf),
    AclFile(PathBuf),
    Config(PathBuf),
}

const WAYS: [Way<Named>; 3] = [
    Way {
        id: "database",
        env: Some("DOORMAN_DATABASE"),
        help: "Ask the roles of this database",
        name: Named::Database,
    },
    Way {
        id: "acl-file",
        env: None,
        help: "Ask this ACL file",
        name: Named::AclFile,
    },
    Way {
        id: "config",
        env: Some("DOORMAN_CONFIG"),
        help: "Ask all sources that this mosquitto.conf gives to mosquitto_doorman, in their order",
        name: Named::Config,
    },
];

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

impl SourcesArgs {
    /// Opens what is named.
    pub(super) fn open(&self) -> Result<Sources, Failure> {
        let Some(named) = &self.named.0 else {
            return Err(Failure::usage(
                "whom to ask? Give --database, --acl-file or --config, or set DOORMAN_DATABASE or \
                 DOORMAN_CONFIG",
            ));
        };
        let mut config = Config::standard();
        match named {
            Named::Database(path) => config.sources.push(SourceConfig::Database(DatabaseConfig {
                path: path.clone(),
                roles: true,
            })),
            Named::AclFile(path) => config.acl_file = Some(path.clone()),
            Named::Config(path) => config = configured(path)?,
        }
        match (self.acl_subscribe, named) {
            (Some(how), Named::AclFile(_)) => config.acl_subscribe = how,
            (Some(_), Named::Database(_) | Named::Config(_)) => {
                return Err(Failure::usage("--acl-subscribe goes with --acl-file only"));
            }
            (None, _) => {}
        }
        Sources::open(&config)
    }

    /// The moment that is asked about.
    pub(super) fn moment(&self) -> Result<Timestamp, Failure> {
        let now = clock::now();
        let Some(at) = self.at else {
            return Ok(now);
        };
        let moment = at.resolve(now).map_err(Failure::usage)?;
        moment.ok_or_else(|| Failure::usage("--at needs a moment"))
    }
}

impl Sources {
    fn open(config: &Config) -> Result<Self, Failure> {
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

impl Args for NamedArg {
    fn augment_args(command: Command) -> Command {
        way::augment(command, &WAYS, "Whom to ask")
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for NamedArg {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        way::named(matches, &WAYS, SEVERAL).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The options of our plugin in a `mosquitto.conf`.
fn configured(path: &Path) -> Result<Config, Failure> {
    let conf = Conf::read(path).map_err(|error| Failure::file(path, &error))?;
    let mut configs = Vec::new();
    for plugin in conf.plugins().iter().filter(|plugin| plugin.is_ours()) {
        let options = plugin.options.iter();
        let config = Config::parse(options.map(|o| (o.key.as_str(), o.value.as_str())))
            .map_err(|error| Failure::new(Exit::Place, format!("{}: {error}", path.display())))?;
        if !configs.contains(&config) {
            configs.push(config);
        }
    }
    match (configs.len(), configs.pop()) {
        (1, Some(config)) => Ok(config),
        (_, None) => Err(Failure::new(
            Exit::Place,
            format!(
                "{}: no plugin line names mosquitto_doorman; `doorman check` says more",
                path.display()
            ),
        )),
        (_, Some(_)) => Err(Failure::usage(format!(
            "{}: mosquitto_doorman is loaded several times with different options; say whom to ask \
             with --database or --acl-file",
            path.display()
        ))),
    }
}

fn acl_file(path: &Path, how: AclSubscribe) -> Result<AclFile, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let subscriptions = match how {
        AclSubscribe::AsMosquitto => Subscriptions::AsMosquitto,
        AclSubscribe::Enforce => Subscriptions::Enforce,
    };
    Ok(store::acl_file::understand(path, &bytes, subscriptions)?)
}

fn subscribe(text: &str) -> Result<AclSubscribe, String> {
    match text {
        "as-mosquitto" => Ok(AclSubscribe::AsMosquitto),
        "enforce" => Ok(AclSubscribe::Enforce),
        _ => Err("accepted are as-mosquitto and enforce".to_owned()),
    }
}

const SEVERAL: &str = "give one of --database, --acl-file and --config (or DOORMAN_DATABASE, \
                       DOORMAN_CONFIG), not several\n";
