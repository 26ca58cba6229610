//! Published weaknesses of Mosquitto's access control, tried where doorman decides. Beside each denial stands
//! somebody who may.

use super::accounts::{account, database};
use super::conf::conf;
use super::roles::{NAMES, ROLES, change, heard, may_publish, until, v5};
use crate::support::{Connect, Event, PATIENCE, Protocol, for_each_broker};

/// CVE-2018-12546: what somebody had published to be kept was sent on when it might not publish it any more.
#[test]
fn what_is_kept_of_somebody_who_may_not_publish_it_any_more_is_sent_to_nobody() {
    for_each_broker(|startup| {
        drop(database(
            &startup.dir().join("db"),
            &NAMES.map(|name| account(name, "pw")),
        ));
        change(startup.dir(), ROLES);
        let plugin = conf(&["database {dir}/db", "database_roles true"]);
        let broker = startup.start(&("check_retain_source true\n".to_owned() + &plugin));
        for (name, topic) in [("ann", "to/ann/kept"), ("root", "to/kept")] {
            let mut publisher = v5(&broker, name);
            let answer = publisher.publish_retained(topic, topic);
            assert!(matches!(answer, Event::Puback(0 | 0x10)), "{answer:?}");
            publisher.disconnect();
        }
        let kept = || {
            let mut reader = v5(&broker, "bob");
            assert_eq!(reader.subscribe("to/#", 1), 1);
            let mut kept = heard(&mut reader);
            kept.sort();
            kept
        };
        assert_eq!(kept(), ["to/ann/kept", "to/kept"]);
        change(broker.dir(), "DELETE FROM role_acl WHERE role_id = 1");
        until("ann's right is gone", || {
            !may_publish(&mut v5(&broker, "ann"), "to/ann/a")
        });
        assert_eq!(kept(), ["to/kept"]);
    });
}

/// CVE-2018-12550: a file without any rule was taken for no file, and everything was allowed.
#[test]
fn a_broker_that_is_started_with_a_file_without_rules_allows_nothing() {
    for file in ["", "# topic readwrite #\n\n#user ann\n"] {
        for_each_broker(|startup| {
            let startup = startup.file("acl", file);
            let options = ["acl_file {dir}/acl", "acl_subscribe enforce"];
            let broker = startup.start(&(conf(&options) + "allow_anonymous true\n"));
            for name in [None, Some("ann")] {
                let connect = || match name {
                    Some(name) => Connect::new(Protocol::V5).username(name),
                    None => Connect::new(Protocol::V5),
                };
                let mut client = connect().accepted(broker.port());
                assert_eq!(client.subscribe("a/#", 1), 0x87, "{file:?}");
                assert!(!may_publish(&mut client, "a/b"), "{file:?}");
                let kept = client.publish_retained("a/b", "a/b");
                assert_eq!(kept, Event::Puback(0x87), "{file:?}");
            }
            // The same broker with a rule: it is the file that denied.
            std::fs::write(broker.dir().join("acl"), "topic readwrite a/#\n").unwrap();
            until("the rule counts", || {
                let mut client = Connect::new(Protocol::V5).accepted(broker.port());
                client.subscribe("a/#", 1) == 1 && may_publish(&mut client, "a/b")
            });
            broker.wait_for_log("denied subscribe", PATIENCE);
        });
    }
}
