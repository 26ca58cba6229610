//! SIGHUP asks again for every session. Debian's log rotation sends it daily: whoever is still
//! welcome stays, at no cost; whoever is not leaves.

use std::fs;
use std::time::{Duration, Instant};

use mosquitto_doorman::admin::{Change, Command, Rotation};

use super::accounts::{account, change, costly_line, database, line, name, password, set};
use super::conf::patient as conf;
use crate::support::{
    Answer, Broker, Client, Connect, Event, Protocol, eventually, for_each_broker,
};

const SECOND: Duration = Duration::from_secs(1);

fn login(username: &str) -> Connect {
    Connect::new(Protocol::V311)
        .client_id(username)
        .credentials(username, "pw")
}

/// Sends SIGHUP and waits until the broker has gone round after it: a signal that comes before the
/// last one was worked off is lost.
fn reload(broker: &Broker) {
    let start = broker.log_end();
    broker.sighup();
    broker.wait_for_log_after(start, "Reloading config.", SECOND);
    let anybody = Connect::new(Protocol::V311).answer(broker.port());
    assert!(matches!(anybody, Answer::Accepted | Answer::Refused(5)));
}

#[test]
fn a_reload_drops_no_valid_client() {
    for_each_broker(|startup| {
        drop(database(
            &startup.dir().join("db"),
            &[account("dora", "pw")],
        ));
        let broker = startup
            .file("users", line("ann", "pw"))
            .password_file("stock", &[("sam", "pw")])
            .start(
                &conf(&["password_file {dir}/users", "database {dir}/db"]).replace(
                    "127.0.0.1\n",
                    "127.0.0.1\nallow_anonymous true\npassword_file {dir}/stock\n",
                ),
            );
        let mut clients: Vec<Client> = Protocol::ALL
            .into_iter()
            .flat_map(|protocol| {
                ["ann", "dora", "sam"].map(|who| {
                    let id = format!("{who}{protocol:?}");
                    Connect::new(protocol).client_id(id).credentials(who, "pw")
                })
            })
            .map(|connect| connect.accepted(broker.port()))
            .collect();
        clients.push(Connect::new(Protocol::V5).accepted(broker.port()));
        for _ in 0..3 {
            reload(&broker);
            for client in &mut clients {
                assert!(client.is_connected());
            }
        }
    });
}

/// Twenty hashes would hold the broker for twenty times one login.
#[test]
fn a_reload_hashes_nothing_again() {
    for_each_broker(|startup| {
        let broker = startup
            .file("users", costly_line("ann", "pw", 100_000))
            .start(&conf(&["password_file {dir}/users"]));
        let connect = |n: u32| login("ann").client_id(format!("c{n}"));
        let before = Instant::now();
        let mut first = connect(0).accepted(broker.port());
        let one_login = before.elapsed();
        let clients: Vec<_> = (1..20)
            .map(|n| connect(n).accepted(broker.port()))
            .collect();
        let before = Instant::now();
        reload(&broker);
        assert!(first.is_connected());
        // Waiting for the log line takes up to a round of the broker's loop.
        let stall = before.elapsed();
        let most = one_login * 10 + Duration::from_millis(150);
        assert!(
            stall < most,
            "{stall:?} for 20 clients, one login {one_login:?}"
        );
        drop(clients);
    });
}

#[test]
fn a_reload_drops_whoever_is_no_longer_welcome() {
    for_each_broker(|startup| {
        let names = ["ann", "gone", "off", "moved"];
        let mut database = database(&startup.dir().join("db"), &names.map(|n| account(n, "pw")));
        let broker = startup.start(&conf(&["database {dir}/db"]));
        let mut clients = names.map(|name| login(name).accepted(broker.port()));
        change(
            &mut database,
            &[
                Command::Delete(name("gone")),
                set(
                    "off",
                    Change {
                        disabled: Some(true),
                        ..Change::default()
                    },
                ),
                password("moved", "new", Rotation::Replace),
            ],
        );
        reload(&broker);
        let [ann, others @ ..] = &mut clients;
        for client in others {
            assert!(client.is_closed_within(SECOND));
        }
        assert!(ann.is_connected());
    });
}

/// The broker never saw the passwords of sessions it restored from disk, and asks with none. The
/// stock password file refuses them all; who is still welcome is welcome here.
#[test]
fn a_session_restored_from_disk_is_refused_only_when_its_account_is() {
    for_each_broker(|startup| {
        let names = ["keep", "gone", "off"];
        let mut database = database(&startup.dir().join("db"), &names.map(|n| account(n, "pw")));
        let conf = conf(&["database {dir}/db", "unknown_user deny", "log_logins all"])
            + "persistence true\npersistence_location {dir}/\n";
        let mut broker = startup.start(&conf);
        for name in names {
            let mut client = login(name).persistent().accepted(broker.port());
            client.subscribe("news", 1);
            client.disconnect();
        }
        broker.restart();
        let remove = Command::Delete(name("gone"));
        let switch_off = set(
            "off",
            Change {
                disabled: Some(true),
                ..Change::default()
            },
        );
        change(&mut database, &[remove, switch_off]);
        let start = broker.log_end();
        reload(&broker);
        for line in [
            "refused reason=unknown_user address=- listener=- username=\"gone\" client_id=\"gone\"",
            "refused reason=disabled address=- listener=- username=\"off\" client_id=\"off\"",
            "allowed address=- listener=- username=\"keep\" client_id=\"keep\"",
        ] {
            broker.wait_for_log_after(start, line, SECOND);
        }
        // Nothing was lost on the way, and nobody can use the session without the password.
        change(&mut database, &[Command::Add(account("sender", "pw"))]);
        login("sender")
            .accepted(broker.port())
            .publish_acknowledged("news", "waiting");
        assert_eq!(
            login("keep").password("no").answer(broker.port()),
            Answer::Refused(5)
        );
        let mut client = login("keep").persistent().accepted(broker.port());
        let heard = client.receive(SECOND);
        assert!(matches!(heard, Event::Publish { .. }), "{heard:?}");
    });
}

/// What looks like a restored session must not let a client in: no password is no login.
#[test]
fn no_client_gets_in_without_a_password_while_a_reload_is_under_way() {
    for_each_broker(|startup| {
        let broker = startup
            .file("users", line("ann", "pw"))
            .start(&conf(&["password_file {dir}/users"]));
        for protocol in Protocol::ALL {
            for _ in 0..20 {
                broker.sighup();
                let answer = Connect::new(protocol).username("ann").answer(broker.port());
                assert!(matches!(answer, Answer::Refused(5 | 135)), "{answer:?}");
            }
        }
    });
}

/// 2.1 ends when a plugin answers RELOAD with anything but 0; 2.0 loses its own password file, and
/// then crashes, when one answers with an error.
#[test]
fn reloads_with_broken_sources_end_no_broker() {
    for_each_broker(|startup| {
        let mut broker = startup
            .file("users", line("ann", "pw"))
            .password_file("stock", &[("sam", "pw")])
            .start(&(conf(&["password_file {dir}/users"]) + "password_file {dir}/stock\n"));
        // A signal that comes before the first turn of the loop is lost.
        login("ann").accepted(broker.port());
        fs::write(broker.dir().join("users"), b"\0\xff\xff\0").unwrap();
        for _ in 0..5 {
            reload(&broker);
        }
        fs::remove_file(broker.dir().join("users")).unwrap();
        for _ in 0..5 {
            reload(&broker);
        }
        assert!(eventually(SECOND, || login("ann").answer(broker.port())
            == Answer::Accepted));
        login("sam").accepted(broker.port());
        assert!(broker.runs());
        assert_eq!(broker.stop().code(), Some(0));
    });
}
