//! Which accounts a command works on: a password file or a database, named directly, by the
//! environment, or by a `mosquitto.conf`; or those of a running broker.
//!
//! Must not: guess. Two places at once, or a configuration with several, are an error that lists
//! them.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::actor::actor;
use super::broker::BrokerArgs;
use super::check::conf::Conf;
use super::exit::{Exit, Failure};
use super::way::{self, Way};
use crate::admin::{Local, Office};
use crate::config::{Config, SourceConfig};
use crate::courier::{self, Courier};
use crate::store::password_file::PasswordFile;
use crate::store::sqlite::Database;
use crate::store::{self, Store};

/// What the command line or the environment names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    File(PathBuf),
    Database(PathBuf),
    Config(PathBuf),
    /// Its address, not yet looked at.
    Broker(PathBuf),
}

/// The group of flags that names the place.
#[derive(Clone, Debug)]
pub(super) struct PlaceArgs {
    named: Option<Named>,
    broker: BrokerArgs,
}

/// Where accounts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file in the format of Mosquitto's `password_file`.
    File(PathBuf),
    /// A database with doorman's own schema.
    Database(PathBuf),
}

const WAYS: [Way<Named>; 4] = [
    Way {
        id: "file",
        env: Some("DOORMAN_FILE"),
        value: "PATH",
        help: "Work on this password file, in the format of Mosquitto's password_file",
        name: Named::File,
    },
    Way {
        id: "database",
        env: Some("DOORMAN_DATABASE"),
        value: "PATH",
        help: "Work on this database",
        name: Named::Database,
    },
    Way {
        id: "config",
        env: Some("DOORMAN_CONFIG"),
        value: "PATH",
        help: "Work on the source that this mosquitto.conf gives to mosquitto_doorman",
        name: Named::Config,
    },
    Way {
        id: "broker",
        env: Some("DOORMAN_BROKER"),
        value: "URL",
        help: "Work on what this running broker has: mqtt://HOST or mqtts://HOST, with :PORT behind it \
               where it is not 1883 or 8883",
        name: Named::Broker,
    },
];

const SEVERAL: &str = "give one of --file, --database, --config and --broker (or DOORMAN_FILE, \
                       DOORMAN_DATABASE, DOORMAN_CONFIG, DOORMAN_BROKER), not several\n";

impl Args for PlaceArgs {
    fn augment_args(command: Command) -> Command {
        BrokerArgs::augment_args(way::augment(command, &WAYS, "Where the accounts are"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PlaceArgs {
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

impl PlaceArgs {
    /// The one place meant, which must be here; `what` it is for.
    pub(super) fn resolve(&self, what: &str) -> Result<Place, Failure> {
        match &self.named {
            Some(Named::File(path)) => Ok(Place::File(path.clone())),
            Some(Named::Database(path)) => Ok(Place::Database(path.clone())),
            Some(Named::Config(path)) => configured(path),
            Some(Named::Broker(_)) => Err(Failure::usage(format!(
                "{what} cannot be done over a broker; it works on the file itself: give --file, --database \
                 or --config"
            ))),
            None => Err(Failure::usage(
                "where are the accounts? Give --file, --database, --config or --broker, or set \
                 DOORMAN_FILE, DOORMAN_DATABASE, DOORMAN_CONFIG or DOORMAN_BROKER",
            )),
        }
    }

    /// The one place meant, here or far away.
    pub(super) fn open(&self) -> Result<Box<dyn Office>, Failure> {
        if let Some(options) = self.broker()? {
            return Ok(Box::new(Courier::open(options)?));
        }
        Ok(Box::new(Local {
            store: self.store("this")?,
            actor: actor(),
        }))
    }

    /// The one place meant, here or far away; a database here with what keys of TLS-PSK are sealed with: a
    /// file that is named, or that of the configuration.
    pub(super) fn open_sealed(&self, seal_file: Option<&Path>) -> Result<Box<dyn Office>, Failure> {
        if self.is_far() {
            return self.open();
        }
        let store: Box<dyn Store> = match self.resolve("this")? {
            Place::File(_) => self.store("this")?,
            place @ Place::Database(_) => {
                place.exists()?;
                let seal_file = match (seal_file, &self.named) {
                    (Some(path), _) => Some(path.to_owned()),
                    (None, Some(Named::Config(path))) => seal_file_of(path)?,
                    (None, _) => None,
                };
                let vault = seal_file.map(|path| store::psk::vault(&path)).transpose()?;
                let vault = vault.map(Arc::new);
                Box::new(Database::open(place.path())?.sealed_by(vault))
            }
        };
        let actor = actor();
        Ok(Box::new(Local { store, actor }))
    }

    /// The one place meant, which must be here, opened; `what` it is for.
    pub(super) fn store(&self, what: &str) -> Result<Box<dyn Store>, Failure> {
        self.resolve(what)?.open()
    }

    /// How to reach the broker, if one is meant.
    pub(super) fn broker(&self) -> Result<Option<courier::Options>, Failure> {
        match &self.named {
            Some(Named::Broker(address)) => self.broker.options(address).map(Some),
            Some(Named::File(_) | Named::Database(_) | Named::Config(_)) | None => Ok(None),
        }
    }

    /// Whether it is far away.
    pub(super) fn is_far(&self) -> bool {
        matches!(self.named, Some(Named::Broker(_)))
    }

    /// Whether it keeps roles: a password file holds accounts and nothing else.
    pub(super) fn has_roles(&self) -> Result<bool, Failure> {
        Ok(self.is_far() || matches!(self.resolve("this")?, Place::Database(_)))
    }

    /// The user that the named configuration starts the broker as, if there is one.
    pub(super) fn broker_user(&self) -> Option<String> {
        match &self.named {
            Some(Named::Config(path)) => Conf::read(path).ok()?.user(),
            Some(Named::File(_) | Named::Database(_) | Named::Broker(_)) | None => None,
        }
    }
}

impl Place {
    /// The path.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Database(path) => path,
        }
    }

    /// Opens what must be there already.
    pub(super) fn open(&self) -> Result<Box<dyn Store>, Failure> {
        self.exists()?;
        match self {
            Self::File(path) => Ok(Box::new(PasswordFile::open(path)?)),
            Self::Database(path) => Ok(Box::new(Database::open(path)?)),
        }
    }

    /// Refuses what is not there yet.
    pub(super) fn exists(&self) -> Result<(), Failure> {
        if self.path().exists() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Place,
            format!(
                "{}: there is nothing here; `doorman init` creates it",
                self.path().display()
            ),
        ))
    }

    /// The flag that names this place, for messages.
    fn flag(&self) -> String {
        match self {
            Self::File(path) => format!("--file {}", path.display()),
            Self::Database(path) => format!("--database {}", path.display()),
        }
    }
}

/// What the plugin of a `mosquitto.conf` seals with.
fn seal_file_of(path: &Path) -> Result<Option<PathBuf>, Failure> {
    let conf = Conf::read(path).map_err(|error| Failure::file(path, &error))?;
    for plugin in conf.plugins().iter().filter(|plugin| plugin.is_ours()) {
        let options = plugin.options.iter();
        let config = Config::parse(options.map(|o| (o.key.as_str(), o.value.as_str())))
            .map_err(|error| Failure::new(Exit::Place, format!("{}: {error}", path.display())))?;
        if config.psk_seal_file.is_some() {
            return Ok(config.psk_seal_file);
        }
    }
    Ok(None)
}

/// The one source of our plugin in a `mosquitto.conf` that doorman may change.
fn configured(path: &Path) -> Result<Place, Failure> {
    let conf = Conf::read(path).map_err(|error| Failure::file(path, &error))?;
    let mut places = Vec::new();
    let mut plugins = 0_usize;
    for plugin in conf.plugins().iter().filter(|plugin| plugin.is_ours()) {
        plugins = plugins.saturating_add(1);
        let options = plugin.options.iter();
        let config = Config::parse(options.map(|o| (o.key.as_str(), o.value.as_str())))
            .map_err(|error| Failure::new(Exit::Place, format!("{}: {error}", path.display())))?;
        for source in config.sources {
            let place = match source {
                SourceConfig::PasswordFile(path) => Place::File(path),
                SourceConfig::Database(database) => Place::Database(database.path),
                // Somebody else's database is read, never changed.
                SourceConfig::Query(_) => continue,
            };
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    match (places.len(), places.pop()) {
        (1, Some(place)) => Ok(place),
        (_, None) => Err(Failure::new(
            Exit::Place,
            if plugins == 0 {
                format!(
                    "{}: no plugin line names mosquitto_doorman; `doorman check` says more",
                    path.display()
                )
            } else {
                format!(
                    "{}: mosquitto_doorman has no source that can be changed; add \
                     plugin_opt_password_file or plugin_opt_database",
                    path.display()
                )
            },
        )),
        (_, Some(last)) => {
            places.push(last);
            let list: Vec<_> = places.iter().map(Place::flag).collect();
            Err(Failure::usage(format!(
                "{}: there are several sources; say which one with {}",
                path.display(),
                list.join(" or ")
            )))
        }
    }
}
