//! Random clients and a random administrator for a bounded time, and an oracle that knows who may be
//! in. `DOORMAN_RIOT_SECONDS` makes it longer; the seed is printed and `DOORMAN_RIOT_SEED` repeats it.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mosquitto_doorman::admin::{Change, Command, Rotation};
use mosquitto_doorman::certificate;
use mosquitto_doorman::model::{Account, CertificateName, PskIdentity};
use mosquitto_doorman::store::sqlite::Database;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use self::way::{Doors, LISTENERS, SECRET, STRANGER, Shown, Way, identity, is_device, login};
use super::accounts::{change, database, name, set, stored};
use super::conf::patient;
use super::psk::psk;
use crate::support::certificates::{certificates, signed};
use crate::support::{Answer, Broker, Client, Startup, Tree, eventually, for_each_broker};

mod way;

/// What an account's end may take to be felt, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(5);
const NAMES: u64 = 8;
const DEVICES: u64 = 3;
const IDS: u64 = 12;
const EARLY_IDS: u64 = 3;
const OPTIONS: [&str; 11] = [
    "database {dir}/db",
    "acl_file {dir}/acl",
    "unknown_user deny",
    "hashing worker",
    "scram both",
    "scram_hashes true",
    "jwt_secret_file {dir}/secret",
    "jwt_key_file {dir}/issuer.jwk",
    "jwt_token_in both",
    "certificate instead-of-password",
    "psk true",
];

/// What the oracle knows of an account.
#[derive(Clone, Default)]
struct Known {
    /// None: there is no such account.
    password: Option<String>,
    disabled: bool,
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
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        below(&mut self.seed, bound)
    }

    fn step(&mut self) {
        let account = match self.below(NAMES + DEVICES) {
            n @ ..NAMES => format!("u{n}"),
            n => format!("k{}", n - NAMES),
        };
        let id = format!("c{}", self.below(IDS));
        let way = Way::any(&mut self.seed, &account);
        match self.below(100) {
            0..43 => self.enters(way, &account, &id),
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
        let shown = self.right(account);
        // An id that somebody else waits under is taken until that is answered.
        let mut client = None;
        let entered = eventually(SOON, || {
            let (here, answer) = way.come(&self.doors, id, account, &shown);
            client = Some(here);
            answer == Answer::Accepted
        });
        assert!(entered, "{account} is not let in as {id} by {way:?}");
        let guest = Guest {
            client: client.unwrap(),
            account: account.to_owned(),
            way,
            by,
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
        let (_, answer) = way.come(&self.doors, id, account, &shown);
        assert_ne!(answer, Answer::Accepted, "{account} {shown:?} {way:?}");
        assert_ne!(answer, Answer::Silent);
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
        }
    }

    /// What does not do, even if half of it is right.
    fn half_right(&mut self, way: Way, account: &str) -> Shown {
        let (right, wrong) = (self.right(account), self.wrong(account));
        match (way, self.below(2)) {
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
        }
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

    fn gets_or_loses_its_certificate(&mut self, account: &str) {
        if is_device(account) || self.accounts[account].password.is_none() {
            return;
        }
        let names = names(&self.doors, account);
        let any = names[self.below(names.len() as u64) as usize].clone();
        let known = self.accounts.get_mut(account).unwrap();
        let command = match known.certificate.take() {
            Some(was) => {
                let was = CertificateName::new(&was).unwrap();
                Command::RemoveCertificate(name(account), was)
            }
            None => {
                known.certificate = Some(any.as_str().to_owned());
                Command::AddCertificate(name(account), any)
            }
        };
        change(&mut self.database, &[command]);
        self.turn_out();
    }

    fn gets_or_loses_its_key(&mut self, account: &str) {
        if self.accounts[account].password.is_none() {
            return;
        }
        let another = self.new_key();
        let known = self.accounts.get_mut(account).unwrap();
        let identity = identity(account);
        let command = match known.key.take() {
            Some(_) => Command::DeletePsk(PskIdentity::new(&identity).unwrap()),
            None => {
                let command = psk(&identity, account, &another);
                known.key = Some(another);
                command
            }
        };
        change(&mut self.database, &[command]);
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
            let known = Known {
                password: Some(password),
                key: is_device(account).then(|| self.new_key()),
                ..Known::default()
            };
            let key = known.key.as_ref();
            let key = key.map(|key| psk(&identity(account), account, key));
            let commands: Vec<_> = [Command::Add(added)].into_iter().chain(key).collect();
            change(&mut self.database, &commands);
            self.accounts.insert(account.to_owned(), known);
        }
        self.turn_out();
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
            let way = guest.way;
            let is_in = guest.client.is_connected();
            assert!(is_in, "{account} is out, as {id} by {way:?}");
        }
    }

    fn new_password(&mut self) -> String {
        self.passwords += 1;
        format!("password {}", self.passwords)
    }

    fn new_key(&mut self) -> String {
        self.passwords += 1;
        format!("{:064x}", u128::MAX - u128::from(self.passwords))
    }

    fn iterations(&mut self) -> u32 {
        [1, 500, 3_000][self.below(3) as usize]
    }
}

pub fn below(seed: &mut u64, bound: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) % bound
}

/// What the certificate may be known by that was made for an account.
fn names(doors: &Doors, account: &str) -> Vec<CertificateName> {
    let file = doors.dir().join(format!("{account}.crt"));
    let der = CertificateDer::from_pem_file(file).unwrap();
    certificate::names(&der).unwrap()
}

/// Somebody who knows no password and no key, and has a certificate of nobody's, tries under everybody's name
/// and id, and often leaves at once.
fn intrude(doors: &Doors, mut seed: u64, over: &AtomicBool, tree: &Tree) -> u64 {
    let old = tree.version() == "2.0.11";
    // As above: there it names devices that nobody has.
    let first = if tree.is_2_1() { 0 } else { DEVICES };
    let mut tries = 0;
    while !over.load(Ordering::Acquire) {
        tries += 1;
        let id = match below(&mut seed, IDS + EARLY_IDS) {
            n @ ..IDS => format!("c{n}"),
            n => format!("e{}", n - IDS),
        };
        let account = match below(&mut seed, NAMES + 2) {
            n @ ..=NAMES => format!("u{n}"),
            _ => format!("k{}", first + below(&mut seed, DEVICES)),
        };
        let way = Way::any(&mut seed, &account);
        let shown = Shown {
            password: format!("guess {}", below(&mut seed, 10_000)),
            key: format!("{:032x}", below(&mut seed, 10_000)),
            file: STRANGER.to_owned(),
        };
        if below(&mut seed, 3) == 0 {
            // 2.0.11 would lose the guest under whose id an exchange is broken off.
            let way = match way {
                Way::Scram if old => Way::Password,
                way => way,
            };
            way.begin(doors, &id, &account, &shown).vanish();
        } else {
            let (_, answer) = way.come(doors, &id, &account, &shown);
            assert_ne!(answer, Answer::Accepted, "{account} under {id} by {way:?}");
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

pub fn number(variable: &str, usual: u64) -> u64 {
    let given = env::var(variable).ok();
    given.map_or(usual, |text| text.parse().expect("a number"))
}

fn with_certificates(dir: &Path) {
    certificates(dir, &[STRANGER]);
    for n in 0..NAMES {
        let (file, host) = (format!("u{n}"), format!("subjectAltName=DNS:u{n}.example"));
        signed(dir, &file, &file, &[&host]);
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
