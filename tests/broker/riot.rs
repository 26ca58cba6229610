//! Random clients and a random administrator for a bounded time, and an oracle that knows who may be
//! in. `DOORMAN_RIOT_SECONDS` makes it longer; the seed is printed and `DOORMAN_RIOT_SEED` repeats it.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mosquitto_doorman::admin::{Change, Command, Rotation};
use mosquitto_doorman::mechanism::Mechanism;
use mosquitto_doorman::model::Account;
use mosquitto_doorman::store::sqlite::Database;
use sha2::Sha256;

use super::accounts::{change, database, name, set, stored};
use super::conf::patient;
use crate::support::{
    Answer, Broker, Client, Connect, Protocol, Scram, eventually, for_each_broker,
};

/// What an account's end may take to be felt, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(5);
const NAMES: u64 = 8;
const IDS: u64 = 12;
const EARLY_IDS: u64 = 3;
const OPTIONS: [&str; 6] = [
    "database {dir}/db",
    "unknown_user deny",
    "hashing worker",
    "scram both",
    "scram_hashes true",
    "jwt_secret_file {dir}/secret",
];
/// Of the issuer, and of somebody who would like to be one.
const SECRET: &str = "a secret that nobody but the issuer has";
const NO_SECRET: &str = "a secret that somebody else has, and no issuer";

/// What the oracle knows of an account.
#[derive(Clone, Default)]
struct Known {
    /// None: there is no such account.
    password: Option<String>,
    disabled: bool,
}

/// A connection that stands, and as whom it was made.
struct Guest {
    client: Client,
    account: String,
    password: String,
    way: Way,
}

struct Riot {
    broker: Broker,
    database: Database,
    accounts: HashMap<String, Known>,
    guests: HashMap<String, Guest>,
    /// Connections that must end.
    leaving: Vec<Client>,
    seed: u64,
    passwords: u64,
}

impl Riot {
    fn below(&mut self, bound: u64) -> u64 {
        below(&mut self.seed, bound)
    }

    fn step(&mut self) {
        let account = format!("u{}", self.below(NAMES));
        let id = format!("c{}", self.below(IDS));
        match self.below(100) {
            0..45 => self.enters(&account, &id),
            45..65 => self.is_refused(&account, &id),
            65..72 => self.leaves_early(&account),
            72..82 => drop(self.guests.remove(&id)),
            82..87 => self.gets_a_password(&account),
            87..91 => self.is_switched(&account),
            91..95 => self.is_added_or_deleted(&account),
            95..97 => self.broker.sighup(),
            _ => self.looks_round(),
        }
    }

    fn enters(&mut self, account: &str, id: &str) {
        let known = self.accounts[account].clone();
        let Some(password) = known.password else {
            return self.is_refused(account, id);
        };
        if known.disabled {
            return self.is_refused(account, id);
        }
        let way = Way::any(&mut self.seed);
        // An id that somebody else waits under is taken until that is answered.
        let mut client = None;
        let entered = eventually(SOON, || {
            let (here, answer) = way.come(self.broker.port(), id, account, &password);
            client = Some(here);
            answer == Answer::Accepted
        });
        assert!(entered, "{account} is not let in as {id}");
        let guest = Guest {
            client: client.unwrap(),
            account: account.to_owned(),
            password,
            way,
        };
        if let Some(before) = self.guests.insert(id.to_owned(), guest) {
            self.leaving.push(before.client);
        }
    }

    fn is_refused(&mut self, account: &str, id: &str) {
        let known = &self.accounts[account];
        let password = match (&known.password, known.disabled) {
            (Some(password), true) => password.clone(),
            _ => format!("never {}", self.below(1_000)),
        };
        let way = Way::any(&mut self.seed);
        let (_, answer) = way.come(self.broker.port(), id, account, &password);
        assert_ne!(answer, Answer::Accepted, "{account} {password:?} {way:?}");
        assert_ne!(answer, Answer::Silent);
    }

    /// With the right password or a wrong one; under an id that no guest has, whom it would take over.
    fn leaves_early(&mut self, account: &str) {
        let id = format!("e{}", self.below(EARLY_IDS));
        let right = self.accounts[account].password.clone();
        let password = right.filter(|_| self.seed & 4 == 0);
        let password = password.unwrap_or_else(|| "early".to_owned());
        let way = Way::any(&mut self.seed);
        way.begin(self.broker.port(), &id, account, &password)
            .vanish();
    }

    fn gets_a_password(&mut self, account: &str) {
        if self.accounts[account].password.is_none() {
            return;
        }
        let password = self.new_password();
        let iterations = self.iterations();
        let command = Command::SetCredential {
            name: name(account),
            credential: stored(password.as_bytes(), iterations),
            rotation: Rotation::Replace,
        };
        change(&mut self.database, &[command]);
        self.accounts.get_mut(account).unwrap().password = Some(password);
        self.turn_out();
    }

    fn is_switched(&mut self, account: &str) {
        let known = self.accounts.get_mut(account).unwrap();
        if known.password.is_none() {
            return;
        }
        known.disabled = !known.disabled;
        let switch = Change {
            disabled: Some(known.disabled),
            ..Change::default()
        };
        change(&mut self.database, &[set(account, switch)]);
        self.turn_out();
    }

    fn is_added_or_deleted(&mut self, account: &str) {
        if self.accounts[account].password.is_some() {
            change(&mut self.database, &[Command::Delete(name(account))]);
            self.accounts.insert(account.to_owned(), Known::default());
        } else {
            let password = self.new_password();
            let credential = Some(stored(password.as_bytes(), self.iterations()));
            let added = Account {
                credential,
                ..Account::named(name(account))
            };
            change(&mut self.database, &[Command::Add(added)]);
            self.accounts.insert(
                account.to_owned(),
                Known {
                    password: Some(password),
                    disabled: false,
                },
            );
        }
        self.turn_out();
    }

    /// Who is in on what is no longer so.
    fn turn_out(&mut self) {
        let accounts = &self.accounts;
        let over = |guest: &Guest| {
            let known = &accounts[&guest.account];
            let is_another = match guest.way {
                // A token asks for an account and not for its password.
                Way::Token => known.password.is_none(),
                Way::Password | Way::Scram => known.password.as_ref() != Some(&guest.password),
            };
            known.disabled || is_another
        };
        for (_, guest) in self.guests.extract_if(|_, guest| over(guest)) {
            self.leaving.push(guest.client);
        }
        // An account that is switched off and on between two looks has not changed.
        self.sees_off();
    }

    fn sees_off(&mut self) {
        for mut client in self.leaving.drain(..) {
            assert!(client.is_closed_within(SOON), "somebody is still in");
        }
    }

    /// Everybody is in who should be, and nobody else.
    fn looks_round(&mut self) {
        self.sees_off();
        for (id, guest) in &mut self.guests {
            let account = &guest.account;
            assert!(guest.client.is_connected(), "{account} is out, as {id}");
        }
    }

    fn new_password(&mut self) -> String {
        self.passwords += 1;
        format!("password {}", self.passwords)
    }

    fn iterations(&mut self) -> u32 {
        [1, 500, 3_000][self.below(3) as usize]
    }
}

fn below(seed: &mut u64, bound: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) % bound
}

/// How somebody shows who it is.
#[derive(Clone, Copy, Debug)]
enum Way {
    Password,
    Scram,
    Token,
}

impl Way {
    fn any(seed: &mut u64) -> Self {
        match below(seed, 4) {
            0 => Self::Scram,
            1 => Self::Token,
            _ => Self::Password,
        }
    }

    /// All of a login.
    fn come(self, port: u16, id: &str, username: &str, password: &str) -> (Client, Answer) {
        match self {
            Self::Password => login(id, username, password).open(port),
            Self::Token => login(id, username, &token(username, password)).open(port),
            Self::Scram => {
                let scram = Scram::new(Mechanism::Sha512, username, password);
                scram.open(&scram.connect().client_id(id).keepalive(0), port)
            }
        }
    }

    /// The first message of one.
    fn begin(self, port: u16, id: &str, username: &str, password: &str) -> Client {
        let (protocol, connect) = match self {
            Self::Password => (Protocol::V311, login(id, username, password)),
            Self::Token => (
                Protocol::V311,
                login(id, username, &token(username, password)),
            ),
            Self::Scram => {
                let scram = Scram::new(Mechanism::Sha512, username, password);
                (Protocol::V5, scram.connect().client_id(id).keepalive(0))
            }
        };
        let mut client = Client::tcp(port, protocol);
        client.send(&connect.encode());
        client
    }
}

/// A token for whoever knows a password that was given out, and somebody else's for whoever guesses.
fn token(username: &str, password: &str) -> String {
    let secret = match password.starts_with("password ") {
        true => SECRET,
        false => NO_SECRET,
    };
    let claims = format!(r#"{{"sub":"{username}","exp":4000000000}}"#);
    let parts = [r#"{"alg":"HS256"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = parts.join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// Without a keepalive: where a waiting client goes in the moment of a SIGHUP, 2.1 crashes over the
/// keepalive it had (docs/broker.md).
fn login(id: &str, username: &str, password: &str) -> Connect {
    let connect = Connect::new(Protocol::V311).client_id(id).keepalive(0);
    connect.credentials(username, password)
}

/// Somebody who knows no password tries under everybody's name and id, and often leaves at once.
fn intrude(port: u16, mut seed: u64, over: &AtomicBool, old: bool) -> u64 {
    let mut tries = 0;
    while !over.load(Ordering::Acquire) {
        tries += 1;
        let id = match below(&mut seed, IDS + EARLY_IDS) {
            n @ ..IDS => format!("c{n}"),
            n => format!("e{}", n - IDS),
        };
        let account = format!("u{}", below(&mut seed, NAMES + 1));
        let way = Way::any(&mut seed);
        let guess = format!("guess {}", below(&mut seed, 10_000));
        if below(&mut seed, 3) == 0 {
            // 2.0.11 would lose the guest under whose id an exchange is broken off.
            let way = if old { Way::Password } else { way };
            way.begin(port, &id, &account, &guess).vanish();
        } else {
            let (_, answer) = way.come(port, &id, &account, &guess);
            assert_ne!(answer, Answer::Accepted, "{account} under {id}");
        }
    }
    tries
}

/// Open files and threads of the broker.
fn held(broker: &Broker) -> (usize, usize) {
    let count = |what| {
        let path = format!("/proc/{}/{what}", broker.pid());
        fs::read_dir(path).unwrap().count()
    };
    (count("fd"), count("task"))
}

fn number(variable: &str, usual: u64) -> u64 {
    let given = env::var(variable).ok();
    given.map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
fn nobody_is_in_who_should_not_be_nor_out_who_should_be_in() {
    let seconds = Duration::from_secs(number("DOORMAN_RIOT_SECONDS", 15));
    let clock = Instant::now();
    for_each_broker(|startup| {
        let seed = number("DOORMAN_RIOT_SEED", u64::from(std::process::id()));
        println!("DOORMAN_RIOT_SEED={seed}");
        let database = database(&startup.dir().join("db"), &[]);
        let broker = startup.file("secret", SECRET).start(&patient(&OPTIONS));
        // Two connections open the database's files once.
        login("first", "u0", "x").answer(broker.port());
        let before = held(&broker);
        let names = (0..NAMES).map(|n| (format!("u{n}"), Known::default()));
        let mut riot = Riot {
            broker,
            database,
            accounts: names.collect(),
            guests: HashMap::new(),
            leaving: Vec::new(),
            seed,
            passwords: 0,
        };
        let over = AtomicBool::new(false);
        let port = riot.broker.port();
        let old = riot.broker.tree().version() == "2.0.11";
        let (mut early, mut steps) = (None, 0_u64);
        let tries = std::thread::scope(|scope| {
            let intruder = scope.spawn(|| intrude(port, seed ^ 0x5555, &over, old));
            // The intruder ends even where an assertion here fails.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                while clock.elapsed() < seconds {
                    riot.step();
                    steps += 1;
                    if early.is_none() && clock.elapsed() > seconds / 3 {
                        early = Some(riot.broker.rss_kib());
                    }
                }
                riot.looks_round();
            }));
            over.store(true, Ordering::Release);
            let tries = intruder.join().expect("nobody gets in by guessing");
            outcome.map_err(|_| "the riot failed").unwrap();
            tries
        });
        println!("{steps} steps, {tries} tries without a password");
        assert!(steps > 50 && tries > 50, "{steps} steps, {tries} tries");
        let rss = riot.broker.rss_kib();
        let early = early.unwrap_or(rss);
        assert!(rss < early + 16 * 1024, "{early} KiB, then {rss} KiB");
        riot.guests.clear();
        let back = || {
            let now = held(&riot.broker);
            // The watcher's second thread may have come after the first look.
            now.0 <= before.0 + 3 && now.1 <= before.1 + 1
        };
        assert!(
            eventually(SOON, back),
            "{before:?}, then {:?}",
            held(&riot.broker)
        );
        assert_eq!(riot.broker.stop().code(), Some(0));
    });
}
