//! The harness against brokers without any plugin: what later tests rely on is shown here once.

use std::path::Path;
use std::time::Duration;

use crate::support::{Answer, Broker, Connect, Event, PATIENCE, Protocol, for_each_broker};

const OPEN: &str = "listener {port} 127.0.0.1\nallow_anonymous true\n";

#[test]
fn messages_reach_their_subscriber_in_every_protocol() {
    for_each_broker(|startup| {
        let broker = startup.start(OPEN);
        for protocol in Protocol::ALL {
            let mut subscriber = Connect::new(protocol).accepted(broker.port());
            let mut publisher = Connect::new(protocol).accepted(broker.port());
            assert_eq!(subscriber.subscribe("news/#", 1), 1);
            publisher.publish("news/a", "first");
            assert_eq!(subscriber.receive(PATIENCE), message("news/a", "first"));
            let reply = publisher.publish_acknowledged("news/b", "second");
            assert!(matches!(reply, Event::Puback(_)), "{reply:?}");
            assert_eq!(subscriber.receive(PATIENCE), message("news/b", "second"));
            let reply = subscriber.unsubscribe("news/#");
            assert!(matches!(reply, Event::Unsuback(_)), "{reply:?}");
            publisher.publish_acknowledged("news/c", "unheard");
            assert!(subscriber.is_connected());
            assert_eq!(subscriber.receive(Duration::ZERO), Event::Silence);
        }
    });
}

#[test]
fn vanished_clients_leave_their_will_and_others_do_not() {
    for_each_broker(|startup| {
        let broker = startup.start(OPEN);
        for protocol in Protocol::ALL {
            let mut heir = Connect::new(protocol).accepted(broker.port());
            heir.subscribe("will", 0);
            let mortal = Connect::new(protocol).will("will", "polite");
            mortal.accepted(broker.port()).disconnect();
            let mortal = Connect::new(protocol).will("will", "gone");
            mortal.accepted(broker.port()).vanish();
            assert_eq!(heir.receive(PATIENCE), message("will", "gone"));
        }
    });
}

#[test]
fn names_that_are_no_text_arrive_as_bytes() {
    for_each_broker(|startup| {
        let broker = startup.start(OPEN);
        let answer = |protocol, name: &[u8]| {
            let connect = Connect::new(protocol).credentials(name, b"\0\xff");
            connect.answer(broker.port())
        };
        for name in [b"\xff\xfe".as_slice(), b"nul\0nul"] {
            // 3.1 goes on without a name; the others take it as a malformed packet.
            assert_eq!(answer(Protocol::V31, name), Answer::Accepted);
            assert_eq!(answer(Protocol::V311, name), Answer::Closed);
            assert_eq!(answer(Protocol::V5, name), Answer::Closed);
        }
    });
}

#[test]
fn fields_of_the_greatest_length_arrive() {
    for_each_broker(|startup| {
        let broker = startup.start(OPEN);
        let longest = vec![b'x'; 65535];
        for protocol in [Protocol::V311, Protocol::V5] {
            // One at a time: from 2.0.21 on, a CONNECT beyond 100000 bytes is malformed.
            let connect = || Connect::new(protocol);
            for connect in [
                connect().client_id(&longest),
                connect().username(&longest),
                connect().credentials("alice", &longest),
            ] {
                assert_eq!(connect.answer(broker.port()), Answer::Accepted);
            }
        }
    });
}

#[test]
fn passwords_without_a_username_are_for_mqtt_5_only() {
    for_each_broker(|startup| {
        let broker = startup.start(OPEN);
        let answer = |protocol| {
            let connect = Connect::new(protocol).password("secret");
            connect.answer(broker.port())
        };
        assert_eq!(answer(Protocol::V311), Answer::Closed);
        assert_eq!(answer(Protocol::V5), Answer::Accepted);
    });
}

#[test]
fn brokers_that_refuse_to_start_say_why() {
    for_each_broker(|startup| {
        let refusal = startup.start_fails("listener {port} 127.0.0.1\nno_such_option 1\n");
        assert_eq!(refusal.code, Some(3), "{}", refusal.log);
        assert!(refusal.log.contains("no_such_option"), "{}", refusal.log);
    });
}

#[test]
fn sighup_disconnects_who_is_no_longer_in_the_password_file() {
    for_each_broker(|startup| {
        let broker = startup
            .password_file("users", &[("alice", "secret"), ("bob", "other")])
            .start("listener {port} 127.0.0.1\npassword_file {dir}/users\n");
        let connect = |name, password| {
            let connect = Connect::new(Protocol::V5).credentials(name, password);
            connect.accepted(broker.port())
        };
        let mut alice = connect("alice", "secret");
        let mut bob = connect("bob", "other");
        let users = broker.dir().join("users").display().to_string();
        let deleted = broker.tree().mosquitto_passwd(&["-D", &users, "bob"]);
        deleted.succeeded();
        let mark = broker.log_end();
        broker.sighup();
        broker.wait_for_log_after(mark, "Reloading config.", PATIENCE);
        assert!(bob.is_closed_within(PATIENCE));
        // No version tells the client why: the connection just ends.
        assert_eq!(bob.disconnect_reason(), None);
        assert!(alice.is_connected());
    });
}

#[test]
fn mqtt_5_clients_can_read_why_they_were_disconnected() {
    for_each_broker(|startup| {
        let broker = startup.start(OPEN);
        let connect = Connect::new(Protocol::V5);
        let mut first = connect.accepted(broker.port());
        let mut second = connect.accepted(broker.port());
        assert!(first.is_closed_within(PATIENCE));
        // 2.0.11 closes without a word.
        let told = (broker.tree().version() != "2.0.11").then_some(142);
        assert_eq!(first.disconnect_reason(), told);
        assert!(second.is_connected());
    });
}

#[test]
fn restarted_brokers_keep_their_port_and_directory() {
    for_each_broker(|startup| {
        let mut broker = startup.start(OPEN);
        let (port, process) = (broker.port(), broker.pid());
        let mut client = Connect::new(Protocol::V311).accepted(port);
        assert!(broker.rss_kib() > 0);
        broker.restart();
        assert_ne!(broker.pid(), process);
        assert!(client.is_closed_within(PATIENCE));
        Connect::new(Protocol::V311).accepted(port);
        assert_eq!(broker.stop().code(), Some(0));
        assert!(!broker.runs());
    });
}

#[test]
fn brokers_end_with_the_test_that_started_them() {
    let broker = Broker::version("2.1.2").start(OPEN);
    let process = format!("/proc/{}", broker.pid());
    assert!(Path::new(&process).exists());
    drop(broker);
    assert!(!Path::new(&process).exists());
}

#[test]
fn each_version_brings_its_own_clients() {
    for_each_broker(|startup| {
        let broker = startup.start(OPEN);
        let retained = ["-t", "greeting", "-m", "hello", "-r", "-q", "1"];
        let published = broker.tree().mosquitto_pub(broker.port(), &retained);
        published.succeeded();
        let one = ["-t", "greeting", "-C", "1", "-W", "20"];
        let received = broker.tree().mosquitto_sub(broker.port(), &one);
        assert_eq!(received.succeeded(), "hello\n");
    });
}

fn message(topic: &str, payload: &str) -> Event {
    Event::Publish {
        topic: topic.to_owned(),
        payload: payload.as_bytes().to_vec(),
    }
}
