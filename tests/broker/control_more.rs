//! The orders that the original does not have: reasons, bans, and many clients at once.

use std::process::Command;

use serde_json::{Value, json};

use super::accounts::account;
use super::control_compared::{Admin, beginning, ours};
use crate::support::{Answer, Broker, Connect, Protocol, doorman, finish, for_each_broker};

fn login(broker: &Broker, name: &str, password: &str) -> Answer {
    let connect = Connect::new(Protocol::V311).client_id(format!("{name}'s"));
    connect.credentials(name, password).answer(broker.port())
}

/// What the record says, from the newest on.
fn records(broker: &Broker) -> Vec<Value> {
    let mut list = doorman();
    list.args(["--json", "audit", "list", "--database"]);
    let out = finish(list.arg(broker.dir().join("db"))).succeeded();
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The same question to the command line and in an order.
fn both_ways(broker: &Broker, admin: &mut Admin, words: &[&str], order: &Value) -> [Value; 2] {
    let mut explain: Command = doorman();
    explain.args(["--json", "explain", "--database"]);
    explain.arg(broker.dir().join("db"));
    let said = finish(explain.args(words)).stdout;
    let mut order = order.clone();
    for (field, word) in [("username", 0), ("action", 1), ("topic", 2)] {
        order[field] = json!(words[word]);
    }
    order["command"] = json!("explain");
    let answered = admin.order(order)["data"].take();
    let mut both = [serde_json::from_str(&said).unwrap(), answered];
    for side in &mut both {
        // Each names the file as it was told.
        side.as_object_mut().unwrap().remove("source");
    }
    both
}

#[test]
fn explain_says_what_the_command_line_says() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        for order in [
            json!({"command": "addRoleACL", "rolename": "r1", "acltype": "subscribePattern",
                   "topic": "a/#", "allow": true, "priority": 3}),
            json!({"command": "addGroupRole", "groupname": "g1", "rolename": "admin"}),
            json!({"command": "addGroupClient", "groupname": "g1", "username": "bob"}),
        ] {
            assert_eq!(admin.order(order)["error"], Value::Null);
        }
        let before = records(&broker).len();
        for (words, order) in [
            (&["bob", "publish", "a/b"][..], json!({})),
            (
                &[
                    "bob",
                    "publish",
                    "a/c",
                    "--qos",
                    "1",
                    "--retain",
                    "--payload",
                    "9",
                ],
                json!({"qos": 1, "retain": true, "payloadsize": 9}),
            ),
            (
                &["bob", "subscribe", "a/+", "--qos", "2", "--client-id", "c"],
                json!({"qos": 2, "clientid": "c"}),
            ),
            (
                &["bob", "publish", "$CONTROL/dynamic-security/v1"],
                json!({}),
            ),
            (&["ann", "receive", "a"], json!({})),
            (&["ann", "unsubscribe", "a"], json!({})),
        ] {
            let [said, answered] = both_ways(&broker, &mut admin, words, &order);
            assert_eq!(answered, said, "{words:?}");
        }
        let by_type = admin.order(json!({"command": "explain", "username": "bob",
            "acltype": "publishClientSend", "topic": "a/b"}));
        assert_eq!(by_type["data"]["decision"], "allowed");
        assert_eq!(by_type["data"]["because"]["role"], "r1");
        assert_eq!(records(&broker).len(), before, "to ask is not written down");
    });
}

#[test]
fn what_is_wrong_with_a_question_is_told() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let ask = |fields: Value| {
            let mut order = json!({"command": "explain", "username": "bob", "action": "publish",
                                   "topic": "a"});
            for (field, value) in fields.as_object().unwrap() {
                order[field] = value.clone();
                if value == "-" {
                    order.as_object_mut().unwrap().remove(field);
                }
            }
            order
        };
        for (fields, why) in [
            (json!({"username": "nobody"}), "Client not found"),
            (json!({"username": 1}), "Invalid/missing username"),
            (json!({"action": "-"}), "Invalid/missing acltype or action"),
            (json!({"action": 1}), "Invalid/missing acltype or action"),
            (json!({"action": "write"}), "Unknown action"),
            (
                json!({"action": "-", "acltype": "write"}),
                "Unknown acltype",
            ),
            (json!({"topic": "-"}), "Invalid/missing topic"),
            (json!({"topic": 1}), "Invalid/missing topic"),
            (json!({"clientid": 1}), "Invalid/missing client id"),
            (json!({"qos": 3}), "Invalid qos"),
            (json!({"qos": "1"}), "Invalid qos"),
            (json!({"retain": 1}), "Invalid retain"),
            (json!({"payloadsize": -1}), "Invalid payloadsize"),
        ] {
            assert_eq!(admin.order(ask(fields.clone()))["error"], why, "{fields}");
        }
        for fields in [
            json!({"topic": "a/#"}),
            json!({"action": "subscribe", "retain": true}),
        ] {
            let refused = admin.order(ask(fields));
            let error = refused["error"].as_str().unwrap();
            assert!(error.starts_with("Invalid question: "), "{error}");
        }
    });
}

#[test]
fn who_fails_is_listed_and_can_be_let_off() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let none = admin.order(json!({"command": "listBans"}));
        assert_eq!(none["data"], json!({"totalCount": 0, "bans": []}));
        for number in 0..30 {
            let _refused = login(&broker, "bob", &format!("guess {number}"));
        }
        assert_ne!(login(&broker, "bob", "pw"), Answer::Accepted);
        let listed = admin.order(json!({"command": "listBans", "username": "bob"}));
        let ban = &listed["data"]["bans"][0];
        assert_eq!(
            (&ban["username"], &ban["address"]),
            (&json!("bob"), &json!("127.0.0.1"))
        );
        assert!(
            ban["failures"].as_u64().unwrap() > 0 && ban["until"].is_string(),
            "{ban}"
        );
        let total = listed["data"]["totalCount"].as_u64().unwrap();
        let page = admin.order(json!({"command": "listBans", "username": "bob", "count": 1,
                                      "offset": total}));
        assert_eq!(page["data"], json!({"totalCount": total, "bans": []}));
        assert_ne!(login(&broker, "bob", "pw"), Answer::Accepted);
        for order in [
            json!({"command": "clearBan", "username": "bob"}),
            json!({"command": "clearBan", "address": "127.0.0.1"}),
        ] {
            let _maybe_gone = admin.order(order);
        }
        assert_eq!(login(&broker, "bob", "pw"), Answer::Accepted);
        let record = records(&broker)
            .into_iter()
            .find(|record| record["verb"] == "clearBan");
        let record = record.expect("it is written down");
        assert_eq!(
            (&record["who"], &record["username"]),
            (&json!("mqtt:admin"), &json!("bob"))
        );
        assert!(
            broker
                .log()
                .contains("command=\"clearBan\" username=\"bob\": done")
        );
    });
}

#[test]
fn what_is_wrong_with_an_order_about_bans_is_told() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let _refused = login(&broker, "bob", "guess");
        for (order, why) in [
            (
                json!({"command": "clearBan"}),
                "Invalid/missing username or address",
            ),
            (
                json!({"command": "clearBan", "username": 1}),
                "Invalid/missing username",
            ),
            (
                json!({"command": "clearBan", "address": 1}),
                "Invalid address",
            ),
            (
                json!({"command": "clearBan", "address": "here"}),
                "Invalid address",
            ),
            (
                json!({"command": "clearBan", "username": "ann"}),
                "Ban not found",
            ),
            (
                json!({"command": "clearBan", "username": "bob", "address": "192.0.2.1"}),
                "Ban not found",
            ),
            (
                json!({"command": "listBans", "address": ""}),
                "Invalid address",
            ),
        ] {
            assert_eq!(admin.order(order.clone())["error"], why, "{order}");
        }
    });
}

#[test]
fn many_clients_come_in_one_message_with_passwords_and_with_hashes() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let stored = account("x", "tulips").credential.unwrap().text;
        let mut clients: Vec<Value> = (0..40)
            .map(|number| {
                json!({"username": format!("c{number}"), "password": format!("pw{number}"),
                                 "roles": [{"rolename": "r1"}]})
            })
            .collect();
        clients.push(json!({"username": "stored", "encoded_password": *stored,
                            "clientid": "stored's", "textname": "t",
                            "groups": [{"groupname": "g1", "priority": 2}]}));
        clients.push(json!({"username": "off", "password": "pw", "disabled": true}));
        clients.push(json!({"username": "none"}));
        let done = admin.order(json!({"command": "importClients", "clients": clients}));
        let data = json!({"clientCount": 43, "passwordCount": 41, "encodedPasswordCount": 1});
        assert_eq!(done, json!({"command": "importClients", "data": data}));
        assert_eq!(login(&broker, "c7", "pw7"), Answer::Accepted);
        assert_ne!(login(&broker, "c7", "pw8"), Answer::Accepted);
        assert_eq!(login(&broker, "stored", "tulips"), Answer::Accepted);
        assert_ne!(login(&broker, "off", "pw"), Answer::Accepted);
        let shown = admin.order(json!({"command": "getClient", "username": "stored"}));
        let groups = json!([{"groupname": "g1", "priority": 2}]);
        assert_eq!(shown["data"]["client"]["groups"], groups);
        let records = records(&broker);
        let made = records
            .iter()
            .filter(|record| record["verb"] == "createClient");
        assert_eq!(made.count(), 43);
        let log = broker.log();
        assert!(log.contains("command=\"importClients\": done"));
        assert!(!log.contains("tulips") && !log.contains("$7$"), "{log}");
    });
}

/// The place of each entry that is wrong, and why.
const WRONG: [(u64, &str); 14] = [
    (1, "Client already exists"),
    (2, "Client already exists"),
    (3, "Empty username"),
    (4, "Invalid/missing username"),
    (5, "Invalid/missing username"),
    (6, "Invalid/missing password"),
    (7, "Role not found"),
    (8, "Group not found"),
    (9, "Invalid encoded_password"),
    (10, "Invalid encoded_password"),
    (11, "Invalid encoded_password"),
    (12, "Invalid disabled"),
    (13, "Invalid groups"),
    (14, "Invalid/missing client id"),
];

#[test]
fn where_one_client_cannot_be_imported_none_is_and_each_is_named() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let before = admin.order(json!({"command": "listClients", "verbose": true}));
        let clients = json!([
            {"username": "fine", "password": "pw"},
            {"username": "ann", "password": "pw"},
            {"username": "fine", "password": "pw"},
            {"username": ""},
            {"password": "tulips"},
            7,
            {"username": "a", "password": 1},
            {"username": "b", "roles": [{"rolename": "nothing"}]},
            {"username": "c", "groups": [{"groupname": "nothing"}]},
            {"username": "d", "encoded_password": "tulips"},
            {"username": "e", "encoded_password": "$7$x"},
            {"username": "f", "encoded_password": "$7$x", "password": "pw"},
            {"username": "g", "disabled": "yes"},
            {"username": "h", "groups": 7},
            {"username": "i", "clientid": 7},
        ]);
        let refused = admin.order(json!({"command": "importClients", "clients": clients}));
        assert_eq!(refused["error"], "14 of 15 clients cannot be imported");
        let failed = &refused["data"]["failed"];
        let failed: Vec<(u64, &str)> = failed
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                (
                    entry["index"].as_u64().unwrap(),
                    entry["error"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(failed, WRONG);
        assert_eq!(refused["data"]["failedCount"], 14);
        assert_eq!(refused["data"]["failed"][0]["username"], "ann");
        assert!(!refused.to_string().contains("tulips"));
        let after = admin.order(json!({"command": "listClients", "verbose": true}));
        assert_eq!(after, before);
        assert_ne!(login(&broker, "fine", "pw"), Answer::Accepted);
    });
}

#[test]
fn a_client_is_shown_with_its_certificates_and_identities_and_no_key() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let key = "00112233445566778899aabbccddeeff";
        let before = admin.order(json!({"command": "getClient", "username": "ann"}));
        let psk = json!({"addPsk": {"identity": "device-7", "name": "ann", "key": key}});
        let certificate = |name: &str| json!({"addCertificate": ["ann", name]});
        let changes = [
            certificate("uri:urn:dev:7"),
            certificate("dns:ann.example"),
            psk,
        ];
        let done = admin.order(json!({"command": "applyCommands", "changes": changes}));
        assert_eq!(done["data"], json!(["changed", "changed", "added"]));
        let mut shown = admin.order(json!({"command": "getClient", "username": "ann"}));
        assert!(!shown.to_string().contains(key));
        let client = shown["data"]["client"].as_object_mut().unwrap();
        let certificates = client.remove("certificates").unwrap();
        assert_eq!(certificates, json!(["dns:ann.example", "uri:urn:dev:7"]));
        assert_eq!(client.remove("pskidentities").unwrap(), json!(["device-7"]));
        // Nothing else is new, and who has neither is shown as ever.
        assert_eq!(shown, before);
        let bob = admin.order(json!({"command": "getClient", "username": "bob"}));
        assert!(!bob.to_string().contains("certificates") && !bob.to_string().contains("psk"));
    });
}

#[test]
fn an_import_without_a_list_or_with_too_much_in_it_is_refused() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        for clients in [Value::Null, json!({}), json!([]), json!("a")] {
            let refused = admin.order(json!({"command": "importClients", "clients": clients}));
            assert_eq!(refused["error"], "Missing/invalid clients array");
        }
        let too_many = "Too many clients: at most 10000, and 1000 passwords to be hashed";
        let many =
            |count: usize, client: Value| -> Value { (0..count).map(|_| client.clone()).collect() };
        for clients in [
            many(10_001, json!({"username": "a"})),
            many(1_001, json!({"username": "a", "password": "pw"})),
        ] {
            let refused = admin.order(json!({"command": "importClients", "clients": clients}));
            assert_eq!(refused["error"], too_many);
        }
    });
}
