//! `doorman explain` beside the broker it speaks of: what it says a client may do, the client may do, and
//! what it says is denied is denied.

use serde_json::Value;

use super::accounts::{account, database};
use super::acl_query;
use super::conf::conf;
use super::roles::{NAMES, change, heard, v5};
use crate::support::{Broker, Client, Event, doorman, finish, for_each_broker};

/// What is asked: a user, what it wants, the topic or filter, and what is known of the message.
type Row = (&'static str, Wish, &'static str, bool);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Publish,
    Keep,
    Receive,
    Subscribe,
    Unsubscribe,
}

use Wish::{Keep, Publish, Receive, Subscribe, Unsubscribe};

impl Wish {
    fn args(self) -> &'static [&'static str] {
        match self {
            Publish => &["publish", "--qos", "1", "--payload", "1"],
            Keep => &["publish", "--qos", "1", "--payload", "1", "--retain"],
            Receive => &["receive", "--qos", "0", "--payload", "1"],
            Subscribe => &["subscribe", "--qos", "1"],
            Unsubscribe => &["unsubscribe"],
        }
    }
}

/// What `doorman explain` says of the configuration that the broker runs with.
fn explained(broker: &Broker, user: &str, wish: Wish, topic: &str) -> Value {
    let conf = broker.dir().join("mosquitto.conf");
    let mut command = doorman();
    command.arg("explain").arg("--config").arg(conf);
    command.args(["--json", "--client-id", user, user]);
    let (action, rest) = wish.args().split_first().unwrap();
    let said = finish(command.args([action, topic]).args(rest));
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"))
}

/// What the broker does. Bob, who receives, has subscribed to everything, and root may publish anything.
fn done(clients: &mut [Client; 4], user: &str, wish: Wish, topic: &str) -> bool {
    let place = NAMES.iter().position(|name| *name == user).unwrap();
    let client = &mut clients[place];
    let accepted = |event: Event| match event {
        Event::Puback(code) | Event::Unsuback(Some(code)) => code < 0x80,
        other => panic!("{other:?}"),
    };
    match wish {
        Publish => accepted(client.publish_acknowledged(topic, "x")),
        Keep => accepted(client.publish_retained(topic, "x")),
        Subscribe => client.subscribe(topic, 1) < 0x80,
        Unsubscribe => accepted(client.unsubscribe(topic)),
        Receive => {
            heard(client);
            let root = NAMES.iter().position(|name| *name == "root").unwrap();
            assert!(accepted(clients[root].publish_acknowledged(topic, "y")));
            !heard(&mut clients[place]).is_empty()
        }
    }
}

/// Asks both, and what the operator expects.
fn compare(broker: &Broker, rows: &[Row]) {
    let mut clients = NAMES.map(|name| v5(broker, name));
    if rows.iter().any(|(_, wish, ..)| *wish == Receive) {
        assert_eq!(clients[1].subscribe("#", 0), 0, "bob reads");
    }
    for (user, wish, topic, allowed) in rows.iter().copied() {
        let about = format!("{user} {wish:?} {topic}");
        let said = explained(broker, user, wish, topic);
        assert_eq!(said["decision"] == "allowed", allowed, "{about}: {said}");
        assert_eq!(done(&mut clients, user, wish, topic), allowed, "{about}");
    }
}

#[test]
fn what_explain_says_of_roles_the_broker_does() {
    for_each_broker(|startup| {
        let accounts = NAMES.map(|name| account(name, "pw"));
        drop(database(&startup.dir().join("db"), &accounts));
        change(
            startup.dir(),
            "INSERT INTO role (id, rolename) VALUES (1, 'writer'), (2, 'reader'), (3, 'all'),
                 (4, 'over'), (5, 'strict');
             INSERT INTO role_acl (role_id, acltype, topic, allow, priority, max_qos, retain)
             VALUES (1, 'publishClientSend', 'to/%u/#', 1, 0, NULL, 1),
                    (1, 'publishClientSend', 'to/+/not', 0, 1, NULL, 1),
                    (1, 'publishClientSend', 'by/%c', 1, 0, NULL, 0),
                    (1, 'publishClientSend', 'qos', 1, 0, 0, 1),
                    (1, 'subscribeLiteral', 'for/+', 1, 0, NULL, 1),
                    (1, 'unsubscribePattern', 'for/#', 0, 0, NULL, 1),
                    (2, 'subscribePattern', '#', 1, 0, NULL, 1),
                    (2, 'publishClientReceive', 'secret/#', 0, 1, NULL, 1),
                    (3, 'publishClientSend', '#', 1, 0, NULL, 1),
                    (4, 'publishClientSend', 'over', 1, 0, NULL, 1),
                    (5, 'subscribePattern', 'strict/#', 1, 0, NULL, 1);
             UPDATE role SET valid_until = unixepoch() - 10 WHERE rolename = 'over';
             UPDATE role SET allow_wildcard_subs = 0 WHERE rolename = 'strict';
             INSERT INTO account_group (id, groupname) VALUES (1, 'staff');
             INSERT INTO group_role (group_id, role_id) VALUES (1, 5);
             INSERT INTO group_member (account_id, group_id)
                 SELECT id, 1 FROM account WHERE username = 'nobody';
             INSERT INTO account_role (account_id, role_id)
                 SELECT account.id, role.id FROM account, role
                 WHERE (username, rolename) IN (('ann', 'writer'), ('ann', 'over'),
                     ('bob', 'reader'), ('root', 'all'));",
        );
        let broker = startup.start(&conf(&["database {dir}/db", "database_roles true"]));
        compare(
            &broker,
            &[
                ("ann", Publish, "to/ann/a", true),
                ("ann", Publish, "to/bob/a", false),
                ("ann", Publish, "to/ann/not", false),
                ("ann", Publish, "by/ann", true),
                ("ann", Keep, "by/ann", false),
                ("ann", Publish, "qos", false),
                ("ann", Publish, "over", false),
                ("nobody", Publish, "to/nobody/a", false),
                ("ann", Subscribe, "for/+", true),
                ("ann", Subscribe, "for/a", false),
                ("nobody", Subscribe, "strict/a", true),
                ("nobody", Subscribe, "strict/+", false),
                ("bob", Subscribe, "$SYS/#", false),
                ("bob", Subscribe, "$share/g/a/+", true),
                ("nobody", Subscribe, "$share/g/a/+", false),
                ("ann", Unsubscribe, "for/+", false),
                ("ann", Unsubscribe, "other", true),
                ("bob", Receive, "open/a", true),
                ("bob", Receive, "secret/a", false),
            ],
        );
    });
}

const LINES: &str = "user ann\ntopic write to/ann/#\ntopic deny to/ann/not\ntopic read for/+\n\
    user root\ntopic readwrite #\nuser bob\ntopic read #\ntopic deny secret/#\n\
    pattern write by/%c\npattern read by/%u/x\n";

#[test]
fn what_explain_says_of_an_acl_file_the_broker_does() {
    for_each_broker(|startup| {
        let accounts = NAMES.map(|name| account(name, "pw"));
        for (enforced, how) in [(false, "as-mosquitto"), (true, "enforce")] {
            let subscribe = format!("acl_subscribe {how}");
            let options = ["acl_file {dir}/acl", "database {dir}/db", &subscribe];
            let broker = Broker::of(startup.tree()).file("acl", LINES);
            drop(database(&broker.dir().join("db"), &accounts));
            let broker = broker.start(&conf(&options));
            let mut rows = vec![
                ("ann", Publish, "to/ann/a", true),
                ("ann", Publish, "to/ann/not", false),
                ("ann", Publish, "to/bob/a", false),
                ("nobody", Publish, "by/nobody", true),
                ("nobody", Publish, "by/ann", false),
                ("ann", Subscribe, "for/+", true),
                ("ann", Subscribe, "for/#", !enforced),
                ("nobody", Subscribe, "by/nobody/x", true),
                ("nobody", Subscribe, "by/+/x", !enforced),
                ("bob", Subscribe, "#", !enforced),
                ("ann", Unsubscribe, "for/#", true),
            ];
            if !enforced {
                rows.push(("bob", Receive, "open/a", true));
                rows.push(("bob", Receive, "secret/a", false));
            }
            compare(&broker, &rows);
        }
    });
}

#[test]
fn what_explain_says_of_a_query_the_broker_does() {
    for_each_broker(|startup| {
        acl_query::tables(&startup);
        acl_query::tool(
            startup.dir(),
            "INSERT INTO acl VALUES ('root', NULL, '#', 7, 1, 0),
                 ('bob', NULL, 'secret/#', 'publishClientReceive', 0, 1)",
        );
        let broker = startup.start(&acl_query::asking());
        compare(
            &broker,
            &[
                ("ann", Publish, "w/ann/a", true),
                ("ann", Publish, "w/ann/not", false),
                ("ann", Publish, "w/bob/a", false),
                ("bob", Publish, "anything", true),
                ("ann", Subscribe, "r/+", true),
                ("ann", Subscribe, "#", false),
                ("bob", Subscribe, "$SYS/#", false),
                ("ann", Unsubscribe, "anything", true),
                // Nobody has a row for it: left to a broker that has no rules of its own.
                ("nobody", Publish, "w/nobody/a", false),
                ("nobody", Subscribe, "r/+", false),
                ("bob", Receive, "r/a", true),
                ("bob", Receive, "secret/a", false),
            ],
        );
    });
}
