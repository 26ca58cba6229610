//! Roles and groups in doorman's own database. Beside each allow stands a deny.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::accounts::{account, database};
use super::conf::conf;
use crate::support::{
    Broker, Client, Connect, Event, PATIENCE, Protocol, Startup, eventually, for_each_broker,
};

/// A role for each of three accounts, and a fourth without any.
pub const ROLES: &str = "
    INSERT INTO role (id, rolename) VALUES (1, 'sensor'), (2, 'reader'), (3, 'all');
    INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES
        (1, 'publishClientSend', 'to/%u/#', 1),
        (1, 'publishClientSend', 'to/%u/not', 0),
        (1, 'subscribeLiteral', 'for/everybody', 1),
        (2, 'publishClientReceive', 'to/+/secret', 0),
        (2, 'subscribePattern', 'to/#', 1),
        (2, 'unsubscribePattern', 'to/ann/#', 0),
        (3, 'publishClientSend', '#', 1),
        (3, 'publishClientReceive', '#', 1),
        (3, 'subscribePattern', '#', 1);
    UPDATE role_acl SET priority = 1 WHERE topic = 'to/%u/not';
    INSERT INTO account_role (account_id, role_id)
        SELECT account.id, role.id FROM account, role
        WHERE (username, rolename) IN (('ann', 'sensor'), ('bob', 'reader'), ('root', 'all'));
";

pub const NAMES: [&str; 4] = ["ann", "bob", "root", "nobody"];

fn started(startup: Startup, sql: &str, options: &[&str]) -> Broker {
    let accounts = NAMES.map(|name| account(name, "pw"));
    drop(database(&startup.dir().join("db"), &accounts));
    change(startup.dir(), sql);
    let options = [&["database {dir}/db", "database_roles true"], options].concat();
    startup.start(&(conf(&options) + "allow_anonymous true\n"))
}

/// What any tool does to the database.
pub fn change(dir: &Path, sql: &str) {
    let tool = Connection::open(dir.join("db")).unwrap();
    tool.busy_timeout(PATIENCE).unwrap();
    tool.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    tool.execute_batch(sql).unwrap();
}

pub fn client(broker: &Broker, protocol: Protocol, name: &str) -> Client {
    Connect::new(protocol)
        .credentials(name, "pw")
        .client_id(name)
        .accepted(broker.port())
}

pub fn may_publish(client: &mut Client, topic: &str) -> bool {
    match client.publish_acknowledged(topic, topic) {
        Event::Puback(0 | 0x10) => true,
        Event::Puback(0x87) => false,
        other => panic!("{other:?}"),
    }
}

/// The payloads of what has come.
pub fn heard(client: &mut Client) -> Vec<String> {
    let text = |(_, payload)| String::from_utf8(payload).unwrap();
    client.received().into_iter().map(text).collect()
}

/// Waits for it.
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(eventually(PATIENCE, condition), "{what}");
}

pub fn v5(broker: &Broker, name: &str) -> Client {
    client(broker, Protocol::V5, name)
}

#[test]
fn each_kind_of_rule_allows_and_denies() {
    for_each_broker(|startup| {
        let broker = started(startup, ROLES, &[]);
        let [mut ann, mut bob, mut root, mut nobody] = NAMES.map(|name| v5(&broker, name));
        for (filter, answer) in [("to/#", 1), ("to/+/a", 1), ("#", 0x87), ("other", 0x87)] {
            assert_eq!(bob.subscribe(filter, 1), answer, "{filter}");
        }
        for (filter, answer) in [("for/everybody", 1), ("for/+", 0x87), ("to/ann/a", 0x87)] {
            assert_eq!(ann.subscribe(filter, 1), answer, "{filter}");
        }
        assert_eq!(nobody.subscribe("to/ann/a", 1), 0x87);
        assert_eq!(bob.unsubscribe("to/+/a"), Event::Unsuback(Some(0)));
        assert_eq!(bob.unsubscribe("to/ann/a"), Event::Unsuback(Some(0x87)));
        for (topic, allowed) in [
            ("to/ann/a", true),
            ("to/ann/not", false),
            ("to/bob/a", false),
            ("$SYS/a", false),
        ] {
            assert_eq!(may_publish(&mut ann, topic), allowed, "{topic}");
        }
        for client in [&mut bob, &mut nobody] {
            assert!(!may_publish(client, "to/ann/a"));
        }
        assert!(may_publish(&mut root, "to/ann/secret"));
        assert!(may_publish(&mut root, "to/ann/b"));
        assert_eq!(heard(&mut bob), ["to/ann/a", "to/ann/b"]);
        broker.wait_for_log(
            "denied publish rule=\"sensor\":publishClientSend:\"to/%u/not\" client_id=\"ann\" \
             username=\"ann\" topic=\"to/ann/not\"",
            PATIENCE,
        );
        broker.wait_for_log("denied publish rule=none client_id=\"nobody\"", PATIENCE);
    });
}

#[test]
fn who_gains_is_not_disturbed_and_who_loses_is_ended() {
    for_each_broker(|startup| {
        let broker = started(startup, ROLES, &[]);
        let [mut ann, mut bob, mut root, mut nobody] = NAMES.map(|name| v5(&broker, name));
        assert_eq!(bob.subscribe("to/#", 1), 1);
        // Rules, roles and groups that give.
        let dir = broker.dir();
        change(
            dir,
            "INSERT INTO role_acl (role_id, acltype, topic, allow)
                 VALUES (1, 'publishClientSend', 'new', 1);
             INSERT INTO account_group (id, groupname) VALUES (7, 'family');
             INSERT INTO group_role (group_id, role_id) VALUES (7, 1);
             INSERT INTO group_member (account_id, group_id)
                 SELECT id, 7 FROM account WHERE username = 'nobody';",
        );
        until("the rule is in force", || may_publish(&mut ann, "new"));
        until("the group is in force", || {
            may_publish(&mut nobody, "to/nobody/a")
        });
        assert!(bob.is_connected() && ann.is_connected() && nobody.is_connected());
        heard(&mut bob);
        // A rule that takes: of bob's role.
        change(
            dir,
            "DELETE FROM role_acl WHERE acltype = 'subscribePattern' AND topic = 'to/#'",
        );
        assert!(bob.is_closed_within(PATIENCE));
        assert!(ann.is_connected() && root.is_connected() && nobody.is_connected());
        assert_eq!(v5(&broker, "bob").subscribe("to/#", 1), 0x87);
        broker.wait_for_log(
            "ending reason=rights_lost username=\"bob\" client_id=\"bob\"",
            PATIENCE,
        );
        // A group that is left, a role that is taken away, a role that is deleted.
        change(dir, "DELETE FROM group_member");
        assert!(nobody.is_closed_within(PATIENCE));
        change(dir, "DELETE FROM account_role WHERE role_id = 1");
        assert!(ann.is_closed_within(PATIENCE));
        assert!(!may_publish(&mut v5(&broker, "ann"), "to/ann/a"));
        assert!(root.is_connected());
        change(dir, "DELETE FROM role WHERE rolename = 'all'");
        assert!(root.is_closed_within(PATIENCE));
        assert!(!may_publish(&mut v5(&broker, "root"), "to/ann/a"));
    });
}

#[test]
fn defaults_decide_where_no_rule_does_and_end_nobody() {
    for_each_broker(|startup| {
        let broker = started(startup, ROLES, &[]);
        let mut nobody = v5(&broker, "nobody");
        assert_eq!(nobody.subscribe("a", 1), 0x87);
        change(
            broker.dir(),
            "UPDATE policy SET publish_client_send = 1, subscribe = 1",
        );
        until("the default is in force", || may_publish(&mut nobody, "a"));
        assert_eq!(nobody.subscribe("a", 1), 1);
        assert_eq!(nobody.subscribe("$CONTROL/a", 1), 0x87);
        assert!(may_publish(&mut nobody, "a"));
        assert_eq!(heard(&mut nobody), ["a"]);
        change(broker.dir(), "UPDATE policy SET publish_client_receive = 0");
        until("the default is in force", || {
            assert!(may_publish(&mut nobody, "a"));
            heard(&mut nobody).is_empty()
        });
        assert!(nobody.is_connected());
    });
}

#[test]
fn clients_without_a_username_are_the_anonymous_group() {
    for_each_broker(|startup| {
        let broker = started(startup, ROLES, &[]);
        let anonymous = || Connect::new(Protocol::V5).accepted(broker.port());
        let mut root = v5(&broker, "root");
        let mut client = anonymous();
        assert!(!may_publish(&mut client, "open"));
        change(
            broker.dir(),
            "INSERT INTO role (id, rolename) VALUES (9, 'guest');
             INSERT INTO role_acl (role_id, acltype, topic, allow)
                 VALUES (9, 'publishClientSend', 'open', 1);
             INSERT INTO account_group (id, groupname) VALUES (9, 'guests');
             INSERT INTO group_role (group_id, role_id) VALUES (9, 9);
             UPDATE policy SET anonymous_group_id = 9;",
        );
        until("the group is in force", || may_publish(&mut client, "open"));
        assert!(!may_publish(&mut client, "shut"));
        change(broker.dir(), "UPDATE policy SET anonymous_group_id = NULL");
        assert!(client.is_closed_within(PATIENCE));
        assert!(!may_publish(&mut anonymous(), "open"));
        assert!(root.is_connected());
    });
}

#[test]
fn conditions_and_windows_hold() {
    for_each_broker(|startup| {
        let sql = "
            INSERT INTO role (id, rolename, valid_until) VALUES (1, 'now', NULL),
                (2, 'over', unixepoch() - 10), (3, 'soon over', unixepoch() + 3);
            INSERT INTO role_acl (role_id, acltype, topic, allow, max_qos, retain, max_payload)
                VALUES (1, 'publishClientSend', 'small', 1, NULL, 1, 10),
                       (1, 'publishClientSend', 'kept', 1, NULL, 0, NULL),
                       (1, 'publishClientSend', 'qos', 1, 0, 1, NULL),
                       (1, 'subscribeLiteral', 'qos', 1, 0, 1, NULL),
                       (2, 'publishClientSend', 'over', 1, NULL, 1, NULL),
                       (3, 'publishClientSend', 'soon', 1, NULL, 1, NULL);
            INSERT INTO account_role (account_id, role_id)
                SELECT account.id, role.id FROM account, role WHERE username = 'ann'";
        let broker = started(startup, sql, &[]);
        let mut ann = v5(&broker, "ann");
        assert!(may_publish(&mut ann, "soon"));
        assert!(!may_publish(&mut ann, "over"));
        let ok = |event: Event| matches!(event, Event::Puback(0 | 0x10));
        assert!(ok(ann.publish_acknowledged("small", "0123456789")));
        assert!(!ok(ann.publish_acknowledged("small", "0123456789x")));
        assert!(ok(ann.publish_acknowledged("kept", "x")));
        assert!(!ok(ann.publish_retained("kept", "x")));
        assert!(!ok(ann.publish_acknowledged("qos", "x")));
        assert_eq!(ann.subscribe("qos", 0), 0);
        assert_eq!(ann.subscribe("qos", 1), 0x87);
        // Its time is over: it can do less than before.
        assert!(ann.is_closed_within(PATIENCE));
        assert!(!may_publish(&mut v5(&broker, "ann"), "soon"));
    });
}

#[test]
fn shared_subscriptions_and_the_flag_against_wildcards() {
    for_each_broker(|startup| {
        let sql = "
            INSERT INTO role (id, rolename, allow_wildcard_subs) VALUES (1, 'plain', 0), (2, 'group', 1);
            INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES
                (1, 'subscribePattern', 'a/#', 1), (2, 'subscribePattern', '$share/ours/b/#', 1),
                (2, 'subscribePattern', 'c', 1);
            INSERT INTO account_role (account_id, role_id)
                SELECT account.id, role.id FROM account, role
                WHERE (username, rolename) IN (('ann', 'plain'), ('bob', 'group'))";
        let broker = started(startup, sql, &[]);
        let mut ann = v5(&broker, "ann");
        for (filter, answer) in [
            ("a/b", 0),
            ("a/+", 0x87),
            ("$share/g/a/b", 0),
            ("$share/g/a/#", 0x87),
        ] {
            assert_eq!(ann.subscribe(filter, 0), answer, "{filter}");
        }
        let mut bob = v5(&broker, "bob");
        for (filter, answer) in [
            ("$share/ours/b/c", 0),
            ("$share/theirs/b/c", 0x87),
            ("b/c", 0x87),
            ("c", 0),
            ("$share/any/c", 0),
            ("$share/ours/#", 0x87),
        ] {
            assert_eq!(bob.subscribe(filter, 0), answer, "{filter}");
        }
        broker.wait_for_log("rule=\"plain\":allowwildcardsubs", PATIENCE);
    });
}

#[test]
fn roles_that_cannot_be_read_change_nothing_and_keep_no_account_in() {
    for_each_broker(|startup| {
        let broker = started(startup, ROLES, &[]);
        let mut ann = v5(&broker, "ann");
        let mut bob = v5(&broker, "bob");
        change(
            broker.dir(),
            "INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES
                 (3, 'publishClientSend', 'a#', 1), (1, 'publishClientSend', 'new', 1)",
        );
        broker.wait_for_log("role \"all\": rule publishClientSend \"a#\"", PATIENCE);
        change(
            broker.dir(),
            "UPDATE account SET disabled = 1 WHERE username = 'bob'",
        );
        assert!(bob.is_closed_within(PATIENCE));
        assert!(may_publish(&mut ann, "to/ann/a") && !may_publish(&mut ann, "new"));
        change(broker.dir(), "DELETE FROM role_acl WHERE topic = 'a#'");
        until("the roles are read again", || may_publish(&mut ann, "new"));
        assert!(ann.is_connected());
    });
}

#[test]
fn at_the_start_roles_that_cannot_be_read_are_refused() {
    for_each_broker(|startup| {
        drop(database(&startup.dir().join("db"), &[]));
        change(
            startup.dir(),
            "INSERT INTO role (id, rolename) VALUES (1, 'a');
             INSERT INTO role_acl (role_id, acltype, topic, allow)
                 VALUES (1, 'subscribePattern', 'a#', 1)",
        );
        let options = ["database {dir}/db", "database_roles true"];
        let refusal = startup.start_fails(&conf(&options));
        let expected = "role \"a\": rule subscribePattern \"a#\"";
        assert!(refusal.log.contains(expected), "{}", refusal.log);
    });
}

/// A restart restores the subscription; whether it still holds is found out message by message.
#[test]
fn a_restored_session_is_judged_by_the_rules_of_today() {
    for_each_broker(|startup| {
        let accounts = NAMES.map(|name| account(name, "pw"));
        drop(database(&startup.dir().join("db"), &accounts));
        change(startup.dir(), ROLES);
        let options = ["database {dir}/db", "database_roles true"];
        let persistence = "persistence true\npersistence_location {dir}/\n";
        let mut broker = startup.start(&(conf(&options) + persistence));
        let durable = || {
            let connect = Connect::new(Protocol::V311).credentials("root", "pw");
            connect.client_id("durable").persistent()
        };
        let mut root = durable().accepted(broker.port());
        assert_eq!(root.subscribe("to/#", 1), 1);
        root.disconnect();
        change(
            broker.dir(),
            "INSERT INTO role_acl (role_id, acltype, topic, allow, priority)
                 VALUES (3, 'publishClientReceive', 'to/+/taken', 0, 5)",
        );
        broker.restart();
        let mut ann = v5(&broker, "ann");
        assert!(may_publish(&mut ann, "to/ann/taken"));
        assert!(may_publish(&mut ann, "to/ann/left"));
        let mut root = durable().accepted(broker.port());
        assert_eq!(heard(&mut root), ["to/ann/left"]);
    });
}

/// CVE-2021-34434: a subscription outlived the right to it where the client was away.
#[test]
fn a_session_whose_client_is_away_loses_subscriptions_that_it_may_not_have_any_more() {
    for_each_broker(|startup| {
        let broker = started(startup, ROLES, &[]);
        let durable = |name: &str| {
            let connect = Connect::new(Protocol::V311).credentials(name, "pw");
            let connect = connect.client_id(format!("durable {name}"));
            connect.persistent().accepted(broker.port())
        };
        for name in ["bob", "root"] {
            let mut client = durable(name);
            assert_eq!(client.subscribe("to/#", 1), 1);
            client.disconnect();
        }
        // What may be read stays as it is.
        change(
            broker.dir(),
            "DELETE FROM role_acl WHERE role_id = 2 AND acltype = 'subscribePattern'",
        );
        broker.wait_for_log(
            "denied subscribe rule=none client_id=\"durable bob\"",
            PATIENCE,
        );
        let mut ann = v5(&broker, "ann");
        assert!(may_publish(&mut ann, "to/ann/a"));
        assert!(heard(&mut durable("bob")).is_empty());
        assert_eq!(heard(&mut durable("root")), ["to/ann/a"]);
    });
}

/// How soon.
#[test]
fn a_change_is_in_force_within_a_second() {
    for_each_broker(|startup| {
        let broker = started(startup, ROLES, &[]);
        let mut ann = v5(&broker, "ann");
        assert!(may_publish(&mut ann, "to/ann/a"));
        change(
            broker.dir(),
            "UPDATE role_acl SET allow = 0 WHERE role_id = 1",
        );
        assert!(ann.is_closed_within(Duration::from_secs(1)));
    });
}
