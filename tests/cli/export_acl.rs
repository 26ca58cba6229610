//! `doorman export --format acl-file`: what the roles of a database say, for the stock broker.

use super::Desk;
use crate::support::{Connect, Protocol, for_each_broker};

/// A database with accounts and roles: ann, bob, who is bound to a client id, and mia, switched off.
fn people() -> Desk {
    let desk = Desk::database();
    for name in ["ann", "bob", "mia"] {
        desk.add(name, "tulip-garden").code(0);
    }
    desk.furnish(&[
        &["default", "set", "publishClientReceive=deny"],
        &["user", "set", "bob", "--client-id", "b1"],
        &["user", "disable", "mia"],
        &["role", "add", "reader"],
        &["role", "allow", "reader", "publishClientReceive", "plant/#"],
        &[
            "role",
            "deny",
            "reader",
            "publishClientReceive",
            "plant/secret/#",
        ],
        &["role", "set", "reader", "--textname", "Reader"],
        &["role", "add", "device"],
        &[
            "role",
            "allow",
            "device",
            "publishClientSend",
            "plant/%c/%u",
        ],
        &["group", "add", "staff"],
        &["group", "grant", "staff", "reader"],
        &["group", "join", "staff", "ann", "bob", "mia"],
        &["user", "grant", "bob", "device"],
    ]);
    // The denial shall be asked first.
    desk.on(&[
        "role",
        "deny",
        "reader",
        "publishClientReceive",
        "plant/secret/#",
        "--priority",
        "5",
    ])
    .code(0);
    desk
}

#[test]
fn roles_become_lines_and_what_no_line_says_is_told() {
    let desk = people();
    let ran = desk.on(&["export", "--format", "acl-file"]);
    let ran = ran
        .code(1)
        .says("account mia: it is disabled: it was left out, and so may do nothing");
    let lines: Vec<&str> = ran
        .out
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let expected = [
        "",
        "user ann",
        "topic deny plant/secret/#",
        "topic read plant/#",
        "",
        "user bob",
        "topic deny plant/secret/#",
        "topic write plant/b1/bob",
        "topic read plant/#",
    ];
    assert_eq!(lines, expected, "{}", ran.out);
    assert!(!ran.err.contains("differ"), "{}", ran.err);
}

#[test]
fn an_answer_that_no_order_of_lines_gives_is_told() {
    let desk = people();
    desk.furnish(&[
        &["user", "delete", "mia"],
        &["role", "add", "odd"],
        &[
            "role",
            "allow",
            "odd",
            "publishClientReceive",
            "plant/+/open",
        ],
        &["user", "grant", "ann", "odd", "--priority", "5"],
    ]);
    // A file denies before it allows, and the role allows first.
    desk.on(&["export", "--format", "acl-file", "-o", "acl"])
        .code(1)
        .says("ann: receive plant/secret/open: the file says deny, the database allow")
        .tells("answers differ");
    let told = desk
        .on(&["export", "--format", "acl-file", "-o", "acl", "--json"])
        .code(1)
        .json();
    assert_eq!(
        (&told[0]["clients"], &told[0]["lines"]),
        (&2.into(), &6.into())
    );
    assert!(told[0]["differing"].as_u64() > Some(0));
}

#[test]
fn what_holds_under_conditions_is_left_out_or_holds_always() {
    let desk = people();
    let small = [
        "role",
        "allow",
        "reader",
        "publishClientSend",
        "small",
        "--max-payload",
        "10",
    ];
    desk.on(&small).code(0);
    let kept = desk.on(&["export", "--format", "acl-file"]);
    let kept = kept.says("role reader: publishClientSend small: it holds under conditions");
    assert!(!kept.out.contains("small"));
    let dropped = desk.on(&["export", "--format", "acl-file", "--drop-bounds"]);
    dropped
        .code(1)
        .says("role reader: publishClientSend small: it holds at all times")
        .tells("topic write small");
}

#[test]
fn what_came_from_an_acl_file_answers_as_it_did_when_it_is_one_again() {
    let desk = Desk::database();
    for name in ["ann", "bob"] {
        desk.add(name, "tulip-garden").code(0);
    }
    let text = "topic read news/#\nuser ann\ntopic a/#\ntopic deny a/secret\nuser bob\ntopic write b/+\n\
                pattern read home/%u/#\n";
    desk.write("in", text);
    desk.on(&["import", "in", "--format", "acl-file"]).code(0);
    desk.on(&["export", "--format", "acl-file", "-o", "out"])
        .code(0);
    let again = Desk::database();
    for name in ["ann", "bob"] {
        again.add(name, "tulip-garden").code(0);
    }
    let out = desk.path("out");
    let out = out.to_str().unwrap();
    again.on(&["import", out, "--format", "acl-file"]).code(0);
    for (name, action, topic, code) in [
        ("ann", "publish", "a/b", 0),
        ("ann", "receive", "a/b", 0),
        ("ann", "receive", "a/secret", 7),
        ("ann", "receive", "home/ann/x", 0),
        ("ann", "receive", "home/bob/x", 7),
        ("ann", "receive", "news/x", 7),
        ("bob", "publish", "b/x", 0),
        ("bob", "receive", "b/x", 7),
    ] {
        for desk in [&desk, &again] {
            desk.on(&["explain", name, action, topic]).code(code);
        }
    }
}

#[test]
fn a_password_file_and_an_empty_database_hold_no_lines() {
    Desk::file().on(&["export", "--format", "acl-file"]).code(1);
    let desk = Desk::database();
    desk.on(&["default", "set", "publishClientReceive=deny"])
        .code(0);
    let args = ["export", "--format", "acl-file", "-o", "out", "--json"];
    let told = desk.on(&args).code(0).json();
    assert_eq!(told[0]["lines"], 0);
}

#[test]
fn stock_brokers_take_an_exported_acl_file_and_answer_by_it() {
    let exported = people().on(&["export", "--format", "acl-file"]).out;
    for_each_broker(|startup| {
        let conf = "listener {port} 127.0.0.1\nallow_anonymous true\nacl_file {dir}/acl\n";
        let broker = startup.file("acl", &exported).start(conf);
        let client = |name: &str, id: &str| {
            let connect = Connect::new(Protocol::V311).username(name).client_id(id);
            connect.accepted(broker.port())
        };
        let (mut ann, mut bob) = (client("ann", "a1"), client("bob", "b1"));
        ann.subscribe("#", 0);
        for topic in ["plant/b1/ann", "plant/secret/b", "plant/b1/bob"] {
            bob.publish_acknowledged(topic, topic);
        }
        ann.publish_acknowledged("plant/b1/bob", "not hers to send");
        let heard = ann.received();
        assert_eq!(
            heard,
            [("plant/b1/bob".to_owned(), b"plant/b1/bob".to_vec())]
        );
    });
}

#[test]
fn a_limit_of_administrators_becomes_no_line_that_lets_anybody_give_orders() {
    let desk = Desk::database();
    desk.add("ann", "tulip-garden").code(0);
    let topic = "$CONTROL/dynamic-security/v1";
    desk.furnish(&[
        &["role", "add", "limited", "--admin-prefix", "a-"],
        &["role", "allow", "limited", "publishClientSend", topic],
        &["role", "allow", "limited", "publishClientSend", "a/#"],
        &["user", "grant", "ann", "limited"],
    ]);
    let ran = desk.on(&["export", "--format", "acl-file"]).code(1);
    assert!(ran.out.contains("topic write a/#"), "{}", ran.out);
    assert!(!ran.out.contains("topic write $CONTROL"), "{}", ran.out);
    ran.says("within a limit");
}
