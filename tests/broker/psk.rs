//! Logins over TLS-PSK at every broker, by the stock clients: with the password behind the key, and by the
//! key alone. Beside each that is let in stands one that is not.

use std::path::Path;

use mosquitto_doorman::admin::{Change, Command};
use mosquitto_doorman::model::{Account, Psk, PskIdentity, PskKey};
use mosquitto_doorman::store::sqlite::Database;

use super::accounts::{account, change, database, name, set};
use super::conf::patient;
use crate::support::{
    Answer, Broker, Connect, Finished, PATIENCE, Protocol, Startup, Tree, finish, for_each_broker,
};

pub const KEY: &str = "00112233445566778899aabbccddeeff";
pub const OTHER: &str = "ffeeddccbbaa99887766554433221100";

/// A listener that wants a key, and the password as well.
pub const BOTH: &str = "listener {port2} 127.0.0.1\npsk_hint here\n";

/// A listener that wants a key and nothing else.
pub const ALONE: &str =
    "listener {port3} 127.0.0.1\npsk_hint here\nuse_identity_as_username true\n";

pub const OPTIONS: [&str; 5] = [
    "database {dir}/db",
    "acl_file {dir}/acl",
    "psk true",
    "unknown_user deny",
    "log_logins all",
];

pub fn psk(identity: &str, username: &str, key: &str) -> Command {
    Command::AddPsk(Psk {
        identity: PskIdentity::new(identity).unwrap(),
        name: name(username),
        key: PskKey::from_hex(key.as_bytes()).unwrap(),
    })
}

/// ann and bob with passwords; ann has a key of her name and one of another.
pub fn with_keys(dir: &Path) -> Database {
    // 2.0 tells of whoever has a key alone only when it wants something.
    rules(dir);
    let accounts = ["ann", "bob"].map(|who| account(who, "pw"));
    let mut database = database(&dir.join("db"), &accounts);
    change(
        &mut database,
        &[psk("ann", "ann", KEY), psk("device-7", "ann", OTHER)],
    );
    database
}

fn rules(dir: &Path) {
    std::fs::write(dir.join("acl"), "pattern readwrite #\n").unwrap();
}

pub fn started(startup: Startup, options: &[&str]) -> (Broker, Database) {
    let database = with_keys(startup.dir());
    let options = [&OPTIONS[..], options].concat();
    (startup.start(&(patient(&options) + BOTH + ALONE)), database)
}

/// Publishes over TLS-PSK, to the listener of this number.
pub fn publish(
    broker: &Broker,
    listener: usize,
    identity: &str,
    key: &str,
    rest: &[&str],
) -> Finished {
    let port = broker.nth_port(listener);
    // Later clients speak no TLS 1.3 where they have a key; brokers do.
    let tree = match rest.contains(&"tlsv1.3") {
        true => Tree::find("2.0.11"),
        false => broker.tree().clone(),
    };
    let mut command = tree.at_port("mosquitto_pub", port);
    command.args(["--psk-identity", identity, "--psk", key]);
    command.args(["-i", "pub", "-t", "t", "-m", "m", "-q", "1"]);
    finish(command.args(rest))
}

pub fn refused(finished: &Finished) {
    assert_ne!(finished.code, Some(0), "{finished:?}");
}

const TLS: [&str; 2] = ["tlsv1.2", "tlsv1.3"];

#[test]
fn a_key_and_the_password_of_its_account_let_in_and_neither_without_the_other() {
    for_each_broker(|startup| {
        let (broker, _database) = started(startup, &[]);
        let ann = ["-u", "ann", "-P", "pw"];
        for version in TLS {
            let tls = ["--tls-version", version];
            let publish = |identity, key, login: &[&str]| {
                publish(&broker, 2, identity, key, &[&tls[..], login].concat())
            };
            publish("ann", KEY, &ann).succeeded();
            publish("device-7", OTHER, &ann).succeeded();
            refused(&publish("ann", OTHER, &ann));
            refused(&publish("device-7", KEY, &ann));
            refused(&publish("nobody", KEY, &ann));
            refused(&publish("ann", KEY, &["-u", "ann", "-P", "wp"]));
            refused(&publish("ann", KEY, &["-u", "ann"]));
            refused(&publish("ann", KEY, &[]));
            // Bob's password is right, and the key is ann's.
            refused(&publish("ann", KEY, &["-u", "bob", "-P", "pw"]));
        }
        let listener = match broker.tree().is_2_1() {
            true => broker.nth_port(2).to_string(),
            false => "-".to_owned(),
        };
        let from = format!("address=127.0.0.1 listener={listener}");
        let login = r#"username="ann" client_id="pub""#;
        for line in [
            format!(r#"allowed {from} {login} identity="ann""#),
            format!(r#"allowed {from} {login} identity="device-7""#),
            format!(r#"refused reason=bad_password {from} {login} identity="ann""#),
            format!(
                r#"refused reason=wrong_username {from} username="bob" client_id="pub" identity="ann""#
            ),
            format!(
                r#"refused reason=unknown_identity {from} username=- client_id=- method=PSK identity="nobody""#
            ),
        ] {
            broker.wait_for_log(&line, PATIENCE);
        }
        let log = broker.log();
        assert!(!log.contains(KEY) && !log.contains(OTHER), "{log}");
    });
}

#[test]
fn a_key_alone_lets_in_where_the_listener_takes_the_identity_for_the_username() {
    for_each_broker(|startup| {
        let (broker, mut database) = started(startup, &[]);
        for version in TLS {
            let tls = ["--tls-version", version];
            publish(&broker, 3, "ann", KEY, &tls).succeeded();
            refused(&publish(&broker, 3, "ann", OTHER, &tls));
            refused(&publish(&broker, 3, "nobody", KEY, &tls));
        }
        let allowed = r#"username="ann" client_id="pub" method=PSK identity="ann""#;
        if broker.tree().is_2_1() {
            broker.wait_for_log(allowed, PATIENCE);
        }
        // Nobody is called device-7, and whoever has that key is not let be.
        let mut device = Live::start(&broker, 3, "device-7", OTHER, &[]);
        broker.wait_for_log("refused reason=wrong_username", PATIENCE);
        device.leave();
        let bound = Change {
            client_id: Some(Some("hers".into())),
            ..Change::default()
        };
        change(&mut database, &[set("ann", bound)]);
        let mut other = Live::start(&broker, 3, "ann", KEY, &["-i", "other"]);
        broker.wait_for_log("refused reason=wrong_client_id", PATIENCE);
        other.leave();
        let mark = broker.log_end();
        let _hers = Live::start(&broker, 3, "ann", KEY, &["-i", "hers"]);
        broker.wait_for_log_after(mark, r#"client_id="hers" method=PSK"#, PATIENCE);
        assert!(broker.log_after(mark).contains("allowed address"));
    });
}

#[test]
fn an_account_that_may_not_be_used_gets_no_key() {
    for_each_broker(|startup| {
        let (broker, mut database) = started(startup, &[]);
        let moment = |text: &str| Some(Some(text.parse().unwrap()));
        let bounds = [
            (
                "disabled",
                Change {
                    disabled: Some(true),
                    ..Change::default()
                },
                Change {
                    disabled: Some(false),
                    ..Change::default()
                },
            ),
            (
                "expired",
                Change {
                    valid_until: moment("2001-01-01T00:00:00Z"),
                    ..Change::default()
                },
                Change {
                    valid_until: Some(None),
                    ..Change::default()
                },
            ),
            (
                "wrong_network",
                Change {
                    networks: Some(vec!["192.0.2.0/24".parse().unwrap()]),
                    ..Change::default()
                },
                Change {
                    networks: Some(Vec::new()),
                    ..Change::default()
                },
            ),
        ];
        for (reason, set_it, take_it) in bounds {
            publish(&broker, 3, "ann", KEY, &[]).succeeded();
            change(&mut database, &[set("ann", set_it)]);
            let mark = broker.log_end();
            for listener in [2, 3] {
                refused(&publish(
                    &broker,
                    listener,
                    "ann",
                    KEY,
                    &["-u", "ann", "-P", "pw"],
                ));
            }
            let line = format!("refused reason={reason} address=127.0.0.1");
            broker.wait_for_log_after(mark, &line, PATIENCE);
            assert!(broker.log_after(mark).contains("method=PSK"));
            change(&mut database, &[set("ann", take_it)]);
        }
        publish(&broker, 3, "ann", KEY, &[]).succeeded();
    });
}

/// Where an identity is the name of another account, whoever has the key would be called so.
#[test]
fn an_identity_that_is_another_accounts_name_opens_nothing() {
    for_each_broker(|startup| {
        let (broker, mut database) = started(startup, &[]);
        publish(&broker, 2, "device-7", OTHER, &["-u", "ann", "-P", "pw"]).succeeded();
        change(&mut database, &[Command::Add(account("device-7", "pw"))]);
        for listener in [2, 3] {
            let login = ["-u", "ann", "-P", "pw"];
            refused(&publish(&broker, listener, "device-7", OTHER, &login));
        }
        broker.wait_for_log("refused reason=wrong_username", PATIENCE);
    });
}

/// 2.1 tells of no handshake that fails, and uses its memory for the next client.
/// The next client may have the memory of one whose handshake failed. 2.0 does not tell of every such end, and
/// has no listener to tell the two apart by. There, one that comes from the same address is refused as somebody
/// else, once.
#[test]
fn whoever_failed_leaves_nothing_to_the_next_client() {
    for_each_broker(|startup| {
        let (broker, _database) = started(startup, &[]);
        let v5 = || Connect::new(Protocol::V5);
        let is_refused = |name| {
            let answer = v5().credentials(name, "pw").answer(broker.port());
            assert!([Answer::Accepted, Answer::Refused(135)].contains(&answer));
            answer != Answer::Accepted
        };
        for version in TLS {
            let mut refusals = 0;
            for _ in 0..10 {
                let tls = ["--tls-version", version];
                refused(&publish(&broker, 2, "ann", OTHER, &tls));
                refusals += ["bob", "bob", "ann"]
                    .map(is_refused)
                    .iter()
                    .filter(|no| **no)
                    .count();
                let nobody = v5().username("ann").answer(broker.port());
                assert_eq!(nobody, Answer::Refused(135));
            }
            let untold = if broker.tree().is_2_1() { 0 } else { 10 };
            assert!(refusals <= untold, "{version}: {refusals}");
        }
        publish(&broker, 3, "ann", KEY, &[]).succeeded();
    });
}

#[test]
fn many_that_fail_leave_nothing() {
    for_each_broker(|startup| {
        let (broker, mut database) = started(startup, &[]);
        let fail = |version| {
            let tls = ["--tls-version", version];
            refused(&publish(&broker, 2, "ann", OTHER, &tls));
        };
        (0..10).for_each(|_| TLS.into_iter().for_each(fail));
        let before = broker.rss_kib();
        (0..50).for_each(|_| TLS.into_iter().for_each(fail));
        let after = broker.rss_kib();
        assert!(after < before + 2 * 1024, "{before} KiB, then {after} KiB");
        publish(&broker, 3, "ann", KEY, &[]).succeeded();
        let off = Change {
            disabled: Some(true),
            ..Change::default()
        };
        // What they left is not followed when something changes.
        let mark = broker.log_end();
        change(&mut database, &[set("ann", off)]);
        refused(&publish(&broker, 3, "ann", KEY, &[]));
        broker.wait_for_log_after(mark, "refused reason=disabled", PATIENCE);
        let answer = Connect::new(Protocol::V5).credentials("bob", "pw");
        assert_eq!(answer.answer(broker.port()), Answer::Accepted);
    });
}

#[test]
fn without_a_word_about_it_no_key_is_given() {
    for_each_broker(|startup| {
        drop(with_keys(startup.dir()));
        let conf = patient(&["database {dir}/db", "unknown_user deny"]) + BOTH;
        let broker = startup.start(&conf);
        refused(&publish(&broker, 2, "ann", KEY, &["-u", "ann", "-P", "pw"]));
    });
}

#[test]
fn keys_of_any_length_that_openssl_takes_work() {
    for_each_broker(|startup| {
        rules(startup.dir());
        let accounts = ["one", "long"].map(|who| Account::named(name(who)));
        let mut database = database(&startup.dir().join("db"), &accounts);
        // mosquitto_pub takes no longer ones.
        let long = "ab".repeat(256);
        change(
            &mut database,
            &[psk("one", "one", "0f"), psk("long", "long", &long)],
        );
        let broker = startup.start(&(patient(&OPTIONS) + BOTH + ALONE));
        publish(&broker, 3, "one", "0F", &[]).succeeded();
        refused(&publish(&broker, 3, "one", "0e", &[]));
        publish(&broker, 3, "long", &long, &["--tls-version", "tlsv1.2"]).succeeded();
    });
}

pub use super::psk_live::Live;
