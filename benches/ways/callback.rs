//! What a callback takes on the broker's thread, in the library: no network, no broker, and nobody who
//! writes a line of log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mosquitto_doorman::certificate;
use mosquitto_doorman::config::{
    CertificateUse, Config, DatabaseConfig, Jwt, Scram, SourceConfig, ThrottleLimits, UnknownUser,
};
use mosquitto_doorman::engine::{Engine, Named};
use mosquitto_doorman::mechanism::Mechanism;
use mosquitto_doorman::request::{
    Address, Certificate, Client, Connect, ConnectionId, KeyAsked, Method, Now, Occasion, Said,
    Turn,
};
use mosquitto_doorman::verdict::{KeyReply, Reason, Reply, Verdict};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::accounts::{Accounts, PASSWORD};
use crate::measure::{Chance, Spread, device};
use crate::support::certificates::{certificates, files, signed};
use crate::support::{self, Issuer, Token};

const ROUNDS: usize = 7;
/// In each round; its figure is their median.
const CALLS: usize = 400;

/// A question, and how long one answer took.
struct Row<'a> {
    name: String,
    call: Box<dyn FnMut() -> Duration + 'a>,
}

/// An engine with these accounts, and how many of them.
struct Door {
    engine: Engine,
    count: usize,
    next: AtomicU64,
}

/// Three certificates: one of an account by its fingerprint, one by a name, one of nobody.
struct Shown([(&'static str, CertificateDer<'static>); 3]);

pub fn ask() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let issuer = Issuer::in_dir(dir);
    // With their names: one without would have to be tried for a name that nobody knows.
    let keys = issuer.jwks(&["rsa", "p256", "p384", "ed25519"]);
    std::fs::write(issuer.file("keys.json"), keys).expect("a file of keys");
    let shown = Shown::at(dir);
    let doors: Vec<(String, Door)> = [10, 500_000]
        .into_iter()
        .flat_map(|count| [false, true].map(|sealed| (count, sealed)))
        .map(|(count, sealed)| {
            let accounts = Accounts::at(dir, count, sealed);
            let name = format!("{count} accounts{}", if sealed { ", sealed" } else { "" });
            (name, Door::open(&accounts, &issuer, &shown))
        })
        .collect();
    let mut rows = Vec::new();
    let first = &doors[0].1;
    rows.push(row("a known client's password", || first.password()));
    let mut client = scram();
    rows.push(row("SCRAM, first message", move || {
        first.scram(&mut client).0
    }));
    let mut client = scram();
    rows.push(row("SCRAM, last message", move || {
        first.scram(&mut client).1
    }));
    for (name, door) in &doors {
        let mut chance = Chance::new(3);
        rows.push(row(&format!("PSK, known, {name}"), move || {
            door.key(&device(chance.below(door.count)), true)
        }));
        let mut chance = Chance::new(4);
        rows.push(row(&format!("PSK, unknown, {name}"), move || {
            door.key(&format!("nobody-{:07}", chance.below(1_000_000)), false)
        }));
    }
    rows.push(row("certificate, read", || read(&shown.0[0].1)));
    for (name, door) in doors.iter().step_by(2) {
        for (how, der) in &shown.0 {
            rows.push(row(&format!("certificate, {how}, {name}"), move || {
                door.certificate(der, *how != "of nobody")
            }));
        }
    }
    for (name, token, expected) in tokens(&issuer) {
        rows.push(row(&format!("token, {name}"), move || {
            first.token(&token, expected)
        }));
    }
    print(&mut rows);
}

fn row<'a>(name: &str, call: impl FnMut() -> Duration + 'a) -> Row<'a> {
    Row {
        name: name.to_owned(),
        call: Box::new(call),
    }
}

fn print(rows: &mut [Row<'_>]) {
    let mut rounds: Vec<Vec<f64>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (row, rounds) in rows.iter_mut().zip(&mut rounds) {
            let calls = (0..CALLS).map(|_| (row.call)().as_secs_f64() * 1e6);
            rounds.push(Spread::of(calls).median);
        }
    }
    println!("in the library; medians of {CALLS} calls, {ROUNDS} rounds");
    println!("{:48} {:>22} {:>24}", "", "beside a known client", "µs");
    for (row, each) in rows.iter().zip(&rounds) {
        let ratios = each
            .iter()
            .zip(&rounds[0])
            .map(|(this, first)| this / first);
        let figures = Spread::of(each.iter().copied());
        println!("{:48} {:22.2} {figures:24.2}", row.name, Spread::of(ratios));
    }
    println!();
}

/// How each is signed, and as what it is refused, if it is.
fn tokens(issuer: &Issuer) -> Vec<(String, String, Option<Reason>)> {
    let of = |key: &str, algorithm: &str| Token::of(&device(0), key, algorithm);
    let mut all: Vec<(String, Token, Option<Reason>)> = [
        ("secret", "HS256"),
        ("rsa", "RS256"),
        ("rsa", "PS256"),
        ("p256", "ES256"),
        ("p384", "ES384"),
        ("ed25519", "EdDSA"),
    ]
    .into_iter()
    .map(|(key, algorithm)| (algorithm.to_owned(), of(key, algorithm), None))
    .collect();
    let named = |kid: &str| of("rsa", "RS256").headers(&format!(r#""kid": "{kid}""#));
    let refused = [
        // Of a key that nobody here has been told of.
        (
            "RS256, bad signature",
            of("rsa_new", "RS256"),
            Reason::TokenSignature,
        ),
        (
            "RS256, expired",
            of("rsa", "RS256").times(r#""exp": -3600"#),
            Reason::TokenExpired,
        ),
        // Nobody has that name, and the secret, which has none, is for another algorithm.
        ("RS256, unknown key", named("other"), Reason::TokenAlgorithm),
    ];
    all.extend(refused.map(|(name, token, reason)| (name.to_owned(), token, Some(reason))));
    let tokens: Vec<Token> = all.iter().map(|(_, token, _)| token.clone()).collect();
    let signed = issuer.sign(&tokens);
    let both = all.into_iter().zip(signed);
    both.map(|((name, _, reason), token)| (name, token, reason))
        .collect()
}

impl Shown {
    fn at(dir: &Path) -> Self {
        certificates(dir, &[]);
        let of = |file: &str, name: &str| {
            signed(
                dir,
                file,
                "x",
                &[&format!("subjectAltName=DNS:{name}.example")],
            );
            let [_, certificate, _] = files(dir, file);
            CertificateDer::from_pem_file(certificate).expect("a certificate")
        };
        Self([
            ("by its fingerprint", of("fingerprint", "some")),
            ("by a name", of("name", &device(1))),
            ("of nobody", of("nobody", "nobody")),
        ])
    }
}

fn read(der: &[u8]) -> Duration {
    let (names, took) = timed(now().mono, || certificate::names(der));
    assert_eq!(names.expect("a certificate").len(), 2);
    took
}

/// Somebody whose hash has been made.
fn scram() -> support::Scram {
    let mut salted = vec![0; 64];
    pbkdf2::pbkdf2_hmac::<sha2::Sha512>(PASSWORD.as_bytes(), &[7; 12], 4096, &mut salted);
    support::Scram {
        salted: Some(salted),
        ..support::Scram::new(Mechanism::Sha512, &device(0), PASSWORD)
    }
}

impl Door {
    fn open(accounts: &Accounts, issuer: &Issuer, shown: &Shown) -> Self {
        let names = certificate::names(&shown.0[0].1).expect("a certificate");
        accounts.map(2, &names[0]);
        let config = Config {
            sources: vec![SourceConfig::Database(DatabaseConfig {
                path: accounts.database.clone(),
                roles: false,
            })],
            unknown_user: UnknownUser::Deny,
            scram: Scram::Both,
            scram_hashes: true,
            certificate: CertificateUse::InsteadOfPassword,
            psk: true,
            psk_seal_file: accounts.seal.clone(),
            jwt: Jwt {
                key_files: vec![issuer.file("keys.json")],
                secret_files: vec![issuer.file("secret")],
                ..Jwt::standard()
            },
            // Here it is asked without a pause.
            inline_budget: Duration::from_secs(1),
            throttle: ThrottleLimits {
                on: false,
                ..ThrottleLimits::STANDARD
            },
            ..Config::standard()
        };
        let opened = Engine::open(&config, &[7; 32], now, Arc::default()).expect("an engine");
        let door = Self {
            engine: opened.engine,
            count: accounts.count,
            next: AtomicU64::new(0),
        };
        // From here on the client is known.
        door.password();
        door
    }

    /// One more client.
    fn client<'a>(&self, certificate: Certificate<'a>) -> (ConnectionId, Client<'a>) {
        let connection = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        let client = Client {
            connection: Some(connection),
            id: Some("client"),
            address: Address::new(Some("192.0.2.7")),
            listener: Some(8883),
            restored: false,
            certificate,
        };
        (connection, client)
    }

    fn password(&self) -> Duration {
        let (connection, client) = self.client(Certificate::None);
        let name = device(0);
        let connect = login(client, Some(&name), Some(PASSWORD.as_bytes()));
        let now = now();
        let (verdict, took) = timed(now.mono, || self.engine.connect(&connect, now));
        assert_eq!(verdict, Verdict::Allow);
        self.engine.disconnected(connection);
        took
    }

    /// Both messages of an exchange.
    fn scram(&self, who: &mut support::Scram) -> (Duration, Duration) {
        let (connection, client) = self.client(Certificate::None);
        let say = |turn, data: &[u8]| {
            let now = now();
            let username = None;
            let said = Said {
                client,
                username,
                turn,
                data,
            };
            timed(now.mono, || self.engine.exchange(&said, now))
        };
        let method = Mechanism::Sha512.name();
        let turn = Turn::First {
            method,
            random: &[9; 18],
        };
        let (reply, first) = say(turn, who.first().as_bytes());
        let Reply::Say(answer) = reply else {
            panic!("instead of an answer: {reply:?}");
        };
        let proof = who.last(std::str::from_utf8(&answer).expect("text"));
        let (reply, last) = say(Turn::Next, proof.as_bytes());
        assert!(matches!(reply, Reply::Allow { .. }), "{reply:?}");
        self.engine.disconnected(connection);
        (first, last)
    }

    fn key(&self, identity: &str, is_known: bool) -> Duration {
        let (connection, client) = self.client(Certificate::None);
        let asked = KeyAsked {
            client: Client { id: None, ..client },
            identity: Some(identity),
            most: 1024,
        };
        let now = now();
        let (reply, took) = timed(now.mono, || self.engine.key(&asked, now));
        assert_eq!(matches!(reply, KeyReply::Key(_)), is_known);
        self.engine.disconnected(connection);
        took
    }

    /// As the callback does: what is in it, whose it is, whether that may enter.
    fn certificate(&self, der: &[u8], is_known: bool) -> Duration {
        let now = now();
        let names = certificate::names(der).expect("a certificate");
        let (connection, client) = self.client(Certificate::Named(&names));
        let connect = login(client, None, None);
        let verdict = match self.engine.named(&connect) {
            Named::As(name, method) => self.engine.connect(
                &Connect {
                    username: Some(name.as_str()),
                    method,
                    ..connect
                },
                now,
            ),
            Named::Refused(reason) => self.engine.refuse(&connect, reason, now),
            Named::AsItSays => panic!("it says nothing"),
        };
        let took = now.mono.elapsed();
        assert_eq!(verdict == Verdict::Allow, is_known);
        self.engine.disconnected(connection);
        took
    }

    fn token(&self, token: &str, refused: Option<Reason>) -> Duration {
        let (connection, client) = self.client(Certificate::None);
        let name = device(0);
        let connect = login(client, Some(&name), Some(token.as_bytes()));
        let now = now();
        let (reply, took) = timed(now.mono, || self.engine.enter_by_token(&connect, now));
        match (reply, refused) {
            (Some(Reply::Allow { .. }), None) => {}
            (Some(Reply::Deny(reason)), Some(expected)) => assert_eq!(reason, expected),
            (reply, _) => panic!("{reply:?}"),
        }
        self.engine.disconnected(connection);
        took
    }
}

fn login<'a>(
    client: Client<'a>,
    username: Option<&'a str>,
    password: Option<&'a [u8]>,
) -> Connect<'a> {
    Connect {
        client,
        username,
        password,
        occasion: Occasion::Now,
        method: Method::Password,
    }
}

fn timed<T>(since: Instant, answer: impl FnOnce() -> T) -> (T, Duration) {
    let answer = answer();
    (answer, since.elapsed())
}

fn now() -> Now {
    Now {
        mono: Instant::now(),
        wall: Timestamp::now(),
    }
}
