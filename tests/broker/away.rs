//! Who is away while it loses a right, and has a session that waits: what it has subscribed to ends with
//! the right to. Beside each, somebody who keeps its right.

use super::accounts::{account, database};
use super::conf::conf;
use super::roles::{NAMES, ROLES, change, heard, may_publish, v5};
use crate::support::{Broker, Client, Connect, PATIENCE, Protocol, Startup, for_each_broker};

/// As many as an account is not expected to have.
const DEVICES: usize = 17;

/// The right that goes: what may be read stays as it is.
const REVOKE: &str =
    "DELETE FROM role_acl WHERE role_id = 2 AND acltype = 'subscribePattern' AND topic = 'to/#'";

fn started(startup: Startup) -> Broker {
    let accounts = NAMES.map(|name| account(name, "pw"));
    drop(database(&startup.dir().join("db"), &accounts));
    change(startup.dir(), ROLES);
    // Clients without a username read, too, and may read something else besides.
    change(
        startup.dir(),
        "INSERT INTO account_group (id, groupname) VALUES (1, 'anybody');
         INSERT INTO group_role (group_id, role_id) VALUES (1, 2);
         UPDATE policy SET anonymous_group_id = 1;
         INSERT INTO role_acl (role_id, acltype, topic, allow)
             VALUES (2, 'subscribeLiteral', 'left/+', 1), (2, 'subscribeLiteral', 'left/+/#', 1)",
    );
    let options = ["database {dir}/db", "database_roles true"];
    let persistence = "allow_anonymous true\npersistence true\npersistence_location {dir}/\n";
    startup.start(&(conf(&options) + persistence))
}

/// A client whose session outlives its connection; without a name, one without a username.
fn durable(broker: &Broker, name: Option<&str>, client_id: &str) -> Client {
    let connect = Connect::new(Protocol::V311)
        .client_id(client_id)
        .persistent();
    let connect = match name {
        Some(name) => connect.credentials(name, "pw"),
        None => connect,
    };
    connect.accepted(broker.port())
}

/// Subscribes to each, and leaves.
fn leaves(broker: &Broker, name: Option<&str>, client_id: &str, filters: &[&str]) {
    let mut client = durable(broker, name, client_id);
    for filter in filters {
        assert_eq!(client.subscribe(filter, 1), 1, "{filter}");
    }
    client.disconnect();
}

/// What waited for it, and what comes once it is back.
fn back(broker: &Broker, root: &mut Client, name: Option<&str>, client_id: &str) -> Vec<String> {
    let mut client = durable(broker, name, client_id);
    let mut all = heard(&mut client);
    for topic in ["to/ann/later", "left/later"] {
        assert!(may_publish(root, topic));
    }
    all.extend(heard(&mut client));
    client.disconnect();
    all
}

#[test]
fn the_seventeenth_device_of_an_account_that_is_away_loses_what_the_account_does() {
    for_each_broker(|startup| {
        let broker = started(startup);
        let ids: Vec<String> = (0..DEVICES)
            .map(|number| format!("device {number}"))
            .collect();
        for id in &ids {
            leaves(&broker, Some("bob"), id, &["to/#", "left/+"]);
        }
        leaves(&broker, Some("root"), "of root", &["to/#"]);
        change(broker.dir(), REVOKE);
        let mut ann = v5(&broker, "ann");
        let denied = "denied subscribe rule=none client_id=\"device 16\"";
        broker.wait_for_log(denied, PATIENCE);
        let mut root = v5(&broker, "root");
        assert!(may_publish(&mut ann, "to/ann/a"));
        for id in &ids {
            let all = back(&broker, &mut root, Some("bob"), id);
            assert!(
                all.iter().all(|topic| topic.starts_with("left/")),
                "{id}: {all:?}"
            );
            assert!(all.contains(&"left/later".to_owned()), "{id}");
        }
        let mut of_root = durable(&broker, Some("root"), "of root");
        assert!(heard(&mut of_root).contains(&"to/ann/a".to_owned()));
    });
}

#[test]
fn who_has_no_username_and_is_away_loses_what_the_anonymous_group_does() {
    for_each_broker(|startup| {
        let broker = started(startup);
        leaves(&broker, None, "nameless", &["to/#", "left/+"]);
        // One that has been asked about while it was away, and one that has not.
        leaves(&broker, None, "silent", &["to/nobody", "left/+"]);
        leaves(&broker, Some("root"), "of root", &["to/#"]);
        let mut root = v5(&broker, "root");
        assert!(may_publish(&mut root, "to/ann/before"));
        change(broker.dir(), REVOKE);
        let denied = "denied subscribe rule=none client_id=\"nameless\"";
        broker.wait_for_log(denied, PATIENCE);
        for topic in ["to/ann/after", "to/nobody", "left/a"] {
            assert!(may_publish(&mut root, topic));
        }
        assert_eq!(
            back(&broker, &mut root, None, "nameless"),
            ["to/ann/before", "left/a", "left/later"]
        );
        assert_eq!(
            back(&broker, &mut root, None, "silent"),
            ["left/a", "left/later", "left/later"]
        );
        let mut of_root = durable(&broker, Some("root"), "of root");
        let of_root = heard(&mut of_root);
        assert!(of_root.contains(&"to/ann/after".to_owned()), "{of_root:?}");
    });
}

#[test]
fn a_session_restored_from_disk_keeps_no_subscription_that_it_may_not_have_any_more() {
    for_each_broker(|startup| {
        let mut broker = started(startup);
        for (name, id) in [
            (Some("bob"), "of bob"),
            (Some("bob"), "silent"),
            (Some("root"), "of root"),
        ] {
            leaves(&broker, name, id, &["to/#"]);
        }
        leaves(&broker, Some("bob"), "lucky", &["left/+"]);
        leaves(&broker, None, "nameless", &["to/#"]);
        assert!(broker.stop().success());
        change(broker.dir(), REVOKE);
        broker.restart();
        let mut root = v5(&broker, "root");
        // Comes back before anything is sent.
        let mut silent = durable(&broker, Some("bob"), "silent");
        for topic in ["to/ann/a", "left/a"] {
            assert!(may_publish(&mut root, topic));
        }
        assert!(heard(&mut silent).is_empty());
        assert!(back(&broker, &mut root, Some("bob"), "of bob").is_empty());
        assert!(back(&broker, &mut root, None, "nameless").is_empty());
        assert_eq!(
            back(&broker, &mut root, Some("bob"), "lucky"),
            ["left/a", "left/later", "left/later", "left/later"]
        );
        let mut of_root = durable(&broker, Some("root"), "of root");
        assert!(heard(&mut of_root).contains(&"to/ann/a".to_owned()));
    });
}

/// The broker was told nothing while the rules stayed as they are, and sessions of before are looked at when
/// they are first needed.
#[test]
fn a_restored_session_loses_what_is_taken_from_it_after_the_restart() {
    for_each_broker(|startup| {
        let mut broker = started(startup);
        leaves(&broker, Some("bob"), "of bob", &["to/#", "left/+"]);
        leaves(&broker, Some("root"), "of root", &["to/#"]);
        broker.restart();
        let mut root = v5(&broker, "root");
        assert!(may_publish(&mut root, "to/ann/before"));
        change(broker.dir(), REVOKE);
        broker.wait_for_log("denied subscribe rule=none client_id=\"of bob\"", PATIENCE);
        for topic in ["to/ann/after", "left/a"] {
            assert!(may_publish(&mut root, topic));
        }
        assert_eq!(
            back(&broker, &mut root, Some("bob"), "of bob"),
            ["to/ann/before", "left/a", "left/later"]
        );
        let mut of_root = durable(&broker, Some("root"), "of root");
        assert!(heard(&mut of_root).contains(&"to/ann/after".to_owned()));
    });
}

/// The client id is anybody's: what somebody else subscribed to is no right of whoever has its session now.
#[test]
fn whoever_takes_a_session_over_gets_nothing_that_it_may_not_subscribe_to() {
    for_each_broker(|startup| {
        let broker = started(startup);
        leaves(&broker, Some("root"), "shared", &["#"]);
        let mut bob = durable(&broker, Some("bob"), "shared");
        let mut root = v5(&broker, "root");
        for topic in ["else", "to/ann/a"] {
            assert!(may_publish(&mut root, topic));
        }
        assert_eq!(heard(&mut bob), ["to/ann/a"]);
    });
}
