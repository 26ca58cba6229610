//! The first start: a database that is not there is made with an administrator, as dynamic-security 2.1
//! makes its file, and one that is there is left alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::accounts::database;
use super::conf::conf;
use super::control_compared::Admin;
use crate::support::{
    Answer, Broker, Connect, Protocol, Startup, doorman, finish, for_each_broker,
};

/// As the option is written for a new deployment.
const NEW: [&str; 3] = [
    "database {dir}/db",
    "database_roles true",
    "control_iterations 10",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    NEW.iter().copied().chain(more.iter().copied()).collect()
}

fn login(broker: &Broker, password: &str) -> Answer {
    let connect = Connect::new(Protocol::V311).client_id("admin");
    let connect = connect.credentials("admin", password);
    connect.answer(broker.port())
}

fn export(database: &Path) -> Value {
    let mut export = doorman();
    // A rule of it has %c in it, which 2.0 takes for plain text.
    export.args(["export", "--format", "dynsec", "--for", "2.1", "--database"]);
    let text = finish(export.arg(database)).succeeded();
    serde_json::from_str(&text).unwrap()
}

/// The password that was written beside the database.
fn written(broker: &Broker) -> String {
    let text = fs::read_to_string(broker.dir().join("db.pw")).unwrap();
    let password = text.strip_prefix("admin ").unwrap();
    password.strip_suffix('\n').unwrap().to_owned()
}

/// What is there in a file, without texts and passwords: rules in their order.
fn outline(file: &Value) -> Value {
    let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    let named = |name: &str, key: &str, outline: &dyn Fn(&Value) -> Value| -> BTreeMap<_, _> {
        let all = list(file, name).into_iter();
        all.map(|one| (one[key].to_string(), outline(&one)))
            .collect()
    };
    let held = |holder: &Value| {
        let held = list(holder, "roles").into_iter();
        let held: BTreeMap<_, _> = held
            .map(|role| {
                (
                    role["rolename"].to_string(),
                    role["priority"].as_i64().unwrap_or(-1),
                )
            })
            .collect();
        json!(held)
    };
    let rule = |acl: &Value| {
        let priority = acl["priority"].as_i64().unwrap_or(0);
        json!([acl["acltype"], acl["topic"], acl["allow"], priority])
    };
    let role = |role: &Value| {
        let rules: Vec<_> = list(role, "acls").iter().map(rule).collect();
        json!([rules, role["allowwildcardsubs"].as_bool().unwrap_or(true)])
    };
    let client = |client: &Value| json!([held(client), client["disabled"], client["clientid"]]);
    let group = |group: &Value| json!([held(group), list(group, "clients")]);
    json!({
        "defaults": file["defaultACLAccess"], "anonymous": file["anonymousGroup"],
        "clients": named("clients", "username", &client),
        "roles": named("roles", "rolename", &role),
        "groups": named("groups", "groupname", &group),
    })
}

#[test]
fn a_first_start_makes_what_dynamic_security_2_1_makes() {
    let stock = Broker::version("2.1.2").env("MOSQUITTO_DYNSEC_PASSWORD", "tulips in the snow");
    let plugin = stock.tree().plugin("mosquitto_dynamic_security.so");
    let lines = format!(
        "listener {{port}} 127.0.0.1\nplugin {}\nplugin_opt_config_file {{dir}}/dynsec.json\n",
        plugin.display()
    );
    let stock = stock.start(&lines);
    let theirs = fs::read_to_string(stock.dir().join("dynsec.json")).unwrap();
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    for_each_broker(|startup| {
        let broker = startup
            .env("MOSQUITTO_DYNSEC_PASSWORD", "tulips in the snow")
            .start(&conf(&NEW));
        assert_eq!(outline(&export(&broker.dir().join("db"))), outline(&theirs));
        assert_eq!(login(&broker, "tulips in the snow"), Answer::Accepted);
        assert_ne!(login(&broker, "tulips"), Answer::Accepted);
        assert!(!broker.dir().join("db.pw").exists());
        assert!(!broker.log().contains("tulips"));
    });
}

#[test]
fn a_password_that_nobody_chose_is_written_once_and_never_logged() {
    for_each_broker(|startup| {
        let mut broker = startup.start(&conf(&NEW));
        let password = written(&broker);
        assert_eq!(password.len(), 32);
        let note = fs::metadata(broker.dir().join("db.pw")).unwrap();
        let made = fs::metadata(broker.dir().join("db")).unwrap();
        assert_eq!((note.mode() & 0o777, made.mode() & 0o777), (0o600, 0o600));
        assert!(broker.log().contains("db.pw"), "{}", broker.log());
        assert!(!broker.log().contains(&password));
        let mut admin = Admin::with(&broker, &password);
        let listed = admin.order(json!({"command": "listClients"}));
        assert_eq!(listed["data"]["clients"], json!(["admin"]));
        assert_ne!(login(&broker, "wrong"), Answer::Accepted);

        broker.restart();
        assert_eq!(written(&broker), password, "the second start left it alone");
        assert_eq!(login(&broker, &password), Answer::Accepted);
        // Once it is changed and the file deleted, nothing comes back.
        fs::remove_file(broker.dir().join("db.pw")).unwrap();
        broker.restart();
        assert!(!broker.dir().join("db.pw").exists());
    });
}

#[test]
fn the_first_password_comes_from_a_file_before_the_environment() {
    for_each_broker(|startup| {
        let broker = startup
            .file("first", "rose garden \n")
            .env("MOSQUITTO_DYNSEC_PASSWORD", "tulips in the snow")
            .start(&conf(&with(&["password_init_file {dir}/first"])));
        assert_eq!(login(&broker, "rose garden"), Answer::Accepted);
        assert_ne!(login(&broker, "tulips in the snow"), Answer::Accepted);
        assert!(!broker.dir().join("db.pw").exists());
        assert!(!broker.log().contains("rose garden"));
    });
}

/// The start ends in one line that says this.
#[track_caller]
fn fails(startup: Startup, options: &[&str], said: &str) {
    let refusal = startup.start_fails(&conf(options));
    let lines = refusal.log.lines();
    let lines: Vec<_> = lines.filter(|line| line.contains("doorman: ")).collect();
    assert!(
        lines.len() == 1 && lines[0].contains(said),
        "{}",
        refusal.log
    );
}

#[test]
fn a_first_start_without_a_password_or_a_place_ends_in_one_line() {
    for_each_broker(|startup| {
        let new = || Broker::of(startup.tree());
        let short = new().env("MOSQUITTO_DYNSEC_PASSWORD", "tulips");
        fails(short, &NEW, "at least 12 bytes");
        let file = with(&["password_init_file {dir}/first"]);
        fails(new(), &file, "first: No such file");
        fails(new().file("first", "\n"), &file, "empty");
        fails(
            new().file("db.pw", "admin mine\n"),
            &NEW,
            "db.pw: it is there already",
        );
        let nowhere = ["database {dir}/none/db", "database_roles true"];
        fails(
            new(),
            &nowhere,
            "none/db.pw: the first password cannot be written",
        );
        // Where nobody can write, not even root.
        let unwritable = ["database /proc/db", "database_roles true"];
        fails(new(), &unwritable, "/proc/db");
    });
}

#[test]
fn a_database_that_is_there_gets_no_administrator_nor_does_one_that_takes_no_orders() {
    for_each_broker(|startup| {
        let new = || Broker::of(startup.tree());
        let empty = new();
        drop(database(&empty.dir().join("db"), &[]));
        let cases = [
            (empty, NEW.to_vec()),
            (new(), with(&["auto_init false"])),
            (new(), with(&["control off"])),
            (new(), vec!["database {dir}/db"]),
            (
                new(),
                vec!["database {dir}/db", "control allow-authenticated"],
            ),
        ];
        for (startup, options) in cases {
            let password = "tulips in the snow";
            let startup = startup.env("MOSQUITTO_DYNSEC_PASSWORD", password);
            let broker = startup.start(&conf(&options));
            assert_ne!(login(&broker, password), Answer::Accepted, "{options:?}");
            let exported = export(&broker.dir().join("db"));
            assert_eq!(exported["clients"], json!([]), "{options:?}");
            assert_eq!(exported["roles"], json!([]), "{options:?}");
            assert!(!broker.dir().join("db.pw").exists());
        }
    });
}
