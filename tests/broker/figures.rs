//! What the plugin tells of itself: `$SYS` topics, and a file for Prometheus.

use std::fs;
use std::time::{Duration, Instant};

use super::accounts::{account, database};
use crate::support::{
    Answer, Client, Connect, Event, PATIENCE, Protocol, eventually, for_each_broker, plugin_conf,
};

/// Twice as long as it may take.
const TOLD: Duration = Duration::from_secs(25);

/// Waits until a topic says something.
fn wait_for(client: &mut Client, topic: &str, value: &str) {
    let end = Instant::now() + TOLD;
    let wanted = Event::Publish {
        topic: format!("$SYS/broker/doorman/{topic}"),
        payload: value.as_bytes().to_vec(),
    };
    while client.receive(PATIENCE) != wanted {
        assert!(Instant::now() < end, "{topic} never said {value}");
    }
}

#[test]
fn what_is_counted_is_told_and_names_nobody() {
    for_each_broker(|startup| {
        drop(database(
            &startup.dir().join("db"),
            &[account("roger", "pw")],
        ));
        let options = plugin_conf(&[
            "database {dir}/db",
            "unknown_user deny",
            "metrics_file {dir}/doorman.prom",
        ]);
        let broker = startup.start(&("listener {port} 127.0.0.1\n".to_owned() + &options));
        let connect = |name: &str, password: &str| {
            let connect = Connect::new(Protocol::V311).client_id("c");
            connect.credentials(name, password)
        };
        let mut roger = connect("roger", "pw").accepted(broker.port());
        roger.subscribe("$SYS/broker/doorman/#", 0);
        wait_for(&mut roger, "logins/refused/unknown_user", "0");
        for _ in 0..3 {
            let other = Connect::new(Protocol::V311).client_id("other");
            let other = other.credentials("nobody here", "pw").answer(broker.port());
            assert_eq!(other, Answer::Refused(5));
        }
        wait_for(&mut roger, "logins/refused/unknown_user", "3");
        let path = broker.dir().join("doorman.prom");
        let says = |line: &str| fs::read_to_string(&path).is_ok_and(|text| text.contains(line));
        let refused = "doorman_logins_refused_total{reason=\"unknown_user\"} 3\n";
        assert!(eventually(TOLD, || says(refused)));
        assert!(says("doorman_logins_allowed_total 1\n") && says("doorman_sessions 1\n"));
        assert!(!says("roger") && !says("nobody"));
    });
}

#[test]
fn figures_that_are_not_wanted_are_not_told() {
    for_each_broker(|startup| {
        drop(database(&startup.dir().join("db"), &[account("ann", "pw")]));
        let options = plugin_conf(&["database {dir}/db", "sys_topics false"]);
        let broker = startup.start(&("listener {port} 127.0.0.1\n".to_owned() + &options));
        let connect = Connect::new(Protocol::V311).client_id("c");
        let mut ann = connect.credentials("ann", "pw").accepted(broker.port());
        ann.subscribe("$SYS/broker/doorman/#", 0);
        // Where they are told, the first are there before the first client is.
        assert_eq!(ann.receive(Duration::from_secs(2)), Event::Silence);
    });
}
