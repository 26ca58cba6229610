//! `doorman status`: the figures of a running broker.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{LISTENER, Pair, ended, furnished};
use crate::support::{Answer, Connect, Protocol, eventually, for_each_broker};

/// Twice as long as it may take until a figure is told.
const TOLD: Duration = Duration::from_secs(25);

#[test]
fn the_figures_of_a_broker_are_shown_to_whoever_may_read_them() {
    for_each_broker(|startup| {
        let startup = furnished(
            startup,
            &[
                "role add watcher",
                "role allow watcher subscribePattern $SYS/broker/doorman/#",
                "role allow watcher publishClientReceive $SYS/broker/doorman/#",
                "user grant ann watcher",
            ],
        );
        let pair = Pair::with(startup, LISTENER, &[]);
        for _ in 0..3 {
            let connect = Connect::new(Protocol::V5).client_id("guesser");
            let answer = connect
                .credentials("bob", "tulip")
                .answer(pair.broker.port());
            assert_ne!(answer, Answer::Accepted);
        }
        let begun = Instant::now();
        let told = || {
            let lines = pair.as_client("ann", "pw", &["status"], "").stdout;
            let mut lines = lines.lines();
            lines.any(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some("logins/refused/bad_password") && words.next() == Some("3")
            })
        };
        assert!(eventually(TOLD, told), "not told in {:?}", begun.elapsed());
        let json = pair.as_client("ann", "pw", &["status", "--json"], "");
        let all: Vec<Value> = ended(json, 0, "logins/allowed")
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let mut refused = all.iter();
        let refused = refused.find(|line| line["figure"] == "logins/refused/bad_password");
        assert_eq!(refused.unwrap()["value"], 3);
        assert!(all.iter().any(|line| line["figure"] == "sessions"));

        let bob = pair.as_client("bob", "pw", &["status"], "");
        ended(bob, 1, "$SYS/broker/doorman/#");
        let here = pair.here(&["status"], "");
        ended(here, 2, "--broker URL");
    });
}

#[test]
fn figures_that_are_not_told_are_not_made_up() {
    for_each_broker(|startup| {
        let startup = furnished(startup, &["default set subscribe=allow"]);
        let pair = Pair::with(startup, LISTENER, &["sys_topics false"]);
        let none = pair.there(&["status"], "");
        ended(none, 1, "there is nothing at $SYS/broker/doorman/#");
    });
}
