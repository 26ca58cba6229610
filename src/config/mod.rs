//! `plugin_opt_*` lines become one typed [`Config`].
//!
//! Must not: open what the options name, or fall back to a default after a mistake: an unknown,
//! repeated or unreadable option ends the start with its name and what is accepted. [`OPTIONS`] is
//! the only list of options; the parser, `doorman check` and `docs/options.md` all read it.
#![forbid(unsafe_code)]

mod jwt;
mod options;
mod value;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use self::jwt::{Algorithm, Jwt, KeyUrl, TokenPlace};
pub use self::options::{OPTIONS, Opt};
use crate::mechanism::Mechanism;
use crate::model::Scheme;

/// Everything the operator decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where accounts come from, in the order in which they are asked.
    pub sources: Vec<SourceConfig>,
    /// The file that says who may publish and read what; none leaves that to the broker.
    pub acl_file: Option<PathBuf>,
    /// How many of the sources stand before its line, and so are asked before it.
    pub acl_file_place: usize,
    /// How subscriptions are answered where there is one.
    pub acl_subscribe: AclSubscribe,
    /// What to say to a username that no source knows.
    pub unknown_user: UnknownUser,
    /// How much work a stored credential may ask for.
    pub limits: CostLimits,
    /// Whether successful logins are written to the databases.
    pub record_last_login: bool,
    /// Whose logins have a line in the log.
    pub log_logins: LogLogins,
    /// By which mechanisms of SCRAM clients may prove their passwords.
    pub scram: Scram,
    /// How passwords are stored anew once they were shown.
    pub rehash: Rehash,
    /// How often the hash of one that is stored anew is repeated.
    pub rehash_iterations: u32,
    /// What certificates are worth that are mapped to accounts.
    pub certificate: CertificateUse,
    /// Whether a stored hash from which SCRAM's keys follow will do for that.
    pub scram_hashes: bool,
    /// Whether clients get the keys of TLS-PSK that are stored here.
    pub psk: bool,
    /// The file that those keys are sealed with; none where they are stored as they are.
    pub psk_seal_file: Option<PathBuf>,
    /// Which tokens are taken, and for what.
    pub jwt: Jwt,
    /// Where passwords are verified.
    pub hashing: Hashing,
    /// How many threads verify passwords.
    pub workers: usize,
    /// How many passwords wait for a worker.
    pub queue: usize,
    /// How long a client is left waiting.
    pub pending_timeout: Duration,
    /// How much of a second the broker's thread may spend verifying.
    pub inline_budget: Duration,
    /// How guessing is slowed down.
    pub throttle: ThrottleLimits,
    /// Who may give orders over the broker; none: whoever the roles of a database let do it, where
    /// there are such.
    pub control: Option<Control>,
    /// PBKDF2 iterations of a password that such an order sets.
    pub control_iterations: u32,
    /// Whether a database that takes orders and is not there is made with an administrator.
    pub auto_init: bool,
    /// Where the administrator's first password is; without one it comes from the environment, or is made.
    pub password_init_file: Option<PathBuf>,
    /// The file of dynamic-security that becomes the database where that is not there.
    pub config_file: Option<PathBuf>,
    /// Whether the state is told on `$SYS` topics.
    pub sys_topics: bool,
    /// How often; none for never.
    pub sys_interval: Option<Duration>,
    /// Where it is written for Prometheus.
    pub metrics_file: Option<PathBuf>,
}

/// Who may give orders over the broker, on the topics of the control API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Nobody: the topics are not ours.
    Off,
    /// Whoever a rule of ours lets publish to the topic.
    On,
    /// Whoever logged in with an account of ours.
    AllowAuthenticated,
}

/// Whose logins have a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLogins {
    /// Whoever is refused or unknown.
    Refused,
    /// Everybody.
    All,
}

/// How subscriptions are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclSubscribe {
    /// All are granted, and each message is judged.
    AsMosquitto,
    /// Those are granted whose messages the client may read.
    Enforce,
}

/// The mechanisms of SCRAM that are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scram {
    /// None.
    Off,
    /// One of them.
    Only(Mechanism),
    /// Both.
    Both,
}

impl Scram {
    /// Whether this one is.
    #[must_use]
    pub fn offers(self, mechanism: Mechanism) -> bool {
        match self {
            Self::Off => false,
            Self::Only(only) => only == mechanism,
            Self::Both => true,
        }
    }
}

/// Where passwords are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// On a worker what takes long, where the broker can wait; on the broker's thread the rest.
    Auto,
    /// On a worker, where the broker can wait.
    Worker,
    /// On the broker's thread.
    Inline,
}

/// One source of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceConfig {
    /// A file in Mosquitto's `password_file` format.
    PasswordFile(PathBuf),
    /// A database with doorman's own schema.
    Database(DatabaseConfig),
    /// Somebody else's database, asked with one statement.
    Query(QueryConfig),
}

/// A database with doorman's own schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The file.
    pub path: PathBuf,
    /// Whether its roles say who may do what.
    pub roles: bool,
}

/// How to ask a database that is not ours: for accounts, for rules, or for both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryConfig {
    /// The database file; opened for reading only.
    pub path: PathBuf,
    /// One `SELECT` with `:username`, and `:client_id` if it wants it: the account.
    pub sql: Option<String>,
    /// How its credentials are to be read.
    pub scheme: Scheme,
    /// The same for what the account may do.
    pub acl_sql: Option<String>,
}

/// What becomes of a stored credential whose password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehash {
    /// It stays.
    Off,
    /// One that is weaker than others would be today is replaced.
    Weaker,
    /// One that is none of this mechanism's keys, or weaker than these would be today, is replaced by them.
    Keys(Mechanism),
}

/// What a client's certificate is worth that is mapped to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUse {
    /// Nothing: nobody looks into it.
    Off,
    /// Its account logs in by it.
    InsteadOfPassword,
    /// Its account logs in by it and a password, and by neither alone.
    AndPassword,
}

/// What happens to a username that no source knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownUser {
    /// The broker goes on to whoever it asks next, its own `password_file` last.
    Defer,
    /// Refused here.
    Deny,
}

/// The most work that one stored credential may cost; one that asks for more is unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostLimits {
    /// PBKDF2 iterations and SHA-crypt rounds.
    pub iterations: u32,
    /// Memory of Argon2 and scrypt, in KiB.
    pub memory_kib: u32,
    /// Argon2 passes, Argon2 lanes and scrypt parallelism.
    pub passes: u32,
    /// bcrypt's cost exponent.
    pub bcrypt_cost: u32,
    /// Whether a credential without any known form is taken as a password in clear.
    pub cleartext: bool,
}

impl CostLimits {
    /// What holds where the configuration says nothing.
    pub const STANDARD: Self = Self {
        iterations: 2_000_000,
        memory_kib: 262_144,
        passes: 16,
        bcrypt_cost: 14,
        cleartext: false,
    };
}

/// So many in each period, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; a period's worth may come at once.
    pub count: NonZeroU32,
    /// In which time.
    pub period: Duration,
}

impl Rate {
    const fn per_minute(count: NonZeroU32) -> Self {
        Self {
            count,
            period: Duration::from_mins(1),
        }
    }
}

/// How guessing is slowed down; `src/throttle` says what the numbers do and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// Whether anything is slowed down at all.
    pub on: bool,
    /// Checks for one address.
    pub address_rate: Rate,
    /// Checks for one username from addresses that are new to it.
    pub username_rate: Rate,
    /// Checks in all for usernames at addresses that are new to them.
    pub total_rate: Rate,
    /// Free failures of one username at one address.
    pub username_failures: u32,
    /// Free failures of one address.
    pub address_failures: u32,
    /// The longest wait after a failure.
    pub longest_wait: Duration,
    /// In which time the counted failures halve.
    pub forgive: Duration,
    /// How long a login gives standing.
    pub remember: Duration,
    /// The longest that a refusal is held back.
    pub longest_delay: Duration,
    /// Networks that are never slowed down.
    pub exempt: Vec<IpNet>,
}

impl ThrottleLimits {
    /// What holds where the configuration says nothing. Loopback is not exempt: behind a proxy or a
    /// tunnel all the world comes from there.
    pub const STANDARD: Self = Self {
        on: true,
        address_rate: Rate::per_minute(NonZeroU32::MIN.saturating_add(599)),
        username_rate: Rate::per_minute(NonZeroU32::MIN.saturating_add(599)),
        total_rate: Rate::per_minute(NonZeroU32::MIN.saturating_add(1_199)),
        username_failures: 5,
        address_failures: 30,
        longest_wait: Duration::from_mins(1),
        forgive: Duration::from_mins(1),
        remember: Duration::from_hours(30 * 24),
        longest_delay: Duration::from_secs(5),
        exempt: Vec::new(),
    };
}

/// What is wrong with the options: one clear line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such option.
    #[error("unknown option plugin_opt_{key}; accepted are {}", accepted())]
    Unknown {
        /// The name behind `plugin_opt_`.
        key: String,
    },
    /// Given twice, and only once makes sense.
    #[error("plugin_opt_{key} is given twice; once is accepted")]
    Repeated {
        /// The name behind `plugin_opt_`.
        key: &'static str,
    },
    /// The value cannot be taken.
    #[error("plugin_opt_{key} {value:?}: {why}")]
    Value {
        /// The name behind `plugin_opt_`.
        key: &'static str,
        /// What was given.
        value: String,
        /// What is accepted.
        why: String,
    },
}

/// What has been read so far.
struct Draft {
    config: Config,
    sources: Vec<SourceConfig>,
}

impl Config {
    /// Reads the options in the order of their lines. Names come without `plugin_opt_`.
    ///
    /// # Errors
    /// For the first option that is unknown, repeated or has a value that cannot be taken.
    pub fn parse<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut draft = Draft {
            config: Self::standard(),
            sources: Vec::new(),
        };
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in options {
            let opt = OPTIONS
                .iter()
                .find(|opt| opt.key == key)
                .ok_or_else(|| Error::Unknown {
                    key: key.to_owned(),
                })?;
            if seen.contains(&opt.key) && !opt.repeats {
                return Err(Error::Repeated { key: opt.key });
            }
            seen.push(opt.key);
            // The broker keeps trailing blanks; no value of ours ends in one on purpose.
            let value = value.trim_end_matches([' ', '\t', '\r']);
            (opt.set)(&mut draft, value).map_err(|why| Error::Value {
                key: opt.key,
                value: value.to_owned(),
                why,
            })?;
        }
        draft.config.sources = draft.sources;
        Ok(draft.config)
    }

    /// What holds where nothing is said: no source, and the limits of [`CostLimits::STANDARD`] and
    /// [`ThrottleLimits::STANDARD`].
    #[must_use]
    pub fn standard() -> Self {
        Self {
            sources: Vec::new(),
            acl_file: None,
            acl_file_place: 0,
            acl_subscribe: AclSubscribe::AsMosquitto,
            unknown_user: UnknownUser::Defer,
            limits: CostLimits::STANDARD,
            record_last_login: true,
            log_logins: LogLogins::Refused,
            scram: Scram::Off,
            certificate: CertificateUse::Off,
            rehash: Rehash::Off,
            rehash_iterations: 210_000,
            scram_hashes: false,
            psk: false,
            psk_seal_file: None,
            jwt: Jwt::standard(),
            hashing: Hashing::Auto,
            workers: usual_workers(),
            queue: 10_000,
            pending_timeout: Duration::from_secs(10),
            inline_budget: Duration::from_millis(500),
            throttle: ThrottleLimits::STANDARD,
            control: None,
            control_iterations: 210_000,
            auto_init: true,
            password_init_file: None,
            config_file: None,
            sys_topics: true,
            sys_interval: Some(Duration::from_secs(10)),
            metrics_file: None,
        }
    }

    /// The first database whose roles say who may do what.
    #[must_use]
    pub fn with_roles(&self) -> Option<&DatabaseConfig> {
        self.sources.iter().find_map(|source| match source {
            SourceConfig::Database(database) if database.roles => Some(database),
            SourceConfig::Database(_) | SourceConfig::PasswordFile(_) | SourceConfig::Query(_) => {
                None
            }
        })
    }

    /// Who may give orders over the broker, and the database that they change.
    #[must_use]
    pub fn controlled(&self) -> Option<(Control, &DatabaseConfig)> {
        let own = || {
            let mut sources = self.sources.iter();
            sources.find_map(|source| match source {
                SourceConfig::Database(database) => Some(database),
                SourceConfig::PasswordFile(_) | SourceConfig::Query(_) => None,
            })
        };
        let with_roles = self.with_roles();
        match self.control {
            Some(Control::Off) => None,
            None => with_roles.map(|database| (Control::On, database)),
            Some(control) => with_roles.or_else(own).map(|database| (control, database)),
        }
    }
}

/// The broker's thread keeps a core.
fn usual_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

fn accepted() -> String {
    OPTIONS
        .iter()
        .map(|opt| opt.key)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EmqxDigest, SaltPlace};

    fn refused(options: &[(&str, &str)]) -> String {
        Config::parse(options.iter().copied())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn sources_keep_the_order_of_their_lines() {
        let config = Config::parse([
            ("password_file", "/b"),
            ("database", "/c "),
            ("database", "/a"),
            ("database_query", "SELECT 1"),
            ("database_format", "emqx_sha256_suffix"),
        ])
        .unwrap();
        assert_eq!(
            config.sources,
            [
                SourceConfig::PasswordFile("/b".into()),
                SourceConfig::Database(DatabaseConfig {
                    path: "/c".into(),
                    roles: false,
                }),
                SourceConfig::Query(QueryConfig {
                    path: "/a".into(),
                    sql: Some("SELECT 1".into()),
                    scheme: Scheme::Emqx(EmqxDigest::Sha256, SaltPlace::Suffix),
                    acl_sql: None,
                }),
            ]
        );
    }

    #[test]
    fn every_default_in_the_table_is_the_one_in_force() {
        let spelled = OPTIONS
            .iter()
            .filter(|opt| !opt.repeats)
            .filter_map(|opt| opt.default.map(|default| (opt.key, default)));
        assert_eq!(Config::parse(spelled).unwrap(), Config::standard());
    }

    #[test]
    fn an_unknown_option_is_named_with_what_is_accepted() {
        let message = refused(&[("pasword_file", "/x")]);
        assert!(
            message.contains("plugin_opt_pasword_file")
                && message.contains("password_file, database")
        );
    }

    #[test]
    fn a_repeated_option_is_refused_unless_it_may_repeat() {
        assert!(refused(&[("unknown_user", "deny"), ("unknown_user", "deny")]).contains("twice"));
        assert!(refused(&[("acl_file", "/a"), ("acl_file", "/b")]).contains("twice"));
        assert!(Config::parse([("password_file", "/a"), ("password_file", "/b")]).is_ok());
    }

    #[test]
    fn a_bad_value_is_named_with_what_is_accepted() {
        assert!(refused(&[("unknown_user", "Deny")]).contains("defer and deny"));
        assert!(refused(&[("max_memory", "256")]).contains("64K to 64G"));
        assert!(refused(&[("max_memory", "9999999G")]).contains("64K to 64G"));
        assert!(refused(&[("max_iterations", "-1")]).contains("1 to 1000000000"));
        assert!(refused(&[("max_bcrypt_cost", "32")]).contains("4 to 31"));
        assert!(refused(&[("allow_cleartext_credentials", "yes")]).contains("true and false"));
        assert!(refused(&[("password_file", "")]).contains("path"));
        assert!(refused(&[("acl_file", "")]).contains("path"));
        assert!(refused(&[("acl_subscribe", "yes")]).contains("as-mosquitto and enforce"));
    }

    #[test]
    fn exempt_networks_add_up() {
        let options = [
            ("throttle_exempt", "192.0.2.0/24"),
            ("throttle_exempt", "2001:db8::1"),
        ];
        let config = Config::parse(options).unwrap();
        assert_eq!(config.throttle.exempt.len(), 2);
        assert!(refused(&[("throttle_exempt", "home")]).contains("192.0.2.0/24"));
        assert!(refused(&[("throttle_total_rate", "10")]).contains("10/s"));
        assert!(refused(&[("throttle_forgive", "10")]).contains("30s"));
    }

    #[test]
    fn a_query_needs_the_database_before_it() {
        assert!(refused(&[("database_query", "SELECT 1")]).contains("directly behind"));
        assert!(
            refused(&[("password_file", "/a"), ("database_query", "SELECT 1")])
                .contains("directly behind")
        );
        assert!(refused(&[("database", "/a"), ("database_format", "rabbitmq")]).contains("behind"));
    }
}
