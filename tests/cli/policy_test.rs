//! `doorman test`.

use super::{Desk, Ran};

const RULES: &str = "user ann\ntopic read a/#\ntopic deny a/secret\npattern write c/%c\n";

fn test(table: &str, flags: &[&str]) -> Ran {
    let desk = Desk::bare("--database");
    desk.write("acl", RULES);
    desk.write("table", table);
    desk.run(&[&["test", "table", "--acl-file", "acl"], flags].concat())
}

#[test]
fn a_table_that_holds_passes() {
    let table = "# who reads what\nallow ann receive a/b\ndeny  ann receive a/secret\n\n\
                 allow ann publish c/x client-id=x\ndeny - receive a/b\n\
                 deny \"two words\" publish a payload=2K retain qos=1\n";
    let ran = test(table, &[]).code(0);
    assert_eq!(ran.out, "5 hold\n");
}

#[test]
fn a_line_that_does_not_hold_is_told_with_what_decided() {
    let table = "allow ann receive a/b\nallow ann receive a/secret\ndeny ann receive a/c qos=1\n";
    let ran = test(table, &[]).code(6);
    assert_eq!(
        ran.out,
        "table:2: ann: receive a/secret: expected allowed, but denied\n  acl:3: user ann: topic deny \
         a/secret\nbeaten, in the order they are asked:\n  acl:2: user ann: topic read a/#\n\
         table:3: ann: receive a/c (QoS 1): expected denied, but allowed\n  acl:2: user ann: topic \
         read a/#\n1 hold, 2 do not\n"
    );
    let json = test(table, &["--json"]).code(6).json();
    assert_eq!(json.len(), 3);
    assert_eq!(json[0]["line"], 2);
    assert_eq!(json[0]["expected"], "allowed");
    assert_eq!(json[0]["decision"], "denied");
    assert_eq!(json[0]["because"]["line"], 3);
    assert_eq!(json[2]["failed"], 2);
}

#[test]
fn a_table_asks_about_roles_that_a_token_names() {
    let desk = Desk::database();
    desk.add("ann", "tulip-garden").code(0);
    for args in ["role add up", "role allow up publishClientSend up/#"] {
        let args: Vec<&str> = args.split(' ').collect();
        desk.on(&args).code(0);
    }
    let table = "allow ann publish own/x token-acl=pub:own/#\ndeny ann publish own/x token-acl=sub:own/#\n\
                 allow ann publish up/x token-role=up token-role=other\ndeny ann publish up/x\n\
                 deny ann publish up/x token-role=other\ndeny ann publish x token-role=up\n";
    desk.write("table", table);
    let ran = desk.on(&["test", "table"]).code(0);
    assert_eq!(ran.out, "6 hold\n");
    desk.write("table", "deny ann publish up/x token-role=up\n");
    let ran = desk.on(&["test", "table"]).code(6);
    ran.tells("table:1: ann with a token for up: publish up/x: expected denied, but allowed")
        .tells("role up of the token");
}

#[test]
fn mistakes_in_a_table_are_told_with_their_lines_and_nothing_is_asked() {
    let ran = test("allow ann receive a/b\nallow ann\n\npermit\n", &[]).code(5);
    assert_eq!(ran.out, "");
    ran.says("table:2: publish, receive")
        .says("table:4: a line begins with allow");
    test("# nothing\n", &[])
        .code(5)
        .says("no line asks anything");
}

#[test]
fn an_account_that_is_not_there_fails_whatever_is_expected() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    desk.write("table", "deny roger publish a\ndeny rogre publish a\n");
    desk.on(&["test", "table"])
        .code(6)
        .tells("table:2: rogre: publish a: expected denied, but there is no such account")
        .tells("1 hold, 1 do not");
    let json = desk.on(&["test", "table", "--json"]).code(6).json();
    assert_eq!(json[0]["missing"], "rogre");
    desk.on(&["test", "absent"]).code(5);
}

#[test]
fn groups_and_what_is_left_to_the_broker_are_asked_too() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    for args in [
        "role add reader",
        "role allow reader publishClientSend plant/#",
        "group add staff",
        "group grant staff reader",
        "group join staff roger",
        "group add visitors",
        "group grant visitors reader",
        "group anonymous visitors",
    ] {
        desk.on(&args.split(' ').collect::<Vec<_>>()).code(0);
    }
    desk.write(
        "table",
        "allow roger publish plant/1\nallow - publish plant/1\n",
    );
    desk.on(&["test", "table"]).code(0).tells("2 hold");
    let conf = format!(
        "plugin /x/libmosquitto_doorman.so\nplugin_opt_database {}\n",
        desk.place.display()
    );
    desk.write("m.conf", &conf);
    desk.write("table", "defer roger publish plant/1\ndefer - publish a\n");
    desk.run(&["test", "table", "--config", "m.conf"]).code(0);
}
