//! `doorman export --format dynsec`: the file of dynamic-security.

use serde_json::{Value, json};

use super::import_rules::example;
use super::{Desk, Ran};
use crate::support::{Answer, Connect, Protocol, for_each_broker};

fn export(desk: &Desk, more: &[&str]) -> (Ran, Value) {
    let mut args = vec!["export", "--format", "dynsec"];
    args.extend(more);
    let ran = desk.on(&args);
    let file = serde_json::from_str(&ran.out).unwrap_or_default();
    (ran, file)
}

/// A file without the orders that say nothing.
fn settled(mut file: Value) -> Value {
    let by_name = |value: &Value| {
        let names = ["username", "groupname", "rolename"].map(|key| value[key].to_string());
        names.concat()
    };
    for (of, lists) in [
        ("clients", &["roles"][..]),
        ("groups", &["roles", "clients"]),
        ("roles", &[]),
    ] {
        let items = file[of].as_array_mut().unwrap();
        for item in items.iter_mut() {
            for list in lists {
                item[*list].as_array_mut().unwrap().sort_by_key(by_name);
            }
        }
        items.sort_by_key(by_name);
    }
    file
}

#[test]
fn what_comes_from_dynamic_security_goes_out_as_it_came() {
    let desk = Desk::database();
    desk.write("in.json", &example().to_string());
    desk.on(&["import", "in.json"]).code(0);
    let (ran, file) = export(&desk, &["--for", "2.1"]);
    assert_eq!(settled(file), settled(example()), "{}", ran.err);
    ran.code(0);
    let again = Desk::database();
    desk.on(&[
        "export", "--format", "dynsec", "--for", "2.1", "-o", "out.json",
    ])
    .code(0)
    .tells("3 accounts, 2 roles and 2 groups exported, 0 things");
    let out = desk.path("out.json");
    again.on(&["import", out.to_str().unwrap()]).code(0);
    assert_eq!(
        settled(export(&again, &["--for", "2.1"]).1),
        settled(example())
    );
}

#[test]
fn what_an_older_broker_does_not_know_is_told() {
    let desk = Desk::database();
    desk.write("in.json", &example().to_string());
    desk.on(&["import", "in.json"]).code(0);
    let (ran, _) = export(&desk, &[]);
    ran.code(1)
        .says("role a: a 2.0 broker does not know allowwildcardsubs")
        .says("role a: publishClientSend z/%u/#: a 2.0 broker takes");
}

/// A database with what dynamic-security has no words for.
fn beyond_words() -> Desk {
    let desk = Desk::database();
    for name in ["twice", "bound"] {
        desk.add(name, "tulip-garden").code(0);
    }
    let again = ["user", "passwd", "twice", "--keep-old", "--password-stdin"];
    desk.on_with(
        &[&again[..], &["--iterations", "101"]].concat(),
        "rose-garden",
    )
    .code(0);
    desk.write(
        "in.csv",
        "username,credential,networks,valid_until\n\
         slow,$2b$05$abcdefghijklmnopqrstuuC2nVIBOX0jXqPnXYBDDqXgQFwRSQYLe,,\n\
         bound,,10.0.0.0/8,\n",
    );
    desk.on(&["import", "in.csv"]);
    desk.on(&["user", "set", "bound", "--networks", "10.0.0.0/8"])
        .code(0);
    desk.on(&["user", "set", "twice", "--notes", "by the door"])
        .code(0);
    desk.furnish(&[
        &["role", "add", "r"],
        &[
            "role",
            "allow",
            "r",
            "publishClientSend",
            "small",
            "--max-payload",
            "10",
        ],
        &["role", "allow", "r", "publishClientSend", "all"],
        &["role", "add", "timed", "--valid-until", "2100-01-01"],
        &["role", "allow", "timed", "publishClientSend", "t"],
        &["role", "deny", "timed", "publishClientSend", "never"],
    ]);
    desk
}

#[test]
fn what_dynamic_security_cannot_say_is_told_and_allows_nothing() {
    let desk = beyond_words();
    let (ran, file) = export(&desk, &[]);
    let ran = ran
        .code(1)
        .says("account twice: the second password was left out")
        .says("account twice: the notes were left out")
        .says("account bound: it is bound to networks, certificates or a time")
        .says("account slow: dynamic-security cannot read this kind of hash")
        .says("role r: publishClientSend small: the rule has conditions")
        .says("role timed: it holds for a time");
    assert!(!ran.err.contains("2b$05"));
    let client = |file: &Value, name: &str| {
        let clients = file["clients"].as_array().unwrap();
        clients
            .iter()
            .find(|client| client["username"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(client(&file, "bound")["disabled"], true);
    assert_eq!(client(&file, "slow")["password"], Value::Null);
    let topics = |file: &Value| -> Vec<Value> {
        let roles = file["roles"].as_array().unwrap().iter();
        let rules = roles.flat_map(|role| role["acls"].as_array().unwrap());
        rules.map(|rule| rule["topic"].clone()).collect()
    };
    assert_eq!(topics(&file), [json!("all"), json!("never")]);
    let (ran, file) = export(&desk, &["--drop-bounds"]);
    ran.code(1)
        .says("it is bound to networks, certificates or a time no more");
    assert_eq!(client(&file, "bound")["disabled"], Value::Null);
    assert_eq!(topics(&file).len(), 4);
}

#[test]
fn a_limit_of_administrators_goes_out_as_no_right_to_administer() {
    let desk = Desk::database();
    desk.furnish(&[
        &["role", "add", "limited", "--admin-prefix", "a-"],
        &[
            "role",
            "allow",
            "limited",
            "publishClientSend",
            "$CONTROL/dynamic-security/v1",
        ],
        &["role", "allow", "limited", "publishClientSend", "a/#"],
        &["role", "add", "free"],
        &[
            "role",
            "allow",
            "free",
            "publishClientSend",
            "$CONTROL/dynamic-security/v1",
        ],
    ]);
    let topics = |file: &Value, role: &str| -> Vec<Value> {
        let mut roles = file["roles"].as_array().unwrap().iter();
        let role = roles.find(|entry| entry["rolename"] == role).unwrap();
        let rules = role["acls"].as_array().unwrap().iter();
        rules.map(|rule| rule["topic"].clone()).collect()
    };
    let (ran, file) = export(&desk, &[]);
    ran.code(1)
        .says("it limits what its holders may administer");
    assert_eq!(topics(&file, "limited"), [json!("a/#")]);
    assert_eq!(topics(&file, "free").len(), 1);
    let (ran, file) = export(&desk, &["--drop-bounds"]);
    ran.code(1).says("may administer everything now");
    assert_eq!(topics(&file, "limited").len(), 2);
}

#[test]
fn a_password_file_holds_nothing_that_could_be_exported_so() {
    Desk::file().on(&["export", "--format", "dynsec"]).code(1);
    let desk = Desk::database();
    let args = ["export", "--format", "dynsec", "-o", "out", "--json"];
    let told = desk.on(&args).code(0).json();
    assert_eq!(
        told[0],
        json!({"exported": 0, "roles": 0, "groups": 0, "not_exact": 0})
    );
    desk.on(&["export", "--format", "dynsec", "-o", "missing/out"])
        .code(5);
}

#[test]
fn the_stock_plugin_starts_with_an_exported_file_and_lets_its_accounts_in() {
    let desk = Desk::database();
    desk.add("ann", "tulip-garden").code(0);
    desk.add("bob", "tulip-garden").code(0);
    desk.furnish(&[
        &["user", "disable", "bob"],
        &["role", "add", "r"],
        &["role", "allow", "r", "subscribePattern", "a/#"],
        &["user", "grant", "ann", "r"],
    ]);
    let exported = desk.on(&["export", "--format", "dynsec"]).code(0).out;
    for_each_broker(|startup| {
        let plugin = startup.tree().plugin("mosquitto_dynamic_security.so");
        let conf = format!(
            "listener {{port}} 127.0.0.1\nallow_anonymous false\nplugin {}\n\
             plugin_opt_config_file {{dir}}/dynsec.json\n",
            plugin.display()
        );
        let broker = startup.file("dynsec.json", &exported).start(&conf);
        let connect =
            |name: &str, password: &str| Connect::new(Protocol::V311).credentials(name, password);
        let mut ann = connect("ann", "tulip-garden").accepted(broker.port());
        assert_eq!(ann.subscribe("a/b", 0), 0);
        assert_ne!(ann.subscribe("b", 0), 0);
        for refused in [
            connect("ann", "rose-garden"),
            connect("bob", "tulip-garden"),
        ] {
            assert_ne!(refused.answer(broker.port()), Answer::Accepted);
        }
    });
}
