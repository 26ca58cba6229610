//! Logins by SCRAM, with a client of a few lines: that real ones agree, the vectors and the brokers'
//! tests show.
#![forbid(unsafe_code)]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::config::Scram;
use crate::mechanism::Mechanism::{self, Sha256, Sha512};
use crate::request::{Said, Turn};
use crate::verdict::Reply;

fn house(accounts: Vec<Account>, change: impl FnOnce(&mut Config)) -> (Arc<Held>, Engine) {
    let held = Held::with(accounts);
    let mut config = Config {
        scram: Scram::Both,
        scram_hashes: true,
        ..Config::standard()
    };
    change(&mut config);
    let engine = Engine::over(
        vec![Arc::clone(&held) as Arc<dyn Source>],
        Authorities::default(),
        &config,
        &[9; 32],
        now,
        Arc::default(),
    );
    (held, engine)
}

fn keys(mechanism: Mechanism, password: &str) -> StoredCredential {
    let iterations = 3;
    let recipe = Recipe::Scram {
        mechanism,
        iterations,
    };
    hash(password.as_bytes(), &recipe, &Salt::new([2; 16])).unwrap()
}

fn with(name: &str, credential: StoredCredential) -> Account {
    Account {
        credential: Some(credential),
        ..Account::named(AccountName::new(name).unwrap())
    }
}

/// A client, its name in CONNECT and who it says it is.
#[derive(Clone, Copy)]
struct Try<'a> {
    connection: u64,
    id: &'a str,
    address: &'a str,
    connect: Option<&'a str>,
    mechanism: Mechanism,
    username: &'a str,
    password: &'a str,
}

const ANN: Try<'_> = Try {
    connection: 1,
    id: "c",
    address: "192.0.2.1",
    connect: None,
    mechanism: Sha512,
    username: "ann",
    password: "pw",
};

impl Try<'_> {
    fn say(&self, engine: &Engine, turn: Turn<'_>, data: &[u8], at: Now) -> Reply {
        let client = Client {
            connection: Some(ConnectionId(self.connection)),
            id: Some(self.id),
            address: Address::new(Some(self.address)),
            listener: None,
            restored: false,
            certificate: Certificate::None,
        };
        let said = Said {
            client,
            username: self.connect,
            turn,
            data,
        };
        engine.exchange(&said, at)
    }

    fn first(&self, engine: &Engine, data: &[u8]) -> Reply {
        let turn = Turn::First {
            method: self.mechanism.name(),
            random: &[5; 18],
        };
        self.say(engine, turn, data, now())
    }

    /// What the server said, and the client's answer to it.
    fn begin(&self, engine: &Engine) -> (String, Vec<u8>) {
        let bare = format!("n={},r=abc", self.username);
        let Reply::Say(said) = self.first(engine, format!("n,,{bare}").as_bytes()) else {
            panic!("the exchange does not begin");
        };
        let said = String::from_utf8(said).unwrap();
        (said.clone(), self.proof(&bare, &said))
    }

    fn proof(&self, bare: &str, said: &str) -> Vec<u8> {
        let (nonce, salt, iterations) = told(said);
        let mut salted = [0; 64];
        let salted = &mut salted[..self.mechanism.bytes()];
        let password = self.password.as_bytes();
        match self.mechanism {
            Sha256 => pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, &salt, iterations, salted),
            Sha512 => pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password, &salt, iterations, salted),
        }
        let client = self.mechanism.mac(salted, &[b"Client Key"]);
        let unproven = format!("c=biws,r={nonce}");
        let signed = format!("{bare},{said},{unproven}");
        let signature = self
            .mechanism
            .mac(&self.mechanism.hash(&client), &[signed.as_bytes()]);
        let proof: Vec<u8> = client
            .iter()
            .zip(signature.iter())
            .map(|(a, b)| a ^ b)
            .collect();
        format!("{unproven},p={}", STANDARD.encode(proof)).into_bytes()
    }

    fn log_in(&self, engine: &Engine) -> Reply {
        let (_, proof) = self.begin(engine);
        self.say(engine, Turn::Next, &proof, now())
    }
}

/// The nonce, the salt and the iterations that the server tells.
fn told(said: &str) -> (String, Vec<u8>, u32) {
    let parts: Vec<&str> = said.split(',').collect();
    let part = |at: usize, name: &str| parts[at].strip_prefix(name).unwrap();
    (
        part(0, "r=").to_owned(),
        STANDARD.decode(part(1, "s=")).unwrap(),
        part(2, "i=").parse().unwrap(),
    )
}

fn allows(reply: &Reply, name: &str) -> bool {
    matches!(reply, Reply::Allow { username, data } if **username == *name && data.starts_with(b"v="))
}

fn denied(reason: Reason) -> Reply {
    Reply::Deny(reason)
}

#[test]
fn the_right_password_is_proven_against_a_hash_and_against_keys() {
    let (_, engine) = house(
        vec![
            account("ann", "pw"),
            with("kay", keys(Sha512, "pw")),
            with("kim", keys(Sha256, "pw")),
        ],
        |_| {},
    );
    for (connection, username, mechanism) in
        [(1, "ann", Sha512), (2, "kay", Sha512), (3, "kim", Sha256)]
    {
        let right = Try {
            connection,
            username,
            mechanism,
            ..ANN
        };
        assert!(allows(&right.log_in(&engine), username), "{username}");
        let wrong = Try {
            password: "no",
            ..right
        };
        assert_eq!(wrong.log_in(&engine), denied(Reason::BadPassword));
        // The same account by its password, as before.
        assert_eq!(ask(&engine, 9, username, Some("pw")), Verdict::Allow);
        assert_eq!(
            ask(&engine, 9, username, Some("no")),
            Verdict::Deny(Reason::BadPassword)
        );
    }
    assert_eq!(engine.exchanges(), 0);
}

#[test]
fn hashes_serve_where_that_was_said_and_keys_always() {
    let accounts = vec![account("ann", "pw"), with("kay", keys(Sha512, "pw"))];
    let (_, engine) = house(accounts, |config| config.scram_hashes = false);
    let kay = Try {
        connection: 2,
        username: "kay",
        ..ANN
    };
    assert!(allows(&kay.log_in(&engine), "kay"));
    assert_eq!(ANN.log_in(&engine), denied(Reason::UnusableCredential));
    assert_eq!(ask(&engine, 9, "ann", Some("pw")), Verdict::Allow);
}

#[test]
fn a_method_that_is_not_offered_is_somebody_elses() {
    let (_, engine) = house(vec![account("ann", "pw")], |config| {
        config.scram = Scram::Only(Sha512);
    });
    let other = Try {
        mechanism: Sha256,
        ..ANN
    };
    assert_eq!(other.first(&engine, b"n,,n=ann,r=x"), Reply::Defer);
    for method in [
        "",
        "PLAIN",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256-PLUS",
        "scram-sha-512",
    ] {
        let random = &[0; 18];
        let turn = Turn::First { method, random };
        let reply = ANN.say(&engine, turn, b"n,,n=ann,r=x", now());
        assert_eq!(reply, Reply::Defer, "{method}");
    }
    let random = &[0; 18];
    let method = "SCRAM-SHA-512-PLUS";
    let turn = Turn::First { method, random };
    let reply = ANN.say(&engine, turn, b"p=tls-exporter,,n=ann,r=x", now());
    assert_eq!(reply, denied(Reason::ChannelBinding));
    assert_eq!(ANN.say(&engine, Turn::Next, b"", now()), Reply::Defer);
    assert!(allows(&ANN.log_in(&engine), "ann"));
}

/// Whoever is not there, or is stored in a form that proves nothing, has all of the exchange.
#[test]
fn who_is_not_there_has_the_same_exchange_and_the_same_end() {
    let recipe = Recipe::Argon2id {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    let argon = hash(b"pw", &recipe, &Salt::new([3; 16])).unwrap();
    let (_, engine) = house(
        vec![
            account("ann", "pw"),
            with("arg", argon),
            with("kim", keys(Sha256, "pw")),
            Account::named(AccountName::new("bare").unwrap()),
        ],
        |_| {},
    );
    let sample = engine.keys(&stored("pw"), Sha512).unwrap();
    let mut shapes = super::super::pretence::Shapes::default();
    shapes.count(&sample, true);
    engine.pretence.replace(shapes);
    for (username, reason) in [
        ("ann", Reason::BadPassword),
        ("eve", Reason::UnknownUser),
        ("arg", Reason::UnusableCredential),
        ("kim", Reason::UnusableCredential),
        ("bare", Reason::UnusableCredential),
        ("e v e", Reason::UnknownUser),
    ] {
        let attempt = Try {
            username,
            password: "guess",
            ..ANN
        };
        let (first, _) = attempt.begin(&engine);
        let (second, proof) = attempt.begin(&engine);
        assert_eq!(first, second, "always told the same");
        let (_, salt, iterations) = told(&first);
        assert_eq!((salt.len(), iterations), (12, 1), "{username}");
        let reply = attempt.say(&engine, Turn::Next, &proof, now());
        assert_eq!(reply, denied(reason), "{username}");
    }
}

#[test]
fn the_name_of_connect_or_of_a_certificate_is_the_one_that_is_proven() {
    let accounts = vec![account("ann", "pw"), account("root", "secret")];
    let (_, engine) = house(accounts, |_| {});
    let other = Try {
        connect: Some("root"),
        ..ANN
    };
    let reply = other.first(&engine, b"n,,n=ann,r=x");
    assert_eq!(reply, denied(Reason::WrongUsername));
    let reply = ANN.first(&engine, b"n,a=root,n=ann,r=x");
    assert_eq!(reply, denied(Reason::WrongUsername));
    let same = Try {
        connect: Some("ann"),
        ..ANN
    };
    assert!(allows(&same.log_in(&engine), "ann"));
    assert_eq!(engine.exchanges(), 0);
}

#[test]
fn what_is_no_message_ends_the_exchange() {
    let (_, engine) = house(vec![account("ann", "pw")], |_| {});
    for first in [
        &b""[..],
        b"n",
        b"n,,n=ann",
        b"n,,n=ann,r=\xff",
        &[b'x'; 5_000],
    ] {
        assert_eq!(ANN.first(&engine, first), denied(Reason::BadExchange));
    }
    let reply = ANN.first(&engine, b"p=tls-unique,,n=ann,r=x");
    assert_eq!(reply, denied(Reason::ChannelBinding));
    for last in [&b""[..], b"c=biws", b"\0", &[b'x'; 5_000]] {
        let (_, proof) = ANN.begin(&engine);
        let reply = ANN.say(&engine, Turn::Next, last, now());
        assert_eq!(reply, denied(Reason::BadExchange));
        // And is not taken up again.
        assert_eq!(ANN.say(&engine, Turn::Next, &proof, now()), Reply::Defer);
    }
    let (_, proof) = ANN.begin(&engine);
    ANN.begin(&engine);
    assert!(allows(&ANN.say(&engine, Turn::Next, &proof, now()), "ann"));
}

/// Whoever is in is not refused, whereupon brokers would free its client id, and is not in for long.
#[test]
fn who_is_in_and_goes_on_with_nothing_is_ended_and_who_is_not_is_somebody_elses() {
    let (_, engine) = house(vec![account("ann", "pw")], |_| {});
    let (_, proof) = ANN.begin(&engine);
    assert!(allows(&ANN.say(&engine, Turn::Next, &proof, now()), "ann"));
    for said in [&b""[..], &proof, b"x"] {
        let reply = ANN.say(&engine, Turn::Next, said, now());
        assert_eq!(reply, Reply::Say(Vec::new()));
    }
    assert_eq!(kicked(&engine), [1]);
    engine.disconnected(ConnectionId(1));
    assert_eq!(ANN.say(&engine, Turn::Next, b"", now()), Reply::Defer);
}

#[test]
fn an_exchange_ends_with_its_connection_and_after_a_minute() {
    let (_, engine) = house(vec![account("ann", "pw")], |_| {});
    let (_, proof) = ANN.begin(&engine);
    engine.disconnected(ConnectionId(1));
    assert_eq!(engine.exchanges(), 0);
    assert_eq!(ANN.say(&engine, Turn::Next, &proof, now()), Reply::Defer);
    let (_, proof) = ANN.begin(&engine);
    let mut late = now();
    late.mono += Duration::from_secs(61);
    engine.beat(late);
    assert_eq!(engine.exchanges(), 0);
    assert_eq!(ANN.say(&engine, Turn::Next, &proof, now()), Reply::Defer);
    // Where nothing beats, the next message does it.
    let (_, proof) = ANN.begin(&engine);
    assert_eq!(ANN.say(&engine, Turn::Next, &proof, late), Reply::Defer);
    let figures = engine.figures.all();
    let figure = |topic| {
        let found = figures.iter().find(|f| f.topic == topic).unwrap();
        found.value.to_string()
    };
    assert_eq!(figure("logins/refused/timed_out"), "2");
    assert_eq!(figure("logins/scram"), "0");
}

#[test]
fn bounds_hold_for_exchanges_and_what_changed_meanwhile_counts() {
    type Bound = fn(&mut Account);
    let bounds: [(Bound, Reason); 5] = [
        (|a| a.disabled = true, Reason::Disabled),
        (
            |a| a.valid_until = Some(Timestamp::UNIX_EPOCH),
            Reason::Expired,
        ),
        (
            |a| a.client_id = Some("other".into()),
            Reason::WrongClientId,
        ),
        (
            |a| a.networks = vec!["198.51.100.0/24".parse().unwrap()],
            Reason::WrongNetwork,
        ),
        (|a| a.credential = Some(stored("new")), Reason::BadPassword),
    ];
    for (bound, reason) in bounds {
        let (held, engine) = house(vec![account("ann", "pw")], |_| {});
        let (_, proof) = ANN.begin(&engine);
        let mut bounded = account("ann", "pw");
        bound(&mut bounded);
        held.hold(Ok(vec![bounded]));
        let reply = ANN.say(&engine, Turn::Next, &proof, now());
        assert_eq!(reply, denied(reason));
        assert_eq!(ANN.log_in(&engine), denied(reason));
        held.hold(Err(()));
        let reply = ANN.first(&engine, b"n,,n=ann,r=x");
        assert_eq!(reply, denied(Reason::SourceUnavailable));
        held.hold(Ok(vec![account("ann", "pw")]));
        assert!(allows(&ANN.log_in(&engine), "ann"));
    }
}

#[test]
fn who_guesses_is_slowed_down_and_who_is_known_is_not() {
    let (_, engine) = house(vec![account("ann", "pw")], |_| {});
    assert!(allows(&ANN.log_in(&engine), "ann"));
    let guess = Try {
        connection: 2,
        address: "198.51.100.7",
        password: "no",
        ..ANN
    };
    let replies: Vec<Reply> = (0..10).map(|_| guess.log_in(&engine)).collect();
    assert_eq!(replies[0], denied(Reason::BadPassword));
    assert_eq!(replies[9], denied(Reason::Throttled));
    assert!(allows(&ANN.log_in(&engine), "ann"));
}

#[test]
fn a_session_by_scram_is_like_any_other() {
    let held_account = || account("ann", "pw");
    let (held, engine) = house(vec![held_account()], |_| {});
    assert!(allows(&ANN.log_in(&engine), "ann"));
    let (count, sessions) = engine.connected(None, None, 0, 10);
    assert_eq!((count, sessions[0].by), (1, Proof::Scram));
    let again = |client_id: &'static str| {
        engine.connect(
            &Connect {
                client: visitor(1, client_id),
                username: Some("ann"),
                password: None,
                occasion: Occasion::Again,
                method: Method::Password,
            },
            now(),
        )
    };
    // A reload asks with no password, of whoever is in and of whoever has left a session.
    assert_eq!(again("c"), Verdict::Allow);
    engine.disconnected(ConnectionId(1));
    assert_eq!(again("c"), Verdict::Allow);
    engine.disconnected(ConnectionId(1));
    assert_eq!(again("d"), Verdict::Deny(Reason::NoPassword));
    assert_eq!(
        ask(&engine, 1, "ann", None),
        Verdict::Deny(Reason::NoPassword)
    );
    assert!(allows(&ANN.log_in(&engine), "ann"));
    held.hold(Ok(vec![account("ann", "new")]));
    assert_eq!(again("c"), Verdict::Deny(Reason::NoPassword));
    engine.review(&changed(vec![AccountName::new("ann").unwrap()]), now().wall);
    assert_eq!(kicked(&engine), [1]);
}

#[test]
fn whoever_is_in_may_prove_itself_again_and_nobody_else() {
    let (_, engine) = house(vec![account("ann", "pw"), account("bob", "pw")], |_| {});
    assert!(allows(&ANN.log_in(&engine), "ann"));
    assert!(allows(&ANN.log_in(&engine), "ann"));
    assert!(engine.is_in(ConnectionId(1)) && kicked(&engine).is_empty());
    let other = Try {
        username: "bob",
        ..ANN
    };
    let reply = other.first(&engine, b"n,,n=bob,r=x");
    assert_eq!(reply, denied(Reason::WrongUsername));
    assert_eq!(kicked(&engine), [1]);
    let wrong = Try {
        password: "no",
        ..ANN
    };
    assert_eq!(wrong.log_in(&engine), denied(Reason::BadPassword));
    assert_eq!(kicked(&engine), [1]);
}

#[test]
fn with_two_passwords_the_newer_one_is_proven() {
    let rotating = Account {
        second_credential: Some(stored("old")),
        ..account("ann", "pw")
    };
    let (held, engine) = house(vec![rotating], |_| {});
    assert!(allows(&ANN.log_in(&engine), "ann"));
    let old = Try {
        password: "old",
        ..ANN
    };
    assert_eq!(old.log_in(&engine), denied(Reason::BadPassword));
    let only_second = Account {
        credential: Some(keys(Sha256, "new")),
        second_credential: Some(stored("old")),
        ..account("ann", "pw")
    };
    held.hold(Ok(vec![only_second]));
    assert!(allows(&old.log_in(&engine), "ann"));
    let new = Try {
        password: "new",
        mechanism: Sha256,
        ..ANN
    };
    assert!(allows(&new.log_in(&engine), "ann"));
}
