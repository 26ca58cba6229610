//! `doorman explain`.

use serde_json::json;

use super::Desk;

/// An account in a group, with roles of both, and somebody without any.
fn desk() -> Desk {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    desk.add("nobody", "tulip-garden").code(0);
    for args in [
        "role add reader",
        "role add operator",
        "role allow reader publishClientReceive plant/#",
        "role allow reader subscribePattern plant/%u/#",
        "role deny reader publishClientSend plant/+/set",
        "role allow operator publishClientSend plant/# --priority 3 --max-qos 1 --max-payload 10",
        "group add staff",
        "group grant staff operator",
        "group join staff roger --priority 5",
        "user grant roger reader",
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        desk.on(&args).code(0);
    }
    desk
}

#[test]
fn a_decision_comes_with_what_decided_and_what_it_beat() {
    let desk = desk();
    let ran = desk
        .on(&["explain", "roger", "publish", "plant/1/set"])
        .code(7);
    let expected = format!(
        "denied: roger may not publish plant/1/set\n  role reader: deny publishClientSend \
         plant/+/set\n  in {}\nbeaten, in the order they are asked:\n  role operator through group \
         staff (priority 5): allow publishClientSend plant/# (priority 3, QoS at most 1, at most 10 \
         bytes)\n",
        desk.place.display()
    );
    assert_eq!(ran.out, expected);
    desk.on(&["explain", "roger", "publish", "plant/1/state"])
        .code(0)
        .tells("allowed: roger may publish plant/1/state\n  role operator through group staff");
}

#[test]
fn conditions_that_do_not_hold_are_told() {
    let desk = desk();
    for flags in [&["--qos", "2"][..], &["--payload", "1K", "--retain"]] {
        let args = [&["explain", "roger", "publishClientSend", "plant/1"], flags].concat();
        desk.on(&args)
            .code(7)
            .tells("no rule answers, and the default for publishClientSend is deny")
            .tells("passed over, since their conditions do not hold:\n  role operator");
    }
    desk.on(&["explain", "roger", "publish", "plant/1", "--qos", "1"])
        .code(0)
        .tells("may publish plant/1 (QoS 1)");
}

#[test]
fn scripts_read_the_same_as_people() {
    let desk = desk();
    let args = [
        "explain",
        "roger",
        "publish",
        "plant/1/set",
        "--client-id",
        "c 1",
        "--json",
    ];
    let answer = desk.on(&args).code(7).json().remove(0);
    assert_eq!(answer["decision"], "denied");
    assert_eq!(answer["client_id"], "c 1");
    assert_eq!(answer["source"], json!(desk.place.to_str().unwrap()));
    let because = json!({
        "kind": "rule", "role": "reader", "role_priority": -1, "group": null, "group_priority": null,
        "acltype": "publishClientSend", "topic": "plant/+/set", "priority": 0, "allow": false,
        "max_qos": null, "retain": true, "max_payload": null,
    });
    assert_eq!(answer["because"], because);
    assert_eq!(answer["beaten"][0]["group_priority"], 5);
    assert_eq!(answer["passed_over"], json!([]));
}

#[test]
fn names_wildcards_and_defaults_decide_too() {
    let desk = desk();
    let ask = |user, action, topic| desk.on(&["explain", user, action, topic]);
    ask("roger", "subscribe", "plant/roger/#").code(0);
    ask("roger", "subscribe", "plant/other/#").code(7);
    ask("roger", "unsubscribe", "plant/other/#")
        .code(0)
        .tells("the default for unsubscribe is allow");
    ask("nobody", "receive", "$CONTROL/x")
        .code(7)
        .tells("no default opens $CONTROL");
    ask("-", "publish", "a")
        .code(7)
        .tells("a client without a username");
    desk.on(&["role", "set", "reader", "--no-wildcard-subs"])
        .code(0);
    ask("roger", "subscribe", "plant/roger/#")
        .code(7)
        .tells("role reader: its holders may not subscribe with wildcards\n")
        .tells("beaten, in the order they are asked:\n  role reader: allow subscribePattern");
}

/// The roles of a token come first, and have no say about administration.
#[test]
fn roles_that_a_token_names_are_asked_before_those_of_the_account() {
    let desk = desk();
    for args in [
        "role add setter",
        "role allow setter publishClientSend plant/+/set",
        "role allow setter publishClientSend $CONTROL/#",
        "role deny setter publishClientSend plant/1/off",
        "role add past --valid-until 2020-01-01",
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        desk.on(&args).code(0);
    }
    let ask = |topic: &str, roles: &[&str]| {
        let roles = roles.iter().flat_map(|role| ["--token-role", *role]);
        let args = ["explain", "roger", "publish", topic].into_iter();
        desk.on(&args.chain(roles).collect::<Vec<_>>())
    };
    ask("plant/1/set", &[]).code(7);
    let said = ask("plant/1/set", &["setter"]).code(0);
    let expected = format!(
        "allowed: roger with a token for setter may publish plant/1/set\n  role setter of the \
         token: allow publishClientSend plant/+/set\n  in {}\nbeaten, in the order they are \
         asked:\n  role reader: deny publishClientSend plant/+/set\n  role operator through group",
        desk.place.display()
    );
    assert!(said.out.starts_with(&expected), "{}", said.out);
    ask("plant/1/off", &[]).code(0);
    ask("plant/1/off", &["setter"])
        .code(7)
        .tells("  role setter of the token: deny");
    // What the token's roles say nothing of is the account's.
    ask("plant/1/state", &["setter", "gone", "past"])
        .code(0)
        .tells("\n  role operator through group staff")
        .tells("not in force:\n  role past of the token: expired")
        .tells("note: the token names a role that is not there: gone\n");
    ask("$CONTROL/x", &["setter"])
        .code(7)
        .tells("no rule answers, and the default for publishClientSend is deny")
        .tells("note: below $CONTROL a token has no say\n");
    let json = desk.on(&[
        "explain",
        "roger",
        "publish",
        "plant/1/set",
        "--token-role",
        "setter",
        "--json",
    ]);
    let answer = json.code(0).json().remove(0);
    assert_eq!(answer["token_roles"], json!(["setter"]));
    assert_eq!(answer["because"]["token"], true);
    assert_eq!(answer["beaten"][0]["role"], "reader");
    assert_eq!(answer["beaten"][0]["token"], json!(null));
    // Whoever may not log in has no roles of a token either.
    desk.on(&["user", "disable", "roger"]).code(0);
    ask("plant/1/set", &["setter"]).code(7).tells("disabled");
}

/// Topics in a token come first of all, and take nothing away.
#[test]
fn topics_that_a_token_names_are_asked_before_its_roles() {
    let desk = desk();
    for args in [
        "role add setter",
        "role deny setter publishClientSend plant/+/set",
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        desk.on(&args).code(0);
    }
    let ask = |action: &str, topic: &str, more: &[&str]| {
        let args = ["explain", "roger", action, topic];
        desk.on(&[&args[..], more].concat())
    };
    ask("publish", "plant/1/set", &[]).code(7);
    let own = [
        "--token-acl",
        "pub:plant/+/set",
        "--token-acl",
        "sub:${username}/#",
    ];
    let said = ask("publish", "plant/1/set", &own).code(0);
    let expected = "allowed: roger with a token for pub:plant/+/set and sub:%u/# may publish \
                    plant/1/set\n  topics of the token: allow publishClientSend plant/+/set\nbeaten, \
                    in the order they are asked:\n  role reader: deny publishClientSend plant/+/set\n";
    assert!(said.out.starts_with(expected), "{}", said.out);
    let both = [&own[..], &["--token-role", "setter"]].concat();
    ask("publish", "plant/1/set", &both)
        .code(0)
        .tells("\n  role setter of the token: deny");
    ask("subscribe", "roger/#", &own).code(0);
    ask("receive", "roger/a", &own).code(0);
    ask("subscribe", "ann/#", &own).code(7);
    ask("publish", "roger/a", &own).code(7);
    let all = ["--token-acl", "all:chat"];
    for action in ["publish", "subscribe", "receive", "unsubscribe"] {
        ask(action, "chat", &all).code(0);
    }
    ask("publish", "$CONTROL/x", &["--token-acl", "all:$CONTROL/#"])
        .code(7)
        .tells("note: below $CONTROL a token has no say\n");
    ask("publish", "a", &["--token-acl", "deny:a"])
        .code(2)
        .says("accepted are pub:TOPIC, sub:TOPIC and all:TOPIC");
    ask("publish", "a", &["--token-acl", "pub:a/#/b"]).code(2);
    let json = ask("publish", "chat", &[&all[..], &["--json"]].concat());
    let answer = json.code(0).json().remove(0);
    assert_eq!(
        answer["token_acl"],
        json!({"pub": ["chat"], "sub": ["chat"]})
    );
    assert_eq!(answer["because"]["token"], true);
    assert_eq!(answer["because"]["role"], json!(null));
    desk.on(&["user", "disable", "roger"]).code(0);
    ask("publish", "chat", &all).code(7).tells("disabled");
}

#[test]
fn tokens_bring_roles_where_the_configuration_says_so_and_to_whom() {
    let desk = desk();
    desk.on(&["role", "allow", "operator", "publishClientSend", "new/#"])
        .code(0);
    desk.write("secret", "a secret that nobody but the issuer has");
    let ask = |options: &str, user: &str| {
        let place = desk.place.display();
        let conf = format!(
            "plugin /usr/lib/mosquitto_doorman.so\nplugin_opt_database {place}\nplugin_opt_database_roles true\n\
             plugin_opt_jwt_secret_file secret\n{options}"
        );
        desk.write("mosquitto.conf", &conf);
        desk.run(&[
            "explain",
            "--config",
            "mosquitto.conf",
            user,
            "publish",
            "new/x",
            "--token-role",
            "operator",
        ])
    };
    let claim = "plugin_opt_jwt_roles_claim roles\n";
    let optional = "plugin_opt_jwt_roles_claim roles\nplugin_opt_jwt_accounts optional\n";
    ask(claim, "nobody")
        .code(0)
        .tells("role operator of the token");
    ask("", "nobody").code(2).says("plugin_opt_jwt_roles_claim");
    ask(claim, "stranger").code(3);
    ask(optional, "stranger")
        .code(0)
        .tells("role operator of the token");
    ask(optional, "-")
        .code(2)
        .says("a client with a token has a username");
    desk.write("acl", "topic readwrite #\n");
    desk.run(&[
        "explain",
        "--acl-file",
        "acl",
        "ann",
        "publish",
        "a",
        "--token-role",
        "operator",
    ])
    .code(2)
    .says("no source has roles");
}

#[test]
fn roles_and_accounts_out_of_their_time_are_told() {
    let desk = desk();
    desk.on(&["role", "set", "reader", "--valid-until", "2020-01-01"])
        .code(0);
    desk.on(&["explain", "roger", "publish", "plant/1/set"])
        .code(0)
        .tells("not in force:\n  role reader: expired, valid until 2020-01-01T00:00:00Z");
    let then = [
        "explain",
        "roger",
        "publish",
        "plant/1/set",
        "--at",
        "2019-12-31",
    ];
    desk.on(&then).code(7).tells("role reader: deny");
    desk.on(&["user", "disable", "roger"]).code(0);
    desk.on(&["explain", "roger", "publish", "plant/1/state"])
        .code(7)
        .tells("\n  the account is disabled\n");
    desk.on(&["user", "set", "nobody", "--valid-until", "2020-01-01"])
        .code(0);
    desk.on(&["explain", "nobody", "publish", "a"])
        .code(7)
        .tells("the account expired: 2020-01-01T00:00:00Z");
}

#[test]
fn an_acl_file_answers_with_its_lines() {
    let desk = Desk::database();
    let rules = "user ann\ntopic read a/#\ntopic deny a/secret\npattern write c/%c\n";
    desk.write("acl", rules);
    let ask = |args: &str| {
        let all: Vec<&str> = args.split(' ').collect();
        desk.run(&[&["explain", "--acl-file", "acl"], &all[..]].concat())
    };
    ask("ann receive a/b")
        .code(0)
        .tells("\n  acl:2: user ann: topic read a/#\n");
    ask("ann receive a/secret")
        .code(7)
        .tells("\n  acl:3: user ann: topic deny a/secret\n")
        .tells("beaten, in the order they are asked:\n  acl:2: ");
    ask("ann publish c/x --client-id x")
        .code(0)
        .tells("acl:4: pattern write c/%c");
    ask("ann publish c/x")
        .code(7)
        .tells("acl: no rule of this file is about it");
    ask("bob publish c/x --client-id +")
        .code(7)
        .tells("cannot be compared");
    ask("bob subscribe #")
        .code(0)
        .tells("subscriptions are not asked about");
    ask("bob subscribe # --acl-subscribe enforce").code(7);
    let line = ask("ann receive a/secret --json").json().remove(0);
    assert_eq!(line["because"]["line"], 3);
    desk.write("acl", "topic a\nnonsense\n");
    ask("ann receive a").code(5).says("acl:2: ");
}

#[test]
fn a_configuration_is_asked_in_the_order_of_its_lines() {
    let desk = desk();
    desk.write("passwd", "bob:x\n");
    desk.write(
        "acl",
        "user roger\ntopic write only/file\nuser ghost\ntopic write g\n",
    );
    let database = desk.place.display().to_string();
    let with = |lines: &[&str], args: &str| {
        let lines = lines.join("\nplugin_opt_");
        let conf = format!("plugin /x/libmosquitto_doorman.so\nplugin_opt_{lines}\n");
        desk.write("m.conf", &conf.replace("DB", &database));
        let all: Vec<&str> = args.split(' ').collect();
        desk.run(&[&["explain", "--config", "m.conf"], &all[..]].concat())
    };
    let (accounts, acl) = ("password_file passwd", "acl_file acl");
    let roles = ["database DB", "database_roles true"];
    let file_first = [acl, roles[0], roles[1], accounts];
    let roles_first = [roles[0], roles[1], acl, accounts];
    let deny = [roles[0], roles[1], accounts, "unknown_user deny"];
    with(&file_first, "roger publish only/file")
        .code(0)
        .tells("acl:2: ");
    with(&file_first, "nobody publish a")
        .code(7)
        .tells("the default");
    with(&roles_first, "roger publish only/file")
        .code(7)
        .tells("the default");
    // No source says anything of bob, so the file denies; and it knows a name that has no account.
    with(&file_first, "bob publish a")
        .code(7)
        .tells("acl: no rule");
    with(&file_first, "ghost publish g")
        .code(0)
        .tells("note: no source has an account");
    with(&file_first, "guest publish g")
        .code(3)
        .says("no account guest");
    with(&roles, "bob publish a").code(3);
    with(&[roles[0], roles[1], accounts], "bob publish a")
        .code(7)
        .tells("left to the broker: whether bob may publish a");
    with(&deny, "bob publish a")
        .code(7)
        .tells("denied: bob")
        .tells("unknown_user is deny");
    with(&[accounts], "bob publish a")
        .code(7)
        .tells("left to the broker");
    // A switched off account is denied whatever the file says.
    desk.on(&["user", "disable", "roger"]).code(0);
    with(&file_first, "roger publish only/file")
        .code(7)
        .tells("disabled");
    with(&["acl_fil acl"], "roger publish a")
        .code(5)
        .says("acl_fil");
}

#[test]
fn a_query_of_the_operators_own_answers_with_its_rows() {
    let desk = desk();
    let tool = rusqlite::Connection::open(desk.path("app.db")).unwrap();
    tool.execute_batch(
        "CREATE TABLE rule (name, client, filter, access, allow);
         INSERT INTO rule VALUES ('roger', NULL, 'r/%u/#', 5, 1), ('roger', NULL, 'r/+/not', 1, 0),
             ('roger', 'phone', 'w/#', 2, 1), ('ghost', NULL, 'g', 2, 1), ('odd', NULL, 'a#', 2, 1);",
    )
    .unwrap();
    let query = "database_acl_query SELECT filter, access, allow, NOT allow AS priority FROM rule \
                 WHERE name = :username AND (client IS NULL OR client = :client_id)";
    let place = desk.place.display();
    desk.write(
        "m.conf",
        &format!(
            "plugin /x/libmosquitto_doorman.so\nplugin_opt_database {place}\n\
             plugin_opt_database app.db\nplugin_opt_{query}\n"
        ),
    );
    let ask = |args: &str| {
        let all: Vec<&str> = args.split(' ').collect();
        desk.run(&[&["explain", "--config", "m.conf"], &all[..]].concat())
    };
    ask("roger receive r/roger/a")
        .code(0)
        .tells("role database_acl_query: allow publishClientReceive r/%u/#")
        .tells("in app.db\n");
    ask("roger receive r/roger/not")
        .code(7)
        .tells("role database_acl_query: deny publishClientReceive r/+/not")
        .tells("beaten, in the order they are asked:\n  role database_acl_query: allow");
    ask("roger receive r/nobody/a").code(7).tells("the default");
    ask("roger publish w/a --client-id phone").code(0);
    ask("roger publish w/a --client-id other").code(7);
    // No row is no opinion; rules without an account are told apart; what is not understood is no answer.
    ask("nobody publish w/a")
        .code(7)
        .tells("left to the broker: whether nobody may publish w/a");
    ask("ghost publish g")
        .code(0)
        .tells("note: no source has an account");
    ask("odd publish a").code(5).says("a#");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let desk = desk();
    let ask = |args: &str| desk.on(&args.split(' ').collect::<Vec<_>>());
    ask("explain ghost publish a")
        .code(3)
        .says("no account ghost");
    ask("explain roger write a")
        .code(2)
        .says("publish, receive");
    ask("explain roger publish a/#").code(2);
    ask("explain roger subscribe a --retain")
        .code(2)
        .says("not retained");
    ask("explain roger publish a --at never")
        .code(2)
        .says("--at");
    ask("explain roger publish a --acl-subscribe enforce")
        .code(2)
        .says("--acl-file");
    ask("explain roger publish a --acl-file x")
        .code(2)
        .says("give one of");
    desk.run(&["explain", "roger", "publish", "a"])
        .code(2)
        .says("whom to ask");
    desk.run(&["explain", "-", "publish", "a", "--database", "missing"])
        .code(5)
        .says("doorman init");
    assert!(!desk.path("missing").exists());
}
