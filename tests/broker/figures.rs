//! What the plugin tells of itself: `$SYS` topics, and a file for Prometheus.

use std::fs;
use std::time::{Duration, Instant};

use super::accounts::{account, database};
use crate::support::{
    Answer, Client, Connect, Event, PATIENCE, Protocol, eventually, for_each_broker, plugin_conf,
};

/// Far longer than it may take at a pace of a second.
const TOLD: Duration = Duration::from_secs(15);

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
            "sys_interval 1",
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
        assert!(says("doorman_loads_total 1\n") && says("doorman_loads_failed_total 0\n"));
        assert!(!says("last_error"), "nothing has gone wrong");
        let all = [
            "doorman_hash_queue 0\n",
            "doorman_logins_waiting 0\n",
            "doorman_suspects ",
            "doorman_logins_remembered_total 0\n",
            "doorman_store_bytes ",
        ];
        assert!(all.into_iter().all(says));
    });
}

#[test]
fn what_went_wrong_is_told_without_what_is_in_the_file() {
    for_each_broker(|startup| {
        let startup = startup.file("acl", "user ann\ntopic a\n");
        drop(database(&startup.dir().join("db"), &[account("ann", "pw")]));
        let options = plugin_conf(&[
            "database {dir}/db",
            "acl_file {dir}/acl",
            "sys_interval 1",
            "metrics_file {dir}/doorman.prom",
        ]);
        let broker = startup.start(&("listener {port} 127.0.0.1\n".to_owned() + &options));
        let path = broker.dir().join("doorman.prom");
        let says = |line: &str| fs::read_to_string(&path).is_ok_and(|text| text.contains(line));
        fs::write(broker.dir().join("acl"), "user ann\ntopic a\nsecret b\n").unwrap();
        assert!(eventually(TOLD, || says("doorman_loads_failed_total 1\n")));
        assert!(says("doorman_error_timestamp_seconds "));
        fs::write(
            broker.dir().join("acl"),
            "user ann\ntopic a\ntopic read $SYS/#\n",
        )
        .unwrap();
        broker.wait_for_log("can be read again", TOLD);
        let connect = Connect::new(Protocol::V311).client_id("c");
        let mut ann = connect.credentials("ann", "pw").accepted(broker.port());
        ann.subscribe("$SYS/broker/doorman/last_error", 0);
        let Event::Publish { payload, .. } = ann.receive(PATIENCE) else {
            panic!("nothing is told");
        };
        assert_eq!(payload, b"\"acl:3: it cannot be read\"");
    });
}

#[test]
fn nothing_is_told_at_a_pace_of_0_and_the_file_is_written_all_the_same() {
    for_each_broker(|startup| {
        drop(database(&startup.dir().join("db"), &[account("ann", "pw")]));
        let options = plugin_conf(&[
            "database {dir}/db",
            "sys_interval 0",
            "metrics_file {dir}/doorman.prom",
        ]);
        let broker = startup.start(&("listener {port} 127.0.0.1\n".to_owned() + &options));
        let path = broker.dir().join("doorman.prom");
        assert!(eventually(PATIENCE, || path.exists()));
        let connect = Connect::new(Protocol::V311).client_id("c");
        let mut ann = connect.credentials("ann", "pw").accepted(broker.port());
        ann.subscribe("$SYS/broker/doorman/#", 0);
        assert_eq!(ann.receive(Duration::from_secs(2)), Event::Silence);
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
