//! Somebody else's tables say who may do what, and several sources are asked in turn.

use rusqlite::Connection;

use super::accounts::{account, database, stored};
use super::conf::conf;
use super::roles::{client, heard, may_publish, until};
use crate::support::{
    Broker, Client, Connect, Event, PATIENCE, Protocol, Startup, for_each_broker,
};

const TABLES: &str = "
    CREATE TABLE user (name TEXT PRIMARY KEY, hash TEXT NOT NULL, blocked INTEGER DEFAULT 0);
    CREATE TABLE acl (name TEXT, client TEXT, filter, access, allow, priority);
    INSERT INTO acl VALUES
        ('ann', NULL, 'w/%u/#', 2, 1, 0), ('ann', NULL, 'r/#', 5, 1, 0),
        ('ann', NULL, 'w/+/not', 'publishClientSend', 0, 1),
        ('root', NULL, 'rw/#', 3, 1, 0),
        ('bob', NULL, '#', 7, 1, 0), ('bob', NULL, 'plain', 'subscribeLiteral', 1, 0),
        ('eve', NULL, 'a#', 2, 1, 0), ('max', NULL, 'a', 8, 1, 0),
        ('dev', 'one', 'one', 2, 1, 0), ('dev', 'two', 'two', 2, 1, 0);
";

const LOGIN: &str =
    "database_query SELECT hash, blocked AS disabled FROM user WHERE name = :username";
const ACL: &str = "database_acl_query SELECT filter, access, allow, priority FROM acl \
                   WHERE name = :username AND (client IS NULL OR client = :client_id)";

pub fn tool(startup: &std::path::Path, sql: &str) {
    let tool = Connection::open(startup.join("app.db")).unwrap();
    tool.busy_timeout(PATIENCE).unwrap();
    tool.execute_batch(sql).unwrap();
}

pub fn tables(startup: &Startup) {
    tool(startup.dir(), TABLES);
    for name in ["ann", "bob", "eve", "max", "dev", "nobody", "root"] {
        let hash = stored(b"pw", 1).text;
        tool(
            startup.dir(),
            &format!("INSERT INTO user (name, hash) VALUES ('{name}', '{hash}')"),
        );
    }
}

fn started(startup: Startup) -> Broker {
    tables(&startup);
    startup.start(&asking())
}

/// A listener whose accounts and rules are in those tables.
pub fn asking() -> String {
    conf(&["database {dir}/app.db", LOGIN, ACL])
}

fn v5(broker: &Broker, name: &str) -> Client {
    client(broker, Protocol::V5, name)
}

#[test]
fn rows_allow_and_deny_by_number_and_by_name() {
    for_each_broker(|startup| {
        let broker = started(startup);
        let [mut ann, mut bob] = ["ann", "bob"].map(|name| v5(&broker, name));
        for (filter, answer) in [("r/+", 1), ("w/#", 0x87), ("#", 0x87)] {
            assert_eq!(ann.subscribe(filter, 1), answer, "{filter}");
        }
        assert_eq!(bob.subscribe("w/#", 1), 1);
        // To read and to write is not to subscribe.
        let mut root = v5(&broker, "root");
        assert_eq!(root.subscribe("rw/#", 1), 0x87);
        assert!(may_publish(&mut root, "rw/a"));
        for (topic, allowed) in [
            ("w/ann/a", true),
            ("w/ann/not", false),
            ("w/bob/a", false),
            ("r/a", false),
        ] {
            assert_eq!(may_publish(&mut ann, topic), allowed, "{topic}");
        }
        assert!(may_publish(&mut bob, "r/a") && may_publish(&mut bob, "x"));
        assert_eq!(heard(&mut ann), ["r/a"]);
        assert_eq!(heard(&mut bob), ["w/ann/a"]);
    });
}

#[test]
fn an_answer_that_is_not_understood_opens_nothing() {
    for_each_broker(|startup| {
        let broker = started(startup);
        for (name, why) in [
            ("eve", "filter \"a#\""),
            ("max", "neither a number from 1 to 7"),
        ] {
            let mut client = v5(&broker, name);
            assert!(!may_publish(&mut client, "a"));
            assert_eq!(client.subscribe("a", 0), 0x87);
            broker.wait_for_log(why, PATIENCE);
            broker.wait_for_log("denied publish rule=source_unavailable", PATIENCE);
        }
        // Nobody has anything to say: left to the broker, which has no ACL file of its own.
        assert!(!may_publish(&mut v5(&broker, "nobody"), "a"));
    });
}

#[test]
fn a_row_that_is_changed_counts_for_whoever_is_in() {
    for_each_broker(|startup| {
        let broker = started(startup);
        let [mut ann, mut bob] = ["ann", "bob"].map(|name| v5(&broker, name));
        assert!(may_publish(&mut ann, "w/ann/a"));
        tool(
            broker.dir(),
            "INSERT INTO acl VALUES ('ann', NULL, 'new', 2, 1, 0)",
        );
        until("the row counts", || may_publish(&mut ann, "new"));
        assert!(ann.is_connected());
        tool(broker.dir(), "DELETE FROM acl WHERE filter = 'w/%u/#'");
        assert!(ann.is_closed_within(PATIENCE));
        assert!(!may_publish(&mut v5(&broker, "ann"), "w/ann/a"));
        assert!(bob.is_connected());
    });
}

#[test]
fn the_client_id_may_make_a_difference() {
    for_each_broker(|startup| {
        let broker = started(startup);
        for (id, other) in [("one", "two"), ("two", "one")] {
            let connect = Connect::new(Protocol::V5).credentials("dev", "pw");
            let mut client = connect.client_id(id).accepted(broker.port());
            assert!(may_publish(&mut client, id) && !may_publish(&mut client, other));
        }
    });
}

/// As long as the broker lets them be, and longer than most.
#[test]
fn a_client_with_a_long_id_is_ended_when_it_loses_something_and_nobody_else_is() {
    for_each_broker(|startup| {
        let broker = started(startup);
        let long = "x".repeat(300);
        let grant = format!("INSERT INTO acl VALUES ('dev', '{long}', 'long', 2, 1, 0)");
        tool(broker.dir(), &grant);
        let [mut long, mut one] = [&*long, "one"].map(|id| {
            let connect = Connect::new(Protocol::V5).credentials("dev", "pw");
            connect.client_id(id).accepted(broker.port())
        });
        assert!(may_publish(&mut long, "long") && !may_publish(&mut long, "one"));
        assert!(may_publish(&mut one, "one") && !may_publish(&mut one, "long"));
        tool(broker.dir(), "DELETE FROM acl WHERE filter = 'long'");
        assert!(long.is_closed_within(PATIENCE));
        assert!(one.is_connected() && may_publish(&mut one, "one"));
    });
}

/// A file for some, roles for others, a query for the rest, and the broker's own file for whom nobody
/// knows.
#[test]
fn the_first_source_with_an_opinion_decides() {
    for_each_broker(|startup| {
        tables(&startup);
        drop(database(
            &startup.dir().join("db"),
            &[account("nobody", "pw"), account("ann", "pw")],
        ));
        let tool = Connection::open(startup.dir().join("db")).unwrap();
        tool.execute_batch(
            "INSERT INTO role (id, rolename) VALUES (1, 'r');
             INSERT INTO role_acl (role_id, acltype, topic, allow)
                 VALUES (1, 'publishClientSend', 'by/role', 1);
             INSERT INTO account_role (account_id, role_id) SELECT id, 1 FROM account",
        )
        .unwrap();
        drop(tool);
        let broker = startup.start(&conf(&[
            "database {dir}/db",
            "database_roles true",
            "database {dir}/app.db",
            LOGIN,
            ACL,
        ]));
        // ann is in both databases, bob in the second only.
        for (name, by) in [
            ("nobody", "by/role"),
            ("ann", "by/role"),
            ("bob", "by/query"),
        ] {
            let mut client = v5(&broker, name);
            for topic in ["by/role", "by/query", "by/file"] {
                let allowed = topic == by || name == "bob";
                assert_eq!(may_publish(&mut client, topic), allowed, "{name} {topic}");
            }
        }
    });
    for_each_broker(|startup| {
        tables(&startup);
        let startup = startup.file("acl", "user ann\ntopic write by/file\n");
        let options = ["acl_file {dir}/acl", "database {dir}/app.db", LOGIN, ACL];
        let broker = startup.start(&conf(&options));
        let [mut ann, mut bob, mut nobody] = ["ann", "bob", "nobody"].map(|name| v5(&broker, name));
        assert!(may_publish(&mut ann, "by/file") && !may_publish(&mut ann, "w/ann/a"));
        assert!(may_publish(&mut bob, "w/ann/a"));
        assert!(!may_publish(&mut nobody, "by/file"));
        // The file says something about bob now, and nothing about ann any more.
        std::fs::write(broker.dir().join("acl"), "user bob\ntopic write by/file\n").unwrap();
        // Whoever comes before that is ended by it.
        let answer = |name, topic| v5(&broker, name).publish_acknowledged(topic, topic);
        until("the file counts", || {
            answer("bob", "x") == Event::Puback(0x87)
        });
        // They are taken over one after the other.
        until("the query counts", || {
            matches!(answer("ann", "w/ann/a"), Event::Puback(0 | 0x10))
        });
    });
}

/// What nobody here has an opinion on goes on to the broker, as its login did.
#[test]
fn who_is_not_ours_is_the_brokers() {
    for_each_broker(|startup| {
        tables(&startup);
        let startup = startup
            .file("broker-acl", "user stranger\ntopic write by/broker\n")
            .password_file("users", &[("stranger", "pw")]);
        let own = "password_file {dir}/users\nacl_file {dir}/broker-acl\n";
        let broker = startup.start(&(conf(&["database {dir}/app.db", LOGIN, ACL]) + own));
        let mut stranger = v5(&broker, "stranger");
        assert!(may_publish(&mut stranger, "by/broker") && !may_publish(&mut stranger, "x"));
        assert!(may_publish(&mut v5(&broker, "bob"), "x"));
    });
}

/// A statement whose answer is another one each time it is run: of four lots of 64 topics each, one topic.
const DICE: &str = "database_acl_query SELECT lot || '/' || (random() & 63), 7 \
                    FROM (SELECT 'a' AS lot UNION SELECT 'b' UNION SELECT 'c' UNION SELECT 'd') \
                    WHERE :username = 'ann' UNION ALL SELECT '#', 7 WHERE :username = 'bob'";

fn topics() -> impl Iterator<Item = String> {
    let lots = ["a", "b", "c", "d"].into_iter();
    lots.flat_map(|lot| (0..64).map(move |number| format!("{lot}/{number}")))
}

/// What the statement has answered: the topics that a client may publish to.
fn thrown(client: &mut Client) -> Vec<String> {
    topics()
        .filter(|topic| may_publish(client, topic))
        .collect()
}

#[test]
fn the_statement_is_run_at_login_and_after_a_change_and_for_no_message() {
    for_each_broker(|startup| {
        tables(&startup);
        let options = conf(&["database {dir}/app.db", LOGIN, DICE]);
        let broker = startup.start(&(options + "set_tcp_nodelay true\n"));
        let [mut ann, mut bob] = ["ann", "bob"].map(|name| v5(&broker, name));
        let first = thrown(&mut ann);
        assert_eq!(first.len(), 4, "{first:?}");
        // Not for what is published, subscribed to or sent.
        for _ in 0..4 {
            assert_eq!(thrown(&mut ann), first);
        }
        for topic in topics() {
            let granted = if first.contains(&topic) { 0 } else { 0x87 };
            assert_eq!(ann.subscribe(&topic, 0), granted, "{topic}");
        }
        heard(&mut ann);
        for _ in 0..4 {
            topics().for_each(|topic| bob.publish(&topic, &topic));
            assert!(bob.is_connected());
            assert_eq!(heard(&mut ann), first);
        }
        // At each login.
        let mut again = v5(&broker, "ann");
        let second = thrown(&mut again);
        assert_eq!(second.len(), 4, "{second:?}");
        assert_ne!(second, first);
        // After a change, whatever it was: who throws anew loses what it had.
        tool(
            broker.dir(),
            "UPDATE user SET blocked = 1 WHERE name = 'max'",
        );
        assert!(again.is_closed_within(PATIENCE));
        assert!(bob.is_connected() && thrown(&mut bob).len() == 256);
    });
}
