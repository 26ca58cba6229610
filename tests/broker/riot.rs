//! Random clients and a random administrator for a bounded time, and an oracle that knows who may be
//! in. `DOORMAN_RIOT_SECONDS` makes it longer; the seed is printed and `DOORMAN_RIOT_SEED` repeats it.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mosquitto_doorman::mechanism::Mechanism;
use mosquitto_doorman::store::sqlite::Database;

use self::intruder::intrude;
use self::way::{Doors, LISTENERS, SECRET, STRANGER, Shown, Way, again, is_device, login};
use super::accounts::database;
use super::conf::patient;
use crate::support::certificates::{certificates, signed};
use crate::support::mqtt::packet;
use crate::support::{Answer, Broker, Client, Startup, eventually, for_each_broker};

mod administrator;
mod intruder;
mod way;

/// What an account's end may take to be felt, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(5);
const NAMES: u64 = 8;
const DEVICES: u64 = 3;
const IDS: u64 = 12;
const EARLY_IDS: u64 = 3;
const OPTIONS: [&str; 12] = [
    "database {dir}/db",
    "acl_file {dir}/acl",
    "unknown_user deny",
    "hashing worker",
    "scram both",
    "scram_hashes true",
    "jwt_secret_file {dir}/secret",
    "jwt_key_file {dir}/issuer.jwk",
    "jwt_token_in both",
    "jwt_leeway 0",
    "certificate instead-of-password",
    "psk true",
];

/// What the oracle knows of an account.
#[derive(Clone, Default)]
struct Known {
    /// None: there is no such account.
    password: Option<String>,
    disabled: bool,
    /// By which it can prove its password.
    proves: Option<Mechanism>,
    /// What its certificate is known by.
    certificate: Option<String>,
    key: Option<String>,
}

/// A connection that stands, as whom it was made, and by what.
struct Guest {
    client: Client,
    account: String,
    way: Way,
    by: String,
    /// Of a token that ends: before the first it has not, after the second it has.
    until: Option<(Instant, Instant)>,
}

struct Riot {
    broker: Broker,
    doors: Doors,
    database: Database,
    accounts: HashMap<String, Known>,
    guests: HashMap<String, Guest>,
    /// Connections that must end.
    leaving: Vec<Client>,
    seed: u64,
    passwords: u64,
    /// How often somebody proved itself again, and how often a token ended.
    proofs: u64,
    ended: u64,
}

impl Riot {
    /// With all doors, and nobody who may enter.
    fn at(startup: Startup, seed: u64) -> Self {
        let database = database(&startup.dir().join("db"), &[]);
        with_certificates(startup.dir());
        let startup = startup.file("secret", SECRET);
        let startup = startup.file("issuer.jwk", way::issuer());
        let startup = startup.file("acl", "pattern readwrite #\n");
        let broker = startup.start(&(patient(&OPTIONS) + LISTENERS));
        let names = (0..NAMES).map(|n| format!("u{n}"));
        let names = names.chain((0..DEVICES).map(|n| format!("k{n}")));
        Self {
            doors: Doors::of(&broker),
            broker,
            database,
            accounts: names.map(|name| (name, Known::default())).collect(),
            guests: HashMap::new(),
            leaving: Vec::new(),
            seed,
            passwords: 0,
            proofs: 0,
            ended: 0,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        below(&mut self.seed, bound)
    }

    fn step(&mut self) {
        self.runs_out();
        let account = match self.below(NAMES + DEVICES) {
            n @ ..NAMES => format!("u{n}"),
            n => format!("k{}", n - NAMES),
        };
        let id = format!("c{}", self.below(IDS));
        let way = Way::any(&mut self.seed, &account);
        match self.below(100) {
            0..37 => self.enters(way, &account, &id),
            37..43 => self.proves_itself_again(),
            43..60 => self.is_refused(way, &account, &id),
            60..66 => self.leaves_early(way, &account),
            66..74 => drop(self.guests.remove(&id)),
            74..79 => self.gets_a_password(&account),
            79..84 => self.gets_or_loses_its_certificate(&account),
            84..89 => self.gets_or_loses_its_key(&account),
            89..92 => self.is_switched(&account),
            92..95 => self.is_added_or_deleted(&account),
            95..97 => self.broker.sighup(),
            _ => self.looks_round(),
        }
    }

    fn enters(&mut self, way: Way, account: &str, id: &str) {
        let known = self.accounts[account].clone();
        let Some(by) = way.needs(&known).filter(|_| !known.disabled) else {
            return self.is_refused(way, account, id);
        };
        let mut shown = self.right(account);
        if matches!(way, Way::Token) && self.below(2) == 0 {
            shown.ends = Some(2 + self.below(2) as i64);
        }
        let begins = Instant::now();
        // An id that somebody else waits under is taken until that is answered.
        let mut client = None;
        let entered = eventually(SOON, || {
            let (here, answer) = way.come(&self.doors, id, account, &shown);
            client = Some(here);
            answer == Answer::Accepted
        });
        assert!(entered, "{account} is not let in as {id} by {way:?}");
        let until = shown.ends.map(|seconds| {
            let lasts = Duration::from_secs(seconds.unsigned_abs());
            // It ends with a whole second.
            (
                begins + lasts - Duration::from_secs(1),
                Instant::now() + lasts,
            )
        });
        let guest = Guest {
            client: client.unwrap(),
            account: account.to_owned(),
            way,
            by,
            until,
        };
        if let Some(before) = self.guests.insert(id.to_owned(), guest) {
            self.leaving.push(before.client);
        }
    }

    fn is_refused(&mut self, way: Way, account: &str, id: &str) {
        let known = &self.accounts[account];
        let shown = match way.needs(known).is_none() || known.disabled {
            true => self.right(account),
            false => self.half_right(way, account),
        };
        let own = format!("n{}", self.below(EARLY_IDS));
        let id = if way.takes_over_first() { &own } else { id };
        let (_, answer) = way.come(&self.doors, id, account, &shown);
        assert_ne!(answer, Answer::Accepted, "{account} {shown:?} {way:?}");
        assert_ne!(answer, Answer::Silent);
    }

    /// Who came by SCRAM and does it once more stays; who cannot, or says nothing, goes.
    fn proves_itself_again(&mut self) {
        let guests = self.guests.iter();
        let by_scram = guests.filter(|(_, guest)| matches!(guest.way, Way::Scram));
        let mut ids: Vec<String> = by_scram.map(|(id, _)| id.clone()).collect();
        ids.sort();
        let Some(id) = ids.get(self.below(ids.len().max(1) as u64) as usize) else {
            return;
        };
        let account = self.guests[id].account.clone();
        let (right, wrong) = (self.right(&account), self.half_right(Way::Scram, &account));
        let turn = self.below(4);
        self.proofs += 1;
        let client = &mut self.guests.get_mut(id).unwrap().client;
        match turn {
            0..2 => {
                let answer = again(client, &account, &right);
                assert_eq!(answer, Answer::Accepted, "{account} as {id}");
                return;
            }
            2 => {
                let answer = again(client, &account, &wrong);
                assert_ne!(answer, Answer::Accepted, "{account} as {id} {wrong:?}");
            }
            _ => client.send(&packet::packet(0xf0, &[])),
        }
        self.leaving.push(self.guests.remove(id).unwrap().client);
        self.sees_off();
    }

    /// With what is right or with what is wrong; under an id that no guest has, whom it would take over.
    fn leaves_early(&mut self, way: Way, account: &str) {
        // 2.0 would end by name whoever it does not tell of, and the guests of that name.
        if is_device(account) && !self.broker.tree().is_2_1() {
            return;
        }
        let id = format!("e{}", self.below(EARLY_IDS));
        let shown = match self.below(2) {
            0 => self.right(account),
            _ => self.wrong(account),
        };
        way.begin(&self.doors, &id, account, &shown).vanish();
    }

    /// All that lets in as an account, and what never does in place of what it has not got.
    fn right(&mut self, account: &str) -> Shown {
        let known = self.accounts[account].clone();
        let wrong = self.wrong(account);
        Shown {
            password: known.password.unwrap_or(wrong.password),
            key: known.key.unwrap_or(wrong.key),
            file: account.to_owned(),
            mechanism: known.proves.unwrap_or(wrong.mechanism),
            ends: None,
        }
    }

    /// What does not do, even if half of it is right.
    fn half_right(&mut self, way: Way, account: &str) -> Shown {
        let (right, wrong) = (self.right(account), self.wrong(account));
        let has_certificate = self.accounts[account].certificate.is_some();
        match (way, self.below(2)) {
            // Somebody whom the authority gave the same name.
            (Way::Named, 0) if has_certificate => Shown {
                file: impostor(account),
                ..right
            },
            (Way::Named, _) => Shown {
                file: STRANGER.to_owned(),
                ..right
            },
            (Way::Token, 0) => Shown {
                ends: Some(-1),
                ..right
            },
            (Way::Scram, 0) => Shown {
                mechanism: other(right.mechanism),
                ..right
            },
            (Way::KeyAndPassword, 0) => Shown {
                key: right.key,
                ..wrong
            },
            (Way::KeyAndPassword, _) => Shown {
                password: right.password,
                ..wrong
            },
            _ => wrong,
        }
    }

    /// Somebody else's certificate, and what nobody has.
    fn wrong(&mut self, account: &str) -> Shown {
        let others = (0..NAMES).map(|n| format!("u{n}"));
        let others: Vec<_> = others.filter(|other| other != account).collect();
        let file = match self.below(NAMES) {
            0 => STRANGER.to_owned(),
            n => others[(n - 1) as usize].clone(),
        };
        Shown {
            password: format!("never {}", self.below(1_000)),
            key: format!("{:032x}", self.below(1_000)),
            file,
            mechanism: Mechanism::ALL[self.below(2) as usize],
            ends: None,
        }
    }

    /// Who is in on what is no longer so.
    fn turn_out(&mut self) {
        let accounts = &self.accounts;
        let over = |guest: &Guest| {
            let known = &accounts[&guest.account];
            known.disabled || guest.way.needs(known).as_ref() != Some(&guest.by)
        };
        for (_, guest) in self.guests.extract_if(|_, guest| over(guest)) {
            self.leaving.push(guest.client);
        }
        // An account that is switched off and on between two looks has not changed.
        self.sees_off();
    }

    /// Whose tokens have ended.
    fn runs_out(&mut self) {
        let now = Instant::now();
        let over = |guest: &Guest| guest.until.is_some_and(|(_, latest)| latest <= now);
        for (_, guest) in self.guests.extract_if(|_, guest| over(guest)) {
            self.leaving.push(guest.client);
            self.ended += 1;
        }
    }

    fn sees_off(&mut self) {
        for mut client in self.leaving.drain(..) {
            assert!(client.is_closed_within(SOON), "somebody is still in");
        }
    }

    /// Everybody is in who should be, and nobody else.
    fn looks_round(&mut self) {
        self.runs_out();
        self.sees_off();
        for (id, guest) in &mut self.guests {
            let account = &guest.account;
            let way = guest.way;
            let is_in = guest.client.is_connected();
            let may_be_over = |(earliest, _)| earliest <= Instant::now();
            assert!(
                is_in || guest.until.is_some_and(may_be_over),
                "{account} is out, as {id} by {way:?}"
            );
        }
    }
}

pub fn below(seed: &mut u64, bound: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) % bound
}

fn other(mechanism: Mechanism) -> Mechanism {
    match mechanism {
        Mechanism::Sha256 => Mechanism::Sha512,
        Mechanism::Sha512 => Mechanism::Sha256,
    }
}

/// Whose certificate has an account's name on it, and is not on record.
fn impostor(account: &str) -> String {
    format!("impostor-{account}")
}

/// Open files and threads of the broker.
fn held(broker: &Broker) -> (usize, usize) {
    let count = |what| {
        let path = format!("/proc/{}/{what}", broker.pid());
        fs::read_dir(path).unwrap().count()
    };
    (count("fd"), count("task"))
}

pub fn number(variable: &str, usual: u64) -> u64 {
    let given = env::var(variable).ok();
    given.map_or(usual, |text| text.parse().expect("a number"))
}

fn with_certificates(dir: &Path) {
    certificates(dir, &[STRANGER]);
    for n in 0..NAMES {
        let (file, host) = (format!("u{n}"), format!("subjectAltName=DNS:u{n}.example"));
        signed(dir, &file, &file, &[&host]);
        signed(dir, &impostor(&file), &file, &[]);
    }
}

#[test]
fn nobody_is_in_who_should_not_be_nor_out_who_should_be_in() {
    let seconds = Duration::from_secs(number("DOORMAN_RIOT_SECONDS", 15));
    let clock = Instant::now();
    for_each_broker(|startup| {
        let seed = number("DOORMAN_RIOT_SEED", u64::from(std::process::id()));
        println!("DOORMAN_RIOT_SEED={seed}");
        let mut riot = Riot::at(startup, seed);
        // Two connections open the database's files once.
        login("first", "u0", "x").answer(riot.broker.port());
        let before = held(&riot.broker);
        let doors = riot.doors.clone();
        let over = AtomicBool::new(false);
        let tree = riot.broker.tree().clone();
        let (mut early, mut steps) = (None, 0_u64);
        let tries = std::thread::scope(|scope| {
            let intruder = scope.spawn(|| intrude(&doors, seed ^ 0x5555, &over, &tree));
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
        let (proofs, ended) = (riot.proofs, riot.ended);
        println!("{steps} steps, {tries} tries without a password");
        println!("{proofs} proofs over a living connection, {ended} tokens that ended");
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
