//! The table of options: the only list there is of them.
//!
//! Must not: check combinations of options beyond what a line needs from the lines before it.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::value::{
    algorithms, count, duration, kibibytes, network, number, path, rate, text, truth, within,
};
use super::{
    AclSubscribe, CertificateUse, Control, DatabaseConfig, Draft, Hashing, KeyUrl, LogLogins,
    QueryConfig, Rehash, Scram, SourceConfig, TokenPlace, UnknownUser,
};
use crate::mechanism::Mechanism;
use crate::model::{EmqxDigest, SaltPlace, Scheme};

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
    pub(super) set: fn(&mut Draft, &str) -> Result<(), String>,
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
        help: "An SQLite database. With doorman's own schema (made by `doorman init`, or here if missing), unless a database_query or database_acl_query line follows it.",
        set: |draft, value| {
            draft.sources.push(SourceConfig::Database(DatabaseConfig {
                path: path(value)?,
                roles: false,
            }));
            Ok(())
        },
    },
    Opt {
        key: "database_roles",
        value: "true|false",
        default: Some("false"),
        repeats: true,
        help: "Whether the roles in the database of the line before it (doorman's own) decide who may publish, read and subscribe to what, for its accounts and for clients without a username. false leaves that to the next source that is asked for it, or to the broker.",
        set: roles,
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
        key: "database_acl_query",
        value: "SQL",
        default: None,
        repeats: true,
        help: "Asks the database of the lines before it, opened read-only, what an account may do: one SELECT, run when it is first needed, at each login and when the database changes. Parameters :username and :client_id; columns: a filter (%u and %c stand for whole levels) and an access (1 read, 2 write, 4 subscribe or a sum of them, or one of publishClientSend, publishClientReceive, subscribeLiteral, subscribePattern, unsubscribeLiteral, unsubscribePattern), then optionally allow (0 or 1) and priority by name. Without a row it has nothing to say about the account.",
        set: acl_query,
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
        key: "acl_file",
        value: "PATH",
        default: None,
        repeats: false,
        help: "A file in the format of Mosquitto's acl_file, which then decides who may publish and read what, for every client of these listeners. Changes are taken over within a second, without a signal; a file with a mistake in it changes nothing, and at the start ends the start.",
        set: |draft, value| {
            draft.config.acl_file = Some(path(value)?);
            draft.config.acl_file_place = draft.sources.len();
            Ok(())
        },
    },
    Opt {
        key: "acl_subscribe",
        value: "as-mosquitto|enforce",
        default: Some("as-mosquitto"),
        repeats: false,
        help: "How acl_file answers subscriptions. as-mosquitto: every one is granted, and each message is judged when it is sent. enforce: a subscription is refused unless some one rule lets the client read all it covers.",
        set: |draft, value| {
            draft.config.acl_subscribe = match value {
                "as-mosquitto" => AclSubscribe::AsMosquitto,
                "enforce" => AclSubscribe::Enforce,
                _ => return Err("accepted are as-mosquitto and enforce".to_owned()),
            };
            Ok(())
        },
    },
    Opt {
        key: "control",
        value: "off|on|allow-authenticated",
        default: None,
        repeats: false,
        help: "Who may manage the first database with doorman's own schema while the broker runs, by messages to $CONTROL/dynamic-security/v1 (mosquitto_ctrl dynsec). on: whoever an ACL of doorman's lets publish to that topic. allow-authenticated: everybody who logged in with an account, for brokers where nobody else can. off: nobody. Without the line it is on where database_roles is true, and else off.",
        set: |draft, value| {
            draft.config.control = Some(match value {
                "off" => Control::Off,
                "on" => Control::On,
                "allow-authenticated" => Control::AllowAuthenticated,
                _ => return Err("accepted are off, on and allow-authenticated".to_owned()),
            });
            Ok(())
        },
    },
    Opt {
        key: "control_iterations",
        value: "NUMBER",
        default: Some("210000"),
        repeats: false,
        help: "PBKDF2 iterations of passwords that are set by messages to the control topic. Generated device keys of 128 bits and more need no more than 101.",
        set: |draft, value| {
            number(value, 1, 2_000_000).map(|n| draft.config.control_iterations = n)
        },
    },
    Opt {
        key: "auto_init",
        value: "true|false",
        default: Some("true"),
        repeats: false,
        help: "Whether a database that takes orders (control, database_roles) and is not there yet is made with an account admin and the roles that dynamic-security 2.1 begins with. false makes an empty one. A database that is there is never touched, even an empty one.",
        set: |draft, value| truth(value).map(|yes| draft.config.auto_init = yes),
    },
    Opt {
        key: "password_init_file",
        value: "PATH",
        default: None,
        repeats: false,
        help: "The file whose first line is the first password of the account that auto_init makes; read only then. Without it that is the environment variable MOSQUITTO_DYNSEC_PASSWORD (at least 12 bytes), and without that one is made and written to a file beside the database, with .pw behind its name.",
        set: |draft, value| {
            draft.config.password_init_file = Some(path(value)?);
            Ok(())
        },
    },
    Opt {
        key: "config_file",
        value: "PATH",
        default: None,
        repeats: false,
        help: "The JSON file of the dynamic-security plugin, as its plugin line names it. Where the first database with database_roles is not there yet, it is made of the file at the start, all of it or nothing: what cannot be carried over ends the start. Where the database is there the file is not read, and it is never written.",
        set: |draft, value| {
            draft.config.config_file = Some(path(value)?);
            Ok(())
        },
    },
    Opt {
        key: "sys_topics",
        value: "true|false",
        default: Some("true"),
        repeats: false,
        help: "Whether counts of logins, refusals, changes and orders are kept up to date as retained messages below $SYS/broker/doorman/, where they have changed, at the pace of sys_interval. They name nobody.",
        set: |draft, value| truth(value).map(|yes| draft.config.sys_topics = yes),
    },
    Opt {
        key: "sys_interval",
        value: "SECONDS",
        default: Some("10"),
        repeats: false,
        help: "How often they are kept up to date: in whole seconds, as the broker's own sys_interval, which a plugin cannot ask for. 0 for never.",
        set: |draft, value| {
            let seconds = number(value, 0, 65_535)?;
            let interval = Duration::from_secs(seconds.into());
            draft.config.sys_interval = (seconds > 0).then_some(interval);
            Ok(())
        },
    },
    Opt {
        key: "metrics_file",
        value: "PATH",
        default: None,
        repeats: false,
        help: "A file that the same figures are written to, whole, in the text format of Prometheus, for the node exporter's textfile collector: at the pace of sys_interval, and every ten seconds where that is 0.",
        set: |draft, value| path(value).map(|path| draft.config.metrics_file = Some(path)),
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
        key: "log_logins",
        value: "refused|all",
        default: Some("refused"),
        repeats: false,
        help: "Whose logins have a line in the broker's log, at NOTICE. refused: who was refused or is unknown, with the reason; all: who was let in and who came without a username too, beside the broker's own line for them.",
        set: |draft, value| {
            draft.config.log_logins = match value {
                "refused" => LogLogins::Refused,
                "all" => LogLogins::All,
                _ => return Err("accepted are refused and all".to_owned()),
            };
            Ok(())
        },
    },
    Opt {
        key: "scram",
        value: "off|sha-256|sha-512|both",
        default: Some("off"),
        repeats: false,
        help: "By which mechanisms MQTT 5 clients may prove a password without sending it (enhanced authentication with SCRAM-SHA-256 and SCRAM-SHA-512), against accounts that are stored as SCRAM keys, and as hashes where scram_hashes says so. off leaves such clients to the broker, which refuses them.",
        set: |draft, value| {
            draft.config.scram = match value {
                "off" => Scram::Off,
                "sha-256" => Scram::Only(Mechanism::Sha256),
                "sha-512" => Scram::Only(Mechanism::Sha512),
                "both" => Scram::Both,
                _ => return Err("accepted are off, sha-256, sha-512 and both".to_owned()),
            };
            Ok(())
        },
    },
    Opt {
        key: "scram_hashes",
        value: "true|false",
        default: Some("false"),
        repeats: false,
        help: "Whether SCRAM works with stored PBKDF2 hashes, too: $7$ for SCRAM-SHA-512, and others with SHA-256 or SHA-512 and all bytes of the hash. Such a hash is all that a SCRAM client needs, so whoever steals the file or database can log in without guessing a password; `doorman user convert` puts keys in its place, with which nobody can.",
        set: |draft, value| truth(value).map(|yes| draft.config.scram_hashes = yes),
    },
    Opt {
        key: "psk",
        value: "true|false",
        default: Some("false"),
        repeats: false,
        help: "Whether TLS-PSK listeners find the keys of their clients in doorman's own databases (`doorman psk`), each of an account. A name in CONNECT must be the account's, with its password; with use_identity_as_username the key alone is the login, and the identity has to be the account's name.",
        set: |draft, value| truth(value).map(|yes| draft.config.psk = yes),
    },
    Opt {
        key: "psk_seal_file",
        value: "PATH",
        default: None,
        repeats: false,
        help: "A file with the keys that the keys of TLS-PSK are sealed with in the database: 64 hexadecimal digits on a line, of which the first line seals and each of them opens. It is read at the start; nobody but its owner may read it.",
        set: |draft, value| {
            draft.config.psk_seal_file = Some(path(value)?);
            Ok(())
        },
    },
    Opt {
        key: "certificate",
        value: "off|instead-of-password|and-password",
        default: Some("off"),
        repeats: false,
        help: "What a client's certificate is worth that `doorman user certificate` has mapped to an account, at listeners with require_certificate true. instead-of-password: it is that account, without a password; whose certificate is mapped to nobody logs in as ever. and-password: it is that account and has to show its password, too, and an account with certificates is let in by nothing less, at any listener. A CONNECT that names somebody else is refused, and one without a username is given the account's. off: certificates are not looked into.",
        set: |draft, value| {
            draft.config.certificate = match value {
                "off" => CertificateUse::Off,
                "instead-of-password" => CertificateUse::InsteadOfPassword,
                "and-password" => CertificateUse::AndPassword,
                _ => {
                    return Err("accepted are off, instead-of-password and and-password".to_owned());
                }
            };
            Ok(())
        },
    },
    Opt {
        key: "jwt_key_file",
        value: "PATH",
        default: None,
        repeats: true,
        help: "Lets clients in by JSON Web Tokens that a key in this file has signed: public keys in PEM (BEGIN PUBLIC KEY), or a JWK or JWKS in JSON. What a token may be signed with follows from the key, never from the token. Changes are taken over within a second, without a signal; a file with a mistake in it changes nothing, and at the start ends the start.",
        set: |draft, value| path(value).map(|path| draft.config.jwt.key_files.push(path)),
    },
    Opt {
        key: "jwt_secret_file",
        value: "PATH",
        default: None,
        repeats: true,
        help: "The same for tokens that are signed with a secret (HS256, HS384, HS512): the whole file, but for one line break at its end. At least 32 bytes, 48 for HS384 and 64 for HS512. Whoever can verify such tokens can make them.",
        set: |draft, value| path(value).map(|path| draft.config.jwt.secret_files.push(path)),
    },
    Opt {
        key: "jwt_jwks_url",
        value: "URL",
        default: None,
        repeats: false,
        help: "The same for public keys that an issuer publishes (JWKS), fetched by a thread of its own at the pace of jwt_jwks_interval: https, verified with jwt_jwks_cafile or the system's certificates, or http from this machine. Until it was first fetched, such tokens are refused; when it cannot be, the last good keys stay.",
        set: |draft, value| KeyUrl::parse(value).map(|url| draft.config.jwt.url = Some(url)),
    },
    Opt {
        key: "jwt_jwks_cafile",
        value: "PATH",
        default: None,
        repeats: false,
        help: "The certificates, in PEM, of those who may vouch for the server of jwt_jwks_url, in place of the system's. It is read at the start, which it ends if there is none in it, and for each fetch.",
        set: |draft, value| path(value).map(|path| draft.config.jwt.ca = Some(path)),
    },
    Opt {
        key: "jwt_jwks_interval",
        value: "DURATION (30s, 5m)",
        default: Some("5m"),
        repeats: false,
        help: "How often jwt_jwks_url is fetched. A token that names a key nobody knows has it fetched at once, every five seconds at most.",
        set: |draft, value| duration(value).map(|time| draft.config.jwt.interval = time),
    },
    Opt {
        key: "jwt_algorithms",
        value: "LIST (RS256,ES256)",
        default: None,
        repeats: false,
        help: "The algorithms that are taken, of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA. Without the line, each that one of the keys is for.",
        set: |draft, value| algorithms(value).map(|list| draft.config.jwt.algorithms = list),
    },
    Opt {
        key: "jwt_issuer",
        value: "TEXT",
        default: None,
        repeats: false,
        help: "What a token's iss must be. Without the line anything, or nothing.",
        set: |draft, value| text(value).map(|text| draft.config.jwt.issuer = Some(text)),
    },
    Opt {
        key: "jwt_audience",
        value: "TEXT",
        default: None,
        repeats: true,
        help: "What a token's aud must name; with several lines, one of them. Without the line a token that names any is meant for somebody else and refused.",
        set: |draft, value| text(value).map(|text| draft.config.jwt.audiences.push(text)),
    },
    Opt {
        key: "jwt_leeway",
        value: "SECONDS",
        default: Some("10"),
        repeats: false,
        help: "By how much the issuer's clock and this one may differ when a token is looked at (exp, nbf, iat): at most 300.",
        set: |draft, value| {
            let seconds = number(value, 0, 300)?;
            draft.config.jwt.leeway = Duration::from_secs(seconds.into());
            Ok(())
        },
    },
    Opt {
        key: "jwt_max_lifetime",
        value: "DURATION (15m, 12h)",
        default: None,
        repeats: false,
        help: "Refuses tokens that are good for longer than this, from iat (without one, from now) to exp.",
        set: |draft, value| duration(value).map(|time| draft.config.jwt.longest = Some(time)),
    },
    Opt {
        key: "jwt_require_exp",
        value: "true|false",
        default: Some("true"),
        repeats: false,
        help: "Whether a token without exp is refused. false takes it for ever: only another key ends that.",
        set: |draft, value| truth(value).map(|yes| draft.config.jwt.needs_end = yes),
    },
    Opt {
        key: "jwt_username_claim",
        value: "CLAIM",
        default: Some("sub"),
        repeats: false,
        help: "The claim whose text is the client's username. A claim is named as it is, or with dots for one within another (realm_access.roles).",
        set: |draft, value| text(value).map(|text| draft.config.jwt.username = text),
    },
    Opt {
        key: "jwt_roles_claim",
        value: "CLAIM",
        default: None,
        repeats: false,
        help: "The claim with names of roles, as a list or in a text with blanks between: those of them that the first database with database_roles has hold for this login beside the account's own. None of them gives a right to administer.",
        set: |draft, value| text(value).map(|text| draft.config.jwt.roles = Some(text)),
    },
    Opt {
        key: "jwt_acl_claim",
        value: "CLAIM",
        default: None,
        repeats: false,
        help: "The claim with what the client may do by this login beside what its account may: an object with lists of topic filters pub, sub and all, as EMQX has it. ${username} and ${clientid} stand for whole levels.",
        set: |draft, value| text(value).map(|text| draft.config.jwt.acl = Some(text)),
    },
    Opt {
        key: "jwt_token_in",
        value: "password|username|both",
        default: Some("password"),
        repeats: false,
        help: "Where clients show their tokens. A password that is no token is verified as ever. both takes a token from either place, the username first.",
        set: |draft, value| {
            draft.config.jwt.place = match value {
                "password" => TokenPlace::Password,
                "username" => TokenPlace::Username,
                "both" => TokenPlace::Both,
                _ => return Err("accepted are password, username and both".to_owned()),
            };
            Ok(())
        },
    },
    Opt {
        key: "jwt_accounts",
        value: "required|optional",
        default: Some("required"),
        repeats: false,
        help: "Whether a token's username must have an account in one of the sources. optional lets others in, too, for whom then only the token and rules about their names speak. An account that is there is always held to its bounds: disabled, validity, client id, networks.",
        set: |draft, value| {
            draft.config.jwt.needs_account = match value {
                "required" => true,
                "optional" => false,
                _ => return Err("accepted are required and optional".to_owned()),
            };
            Ok(())
        },
    },
    Opt {
        key: "rehash",
        value: "off|weaker|scram-sha-256|scram-sha-512",
        default: Some("off"),
        repeats: false,
        help: "Whether a password that was right is stored anew, where doorman may write: in its own databases and in password files. weaker: where what is stored is guessed faster than rehash_iterations of PBKDF2 (SCRAM keys stay SCRAM keys). scram-sha-256, scram-sha-512: where it is not yet keys of that mechanism, too; neither the stock broker nor dynamic-security reads those. Off the broker's thread, and without ending anybody's connection; a credential that was changed meanwhile stays. Passwords of 32 characters and more in base64 are taken for generated ones, which gain nothing from weaker.",
        set: |draft, value| {
            draft.config.rehash = match value {
                "off" => Rehash::Off,
                "weaker" => Rehash::Weaker,
                "scram-sha-256" => Rehash::Keys(Mechanism::Sha256),
                "scram-sha-512" => Rehash::Keys(Mechanism::Sha512),
                _ => {
                    return Err(
                        "accepted are off, weaker, scram-sha-256 and scram-sha-512".to_owned()
                    );
                }
            };
            Ok(())
        },
    },
    Opt {
        key: "rehash_iterations",
        value: "NUMBER",
        default: Some("210000"),
        repeats: false,
        help: "PBKDF2 iterations of what rehash stores, and below which it takes PBKDF2 for weaker. OWASP's figure for SHA-512; for scram-sha-256 that is 600000. Not more than max_iterations.",
        set: |draft, value| {
            number(value, 4096, 2_000_000).map(|n| draft.config.rehash_iterations = n)
        },
    },
    Opt {
        key: "hashing",
        value: "auto|worker|inline",
        default: Some("auto"),
        repeats: false,
        help: "Where passwords and tokens are verified. auto: on a worker thread what takes a millisecond or more, where the broker can wait (2.1), and the rest at once unless many come together; worker: everything a worker can take; inline: all on the broker's thread, within inline_budget. Tokens signed with a secret are never worth a worker.",
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
        help: "How many worker threads verify passwords and tokens; auto is one less than there are cores, and at least one. They give way to the broker's thread.",
        set: |draft, value| {
            if value != "auto" {
                draft.config.workers = count(value, 256)?;
            }
            Ok(())
        },
    },
    Opt {
        key: "queue",
        value: "NUMBER",
        default: Some("10000"),
        repeats: false,
        help: "How many passwords and tokens wait for a worker; more are refused as busy.",
        set: |draft, value| count(value, 1_000_000).map(|n| draft.config.queue = n),
    },
    Opt {
        key: "pending_timeout",
        value: "DURATION (500ms, 10s, 1m)",
        default: Some("10s"),
        repeats: false,
        help: "How long a client waits for a worker's answer before it is refused. It also bounds how long a waiting client keeps its client id from others.",
        set: |draft, value| {
            let time = within(value, Duration::from_millis(100), Duration::from_mins(10))?;
            draft.config.pending_timeout = time;
            Ok(())
        },
    },
    Opt {
        key: "inline_budget",
        value: "DURATION (500ms)",
        default: Some("500ms"),
        repeats: false,
        help: "How much of each second the broker's thread may spend verifying passwords and tokens that no worker takes; beyond it logins are refused as busy, and everything else goes on.",
        set: |draft, value| {
            let time = within(value, Duration::from_millis(1), Duration::from_secs(1))?;
            draft.config.inline_budget = time;
            Ok(())
        },
    },
    Opt {
        key: "throttle",
        value: "true|false",
        default: Some("true"),
        repeats: false,
        help: "Slows down guessing of passwords: logins that would need a slow hash are counted by address, by username and in all before the hash is begun. A username that has logged in from an address keeps getting in from there, whoever else guesses its password.",
        set: |draft, value| truth(value).map(|yes| draft.config.throttle.on = yes),
    },
    Opt {
        key: "throttle_exempt",
        value: "CIDR",
        default: None,
        repeats: true,
        help: "A network or address that is never slowed down. A reverse proxy belongs here if every client seems to come from it; nobody else should.",
        set: |draft, value| network(value).map(|net| draft.config.throttle.exempt.push(net)),
    },
    Opt {
        key: "throttle_address_rate",
        value: "RATE (10/s, 600/m, 20/h)",
        default: Some("600/m"),
        repeats: false,
        help: "How many passwords one address (an IPv6 /64) may have checked; right ones are not counted. 600/m allows 600 at once and ten a second after that.",
        set: |draft, value| rate(value).map(|rate| draft.config.throttle.address_rate = rate),
    },
    Opt {
        key: "throttle_username_rate",
        value: "RATE (10/s, 600/m, 20/h)",
        default: Some("600/m"),
        repeats: false,
        help: "How many passwords one username may have checked from addresses it has not logged in from; a wrong one counts ten times, a right one not at all.",
        set: |draft, value| rate(value).map(|rate| draft.config.throttle.username_rate = rate),
    },
    Opt {
        key: "throttle_total_rate",
        value: "RATE (10/s, 600/m, 20/h)",
        default: Some("1200/m"),
        repeats: false,
        help: "How many passwords may be checked in all for usernames at addresses they have not logged in from. A quarter is kept for addresses from which somebody has.",
        set: |draft, value| rate(value).map(|rate| draft.config.throttle.total_rate = rate),
    },
    Opt {
        key: "throttle_username_failures",
        value: "NUMBER",
        default: Some("5"),
        repeats: false,
        help: "How many wrong passwords one username at one address has free; after them it waits a second, two, four and so on.",
        set: |draft, value| {
            number(value, 1, 1_000).map(|n| draft.config.throttle.username_failures = n)
        },
    },
    Opt {
        key: "throttle_address_failures",
        value: "NUMBER",
        default: Some("30"),
        repeats: false,
        help: "How many wrong passwords one address has free, whatever the usernames; twice as many once somebody has logged in from it. Usernames that have are not held up by the others.",
        set: |draft, value| {
            number(value, 1, 1_000_000).map(|n| draft.config.throttle.address_failures = n)
        },
    },
    Opt {
        key: "throttle_longest_wait",
        value: "DURATION (30s, 5m)",
        default: Some("60s"),
        repeats: false,
        help: "The longest that failures make a username or an address wait for its next attempt; so long at most does whoever has just corrected a password.",
        set: |draft, value| duration(value).map(|time| draft.config.throttle.longest_wait = time),
    },
    Opt {
        key: "throttle_forgive",
        value: "DURATION (30s, 5m)",
        default: Some("60s"),
        repeats: false,
        help: "The time in which the number of counted failures halves, once the waiting is over.",
        set: |draft, value| duration(value).map(|time| draft.config.throttle.forgive = time),
    },
    Opt {
        key: "throttle_remember",
        value: "DURATION (12h, 30d)",
        default: Some("30d"),
        repeats: false,
        help: "How long after its last login a username keeps its standing at an address. A restart of the broker forgets it.",
        set: |draft, value| duration(value).map(|time| draft.config.throttle.remember = time),
    },
    Opt {
        key: "throttle_longest_delay",
        value: "DURATION (5s)",
        default: Some("5s"),
        repeats: false,
        help: "The longest that a refusal is held back, where the broker can wait (2.1), from whoever fails a lot and shows a password again that was just refused.",
        set: |draft, value| duration(value).map(|time| draft.config.throttle.longest_delay = time),
    },
];

fn query(draft: &mut Draft, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("a SELECT statement is needed".to_owned());
    }
    let sql = value.to_owned();
    match draft.sources.last_mut() {
        Some(source @ SourceConfig::Database(DatabaseConfig { roles: false, .. })) => {
            foreign(source).map(|query| query.sql = Some(sql))
        }
        Some(SourceConfig::Query(QueryConfig { sql: Some(_), .. })) => {
            Err("the database before it has a database_query already".to_owned())
        }
        Some(SourceConfig::Query(query)) => {
            query.sql = Some(sql);
            Ok(())
        }
        Some(SourceConfig::Database(_)) => Err(OWN.to_owned()),
        Some(SourceConfig::PasswordFile(_)) | None => {
            Err("it belongs directly behind the plugin_opt_database line it asks".to_owned())
        }
    }
}

fn acl_query(draft: &mut Draft, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("a SELECT statement is needed".to_owned());
    }
    let sql = value.to_owned();
    match draft.sources.last_mut() {
        Some(source @ SourceConfig::Database(DatabaseConfig { roles: false, .. })) => {
            foreign(source).map(|query| query.acl_sql = Some(sql))
        }
        Some(SourceConfig::Query(query)) if query.acl_sql.is_none() => {
            query.acl_sql = Some(sql);
            Ok(())
        }
        Some(SourceConfig::Query(_)) => {
            Err("the database before it has a database_acl_query already".to_owned())
        }
        Some(SourceConfig::Database(_)) => Err(OWN.to_owned()),
        Some(SourceConfig::PasswordFile(_)) | None => {
            Err("it belongs behind the lines of the plugin_opt_database it asks".to_owned())
        }
    }
}

fn roles(draft: &mut Draft, value: &str) -> Result<(), String> {
    let yes = truth(value)?;
    match draft.sources.last_mut() {
        Some(SourceConfig::Database(database)) => {
            database.roles = yes;
            Ok(())
        }
        Some(SourceConfig::Query(_) | SourceConfig::PasswordFile(_)) | None => Err(
            "it belongs behind the plugin_opt_database line of a database with doorman's own schema"
                .to_owned(),
        ),
    }
}

/// The source becomes somebody else's database.
fn foreign(source: &mut SourceConfig) -> Result<&mut QueryConfig, String> {
    if let SourceConfig::Database(database) = source {
        *source = SourceConfig::Query(QueryConfig {
            path: std::mem::take(&mut database.path),
            sql: None,
            scheme: Scheme::Marked,
            acl_sql: None,
        });
    }
    match source {
        SourceConfig::Query(query) => Ok(query),
        SourceConfig::Database(_) | SourceConfig::PasswordFile(_) => Err(OWN.to_owned()),
    }
}

const OWN: &str = "the database before it has doorman's own schema (database_roles): it is not asked \
                   with a statement";

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
        Some(SourceConfig::Query(query)) if query.sql.is_some() => {
            query.scheme = scheme;
            Ok(())
        }
        Some(_) | None => Err(
            "it belongs behind the plugin_opt_database_query line whose credentials it describes"
                .to_owned(),
        ),
    }
}
