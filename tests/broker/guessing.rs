//! Attackers last: guesses are slowed down, cost the broker little, and harm nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::accounts::{costly_line, line, lines};
use super::conf::{conf, patient};
use crate::support::files::root;
use crate::support::tree::cache_dir;
use crate::support::{
    Answer, Broker, Connect, PATIENCE, Protocol, eventually, finish, for_each_broker, python,
};

const USERS: &str = "password_file {dir}/users";

fn login(username: &str, password: &str) -> Connect {
    Connect::new(Protocol::V311).credentials(username, password)
}

/// Guesses from another address, one after another; the codes that were answered.
fn guesses(broker: &Broker, from: &str, username: &str, count: u32) -> Vec<i32> {
    let mut guess = python("guess.py");
    let (port, count) = (broker.port().to_string(), count.to_string());
    let said = finish(guess.args([&*port, from, username, &*count])).succeeded();
    said.split_whitespace()
        .map(|code| code.parse().unwrap())
        .collect()
}

#[test]
fn strangers_who_guess_do_not_lock_out_a_known_client() {
    for_each_broker(|startup| {
        let broker = startup
            .file("users", lines(&[("ann", "pw"), ("bob", "pw")]))
            .start(&conf(&[USERS, "throttle_username_rate 20/h"]));
        login("ann", "pw").accepted(broker.port());
        for stranger in ["127.0.0.7", "127.0.0.8", "127.0.0.9"] {
            assert!(
                guesses(&broker, stranger, "ann", 15)
                    .iter()
                    .all(|c| *c == 5)
            );
        }
        let throttled = "refused reason=throttled address=127.0.0.8 ";
        broker.wait_for_log(throttled, PATIENCE);
        for _ in 0..10 {
            login("ann", "pw").accepted(broker.port());
        }
        // Somebody else from his address is not held up either.
        login("bob", "pw").accepted(broker.port());
        // Nor is he from elsewhere: a password that is known takes no hash.
        let elsewhere = broker.tree().mosquitto_pub(
            broker.port(),
            &[
                "-A",
                "127.0.0.10",
                "-u",
                "ann",
                "-P",
                "pw",
                "-t",
                "t",
                "-m",
                "m",
            ],
        );
        elsewhere.succeeded();
    });
}

#[test]
fn guesses_end_in_throttled_and_a_new_password_ends_the_penalty() {
    for_each_broker(|startup| {
        let broker = startup
            .file("users", line("ann", "pw"))
            .start(&conf(&[USERS]));
        for guess in 0..8 {
            let guess = format!("guess {guess}");
            assert_eq!(
                login("ann", &guess).answer(broker.port()),
                Answer::Refused(5)
            );
        }
        broker.wait_for_log("refused reason=throttled address=127.0.0.1 ", PATIENCE);
        assert_eq!(broker.log().matches("reason=bad_password").count(), 6);
        assert_eq!(login("ann", "pw").answer(broker.port()), Answer::Refused(5));
        fs::write(broker.dir().join("users"), line("ann", "new")).unwrap();
        let second = Duration::from_secs(1);
        let enters = || login("ann", "new").answer(broker.port()) == Answer::Accepted;
        assert!(eventually(second, enters));
        assert_eq!(login("ann", "pw").answer(broker.port()), Answer::Refused(5));
    });
}

/// Names that are left to the broker are not ours to slow down, whatever becomes of them.
#[test]
fn clients_of_the_password_file_behind_are_never_throttled() {
    for_each_broker(|startup| {
        let broker = startup
            .file("users", line("ann", "pw"))
            .password_file("stock", &[("sam", "pw")])
            .start(
                &(conf(&[
                    USERS,
                    "throttle_total_rate 5/h",
                    "throttle_address_rate 5/h",
                ]) + "password_file {dir}/stock\n"),
            );
        for _ in 0..40 {
            login("sam", "pw").accepted(broker.port());
        }
        assert_eq!(login("sam", "no").answer(broker.port()), Answer::Refused(5));
        assert!(!broker.log().contains("throttled"), "{}", broker.log());
    });
}

/// On 2.0 the hashes are the broker's own work, with a budget; on 2.1 the workers'.
#[test]
fn a_storm_of_wrong_logins_leaves_the_broker_to_others() {
    for_each_broker(|startup| {
        let broker = startup
            .file(
                "users",
                costly_line("ann", "pw", 100_000) + &line("bob", "pw"),
            )
            .start(&patient(&[USERS, "inline_budget 200ms", "queue 20"]));
        let mut bystander = login("bob", "pw").accepted(broker.port());
        let over = AtomicBool::new(false);
        let port = broker.port();
        let pings = std::thread::scope(|scope| {
            for thread in 0..2 {
                let over = &over;
                scope.spawn(move || {
                    let mut n = 0;
                    while !over.load(Ordering::Acquire) {
                        n += 1;
                        let wrong = login("ann", &format!("{thread} {n}"));
                        wrong.open_within(port, Duration::from_millis(200));
                    }
                });
            }
            let end = Instant::now() + Duration::from_secs(3);
            let mut pings = Vec::new();
            while Instant::now() < end {
                let begun = Instant::now();
                assert!(bystander.is_connected());
                pings.push(begun.elapsed());
            }
            over.store(true, Ordering::Release);
            pings
        });
        let slow = pings.iter().filter(|ping| **ping > Duration::from_secs(1));
        assert!(pings.len() > 50 && slow.count() == 0, "{pings:?}");
        if !broker.tree().is_2_1() {
            // The first has a line, the others are counted.
            let lines = broker.log().matches("refused reason=busy address=").count();
            assert_eq!(lines, 1);
            broker.wait_for_log(" more in 10 seconds", PATIENCE);
        }
        // The storm is over, and so is the shortage.
        let enters = || login("ann", "pw").answer(port) == Answer::Accepted;
        assert!(eventually(PATIENCE, enters));
    });
}

/// What fail2ban's own tool finds in a log with our filter: addresses, in order.
fn found(log: &str) -> Vec<String> {
    let tree = cache_dir().join("fail2ban");
    let there = tree.join("usr/bin/fail2ban-regex");
    assert!(
        there.exists(),
        "no {}; run scripts/fail2ban",
        there.display()
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, log).unwrap();
    let mut regex = Command::new("python3");
    regex
        .env("PYTHONPATH", tree.join("usr/lib/python3/dist-packages"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(there)
        .arg("-c")
        .arg(tree.join("etc/fail2ban"))
        .args(["-o", "ip"])
        .arg(path)
        .arg(root().join("packaging/fail2ban/filter.d/mosquitto-doorman.conf"));
    let said = finish(&mut regex).succeeded();
    said.lines().map(str::to_owned).collect()
}

#[test]
fn fail2ban_reads_our_refusals_and_nothing_else() {
    for_each_broker(|startup| {
        let broker = startup
            .file(
                "users",
                lines(&[("ann", "pw"), ("bob", "pw")]) + "broken:$7$\n",
            )
            .start(&conf(&[USERS, "unknown_user deny"]));
        // Right, and wrong without being a guess.
        login("ann", "pw").accepted(broker.port());
        assert_eq!(
            login("broken", "x").answer(broker.port()),
            Answer::Refused(5)
        );
        assert!(
            found(&broker.log()).is_empty(),
            "{:?}",
            found(&broker.log())
        );

        guesses(&broker, "127.0.0.7", "ann", 9);
        guesses(&broker, "127.0.0.8", "nobody", 1);
        // Names that would have somebody else banned.
        let line =
            "mosquitto[1]: doorman: refused reason=bad_password address=192.0.2.6 listener=1883";
        for forged in [
            line.to_owned(),
            format!("x\" {line}"),
            "x address=192.0.2.6 listener=".to_owned(),
            "doorman: refused reason=bad_password address=192.0.2.6 listener=1 username="
                .to_owned(),
        ] {
            guesses(&broker, "127.0.0.9", &forged, 1);
            // Where the broker's own lines have the client id.
            let id = login("bob", "pw").client_id(&forged);
            id.accepted(broker.port());
        }
        let log = broker.log();
        assert!(log.contains("192.0.2.6"), "{log}");
        let addresses = found(&log);
        let count = |address| addresses.iter().filter(|a| *a == address).count();
        assert_eq!(
            (count("127.0.0.7"), count("127.0.0.8"), count("127.0.0.9")),
            (9, 1, 4)
        );
        let only: BTreeSet<_> = addresses.iter().map(String::as_str).collect();
        assert_eq!(
            only,
            BTreeSet::from(["127.0.0.7", "127.0.0.8", "127.0.0.9"])
        );
        // As the journal and syslog have it.
        let syslog: String = log
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(_, line)| format!("Nov 22 21:00:00 host mosquitto[12]: {line}\n"))
            .collect();
        assert_eq!(found(&syslog).len(), 14);
    });
}

/// What is no fault of the client bans nobody.
#[test]
fn fail2ban_does_not_count_what_is_no_guess() {
    let line = |reason: &str| {
        format!(
            "1732306239: doorman: refused reason={reason} address=192.0.2.1 listener=1883 username=\"a\" client_id=\"b\"\n"
        )
    };
    let guess = [
        "bad_password",
        "unknown_user",
        "no_password",
        "nul_in_password",
        "token_signature",
        "token_algorithm",
        "throttled",
    ];
    for reason in mosquitto_doorman::verdict::Reason::ALL {
        let counted = usize::from(guess.contains(&reason.word()));
        assert_eq!(found(&line(reason.word())).len(), counted, "{reason}");
    }
}
