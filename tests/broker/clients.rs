//! The clients that users have, Paho's and Mosquitto's own, at real brokers.

use crate::support::{Broker, Finished, finish, for_each_broker, plugin_conf, python};

/// The usual tutorial with its one line changed: the file is made by `mosquitto_passwd`.
fn tutorial() -> String {
    "listener {port} 127.0.0.1\n".to_owned() + &plugin_conf(&["password_file {dir}/users"])
}

#[test]
fn paho_reads_the_plugins_answers_as_the_tutorial_tells() {
    for_each_broker(|startup| {
        let broker = startup
            .password_file("users", &[("alice", "secret")])
            .start(&tutorial());
        paho_logs_in_and_is_refused(&broker);
    });
}

#[test]
fn mosquittos_own_clients_log_in_and_are_refused() {
    for_each_broker(|startup| {
        let broker = startup
            .password_file("users", &[("alice", "secret")])
            .start(&tutorial());
        for version in ["mqttv31", "mqttv311", "mqttv5"] {
            let common = ["-V", version, "-t", "greeting", "-u", "alice"];
            let args = |more: &[&'static str]| [&common[..], more].concat();
            let publish = args(&["-P", "secret", "-q", "1", "-r", "-m", "hello"]);
            broker
                .tree()
                .mosquitto_pub(broker.port(), &publish)
                .succeeded();
            let receive = args(&["-P", "secret", "-C", "1", "-W", "10"]);
            let heard = broker
                .tree()
                .mosquitto_sub(broker.port(), &receive)
                .succeeded();
            assert_eq!(heard.trim(), "hello");
            let wrong = args(&["-P", "Secret", "-m", "hello"]);
            let refused = broker.tree().mosquitto_pub(broker.port(), &wrong);
            assert_ne!(refused.code, Some(0), "{refused:?}");
            let said = refused.stderr.to_lowercase();
            assert!(said.contains("not authori"), "{refused:?}");
        }
    });
}

#[test]
fn paho_reads_the_stock_brokers_answers() {
    for_each_broker(|startup| {
        let broker = startup
            .password_file("users", &[("alice", "secret")])
            .start("listener {port} 127.0.0.1\npassword_file {dir}/users\n");
        paho_logs_in_and_is_refused(&broker);
    });
}

/// The announcement must matter: a client that is refused where it should be accepted fails.
#[test]
fn the_paho_script_fails_when_the_answer_is_another() {
    let broker = Broker::version("2.0.11")
        .password_file("users", &[("alice", "secret")])
        .start("listener {port} 127.0.0.1\npassword_file {dir}/users\n");
    let finished = paho(&broker, &["5", "accepted", "alice", "wrong"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("Not authorized"), "{finished:?}");
    let finished = paho(&broker, &["3.1.1", "refused", "alice", "secret"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
}

/// On a broker that knows `alice` with the password `secret`, and nobody else.
pub fn paho_logs_in_and_is_refused(broker: &Broker) {
    for protocol in ["3.1", "3.1.1", "5"] {
        paho(broker, &[protocol, "accepted", "alice", "secret"]).succeeded();
        for refused in [["alice", "wrong"].as_slice(), &[]] {
            let args = [&[protocol, "refused"], refused].concat();
            paho(broker, &args).succeeded();
        }
    }
}

fn paho(broker: &Broker, args: &[&str]) -> Finished {
    let port = broker.port().to_string();
    finish(
        python("paho_tutorial.py")
            .args(["127.0.0.1", &port])
            .args(args),
    )
}
