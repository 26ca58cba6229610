//! What reaches a client by way of its roles: wills, kept messages, several subscriptions to the same,
//! the broker's own topics. Beside each allow stands a deny.

use std::time::{Duration, Instant};

use super::accounts::{account, database};
use super::conf::conf;
use super::roles::{NAMES, change, heard, until};
use crate::support::{
    Broker, Client, Connect, Event, PATIENCE, Protocol, Startup, for_each_broker,
};

const ROLES: &str = "
    INSERT INTO role (id, rolename) VALUES (1, 'writer'), (2, 'reader'), (3, 'watcher'), (4, 'heir');
    INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES
        (1, 'publishClientSend', 'open/#', 1), (1, 'publishClientSend', 'will/ann', 1),
        (4, 'publishClientSend', 'will/witness', 1),
        (2, 'subscribePattern', '#', 1), (2, 'publishClientReceive', '#', 1),
        (3, 'subscribePattern', '$SYS/#', 1), (3, 'publishClientReceive', '$SYS/broker/version', 1);
    INSERT INTO role_acl (role_id, acltype, topic, allow, priority) VALUES
        (2, 'publishClientReceive', 'open/secret', 0, 1);
    UPDATE policy SET publish_client_receive = 0;
    INSERT INTO account_role (account_id, role_id)
        SELECT account.id, role.id FROM account, role
        WHERE (username, rolename) IN
            (('ann', 'writer'), ('bob', 'reader'), ('root', 'watcher'), ('nobody', 'heir'));
";

fn started(startup: Startup) -> Broker {
    started_with(startup, "")
}

/// The same, with lines in front.
fn started_with(startup: Startup, lines: &str) -> Broker {
    drop(database(
        &startup.dir().join("db"),
        &NAMES.map(|name| account(name, "pw")),
    ));
    change(startup.dir(), ROLES);
    let plugin = conf(&["database {dir}/db", "database_roles true"]);
    startup.start(&(lines.to_owned() + &plugin))
}

fn named(protocol: Protocol, name: &str) -> Connect {
    Connect::new(protocol)
        .credentials(name, "pw")
        .client_id(name)
}

fn reader(broker: &Broker, filters: &[&str]) -> Client {
    let mut bob = named(Protocol::V5, "bob").accepted(broker.port());
    for filter in filters {
        assert_eq!(bob.subscribe(filter, 0), 0, "{filter}");
    }
    bob
}

#[test]
fn a_will_is_sent_if_its_client_might_have_sent_it() {
    for_each_broker(|startup| {
        let broker = started(startup);
        let mut bob = reader(&broker, &["#"]);
        for protocol in Protocol::ALL {
            for (topic, expected) in [("will/ann", vec!["gone"]), ("will/bob", vec![])] {
                let connect = named(protocol, "ann").will(topic, "gone");
                connect.accepted(broker.port()).vanish();
                // The next login comes behind the will of the one before.
                let mut ann = named(protocol, "ann").accepted(broker.port());
                ann.publish_acknowledged("open/end", "end");
                let mut all = Vec::new();
                until("the message behind it is there", || {
                    all.extend(heard(&mut bob));
                    all.last().is_some_and(|last| last == "end")
                });
                all.pop();
                assert_eq!(all, expected, "{protocol:?} {topic}");
            }
        }
    });
}

/// Has a client vanish that does not come back in time, with a will that says who it was.
fn vanishes(broker: &Broker, account: &str, client_id: &str, seconds: u32) {
    let connect = named(Protocol::V5, account).client_id(client_id);
    let will = format!("will/{client_id}");
    let connect = connect.persistent().will(will, client_id);
    let connect = connect.delayed_by(seconds);
    connect.accepted(broker.port()).vanish();
    broker.wait_for_log(&format!("Client {client_id} "), PATIENCE);
}

/// A will that waits is judged when its time has come. Mosquitto 2.0.21 loses those of listeners with
/// settings of their own, whoever is asked about them.
#[test]
fn a_delayed_will_is_sent_if_its_client_might_send_it_then() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        for lines in ["", "per_listener_settings true\n"] {
            if tree.version() == "2.0.21" && !lines.is_empty() {
                continue;
            }
            let broker = started_with(Broker::of(&tree), lines);
            let mut bob = reader(&broker, &["#"]);
            let mut hears = |expected: &[&str]| {
                let mut all: Vec<String> = Vec::new();
                while all.last().is_none_or(|last| last != "witness") {
                    match bob.receive(PATIENCE) {
                        Event::Publish { payload, .. } => {
                            all.push(String::from_utf8(payload).unwrap());
                        }
                        other => panic!("{other:?} after {all:?}"),
                    }
                }
                assert_eq!(all, expected, "{lines}");
            };
            let began = Instant::now();
            vanishes(&broker, "ann", "other", 2);
            vanishes(&broker, "ann", "ann", 2);
            vanishes(&broker, "nobody", "witness", 3);
            hears(&["ann", "witness"]);
            assert!(began.elapsed() >= Duration::from_secs(2));
            // What could be sent at CONNECT, and cannot any more when its time has come.
            vanishes(&broker, "ann", "ann", 5);
            change(
                broker.dir(),
                "UPDATE role_acl SET allow = 0 WHERE topic = 'will/ann'",
            );
            vanishes(&broker, "nobody", "witness", 6);
            hears(&["witness"]);
            // Where there is no tick, a line waits for the next login.
            let denied =
                "denied publish rule=\"writer\":publishClientSend:\"will/ann\" client_id=\"ann\"";
            until("the denial is told", || {
                named(Protocol::V5, "root").accepted(broker.port());
                broker.log().contains(denied)
            });
        }
    });
}

#[test]
fn kept_messages_and_several_subscriptions_are_judged_one_by_one() {
    for_each_broker(|startup| {
        let broker = started(startup);
        let mut ann = named(Protocol::V5, "ann").accepted(broker.port());
        for topic in ["open/a", "open/secret", "shut/a"] {
            let answer = ann.publish_retained(topic, topic);
            let allowed = topic != "shut/a";
            assert_eq!(
                matches!(answer, Event::Puback(0 | 0x10)),
                allowed,
                "{topic}"
            );
        }
        let mut bob = reader(&broker, &["open/+", "open/#", "#"]);
        let mut kept = heard(&mut bob);
        kept.dedup();
        assert_eq!(kept, ["open/a"]);
        ann.publish_acknowledged("open/b", "once for each");
        ann.publish_acknowledged("open/secret", "never");
        let copies = heard(&mut bob);
        assert_eq!(copies, ["once for each"; 3]);
    });
}

#[test]
fn what_begins_with_a_dollar_needs_a_rule_that_says_so() {
    for_each_broker(|startup| {
        let broker = started(startup);
        let mut bob = named(Protocol::V5, "bob").accepted(broker.port());
        assert_eq!(bob.subscribe("$SYS/#", 0), 0x87);
        assert_eq!(bob.subscribe("$SYS/broker/version", 0), 0x87);
        let mut root = named(Protocol::V5, "root").accepted(broker.port());
        assert_eq!(root.subscribe("$SYS/#", 0), 0);
        assert_eq!(root.subscribe("#", 0), 0x87);
        let version = format!("mosquitto version {}", broker.tree().version());
        assert_eq!(heard(&mut root), [version]);
    });
}

/// Conditions hold for what is read, too: each reader is sent what its own rule lets through.
#[test]
fn what_is_sent_to_a_reader_meets_the_conditions_of_its_rule() {
    for_each_broker(|startup| {
        let broker = started(startup);
        change(
            broker.dir(),
            "DELETE FROM role_acl WHERE role_id = 2 AND acltype = 'publishClientReceive';
             INSERT INTO role_acl (role_id, acltype, topic, allow, max_payload)
                 VALUES (2, 'publishClientReceive', 'open/small', 1, 4);
             INSERT INTO role_acl (role_id, acltype, topic, allow, retain)
                 VALUES (2, 'publishClientReceive', 'open/new', 1, 0);
             INSERT INTO role_acl (role_id, acltype, topic, allow, max_qos)
                 VALUES (2, 'publishClientReceive', 'open/quick', 1, 0)",
        );
        let mut ann = named(Protocol::V5, "ann").accepted(broker.port());
        let sends = |ann: &mut Client| {
            for (topic, payload) in [
                ("open/small", "four"),
                ("open/small", "fives"),
                ("open/quick", "acknowledged"),
                ("open/new", "new"),
                ("open/other", "no rule"),
            ] {
                ann.publish_acknowledged(topic, payload);
            }
            ann.publish("open/quick", "at most once");
            ann.publish_retained("open/new", "kept");
        };
        until("the rules are in force", || {
            let mut bob = named(Protocol::V5, "bob").accepted(broker.port());
            bob.subscribe("open/#", 1) == 1 && {
                sends(&mut ann);
                assert!(ann.is_connected());
                // If they come in force just now, it ends him.
                bob.is_connected() && {
                    let mut all = heard(&mut bob);
                    all.sort();
                    all == ["at most once", "four", "new"]
                }
            }
        });
    });
}

/// With QoS 2 a message is judged once, when it comes, and again for whoever is sent it.
#[test]
fn what_is_sent_exactly_once_is_judged_as_the_rest_is() {
    for_each_broker(|startup| {
        let broker = started(startup);
        change(
            broker.dir(),
            "INSERT INTO role_acl (role_id, acltype, topic, allow, max_qos)
                 VALUES (1, 'publishClientSend', 'twice', 1, 1)",
        );
        for protocol in Protocol::ALL {
            let connect = named(protocol, "bob").client_id(format!("{protocol:?}"));
            let mut bob = connect.accepted(broker.port());
            assert_eq!(bob.subscribe("#", 2), 2);
            let mut ann = named(protocol, "ann").accepted(broker.port());
            until("the rule is in force", || {
                ann.publish_acknowledged("twice", "QoS 1");
                heard(&mut bob) == ["QoS 1"]
            });
            for (topic, allowed) in [
                ("open/a", true),
                ("open/secret", true),
                ("shut/a", false),
                ("twice", false),
            ] {
                // MQTT 5 clients are told.
                let denied = !allowed && protocol == Protocol::V5;
                let answer = ann.publish_exactly_once(topic, topic);
                let is_denied = answer == Event::Puback(0x87);
                assert_eq!(is_denied, denied, "{protocol:?} {topic} {answer:?}");
            }
            assert!(ann.is_connected());
            assert_eq!(heard(&mut bob), ["open/a"], "{protocol:?}");
        }
    });
}
