//! Names and passwords as no ordinary client sends them. Where Mosquitto answers too, it is asked in
//! the same run and must answer alike.

use super::accounts::{account, database, line, stored};
use crate::support::Broker;
use crate::support::{Answer, Connect, Protocol, for_each_broker, plugin_conf};
use mosquitto_doorman::model::Account;

fn conf(options: &[&str]) -> String {
    "listener {port} 127.0.0.1\nallow_anonymous true\n".to_owned()
        + &plugin_conf(&[options, &["throttle_exempt 127.0.0.0/8"]].concat())
}

/// The stock broker with the same password file.
fn stock() -> String {
    "listener {port} 127.0.0.1\nallow_anonymous true\npassword_file {dir}/users\n".to_owned()
}

#[test]
fn names_with_special_characters_are_names() {
    for_each_broker(|startup| {
        let names = [
            "a:b",
            "+",
            "#",
            "a/b",
            "sp ace",
            "sp\u{e4}t",
            "$share",
            "'; DROP TABLE account;--",
        ];
        let accounts: Vec<_> = names.iter().map(|name| account(name, "pw")).collect();
        drop(database(&startup.dir().join("db"), &accounts));
        let broker = startup.start(&conf(&["database {dir}/db"]));
        for protocol in Protocol::ALL {
            for name in names {
                let connect = Connect::new(protocol).client_id(format!("x{name}"));
                connect
                    .clone()
                    .credentials(name, "pw")
                    .accepted(broker.port());
                let wrong = connect.credentials(name, "PW").answer(broker.port());
                assert!(
                    matches!(wrong, Answer::Refused(5 | 135)),
                    "{name}: {wrong:?}"
                );
            }
        }
    });
}

#[test]
fn an_empty_username_is_anonymous_and_an_empty_password_none() {
    for_each_broker(|startup| {
        let text = line("ann", "pw") + &format!("bob:{}\n", stored(b"", 1).text);
        let ours = Broker::of(startup.tree())
            .file("users", &text)
            .start(&conf(&["password_file {dir}/users"]));
        // The stock 2.1 takes no salt but its own, so it is given its own file.
        let stock = startup
            .password_file("users", &[("ann", "pw")])
            .start(&stock());
        for protocol in Protocol::ALL {
            for (username, password) in [("", "pw"), ("ann", ""), ("", "")] {
                let connect = Connect::new(protocol).credentials(username, password);
                let answers = (connect.answer(ours.port()), connect.answer(stock.port()));
                assert_eq!(
                    answers.0, answers.1,
                    "{protocol:?} {username:?} {password:?}"
                );
            }
            // Even where the empty password is the one that is stored.
            let empty = Connect::new(protocol).credentials("bob", "");
            assert!(matches!(empty.answer(ours.port()), Answer::Refused(_)));
            let nul = Connect::new(protocol).credentials("bob", b"\0evil");
            assert!(matches!(nul.answer(ours.port()), Answer::Refused(_)));
        }
    });
}

/// Up to 2.1.2 the broker itself cuts a password at its first NUL and tells nobody; from 2.1.3 on it
/// gives the length, and such a password is refused.
#[test]
fn a_password_is_bytes_up_to_the_first_nul() {
    for_each_broker(|startup| {
        let odd: [(&str, &[u8]); 3] = [
            ("bytes", &[0xff, 0xfe, 0x80, 1]),
            ("long", &[b'x'; 65_535]),
            ("cut", b"good"),
        ];
        let accounts: Vec<_> = odd
            .iter()
            .map(|(name, password)| Account {
                credential: Some(stored(password, 1)),
                ..account(name, "")
            })
            .collect();
        drop(database(&startup.dir().join("db"), &accounts));
        let broker = startup.start(&conf(&["database {dir}/db"]));
        for protocol in Protocol::ALL {
            let answer = |name: &str, password: &[u8]| {
                Connect::new(protocol)
                    .credentials(name, password)
                    .answer(broker.port())
            };
            for (name, password) in odd {
                assert_eq!(answer(name, password), Answer::Accepted, "{name}");
            }
            assert!(matches!(
                answer("bytes", &[0xff, 0xfe, 0x80, 2]),
                Answer::Refused(_)
            ));
            assert!(matches!(
                answer("long", &[b'x'; 65_534]),
                Answer::Refused(_)
            ));
            assert!(matches!(answer("cut", b"evil\0good"), Answer::Refused(_)));
            assert!(matches!(answer("cut", b"\0good"), Answer::Refused(_)));
        }
    });
}

#[test]
fn the_longest_username_is_a_username() {
    for_each_broker(|startup| {
        let longest = "n".repeat(65_535);
        drop(database(
            &startup.dir().join("db"),
            &[account(&longest, "pw")],
        ));
        let broker = startup.start(&conf(&["database {dir}/db"]));
        for protocol in Protocol::ALL {
            let connect = Connect::new(protocol).credentials(&longest, "pw");
            connect.accepted(broker.port());
            let shorter = Connect::new(protocol).credentials(&longest[1..], "pw");
            assert!(matches!(shorter.answer(broker.port()), Answer::Refused(_)));
        }
    });
}

#[test]
fn a_username_that_is_no_text_gets_what_the_stock_broker_gives() {
    for_each_broker(|startup| {
        let ours = Broker::of(startup.tree())
            .file("users", line("ann", "pw"))
            .start(&conf(&["password_file {dir}/users"]));
        let stock = startup
            .password_file("users", &[("ann", "pw")])
            .start(&stock());
        for protocol in Protocol::ALL {
            for broken in [&b"\xff\xfe"[..], b"an\0n", b"ann\x07", b"\xed\xa0\x80"] {
                let connect = Connect::new(protocol).credentials(broken, "pw");
                let answers = (connect.answer(ours.port()), connect.answer(stock.port()));
                assert_eq!(answers.0, answers.1, "{protocol:?} {broken:?}");
            }
        }
    });
}

#[test]
fn a_connect_cut_short_harms_nobody() {
    for_each_broker(|startup| {
        let broker = startup
            .file("users", line("ann", "pw"))
            .start(&conf(&["password_file {dir}/users"]));
        let whole = Connect::new(Protocol::V311)
            .credentials("ann", "pw")
            .encode();
        for length in 1..whole.len() {
            let mut client = crate::support::Client::tcp(broker.port(), Protocol::V311);
            client.send(&whole[..length]);
            client.vanish();
        }
        let mut longer = crate::support::Client::tcp(broker.port(), Protocol::V311);
        longer.send(b"\x00\x0eno packet at all");
        longer.vanish();
        Connect::new(Protocol::V311)
            .credentials("ann", "pw")
            .accepted(broker.port());
    });
}
