//! Clients that change their own passwords: by no right but that, and nobody else's.

use serde_json::{Value, json};

use super::accounts::{account, database};
use super::control_compared::{Admin, beginning, ours};
use crate::support::{
    Answer, Broker, Client, Connect, Event, PATIENCE, Protocol, for_each_broker, plugin_conf,
};

const TOPIC: &str = "$CONTROL/doorman/own/v1";
const RESPONSE: &str = "$CONTROL/doorman/own/v1/response";

/// A broker where bob may change his password.
fn with_right(broker: &Broker) -> Admin {
    let mut admin = Admin::at(broker);
    for order in [
        json!({"command": "createRole", "rolename": "own", "acls": [
            {"acltype": "publishClientSend", "topic": TOPIC, "allow": true}]}),
        json!({"command": "addClientRole", "username": "bob", "rolename": "own"}),
    ] {
        assert_eq!(admin.order(order)["error"], Value::Null);
    }
    admin
}

fn enters(broker: &Broker, name: &str, id: &str, password: &str) -> Client {
    let connect = Connect::new(Protocol::V311).client_id(id);
    connect.credentials(name, password).accepted(broker.port())
}

fn login(broker: &Broker, name: &str, password: &str) -> Answer {
    let connect = Connect::new(Protocol::V311).client_id(format!("{name}'s other"));
    connect.credentials(name, password).answer(broker.port())
}

/// What is answered to this client, without having subscribed to anything.
fn asks(client: &mut Client, order: &Value) -> Value {
    client.publish(TOPIC, json!({ "commands": [order] }).to_string());
    match client.receive(PATIENCE) {
        Event::Publish { topic, payload } => {
            assert_eq!(topic, RESPONSE);
            let mut answer: Value = serde_json::from_slice(&payload).unwrap();
            answer["responses"][0].take()
        }
        other => panic!("instead of an answer: {other:?}"),
    }
}

fn change(old: &str, new: &str) -> Value {
    json!({"command": "changeOwnPassword", "oldpassword": old, "password": new})
}

#[test]
fn whoever_knows_its_password_changes_it_and_all_its_connections_end_behind_the_answer() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = with_right(&broker);
        let mut other = enters(&broker, "bob", "bob-2", "pw");
        let mut bob = enters(&broker, "bob", "bob", "pw");
        let order = json!({"command": "CHANGEownPASSWORD", "oldpassword": "pw", "password": "tulips",
                           "correlationData": "c"});
        let answer = asks(&mut bob, &order);
        let done = json!({"command": "changeOwnPassword", "correlationData": "c"});
        assert_eq!(answer, done);
        assert_ne!(login(&broker, "bob", "pw"), Answer::Accepted);
        assert_eq!(login(&broker, "bob", "tulips"), Answer::Accepted);
        assert!(bob.is_closed_within(PATIENCE) && other.is_closed_within(PATIENCE));
        let log = broker.log();
        assert!(log.contains("by=\"bob\"") && log.contains("command=\"changeOwnPassword\": done"));
        assert!(!log.contains("tulips"), "{log}");
        // Others hear nothing of it: this is the answer to what was asked.
        let bob = admin.order(json!({"command": "getClient", "username": "bob"}));
        assert_eq!(bob["data"]["client"]["username"], "bob");
    });
}

#[test]
fn what_is_wrong_with_a_change_of_ones_own_password_is_told_to_the_client_alone() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = with_right(&broker);
        admin.0.subscribe(RESPONSE, 0);
        admin.0.subscribe("$CONTROL/#", 0);
        let mut bob = enters(&broker, "bob", "bob", "pw");
        for (order, why) in [
            (change("wrong", "new"), "Wrong password"),
            (change("pw", ""), "Empty password is not allowed"),
            (change("pw", "a\0b"), "Invalid/missing password"),
            (
                json!({"command": "changeOwnPassword", "password": "new"}),
                "Invalid/missing oldpassword",
            ),
            (
                json!({"command": "changeOwnPassword", "oldpassword": 1, "password": "new"}),
                "Invalid/missing oldpassword",
            ),
            (
                json!({"command": "changeOwnPassword", "oldpassword": "pw"}),
                "Invalid/missing password",
            ),
            (
                json!({"command": "changeOwnPassword", "oldpassword": "pw", "password": ["a"]}),
                "Invalid/missing password",
            ),
            // Nothing else is to be had here.
            (json!({"command": "listClients"}), "Unknown command"),
            (
                json!({"command": "setClientPassword", "username": "admin", "password": "x"}),
                "Unknown command",
            ),
        ] {
            assert_eq!(asks(&mut bob, &order)["error"], why, "{order}");
        }
        // Another name in the order is no other account.
        let mut order = change("pw", "new");
        order["username"] = json!("admin");
        assert_eq!(
            asks(&mut bob, &order),
            json!({"command": "changeOwnPassword"})
        );
        assert_eq!(login(&broker, "admin", "pw"), Answer::Accepted);
        let listed = admin.order(json!({"command": "getClient", "username": "bob"}));
        assert_eq!(listed["command"], "getClient", "nobody heard of it");
    });
}

#[test]
fn of_several_changes_in_one_message_the_first_counts() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let _admin = with_right(&broker);
        let mut bob = enters(&broker, "bob", "bob", "pw");
        let both = json!({"commands": [change("wrong", "new"), change("pw", "new")]});
        bob.publish(TOPIC, both.to_string());
        let Event::Publish { payload, .. } = bob.receive(PATIENCE) else {
            panic!("no answer");
        };
        let answer: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(answer["responses"][0]["error"], "Wrong password");
        assert_eq!(
            answer["responses"][1]["error"],
            "One command in each message"
        );
        assert_eq!(login(&broker, "bob", "pw"), Answer::Accepted);
    });
}

#[test]
fn who_has_no_right_to_it_changes_no_password() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let _admin = with_right(&broker);
        let mut ann = enters(&broker, "ann", "ann", "pw");
        ann.publish_acknowledged(
            TOPIC,
            json!({"commands": [change("pw", "new")]}).to_string(),
        );
        let mut bob = enters(&broker, "bob", "bob", "pw");
        assert_eq!(asks(&mut bob, &change("pw", "new"))["error"], Value::Null);
        assert_eq!(login(&broker, "ann", "pw"), Answer::Accepted);
        assert!(ann.is_connected());
    });
}

#[test]
fn guessing_ones_own_password_is_held_up_like_a_login() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = with_right(&broker);
        let mut bob = enters(&broker, "bob", "bob", "pw");
        let mut errors = Vec::new();
        for number in 0..40 {
            let answer = asks(&mut bob, &change(&format!("guess {number}"), "new"));
            errors.push(answer["error"].as_str().unwrap().to_owned());
        }
        assert_eq!(errors[0], "Wrong password");
        assert_eq!(errors[39], "Too many attempts, try again later");
        // The right one is not looked at either, until somebody lets the client off.
        let held = asks(&mut bob, &change("pw", "new"));
        assert_eq!(held["error"], "Too many attempts, try again later");
        let cleared = admin.order(json!({"command": "clearBan", "username": "bob"}));
        assert_eq!(cleared, json!({"command": "clearBan"}));
        assert_eq!(asks(&mut bob, &change("pw", "new"))["error"], Value::Null);
    });
}

#[test]
fn without_rules_whoever_logged_in_changes_its_password_where_orders_are_allowed_at_all() {
    for_each_broker(|startup| {
        for (control, may) in [("allow-authenticated", true), ("on", false), ("off", false)] {
            let startup = Broker::of(startup.tree());
            drop(database(&startup.dir().join("db"), &[account("ann", "pw")]));
            let conf = "listener {port} 127.0.0.1\nallow_anonymous true\n".to_owned();
            let control = format!("control {control}");
            let options = ["database {dir}/db", &control, "control_iterations 10"];
            let broker = startup.start(&(conf + &plugin_conf(&options)));
            let mut ann = enters(&broker, "ann", "ann", "pw");
            if may {
                let wrong = asks(&mut ann, &change("wrong", "new"));
                assert_eq!(wrong["error"], "Wrong password");
                assert_eq!(asks(&mut ann, &change("pw", "new"))["error"], Value::Null);
                assert!(ann.is_closed_within(PATIENCE));
            } else {
                let order = json!({"commands": [change("pw", "new")]}).to_string();
                ann.publish_acknowledged(TOPIC, order);
            }
            let accepted = login(&broker, "ann", "new") == Answer::Accepted;
            assert_eq!(accepted, may, "{control}");
        }
    });
}
