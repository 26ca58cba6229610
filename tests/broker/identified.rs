//! Clients whom the broker names by their certificates, without asking anybody.

use std::process::{Child, Stdio};

use mosquitto_doorman::admin::Change;
use mosquitto_doorman::store::sqlite::Database;

use super::accounts::{account, database, set};
use super::conf::conf;
use super::elsewhere::by_certificate;
use super::psk::{KEY, psk};
use super::roles::{NAMES, ROLES, change, heard, until, v5};
use crate::support::certificates::{certificates, files, signed};
use crate::support::mqtt::packet;
use crate::support::{
    Broker, Client, Connect, Event, PATIENCE, Protocol, Startup, Stream, doorman, finish,
    for_each_broker,
};

/// Each bound that stands in the way of a client of this machine with an id of its own name, and the
/// reason that is told.
pub fn bounds() -> [(&'static str, Change); 5] {
    let now = jiff::Timestamp::now();
    let hour = jiff::SignedDuration::from_hours(1);
    let none = Change::default;
    [
        (
            "disabled",
            Change {
                disabled: Some(true),
                ..none()
            },
        ),
        (
            "not_yet_valid",
            Change {
                valid_from: Some(Some(now + hour)),
                ..none()
            },
        ),
        (
            "expired",
            Change {
                valid_until: Some(Some(now - hour)),
                ..none()
            },
        ),
        (
            "wrong_client_id",
            Change {
                client_id: Some(Some("other".into())),
                ..none()
            },
        ),
        (
            "wrong_network",
            Change {
                networks: Some(vec!["192.0.2.0/24".parse().unwrap()]),
                ..none()
            },
        ),
    ]
}

/// None of them.
pub fn unbound() -> Change {
    Change {
        disabled: Some(false),
        valid_from: Some(None),
        valid_until: Some(None),
        client_id: Some(None),
        networks: Some(Vec::new()),
        ..Change::default()
    }
}

/// A broker with a second listener where a certificate's name is the username.
fn started(startup: Startup, more: &[&str]) -> Broker {
    let dir = startup.dir();
    drop(database(
        &dir.join("db"),
        &NAMES.map(|name| account(name, "pw")),
    ));
    change(dir, ROLES);
    certificates(dir, &["ann", "bob", "stranger"]);
    let tls = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
               keyfile {dir}/localhost.key\nrequire_certificate true\nuse_identity_as_username true\n";
    let options = ["database {dir}/db", "database_roles true", "log_logins all"];
    startup.start(&(conf(&[&options, more].concat()) + tls))
}

fn publish(broker: &Broker, file: &str, id: &str, topic: &str) {
    let files = files(broker.dir(), file);
    let message = ["-q", "1", "-t", topic, "-m", topic];
    let args = [&by_certificate(id, &files)[..], &message].concat();
    let done = broker.tree().mosquitto_pub(broker.nth_port(2), &args);
    assert!(!done.stderr.contains("certificate"), "{done:?}");
}

fn listening(broker: &Broker, file: &str, id: &str, more: &[&str]) -> Child {
    let files = files(broker.dir(), file);
    let mut listening = broker.tree().at_port("mosquitto_sub", broker.nth_port(2));
    let listening = listening.args(by_certificate(id, &files)).args(more);
    let quiet = listening.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.spawn().unwrap()
}

fn gone(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn is_ended(broker: &Broker, start: usize, id: &str) -> bool {
    let log = broker.log_after(start);
    let mut lines = log.lines();
    lines.any(|line| line.contains(&format!("Client {id}")) && line.contains("administrative"))
}

#[test]
fn each_bound_is_in_force_for_whom_the_broker_does_not_ask_about() {
    for_each_broker(|startup| {
        let broker = started(startup, &[]);
        let mut root = v5(&broker, "root");
        assert_eq!(root.subscribe("to/#", 0), 0);
        let mut accounts = Database::open(&broker.dir().join("db")).unwrap();
        for (reason, bound) in bounds() {
            publish(&broker, "ann", "ann", "to/ann/a");
            until("it may", || heard(&mut root) == ["to/ann/a"]);
            super::accounts::change(&mut accounts, &[set("ann", bound)]);
            let told = format!("refused reason={reason} address=127.0.0.1");
            let mut connections = 0;
            let mut start = 0;
            until(reason, || {
                start = broker.log_end();
                connections += 1;
                publish(&broker, "ann", "ann", "to/ann/a");
                broker.log().contains(&told)
            });
            heard(&mut root);
            // Nothing of it is heard, and it does not stay.
            let child = listening(&broker, "ann", "ann", &["-t", "for/everybody"]);
            until("it is ended", || is_ended(&broker, start, "ann"));
            gone(child);
            publish(&broker, "ann", "ann", "to/ann/a");
            assert!(heard(&mut root).is_empty(), "{reason}");
            let line = |line: &&str| line.contains(&told);
            let log = broker.log();
            let line = log.lines().find(line).unwrap();
            assert!(
                line.ends_with("username=\"ann\" client_id=\"ann\" method=certificate"),
                "{line}"
            );
            super::accounts::change(&mut accounts, &[set("ann", unbound())]);
            until("it may again", || {
                publish(&broker, "ann", "ann", "to/ann/a");
                !heard(&mut root).is_empty()
            });
            heard(&mut root);
        }
    });
}

#[test]
fn who_is_let_in_or_refused_is_told_once_for_each_connection() {
    for_each_broker(|startup| {
        let broker = started(startup, &[]);
        let count = |what: &str, id: &str| {
            let log = broker.log();
            let end = format!(" client_id=\"{id}\" method=certificate");
            let lines = log.lines();
            lines
                .filter(|line| line.contains(what) && line.ends_with(&end))
                .count()
        };
        // One that leaves a will, which is looked at when it has gone.
        let will = [
            "-t",
            "for/everybody",
            "--will-topic",
            "to/ann/will",
            "--will-payload",
            "w",
        ];
        let mut root = v5(&broker, "root");
        assert_eq!(root.subscribe("to/#", 0), 0);
        let child = listening(&broker, "ann", "mortal", &will);
        broker.wait_for_log("Sending SUBACK to mortal", PATIENCE);
        gone(child);
        until("its will is heard", || heard(&mut root) == ["w"]);
        publish(&broker, "ann", "second", "to/ann/a");
        until("it is told", || count("allowed ", "second") == 1);
        assert_eq!(count("allowed ", "mortal"), 1);
        change(
            broker.dir(),
            "UPDATE account SET disabled = 1 WHERE username = 'ann'",
        );
        until("it is refused", || {
            publish(&broker, "ann", "third", "to/ann/a");
            count("refused ", "third") > 0
        });
        for id in ["fourth", "fifth"] {
            publish(&broker, "ann", id, "to/ann/a");
            until("it is told", || count("refused ", id) == 1);
        }
        // An unknown one is nobody's to tell of here, and comes in.
        publish(&broker, "stranger", "sixth", "to/stranger/a");
        publish(&broker, "ann", "seventh", "to/ann/a");
        until("it is told", || count("refused ", "seventh") == 1);
        for id in ["fourth", "fifth", "sixth", "seventh"] {
            assert_eq!(count("allowed ", id), 0, "{id}");
        }
        assert_eq!(
            (count("refused ", "fourth"), count("refused ", "sixth")),
            (1, 0)
        );
    });
}

#[test]
fn a_validity_that_ends_ends_who_is_in_and_one_that_begins_lets_in() {
    for_each_broker(|startup| {
        let broker = started(startup, &[]);
        let mut accounts = Database::open(&broker.dir().join("db")).unwrap();
        let child = listening(&broker, "bob", "bob", &["-t", "to/#"]);
        broker.wait_for_log("Sending SUBACK to bob", PATIENCE);
        let start = broker.log_end();
        let soon = || jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
        let change = Change {
            valid_until: Some(Some(soon())),
            ..Change::default()
        };
        super::accounts::change(&mut accounts, &[set("bob", change)]);
        until("it is ended", || is_ended(&broker, start, "bob"));
        assert!(
            broker
                .log_after(start)
                .contains("ending reason=expired username=\"bob\"")
        );
        gone(child);
        // Kept in whole seconds.
        let begins = jiff::Timestamp::from_second(soon().as_second()).unwrap();
        let change = Change {
            valid_from: Some(Some(begins)),
            valid_until: Some(None),
            ..Change::default()
        };
        super::accounts::change(&mut accounts, &[set("bob", change)]);
        until("it is let in", || {
            let start = broker.log_end();
            let child = listening(&broker, "bob", "bob", &["-t", "to/#"]);
            let told = |what: &str| broker.log_after(start).contains(what);
            let allowed = || told("allowed address=127.0.0.1");
            until("it is answered", || {
                allowed() || told("refused reason=not_yet_valid")
            });
            gone(child);
            assert!(!allowed() || jiff::Timestamp::now() >= begins);
            allowed()
        });
    });
}

#[test]
fn a_name_that_nobody_has_is_refused_where_that_is_said() {
    for_each_broker(|startup| {
        let broker = started(startup, &["unknown_user deny"]);
        until("it is refused", || {
            publish(&broker, "stranger", "stranger", "to/stranger/a");
            broker.log().contains("refused reason=unknown_user")
        });
        publish(&broker, "ann", "ann", "to/ann/a");
        broker.wait_for_log("allowed address=127.0.0.1", PATIENCE);
    });
}

#[test]
fn an_account_with_certificates_is_named_by_no_other_one() {
    for_each_broker(|startup| {
        let broker = started(startup, &["certificate instead-of-password"]);
        let mut root = v5(&broker, "root");
        assert_eq!(root.subscribe("to/#", 0), 0);
        signed(broker.dir(), "other", "ann", &[]);
        let [_, pem, _] = files(broker.dir(), "ann");
        let add = |whom: &str| {
            let mut doorman = doorman();
            doorman.args(["user", "certificate", "add", whom, "--pem", &pem]);
            finish(doorman.arg("--database").arg(broker.dir().join("db")))
        };
        publish(&broker, "other", "other", "to/ann/a");
        until("the name is enough", || heard(&mut root) == ["to/ann/a"]);
        add("ann").succeeded();
        until("it is not", || {
            publish(&broker, "other", "other", "to/ann/a");
            broker.log().contains("refused reason=unknown_certificate")
        });
        heard(&mut root);
        publish(&broker, "ann", "ann", "to/ann/a");
        until("the other one is", || heard(&mut root) == ["to/ann/a"]);
        // A certificate of somebody else's with this name on it.
        let [_, pem, _] = files(broker.dir(), "other");
        let mut doorman = doorman();
        doorman.args(["user", "certificate", "add", "bob", "--pem", &pem]);
        finish(doorman.arg("--database").arg(broker.dir().join("db"))).succeeded();
        until("it is refused", || {
            publish(&broker, "other", "other", "to/ann/a");
            broker.log().contains("refused reason=wrong_username")
        });
        assert!(heard(&mut root).is_empty());
    });
}

/// Which certificate it has is not kept: by the right one it may come again.
#[test]
fn who_is_in_by_its_name_alone_is_ended_when_its_account_gets_a_certificate() {
    for_each_broker(|startup| {
        let broker = started(startup, &["certificate instead-of-password"]);
        let mut children = Vec::new();
        for who in ["ann", "bob"] {
            children.push(listening(&broker, who, who, &["-t", "for/everybody"]));
            broker.wait_for_log(&format!("Sending SUBACK to {who}"), PATIENCE);
        }
        let start = broker.log_end();
        let [_, pem, _] = files(broker.dir(), "ann");
        let mut doorman = doorman();
        doorman.args(["user", "certificate", "add", "ann", "--pem", &pem]);
        finish(doorman.arg("--database").arg(broker.dir().join("db"))).succeeded();
        let ending = "ending reason=certificate_needed username=\"ann\" client_id=\"ann\"";
        broker.wait_for_log_after(start, ending, PATIENCE);
        until("it is ended", || is_ended(&broker, start, "ann"));
        // mosquitto_sub comes again by itself, and shows what is on record now.
        let allowed = "username=\"ann\" client_id=\"ann\" method=certificate";
        broker.wait_for_log_after(start, allowed, PATIENCE);
        assert!(!is_ended(&broker, start, "bob"));
        children.into_iter().for_each(gone);
    });
}

#[test]
fn a_second_factor_cannot_be_left_out_at_a_listener_that_asks_for_none() {
    for_each_broker(|startup| {
        let broker = started(startup, &["certificate and-password"]);
        let mut root = v5(&broker, "root");
        assert_eq!(root.subscribe("to/#", 0), 0);
        let [_, pem, _] = files(broker.dir(), "ann");
        publish(&broker, "ann", "ann", "to/ann/a");
        until("it may", || heard(&mut root) == ["to/ann/a"]);
        let mut doorman = doorman();
        doorman.args(["user", "certificate", "add", "ann", "--pem", &pem]);
        finish(doorman.arg("--database").arg(broker.dir().join("db"))).succeeded();
        until("it is refused", || {
            publish(&broker, "ann", "ann", "to/ann/a");
            broker.log().contains("refused reason=no_password")
        });
        heard(&mut root);
        publish(&broker, "ann", "ann", "to/ann/a");
        assert!(heard(&mut root).is_empty());
    });
}

/// A login, a message, a subscription and a farewell in one piece, which the broker is through with before it
/// comes round; what is heard of it.
fn all_at_once(stream: Stream, id: &str) -> Vec<Event> {
    let protocol = Protocol::V311;
    let connect = Connect::new(protocol).client_id(id).keepalive(0);
    let message = packet::publish(protocol, 1, "said", id.as_bytes(), 1);
    let subscription = packet::subscribe(protocol, 2, "kept", 0);
    let mut client = Client::over(stream, protocol);
    client.send(&[&connect.encode(), &message, &subscription, &[0xe0, 0][..]].concat());
    let events = std::iter::repeat_with(|| client.receive(PATIENCE));
    let events = events.take_while(|event| !matches!(event, Event::Closed | Event::Silence));
    events.collect()
}

/// 2.0 tells of nobody there.
#[test]
fn who_has_to_go_says_and_hears_nothing_also_where_nobody_decides_about_access() {
    for_each_broker(|startup| {
        if !startup.tree().is_2_1() {
            return;
        }
        let dir = startup.dir().to_owned();
        certificates(&dir, &["ann", "bob"]);
        let mut accounts = database(&dir.join("db"), &NAMES.map(|name| account(name, "pw")));
        let bound = Change {
            client_id: Some(Some("hers".into())),
            ..Change::default()
        };
        let keys = ["ann", "bob"].map(|name| psk(name, name, KEY));
        super::accounts::change(&mut accounts, &keys);
        super::accounts::change(&mut accounts, &[set("ann", bound)]);
        let listeners = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\n\
                         certfile {dir}/localhost.crt\nkeyfile {dir}/localhost.key\n\
                         require_certificate true\nuse_identity_as_username true\n\
                         listener {port3} 127.0.0.1\npsk_hint here\nuse_identity_as_username true\n";
        let options = ["database {dir}/db", "psk true", "log_logins all"];
        let broker = startup.start(&(conf(&options) + listeners));
        let mut root = v5(&broker, "root");
        root.publish_retained("kept", "k");
        assert_eq!(root.subscribe("said", 0), 0);
        let by_certificate = |who: &str| Stream::tls(broker.nth_port(2), &files(&dir, who));
        let by_key = |who: &str| Stream::psk(broker.nth_port(3), who, KEY);
        let is_kept = |event: &Event| matches!(event, Event::Publish { .. });
        for (way, door) in [
            ("certificate", &by_certificate as &dyn Fn(&str) -> Stream),
            ("PSK", &by_key),
        ] {
            for id in ["first", "second"] {
                let events = all_at_once(door("ann"), id);
                assert!(!events.iter().any(is_kept), "{way}: {events:?}");
                let told = format!("username=\"ann\" client_id=\"{id}\" method={way}");
                broker.wait_for_log(&told, PATIENCE);
                assert!(heard(&mut root).is_empty(), "{way}");
                let events = all_at_once(door("bob"), id);
                assert!(events.iter().any(is_kept), "{way}: {events:?}");
                assert_eq!(heard(&mut root), [id], "{way}");
            }
        }
        let refused = "refused reason=wrong_client_id";
        assert_eq!(broker.log().matches(refused).count(), 4);
    });
}
