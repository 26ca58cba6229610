//! Roles where a client comes in another way: by certificate, by a bridge, at one of several listeners,
//! under somebody else's client id.

use std::process::Stdio;

use super::accounts::{account, database};
use super::conf::conf;
use super::roles::{NAMES, ROLES, change, client, heard, may_publish, until, v5};
use crate::support::certificates::{certificates, files};
use crate::support::{
    Broker, Connect, PATIENCE, Protocol, Startup, doorman, eventually, finish, for_each_broker,
    plugin_conf,
};

fn accounts(startup: &Startup) {
    drop(database(
        &startup.dir().join("db"),
        &NAMES.map(|name| account(name, "pw")),
    ));
    change(startup.dir(), ROLES);
}

pub fn by_certificate<'a>(name: &'a str, files: &'a [String; 3]) -> Vec<&'a str> {
    let [ca, certificate, key] = files;
    vec![
        "--cafile",
        ca,
        "--cert",
        certificate,
        "--key",
        key,
        "-i",
        name,
    ]
}

/// A broker with a second listener that takes certificates.
fn certified(startup: Startup, clients: &[&str]) -> Broker {
    accounts(&startup);
    certificates(startup.dir(), clients);
    let tls = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
               keyfile {dir}/localhost.key\nrequire_certificate true\n\
               use_identity_as_username true\n";
    let options = [
        "database {dir}/db",
        "database_roles true",
        "unknown_user deny",
    ];
    startup.start(&(conf(&options) + tls))
}

fn publish(broker: &Broker, name: &str, topic: &str) {
    publish_text(broker, name, topic, name);
}

fn publish_text(broker: &Broker, name: &str, topic: &str, text: &str) {
    let files = files(broker.dir(), name);
    let message = ["-q", "1", "-t", topic, "-m", text];
    let args = [&by_certificate(name, &files)[..], &message].concat();
    let done = broker.tree().mosquitto_pub(broker.nth_port(2), &args);
    assert!(!done.stderr.contains("certificate"), "{done:?}");
}

#[test]
fn who_came_by_certificate_changes_no_password_of_its_own() {
    for_each_broker(|startup| {
        let broker = certified(startup, &["ann"]);
        for args in [
            &["role", "add", "own"][..],
            &[
                "role",
                "allow",
                "own",
                "publishClientSend",
                "$CONTROL/doorman/own/v1",
            ],
            &["user", "grant", "ann", "own"],
        ] {
            let mut doorman = doorman();
            doorman
                .args(args)
                .arg("--database")
                .arg(broker.dir().join("db"));
            finish(&mut doorman).succeeded();
        }
        let order = r#"{"commands": [{"command": "changeOwnPassword", "oldpassword": "pw",
                                      "password": "tulips"}]}"#;
        let refused = "command=\"changeOwnPassword\": Log in with a password to change it";
        until("the rule is in force", || {
            publish_text(&broker, "ann", "$CONTROL/doorman/own/v1", order);
            broker.log().contains(refused)
        });
        let connect = Connect::new(Protocol::V311).client_id("ann");
        connect.credentials("ann", "pw").accepted(broker.port());
    });
}

/// Whoever has a certificate is not asked for a password, and nothing is asked of the plugin then.
#[test]
fn who_comes_by_certificate_has_the_rights_of_its_account() {
    for_each_broker(|startup| {
        let broker = certified(startup, &["ann", "bob", "stranger"]);
        let mut root = v5(&broker, "root");
        assert_eq!(root.subscribe("#", 0), 0);
        for (name, topic) in [
            ("ann", "to/bob/a"),
            ("bob", "to/bob/a"),
            ("stranger", "to/stranger/a"),
            ("ann", "to/ann/a"),
        ] {
            publish(&broker, name, topic);
        }
        until("the one that may is heard", || heard(&mut root) == ["ann"]);
        change(
            broker.dir(),
            "UPDATE account SET disabled = 1 WHERE username = 'ann'",
        );
        until("it is refused", || {
            publish(&broker, "ann", "to/ann/a");
            broker
                .log()
                .contains("refused reason=disabled address=127.0.0.1")
        });
        heard(&mut root);
        publish(&broker, "ann", "to/ann/a");
        assert!(heard(&mut root).is_empty());
    });
}

#[test]
fn who_came_by_certificate_is_ended_when_its_account_is_disabled() {
    for_each_broker(|startup| {
        let broker = certified(startup, &["bob"]);
        let files = files(broker.dir(), "bob");
        let port = broker.nth_port(2);
        let mut listening = broker.tree().at_port("mosquitto_sub", port);
        let listening = listening.args(by_certificate("bob", &files));
        let listening = listening.args(["-t", "to/#"]);
        let quiet = listening.stdout(Stdio::null()).stderr(Stdio::null());
        let mut listening = quiet.spawn().unwrap();
        broker.wait_for_log("Sending SUBACK to bob", PATIENCE);
        let before = broker.log_end();
        change(broker.dir(), "UPDATE account SET disabled = 1");
        let ended = || {
            let log = broker.log_after(before);
            let mut lines = log.lines();
            lines.any(|line| line.contains("Client bob") && line.contains("administrative"))
        };
        assert!(eventually(PATIENCE, ended), "{}", broker.log());
        listening.kill().unwrap();
        listening.wait().unwrap();
    });
}

/// A bridge is a client of the broker it connects to, and is not asked about at its own.
#[test]
fn a_bridge_has_the_rights_of_its_account() {
    for_each_broker(|startup| {
        let here = Broker::of(startup.tree());
        accounts(&startup);
        let there = startup.start(&conf(&["database {dir}/db", "database_roles true"]));
        accounts(&here);
        let bridge = format!(
            "connection there\naddress 127.0.0.1:{}\nremote_username ann\nremote_password pw\n\
             try_private false\nnotifications false\nbridge_protocol_version mqttv311\n\
             restart_timeout 1\ntopic # out 0\n",
            there.port()
        );
        let here = here.start(&(conf(&["database {dir}/db", "database_roles true"]) + &bridge));
        let mut root_there = v5(&there, "root");
        assert_eq!(root_there.subscribe("#", 0), 0);
        let mut root_here = v5(&here, "root");
        until("the bridge carries", || {
            for topic in ["to/bob/a", "to/ann/a"] {
                assert!(may_publish(&mut root_here, topic));
            }
            let heard = heard(&mut root_there);
            assert!(heard.iter().all(|topic| topic == "to/ann/a"), "{heard:?}");
            !heard.is_empty()
        });
        there.wait_for_log("denied publish rule=none", PATIENCE);
    });
}

#[test]
fn each_listener_has_its_own_roles() {
    for_each_broker(|startup| {
        accounts(&startup);
        drop(database(
            &startup.dir().join("db2"),
            &[account("ann", "pw")],
        ));
        let conf = "per_listener_settings true\nlistener {port} 127.0.0.1\n".to_owned()
            + &plugin_conf(&["database {dir}/db", "database_roles true"])
            + "listener {port2} 127.0.0.1\n"
            + &plugin_conf(&["database {dir}/db2", "database_roles true"]);
        let broker = startup.start(&conf);
        let mut first = v5(&broker, "ann");
        let connect = Connect::new(Protocol::V5)
            .credentials("ann", "pw")
            .client_id("second");
        let mut second = connect.accepted(broker.nth_port(2));
        assert!(may_publish(&mut first, "to/ann/a"));
        assert!(!may_publish(&mut second, "to/ann/a"));
        change(
            broker.dir(),
            "UPDATE role_acl SET allow = 0 WHERE role_id = 1",
        );
        if broker.tree().version() != "2.0.11" {
            assert!(first.is_closed_within(PATIENCE));
        } else {
            // There it never ticks, and so ends nobody before a reload; it judges all the same.
            until("the rule is in force", || {
                !may_publish(&mut first, "to/ann/a")
            });
        }
        assert!(second.is_connected());
    });
}

/// The client id is anybody's: whoever takes a session over inherits its subscriptions, not its rights.
#[test]
fn a_session_that_is_taken_over_is_judged_by_who_has_it_now() {
    for_each_broker(|startup| {
        accounts(&startup);
        let broker = startup.start(&conf(&["database {dir}/db", "database_roles true"]));
        let named = |name: &str| {
            let connect = Connect::new(Protocol::V311).credentials(name, "pw");
            connect
                .client_id("shared")
                .persistent()
                .accepted(broker.port())
        };
        let mut root = named("root");
        assert_eq!(root.subscribe("#", 1), 1);
        let mut ann = client(&broker, Protocol::V5, "ann");
        assert!(may_publish(&mut ann, "to/ann/a"));
        assert_eq!(heard(&mut root), ["to/ann/a"]);
        // nobody may be sent nothing that a role denies; reader is denied secrets.
        change(broker.dir(), "UPDATE policy SET publish_client_receive = 0");
        let mut nobody = named("nobody");
        assert!(root.is_closed_within(PATIENCE));
        until("the default is in force", || {
            assert!(may_publish(&mut ann, "to/ann/b"));
            heard(&mut nobody).is_empty()
        });
    });
}
