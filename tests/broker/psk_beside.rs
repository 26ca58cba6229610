//! Keys of TLS-PSK beside the broker's own `psk_file`, and beside somebody who tries identities. Beside each that
//! is let in stands one that is not.

use super::accounts::change;
use super::conf::{conf, patient};
use super::psk::{ALONE, BOTH, KEY, OPTIONS, OTHER, psk, publish, refused, with_keys};
use super::roles::until;
use crate::support::{Broker, PATIENCE, Startup, for_each_broker};

/// With a file that has somebody of its own, and another key for ann.
fn beside_a_file(startup: Startup, options: &[&str]) -> Broker {
    let startup = startup.file("keys", format!("sam:{KEY}\nann:{OTHER}\n"));
    let mut database = with_keys(startup.dir());
    change(&mut database, &[psk("bob", "bob", KEY)]);
    let options = [&["database {dir}/db", "psk true"], options].concat();
    let conf = patient(&options) + ALONE + "psk_file {dir}/keys\n";
    startup.start(&conf.replace("{port3}", "{port2}"))
}

fn is_let_in(broker: &Broker, identity: &str, key: &str) -> bool {
    publish(broker, 2, identity, key, &[]).code == Some(0)
}

/// The order is the broker's: 2.0 asks its own file first, and nobody else where there is one; 2.1 asks it
/// last.
#[test]
fn a_stock_psk_file_stands_beside() {
    for_each_broker(|startup| {
        let broker = beside_a_file(startup, &[]);
        assert!(is_let_in(&broker, "sam", KEY));
        assert!(!is_let_in(&broker, "nobody", KEY));
        let ann = [KEY, OTHER].map(|key| is_let_in(&broker, "ann", key));
        let bob = is_let_in(&broker, "bob", KEY);
        match broker.tree().is_2_1() {
            true => assert_eq!((ann, bob), ([true, false], true)),
            false => assert_eq!((ann, bob), ([false, true], false)),
        }
    });
}

/// On 2.0 the file decides as if the line were not there.
#[test]
fn where_unknown_identities_are_refused_a_stock_psk_file_counts_on_2_0_alone() {
    for_each_broker(|startup| {
        let broker = beside_a_file(startup, &["unknown_user deny"]);
        let is_2_1 = broker.tree().is_2_1();
        assert_eq!(is_let_in(&broker, "sam", KEY), !is_2_1);
        assert_eq!(is_let_in(&broker, "ann", OTHER), !is_2_1);
        for identity in ["ann", "bob"] {
            assert_eq!(is_let_in(&broker, identity, KEY), is_2_1, "{identity}");
        }
        assert!(!is_let_in(&broker, "nobody", KEY));
        for identity in ["sam", "nobody"] {
            let line = format!(
                "refused reason=unknown_identity address=127.0.0.1 listener={} username=- client_id=- \
                 method=PSK identity=\"{identity}\"",
                broker.nth_port(2)
            );
            match is_2_1 {
                true => broker.wait_for_log(&line, PATIENCE),
                false => assert!(!broker.log().contains("unknown_identity")),
            }
        }
    });
}

/// Identities that nobody has are counted by address. A wrong key is not: no broker tells of one.
#[test]
fn who_tries_identities_is_slowed_down_and_nobody_who_has_a_key() {
    for_each_broker(|startup| {
        drop(with_keys(startup.dir()));
        let options = [&OPTIONS[..], &["throttle_address_failures 3"]].concat();
        let broker = startup.start(&(conf(&options) + BOTH + ALONE));
        let ann = ["-u", "ann", "-P", "pw"];
        publish(&broker, 2, "ann", KEY, &ann).succeeded();
        for _ in 0..10 {
            refused(&publish(&broker, 3, "ann", OTHER, &[]));
        }
        assert!(!broker.log().contains("reason=throttled"));
        let mut tries = 0;
        until("it is slowed down", || {
            refused(&publish(&broker, 3, &format!("guess {tries}"), KEY, &[]));
            tries += 1;
            broker.log().contains("refused reason=throttled")
        });
        assert!(tries > 3, "{tries}");
        let last = format!("method=PSK identity=\"guess {}\"", tries - 1);
        let log = broker.log();
        let line = log.lines().find(|line| line.contains("reason=throttled"));
        assert!(line.unwrap().ends_with(&last), "{line:?}");
        assert!(log.contains("refused reason=unknown_identity"));
        // From the same address, by her key, and by her password behind it.
        publish(&broker, 3, "ann", KEY, &[]).succeeded();
        publish(&broker, 2, "ann", KEY, &ann).succeeded();
        refused(&publish(&broker, 2, "ann", KEY, &["-u", "ann", "-P", "wp"]));
    });
}
