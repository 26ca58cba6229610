//! What a check allocates: nothing, once its client has been seen.
//!
//! A binary of its own, since the counting allocator is the whole program's. It counts for each thread,
//! so what a test harness does beside it is not counted.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "as in tests/main.rs"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use allocation_counter::measure;
use jiff::Timestamp;
use mosquitto_doorman::config::{AclSubscribe, Config, DatabaseConfig, Jwt, SourceConfig};
use mosquitto_doorman::engine::{Engine, Memory, Seat, Subscribed};
use mosquitto_doorman::policy::Asker;
use mosquitto_doorman::request::{
    Access, Action, Address, Certificate, Client, Connect, ConnectionId, Method, Now, Occasion,
    Passage, Passing,
};
use mosquitto_doorman::store::sqlite::Database;
use mosquitto_doorman::verdict::{Permit, Reply};
use rusqlite::Connection;

use Action::{Publish, Receive, Subscribe, Unsubscribe};

/// Ann has few roles and a group; bob so many that they are merged; what no rule speaks of is allowed to
/// both, but for unsubscribing.
const ROLES: &str = "
    INSERT INTO account (username) VALUES ('ann'), ('bob');
    INSERT INTO account_group (id, groupname) VALUES (1, 'staff');
    INSERT INTO role (id, rolename) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e');
    INSERT INTO role_acl (role_id, acltype, topic, allow)
        SELECT role.id, acltype, filter, allow
        FROM role,
             (SELECT 'publishClientSend' AS acltype UNION SELECT 'publishClientReceive'
              UNION SELECT 'subscribePattern') AS types,
             (SELECT rolename || '/literal' AS filter, 1 AS allow, rolename FROM role
              UNION SELECT rolename || '/+/plus', 1, rolename FROM role
              UNION SELECT rolename || '/hash/#', 1, rolename FROM role
              UNION SELECT rolename || '/user/%u', 1, rolename FROM role
              UNION SELECT rolename || '/client/%c', 1, rolename FROM role
              UNION SELECT rolename || '/both/x%u-%c', 1, rolename FROM role
              UNION SELECT rolename || '/shut/#', 0, rolename FROM role) AS filters
        WHERE filters.rolename = role.rolename;
    INSERT INTO account_role (account_id, role_id)
        SELECT account.id, role.id FROM account, role WHERE username = 'bob' OR rolename = 'a';
    INSERT INTO group_role (group_id, role_id) VALUES (1, 5);
    INSERT INTO group_member (account_id, group_id) SELECT id, 1 FROM account;
    UPDATE policy SET publish_client_send = 1, publish_client_receive = 1, subscribe = 1,
                      unsubscribe = 0;
";

const FILE: &str = "
    topic readwrite a/literal
    user ann
    topic readwrite a/literal
    topic readwrite a/+/plus
    topic readwrite a/hash/#
    topic deny a/shut/#
    pattern readwrite a/user/%u
    pattern readwrite a/client/%c
    pattern readwrite a/both/x%u-%c
";

const TOPICS: [&str; 6] = [
    "a/literal",
    "a/some/plus",
    "a/hash/of/many/levels",
    "a/user/ann",
    "a/client/id",
    "a/both/xann-id",
];

fn now() -> Now {
    Now {
        wall: Timestamp::UNIX_EPOCH,
        mono: Instant::now(),
    }
}

fn opened(config: &Config) -> Engine {
    let opened = Engine::open(config, &[9; 32], now, Arc::default()).unwrap();
    opened.engine
}

fn with_roles(dir: &Path) -> Engine {
    let path = dir.join("db");
    drop(Database::create(&path, None).unwrap());
    let tool = Connection::open(&path).unwrap();
    tool.execute_batch(ROLES).unwrap();
    opened(&Config {
        sources: vec![SourceConfig::Database(DatabaseConfig { path, roles: true })],
        ..Config::standard()
    })
}

fn with_file(dir: &Path) -> Engine {
    let lines: Vec<&str> = FILE.lines().map(str::trim).collect();
    fs::write(dir.join("acl"), lines.join("\n")).unwrap();
    opened(&Config {
        acl_file: Some(dir.join("acl")),
        acl_subscribe: AclSubscribe::Enforce,
        ..Config::standard()
    })
}

fn access<'a>(username: Option<&'a str>, action: Action, topic: &'a str) -> Access<'a> {
    Access {
        client_id: Some("id"),
        username,
        action,
        topic,
        qos: 1,
        retain: false,
        payload: 100,
    }
}

/// The answer, and how often memory was allocated for it.
fn asked(engine: &Engine, access: &Access<'_>) -> (Permit, u64) {
    let mut answer = None;
    let counted = measure(|| answer = Some(engine.may(black_box(access))));
    (answer.unwrap(), counted.count_total)
}

/// Whoever asked once costs no memory any more.
#[track_caller]
fn costs_nothing(engine: &Engine, access: &Access<'_>, permit: Permit) {
    assert_eq!(engine.may(access), permit, "{access:?}");
    assert_eq!(asked(engine, access), (permit, 0), "{access:?}");
}

#[test]
fn whatever_allocates_is_counted() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
    assert_eq!(measure(|| assert!(black_box(true))).count_total, 0);
    // How a client stands that asks for the first time is found out, and kept.
    let dir = tempfile::tempdir().unwrap();
    let engine = with_roles(dir.path());
    let first = access(Some("ann"), Publish, "a/literal");
    let (permit, allocations) = asked(&engine, &first);
    assert_eq!(permit, Permit::Allow);
    assert!(allocations > 0);
}

#[test]
fn a_check_by_roles_allocates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_roles(dir.path());
    // Bob's are the same with other names in them.
    let as_bob = |topic: &str| topic.replace("ann", "bob");
    let of_bob: Vec<String> = TOPICS.iter().map(|topic| as_bob(topic)).collect();
    // The third role of five, merged.
    let of_third: Vec<String> = of_bob
        .iter()
        .map(|topic| topic.replacen('a', "c", 1))
        .collect();
    let ann = TOPICS.iter().map(|topic| ("ann", *topic));
    let bob = of_bob.iter().chain(&of_third);
    let bob = bob.map(|topic| ("bob", topic.as_str()));
    for (name, topic) in ann.chain(bob) {
        for action in [Publish, Receive, Subscribe] {
            costs_nothing(&engine, &access(Some(name), action, topic), Permit::Allow);
        }
    }
    for name in ["ann", "bob"] {
        // No rule speaks of these.
        for (action, topic) in [
            (Publish, "no/rule"),
            (Receive, "no/rule"),
            (Subscribe, "no/rule/#"),
            (Subscribe, "$share/group/no/+"),
        ] {
            costs_nothing(&engine, &access(Some(name), action, topic), Permit::Allow);
        }
        for (action, topic) in [
            (Publish, "a/shut/x"),
            (Receive, "e/shut/x"),
            (Subscribe, "a/shut/+"),
            (Unsubscribe, "no/rule"),
        ] {
            costs_nothing(&engine, &access(Some(name), action, topic), Permit::Deny);
        }
    }
}

/// Ann has what her roles allow and what her token does, which PyJWT signed.
fn with_token(dir: &Path) -> Engine {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("vectors/pyjwt.json")).unwrap();
    let secret = vectors.pointer("/keys/secret").unwrap();
    fs::write(dir.join("secret"), secret.as_str().unwrap()).unwrap();
    drop(with_roles(dir));
    let path = dir.join("db");
    let engine = opened(&Config {
        sources: vec![SourceConfig::Database(DatabaseConfig { path, roles: true })],
        jwt: Jwt {
            secret_files: vec![dir.join("secret")],
            audiences: vec!["mqtt".to_owned()],
            roles: Some("realm_access.roles".to_owned()),
            acl: Some("acl".to_owned()),
            ..Jwt::standard()
        },
        ..Config::standard()
    });
    let token = vectors.pointer("/tokens/0/token").unwrap();
    let connect = Connect {
        client: Client {
            connection: Some(ConnectionId(1)),
            id: Some("id"),
            address: Address::new(Some("192.0.2.1")),
            listener: None,
            restored: false,
            certificate: Certificate::None,
        },
        username: Some("ann"),
        password: token.as_str().map(str::as_bytes),
        occasion: Occasion::Now,
        method: Method::Password,
    };
    let then = Now {
        wall: Timestamp::from_second(1_900_000_100).unwrap(),
        ..now()
    };
    let reply = engine.enter_by_token(&connect, then);
    assert!(matches!(reply, Some(Reply::Allow { .. })), "{reply:?}");
    engine
}

#[test]
fn a_check_by_a_token_allocates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_token(dir.path());
    for topic in TOPICS.into_iter().chain(["id/up", "chat"]) {
        costs_nothing(&engine, &access(Some("ann"), Publish, topic), Permit::Allow);
    }
    for filter in ["ann/down/#", "chat", "a/hash/#"] {
        costs_nothing(
            &engine,
            &access(Some("ann"), Subscribe, filter),
            Permit::Allow,
        );
    }
    costs_nothing(
        &engine,
        &access(Some("ann"), Publish, "a/shut/x"),
        Permit::Deny,
    );
}

#[test]
fn a_check_by_an_acl_file_allocates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_file(dir.path());
    let ann = TOPICS.map(|topic| (Some("ann"), topic));
    for (name, topic) in ann.into_iter().chain([(None, "a/literal")]) {
        for action in [Publish, Receive, Subscribe, Unsubscribe] {
            costs_nothing(&engine, &access(name, action, topic), Permit::Allow);
        }
    }
    for (name, topic) in [
        (Some("ann"), "a/shut/x"),
        (Some("ann"), "no/rule"),
        (Some("bob"), "a/literal"),
        (None, "a/hash/x"),
    ] {
        for action in [Publish, Receive, Subscribe] {
            costs_nothing(&engine, &access(name, action, topic), Permit::Deny);
        }
    }
}

#[test]
fn a_check_with_a_memory_allocates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (file, roles) = (tempfile::tempdir().unwrap(), with_roles(dir.path()));
    for engine in [roles, with_file(file.path())] {
        let ann = Asker {
            client_id: Some("id"),
            username: Some("ann"),
        };
        let mut seat = Seat::of(ann, Subscribed::Judged);
        let mut memory = Memory::default();
        let mut asked = |topic: &str, to| {
            let passage = Passage {
                to,
                qos: 1,
                retain: false,
                payload: 100,
            };
            let mut answer = None;
            let counted = measure(|| {
                memory.turn_to(topic.as_bytes()).unwrap();
                answer = Some(engine.may_again(passage, &mut seat, &mut memory));
            });
            (answer.unwrap(), counted.count_total)
        };
        let topics = TOPICS.iter().map(|topic| (*topic, Permit::Allow));
        let topics: Vec<_> = topics.chain([("a/shut/x", Permit::Deny)]).collect();
        for turn in 0..2 {
            for (topic, permit) in &topics {
                for to in [Passing::FromClient, Passing::ToClient, Passing::ToClient] {
                    let (answer, allocations) = asked(topic, to);
                    assert_eq!(answer, *permit, "{topic}");
                    assert!(turn == 0 || allocations == 0, "{topic}");
                }
            }
        }
    }
}
