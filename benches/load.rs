//! What many accounts cost: memory and start-up of a real broker, what a connected client feels of
//! a reload, and the time of a lookup; doorman beside the broker's own password file.
//!
//! Must not: let a contender run in a quieter moment than another: they take turns. The accounts are
//! made up (`$7$`, 101 iterations, 12 bytes of salt); one is real and logs in. Files are warm in the
//! page cache. `cargo bench --bench load -- lookups` (starts, reloads) asks one question. The harness looks for the broker's port every 5 ms: smaller differences are none.
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
#[path = "../tests/support/mod.rs"]
mod support;

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mosquitto_doorman::config::{CostLimits, DatabaseConfig, SourceConfig};
use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::model::{Account, AccountName, StoredCredential};
use mosquitto_doorman::store::sqlite::Database;
use mosquitto_doorman::store::{self, Store};

use self::measure::{Chance, Spread, device, password_file};
use self::support::conf::LISTENER;
use self::support::{Broker, Client, Connect, Event, Protocol, Tree, plugin_conf};

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
const VERSIONS: [&str; 2] = ["2.0.11", "2.1.2"];
const TURNS: usize = 5;
const LOOKUPS: usize = 20_000;
/// How long a client goes on listening once the new accounts are in force.
const AFTERMATH: Duration = Duration::from_millis(300);
/// For each version and size; turns that would begin later are left out, and said to be.
const BUDGET: Duration = Duration::from_secs(40);
/// The longest that anybody waits for a broker that reads its file again.
const STALL: Duration = Duration::from_secs(80);

fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let all: Vec<Accounts> = SIZES
        .iter()
        .map(|count| Accounts::at(dir.path(), *count))
        .collect();
    // `cargo bench` adds an option of its own.
    let wanted: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if asked("lookups") {
        all.iter().for_each(lookups);
    }
    if asked("starts") {
        all.iter().for_each(starts);
    }
    if asked("reloads") {
        all.iter().for_each(reloads);
    }
}

/// The same accounts as a password file, as another state of it, and as a database.
struct Accounts {
    count: usize,
    file: PathBuf,
    other: PathBuf,
    database: PathBuf,
}

impl Accounts {
    fn at(dir: &Path, count: usize) -> Self {
        let recipe = Recipe::Pbkdf2Sha512 { iterations: 101 };
        let stored = hash(b"right", &recipe, &Salt::new(*b"sixteen bytes!!!")).expect("a hash");
        let real = format!("real:{}", stored.text);
        let path = |kind: &str| dir.join(format!("{kind}-{count}"));
        let accounts = Self {
            count,
            file: path("users"),
            other: path("others"),
            database: path("database"),
        };
        let text = password_file(&real, count, 1);
        fs::write(&accounts.file, &text).expect("a password file");
        // The same names, and every made-up credential another one.
        fs::write(&accounts.other, password_file(&real, count, 2)).expect("a password file");
        let mut database = Database::create(&accounts.database, None).expect("a database");
        let mut change = database.begin().expect("a transaction");
        for line in text.lines() {
            let (name, credential) = line.split_once(':').expect("a colon");
            let account = Account {
                credential: Some(StoredCredential::marked(credential)),
                ..Account::named(AccountName::new(name).expect("a name"))
            };
            change.put(&account).expect("an account");
        }
        change.commit().expect("a commit");
        accounts
    }

    fn conf(&self, kind: Kind) -> String {
        let source = match kind {
            Kind::Nobody => "allow_anonymous true\n".to_owned(),
            Kind::Stock => format!("password_file {}\n", self.file.display()),
            Kind::File => plugin_conf(&[&format!("password_file {}", self.file.display())]),
            Kind::Database => plugin_conf(&[&format!("database {}", self.database.display())]),
        };
        LISTENER.to_owned() + &source
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The broker alone, open to everybody.
    Nobody,
    Stock,
    File,
    Database,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Nobody, Self::Stock, Self::File, Self::Database];

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "no accounts",
            Self::Stock => "stock password_file",
            Self::File => "doorman password_file",
            Self::Database => "doorman database",
        }
    }
}

fn real() -> Connect {
    Connect::new(Protocol::V311).credentials("real", "right")
}

/// From the start of the process to the CONNACK of a login, and the memory then.
fn starts(accounts: &Accounts) {
    println!(
        "{} accounts: start until a login is accepted, and resident memory then",
        accounts.count
    );
    println!(
        "{:7} {:22}  {:>11}  {:>12}  {:>22}  {:>10}  {:>13}",
        "broker",
        "accounts in",
        "start/stock",
        "memory/stock",
        "start ms",
        "memory MiB",
        "bytes/account"
    );
    for version in VERSIONS {
        let tree = Tree::find(version);
        let mut times = Kind::ALL.map(|_| Vec::new());
        let mut memory = Kind::ALL.map(|_| Vec::new());
        let began = Instant::now();
        for turn in 0..TURNS {
            if began.elapsed() > BUDGET {
                println!("only {turn} turns: it takes too long");
                break;
            }
            for (index, kind) in Kind::ALL.into_iter().enumerate() {
                let startup = Broker::of(&tree);
                let conf = accounts.conf(kind);
                let start = Instant::now();
                let broker = startup.start(&conf);
                let client = real().accepted(broker.port());
                times[index].push(start.elapsed().as_secs_f64() * 1e3);
                memory[index].push(broker.rss_kib() as f64 / 1024.0);
                drop(client);
            }
        }
        let times = times.map(Spread::of);
        let memory = memory.map(Spread::of);
        // Kind::ALL begins with the broker alone and stock.
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            let each = (memory[index].median - memory[0].median) * 1_048_576.0;
            println!(
                "{version:7} {:22}  {:11.3}  {:12.2}  {:22.0}  {:10.1}  {:13.0}",
                kind.name(),
                times[index].median / times[1].median,
                memory[index].median / memory[1].median,
                times[index],
                memory[index].median,
                each / accounts.count as f64,
            );
        }
    }
    println!();
}

/// What a connected client feels while every account is replaced.
fn reloads(accounts: &Accounts) {
    println!(
        "{} accounts: every credential replaced; longest wait of others, ms",
        accounts.count
    );
    println!(
        "{:7} {:22}  {:>10}  {:>24}  {:>24}  {:>10}  {:>16}  {:>10}",
        "broker",
        "accounts in",
        "PING/stock",
        "PING ms",
        "login ms",
        "quiet PING",
        "in force after s",
        "memory MiB"
    );
    for version in VERSIONS {
        let tree = Tree::find(version);
        let kinds = [Kind::Stock, Kind::File];
        let brokers = kinds.map(|kind| Reloaded::start(accounts, &tree, kind));
        let mut turns = kinds.map(|_| Vec::new());
        let began = Instant::now();
        for turn in 0..TURNS {
            if began.elapsed() > BUDGET {
                println!("only {turn} turns: it takes too long");
                break;
            }
            for (reloaded, turns) in brokers.iter().zip(&mut turns) {
                turns.push(reloaded.turn(accounts, turn));
            }
        }
        let column =
            |index: usize, pick: fn(&Felt) -> f64| Spread::of(turns[index].iter().map(pick));
        for (index, reloaded) in brokers.iter().enumerate() {
            let ping = column(index, |felt| felt.ping);
            println!(
                "{version:7} {:22}  {:10.4}  {:24.1}  {:24.1}  {:10.1}  {:16.2}  {:10.1}",
                reloaded.kind.name(),
                ping.median / column(0, |felt| felt.ping).median,
                ping,
                column(index, |felt| felt.login),
                column(index, |felt| felt.quiet).median,
                column(index, |felt| felt.in_force).median,
                reloaded.broker.rss_kib() as f64 / 1024.0,
            );
        }
    }
    println!();
}

/// A broker whose password file is replaced again and again.
struct Reloaded {
    kind: Kind,
    broker: Broker,
}

/// What others felt of one replacement: milliseconds, and seconds until it was in force.
struct Felt {
    ping: f64,
    login: f64,
    quiet: f64,
    in_force: f64,
}

impl Reloaded {
    fn start(accounts: &Accounts, tree: &Tree, kind: Kind) -> Self {
        let startup = Broker::of(tree);
        fs::copy(&accounts.file, startup.dir().join("users")).expect("a password file");
        let conf = LISTENER.to_owned()
            + &match kind {
                Kind::Stock => "password_file {dir}/users\n".to_owned(),
                _ => plugin_conf(&["password_file {dir}/users"]),
            };
        Self {
            kind,
            broker: startup.start(&conf),
        }
    }

    fn turn(&self, accounts: &Accounts, turn: usize) -> Felt {
        let next = if turn.is_multiple_of(2) {
            &accounts.other
        } else {
            &accounts.file
        };
        let made = self.broker.dir().join("users.new");
        fs::copy(next, &made).expect("a password file");
        fs::File::open(&made)
            .and_then(|file| file.sync_all())
            .expect("a written file");
        let mut client = real().accepted(self.broker.port());
        let mut quiet = Vec::new();
        let until = Instant::now() + AFTERMATH;
        while Instant::now() < until {
            quiet.push(ping(&mut client));
            pause(&mut client);
        }
        let from = self.broker.log_end();
        fs::rename(made, self.broker.dir().join("users")).expect("a renamed file");
        let said = match self.kind {
            Kind::Stock => {
                self.broker.sighup();
                "Reloading config"
            }
            _ => "now ",
        };
        let begun = Instant::now();
        let (mut pings, mut logins, mut in_force) = (Vec::new(), Vec::new(), None);
        let mut last_look = begun;
        loop {
            pings.push(ping(&mut client));
            pause(&mut client);
            if pings.len() % 20 == 0 {
                logins.push(login(self.broker.port()));
            }
            // Looking into the log takes a while: not too often.
            if in_force.is_none() && last_look.elapsed() > Duration::from_millis(20) {
                last_look = Instant::now();
                if self.broker.log_after(from).contains(said) {
                    in_force = Some(last_look);
                }
                assert!(begun.elapsed() < STALL, "no reload");
            }
            if in_force.is_some_and(|at| at.elapsed() > AFTERMATH) {
                break;
            }
        }
        // Stock says so before it reads; the wait for it is in the PING.
        let longest = Spread::of(pings).high;
        let in_force = in_force.map_or(f64::NAN, |at| (at - begun).as_secs_f64());
        Felt {
            ping: longest,
            login: Spread::of(logins).high,
            quiet: Spread::of(quiet).high,
            in_force: match self.kind {
                Kind::Stock => longest / 1e3,
                _ => in_force,
            },
        }
    }
}

/// One round trip, in milliseconds.
fn ping(client: &mut Client) -> f64 {
    let start = Instant::now();
    client.send(&[0xc0, 0]);
    assert_eq!(client.receive(STALL), Event::Pingresp);
    start.elapsed().as_secs_f64() * 1e3
}

/// Leaves the processors to the others for a moment; nothing is said meanwhile.
fn pause(client: &mut Client) {
    assert_eq!(client.receive(Duration::from_millis(1)), Event::Silence);
}

fn login(port: u16) -> f64 {
    let start = Instant::now();
    drop(real().accepted(port));
    start.elapsed().as_secs_f64() * 1e3
}

/// A lookup in the library, without a broker.
fn lookups(accounts: &Accounts) {
    println!("{} accounts: one lookup, microseconds", accounts.count);
    println!(
        "{:15}  {:>22}  {:>22}",
        "accounts in", "known name", "unknown name"
    );
    let open = |source| {
        store::open(&source, &CostLimits::STANDARD)
            .expect("a source")
            .source
    };
    let sources = [
        (
            "file",
            open(SourceConfig::PasswordFile(accounts.file.clone())),
        ),
        (
            "database",
            open(SourceConfig::Database(DatabaseConfig {
                path: accounts.database.clone(),
                roles: false,
            })),
        ),
    ];
    let mut chance = Chance::new(3);
    let mut known = sources.each_ref().map(|_| Vec::new());
    let mut unknown = sources.each_ref().map(|_| Vec::new());
    for _ in 0..TURNS {
        let names: Vec<String> = (0..LOOKUPS)
            .map(|_| device(1 + chance.below(accounts.count - 1)))
            .collect();
        let strangers: Vec<String> = names.iter().map(|name| name.replace('d', "D")).collect();
        for (index, (_, source)) in sources.iter().enumerate() {
            for (names, there, times) in [
                (&names, true, &mut known[index]),
                (&strangers, false, &mut unknown[index]),
            ] {
                let start = Instant::now();
                for name in names {
                    let found = source
                        .as_ref()
                        .expect("accounts")
                        .account(black_box(name), None)
                        .expect("an answer");
                    assert_eq!(black_box(found).is_some(), there, "{name}");
                }
                times.push(start.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64);
            }
        }
    }
    for (index, (name, _)) in sources.iter().enumerate() {
        println!(
            "{name:15}  {:22.2}  {:22.2}",
            Spread::of(known[index].clone()),
            Spread::of(unknown[index].clone())
        );
    }
    println!();
}
