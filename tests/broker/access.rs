//! `acl_file`: who may publish and read what. Beside each allow stands a deny.
//!
//! Only `acl_file` is given, so the broker lets everybody in, under whatever name.

use std::fs;
use std::time::Duration;

use super::accounts::line;
use super::conf::conf;
use super::roles::heard;
use crate::support::{
    Broker, Client, Connect, Event, PATIENCE, Protocol, Startup, eventually, for_each_broker,
};

const SECOND: Duration = Duration::from_secs(1);

const RULES: &str = "\
topic read public/#
user ann
topic write to/#
topic read from/#
topic readwrite both
topic deny both/not
user bob
topic readwrite #
topic read $SYS/#
topic deny secret
pattern readwrite own/%u/%c
";

fn started(startup: Startup, rules: &str, options: &[&str]) -> Broker {
    let options = [&["acl_file {dir}/acl"], options].concat();
    startup
        .file("acl", rules)
        .start(&(conf(&options) + "allow_anonymous true\n"))
}

fn named(protocol: Protocol, username: &str) -> Connect {
    Connect::new(protocol).username(username)
}

fn as_user(broker: &Broker, username: &str) -> Client {
    named(Protocol::V311, username)
        .client_id(username)
        .accepted(broker.port())
}

fn rewrite(broker: &Broker, rules: &str) {
    fs::write(broker.dir().join("acl"), rules).unwrap();
}

#[test]
fn what_may_be_published_arrives_and_nothing_else() {
    for_each_broker(|startup| {
        let broker = started(startup, RULES, &[]);
        let mut bob = as_user(&broker, "bob");
        bob.subscribe("#", 0);
        for protocol in Protocol::ALL {
            let mut ann = named(protocol, "ann").accepted(broker.port());
            // MQTT 5 clients are told.
            let refused = Event::Puback(if protocol == Protocol::V5 { 0x87 } else { 0 });
            for (topic, reply) in [
                ("to/a", &Event::Puback(0)),
                ("from/a", &refused),
                ("elsewhere", &refused),
                ("both", &Event::Puback(0)),
                ("both/not", &refused),
                ("own/bob/c", &refused),
            ] {
                ann.publish(topic, format!("{topic} 0"));
                let answer = ann.publish_acknowledged(topic, format!("{topic} 1"));
                let accepted = |event: &Event| matches!(event, Event::Puback(0 | 0x10));
                assert_eq!(accepted(&answer), accepted(reply), "{topic} {answer:?}");
                let answer = ann.publish_exactly_once(topic, format!("{topic} 2"));
                assert_eq!(accepted(&answer), accepted(reply), "{topic} {answer:?}");
            }
            assert!(ann.is_connected());
            let allowed = ["to/a 0", "to/a 1", "to/a 2", "both 0", "both 1", "both 2"];
            assert_eq!(heard(&mut bob), allowed, "{protocol:?}");
        }
    });
}

#[test]
fn what_may_be_read_is_delivered_and_nothing_else() {
    for_each_broker(|startup| {
        let broker = started(startup, RULES, &[]);
        let mut bob = as_user(&broker, "bob");
        for protocol in Protocol::ALL {
            let mut ann = named(protocol, "ann").accepted(broker.port());
            let mut anonymous = Connect::new(protocol).accepted(broker.port());
            for client in [&mut ann, &mut anonymous] {
                // As Mosquitto: every subscription is granted.
                assert_eq!(client.subscribe("#", 1), 1);
            }
            for topic in ["to/a", "from/a", "public/a", "both", "both/not", "secret"] {
                bob.publish_acknowledged(topic, topic);
            }
            assert_eq!(heard(&mut ann), ["from/a", "both"], "{protocol:?}");
            assert_eq!(heard(&mut anonymous), ["public/a"], "{protocol:?}");
        }
    });
}

#[test]
fn kept_messages_are_judged_for_whoever_subscribes() {
    for_each_broker(|startup| {
        let broker = started(startup, RULES, &[]);
        let mut bob = as_user(&broker, "bob");
        for topic in ["from/kept", "to/kept", "public/kept"] {
            bob.publish_retained(topic, topic);
        }
        bob.publish_retained("secret", "never kept");
        let mut ann = as_user(&broker, "ann");
        ann.publish_retained("from/kept", "not hers to replace");
        ann.subscribe("#", 0);
        assert_eq!(heard(&mut ann), ["from/kept"]);
        let mut anonymous = Connect::new(Protocol::V311).accepted(broker.port());
        anonymous.subscribe("#", 0);
        assert_eq!(heard(&mut anonymous), ["public/kept"]);
        rewrite(&broker, &RULES.replace("topic deny secret\n", ""));
        broker.wait_for_log("now 8 rules", PATIENCE);
        let mut late = as_user(&broker, "bob");
        late.subscribe("secret", 0);
        assert!(heard(&mut late).is_empty());
    });
}

#[test]
fn a_will_is_judged_as_its_client_is() {
    for_each_broker(|startup| {
        let broker = started(startup, RULES, &[]);
        let mut bob = as_user(&broker, "bob");
        bob.subscribe("#", 0);
        for protocol in Protocol::ALL {
            let mortal = |topic: &str| {
                let connect = named(protocol, "ann").will(topic, topic);
                connect.accepted(broker.port()).vanish();
            };
            mortal("from/will");
            mortal("to/will");
            let first = bob.receive(PATIENCE);
            assert!(
                matches!(&first, Event::Publish { topic, .. } if topic == "to/will"),
                "{first:?}"
            );
        }
        // Of each there would be one by now: the broker has gone round since.
        assert!(heard(&mut bob).is_empty());
    });
}

#[test]
fn names_in_patterns_are_whole_levels_and_nothing_more() {
    for_each_broker(|startup| {
        let rules = "pattern readwrite own/%u/%c\nuser bob\ntopic readwrite #\n";
        let broker = started(startup, rules, &[]);
        let mut bob = as_user(&broker, "bob");
        bob.subscribe("own/#", 0);
        for (username, id, topic, arrives) in [
            ("ann", "c1", "own/ann/c1", true),
            ("ann", "c1", "own/ann/c2", false),
            ("ann", "c1", "own/bob/c1", false),
            ("+", "c1", "own/ann/c1", false),
            ("+", "c1", "own/+x/c1", false),
            ("#", "c1", "own/ann/c1", false),
            ("ann", "+", "own/ann/c1", false),
            ("ann", "#", "own/ann/c1", false),
            ("ann/c1", "c2", "own/ann/c1", false),
            ("ann/c1", "c2", "own/ann/c1/c2", false),
            ("%u", "c1", "own/ann/c1", false),
            ("%u", "c1", "own/%u/c1", true),
        ] {
            let connect = named(Protocol::V311, username).client_id(id);
            let mut client = connect.accepted(broker.port());
            client.subscribe("own/#", 0);
            if !topic.contains('+') {
                client.publish_acknowledged(topic, "x");
            }
            let heard_by_bob = heard(&mut bob).len();
            assert_eq!(
                heard_by_bob,
                usize::from(arrives),
                "{username} {id} {topic}"
            );
            // And the same for what is sent to it.
            bob.publish_acknowledged(&topic.replace('+', "a"), "y");
            heard(&mut bob);
            let read = heard(&mut client).iter().any(|payload| payload == "y");
            assert_eq!(read, arrives, "{username} {id} {topic}");
        }
    });
}

#[test]
fn topics_of_the_broker_need_rules_that_name_them() {
    for_each_broker(|startup| {
        let broker = started(startup, RULES, &[]);
        let (mut ann, mut bob) = (as_user(&broker, "ann"), as_user(&broker, "bob"));
        ann.subscribe("$SYS/broker/version", 0);
        bob.subscribe("$SYS/broker/version", 0);
        assert!(matches!(bob.receive(PATIENCE), Event::Publish { .. }));
        assert!(heard(&mut ann).is_empty());
        // `#` is not about $CONTROL either.
        let mut bob = named(Protocol::V5, "bob").accepted(broker.port());
        let reply = bob.publish_acknowledged("$CONTROL/anything/v1", "{}");
        assert_eq!(reply, Event::Puback(0x87));
    });
}

#[test]
fn a_shared_subscription_is_judged_by_its_filter() {
    for_each_broker(|startup| {
        let broker = started(startup, RULES, &["acl_subscribe enforce"]);
        let mut bob = as_user(&broker, "bob");
        let mut ann = named(Protocol::V5, "ann").accepted(broker.port());
        assert_eq!(ann.subscribe("$share/g/from/#", 0), 0);
        assert_eq!(ann.subscribe("$share/g/to/#", 0), 0x87);
        bob.publish_acknowledged("from/a", "shared");
        bob.publish_acknowledged("to/a", "not shared");
        assert_eq!(heard(&mut ann), ["shared"]);
    });
}

#[test]
fn subscriptions_are_granted_or_enforced() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        let enforcing = started(startup, RULES, &["acl_subscribe enforce"]);
        let granting = started(Broker::of(&tree), RULES, &[]);
        for protocol in [Protocol::V311, Protocol::V5] {
            let refused = if protocol == Protocol::V5 { 0x87 } else { 0x80 };
            let connect = |broker: &Broker| named(protocol, "ann").accepted(broker.port());
            let (mut enforced, mut granted) = (connect(&enforcing), connect(&granting));
            for (filter, answer) in [
                ("from/#", 1),
                ("from/+/x", 1),
                ("both", 1),
                ("#", refused),
                ("both/+", refused),
                ("to/a", refused),
                ("public/#", refused),
            ] {
                assert_eq!(enforced.subscribe(filter, 1), answer, "{filter}");
                assert_eq!(granted.subscribe(filter, 1), 1, "{filter}");
                // Whatever was granted can be given up.
                assert!(matches!(enforced.unsubscribe(filter), Event::Unsuback(_)));
            }
            assert!(enforced.is_connected());
        }
    });
}

#[test]
fn a_change_reaches_living_subscriptions_within_a_second() {
    for_each_broker(|startup| {
        let broker = started(
            startup,
            "user ann\ntopic read a\nuser bob\ntopic write #\n",
            &[],
        );
        let (mut ann, mut bob) = (as_user(&broker, "ann"), as_user(&broker, "bob"));
        ann.subscribe("#", 0);
        let mut arriving = |expected: &[&str]| {
            eventually(SECOND, || {
                for topic in ["a", "b"] {
                    bob.publish_acknowledged(topic, topic);
                }
                heard(&mut ann) == expected
            })
        };
        assert!(arriving(&["a"]));
        rewrite(&broker, "user ann\ntopic read b\nuser bob\ntopic write #\n");
        assert!(arriving(&["b"]), "without a signal");
        // Replaced under its name, as editors do, and then gone: the last rules stay.
        let path = broker.dir().join("acl");
        fs::write(
            path.with_extension("new"),
            "user ann\ntopic read #\nuser bob\ntopic write a\n",
        )
        .unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
        assert!(arriving(&["a"]));
        fs::remove_file(&path).unwrap();
        broker.wait_for_log("the last good state stays in force", PATIENCE);
        assert!(arriving(&["a"]));
        rewrite(&broker, "");
        assert!(arriving(&[]), "an empty file allows nothing");
        broker.wait_for_log("nobody may publish or read", PATIENCE);
        assert!(ann.is_connected() && bob.is_connected());
    });
}

#[test]
fn a_topic_that_is_published_all_the_time_is_judged_by_the_rules_of_the_moment() {
    for_each_broker(|startup| {
        let writes = "user bob\ntopic write a\n";
        let reads = "user ann\ntopic read a\n";
        let broker = started(startup, &format!("{reads}{writes}"), &[]);
        let mut bob = as_user(&broker, "bob");
        let mut readers: Vec<Client> = ["ann", "ann", "eve"]
            .iter()
            .zip(1..)
            .map(|(name, number)| {
                let connect = named(Protocol::V311, name).client_id(format!("{name} {number}"));
                let mut reader = connect.accepted(broker.port());
                reader.subscribe("a", 0);
                reader
            })
            .collect();
        // The same topic, and no other: each time it is sent, to everybody.
        let mut arriving = |expected: [usize; 3]| {
            eventually(SECOND, || {
                for _ in 0..2 {
                    bob.publish_acknowledged("a", "x");
                }
                let counts = readers.iter_mut().map(|reader| heard(reader).len());
                counts.collect::<Vec<_>>() == expected
            })
        };
        for _ in 0..2 {
            assert!(arriving([2, 2, 0]));
            rewrite(&broker, &format!("user eve\ntopic read a\n{writes}"));
            assert!(arriving([0, 0, 2]));
            rewrite(&broker, reads);
            assert!(arriving([0, 0, 0]), "bob may not send it");
            rewrite(&broker, &format!("pattern read a\n{writes}"));
            assert!(arriving([2, 2, 2]));
            rewrite(&broker, &format!("{reads}{writes}"));
        }
    });
}

#[test]
fn a_bad_line_at_a_reload_leaves_the_last_good_rules() {
    for_each_broker(|startup| {
        let mut broker = started(startup, RULES, &[]);
        let (mut ann, mut bob) = (as_user(&broker, "ann"), as_user(&broker, "bob"));
        ann.subscribe("#", 0);
        rewrite(&broker, "topic read #\nuser ann\ntopic allow #\n");
        broker.sighup();
        let said = format!(
            "{}/acl:3: the access before a topic",
            broker.dir().display()
        );
        broker.wait_for_log(&said, PATIENCE);
        for _ in 0..3 {
            let mark = broker.log_end();
            broker.sighup();
            broker.wait_for_log_after(mark, "Reloading config.", PATIENCE);
            bob.publish_acknowledged("from/a", "heard");
            bob.publish_acknowledged("to/a", "not heard");
            assert_eq!(heard(&mut ann), ["heard"]);
        }
        assert_eq!(broker.log().matches(&said).count(), 1, "said once");
        rewrite(
            &broker,
            "user ann\ntopic read to/#\nuser bob\ntopic write #\n",
        );
        broker.wait_for_log("can be read again", PATIENCE);
        bob.publish_acknowledged("from/a", "not heard");
        bob.publish_acknowledged("to/a", "heard");
        assert_eq!(heard(&mut ann), ["heard"]);
        assert_eq!(broker.stop().code(), Some(0));
    });
}

#[test]
fn a_bad_or_missing_file_at_the_start_ends_it() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        let refusal = |startup: Startup| startup.start_fails(&conf(&["acl_file {dir}/acl"])).log;
        let log = refusal(startup.file("acl", "topic a\n\nuser\n"));
        assert!(
            log.contains("/acl:3: user is followed by a username"),
            "{log}"
        );
        let log = refusal(Broker::of(&tree).file("acl", b"topic a\ntopic \xff\n"));
        assert!(log.contains("/acl:2: not UTF-8"), "{log}");
        let log = refusal(Broker::of(&tree));
        assert!(log.contains("/acl: No such file"), "{log}");
    });
}

#[test]
fn denials_are_told_from_the_tick_with_their_rule() {
    for_each_broker(|startup| {
        let broker = started(startup, RULES, &["acl_subscribe enforce"]);
        let connect = named(Protocol::V311, "ann").client_id("c\"1");
        let mut ann = connect.accepted(broker.port());
        for n in 0..4 {
            ann.publish_acknowledged(&format!("else/where/{n}"), "x");
        }
        ann.publish_acknowledged("both/not", "x");
        ann.subscribe("public/#", 0);
        ann.publish_acknowledged("to/a", "allowed");
        for line in [
            r#"denied publish rule=none client_id="c\"1" username="ann" topic="else/where/0""#,
            r#"denied publish rule=acl_file:6 client_id="c\"1" username="ann" topic="both/not""#,
            r#"denied subscribe rule=none client_id="c\"1" username="ann" topic="public/#""#,
        ] {
            broker.wait_for_log(line, PATIENCE);
        }
        let log = broker.log();
        assert_eq!(log.matches("topic=\"else/where").count(), 1, "{log}");
        assert!(!log.contains("topic=\"to/a\""), "{log}");
    });
}

/// A log that is published asks who may read each of its lines, in the middle of writing it.
#[test]
fn a_published_log_does_not_come_back_without_end() {
    for_each_broker(|startup| {
        let rules = "user reader\ntopic read $SYS/broker/log/#\nuser other\ntopic write a\n";
        let broker = startup.file("acl", rules).start(
            &(conf(&["acl_file {dir}/acl", "log_logins all"])
                + "allow_anonymous true\nlog_dest topic\nlog_dest stderr\n"),
        );
        let mut reader = as_user(&broker, "reader");
        let mut denied = as_user(&broker, "denied");
        for client in [&mut reader, &mut denied] {
            client.subscribe("$SYS/broker/log/#", 0);
        }
        let mut other = as_user(&broker, "other");
        other.publish_acknowledged("b", "denied");
        broker.wait_for_log("denied publish rule=none", PATIENCE);
        let mut published = Vec::new();
        let told = || {
            published.extend(heard(&mut reader));
            published
                .iter()
                .any(|line| line.contains("denied publish rule=none"))
        };
        assert!(eventually(PATIENCE, told));
        assert!(heard(&mut denied).is_empty());
        assert!(other.is_connected());
        assert!(broker.log().matches("client_id=\"denied\"").count() < 10);
    });
}

#[test]
fn a_kept_session_is_judged_by_todays_rules() {
    for_each_broker(|startup| {
        let before = "user ann\ntopic read old\nuser bob\ntopic write #\n";
        let after = "user ann\ntopic read new\nuser bob\ntopic write #\n";
        let mut broker = startup.file("acl", before).start(
            &(conf(&["acl_file {dir}/acl"])
                + "allow_anonymous true\npersistence true\npersistence_location {dir}/\n"),
        );
        let connect = named(Protocol::V311, "ann").client_id("ann").persistent();
        let mut ann = connect.accepted(broker.port());
        ann.subscribe("#", 1);
        ann.disconnect();
        broker.restart();
        let publish = |broker: &Broker| {
            let mut bob = as_user(broker, "bob");
            bob.publish_acknowledged("old", "old");
            bob.publish_acknowledged("new", "new");
        };
        publish(&broker);
        rewrite(&broker, after);
        let said = format!("{}/acl: now 2 rules", broker.dir().display());
        broker.wait_for_log(&said, PATIENCE);
        publish(&broker);
        // Waiting from before is "old", which may not be read any more.
        let mut ann = connect.accepted(broker.port());
        assert_eq!(heard(&mut ann), ["new"]);
    });
}

/// Whoever takes over a client id has its subscriptions, and reads by his own name.
#[test]
fn a_takeover_reads_by_its_own_name() {
    for_each_broker(|startup| {
        let broker = started(startup, RULES, &[]);
        let connect = |username| {
            let connect = named(Protocol::V311, username).client_id("shared-id");
            connect.persistent().accepted(broker.port())
        };
        let mut publisher = as_user(&broker, "bob");
        let mut ann = connect("ann");
        ann.subscribe("#", 1);
        publisher.publish_acknowledged("from/a", "to ann");
        assert_eq!(heard(&mut ann), ["to ann"]);
        let mut eve = connect("eve");
        publisher.publish_acknowledged("from/a", "not to eve");
        publisher.publish_acknowledged("own/eve/shared-id", "to eve");
        let told = heard(&mut eve);
        assert!(!told.iter().any(|text| text == "not to eve"), "{told:?}");
        assert!(told.iter().any(|text| text == "to eve"), "{told:?}");
    });
}

#[test]
fn accounts_and_rules_are_asked_by_one_plugin_line() {
    for_each_broker(|startup| {
        let broker = startup
            .file("acl", "user ann\ntopic readwrite a\n")
            .file("users", line("ann", "pw"))
            .start(&conf(&["password_file {dir}/users", "acl_file {dir}/acl"]));
        let login = |password| Connect::new(Protocol::V5).credentials("ann", password);
        assert_eq!(
            login("no").answer(broker.port()),
            crate::support::Answer::Refused(135)
        );
        let mut ann = login("pw").accepted(broker.port());
        ann.subscribe("#", 0);
        assert_eq!(ann.publish_acknowledged("b", "b"), Event::Puback(0x87));
        ann.publish_acknowledged("a", "a");
        assert_eq!(heard(&mut ann), ["a"]);
    });
}
