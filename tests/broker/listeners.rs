//! Plugins by listener, twice in one broker, and asked from another thread.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::accounts::{line, lines};
use crate::support::wait::PATIENCE;
use crate::support::{Answer, Broker, Connect, Protocol, eventually, for_each_broker, plugin_conf};

fn answer(broker: &Broker, listener: usize, username: &str, password: &str) -> Answer {
    let connect = Connect::new(Protocol::V311).credentials(username, password);
    connect.answer(broker.nth_port(listener))
}

#[test]
fn each_listener_asks_its_own_plugin() {
    for_each_broker(|startup| {
        let conf = "per_listener_settings true\n".to_owned()
            + "listener {port} 127.0.0.1\n"
            + &plugin_conf(&["password_file {dir}/first"])
            + "listener {port2} 127.0.0.1\nallow_anonymous true\n"
            + &plugin_conf(&["password_file {dir}/second", "unknown_user deny"])
            + "listener {port3} 127.0.0.1\nallow_anonymous true\n";
        let broker = startup
            .file("first", lines(&[("ann", "one"), ("bob", "pw")]))
            .file("second", line("ann", "two"))
            .start(&conf);
        assert_eq!(answer(&broker, 1, "ann", "one"), Answer::Accepted);
        assert_eq!(answer(&broker, 1, "ann", "two"), Answer::Refused(5));
        assert_eq!(answer(&broker, 1, "bob", "pw"), Answer::Accepted);
        assert_eq!(answer(&broker, 2, "ann", "two"), Answer::Accepted);
        assert_eq!(answer(&broker, 2, "ann", "one"), Answer::Refused(5));
        assert_eq!(answer(&broker, 2, "bob", "pw"), Answer::Refused(5));
        assert_eq!(answer(&broker, 3, "anybody", "x"), Answer::Accepted);
        let anonymous = |listener| Connect::new(Protocol::V5).answer(broker.nth_port(listener));
        assert_eq!(
            (anonymous(1), anonymous(2)),
            (Answer::Refused(135), Answer::Accepted)
        );
    });
}

/// 2.0 would load a second line and never ask it; the accounts behind it would be missed in silence.
#[test]
fn a_second_plugin_line_is_asked_too_or_refused() {
    for_each_broker(|startup| {
        let conf = "listener {port} 127.0.0.1\n".to_owned()
            + &plugin_conf(&["password_file {dir}/first"])
            + &plugin_conf(&["password_file {dir}/second"]);
        let is_2_1 = startup.tree().is_2_1();
        let startup = startup
            .file("first", line("ann", "pw"))
            .file("second", line("bob", "pw"));
        if is_2_1 {
            let broker = startup.start(&conf);
            assert_eq!(answer(&broker, 1, "ann", "pw"), Answer::Accepted);
            assert_eq!(answer(&broker, 1, "bob", "pw"), Answer::Accepted);
            assert_eq!(answer(&broker, 1, "bob", "wp"), Answer::Refused(5));
        } else {
            let refusal = startup.start_fails(&conf);
            assert_eq!(refusal.code, Some(13));
            assert!(
                refusal.log.contains("give all sources to one plugin line"),
                "{}",
                refusal.log
            );
        }
    });
}

/// 2.1 can load a plugin once and use it at several listeners.
#[test]
fn a_plugin_used_by_two_listeners_guards_both() {
    for_each_broker(|startup| {
        if !startup.tree().is_2_1() {
            return;
        }
        let conf = "per_listener_settings true\nplugin_load doorman {plugin}\n".to_owned()
            + "plugin_opt_password_file {dir}/users\n"
            + "listener {port} 127.0.0.1\nplugin_use doorman\n"
            + "listener {port2} 127.0.0.1\nplugin_use doorman\n";
        let broker = startup.file("users", line("ann", "pw")).start(&conf);
        for listener in [1, 2] {
            assert_eq!(answer(&broker, listener, "ann", "pw"), Answer::Accepted);
            assert_eq!(answer(&broker, listener, "ann", "wp"), Answer::Refused(5));
        }
    });
}

/// The HTTP API asks from a thread of its own, with a client that is none.
#[test]
fn the_http_api_is_answered_on_its_own_thread() {
    for_each_broker(|startup| {
        if !startup.tree().is_2_1() {
            return;
        }
        let conf = "listener {port} 127.0.0.1\n".to_owned()
            + &plugin_conf(&["password_file {dir}/users", "unknown_user deny"])
            + "listener {port2} 127.0.0.1\nprotocol http_api\n";
        let broker = startup.file("users", line("ann", "pw")).start(&conf);
        let status = |login: &str| http_status(broker.nth_port(2), login);
        // base64 of ann:pw, ann:wp, eve:pw, ann: (no password)
        assert_eq!(status("YW5uOnB3"), 200);
        assert_eq!(status("YW5uOndw"), 401);
        assert_eq!(status("ZXZlOnB3"), 401);
        assert_eq!(status("YW5uOg=="), 401);
        broker.wait_for_log("refused reason=bad_password address=- ", PATIENCE);
        // The same questions while a reload is under way, when restored sessions have no password.
        for _ in 0..20 {
            broker.sighup();
            assert_eq!(status("YW5uOg=="), 401);
        }
        assert_eq!(answer(&broker, 1, "ann", "pw"), Answer::Accepted);
    });
}

fn http_status(port: u16, login: &str) -> u16 {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /api/v1/systree HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\
         Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut reply = String::new();
    // A connection reset behind the reply is no failure of the reply.
    stream.read_to_string(&mut reply).ok();
    let status = reply.split_whitespace().nth(1);
    status
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no reply: {reply:?}"))
}

/// 2.0.11 never ticks with per_listener_settings: what other threads have to say comes out with the
/// next login, and a change ends connections at the next reload.
#[test]
fn a_change_is_in_force_and_told_where_no_tick_comes() {
    for_each_broker(|startup| {
        let conf = "per_listener_settings true\nlistener {port} 127.0.0.1\n".to_owned()
            + &plugin_conf(&["password_file {dir}/users", "throttle_exempt 127.0.0.0/8"]);
        let broker = startup
            .file("users", lines(&[("ann", "pw"), ("bob", "pw")]))
            .start(&conf);
        let mut bob = Connect::new(Protocol::V311)
            .credentials("bob", "pw")
            .accepted(broker.port());
        std::fs::write(broker.dir().join("users"), line("ann", "new")).unwrap();
        let in_force = || answer(&broker, 1, "ann", "new") == Answer::Accepted;
        assert!(eventually(PATIENCE, in_force));
        broker.wait_for_log("users: now 1 accounts", PATIENCE);
        broker.sighup();
        assert!(bob.is_closed_within(PATIENCE));
    });
}
