//! What lies at the edges of access control: a plugin without rules, topics that the broker changes, readers who
//! are denied, bridges, listeners with files of their own. Beside each allow stands a deny.

use super::accounts::line;
use super::conf::conf;
use super::roles::{heard, may_publish, until};
use crate::support::{
    Broker, Client, Connect, Event, PATIENCE, Protocol, for_each_broker, plugin_conf,
};

fn named(broker: &Broker, name: &str) -> Client {
    let connect = Connect::new(Protocol::V5).credentials(name, "pw");
    connect.client_id(name).accepted(broker.port())
}

/// A plugin that is asked about access and leaves it to others denies it.
#[test]
fn where_nobody_is_asked_who_may_do_what_everything_is_delivered() {
    for_each_broker(|startup| {
        let startup = startup.file(
            "users",
            format!("{}\n{}\n", line("ann", "pw"), line("bob", "pw")),
        );
        let broker = startup.start(&conf(&["password_file {dir}/users"]));
        let [mut ann, mut bob] = ["ann", "bob"].map(|name| named(&broker, name));
        assert_eq!(bob.subscribe("#", 1), 1);
        assert!(may_publish(&mut ann, "a/b") && may_publish(&mut bob, "c"));
        assert_eq!(heard(&mut bob), ["a/b", "c"]);
        // With rules that do not speak of it, it is not.
        let other = Broker::of(broker.tree());
        let users = format!("{}\n", line("ann", "pw"));
        let other = other
            .file("users", users)
            .file("acl", "user bob\ntopic a/b\n");
        let other = other.start(&conf(&["password_file {dir}/users", "acl_file {dir}/acl"]));
        assert!(!may_publish(&mut named(&other, "ann"), "a/b"));
    });
}

#[test]
fn rules_are_about_topics_as_the_listener_mounts_them() {
    for_each_broker(|startup| {
        let startup = startup.file("acl", "topic readwrite site/a\ntopic readwrite b\n");
        let listener = "listener {port} 127.0.0.1\nmount_point site/\n".to_owned();
        let plugin = plugin_conf(&["acl_file {dir}/acl", "acl_subscribe enforce"]);
        let broker = startup.start(&(listener + &plugin + "allow_anonymous true\n"));
        let mut client = Connect::new(Protocol::V5).accepted(broker.port());
        for (topic, allowed) in [("a", true), ("b", false), ("site/a", false)] {
            let granted = if allowed { 1 } else { 0x87 };
            assert_eq!(client.subscribe(topic, 1), granted, "{topic}");
            assert_eq!(may_publish(&mut client, topic), allowed, "{topic}");
        }
        assert_eq!(heard(&mut client), ["a"]);
    });
}

/// As Mosquitto grants each subscription, and judges what it brings.
#[test]
fn a_shared_subscription_is_granted_and_brings_what_may_be_read() {
    for_each_broker(|startup| {
        let rules = "user ann\ntopic read from/#\nuser bob\ntopic write #\n";
        let startup = startup.file("acl", rules);
        let broker = startup.start(&(conf(&["acl_file {dir}/acl"]) + "allow_anonymous true\n"));
        let mut bob = named(&broker, "bob");
        let mut ann = named(&broker, "ann");
        for filter in ["from/#", "to/#", "#"] {
            let shared = format!("$share/group/{filter}");
            assert_eq!(ann.subscribe(&shared, 1), 1, "{filter}");
            for topic in ["from/a", "to/a", "elsewhere"] {
                assert!(may_publish(&mut bob, topic));
            }
            let brought = if filter == "to/#" {
                vec![]
            } else {
                vec!["from/a"]
            };
            assert_eq!(heard(&mut ann), brought, "{filter}");
            assert_eq!(ann.unsubscribe(&shared), Event::Unsuback(Some(0)));
        }
        assert!(!may_publish(&mut ann, "from/a"));
    });
}

/// With settings for each listener each has its own plugin and its own file; one without is open.
#[test]
fn the_clients_of_a_listener_are_judged_by_its_own_file() {
    for_each_broker(|startup| {
        let startup = startup
            .file("one", "user ann\ntopic write a\ntopic read b\n")
            .file("two", "user ann\ntopic write b\ntopic read a\n");
        let listener =
            |port: &str| format!("listener {{{port}}} 127.0.0.1\nallow_anonymous true\n");
        let plugin = |file: &str| plugin_conf(&[&format!("acl_file {{dir}}/{file}")]);
        let lines = [
            "per_listener_settings true\n".to_owned(),
            listener("port") + &plugin("one"),
            listener("port2") + &plugin("two"),
            listener("port3"),
        ];
        let broker = startup.start(&lines.concat());
        let [mut one, mut two, mut open] = [1, 2, 3].map(|number| {
            let connect = Connect::new(Protocol::V5).username("ann");
            let connect = connect.client_id(format!("at {number}"));
            let mut client = connect.accepted(broker.nth_port(number));
            assert_eq!(client.subscribe("#", 1), 1);
            client
        });
        for (client, number, writes) in [
            (&mut one, 1, [true, false, false]),
            (&mut two, 2, [false, true, false]),
            (&mut open, 3, [true, true, true]),
        ] {
            for (topic, allowed) in ["a", "b", "c"].into_iter().zip(writes) {
                assert_eq!(may_publish(client, topic), allowed, "{number} {topic}");
            }
        }
        assert_eq!(heard(&mut one), ["b", "b"]);
        assert_eq!(heard(&mut two), ["a", "a"]);
        assert_eq!(heard(&mut open), ["a", "b", "a", "b", "c"]);
        // A change of one file is none of the other.
        std::fs::write(broker.dir().join("one"), "user ann\ntopic write c\n").unwrap();
        until("the file is in force", || may_publish(&mut one, "c"));
        assert!(!may_publish(&mut one, "a") && !may_publish(&mut two, "c"));
        assert!(may_publish(&mut two, "b") && heard(&mut one).is_empty());
    });
}

/// A reader who is sent nothing is told of where everything is told.
#[test]
fn what_a_reader_is_not_sent_is_told_at_debug_only() {
    for lines in ["log_type all\n", "log_type notice\nlog_type information\n"] {
        for_each_broker(|startup| {
            let rules = "user ann\ntopic readwrite a/#\nuser bob\ntopic read a/b\n";
            let startup = startup.file("acl", rules);
            let conf = lines.to_owned() + &conf(&["acl_file {dir}/acl"]);
            let broker = startup.start(&(conf + "allow_anonymous true\n"));
            let [mut ann, mut bob] = ["ann", "bob"].map(|name| {
                let connect = Connect::new(Protocol::V5).username(name);
                connect.client_id(name).accepted(broker.port())
            });
            assert_eq!(bob.subscribe("#", 1), 1);
            for topic in ["a/c", "a/b"] {
                assert!(may_publish(&mut ann, topic));
            }
            assert_eq!(heard(&mut bob), ["a/b"]);
            // Told with it, so what is not told by then is not told.
            assert!(!may_publish(&mut bob, "a/b"));
            broker.wait_for_log("denied publish rule=none client_id=\"bob\"", PATIENCE);
            let told = "denied receive rule=none client_id=\"bob\" username=\"bob\" topic=\"a/c\"";
            if !lines.contains("all") {
                assert!(!broker.log().contains("denied receive"), "{}", broker.log());
            } else {
                broker.wait_for_log(told, PATIENCE);
            }
        });
    }
}

/// A bridge that fetches is a reader of the broker it connects to; that it is there is told to whoever may hear.
#[test]
fn a_bridge_reads_and_tells_by_the_rules_of_the_file_it_meets() {
    for_each_broker(|startup| {
        let there = startup.file(
            "acl",
            "user bridge\ntopic read out/#\ntopic write $SYS/broker/connection/+/state\n\
             user watcher\ntopic read $SYS/broker/connection/#\ntopic readwrite #\n\
             user mute\ntopic read out/#\n",
        );
        let there = there.start(&(conf(&["acl_file {dir}/acl"]) + "allow_anonymous true\n"));
        let mut watcher = Connect::new(Protocol::V5)
            .username("watcher")
            .accepted(there.port());
        assert_eq!(watcher.subscribe("$SYS/broker/connection/#", 0), 0);
        let bridge = |name: &str| {
            format!(
                "connection {name}\naddress 127.0.0.1:{}\nremote_username {name}\n\
                 remote_clientid of-{name}\ntry_private false\nnotifications true\n\
                 bridge_protocol_version mqttv311\nrestart_timeout 1\ntopic # in 1\n",
                there.port()
            )
        };
        let here = Broker::of(there.tree());
        let bridges = bridge("bridge") + &bridge("mute");
        let open = "listener {port} 127.0.0.1\nallow_anonymous true\n".to_owned();
        let here = here.start(&(open + &bridges));
        let mut reader = Connect::new(Protocol::V5).accepted(here.port());
        assert_eq!(reader.subscribe("#", 1), 1);
        until("the bridge carries", || {
            for topic in ["not", "out/a"] {
                assert!(may_publish(&mut watcher, topic));
            }
            let heard = heard(&mut reader);
            assert!(heard.iter().all(|topic| topic == "out/a"), "{heard:?}");
            !heard.is_empty()
        });
        let mut states = Vec::new();
        until("that it is there is told", || {
            states.extend(watcher.received());
            states
                .iter()
                .any(|(topic, _)| topic.ends_with("bridge/state"))
        });
        assert!(
            states
                .iter()
                .all(|(topic, _)| !topic.ends_with("mute/state")),
            "{states:?}"
        );
    });
}
