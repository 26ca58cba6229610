//! `plugin_opt_*` lines become one typed [`Config`].
//!
//! Must not: open what the options name, or fall back to a default after a mistake: an unknown,
//! repeated or unreadable option ends the start with its name and what is accepted. [`OPTIONS`] is
//! the only list of options; the parser, `doorman check` and `docs/options.md` all read it.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use crate::model::{EmqxDigest, SaltPlace, Scheme};

/// Everything the operator decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where accounts come from, in the order in which they are asked.
    pub sources: Vec<SourceConfig>,
    /// What to say to a username that no source knows.
    pub unknown_user: UnknownUser,
    /// How much work a stored credential may ask for.
    pub limits: CostLimits,
    /// Whether successful logins are written to the databases.
    pub record_last_login: bool,
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
    Database(PathBuf),
    /// Somebody else's database, asked with one statement.
    Query(QueryConfig),
}

/// How to ask a database that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryConfig {
    /// The database file; opened for reading only.
    pub path: PathBuf,
    /// One `SELECT` with `:username`, and `:client_id` if it wants it.
    pub sql: String,
    /// How its credentials are to be read.
    pub scheme: Scheme,
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

/// One row of the option table.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// The name behind `plugin_opt_`.
    pub key: &'static str,
    /// What the value looks like.
    pub value: &'static str,
    /// What holds without the line; `None` where there is nothing.
    pub default: Option<&'static str>,
    /// Whether the line may be given several times.
    pub repeats: bool,
    /// What it does, in a sentence.
    pub help: &'static str,
    set: fn(&mut Draft, &str) -> Result<(), String>,
}

/// Every option there is.
pub const OPTIONS: &[Opt] = &[
    Opt {
        key: "password_file",
        value: "PATH",
        default: None,
        repeats: true,
        help: "A file in the format of Mosquitto's password_file. Changes are taken over within a second, without a signal.",
        set: |draft, value| {
            draft.sources.push(SourceConfig::PasswordFile(path(value)?));
            Ok(())
        },
    },
    Opt {
        key: "database",
        value: "PATH",
        default: None,
        repeats: true,
        help: "An SQLite database. With doorman's own schema (made by `doorman init`, or here if missing), unless a database_query line follows it.",
        set: |draft, value| {
            draft.sources.push(SourceConfig::Database(path(value)?));
            Ok(())
        },
    },
    Opt {
        key: "database_query",
        value: "SQL",
        default: None,
        repeats: true,
        help: "Makes the database of the line before it a foreign one, opened read-only and asked with this one SELECT. Parameters :username and :client_id; columns: the stored credential first, then optionally salt, disabled, client_id by name.",
        set: query,
    },
    Opt {
        key: "database_format",
        value: "marked|rabbitmq|emqx_plain|emqx_sha256_prefix|emqx_sha256_suffix|emqx_sha512_prefix|emqx_sha512_suffix",
        default: Some("marked"),
        repeats: true,
        help: "How the credentials of the database_query before it are stored, where they do not say so themselves.",
        set: format,
    },
    Opt {
        key: "unknown_user",
        value: "defer|deny",
        default: Some("defer"),
        repeats: false,
        help: "What happens to a username that no source knows: defer asks the next plugin and then the broker's own password_file, deny refuses.",
        set: |draft, value| {
            draft.config.unknown_user = match value {
                "defer" => UnknownUser::Defer,
                "deny" => UnknownUser::Deny,
                _ => return Err("accepted are defer and deny".to_owned()),
            };
            Ok(())
        },
    },
    Opt {
        key: "max_iterations",
        value: "NUMBER",
        default: Some("2000000"),
        repeats: false,
        help: "The most PBKDF2 iterations or SHA-crypt rounds a stored credential may ask for.",
        set: |draft, value| {
            number(value, 1, 1_000_000_000).map(|n| draft.config.limits.iterations = n)
        },
    },
    Opt {
        key: "max_memory",
        value: "SIZE (64K, 256M, 1G)",
        default: Some("256M"),
        repeats: false,
        help: "The most memory that one Argon2 or scrypt credential may ask for.",
        set: |draft, value| kibibytes(value).map(|kib| draft.config.limits.memory_kib = kib),
    },
    Opt {
        key: "max_passes",
        value: "NUMBER",
        default: Some("16"),
        repeats: false,
        help: "The most passes or lanes of Argon2, and the most parallelism of scrypt.",
        set: |draft, value| number(value, 1, 1_000).map(|n| draft.config.limits.passes = n),
    },
    Opt {
        key: "max_bcrypt_cost",
        value: "NUMBER",
        default: Some("14"),
        repeats: false,
        help: "The highest bcrypt cost; each step doubles the time.",
        set: |draft, value| number(value, 4, 31).map(|n| draft.config.limits.bcrypt_cost = n),
    },
    Opt {
        key: "allow_cleartext_credentials",
        value: "true|false",
        default: Some("false"),
        repeats: false,
        help: "Takes a stored credential without any known form as the password itself. Whoever reads the source has every password.",
        set: |draft, value| truth(value).map(|yes| draft.config.limits.cleartext = yes),
    },
    Opt {
        key: "record_last_login",
        value: "true|false",
        default: Some("true"),
        repeats: false,
        help: "Writes the time of the last login to doorman's own databases, in batches and off the broker's thread.",
        set: |draft, value| truth(value).map(|yes| draft.config.record_last_login = yes),
    },
    Opt {
        key: "hashing",
        value: "auto|worker|inline",
        default: Some("auto"),
        repeats: false,
        help: "Where passwords are verified. auto: on a worker thread what takes a millisecond or more, where the broker can wait (2.1), and the rest at once; worker: everything a worker can take; inline: all on the broker's thread, within inline_budget.",
        set: |draft, value| {
            draft.config.hashing = match value {
                "auto" => Hashing::Auto,
                "worker" => Hashing::Worker,
                "inline" => Hashing::Inline,
                _ => return Err("accepted are auto, worker and inline".to_owned()),
            };
            Ok(())
        },
    },
    Opt {
        key: "workers",
        value: "NUMBER|auto",
        default: Some("auto"),
        repeats: false,
        help: "How many worker threads verify passwords; auto is one less than there are cores, and at least one. They give way to the broker's thread.",
        set: |draft, value| {
            draft.config.workers = match value {
                "auto" => usual_workers(),
                _ => number(value, 1, 256)?
                    .try_into()
                    .map_err(|_| "too many".to_owned())?,
            };
            Ok(())
        },
    },
    Opt {
        key: "queue",
        value: "NUMBER",
        default: Some("10000"),
        repeats: false,
        help: "How many passwords wait for a worker; more are refused as busy.",
        set: |draft, value| {
            draft.config.queue = number(value, 1, 1_000_000)?
                .try_into()
                .map_err(|_| "too many".to_owned())?;
            Ok(())
        },
    },
    Opt {
        key: "pending_timeout",
        value: "DURATION (500ms, 10s, 1m)",
        default: Some("10s"),
        repeats: false,
        help: "How long a client waits for a worker's answer before it is refused. It also bounds how long a waiting client keeps its client id from others.",
        set: |draft, value| {
            let (least, most) = (Duration::from_millis(100), Duration::from_secs(600));
            duration(value, least, most).map(|time| draft.config.pending_timeout = time)
        },
    },
    Opt {
        key: "inline_budget",
        value: "DURATION (500ms)",
        default: Some("500ms"),
        repeats: false,
        help: "How much of each second the broker's thread may spend verifying passwords that no worker takes; beyond it logins are refused as busy, and everything else goes on.",
        set: |draft, value| {
            let (least, most) = (Duration::from_millis(1), Duration::from_secs(1));
            duration(value, least, most).map(|time| draft.config.inline_budget = time)
        },
    },
];

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

    /// What holds where nothing is said: no source, and the cost limits of [`CostLimits::STANDARD`].
    #[must_use]
    pub fn standard() -> Self {
        Self {
            sources: Vec::new(),
            unknown_user: UnknownUser::Defer,
            limits: CostLimits::STANDARD,
            record_last_login: true,
            hashing: Hashing::Auto,
            workers: usual_workers(),
            queue: 10_000,
            pending_timeout: Duration::from_secs(10),
            inline_budget: Duration::from_millis(500),
        }
    }
}

fn accepted() -> String {
    OPTIONS
        .iter()
        .map(|opt| opt.key)
        .collect::<Vec<_>>()
        .join(", ")
}

fn path(value: &str) -> Result<PathBuf, String> {
    if value.is_empty() {
        Err("a path is needed".to_owned())
    } else {
        Ok(PathBuf::from(value))
    }
}

fn query(draft: &mut Draft, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("a SELECT statement is needed".to_owned());
    }
    match draft.sources.last_mut() {
        Some(source @ SourceConfig::Database(_)) => {
            if let SourceConfig::Database(path) = source {
                let path = std::mem::take(path);
                *source = SourceConfig::Query(QueryConfig {
                    path,
                    sql: value.to_owned(),
                    scheme: Scheme::Marked,
                });
            }
            Ok(())
        }
        Some(SourceConfig::Query(_)) => {
            Err("the database before it has a database_query already".to_owned())
        }
        Some(SourceConfig::PasswordFile(_)) | None => {
            Err("it belongs directly behind the plugin_opt_database line it asks".to_owned())
        }
    }
}

fn format(draft: &mut Draft, value: &str) -> Result<(), String> {
    let scheme = match value {
        "marked" => Scheme::Marked,
        "rabbitmq" => Scheme::RabbitMq,
        "emqx_plain" => Scheme::Emqx(EmqxDigest::Plain, SaltPlace::Prefix),
        "emqx_sha256_prefix" => Scheme::Emqx(EmqxDigest::Sha256, SaltPlace::Prefix),
        "emqx_sha256_suffix" => Scheme::Emqx(EmqxDigest::Sha256, SaltPlace::Suffix),
        "emqx_sha512_prefix" => Scheme::Emqx(EmqxDigest::Sha512, SaltPlace::Prefix),
        "emqx_sha512_suffix" => Scheme::Emqx(EmqxDigest::Sha512, SaltPlace::Suffix),
        _ => {
            return Err("accepted are marked, rabbitmq, emqx_plain, emqx_sha256_prefix, emqx_sha256_suffix, \
                        emqx_sha512_prefix and emqx_sha512_suffix"
                .to_owned());
        }
    };
    match draft.sources.last_mut() {
        Some(SourceConfig::Query(query)) => {
            query.scheme = scheme;
            Ok(())
        }
        Some(SourceConfig::PasswordFile(_) | SourceConfig::Database(_)) | None => Err(
            "it belongs behind the plugin_opt_database_query line whose credentials it describes"
                .to_owned(),
        ),
    }
}

fn number(value: &str, least: u32, most: u32) -> Result<u32, String> {
    value
        .parse()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("accepted is a whole number from {least} to {most}"))
}

fn truth(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("accepted are true and false".to_owned()),
    }
}

/// The broker's thread keeps a core.
fn usual_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

fn duration(value: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let parse = |digits: &str, unit: fn(u64) -> Duration| digits.parse().ok().map(unit);
    let time = if let Some(digits) = value.strip_suffix("ms") {
        parse(digits, Duration::from_millis)
    } else if let Some(digits) = value.strip_suffix('s') {
        parse(digits, Duration::from_secs)
    } else if let Some(digits) = value.strip_suffix('m') {
        parse(digits, |minutes| {
            Duration::from_secs(minutes.saturating_mul(60))
        })
    } else {
        None
    };
    time.filter(|time| (least..=most).contains(time)).ok_or_else(|| {
        format!("accepted is a time with its unit, such as 500ms, 10s or 1m, from {least:?} to {most:?}")
    })
}

fn kibibytes(value: &str) -> Result<u32, String> {
    let wrong =
        || "accepted is a size with its unit from 64K to 64G, such as 64K, 256M or 1G".to_owned();
    let (digits, factor) = match value.char_indices().next_back() {
        Some((at, 'K')) => (value.get(..at), 1),
        Some((at, 'M')) => (value.get(..at), 1024),
        Some((at, 'G')) => (value.get(..at), 1024 * 1024),
        Some(_) | None => (None, 0),
    };
    digits
        .and_then(|digits| digits.parse::<u32>().ok())
        .and_then(|n| n.checked_mul(factor))
        .filter(|kib| (64..=64 * 1024 * 1024).contains(kib))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

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
                SourceConfig::Database("/c".into()),
                SourceConfig::Query(QueryConfig {
                    path: "/a".into(),
                    sql: "SELECT 1".into(),
                    scheme: Scheme::Emqx(EmqxDigest::Sha256, SaltPlace::Suffix),
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
