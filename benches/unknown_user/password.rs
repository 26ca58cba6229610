//! A wrong password: from the CONNECT to the refusal.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mosquitto_doorman::engine::Engine;
use mosquitto_doorman::request::{self, Method, Occasion};
use mosquitto_doorman::verdict::Verdict;

use super::support::{Answer, Client, Connect, PATIENCE, Protocol};
use super::{Way, client, now};

pub const WAY: Way = Way {
    options: &[],
    has_stock: true,
    costs_a_hash: true,
    engine: of_engine,
    broker: of_broker,
};

fn of_engine(engine: &Engine, username: &str) -> Duration {
    let guess = guess();
    let connect = request::Connect {
        client: request::Client {
            connection: None,
            ..client()
        },
        username: Some(username),
        password: Some(guess.as_bytes()),
        occasion: Occasion::Now,
        method: Method::Password,
    };
    let now = now();
    let verdict = engine.connect(&connect, now);
    let time = now.mono.elapsed();
    assert!(matches!(verdict, Verdict::Deny(_)), "{verdict:?}");
    time
}

fn of_broker(port: u16, username: &str) -> Duration {
    let connect = Connect::new(Protocol::V311).credentials(username, guess());
    let bytes = connect.encode();
    let mut client = Client::tcp(port, Protocol::V311);
    let start = Instant::now();
    client.send(&bytes);
    let answer = client.answer(PATIENCE);
    let time = start.elapsed();
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
    time
}

/// A wrong password that nobody has tried: one that was just refused is not hashed again.
fn guess() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("wrong-{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
}
