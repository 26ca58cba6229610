//! Whom to ask: a database, an ACL file, or all that a `mosquitto.conf` gives to the plugin, and as of
//! when; or a running broker.
//!
//! Must not: open anything, or choose among several plugins.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, FromArgMatches};
use jiff::Timestamp;

use super::sources::Sources;
use crate::cli::broker::BrokerArgs;
use crate::cli::check::conf::Conf;
use crate::cli::clock::{self, Bound};
use crate::cli::exit::{Exit, Failure};
use crate::cli::way::{self, Way};
use crate::config::{AclSubscribe, Config, DatabaseConfig, SourceConfig};
use crate::courier::Courier;
use crate::reasons::TokenRules;

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
struct NamedArg {
    named: Option<Named>,
    broker: BrokerArgs,
}

#[derive(Clone, Debug)]
enum Named {
    Database(PathBuf),
    AclFile(PathBuf),
    Config(PathBuf),
    /// Its address, not yet looked at.
    Broker(PathBuf),
}

const WAYS: [Way<Named>; 4] = [
    Way {
        id: "database",
        env: Some("DOORMAN_DATABASE"),
        value: "PATH",
        help: "Ask the roles of this database",
        name: Named::Database,
    },
    Way {
        id: "acl-file",
        env: None,
        value: "PATH",
        help: "Ask this ACL file",
        name: Named::AclFile,
    },
    Way {
        id: "config",
        env: Some("DOORMAN_CONFIG"),
        value: "PATH",
        help: "Ask all sources that this mosquitto.conf gives to mosquitto_doorman, in their order",
        name: Named::Config,
    },
    Way {
        id: "broker",
        env: Some("DOORMAN_BROKER"),
        value: "URL",
        help: "Ask this running broker: mqtt://HOST or mqtts://HOST, with :PORT behind it where it is not \
               1883 or 8883",
        name: Named::Broker,
    },
];

impl SourcesArgs {
    /// Opens what is named.
    pub(super) fn open(&self) -> Result<Sources, Failure> {
        let Some(named) = &self.named.named else {
            return Err(Failure::usage(
                "whom to ask? Give --database, --acl-file, --config or --broker, or set \
                 DOORMAN_DATABASE, DOORMAN_CONFIG or DOORMAN_BROKER",
            ));
        };
        let mut config = Config::standard();
        let mut tokens = TokenRules::USUAL;
        match named {
            Named::Database(path) => config.sources.push(SourceConfig::Database(DatabaseConfig {
                path: path.clone(),
                roles: true,
            })),
            Named::AclFile(path) => config.acl_file = Some(path.clone()),
            Named::Config(path) => {
                config = configured(path)?;
                tokens = TokenRules::of(&config.jwt);
            }
            Named::Broker(_) if self.at.is_some() => {
                return Err(Failure::usage("a broker answers as of now, without --at"));
            }
            Named::Broker(address) if self.acl_subscribe.is_none() => {
                let options = self.named.broker.options(address)?;
                return Ok(Sources::Far(Box::new(Courier::open(options)?)));
            }
            Named::Broker(_) => {}
        }
        match (self.acl_subscribe, named) {
            (Some(how), Named::AclFile(_)) => config.acl_subscribe = how,
            (Some(_), Named::Database(_) | Named::Config(_) | Named::Broker(_)) => {
                return Err(Failure::usage("--acl-subscribe goes with --acl-file only"));
            }
            (None, _) => {}
        }
        Sources::open(&config, tokens)
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

impl Args for NamedArg {
    fn augment_args(command: Command) -> Command {
        BrokerArgs::augment_args(way::augment(command, &WAYS, "Whom to ask"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for NamedArg {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            named: way::named(matches, &WAYS, SEVERAL)?,
            broker: BrokerArgs::from_arg_matches(matches)?,
        })
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

fn subscribe(text: &str) -> Result<AclSubscribe, String> {
    match text {
        "as-mosquitto" => Ok(AclSubscribe::AsMosquitto),
        "enforce" => Ok(AclSubscribe::Enforce),
        _ => Err("accepted are as-mosquitto and enforce".to_owned()),
    }
}

const SEVERAL: &str = "give one of --database, --acl-file, --config and --broker (or DOORMAN_DATABASE, \
                       DOORMAN_CONFIG, DOORMAN_BROKER), not several\n";
