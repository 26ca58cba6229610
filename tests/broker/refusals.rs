//! Every refusal has its reason, in one line of the log, and somebody beside it who is let in.

use std::time::Duration;

use mosquitto_doorman::model::Account;

use super::accounts::{account, database, lines, name};
use super::conf::patient as conf;
use crate::support::{Answer, Broker, Connect, Protocol, for_each_broker};

const SECOND: Duration = Duration::from_secs(1);

fn hours(hours: i64) -> jiff::Timestamp {
    jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)
}

/// The same client, refused: the CONNACK says no more than "not authorised".
#[track_caller]
fn refused(broker: &Broker, connect: &Connect, reason: &str) {
    let before = broker.log_end();
    assert_eq!(
        connect.answer(broker.port()),
        Answer::Refused(5),
        "{connect:?}"
    );
    let port = if broker.tree().is_2_1() {
        broker.port().to_string()
    } else {
        "-".to_owned()
    };
    let line =
        format!("doorman: refused reason={reason} address=127.0.0.1 listener={port} username=");
    broker.wait_for_log_after(before, &line, SECOND);
}

fn login(username: &str, password: &str) -> Connect {
    Connect::new(Protocol::V311)
        .client_id("c1")
        .credentials(username, password)
}

#[test]
fn each_bound_of_an_account_refuses_with_its_own_reason() {
    for_each_broker(|startup| {
        let bounded = |username: &str| account(username, "pw");
        let accounts = [
            Account {
                valid_from: Some(hours(-1)),
                valid_until: Some(hours(1)),
                client_id: Some("c1".into()),
                networks: vec!["127.0.0.0/8".parse().unwrap()],
                ..bounded("bounded")
            },
            Account {
                disabled: true,
                ..bounded("disabled")
            },
            Account {
                valid_from: Some(hours(1)),
                ..bounded("early")
            },
            Account {
                valid_until: Some(hours(-1)),
                ..bounded("late")
            },
            Account {
                client_id: Some("c2".into()),
                ..bounded("elsewho")
            },
            Account {
                networks: vec!["192.0.2.0/24".parse().unwrap()],
                ..bounded("elsewhere")
            },
            Account::named(name("empty")),
        ];
        drop(database(&startup.dir().join("db"), &accounts));
        let broker = startup.start(&conf(&["database {dir}/db"]));
        login("bounded", "pw").accepted(broker.port());
        refused(&broker, &login("bounded", "no"), "bad_password");
        refused(
            &broker,
            &login("bounded", "pw").client_id("c2"),
            "wrong_client_id",
        );
        refused(&broker, &login("disabled", "pw"), "disabled");
        refused(&broker, &login("early", "pw"), "not_yet_valid");
        refused(&broker, &login("late", "pw"), "expired");
        refused(&broker, &login("elsewho", "pw"), "wrong_client_id");
        refused(&broker, &login("elsewhere", "pw"), "wrong_network");
        refused(&broker, &login("empty", "pw"), "unusable_credential");
        let silent = Connect::new(Protocol::V311)
            .client_id("c1")
            .username("bounded");
        refused(&broker, &silent, "no_password");
    });
}

#[test]
fn an_unknown_username_is_refused_or_left_to_the_broker_as_configured() {
    for_each_broker(|startup| {
        let text = lines(&[("ann", "pw")]);
        let broker = Broker::of(startup.tree())
            .file("users", &text)
            .start(&conf(&["password_file {dir}/users", "unknown_user deny"]));
        login("ann", "pw").accepted(broker.port());
        refused(&broker, &login("eve", "pw"), "unknown_user");

        let broker = startup
            .file("users", &text)
            .start(&conf(&["password_file {dir}/users"]));
        assert_eq!(login("eve", "pw").answer(broker.port()), Answer::Refused(5));
        broker.wait_for_log(
            "doorman: deferred reason=unknown_user address=127.0.0.1",
            SECOND,
        );
    });
}

#[test]
fn a_bad_line_denies_its_user_and_nobody_else() {
    for_each_broker(|startup| {
        let text = format!(
            "# people\n\n{}broken:$7$what\nno colon\n{}\u{0}:x\nbroken two:\r\n{}",
            lines(&[("ann", "pw")]),
            lines(&[("twice", "old"), ("twice", "new")]),
            lines(&[("last", "pw")]).trim_end(),
        );
        let broker = startup
            .file("users", text)
            .start(&conf(&["password_file {dir}/users"]));
        for (username, password) in [("ann", "pw"), ("twice", "new"), ("last", "pw")] {
            login(username, password).accepted(broker.port());
        }
        refused(&broker, &login("twice", "old"), "bad_password");
        refused(&broker, &login("broken", "$7$what"), "unusable_credential");
        refused(&broker, &login("broken two", ""), "no_password");
        for line in [4, 5, 7, 8, 9] {
            broker.wait_for_log(
                &format!("{}/users:{line}: ", broker.dir().display()),
                SECOND,
            );
        }
        broker.wait_for_log("users:7: the same username as line 6", SECOND);
    });
}

#[test]
fn what_a_client_chose_cannot_forge_a_line() {
    for_each_broker(|startup| {
        let broker = startup
            .file("users", lines(&[("ann", "pw")]))
            .start(&conf(&["password_file {dir}/users", "unknown_user deny"]));
        let forged = "x\" address=192.0.2.1 \u{202e}";
        let long = "y".repeat(60_000);
        assert_eq!(
            login(forged, "pw").answer(broker.port()),
            Answer::Refused(5)
        );
        assert_eq!(login(&long, "pw").answer(broker.port()), Answer::Refused(5));
        let escaped = r#"username="x\" address=192.0.2.1 \u{202e}" client_id="c1""#;
        broker.wait_for_log(escaped, SECOND);
        broker.wait_for_log("\"...(60000 bytes) client_id=\"c1\"", SECOND);
        let longest = broker
            .log()
            .lines()
            .map(str::len)
            .filter(|n| *n > 2_000)
            .count();
        assert_eq!(longest, 0, "a line of the log is not bounded");
    });
}

#[test]
fn no_password_is_ever_in_the_log() {
    for_each_broker(|startup| {
        let broker = startup
            .file(
                "users",
                lines(&[("ann", "tulip-right")]) + "bob:tulip-stored\n",
            )
            .start(&conf(&["password_file {dir}/users"]));
        login("ann", "tulip-right").accepted(broker.port());
        for (username, password) in [
            ("ann", "tulip-wrong"),
            ("bob", "tulip-stored"),
            ("eve", "tulip-unknown"),
        ] {
            assert_eq!(
                login(username, password).answer(broker.port()),
                Answer::Refused(5)
            );
        }
        broker.wait_for_log("deferred reason=unknown_user", SECOND);
        assert!(!broker.log().contains("tulip"), "{}", broker.log());
    });
}

#[test]
fn who_is_let_in_has_a_line_where_that_is_asked_for() {
    for_each_broker(|startup| {
        let dir = startup.dir().to_owned();
        database(&dir.join("db"), &[account("ann", "pw")]);
        let lines = |broker: &Broker| {
            let start = broker.log_end();
            drop(login("ann", "pw").accepted(broker.port()));
            drop(Connect::new(Protocol::V311).accepted(broker.port()));
            refused(broker, &login("ann", "no"), "bad_password");
            broker.log_after(start)
        };
        let quiet = ["database {dir}/db", "unknown_user deny"];
        let anonymous = "allow_anonymous true\n";
        let mut broker = startup.start(&(conf(&quiet) + anonymous));
        let log = lines(&broker);
        assert!(
            !log.contains("allowed") && !log.contains("anonymous"),
            "{log}"
        );
        broker.stop();
        let all = [&quiet[..], &["log_logins all"]].concat();
        let all = conf(&all).replace("{dir}", &dir.display().to_string());
        let broker = Broker::of(broker.tree()).start(&(all + anonymous));
        let log = lines(&broker);
        for line in [
            ": allowed address=127.0.0.1 ",
            ": deferred reason=anonymous address=",
        ] {
            assert!(log.contains(line), "{log}");
        }
    });
}
