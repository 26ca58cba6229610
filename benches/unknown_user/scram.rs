//! A wrong proof: from the first message to the refusal, but for what the client computes.

use std::time::{Duration, Instant};

use mosquitto_doorman::credential::Recipe;
use mosquitto_doorman::engine::Engine;
use mosquitto_doorman::mechanism::Mechanism;
use mosquitto_doorman::request::{Said, Turn};
use mosquitto_doorman::verdict::Reply;

use super::support::{Auth, Client, PATIENCE, Protocol, Scram};
use super::{Way, client, now};

pub const WAY: Way = Way {
    options: &["scram both", "scram_hashes true"],
    has_stock: false,
    costs_a_hash: false,
    engine: of_engine,
    broker: of_broker,
};

/// As what passwords are stored: no client and no broker hashes any here.
pub const STORED: [Recipe; 2] = [
    Recipe::Pbkdf2Sha512 { iterations: 4_096 },
    Recipe::Scram {
        mechanism: MECHANISM,
        iterations: 4_096,
    },
];

const MECHANISM: Mechanism = Mechanism::Sha512;

/// Somebody whose password is wrong, and whose hash of it has been made.
fn somebody(username: &str) -> Scram {
    Scram {
        salted: Some(vec![7; MECHANISM.bytes()]),
        ..Scram::new(MECHANISM, username, "wrong")
    }
}

fn of_engine(engine: &Engine, username: &str) -> Duration {
    let who = somebody(username);
    let say = |turn, data: &str| {
        let said = Said {
            client: client(),
            username: None,
            turn,
            data: data.as_bytes(),
        };
        let now = now();
        let reply = engine.exchange(&said, now);
        (reply, now.mono.elapsed())
    };
    let first = Turn::First {
        method: MECHANISM.name(),
        random: &[9; 18],
    };
    let (reply, one) = say(first, &who.first());
    let Reply::Say(said) = reply else {
        panic!("instead of an answer: {reply:?}");
    };
    let said = std::str::from_utf8(&said).expect("text");
    let (reply, other) = say(Turn::Next, &who.last(said));
    assert!(matches!(reply, Reply::Deny(_)), "{reply:?}");
    one + other
}

fn of_broker(port: u16, username: &str) -> Duration {
    let who = somebody(username);
    let connect = who.connect().encode();
    let mut client = Client::tcp(port, Protocol::V5);
    let start = Instant::now();
    client.send(&connect);
    let answer = client.auth(PATIENCE);
    let one = start.elapsed();
    let Auth::Says(0x18, said) = answer else {
        panic!("instead of an answer: {answer:?}");
    };
    let last = who.last(&said);
    let start = Instant::now();
    client.say(0x18, MECHANISM.name(), last);
    let answer = client.auth(PATIENCE);
    let other = start.elapsed();
    assert!(matches!(answer, Auth::Refused(_)), "{answer:?}");
    one + other
}
