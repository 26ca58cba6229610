//! What holds for those who came in by SCRAM while they are in: changes, bounds, reloads, takeovers,
//! and what is told of them.

use std::time::Duration;

use serde_json::json;

use mosquitto_doorman::admin::{Change, Command, Rotation};
use mosquitto_doorman::mechanism::Mechanism::Sha512;
use mosquitto_doorman::model::Account;
use mosquitto_doorman::store::sqlite::Database;

use super::accounts::{account, change, costly_line, database, name, set, stored};
use super::conf::{conf, patient};
use super::control_compared::{Admin, beginning, import};
use super::identified::{bounds, unbound};
use super::roles::until;
use super::scram::{FEW, enter, with_accounts};
use crate::support::{
    Answer, Auth, Broker, Client, Connect, Event, PATIENCE, Protocol, Scram, Startup, Stream,
    eventually, for_each_broker,
};

fn costly(username: &str) -> Account {
    Account {
        credential: Some(stored(b"pw", FEW)),
        ..account(username, "pw")
    }
}

pub fn with_database(startup: Startup) -> (Broker, Database) {
    let database = database(&startup.dir().join("db"), &["ann", "bob"].map(costly));
    let options = [
        "database {dir}/db",
        "scram both",
        "scram_hashes true",
        "unknown_user deny",
    ];
    (startup.start(&patient(&options)), database)
}

pub fn accepted(broker: &Broker, id: &str, username: &str) -> Client {
    let (client, answer) = enter(broker, id, username, "pw");
    assert_eq!(answer, Answer::Accepted);
    client
}

#[test]
fn a_change_ends_who_came_by_scram_and_bounds_hold() {
    for_each_broker(|startup| {
        let (broker, mut database) = with_database(startup);
        let mut bob = accepted(&broker, "bob", "bob");
        let off = |disabled| Change {
            disabled: Some(disabled),
            ..Change::default()
        };
        let mut ann = accepted(&broker, "ann", "ann");
        change(&mut database, &[set("ann", off(true))]);
        assert!(ann.is_closed_within(PATIENCE));
        assert_eq!(enter(&broker, "ann", "ann", "pw").1, Answer::Refused(0x87));
        broker.wait_for_log("refused reason=disabled", PATIENCE);
        change(&mut database, &[set("ann", off(false))]);
        let mut ann = accepted(&broker, "ann", "ann");
        let credential = stored(b"new", FEW);
        let new = Command::SetCredential {
            name: name("ann"),
            credential,
            rotation: Rotation::Replace,
        };
        change(&mut database, &[new]);
        assert!(ann.is_closed_within(PATIENCE));
        assert_eq!(enter(&broker, "ann", "ann", "pw").1, Answer::Refused(0x87));
        assert_eq!(enter(&broker, "ann", "ann", "new").1, Answer::Accepted);
        let client_id = Change {
            client_id: Some(Some("hers".into())),
            ..Change::default()
        };
        change(&mut database, &[set("ann", client_id)]);
        assert_eq!(enter(&broker, "ann", "ann", "new").1, Answer::Refused(0x87));
        broker.wait_for_log("refused reason=wrong_client_id", PATIENCE);
        assert_eq!(enter(&broker, "hers", "ann", "new").1, Answer::Accepted);
        assert!(bob.is_connected(), "nothing has changed for him");
    });
}

#[test]
fn what_bounds_an_account_bounds_who_comes_by_scram() {
    for_each_broker(|startup| {
        let (broker, mut database) = with_database(startup);
        for (reason, bound) in bounds() {
            accepted(&broker, "ann", "ann");
            change(&mut database, &[set("ann", bound)]);
            let told = format!("refused reason={reason} ");
            until(reason, || {
                let (_, answer) = enter(&broker, "ann", "ann", "pw");
                assert!(matches!(answer, Answer::Accepted | Answer::Refused(0x87)));
                broker.log().contains(&told)
            });
            let log = broker.log();
            let line = log.lines().find(|line| line.contains(&told)).unwrap();
            assert!(line.ends_with("method=SCRAM-SHA-512"), "{line}");
            accepted(&broker, "bob", "bob");
            change(&mut database, &[set("ann", unbound())]);
            until("it may again", || {
                enter(&broker, "ann", "ann", "pw").1 == Answer::Accepted
            });
        }
    });
}

#[test]
fn wrong_proofs_are_throttled_like_wrong_passwords() {
    for_each_broker(|startup| {
        let users = ["ann", "bob"].map(|who| costly_line(who, "pw", FEW));
        let options = [
            "password_file {dir}/users",
            "scram both",
            "scram_hashes true",
        ];
        let startup = startup.file("users", users.concat());
        let broker = startup.start(&conf(&options));
        let refused = |password| {
            let (_, answer) = enter(&broker, "ann", "ann", password);
            assert_eq!(answer, Answer::Refused(0x87));
        };
        let throttled = || broker.log().contains("refused reason=throttled");
        for turn in 0..10 {
            refused("wp");
            assert!(turn > 1 || !throttled());
        }
        until("it is throttled", || {
            refused("wp");
            throttled()
        });
        refused("pw");
        broker.wait_for_log("refused reason=bad_password", PATIENCE);
        accepted(&broker, "bob", "bob");
    });
}

/// Log rotation sends SIGHUP each day, and the broker then asks with no password about whoever came in
/// without one.
#[test]
fn a_reload_drops_nobody_who_came_by_scram() {
    for_each_broker(|startup| {
        let (broker, mut database) = with_database(startup);
        let mut ann = accepted(&broker, "ann", "ann");
        // Bob has a session that waits for him.
        let scram = Scram::new(Sha512, "bob", "pw");
        let mut kept = scram.connect().client_id("bob").persistent();
        let (mut bob, answer) = scram.open(&kept, broker.port());
        assert_eq!(answer, Answer::Accepted);
        assert_eq!(bob.subscribe("news", 1), 1);
        bob.disconnect();
        for _ in 0..2 {
            let mark = broker.log_end();
            broker.sighup();
            broker.wait_for_log_after(mark, "Reloading config.", PATIENCE);
            assert!(ann.is_connected());
            // No password is still none, for whoever comes now.
            let bare = Connect::new(Protocol::V5).client_id("bob").username("bob");
            assert_eq!(bare.answer(broker.port()), Answer::Refused(135));
        }
        assert!(matches!(
            ann.publish_acknowledged("news", "1"),
            Event::Puback(_)
        ));
        kept.clean = false;
        let (mut bob, answer) = scram.open(&kept, broker.port());
        assert_eq!(answer, Answer::Accepted);
        let heard =
            |event: &Event| matches!(event, Event::Publish { topic, .. } if topic == "news");
        assert!(eventually(PATIENCE, || heard(&bob.receive(PATIENCE))));
        change(&mut database, &[Command::Delete(name("ann"))]);
        assert!(ann.is_closed_within(PATIENCE));
        assert!(bob.is_connected());
    });
}

/// The end of the first is told after the second has been let in, under the same client id.
#[test]
fn a_takeover_leaves_the_newer_one_in() {
    for_each_broker(|startup| {
        let (broker, mut database) = with_database(startup);
        let mut first = accepted(&broker, "same", "ann");
        let mut second = accepted(&broker, "same", "bob");
        assert!(first.is_closed_within(PATIENCE));
        change(&mut database, &[Command::Delete(name("ann"))]);
        let mark = broker.log_end();
        broker.sighup();
        broker.wait_for_log_after(mark, "Reloading config.", PATIENCE);
        assert!(second.is_connected());
        change(&mut database, &[Command::Delete(name("bob"))]);
        assert!(second.is_closed_within(PATIENCE));
    });
}

/// 2.0.11 loses the client of an id under which somebody else broke an exchange off: by its id it is not
/// found any more, neither by who takes it over nor by who ends it.
#[test]
fn whoever_the_broker_has_lost_is_ended_all_the_same() {
    for_each_broker(|startup| {
        let (broker, mut database) = with_database(startup);
        let mut ann = accepted(&broker, "ann", "ann");
        let mut bob = accepted(&broker, "bob", "bob");
        let stranger = Scram::new(Sha512, "nobody", "pw");
        let mut client = Client::tcp(broker.port(), Protocol::V5);
        client.send(&stranger.connect().client_id("ann").encode());
        assert!(matches!(client.auth(PATIENCE), Auth::Says(0x18, _)));
        client.vanish();
        // Whoever asks now is answered after the end of the stranger was seen.
        assert!(bob.is_connected() && ann.is_connected());
        change(&mut database, &[Command::Delete(name("ann"))]);
        assert!(ann.is_closed_within(PATIENCE));
        assert!(bob.is_connected());
    });
}

#[test]
fn many_that_leave_in_the_middle_leave_nothing() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        let scram = Scram::new(Sha512, "ann", "pw");
        let leave = || {
            let mut client = Client::tcp(broker.port(), Protocol::V5);
            client.send(&scram.connect().encode());
            assert!(matches!(client.auth(PATIENCE), Auth::Says(0x18, _)));
            client.vanish();
        };
        (0..200).for_each(|_| leave());
        let before = broker.rss_kib();
        (0..1_000).for_each(|_| leave());
        let after = broker.rss_kib();
        assert!(after < before + 4 * 1024, "{before} KiB, then {after} KiB");
        let (_client, answer) = enter(&broker, "c", "ann", "pw");
        assert_eq!(answer, Answer::Accepted);
    });
}

#[test]
fn orders_tell_who_came_by_scram() {
    for_each_broker(|startup| {
        let path = startup.dir().join("db");
        let startup = startup.file("dynsec.json", beginning());
        import(startup.dir());
        let options = ["database {dir}/db", "database_roles true", "scram both"];
        let broker = startup.start(&patient(&options));
        let mut database = Database::open(&path).unwrap();
        let recipe = mosquitto_doorman::credential::Recipe::generated_scram(Sha512);
        let salt = mosquitto_doorman::credential::Salt::new([4; 16]);
        let credential = mosquitto_doorman::credential::hash(b"pw", &recipe, &salt).unwrap();
        let keys = Command::SetCredential {
            name: name("bob"),
            credential,
            rotation: Rotation::Replace,
        };
        change(&mut database, &[keys]);
        let mut bob = None;
        let entered = eventually(PATIENCE, || {
            let (client, answer) = enter(&broker, "bob", "bob", "pw");
            bob = Some(client);
            answer == Answer::Accepted
        });
        assert!(entered);
        let mut admin = Admin::at(&broker);
        let listed = admin.order(json!({"command": "listSessions", "username": "bob"}));
        let session = &listed["data"]["sessions"][0];
        assert_eq!(session["clientid"], "bob", "{listed}");
        assert!(session.to_string().contains(r#""scram""#), "{listed}");
    });
}

/// Brokers count the keepalive of a client that they have not let in as well, and nobody but them can end it.
#[test]
fn an_exchange_that_nobody_finishes_ends_with_its_clients_keepalive() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        let scram = Scram::new(Sha512, "ann", "pw");
        let begun = |id: &str, keepalive| {
            let connect = scram.connect().client_id(id).keepalive(keepalive);
            connect.begin(Stream::tcp(broker.port()))
        };
        let mut patient = begun("patient", 60);
        let mut hasty = begun("hasty", 1);
        assert!(matches!(hasty.auth(PATIENCE), Auth::Says(0x18, _)));
        assert!(hasty.is_closed_within(PATIENCE));
        assert_eq!(scram.go_on(&mut patient), Answer::Accepted);
    });
}

/// The one test that waits for the minute.
#[test]
fn after_a_minute_an_exchange_is_over_and_its_connection_is_not() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        let scram = Scram::new(Sha512, "ann", "pw");
        let connect = scram.connect().client_id("ann").keepalive(0);
        let mut late = connect.begin(Stream::tcp(broker.port()));
        let Auth::Says(0x18, said) = late.auth(PATIENCE) else {
            panic!("the exchange does not begin");
        };
        // And one over a connection that is in.
        let kay = Scram::new(Sha512, "kay", "pw");
        let connect = kay.connect().client_id("kay").keepalive(0);
        let (mut again, answer) = kay.open(&connect, broker.port());
        assert_eq!(answer, Answer::Accepted);
        assert_eq!(again.subscribe("t", 0), 0);
        again.say(0x19, "SCRAM-SHA-512", kay.first());
        let Auth::Says(0x18, said_again) = again.auth(PATIENCE) else {
            panic!("the exchange does not begin again");
        };
        let over = r#"refused reason=timed_out address=127.0.0.1"#;
        broker.wait_for_log(over, Duration::from_secs(60) + PATIENCE);
        broker.wait_for_log("refused reason=timed_out: 1 more", PATIENCE);
        // Whoever is in has not been ended, hears nothing meanwhile, and is as late as whoever is not.
        let mut other = accepted(&broker, "other", "ann");
        assert!(matches!(
            other.publish_acknowledged("t", "m"),
            Event::Puback(_)
        ));
        again.say(0x18, "SCRAM-SHA-512", kay.last(&said_again));
        assert_eq!(again.auth(PATIENCE), Auth::Says(0x18, String::new()));
        assert!(again.is_closed_within(PATIENCE));
        late.say(0x18, "SCRAM-SHA-512", scram.last(&said));
        assert_eq!(late.auth(PATIENCE), Auth::Refused(0x8c));
        assert!(late.is_closed_within(PATIENCE));
        accepted(&broker, "ann", "ann");
    });
}
