//! Another proof over a living connection, and what each broker tells of it (the table in docs/scram.md).
//! Beside each that ends stands one that stays.

use mosquitto_doorman::admin::Change;
use mosquitto_doorman::mechanism::Mechanism::{Sha256, Sha512};

use super::accounts::{change, set};
use super::roles::until;
use super::scram::{enter, scramp, with_accounts};
use super::scram_live::{accepted, with_database};
use crate::support::mqtt::packet;
use crate::support::{Answer, Auth, Broker, Client, Event, PATIENCE, Scram, for_each_broker};

/// Whoever proves itself by this, in by it.
fn let_in(broker: &Broker, scram: &Scram) -> Client {
    let connect = scram.connect().client_id(&*scram.username);
    let (client, answer) = scram.open(&connect, broker.port());
    assert_eq!(answer, Answer::Accepted, "{}", scram.username);
    client
}

/// Begins anew; what the broker says first.
fn begins(client: &mut Client, scram: &Scram) -> String {
    client.say(0x19, scram.mechanism.name(), scram.first());
    match client.auth(PATIENCE) {
        Auth::Says(0x18, said) => said,
        other => panic!("the exchange does not begin: {other:?}"),
    }
}

fn ends(client: &mut Client, scram: &Scram, said: &str) {
    client.say(0x18, scram.mechanism.name(), scram.last(said));
}

/// What a client hears first of its end.
fn told(client: &mut Client) -> Event {
    let first = client.receive(PATIENCE);
    assert!(client.is_closed_within(PATIENCE), "{first:?}");
    first
}

/// A refusal by the plugin, in the words of this broker.
fn not_authorized(broker: &Broker) -> Event {
    match broker.tree().version() {
        // A CONNACK, though there was one.
        "2.0.11" => Event::Other(0x20, vec![0, 0x87, 0]),
        _ => Event::Disconnect(0x87),
    }
}

const PROTOCOL_ERROR: Event = Event::Disconnect(0x82);
const ADMINISTRATIVE: Event = Event::Disconnect(0x98);

#[test]
fn who_is_in_may_prove_itself_again_and_who_cannot_is_ended() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        let mut other = let_in(&broker, &Scram::new(Sha512, "a,b=c", "pw"));
        // By a hash, and by keys.
        for (username, mechanism) in [("ann", Sha512), ("kay", Sha512), ("kim", Sha256)] {
            let method = mechanism.name();
            scramp(
                &broker,
                &[method, "accepted", username, "pw", "--again", "3"],
            )
            .succeeded();
            let right = Scram::new(mechanism, username, "pw");
            let mut client = let_in(&broker, &right);
            let said = begins(&mut client, &right);
            ends(&mut client, &right, &said);
            let done = client.auth(PATIENCE);
            let is_signed = |data: &str| data.starts_with("v=");
            assert!(
                matches!(&done, Auth::Says(0, data) if is_signed(data)),
                "{done:?}"
            );
            assert!(client.is_connected());
            let wrong = Scram::new(mechanism, username, "wp");
            let said = begins(&mut client, &wrong);
            ends(&mut client, &wrong, &said);
            assert_eq!(told(&mut client), not_authorized(&broker), "{username}");
            // It may come again, and another one has noticed nothing.
            let_in(&broker, &right);
            assert!(other.is_connected());
        }
        broker.wait_for_log("refused reason=bad_password", PATIENCE);
    });
}

#[test]
fn nobody_becomes_somebody_else_or_comes_by_another_method_over_its_connection() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        let ann = Scram::new(Sha512, "ann", "pw");
        let mut client = let_in(&broker, &ann);
        let kay = Scram::new(Sha512, "kay", "pw");
        client.say(0x19, kay.mechanism.name(), kay.first());
        assert_eq!(told(&mut client), not_authorized(&broker));
        broker.wait_for_log("refused reason=wrong_username", PATIENCE);
        // The broker itself keeps to the method of CONNECT.
        for method in ["SCRAM-SHA-256", "SCRAM-SHA-512-PLUS", "GS2-KRB5", ""] {
            let mut client = let_in(&broker, &ann);
            client.say(0x19, method, ann.first());
            assert_eq!(told(&mut client), PROTOCOL_ERROR, "{method}");
        }
        let mut client = let_in(&broker, &ann);
        let said = begins(&mut client, &ann);
        ends(&mut client, &ann, &said);
        assert!(matches!(client.auth(PATIENCE), Auth::Says(0, _)));
    });
}

#[test]
fn nothing_else_is_said_in_the_middle_of_another_proof() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        let ann = Scram::new(Sha512, "ann", "pw");
        let mut kay = let_in(&broker, &Scram::new(Sha512, "kay", "pw"));
        assert_eq!(kay.subscribe("t", 0), 0);
        let mut client = let_in(&broker, &ann);
        let said = begins(&mut client, &ann);
        client.publish("t", "too early");
        assert_eq!(told(&mut client), PROTOCOL_ERROR);
        let mut client = let_in(&broker, &ann);
        begins(&mut client, &ann);
        // The proof of another exchange.
        ends(&mut client, &ann, &said);
        assert_eq!(told(&mut client), not_authorized(&broker));
        broker.wait_for_log("refused reason=bad_exchange", PATIENCE);
        let mut client = let_in(&broker, &ann);
        let said = begins(&mut client, &ann);
        ends(&mut client, &ann, &said);
        assert!(matches!(client.auth(PATIENCE), Auth::Says(0, _)));
        client.publish("t", "after it");
        let heard = |event: &Event| matches!(event, Event::Publish { payload, .. } if payload == b"after it");
        assert!(heard(&kay.receive(PATIENCE)), "and nothing before");
    });
}

#[test]
fn an_account_that_was_switched_off_meanwhile_cannot_prove_itself_again() {
    for_each_broker(|startup| {
        let (broker, mut database) = with_database(startup);
        let [ann, bob] = ["ann", "bob"].map(|who| Scram::new(Sha512, who, "pw"));
        let off = |disabled| Change {
            disabled: Some(disabled),
            ..Change::default()
        };
        let mut bob_in = accepted(&broker, "bob", "bob");
        // The change by itself ends her soon, which may be sooner.
        until("the proof is refused", || {
            let mut client = accepted(&broker, "ann", "ann");
            let said = begins(&mut client, &ann);
            change(&mut database, &[set("ann", off(true))]);
            ends(&mut client, &ann, &said);
            let told = told(&mut client);
            let is_refused = told == not_authorized(&broker);
            assert!(is_refused || told == ADMINISTRATIVE, "{told:?}");
            change(&mut database, &[set("ann", off(false))]);
            is_refused
        });
        broker.wait_for_log("refused reason=disabled", PATIENCE);
        let said = begins(&mut bob_in, &bob);
        ends(&mut bob_in, &bob, &said);
        assert!(matches!(bob_in.auth(PATIENCE), Auth::Says(0, _)));
    });
}

/// Brokers refuse one that goes on where nothing was begun, but take an empty one for that of a client
/// that is about to come. A refusal would have them free the client id of one that is there, and crash.
#[test]
fn an_auth_that_continues_nothing_ends_its_client_and_neither_another_nor_the_broker() {
    for_each_broker(|startup| {
        let mut broker = with_accounts(startup, &[]);
        let ann = Scram::new(Sha512, "ann", "pw");
        let method = ann.mechanism.name();
        let mut kay = let_in(&broker, &Scram::new(Sha512, "kay", "pw"));
        for code in [0x18, 0] {
            let mut client = let_in(&broker, &ann);
            client.say(code, method, "c=biws");
            assert_eq!(told(&mut client), PROTOCOL_ERROR, "{code:#x}");
        }
        let empty = packet::packet(0xf0, &[]);
        let connect = || ann.connect().client_id("ann").persistent();
        let (mut client, _) = ann.open(&connect(), broker.port());
        assert_eq!(client.subscribe("t", 1), 1);
        for turn in 0..20 {
            client.send(&empty);
            // And whatever comes behind it.
            if turn % 2 == 1 {
                client.send(&packet::auth(0x18, method, "c=biws"));
                client.publish("t", "too late");
            }
            assert!(client.is_closed_within(PATIENCE));
            if turn == 0 {
                assert_eq!(client.auth(PATIENCE), Auth::Says(0x18, String::new()));
                assert_eq!(client.receive(PATIENCE), ADMINISTRATIVE);
            }
            let published = kay.publish_acknowledged("t", turn.to_string());
            assert!(matches!(published, Event::Puback(_)), "{published:?}");
            // What it had is there again.
            let mut again = connect();
            again.clean = false;
            let answer;
            (client, answer) = ann.open(&again, broker.port());
            assert_eq!(answer, Answer::Accepted);
            let all = client.received();
            // Not acknowledged, all of it comes each time.
            let last = all.last().map(|(_, payload)| &payload[..]);
            assert_eq!(last, Some(turn.to_string().as_bytes()), "{all:?}");
        }
        let log = broker.log();
        let ending = r#"ending reason=bad_exchange username="ann" client_id="ann""#;
        assert!(log.matches(ending).count() >= 10, "{log}");
        let (_client, answer) = enter(&broker, "c", "ann", "pw");
        assert_eq!(answer, Answer::Accepted);
        assert_eq!(broker.stop().code(), Some(0), "nothing was freed twice");
    });
}
