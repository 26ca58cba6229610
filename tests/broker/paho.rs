//! The Paho client of the tutorials, as users have it, against real brokers.

use crate::support::{Broker, Finished, finish, for_each_broker, python};

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
