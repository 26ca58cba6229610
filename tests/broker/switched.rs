//! From dynamic-security to doorman by the plugin line alone, and back: the same clients get in, and the
//! same do not.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::conf::conf;
use super::control_compared::{Admin, beginning, stock};
use crate::support::{Answer, Broker, Connect, Protocol, doorman, finish, for_each_broker};

const OURS: [&str; 3] = [
    "config_file {dir}/dynsec.json",
    "database {dir}/db",
    "database_roles true",
];

/// Who comes with what, and whether that is right.
const LOGINS: [(&str, &str, &str, bool); 8] = [
    ("ann", "some", "pw", true),
    ("ann", "some", "tulips", false),
    ("bob", "some", "pw", true),
    ("dave", "daves", "tulips in the snow", true),
    ("dave", "daves", "tulips", false),
    ("dave", "another", "tulips in the snow", false),
    ("eve", "some", "roses in the snow", false),
    ("nobody", "some", "pw", false),
];

#[track_caller]
fn let_in_who_should_be(broker: &Broker) {
    for (name, client_id, password, right) in LOGINS {
        let connect = Connect::new(Protocol::V311).client_id(client_id);
        let answer = connect.credentials(name, password).answer(broker.port());
        assert_eq!(answer == Answer::Accepted, right, "{name} {client_id}");
    }
}

/// Without the listener's anonymous clients: whoever no plugin knows is refused.
fn closed(startup: crate::support::Startup, file: &str) -> Broker {
    let plugin = startup.tree().plugin("mosquitto_dynamic_security.so");
    let lines = format!(
        "listener {{port}} 127.0.0.1\nallow_anonymous false\nplugin {}\n\
         plugin_opt_config_file {{dir}}/dynsec.json\n",
        plugin.display()
    );
    startup.file("dynsec.json", file).start(&lines)
}

#[test]
fn the_same_clients_get_in_there_and_back_again() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        let new = || Broker::of(&tree);
        // The file as this broker writes it.
        let mut original = stock(startup, &beginning());
        let mut admin = Admin::at(&original);
        for order in [
            json!({"command": "createClient", "username": "dave", "password": "tulips in the snow",
                   "clientid": "daves", "textname": "Dave", "roles": [{"rolename": "r1", "priority": 3}]}),
            json!({"command": "createClient", "username": "eve", "password": "roses in the snow"}),
            json!({"command": "disableClient", "username": "eve"}),
            json!({"command": "addGroupClient", "groupname": "g1", "username": "dave", "priority": 2}),
            json!({"command": "setAnonymousGroup", "groupname": "g1"}),
        ] {
            let done = admin.order(order);
            assert!(done.get("error").is_none(), "{done}");
        }
        original.stop();
        let file = fs::read_to_string(original.dir().join("dynsec.json")).unwrap();
        assert_eq!(file.contains("\"encoded_password\""), tree.is_2_1());
        assert_eq!(file.contains("\"iterations\""), !tree.is_2_1());
        let_in_who_should_be(&closed(new(), &file));

        let mut ours = new()
            .file("dynsec.json", &file)
            .start(&conf(&[&OURS[..], &["unknown_user deny"]].concat()));
        assert!(ours.log().contains("was taken over into"), "{}", ours.log());
        let_in_who_should_be(&ours);
        fs::write(ours.dir().join("dynsec.json"), "no file any more").unwrap();
        ours.restart();
        assert!(ours.log().contains("was taken over already"));
        let_in_who_should_be(&ours);
        assert!(!ours.log().contains("in the snow") && !ours.log().contains("$7$"));

        let version = if tree.is_2_1() { "2.1" } else { "2.0" };
        let mut export = doorman();
        export.args([
            "export",
            "--format",
            "dynsec",
            "--for",
            version,
            "--database",
        ]);
        let exported = finish(export.arg(ours.dir().join("db"))).succeeded();
        let back = closed(new(), &exported);
        let_in_who_should_be(&back);
    });
}

#[test]
fn a_file_that_cannot_be_taken_over_whole_ends_the_start_and_makes_nothing() {
    for_each_broker(|startup| {
        let dir = TempDir::new().unwrap();
        let database = format!("database {}/db", dir.path().display());
        let lossy = beginning().replacen("a/b", "a#", 1);
        let cases = [
            (Some(lossy.as_str()), "1 of the remarks"),
            (Some("{"), "not JSON"),
            (Some("[]"), "must be an object"),
            (None, "dynsec.json: No such file"),
        ];
        for (file, said) in cases {
            let mut new = Broker::of(startup.tree());
            if let Some(file) = file {
                new = new.file("dynsec.json", file);
            }
            let options = [OURS[0], &database, OURS[2]];
            let refusal = new.start_fails(&conf(&options));
            let lines = refusal.log.lines();
            let told = lines.filter(|line| line.contains("doorman: nothing was taken over: "));
            let told: Vec<_> = told.collect();
            assert!(told.len() == 1 && told[0].contains(said), "{}", refusal.log);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
        let new = Broker::of(startup.tree()).file("dynsec.json", beginning());
        let refusal = new.start_fails(&conf(&[OURS[0], &database]));
        assert!(
            refusal.log.contains("plugin_opt_database_roles true"),
            "{}",
            refusal.log
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    });
}
