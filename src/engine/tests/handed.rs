//! Tokens whose signatures workers verify: over a real pool whose only worker a test holds up.
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::later::{House, after, denied, two};
use super::*;
use crate::config::Jwt;
use crate::figures::Value;
use crate::store::Hurry;
use crate::verdict::Reply;

/// When the tokens here end.
const END: i64 = 100;

/// A house that takes tokens, and the keys that it takes.
struct Gate {
    house: House,
    dir: tempfile::TempDir,
    watched: Vec<Box<dyn Watched>>,
}

/// What a client shows, and under which id.
#[derive(Clone, Copy)]
struct Shown<'a> {
    connection: Option<u64>,
    id: &'a str,
    username: Option<&'a str>,
    token: &'a str,
    occasion: Occasion,
}

impl Gate {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut house = House::with(two(), change);
        let (dir, mut watched) = (tempfile::tempdir().unwrap(), Vec::new());
        let [keys, secret] = ["keys", "secret"].map(|name| dir.path().join(name));
        std::fs::write(&keys, jwks(1)).unwrap();
        std::fs::write(&secret, super::token::SECRET).unwrap();
        let config = Config {
            jwt: Jwt {
                key_files: vec![keys],
                secret_files: vec![secret],
                ..Jwt::standard()
            },
            ..Config::standard()
        };
        let tokens = Tokens::open(&config, &mut watched).unwrap();
        house.engine.take_tokens(tokens.unwrap());
        Self {
            house,
            dir,
            watched,
        }
    }

    fn show(&self, shown: Shown<'_>) -> Option<Reply> {
        let client = Client {
            connection: shown.connection.map(ConnectionId),
            ..visitor(0, shown.id)
        };
        let connect = Connect {
            client,
            username: shown.username,
            password: Some(shown.token.as_bytes()),
            occasion: shown.occasion,
            method: Method::Password,
        };
        self.house.engine.enter_by_token(&connect, now())
    }

    /// The key is another one from now on.
    fn withdraw(&mut self) {
        std::fs::write(self.dir.path().join("keys"), jwks(2)).unwrap();
        for watched in &mut self.watched {
            watched.refresh(Hurry::Now).unwrap();
        }
    }

    fn logins(&self) -> Value {
        let mut all = self.house.engine.figures.all().into_iter();
        let logins = all.find(|figure| figure.topic == "logins/jwt");
        logins.expect("it is counted").value
    }
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn jwks(seed: u8) -> String {
    let x = URL_SAFE_NO_PAD.encode(pair(seed).public_key());
    format!(r#"{{"keys": [{{"kty": "OKP", "crv": "Ed25519", "x": "{x}"}}]}}"#)
}

/// A token that one of the keys has signed.
fn signed(seed: u8, username: &str) -> String {
    let claims = format!(r#"{{"sub":"{username}","exp":{END}}}"#);
    let parts = [r#"{"alg":"EdDSA"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = parts.join(".");
    let signature = pair(seed).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// As ann, without saying so.
fn ann(token: &str) -> Shown<'_> {
    Shown {
        connection: Some(1),
        id: "x",
        username: None,
        token,
        occasion: Occasion::Later,
    }
}

fn waits(username: &str) -> Option<Reply> {
    Some(Reply::Wait {
        username: username.into(),
    })
}

fn at(second: i64) -> Now {
    Now {
        wall: Timestamp::from_second(second).unwrap(),
        ..now()
    }
}

#[test]
fn a_signature_is_verified_by_a_worker_and_a_secrets_at_once() {
    let gate = Gate::new();
    let held = gate.house.hold_up();
    let (good, bad) = (signed(1, "ann"), signed(2, "ann"));
    assert_eq!(gate.show(ann(&good)), waits("ann"));
    assert!(gate.house.engine.is_to_be_ticked(), "somebody waits");
    let other = Shown {
        connection: Some(2),
        id: "y",
        ..ann(&bad)
    };
    assert_eq!(gate.show(other), waits("ann"));
    // By the secret, whatever the worker does.
    let own = super::token::token("bob", END);
    let quick = Shown {
        connection: Some(3),
        id: "z",
        ..ann(&own)
    };
    assert_eq!(gate.show(quick), super::token::allowed("bob"));
    assert_eq!(gate.house.told_now(now()), []);
    assert_eq!(gate.logins(), Value::Number(1));
    drop(held);
    gate.house.worked_off();
    let told = gate.house.told_now(now());
    let refused = denied(Reason::TokenSignature);
    assert_eq!(told, [(1, Verdict::Allow), (2, refused)]);
    assert_eq!(gate.logins(), Value::Number(2), "once for each that is in");
    // It is in as any other is.
    gate.house.engine.beat(at(END - 1));
    assert_eq!(kicked(&gate.house.engine), [0; 0]);
    gate.house.engine.beat(at(END));
    assert_eq!(kicked(&gate.house.engine), [1, 3]);
}

#[test]
fn what_is_wrong_whoever_signed_it_and_whoever_cannot_wait_is_answered_at_once() {
    let gate = Gate::new();
    let _held = gate.house.hold_up();
    let good = signed(1, "ann");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = signed.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
    let other = format!("{other}.{claims}.{signature}");
    let refused = |reason| Some(Reply::Deny(reason));
    assert_eq!(gate.show(ann(&other)), refused(Reason::TokenAlgorithm));
    let shape = format!("{signed}.A");
    assert_eq!(gate.show(ann(&shape)), refused(Reason::BadToken));
    // Nobody is called so, whoever says it.
    let nameless = self::signed(2, "");
    assert_eq!(gate.show(ann(&nameless)), refused(Reason::TokenSignature));
    // The HTTP API's caller, and clients of brokers that are told at once.
    for connection in [None, Some(1)] {
        let now = Shown {
            connection,
            username: Some("ann"),
            occasion: Occasion::Now,
            ..ann(&good)
        };
        assert_eq!(gate.show(now), super::token::allowed("ann"));
        let bad = self::signed(2, "ann");
        let bad = Shown { token: &bad, ..now };
        assert_eq!(gate.show(bad), refused(Reason::TokenSignature));
    }
}

#[test]
fn a_few_are_verified_at_once_and_the_rest_of_a_crowd_by_workers() {
    let gate = Gate::with(|config| config.hashing = Hashing::Auto);
    let (good, bad) = (signed(1, "ann"), signed(2, "ann"));
    assert_eq!(gate.show(ann(&good)), super::token::allowed("ann"));
    let refused = Some(Reply::Deny(Reason::TokenSignature));
    assert_eq!(gate.show(ann(&bad)), refused);
    lock(&gate.house.engine.quick).spend(QUICK * 1_000);
    assert_eq!(gate.show(ann(&good)), waits("ann"));
    assert_eq!(gate.house.told(), [(1, Verdict::Allow)]);
    assert_eq!(gate.show(ann(&bad)), waits("ann"));
    assert_eq!(gate.house.told(), [(1, denied(Reason::TokenSignature))]);
    // Where there are no workers, it goes by the budget of the broker's thread.
    let gate = Gate::with(|config| config.hashing = Hashing::Inline);
    assert_eq!(gate.show(ann(&good)), super::token::allowed("ann"));
    lock(&gate.house.engine.budget).spend(Duration::from_secs(60));
    let busy = Some(Reply::Deny(Reason::Busy));
    assert_eq!(gate.show(ann(&good)), busy);
}

#[test]
fn what_changed_while_a_client_waited_with_a_token_counts() {
    type Change = fn(&mut Gate);
    let disabled = |gate: &mut Gate| {
        let ann = Account {
            disabled: true,
            ..account("ann", "pw")
        };
        gate.house.held.hold(Ok(vec![ann]));
    };
    let changes: [(Change, i64, Verdict); 6] = [
        (|_| {}, END - 1, Verdict::Allow),
        (|_| {}, END + 10, denied(Reason::TokenExpired)),
        (Gate::withdraw, 0, denied(Reason::TokenKey)),
        (disabled, 0, denied(Reason::Disabled)),
        (
            |gate| gate.house.held.hold(Ok(Vec::new())),
            0,
            denied(Reason::UnknownUser),
        ),
        (
            |gate| gate.house.held.hold(Err(())),
            0,
            denied(Reason::SourceUnavailable),
        ),
    ];
    for (change, second, verdict) in changes {
        let mut gate = Gate::new();
        let held = gate.house.hold_up();
        let good = signed(1, "ann");
        assert_eq!(gate.show(ann(&good)), waits("ann"));
        change(&mut gate);
        drop(held);
        gate.house.worked_off();
        assert_eq!(gate.house.told_now(at(second)), [(1, verdict)]);
        let is_in = gate.house.engine.is_in(ConnectionId(1));
        assert_eq!(is_in, verdict == Verdict::Allow);
    }
}

#[test]
fn a_key_that_is_withdrawn_behind_the_answer_ends_the_connection() {
    let mut gate = Gate::new();
    let good = signed(1, "ann");
    assert_eq!(gate.show(ann(&good)), waits("ann"));
    assert_eq!(gate.house.told(), [(1, Verdict::Allow)]);
    gate.house.engine.beat(now());
    assert_eq!(kicked(&gate.house.engine), [0; 0]);
    gate.withdraw();
    gate.house.engine.beat(now());
    assert_eq!(kicked(&gate.house.engine), [1]);
}

/// The attack of broker-facts trap 1, by tokens: with the answer at each place that it can be in.
#[test]
fn a_late_answer_to_a_token_does_not_reach_a_newer_connection() {
    let (good, bad) = (signed(1, "ann"), signed(2, "bob"));
    for (lies_ready, by_password) in [(false, false), (true, false), (false, true), (true, true)] {
        let gate = Gate::new();
        let held = gate.house.hold_up();
        assert_eq!(gate.show(ann(&good)), waits("ann"));
        let held = match lies_ready {
            true => {
                drop(held);
                gate.house.worked_off();
                gate.house.hold_up()
            }
            false => held,
        };
        let eve = Shown {
            connection: Some(2),
            token: if by_password { "guess" } else { &bad },
            username: Some("bob"),
            ..ann(&good)
        };
        let reply = gate.show(eve);
        if by_password {
            assert_eq!(reply, None);
            assert_eq!(gate.house.ask_as(2, "x", "bob", "guess"), Verdict::Pending);
        } else {
            assert_eq!(reply, waits("bob"));
        }
        assert_eq!(gate.house.told_now(now()), [], "nothing is known of her");
        drop(held);
        let reason = match by_password {
            true => Reason::BadPassword,
            false => Reason::TokenSignature,
        };
        assert_eq!(gate.house.told(), [(2, denied(reason))]);
        gate.house.worked_off();
        assert_eq!(gate.house.told_now(after(60)), []);
        assert_eq!(gate.logins(), Value::Number(0));
    }
}

#[test]
fn a_client_that_cannot_be_named_waits_for_nothing() {
    let gate = Gate::new();
    let held = gate.house.hold_up();
    let good = signed(1, "ann");
    assert_eq!(gate.show(ann(&good)), waits("ann"));
    gate.house.engine.supersede("x");
    drop(held);
    gate.house.worked_off();
    assert_eq!(gate.house.told_now(now()), []);
    assert!(!gate.house.engine.is_in(ConnectionId(1)));
    assert_eq!(gate.show(ann(&good)), waits("ann"));
    assert_eq!(gate.house.told(), [(1, Verdict::Allow)]);
}

#[test]
fn a_full_queue_and_the_deadline_refuse_tokens_as_they_do_passwords() {
    let gate = Gate::with(|config| {
        config.queue = 1;
        config.pending_timeout = Duration::from_secs(3);
        config.throttle.address_rate.count = 2.try_into().unwrap();
    });
    let held = gate.house.hold_up();
    let (good, bob) = (signed(1, "ann"), signed(1, "bob"));
    assert_eq!(gate.show(ann(&good)), waits("ann"));
    for connection in 2..20 {
        let other = Shown {
            connection: Some(connection),
            id: "y",
            ..ann(&bob)
        };
        // It has spent nothing: never throttled.
        assert_eq!(gate.show(other), Some(Reply::Deny(Reason::Busy)));
    }
    assert_eq!(gate.house.told_now(after(2)), []);
    let late = [(1, denied(Reason::TimedOut))];
    assert_eq!(gate.house.told_now(after(4)), late);
    drop(held);
    gate.house.worked_off();
    assert_eq!(gate.house.told_now(after(5)), [], "too late is never");
    assert_eq!(gate.show(ann(&good)), waits("ann"));
    assert_eq!(gate.house.told(), [(1, Verdict::Allow)]);
}

#[test]
fn what_workers_find_out_of_tokens_is_throttled_like_bad_passwords() {
    let gate = Gate::new();
    let (good, bad) = (signed(1, "ann"), signed(2, "ann"));
    let somebody_elses = Shown {
        username: Some("bob"),
        ..ann(&good)
    };
    for wrong in [ann(&bad), somebody_elses] {
        let name = wrong.username.unwrap_or("ann");
        let mut told = Vec::new();
        let is_throttled = (0..20).any(|_| {
            let reply = gate.show(wrong);
            if reply == waits(name) {
                told.extend(gate.house.told());
            }
            reply == Some(Reply::Deny(Reason::Throttled))
        });
        assert!(is_throttled, "{told:?}");
        let reason = match wrong.username {
            None => Reason::TokenSignature,
            Some(_) => Reason::WrongUsername,
        };
        assert!(told.iter().all(|told| *told == (1, denied(reason))));
    }
}
