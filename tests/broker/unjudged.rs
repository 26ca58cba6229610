//! Whoever the broker lets in without asking, in the memory of somebody who was never let in: it is judged all the
//! same. Brokers use a client's memory for the next one at once, and do not tell of everybody who leaves.

use mosquitto_doorman::admin::Change;
use mosquitto_doorman::model::Account;

use super::accounts::{account, change, database, set, stored};
use super::conf::patient;
use super::psk::{KEY, OTHER, psk};
use crate::support::certificates::{certificates, files};
use crate::support::{
    Answer, Broker, Client, Connect, Event, PATIENCE, Protocol, Startup, Stream, for_each_broker,
};

/// ann's password takes so long that she can leave before it is answered.
const SLOW: u32 = 20_000;

/// bob may be in by his certificate, eve is switched off, and nobody is called stranger.
fn started(startup: Startup, more: &str) -> Broker {
    let dir = startup.dir();
    let ann = Account {
        credential: Some(stored(b"pw", SLOW)),
        ..account("ann", "pw")
    };
    let mut accounts = database(
        &dir.join("db"),
        &[ann, account("bob", "pw"), account("eve", "pw")],
    );
    let off = Change {
        disabled: Some(true),
        ..Change::default()
    };
    change(&mut accounts, &[set("eve", off), psk("ann", "ann", KEY)]);
    certificates(dir, &["bob", "eve", "stranger"]);
    let options = [
        "database {dir}/db",
        "acl_file {dir}/acl",
        "psk true",
        "hashing worker",
        "unknown_user deny",
    ];
    let listeners = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
                     keyfile {dir}/localhost.key\nrequire_certificate true\nuse_identity_as_username true\n\
                     listener {port3} 127.0.0.1\npsk_hint here\n";
    let startup = startup.file("acl", "pattern readwrite #\n");
    startup.start(&(more.to_owned() + &patient(&options) + listeners))
}

/// Whether the client of this certificate may publish.
fn may(broker: &Broker, file: &str) -> bool {
    let stream = Stream::tls(broker.nth_port(2), &files(broker.dir(), file));
    let mut client = Connect::new(Protocol::V5).client_id(file).begin(stream);
    client.answer(PATIENCE);
    let reply = client.publish_acknowledged("t", "m");
    matches!(reply, Event::Puback(0 | 0x10))
}

/// The broker has come round, and round again.
fn comes_round(watcher: &mut Client) {
    for _ in 0..3 {
        assert!(watcher.is_connected());
    }
}

fn judges(broker: &Broker, leave: impl Fn(u32)) {
    let watcher = Connect::new(Protocol::V5).client_id("watcher");
    let mut watcher = watcher.credentials("bob", "pw").accepted(broker.port());
    for turn in 0..12 {
        for who in ["eve", "stranger"] {
            leave(turn);
            comes_round(&mut watcher);
            assert!(!may(broker, who), "{who} in turn {turn}");
        }
        leave(turn);
        comes_round(&mut watcher);
        assert!(may(broker, "bob"), "in turn {turn}");
    }
    broker.wait_for_log("refused reason=disabled", PATIENCE);
    broker.wait_for_log("refused reason=unknown_user", PATIENCE);
}

/// 2.1 does not tell of a client that leaves while its password is looked at; on 2.0 nobody can.
#[test]
fn whoever_has_the_memory_of_one_that_left_while_it_waited_is_judged() {
    for_each_broker(|startup| {
        let broker = started(startup, "");
        judges(&broker, |turn| {
            // Another guess each time: one that is known to be wrong costs nothing.
            let guess = Connect::new(Protocol::V5).client_id("guess");
            let guess = guess.credentials("ann", format!("guess {turn}"));
            guess.begin(Stream::tcp(broker.port())).vanish();
        });
    });
}

/// 2.1 tells of no handshake that fails.
#[test]
fn whoever_has_the_memory_of_one_that_had_no_key_is_judged() {
    for_each_broker(|startup| {
        let broker = started(startup, "");
        judges(&broker, |_| {
            let stream = Stream::psk(broker.nth_port(3), "ann", OTHER);
            let connect = Connect::new(Protocol::V5).client_id("keyless");
            assert_eq!(connect.begin(stream).answer(PATIENCE), Answer::Closed);
        });
    });
}

/// Nor of whoever is let in by us, and refused by the broker.
#[test]
fn whoever_has_the_memory_of_one_that_the_broker_refused_is_judged() {
    for_each_broker(|startup| {
        let broker = started(startup, "max_keepalive 100\n");
        judges(&broker, |_| {
            let bob = Connect::new(Protocol::V311).client_id("too long");
            let bob = bob.credentials("bob", "pw").keepalive(101);
            // 2.0 has it live with a shorter one.
            let is_refused = bob.answer(broker.port()) == Answer::Refused(2);
            assert!(is_refused || !broker.tree().is_2_1());
        });
    });
}
