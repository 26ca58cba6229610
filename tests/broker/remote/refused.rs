//! Where a broker does not let one in, or does not answer.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, socket};

use super::super::control_compared::{beginning, stock};
use super::{LISTENER, Pair, ended, furnished, run};
use crate::support::for_each_broker;

const LIST: [&str; 2] = ["user", "list"];

#[test]
fn whoever_is_not_let_in_or_has_no_right_is_told_so() {
    for_each_broker(|startup| {
        // One who may give orders and hear nothing, and one who may hear and give none.
        let startup = furnished(
            startup,
            &[
                "role add orders",
                "role allow orders publishClientSend $CONTROL/dynamic-security/#",
                "role add answers",
                "role allow answers subscribePattern $CONTROL/dynamic-security/#",
                "role allow answers publishClientReceive $CONTROL/dynamic-security/#",
                "user grant ann orders",
                "user grant bob answers",
            ],
        );
        let pair = Pair::with(startup, LISTENER, &[]);
        ended(pair.there(&LIST, ""), 0, "sentinel");
        let wrong = pair.as_client("admin", "tulip", &LIST, "");
        ended(wrong, 1, "the broker refused the login");
        let nobody = pair.as_client("nobody", "pw", &LIST, "");
        ended(nobody, 1, "the broker refused the login");
        let deaf = pair.as_client("ann", "pw", &LIST, "");
        ended(deaf, 1, "may not hear the answers");
        let mute = pair.as_client("bob", "pw", &["user", "delete", "ann"], "");
        ended(mute, 1, "may not give orders");
        let neither = pair.as_client("sentinel", "pw", &LIST, "");
        ended(neither, 1, "may not hear the answers");
        ended(pair.there(&["user", "show", "ann"], ""), 0, "orders");
    });
}

#[test]
fn a_broker_that_is_not_there_or_never_answers_is_told_within_the_time() {
    for_each_broker(|startup| {
        let pair = Pair::with(startup, LISTENER, &["control off"]);
        let off = pair.there(&["user", "list", "--timeout", "1"], "");
        ended(off, 5, "no answer within 1 s");
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = |port: u16, more: &[&str]| {
            let url = format!("mqtt://127.0.0.1:{port}");
            let args = [&["user", "list", "--timeout", "1", "--broker", &url], more].concat();
            run(pair.dir(), &args, "", "")
        };
        let port = silent.local_addr().unwrap().port();
        ended(to(port, &[]), 5, "no answer within 1 s");
        let (_held, port) = nobodys_port();
        ended(to(port, &[]), 5, "refused");
        ended(
            to(pair.broker.port(), &[]),
            1,
            "the broker refused the login",
        );
    });
}

/// A port at which nobody listens, and that is given to nobody else while it is held.
fn nobodys_port() -> (OwnedFd, u16) {
    let (family, kind) = (AddressFamily::Inet, SockType::Stream);
    let held = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(held.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    let address: SockaddrIn = getsockname(held.as_raw_fd()).unwrap();
    let port = address.port();
    (held, port)
}

#[test]
fn an_answer_that_is_no_mqtt_is_told() {
    for_each_broker(|startup| {
        let pair = Pair::start(startup);
        let liar = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = liar.local_addr().unwrap().port();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                use std::io::{Read as _, Write as _};
                let (mut stream, _) = liar.accept().unwrap();
                let mut connect = [0; 64];
                assert!(stream.read(&mut connect).unwrap() > 0);
                stream
                    .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    .unwrap();
            });
            let url = format!("mqtt://127.0.0.1:{port}");
            let args = ["user", "list", "--timeout", "5", "--broker", &url];
            ended(run(pair.dir(), &args, "", ""), 5, &url);
        });
    });
}

#[test]
fn the_stock_plugin_does_not_know_these_orders_and_that_is_told() {
    for_each_broker(|startup| {
        let broker = stock(startup, &beginning());
        let url = format!("mqtt://127.0.0.1:{}", broker.port());
        let args = ["user", "list", "--broker", &url, "-u", "admin"];
        ended(run(broker.dir(), &args, "", "pw"), 1, "is not doorman");
    });
}

#[test]
fn what_needs_the_file_itself_is_refused_over_a_broker() {
    for_each_broker(|startup| {
        let pair = Pair::start(startup);
        fs::write(pair.dir().join("acl"), "topic read a\n").unwrap();
        for args in [
            &["init"][..],
            &["export"],
            &["export", "--format", "dynsec"],
            &["user", "verify", "ann", "--password-stdin"],
            &["import", "--format", "dynsec", "dynsec.json"],
            &["import", "--format", "acl-file", "acl"],
        ] {
            ended(pair.there(args, "tulip"), 2, "cannot be done over a broker");
        }
        for args in [&["check", "x.conf"][..], &["passwd", "f", "u"]] {
            ended(pair.there(args, ""), 2, "--broker");
        }
        let explain = ["explain", "ann", "publish", "a"];
        let then = [&explain[..], &["--at", "30d"]].concat();
        ended(pair.there(&then, ""), 2, "as of now");
        let how = [&explain[..], &["--acl-subscribe", "enforce"]].concat();
        ended(pair.there(&how, ""), 2, "--acl-file only");
        ended(pair.as_client("ann", "pw", &explain, ""), 1, "may not");
        let both = pair.there(&["user", "list", "--database", "other"], "");
        ended(both, 2, "not several");
        ended(pair.there(&LIST, ""), 0, "ann");
    });
}

#[test]
fn a_password_is_taken_from_a_file_or_the_environment_and_from_no_argument() {
    for_each_broker(|startup| {
        let pair = Pair::start(startup);
        fs::write(pair.dir().join("pw"), "pw\n").unwrap();
        fs::write(pair.dir().join("bad"), "tulip\n").unwrap();
        let by_file = |file: &str| {
            let args = [&LIST[..], &["--login-password-file", file]].concat();
            pair.as_client("admin", "tulip", &args, "")
        };
        ended(by_file("pw"), 0, "ann");
        ended(by_file("bad"), 1, "refused the login");
        ended(by_file("missing"), 5, "missing");
        let place = format!("127.0.0.1:{}", pair.broker.port());
        for (url, why) in [
            (
                format!("mqtt://admin:tulip@{place}"),
                "does not belong into",
            ),
            (format!("mqtt://admin@{place}"), "does not belong into"),
            (format!("http://{place}"), "mqtt://HOST"),
        ] {
            let args = ["user", "list", "--broker", &url];
            ended(run(pair.dir(), &args, "", "pw"), 2, why);
        }
        let args = [&LIST[..], &["--cafile", "ca.crt"]].concat();
        ended(pair.there(&args, ""), 2, "mqtts://");
    });
}
