//! `doorman role`, `doorman user grant` and `doorman default`.

use serde_json::json;

use super::Desk;

/// A database with the role reader and the account roger.
fn desk() -> Desk {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    desk.on(&["role", "add", "reader"])
        .code(0)
        .tells("role reader added");
    desk
}

/// The role as scripts see it.
fn shown(desk: &Desk) -> serde_json::Value {
    let args = ["role", "show", "reader", "--json"];
    desk.on(&args).code(0).json().remove(0)
}

#[test]
fn a_role_is_added_once_listed_and_deleted_whole_or_not_at_all() {
    let desk = desk();
    desk.on(&["role", "add", "reader"])
        .code(4)
        .says("role allow");
    desk.on(&["role", "list"]).code(0).tells("reader");
    desk.on(&["role", "delete", "reader", "writer"])
        .code(3)
        .says("no role writer");
    desk.on(&["role", "delete", "reader"]).code(0);
    assert_eq!(desk.on(&["role", "list"]).code(0).out, "");
    desk.on(&["role", "show", "reader"])
        .code(3)
        .says("role list");
    desk.on(&["role", "add", ""]).code(2);
}

#[test]
fn rules_are_shown_in_the_order_they_are_asked_with_their_conditions() {
    let desk = desk();
    let rule = |args: &[&str]| {
        let mut all = vec!["role"];
        all.extend(args);
        desk.on(&all).code(0)
    };
    rule(&["allow", "reader", "publishClientReceive", "news/#"])
        .tells("reader: allow publishClientReceive news/# added");
    rule(&[
        "deny",
        "reader",
        "PUBLISHCLIENTSEND",
        "a",
        "--priority",
        "-7",
    ]);
    let capped = [
        "allow",
        "reader",
        "publishClientSend",
        "b/%u",
        "--priority",
        "200000",
        "--max-qos",
        "1",
        "--no-retain",
        "--max-payload",
        "64K",
    ];
    rule(&capped);
    rule(&capped).tells("unchanged");
    rule(&["allow", "reader", "subscribeLiteral", "c"]);
    let rules = &shown(&desk)["rules"];
    let topics: Vec<_> = (0..4).map(|at| &rules[at]["topic"]).collect();
    assert_eq!(topics, ["c", "b/%u", "news/#", "a"]);
    let first = json!({
        "acltype": "publishClientSend", "topic": "b/%u", "priority": 100_000, "allow": true,
        "max_qos": 1, "retain": false, "max_payload": 65_536,
    });
    assert_eq!(rules[1], first);
    desk.on(&["role", "show", "reader"])
        .code(0)
        .tells("100000  allow  publishClientSend     b/%u  QoS at most 1  not retained");
    // The rule is said anew, its priority is not.
    rule(&["deny", "reader", "publishClientSend", "b/%u"]).tells("changed");
    let now = &shown(&desk)["rules"][1];
    assert_eq!(
        (&now["priority"], &now["allow"]),
        (&json!(100_000), &json!(false))
    );
    assert_eq!(now["max_payload"], json!(null));
}

#[test]
fn a_rule_is_removed_by_type_and_topic() {
    let desk = desk();
    let send = ["reader", "publishClientSend", "a/#"];
    desk.on(&[&["role", "allow"], &send[..]].concat()).code(0);
    desk.on(&["role", "remove", "reader", "publishClientSend", "a"])
        .code(3)
        .says("role show");
    desk.on(&[&["role", "remove"], &send[..]].concat()).code(0);
    desk.on(&[&["role", "remove"], &send[..]].concat()).code(3);
    assert_eq!(shown(&desk)["rules"], json!([]));
}

#[test]
fn what_is_no_rule_is_refused_with_the_reason() {
    let desk = desk();
    for (args, why) in [
        (
            &["allow", "reader", "publishClientSend", "a#"][..],
            "whole last level",
        ),
        (&["deny", "reader", "publishClientSend", ""], "empty"),
        (&["allow", "reader", "publish", "a"], "publishClientSend"),
        (
            &["allow", "reader", "subscribePattern", "a", "--no-retain"],
            "no retained",
        ),
        (
            &[
                "allow",
                "reader",
                "unsubscribeLiteral",
                "a",
                "--max-qos",
                "0",
            ],
            "no conditions",
        ),
        (
            &[
                "allow",
                "reader",
                "publishClientSend",
                "a",
                "--max-qos",
                "3",
            ],
            "0, 1 and 2",
        ),
        (
            &["deny", "reader", "publishClientSend", "a", "--max-qos", "1"],
            "--max-qos",
        ),
    ] {
        let all = [&["role"], args].concat();
        desk.on(&all).code(2).says(why);
    }
    desk.on(&["role", "allow", "writer", "publishClientSend", "a"])
        .code(3)
        .says("no role writer");
    assert_eq!(shown(&desk)["rules"], json!([]));
}

#[test]
fn fields_are_set_and_cleared() {
    let desk = desk();
    let set = |args: &[&str]| desk.on(&[&["role", "set", "reader"], args].concat());
    set(&[]).code(2).says("nothing to set");
    set(&["--valid-from", "2d", "--valid-until", "1d"]).code(2);
    set(&["--wildcard-subs", "--no-wildcard-subs"]).code(2);
    set(&[
        "--no-wildcard-subs",
        "--textname",
        "Reader",
        "--valid-until",
        "2020-01-01",
    ])
    .code(0);
    let role = shown(&desk);
    assert_eq!(role["wildcard_subs"], false);
    assert_eq!(role["textname"], "Reader");
    assert_eq!(role["valid_until"], "2020-01-01T00:00:00Z");
    desk.on(&["role", "list"]).tells("expired");
    set(&[
        "--wildcard-subs",
        "--textname",
        "",
        "--valid-until",
        "never",
    ])
    .code(0);
    let role = shown(&desk);
    assert_eq!(role["wildcard_subs"], true);
    assert_eq!(
        (&role["textname"], &role["valid_until"]),
        (&json!(null), &json!(null))
    );
    desk.on(&[
        "role",
        "add",
        "x",
        "--no-wildcard-subs",
        "--textdescription",
        "for x",
    ])
    .code(0);
    desk.on(&["role", "show", "x"])
        .tells("for x")
        .tells("denied");
}

#[test]
fn what_administrators_are_limited_to_is_set_shown_and_taken_away() {
    let desk = desk();
    let set = |flags: &[&str]| desk.on(&[&["role", "set", "reader"], flags].concat());
    assert_eq!(shown(&desk).get("admin_prefix"), None);
    set(&["--admin-prefix", "plant 1-"]).code(0);
    assert_eq!(shown(&desk)["admin_prefix"], "plant 1-");
    desk.on(&["role", "show", "reader"])
        .tells("names that begin with \"plant 1-\"");
    // An empty one would be no limit.
    set(&["--admin-prefix", ""]).code(2);
    set(&["--admin-prefix", "a", "--no-admin-prefix"]).code(2);
    set(&["--textname", "t"]).code(0);
    assert_eq!(shown(&desk)["admin_prefix"], "plant 1-");
    set(&["--no-admin-prefix"]).code(0);
    assert_eq!(shown(&desk).get("admin_prefix"), None);
    desk.on(&["role", "add", "y", "--admin-prefix", "y-"])
        .code(0);
    desk.on(&["role", "show", "y"]).tells("y-");
}

#[test]
fn roles_are_granted_to_an_account_and_shown_in_the_order_they_are_asked() {
    let desk = desk();
    desk.on(&["role", "add", "alarm"]).code(0);
    desk.on(&["user", "grant", "roger", "reader", "writer"])
        .code(3)
        .says("no role writer");
    desk.on(&["user", "grant", "roger", "alarm", "reader"])
        .code(0)
        .tells("roger: role reader added");
    desk.on(&["user", "grant", "roger", "reader", "--priority", "5"])
        .code(0)
        .tells("changed");
    desk.on(&["user", "grant", "roger", "reader"])
        .code(0)
        .tells("unchanged");
    desk.on(&["user", "grant", "nobody", "reader"]).code(3);
    let user = desk.on(&["user", "show", "roger", "--json"]).code(0).json();
    let roles = json!([{"name": "reader", "priority": 5}, {"name": "alarm", "priority": -1}]);
    assert_eq!(user[0]["roles"], roles);
    assert_eq!(user[0]["groups"], json!([]));
    desk.on(&["user", "show", "roger"])
        .tells("reader (5), alarm");
    desk.on(&["role", "show", "reader"]).tells("1: roger (5)");
    desk.on(&["user", "revoke", "roger", "reader"])
        .code(0)
        .tells("deleted");
    desk.on(&["user", "revoke", "roger", "reader"])
        .code(0)
        .tells("unchanged");
    desk.on(&["user", "revoke", "roger", "writer"]).code(3);
    assert_eq!(shown(&desk)["accounts"], 0);
}

#[test]
fn the_defaults_are_shown_and_set() {
    let desk = Desk::database();
    let defaults = || desk.on(&["default", "--json"]).code(0).json().remove(0);
    let fresh = json!({
        "publishClientSend": "deny", "publishClientReceive": "allow",
        "subscribe": "deny", "unsubscribe": "allow",
    });
    assert_eq!(defaults(), fresh);
    desk.on(&[
        "default",
        "set",
        "publishClientSend=allow",
        "SUBSCRIBE=allow",
    ])
    .code(0)
    .tells("defaults changed");
    desk.on(&["default"])
        .code(0)
        .tells("subscribe             allow");
    desk.on(&["default", "set", "subscribe=allow"])
        .code(0)
        .tells("unchanged");
    for wrong in ["subscribe", "subscribe=yes", "publish=allow", "=allow"] {
        desk.on(&["default", "set", wrong]).code(2).says("accepted");
    }
    desk.on(&["default", "set", "subscribe=deny", "subscribe=allow"])
        .code(2);
    assert_eq!(defaults()["publishClientReceive"], "allow");
}

#[test]
fn a_password_file_holds_no_roles_and_says_so() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    let before = desk.text();
    for args in [
        &["role", "list"][..],
        &["role", "add", "reader"],
        &["role", "allow", "reader", "publishClientSend", "a"],
        &["user", "grant", "roger", "reader"],
        &["group", "add", "staff"],
        &["group", "anonymous"],
        &["default"],
        &["default", "set", "subscribe=allow"],
    ] {
        desk.on(args).code(1).says("use a database");
    }
    assert_eq!(desk.text(), before);
    let user = desk.on(&["user", "show", "roger", "--json"]).code(0).json();
    assert!(user[0].get("roles").is_none());
}

#[test]
fn a_rule_that_is_none_is_found_by_the_check() {
    let desk = desk();
    let place = desk.place.display().to_string();
    let conf = format!(
        "listener 1883\nplugin /usr/lib/libmosquitto_doorman.so\nplugin_opt_database {place}\n"
    );
    desk.write("mosquitto.conf", &conf);
    let sound = desk.run(&["check", "mosquitto.conf"]);
    assert!(!sound.out.contains("reader"), "{}", sound.out);
    let tool = rusqlite::Connection::open(&desk.place).unwrap();
    tool.execute_batch(
        "INSERT INTO role_acl (role_id, acltype, topic) VALUES (1, 'publishClientSend', 'a#')",
    )
    .unwrap();
    desk.run(&["check", "mosquitto.conf"])
        .code(6)
        .tells("role \"reader\": rule publishClientSend \"a#\"");
    desk.on(&["role", "show", "reader"]).code(5).says("a#");
    desk.on(&["role", "remove", "reader", "publishClientSend", "a#"])
        .code(0);
    desk.on(&["role", "show", "reader"]).code(0);
}
