//! Orders over the broker: who may give them, that they count before they are answered, and what happens
//! where they cannot be carried out.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::accounts::{account, database};
use super::control_compared::{Admin, RESPONSE, TOPIC, beginning, import, ours};
use crate::support::{
    Answer, Broker, Client, Connect, Event, PATIENCE, Protocol, Startup, finish, for_each_broker,
    plugin_conf,
};

fn login(broker: &Broker, name: &str, password: &str) -> Answer {
    let connect = Connect::new(Protocol::V311).client_id(format!("{name}'s"));
    connect.credentials(name, password).answer(broker.port())
}

fn asks(client: &mut Client, order: Value) -> Option<Value> {
    client.publish(TOPIC, json!({ "commands": [order] }).to_string());
    // Whatever is answered is answered before this.
    client.publish("marker", "");
    loop {
        match client.receive(PATIENCE) {
            Event::Publish { topic, payload } if topic == RESPONSE => {
                return Some(serde_json::from_slice(&payload).unwrap());
            }
            Event::Publish { .. } | Event::Closed | Event::Silence => return None,
            _ => {}
        }
    }
}

#[test]
fn what_was_ordered_is_in_force_when_it_is_answered() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        assert_ne!(login(&broker, "dave", "secret"), Answer::Accepted);
        let created = admin
            .order(json!({"command": "createClient", "username": "dave", "password": "secret"}));
        assert_eq!(created, json!({"command": "createClient"}));
        assert_eq!(login(&broker, "dave", "secret"), Answer::Accepted);
        assert_ne!(login(&broker, "dave", "other"), Answer::Accepted);

        let connect = Connect::new(Protocol::V5).client_id("dave");
        let mut dave = connect
            .credentials("dave", "secret")
            .accepted(broker.port());
        assert_eq!(dave.publish_acknowledged("a/b", "1"), Event::Puback(0x87));
        admin.order(json!({"command": "addClientRole", "username": "dave", "rolename": "r1"}));
        assert!(dave.is_closed_within(PATIENCE), "as the original ends it");
        let mut dave = connect_again(&broker);
        assert_ne!(dave.publish_acknowledged("a/b", "1"), Event::Puback(0x87));
        admin.order(json!({"command": "deleteClient", "username": "dave"}));
        assert!(dave.is_closed_within(PATIENCE));
        assert_ne!(login(&broker, "dave", "secret"), Answer::Accepted);
    });
}

fn connect_again(broker: &Broker) -> Client {
    let connect = Connect::new(Protocol::V5).client_id("dave");
    connect
        .credentials("dave", "secret")
        .accepted(broker.port())
}

#[test]
fn whoever_has_no_right_to_it_gives_no_orders_and_hears_no_answers() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let connect = Connect::new(Protocol::V311).client_id("bob");
        let mut bob = connect.credentials("bob", "pw").accepted(broker.port());
        bob.subscribe(RESPONSE, 0);
        bob.subscribe("$CONTROL/#", 0);
        let order = json!({"commands": [{"command": "deleteClient", "username": "ann"}]});
        bob.publish(TOPIC, order.to_string());
        let ann = admin.order(json!({"command": "getClient", "username": "ann"}));
        assert_eq!(ann["data"]["client"]["username"], "ann");
        assert!(bob.received().is_empty());
    });
}

#[test]
fn who_has_no_username_gives_the_orders_that_its_group_may() {
    let nobody = |port| {
        Connect::new(Protocol::V311)
            .client_id("nobody")
            .accepted(port)
    };
    let order = |name: &str| json!({"command": "createClient", "username": name});
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        // Who is in without a username is ended by both orders, a moment after the answer.
        let mut first = nobody(broker.port());
        admin.order(json!({"command": "setAnonymousGroup", "groupname": "g1"}));
        assert!(first.is_closed_within(PATIENCE));
        let message = json!({"commands": [order("refused")]}).to_string();
        let mut second = nobody(broker.port());
        second.publish_acknowledged(TOPIC, message);
        let there = json!({"command": "getClient", "username": "refused"});
        assert_eq!(admin.order(there)["error"], "Client not found");

        admin.order(json!({"command": "addGroupRole", "groupname": "g1", "rolename": "admin"}));
        assert!(second.is_closed_within(PATIENCE));
        let mut nobody = Admin(nobody(broker.port()));
        assert_eq!(nobody.0.subscribe(RESPONSE, 0), 0);
        assert_eq!(
            nobody.order(order("first")),
            json!({"command": "createClient"})
        );
        // The broker asks again for everybody who is in.
        let end = broker.log_end();
        broker.sighup();
        broker.wait_for_log_after(end, "Reloading config", PATIENCE);
        assert_eq!(
            nobody.order(order("second")),
            json!({"command": "createClient"})
        );
        assert!(!broker.log().contains("another plugin's listener"));
    });
}

/// Since 2.1 the topic is one for all listeners.
#[test]
fn who_has_no_username_at_another_listener_gives_no_orders() {
    for_each_broker(|startup| {
        if !startup.tree().is_2_1() {
            return;
        }
        let mut file: Value = serde_json::from_str(&beginning()).unwrap();
        file["groups"][0]["roles"] = json!([{"rolename": "admin"}]);
        file["anonymousGroup"] = json!("g1");
        let startup = startup.file("dynsec.json", file.to_string());
        import(startup.dir());
        let conf = "per_listener_settings true\nlistener {port} 127.0.0.1\nallow_anonymous true\n"
            .to_owned()
            + &plugin_conf(&["database {dir}/db", "database_roles true"])
            + "listener {port2} 127.0.0.1\nallow_anonymous true\n";
        let broker = startup.start(&conf);
        let connect = Connect::new(Protocol::V311).client_id("nobody");
        let order = |name: &str| json!({"command": "createClient", "username": name});
        let message = json!({"commands": [order("refused")]}).to_string();
        connect
            .accepted(broker.nth_port(2))
            .publish_acknowledged(TOPIC, message);
        broker.wait_for_log("another plugin's listener", PATIENCE);
        let mut nobody = Admin(connect.accepted(broker.port()));
        assert_eq!(nobody.0.subscribe(RESPONSE, 0), 0);
        assert_eq!(
            nobody.order(order("done")),
            json!({"command": "createClient"})
        );
        let there = nobody.order(json!({"command": "getClient", "username": "refused"}));
        assert_eq!(there["error"], "Client not found");
    });
}

/// A broker whose listener lets everybody in, with an account and no rules.
fn without_rules(startup: Startup, control: &str) -> Broker {
    drop(database(&startup.dir().join("db"), &[account("ann", "pw")]));
    let conf = "listener {port} 127.0.0.1\nallow_anonymous true\n".to_owned();
    startup.start(&(conf + &plugin_conf(&["database {dir}/db", control])))
}

#[test]
fn where_nobody_says_who_may_do_what_nobody_gives_orders_unless_it_is_allowed() {
    let order = || json!({"command": "listClients"});
    let connect = |broker: &Broker, name: Option<&str>| {
        let connect = Connect::new(Protocol::V311).client_id("c");
        let connect = match name {
            Some(name) => connect.credentials(name, "pw"),
            None => connect,
        };
        let mut client = connect.accepted(broker.port());
        client.subscribe(RESPONSE, 0);
        client.subscribe("marker", 0);
        client
    };
    for_each_broker(|startup| {
        let of = || Broker::of(startup.tree());
        let broker = without_rules(of(), "control on");
        assert_eq!(asks(&mut connect(&broker, Some("ann")), order()), None);
        let broker = without_rules(of(), "control allow-authenticated");
        let answer = asks_patiently(&mut connect(&broker, Some("ann")), order());
        assert_eq!(answer["responses"][0]["data"]["clients"], json!(["ann"]));
        // Who is let in, but not by us, is nobody here.
        assert_eq!(asks(&mut connect(&broker, None), order()), None);
    });
}

/// The answer, which comes later than what is sent behind the order.
fn asks_patiently(client: &mut Client, order: Value) -> Value {
    client.publish(TOPIC, json!({ "commands": [order] }).to_string());
    loop {
        match client.receive(PATIENCE) {
            Event::Publish { topic, payload } if topic == RESPONSE => {
                return serde_json::from_slice(&payload).unwrap();
            }
            Event::Closed | Event::Silence => panic!("no answer"),
            _ => {}
        }
    }
}

#[test]
fn with_control_off_the_topic_belongs_to_nobody() {
    for_each_broker(|startup| {
        let file = beginning();
        let startup = startup.file("dynsec.json", &file);
        import(startup.dir());
        let options = plugin_conf(&["database {dir}/db", "database_roles true", "control off"]);
        let broker = startup.start(&("listener {port} 127.0.0.1\n".to_owned() + &options));
        let connect = Connect::new(Protocol::V311).client_id("admin");
        let mut admin = connect.credentials("admin", "pw").accepted(broker.port());
        let order = json!({"commands": [{"command": "deleteClient", "username": "ann"}]});
        admin.publish_acknowledged(TOPIC, order.to_string());
        assert_eq!(login(&broker, "ann", "pw"), Answer::Accepted);
    });
}

#[test]
fn a_database_that_cannot_be_written_is_told_and_stays_as_it_was() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let path = broker.dir().join("db");
        let locker = Connection::open(&path).unwrap();
        locker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let refused = admin.order(json!({"command": "deleteClient", "username": "ann"}));
        let error = refused["error"].as_str().unwrap();
        assert!(error.contains("another program is writing"), "{error}");
        broker.wait_for_log("the control API changed nothing", PATIENCE);
        assert_eq!(login(&broker, "ann", "pw"), Answer::Accepted);
        locker.execute_batch("ROLLBACK").unwrap();
        let done = admin.order(json!({"command": "deleteClient", "username": "ann"}));
        assert_eq!(done, json!({"command": "deleteClient"}));
        assert_ne!(login(&broker, "ann", "pw"), Answer::Accepted);

        fs::rename(&path, broker.dir().join("away")).unwrap();
        let refused = admin.order(json!({"command": "deleteClient", "username": "bob"}));
        assert!(
            refused["error"]
                .as_str()
                .unwrap()
                .starts_with("Internal error"),
            "{refused}"
        );
    });
}

#[test]
fn orders_and_answers_keep_passwords_to_themselves() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let password = "tulips in the snow";
        for order in [
            json!({"command": "createClient", "username": "dave", "password": password}),
            json!({"command": "createClient", "username": "dave", "password": password}),
            json!({"command": "setClientPassword", "username": "dave", "password": password}),
            json!({"command": "rotatePassword", "username": "dave", "password": password}),
            json!({"command": "modifyClient", "username": "nobody", "password": password}),
            json!({"command": "getClient", "username": "dave"}),
            json!({"command": "listClients", "verbose": true}),
        ] {
            let answer = admin.order(order).to_string();
            assert!(
                !answer.contains("tulips") && !answer.contains("$7$"),
                "{answer}"
            );
        }
        let log = broker.log();
        assert!(log.contains("control by=\"admin\"") && log.contains("username=\"dave\": done"));
        assert!(!log.contains("tulips") && !log.contains("$7$"));
    });
}

#[test]
fn a_session_is_listed_with_where_it_comes_from_and_can_be_ended() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let connect = Connect::new(Protocol::V311).client_id("bob's");
        let mut bob = connect.credentials("bob", "pw").accepted(broker.port());
        let listed = admin.order(json!({"command": "listSessions", "username": "bob"}));
        let session = &listed["data"]["sessions"][0];
        assert_eq!(listed["data"]["totalCount"], 1);
        assert_eq!(session["clientid"], "bob's");
        assert_eq!(session["address"], "127.0.0.1");
        assert_eq!(session["credential"], "password");
        let all = admin.order(json!({"command": "listSessions", "count": 1, "offset": 1}));
        assert_eq!(all["data"]["totalCount"], 2);
        assert_eq!(all["data"]["sessions"].as_array().unwrap().len(), 1);
        let nobody = admin.order(json!({"command": "kickClient", "clientid": "nobody"}));
        assert_eq!(nobody["error"], "Client not connected");
        assert!(bob.is_connected());
        let kicked = admin.order(json!({"command": "kickClient", "clientid": "bob's"}));
        assert_eq!(kicked, json!({"command": "kickClient"}));
        assert!(bob.is_closed_within(PATIENCE));
    });
}

#[test]
fn a_password_can_be_rotated_and_a_validity_set() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let mut order = |order: Value| admin.order(order).get("error").cloned();
        assert_eq!(
            order(json!({"command": "rotatePassword", "username": "bob", "password": "new"})),
            None
        );
        assert_eq!(login(&broker, "bob", "pw"), Answer::Accepted);
        assert_eq!(login(&broker, "bob", "new"), Answer::Accepted);
        assert_eq!(
            order(json!({"command": "dropSecondPassword", "username": "bob"})),
            None
        );
        assert_ne!(login(&broker, "bob", "pw"), Answer::Accepted);
        assert_eq!(login(&broker, "bob", "new"), Answer::Accepted);

        let until = |until: Value| json!({"command": "setClientValidity", "username": "bob", "validUntil": until});
        assert_eq!(order(until(json!("2001-02-03T04:05:06Z"))), None);
        assert_ne!(login(&broker, "bob", "new"), Answer::Accepted);
        assert_eq!(
            order(until(json!("tomorrow"))),
            Some(json!("Invalid validUntil"))
        );
        assert_eq!(order(until(Value::Null)), None);
        assert_eq!(login(&broker, "bob", "new"), Answer::Accepted);
    });
}

#[test]
fn whoever_changes_its_own_password_hears_that_it_has_been_changed() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        for number in 0..20 {
            let password = if number % 2 == 0 {
                ("pw", "other")
            } else {
                ("other", "pw")
            };
            let mut admin = Admin::with(&broker, password.0);
            let order = json!({"command": "setClientPassword", "username": "admin", "password": password.1});
            assert_eq!(admin.order(order), json!({"command": "setClientPassword"}));
            assert!(admin.0.is_closed_within(PATIENCE));
        }
    });
}

#[test]
fn mosquitto_ctrl_works_as_it_is() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let ctrl = |args: &[&str]| {
            let mut command = broker.tree().at_port("mosquitto_ctrl", broker.port());
            command.args(["-h", "127.0.0.1", "-u", "admin", "-P", "pw", "dynsec"]);
            finish(command.args(args)).succeeded()
        };
        for args in [
            &["createClient", "dave", "-p", "secret"][..],
            &["createRole", "sensor"],
            &[
                "addRoleACL",
                "sensor",
                "publishClientSend",
                "sensors/#",
                "allow",
                "5",
            ],
            &["createGroup", "sensors"],
            &["addGroupRole", "sensors", "sensor", "3"],
            &["addGroupClient", "sensors", "dave", "2"],
            &["addClientRole", "dave", "r1"],
            &["setClientId", "dave", "dave-1"],
            &["setDefaultACLAccess", "subscribe", "allow"],
            &["setAnonymousGroup", "g1"],
        ] {
            ctrl(args);
        }
        assert!(ctrl(&["listClients"]).contains("dave"));
        let dave = ctrl(&["getClient", "dave"]);
        assert!(
            ["dave-1", "sensors", "r1"]
                .iter()
                .all(|text| dave.contains(text)),
            "{dave}"
        );
        assert!(ctrl(&["getRole", "sensor"]).contains("sensors/#"));
        assert!(ctrl(&["getGroup", "sensors"]).contains("dave"));
        assert!(ctrl(&["listGroups"]).contains("sensors"));
        assert!(ctrl(&["listRoles"]).contains("sensor"));
        assert!(ctrl(&["getAnonymousGroup"]).contains("g1"));
        assert!(ctrl(&["getDefaultACLAccess"]).contains("subscribe"));
        for args in [
            &["removeRoleACL", "sensor", "publishClientSend", "sensors/#"][..],
            &["removeGroupRole", "sensors", "sensor"],
            &["removeGroupClient", "sensors", "dave"],
            &["removeClientRole", "dave", "r1"],
            &["disableClient", "dave"],
            &["enableClient", "dave"],
            &["setClientPassword", "dave", "other"],
            &["deleteClient", "dave"],
            &["deleteGroup", "sensors"],
            &["deleteRole", "sensor"],
        ] {
            ctrl(args);
        }
        assert!(!ctrl(&["listClients"]).contains("dave"));
    });
}

#[test]
fn rubbish_changes_nothing_and_holds_nobody_up() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let before = admin.order(json!({"command": "getDetails"}));
        let connect = Connect::new(Protocol::V311).client_id("bob");
        let mut bob = connect.credentials("bob", "pw").accepted(broker.port());
        let rubbish = [
            "{",
            "[[[[",
            "\u{0}",
            r#"{"commands":[{"command":"x"},{}]}"#,
            r#"{"commands":{}}"#,
        ];
        for number in 0..2_000 {
            admin.0.publish(TOPIC, rubbish[number % rubbish.len()]);
        }
        assert!(bob.is_connected());
        for _ in 0..2_000 {
            let Event::Publish { payload, .. } = admin.0.receive(PATIENCE) else {
                panic!("no answer");
            };
            assert!(payload.windows(7).any(|window| window == b"\"error\""));
        }
        assert_eq!(admin.order(json!({"command": "getDetails"})), before);
        assert!(bob.is_connected() && !bob.is_closed_within(Duration::ZERO));
    });
}
