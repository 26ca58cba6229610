//! Whether a refusal's time tells who exists: an unknown username beside a wrong password, or beside a
//! wrong proof where the password crosses no wire, asked of real brokers over the loopback, with doorman
//! and with the broker's own password file.
//!
//! Must not: compare contenders that ran at different times. All brokers of one version run at once
//! and take turns. Names are asked in pairs, one known and one unknown, in random order; what counts
//! is the median of the pairs' ratios, in which a busy machine meets both alike. Fails when doorman's
//! misses the bar.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "as in tests/main.rs"
)]

mod measure;
#[path = "unknown_user/password.rs"]
mod password;
#[path = "unknown_user/scram.rs"]
mod scram;
#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mosquitto_doorman::admin::{self, Actor, Command};
use mosquitto_doorman::config::{
    Config, DatabaseConfig, Scram, SourceConfig, ThrottleLimits, UnknownUser,
};
use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::engine::Engine;
use mosquitto_doorman::model::{Account, AccountName};
use mosquitto_doorman::request::{Address, Certificate, Client, ConnectionId, Now};
use mosquitto_doorman::store::sqlite::Database;

use self::measure::{Chance, Spread};
use self::support::conf::LISTENER;
use self::support::{Broker, Tree, plugin_conf};

const ITERATIONS: [u32; 2] = [1_000, 20_000];
const ACCOUNTS: usize = 20;
const ROUNDS: usize = 5;
/// In each round.
const PAIRS: usize = 40;
/// How far doorman's ratio may be from 1.
const BAR: f64 = 0.05;

fn main() -> ExitCode {
    println!(
        "time of a refusal: unknown username / wrong password; 1 tells nothing about who exists"
    );
    println!(
        "median of {} pairs (lowest and highest of {ROUNDS} rounds), accepted for doorman: {:.2} to {:.2}\n",
        ROUNDS * PAIRS,
        1.0 - BAR,
        1.0 + BAR
    );
    println!("asked             stored              unknown/wrong          wrong ms  unknown ms");
    let password =
        ITERATIONS.map(|iterations| (&password::WAY, Recipe::Pbkdf2Sha512 { iterations }));
    let scram = scram::STORED.map(|recipe| (&scram::WAY, recipe));
    let mut missed = 0;
    for (way, recipe) in password.into_iter().chain(scram) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let accounts = Accounts::at(dir.path(), &recipe);
        missed += u32::from(!engine(&accounts, way, "file", accounts.file_source()));
        missed += u32::from(!engine(
            &accounts,
            way,
            "database",
            accounts.database_source(),
        ));
        for tree in Tree::all() {
            missed += brokers(&accounts, way, &tree);
        }
        println!();
    }
    if missed == 0 {
        return ExitCode::SUCCESS;
    }
    println!("{missed} of doorman's ratios are not accepted");
    ExitCode::FAILURE
}

/// How a client shows who it is.
struct Way {
    options: &'static [&'static str],
    /// Whether the broker's own password file knows it.
    has_stock: bool,
    /// Whether it costs a hash. Of what else is done, microseconds, a share can be told behind a network alone.
    costs_a_hash: bool,
    /// Asks the engine to refuse somebody, and says how long that took.
    engine: fn(&Engine, &str) -> Duration,
    /// The same of a broker.
    broker: fn(u16, &str) -> Duration,
}

/// The same accounts as a password file and as a database.
struct Accounts {
    stored: String,
    file: PathBuf,
    database: PathBuf,
}

impl Accounts {
    fn at(dir: &Path, recipe: &Recipe) -> Self {
        let stored: Vec<Account> = (0..ACCOUNTS)
            .map(|number| {
                let salt = Salt::new([number as u8; 16]);
                Account {
                    credential: Some(hash(b"right", recipe, &salt).expect("a hash")),
                    ..Account::named(AccountName::new(&known(number)).expect("a name"))
                }
            })
            .collect();
        let mut text = String::new();
        for account in &stored {
            let credential = account.credential.as_ref().expect("one each");
            writeln!(text, "{}:{}", account.name, credential.text).expect("memory");
        }
        let (file, database) = (dir.join("users"), dir.join("accounts.db"));
        std::fs::write(&file, text).expect("a password file");
        let mut made = Database::create(&database, None).expect("a database");
        let commands: Vec<_> = stored.into_iter().map(Command::Add).collect();
        let actor = Actor {
            who: "bench".into(),
            from: "local".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        admin::apply(&mut made, actor, &commands).expect("accounts");
        Self {
            stored: match recipe {
                Recipe::Pbkdf2Sha512 { iterations } => format!("$7$, {iterations}"),
                Recipe::Scram { mechanism, .. } => format!("{mechanism} keys"),
                Recipe::Argon2id { .. } => "argon2id".to_owned(),
            },
            file,
            database,
        }
    }

    fn file_source(&self) -> SourceConfig {
        SourceConfig::PasswordFile(self.file.clone())
    }

    fn database_source(&self) -> SourceConfig {
        SourceConfig::Database(DatabaseConfig {
            path: self.database.clone(),
            roles: false,
        })
    }

    fn print(&self, asked: &str, rounds: &[Round]) -> f64 {
        let wrong = Spread::of(rounds.iter().flat_map(|round| round.wrong.clone()));
        let unknown = Spread::of(rounds.iter().flat_map(|round| round.unknown.clone()));
        let ratio = Spread::of(rounds.iter().flat_map(Round::ratios)).median;
        let each = Spread::of(rounds.iter().map(|round| Spread::of(round.ratios()).median));
        println!(
            "{asked:16}  {:18}  {:20}  {:9.3}  {:10.3}",
            self.stored,
            format!("{ratio:.3} ({:.3}–{:.3})", each.low, each.high),
            wrong.median,
            unknown.median,
        );
        ratio
    }
}

fn known(number: usize) -> String {
    format!("device-{number:04}")
}

/// Milliseconds of some refusals, in pairs.
#[derive(Default)]
struct Round {
    wrong: Vec<f64>,
    unknown: Vec<f64>,
}

impl Round {
    fn of(chance: &mut Chance, mut refusal: impl FnMut(&str) -> f64) -> Self {
        let mut round = Self::default();
        for _ in 0..PAIRS {
            // Each unknown name is another one, of the same length.
            let somebody = known(chance.below(ACCOUNTS));
            let nobody = format!("nobody-{:04}", chance.below(10_000));
            if chance.below(2) == 0 {
                round.wrong.push(refusal(&somebody));
                round.unknown.push(refusal(&nobody));
            } else {
                round.unknown.push(refusal(&nobody));
                round.wrong.push(refusal(&somebody));
            }
        }
        round
    }

    fn ratios(&self) -> impl Iterator<Item = f64> {
        let pairs = self.unknown.iter().zip(&self.wrong);
        pairs.map(|(unknown, wrong)| unknown / wrong)
    }
}

/// Asks the engine itself, without a network that blurs the difference.
fn engine(accounts: &Accounts, way: &Way, name: &str, source: SourceConfig) -> bool {
    let config = Config {
        sources: vec![source],
        unknown_user: UnknownUser::Deny,
        record_last_login: false,
        scram: Scram::Both,
        scram_hashes: true,
        // Everything is refused here, as fast as it can be.
        inline_budget: Duration::from_secs(1),
        throttle: ThrottleLimits {
            on: false,
            ..Config::standard().throttle
        },
        ..Config::standard()
    };
    let opened =
        Engine::open(&config, &[7; 32], now, std::sync::Arc::default()).expect("an engine");
    let mut chance = Chance::new(1);
    let mut refusal = |name: &str| (way.engine)(&opened.engine, name).as_secs_f64() * 1e3;
    let rounds: Vec<Round> = (0..ROUNDS)
        .map(|_| Round::of(&mut chance, &mut refusal))
        .collect();
    let ratio = accounts.print(&format!("engine, {name}"), &rounds);
    accepted(ratio) || !way.costs_a_hash
}

/// Asks brokers of one version; says how many of doorman's ratios are not accepted.
fn brokers(accounts: &Accounts, way: &Way, tree: &Tree) -> u32 {
    let with_plugin = |source: String| {
        let options = [
            &source,
            "unknown_user deny",
            "throttle false",
            "inline_budget 1s",
        ];
        plugin_conf(&[&options[..], way.options].concat())
    };
    let (file, database) = (accounts.file.display(), accounts.database.display());
    let mut contenders = vec![
        ("file", with_plugin(format!("password_file {file}"))),
        ("database", with_plugin(format!("database {database}"))),
    ];
    if way.has_stock {
        contenders.push(("stock", format!("password_file {file}\n")));
    }
    let brokers: Vec<Broker> = contenders
        .iter()
        .map(|(_, conf)| Broker::of(tree).start(&(LISTENER.to_owned() + conf)))
        .collect();
    let mut chance = Chance::new(2);
    let mut rounds: Vec<Vec<Round>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (broker, rounds) in brokers.iter().zip(&mut rounds) {
            let refusal = |name: &str| (way.broker)(broker.port(), name).as_secs_f64() * 1e3;
            rounds.push(Round::of(&mut chance, refusal));
        }
    }
    let mut missed = 0;
    for ((name, _), rounds) in contenders.iter().zip(&rounds) {
        let ratio = accounts.print(&format!("{}, {name}", tree.version()), rounds);
        missed += u32::from(*name != "stock" && !accepted(ratio));
    }
    missed
}

/// A client of the engine.
fn client() -> Client<'static> {
    Client {
        connection: Some(ConnectionId(1)),
        id: Some("client"),
        address: Address::new(Some("192.0.2.7")),
        listener: None,
        restored: false,
        certificate: Certificate::None,
    }
}

fn now() -> Now {
    Now {
        mono: Instant::now(),
        wall: Timestamp::now(),
    }
}

fn accepted(ratio: f64) -> bool {
    (ratio - 1.0).abs() <= BAR
}
