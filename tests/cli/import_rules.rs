//! `doorman import` of rules: an ACL file, and the file of dynamic-security.

use serde_json::{Value, json};

use super::{Desk, Ran, hash};

const ACL: &str = "topic read news/#\n\n\
    user ann\ntopic a/#\ntopic deny a/secret\n\
    user bob\ntopic write b/+\n\
    pattern write dev/%c/up\npattern read home/%u/#\n";

/// A database with these accounts.
fn people(names: &[&str]) -> Desk {
    let desk = Desk::database();
    for name in names {
        desk.add(name, "tulip-garden").code(0);
    }
    desk
}

fn acl(desk: &Desk, text: &str, more: &[&str]) -> Ran {
    desk.write("acl", text);
    let mut args = vec!["import", "acl", "--format", "acl-file"];
    args.extend(more);
    desk.on(&args)
}

fn dynsec(desk: &Desk, file: &Value, more: &[&str]) -> Ran {
    desk.write("dynsec.json", &file.to_string());
    let mut args = vec!["import", "dynsec.json"];
    args.extend(more);
    desk.on(&args)
}

/// All that a database says.
fn all(desk: &Desk) -> String {
    ["user", "role", "group"]
        .map(|what| desk.on(&[what, "list", "--json"]).out)
        .concat()
        + &desk.on(&["default", "show", "--json"]).out
}

#[test]
fn an_acl_file_becomes_roles_that_answer_as_it_does() {
    let desk = people(&["ann", "bob", "eve", "mia"]);
    let ran = acl(&desk, ACL, &[]).code(0);
    let ran = ran
        .tells("no answer differs")
        .tells("roles: 4 added, 0 changed, 0 unchanged")
        .tells("(1 more hold what one of them holds)")
        .says("group join");
    assert!(!ran.out.contains("not carried"), "{}", ran.out);
    let ann = desk.on(&["user", "show", "ann"]).code(0);
    ann.tells("acl-user-ann").tells("acl-everybody");
    desk.on(&["group", "show", "acl-anonymous"])
        .code(0)
        .tells("acl-patterns");
    desk.on(&["default"])
        .code(0)
        .tells("subscribe             allow");
    // Once more, nothing is to be done.
    let again = acl(&desk, ACL, &["--json"]).code(0).json();
    assert_eq!(again[0]["roles"]["unchanged"], 4);
    assert_eq!(again[0]["holdings"]["added"], 0);
    assert!(again[0]["questions"].as_u64() > Some(100));
    assert_eq!(again[0]["complete"], true);
}

#[test]
fn accounts_that_are_not_there_are_told_or_added_on_request() {
    let desk = people(&["ann"]);
    acl(&desk, ACL, &[])
        .code(1)
        .says("acl:7: there is no account bob")
        .tells("1 not carried over");
    desk.on(&["user", "show", "bob"]).code(3);
    acl(&desk, ACL, &["--add-accounts"])
        .code(0)
        .tells("accounts: 1 added");
    desk.on(&["user", "show", "bob"])
        .code(0)
        .tells("acl-user-bob");
    assert_eq!(desk.verify("bob", ""), Some(1));
    let strict = people(&["ann"]);
    let before = all(&strict);
    acl(&strict, ACL, &["--strict"])
        .code(1)
        .says("acl:7")
        .tells("nothing was changed");
    assert_eq!(all(&strict), before);
}

#[test]
fn what_a_role_cannot_say_is_told_by_its_line_and_the_rest_is_proven() {
    let desk = people(&["ann"]);
    let text = "user ann\ntopic a\npattern read x%u/#\npattern read y/%u\npattern deny z%c/a\n";
    let ran = acl(&desk, text, &[]).code(1);
    ran.says("acl:3: a role cannot say this %c or %u")
        .says("acl:5: ")
        .tells("no answer differs")
        .tells("2 not carried over");
}

#[test]
fn a_name_that_the_file_judges_by_its_look_is_not_asked_about() {
    let desk = people(&["ann", "a+b"]);
    let ran = acl(&desk, "user ann\ntopic a\npattern read y/%u\n", &[]).code(1);
    ran.says("account a+b has such a name")
        .tells("no answer differs");
}

#[test]
fn an_acl_file_with_a_mistake_changes_nothing() {
    let desk = people(&["ann"]);
    let before = all(&desk);
    acl(&desk, "user ann\ntopic a\nnonsense\n", &[])
        .code(5)
        .says("acl:3: ");
    desk.on(&["import", "missing", "--format", "acl-file"])
        .code(5);
    assert_eq!(all(&desk), before);
    let file = Desk::file();
    acl(&file, ACL, &[]).code(1);
}

#[test]
fn other_roles_are_in_the_way_unless_they_are_to_be_replaced() {
    let desk = people(&["ann", "bob"]);
    acl(&desk, ACL, &[]).code(0);
    let before = all(&desk);
    let other = ACL
        .replace("user bob\ntopic write b/+\n", "")
        .replace("a/secret", "a/other");
    let ran = acl(&desk, &other, &["--json"]).code(4);
    ran.says("there is a role acl-user-ann already");
    assert_eq!(all(&desk), before);
    acl(&desk, &other, &["--replace"])
        .code(0)
        .tells("roles: 0 added, 1 changed, 2 unchanged, 1 deleted");
    desk.on(&["role", "show", "acl-user-bob"]).code(3);
    desk.on(&["role", "show", "acl-user-ann"])
        .code(0)
        .tells("a/other");
    let defaults = people(&["ann"]);
    defaults.on(&["role", "add", "r"]).code(0);
    acl(&defaults, "topic a\n", &[])
        .code(4)
        .says("the defaults are others");
}

#[test]
fn an_account_that_may_more_than_the_file_says_stops_the_import() {
    let desk = people(&["ann", "bob"]);
    desk.furnish(&[
        &["role", "add", "admin"],
        &["role", "allow", "admin", "publishClientSend", "admin/#"],
        &["user", "grant", "bob", "admin"],
    ]);
    let before = all(&desk);
    let ran = acl(&desk, ACL, &["--replace", "--json"]).code(1);
    let told = &ran.json()[0];
    assert_eq!(told["nothing_done"], true);
    assert!(told["differing"].as_u64() > Some(0));
    let first = &told["differences"][0];
    assert_eq!(
        (&first["user"], &first["question"]),
        (&json!("bob"), &json!("publish"))
    );
    ran.says("bob: publish admin")
        .says("the file says deny, the database allow");
    assert_eq!(all(&desk), before);
}

/// A file with something of everything.
pub(super) fn example() -> Value {
    let stored = hash("$7$101$", 12);
    let [_, _, iterations, salt, hash] = stored.split('$').collect::<Vec<_>>()[..] else {
        panic!("no `$7$`");
    };
    let iterations: u32 = iterations.parse().unwrap();
    json!({
        "defaultACLAccess": {
            "publishClientSend": false, "publishClientReceive": true,
            "subscribe": false, "unsubscribe": true,
        },
        "clients": [
            {
                "username": "admin", "textname": "Admin", "textdescription": "of all\nof it",
                "password": hash, "salt": salt, "iterations": iterations,
                "roles": [{"rolename": "b", "priority": 5}, {"rolename": "a", "priority": -1}],
            },
            {
                "username": "off", "clientid": "c1", "disabled": true, "textname": "Off",
                "roles": [], "password": hash, "salt": salt, "iterations": iterations,
            },
            {"username": "bare", "textdescription": "d", "roles": [{"rolename": "a", "priority": 0}]},
        ],
        "groups": [
            {
                "groupname": "g", "textname": "G", "roles": [{"rolename": "a", "priority": 7}],
                "clients": [{"username": "off", "priority": 2}, {"username": "admin", "priority": -1}],
            },
            {"groupname": "nobody", "roles": [{"rolename": "b", "priority": -1}], "clients": []},
        ],
        "roles": [
            {
                "rolename": "a", "textname": "A", "textdescription": "d", "allowwildcardsubs": false,
                "acls": [
                    {"acltype": "publishClientSend", "topic": "z/%u/#", "priority": 0, "allow": true},
                    {"acltype": "subscribePattern", "topic": "a/#", "priority": 3, "allow": true},
                    {"acltype": "subscribeLiteral", "topic": "b/+", "priority": 0, "allow": false},
                ],
            },
            {
                "rolename": "b", "allowwildcardsubs": true,
                "acls": [
                    {"acltype": "publishClientSend", "topic": "$CONTROL/#", "priority": -4, "allow": true},
                    {"acltype": "publishClientReceive", "topic": "secret", "priority": 0, "allow": false},
                ],
            },
        ],
        "anonymousGroup": "nobody",
        "changeIndex": 41,
    })
}

#[test]
fn a_file_of_dynamic_security_becomes_accounts_groups_and_roles() {
    let desk = Desk::database();
    let ran = dynsec(&desk, &example(), &[]).code(0);
    ran.tells("no answer differs")
        .tells("accounts: 3 added")
        .tells("groups: 2 added");
    let off = desk.on(&["user", "show", "off", "--json"]).code(0).json();
    assert_eq!(
        (
            &off[0]["client_id"],
            &off[0]["disabled"],
            &off[0]["textname"]
        ),
        (&json!("c1"), &json!(true), &json!("Off"))
    );
    desk.on(&["role", "show", "a"]).code(0).tells("z/%u/#");
    desk.on(&["group", "anonymous"]).code(0).tells("nobody");
    let again = dynsec(&desk, &example(), &["--json"]).code(0).json();
    for what in ["accounts", "roles", "groups"] {
        assert_eq!(again[0][what]["added"], 0);
        assert_eq!(again[0][what]["changed"], 0);
    }
    assert_eq!(again[0]["holdings"]["unchanged"], 5);
}

#[test]
fn texts_and_the_change_index_are_those_of_the_file_and_notes_stay() {
    let desk = Desk::database();
    dynsec(&desk, &example(), &[]).code(0);
    desk.on(&["user", "set", "off", "--notes", "the ferry"])
        .code(0);
    desk.on(&["user", "set", "off", "--textname", "x"]).code(0);
    let index = || {
        let args = ["export", "--format", "dynsec", "--for", "2.1"];
        let file: Value = serde_json::from_str(&desk.on(&args).out).unwrap();
        file["changeIndex"].clone()
    };
    assert_eq!(index(), 43);
    let mut file = example();
    file["clients"][1]["textname"] = json!("On");
    dynsec(&desk, &file, &[]).code(4);
    assert_eq!(index(), 43, "nothing was changed");
    dynsec(&desk, &file, &["--replace"]).code(0);
    let off = desk.on(&["user", "show", "off", "--json"]).code(0).json();
    assert_eq!(
        (&off[0]["textname"], &off[0]["notes"]),
        (&json!("On"), &json!("the ferry"))
    );
    assert_eq!(index(), 41);
    dynsec(&desk, &file, &[]).code(0);
    assert_eq!(index(), 41);
}

#[test]
fn the_change_index_of_a_database_in_use_only_grows() {
    let desk = people(&["ann"]);
    let file = json!({"clients": [{"username": "bob"}], "changeIndex": 1});
    dynsec(&desk, &file, &[]).code(0);
    let args = ["export", "--format", "dynsec", "--for", "2.1"];
    let file: Value = serde_json::from_str(&desk.on(&args).out).unwrap();
    assert_eq!(file["changeIndex"], 3);
}

#[test]
fn an_imported_password_is_taken() {
    let from = people(&["ann"]);
    from.on(&["export", "-o", "out"]).code(0);
    let line = std::fs::read_to_string(from.path("out")).unwrap();
    let stored = line.trim().split_once(':').unwrap().1;
    let file = json!({"clients": [{"username": "ann", "encoded_password": stored}]});
    let desk = Desk::database();
    dynsec(&desk, &file, &[]).code(0);
    assert_eq!(desk.verify("ann", "tulip-garden"), Some(0));
}

#[test]
fn a_password_that_is_no_hash_is_left_out_and_not_shown() {
    let desk = Desk::database();
    let file = json!({"clients": [
        {"username": "ann", "encoded_password": "tulip-garden"},
        {"username": "bob", "encoded_password": "$7$0$x$y"},
    ]});
    let before = all(&desk);
    dynsec(&desk, &file, &["--strict"])
        .code(1)
        .tells("nothing was changed");
    assert_eq!(all(&desk), before);
    dynsec(&desk, &file, &[])
        .code(1)
        .says("client \"ann\": the password is not a hash")
        .says("client \"bob\": the password was left out");
    assert_eq!(desk.verify("ann", "tulip-garden"), Some(1));
}

#[test]
fn what_the_database_says_otherwise_is_in_the_way_and_nothing_is_done() {
    let desk = Desk::database();
    dynsec(&desk, &example(), &[]).code(0);
    let before = all(&desk);
    let mut other = example();
    other["clients"][0]["roles"] = json!([{"rolename": "a"}]);
    other["clients"][1]["disabled"] = json!(false);
    other["groups"][0]["textname"] = json!("H");
    other["roles"][1]["acls"] = json!([]);
    other["defaultACLAccess"]["subscribe"] = json!(true);
    other["anonymousGroup"] = json!("g");
    let clients = other["clients"].as_array_mut().unwrap();
    clients.push(json!({"username": "new"}));
    let ran = dynsec(&desk, &other, &["--json"]).code(4);
    let told = ran.json();
    assert_eq!(
        told[0]["in_the_way"].as_array().unwrap().len(),
        6,
        "{told:?}"
    );
    assert_eq!(told[0]["accounts"]["added"], 0);
    assert_eq!(all(&desk), before);
    desk.on(&["user", "show", "new"]).code(3);
    dynsec(&desk, &other, &["--replace"])
        .code(0)
        .tells("accounts: 1 added, 1 changed, 2 unchanged")
        .tells("roles: 0 added, 1 changed, 1 unchanged")
        .tells("defaults: changed");
    let admin = desk.on(&["user", "show", "admin", "--json"]).code(0).out;
    assert!(!admin.contains("\"b\""), "{admin}");
    dynsec(&desk, &other, &[]).code(0);
}

#[test]
fn what_is_no_file_of_dynamic_security_changes_nothing() {
    let desk = Desk::database();
    let before = all(&desk);
    for (text, why) in [
        ("{\"roles\": ", "not JSON from line 1"),
        ("[]", "the file must be an object"),
        (
            "{\"roles\": [{\"rolename\": \"a\\u0001\"}]}",
            "control characters",
        ),
    ] {
        desk.write("in.json", text);
        desk.on(&["import", "in.json"]).code(1).says(why);
    }
    assert_eq!(all(&desk), before);
    dynsec(&Desk::file(), &example(), &[]).code(1);
}

#[test]
fn a_remark_about_the_file_is_told_with_its_place() {
    let desk = Desk::database();
    let file = json!({"roles": [{"rolename": "r", "acls": [
        {"acltype": "subscribePattern", "topic": "a#", "allow": false}]}], "comment": 1});
    dynsec(&desk, &file, &[])
        .code(1)
        .says("dynsec.json: roles[0].acls[0]: ")
        .says("there is no field \"comment\"")
        .tells("1 not carried over");
}

#[test]
fn what_is_for_rules_is_refused_for_accounts() {
    let desk = Desk::database();
    desk.write("in", "");
    for flag in ["--replace", "--add-accounts"] {
        desk.on(&["import", "in", flag]).code(2).says("--existing");
    }
}
