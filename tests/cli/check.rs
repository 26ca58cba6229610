//! `doorman check`.

use std::path::Path;

use super::{Desk, Ran};

/// The start of a configuration that has nothing wrong with it but this.
fn check(desk: &Desk, lines: &str) -> Ran {
    let plugin = desk.write("libmosquitto_doorman.so", "");
    let conf = format!(
        "listener 1883 127.0.0.1\nuser no-such-user\nplugin {}\nplugin_opt_password_file {}\n{lines}",
        plugin.display(),
        desk.place.display()
    );
    desk.write("m.conf", &conf);
    desk.run(&["check", "m.conf"])
}

#[test]
fn a_good_configuration_passes_and_costs_are_measured() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    desk.add("sub", "tulip-garden").code(0);
    check(&desk, "")
        .code(0)
        .tells("101 iterations: 2 credentials, ");
    let rows = desk.run(&["check", "m.conf", "--json"]).code(0).json();
    let row = rows.iter().find(|row| row["cost"].is_string()).unwrap();
    assert_eq!(row["accounts"], 2);
    assert!(row["milliseconds"].as_f64().unwrap() > 0.0);
    let without = desk.run(&["check", "m.conf", "--no-costs"]).code(0).out;
    assert!(!without.contains("iterations"));
}

#[test]
fn traps_in_single_lines_are_found_where_they_stand() {
    let desk = Desk::file();
    for (line, finding) in [
        ("plugin  /lib/other.so", "m.conf:5: problem: two spaces"),
        (
            "plugin /lib/other.so ",
            "m.conf:5: problem: a blank stands behind the path",
        ),
        ("\tallow_anonymous false", "m.conf:5: problem: a TAB"),
        ("allow_anonymous\tfalse", "m.conf:5: problem: a TAB"),
        (" # a comment", "m.conf:5: problem: a comment must begin"),
        (
            "max_keepalive 5 # seconds",
            "m.conf:5: problem: the broker knows no comment",
        ),
        (
            "plugin_opt_ab 1",
            "m.conf:5: problem: the name of an option",
        ),
        (
            "plugin_opt_database",
            "m.conf:5: problem: the option has no value",
        ),
        (
            "plugin_opt_pasword_file /x",
            "m.conf:5: problem: unknown option",
        ),
        (
            "plugin_opt_unknown_user Deny",
            "m.conf:5: problem: plugin_opt_unknown_user",
        ),
        (
            "plugin_opt_unknown_user deny ",
            "m.conf:5: warning: a blank stands behind the value",
        ),
        (
            "auth_opt_unknown_user deny",
            "m.conf:5: warning: auth_opt_unknown_user is deprecated",
        ),
        (
            "include_dir /nonexistent/conf.d",
            "m.conf:5: problem: /nonexistent/conf.d",
        ),
    ] {
        check(&desk, &format!("{line}\n")).code(6).tells(finding);
    }
}

#[test]
fn a_repeated_option_is_found_at_its_second_line() {
    let twice = "plugin_opt_unknown_user deny\nplugin_opt_unknown_user deny\n";
    check(&Desk::file(), twice)
        .code(6)
        .tells("m.conf:6: problem");
}

#[test]
fn doors_beside_doorman_are_found() {
    let desk = Desk::file();
    for (lines, finding) in [
        (
            "allow_anonymous true",
            "m.conf:5: warning: clients without a username",
        ),
        (
            "listener 1884",
            "m.conf:5: warning: this listener is open to the network",
        ),
        (
            "listener 1884 192.0.2.1",
            "m.conf:5: warning: this listener is open",
        ),
        (
            "use_identity_as_username true",
            "m.conf:5: warning: the broker takes the username",
        ),
        (
            "per_listener_settings true\nlistener 1884 ::1",
            "m.conf:6: warning: per_listener_settings",
        ),
    ] {
        check(&desk, &format!("{lines}\n")).code(6).tells(finding);
    }
}

#[test]
fn a_pace_that_is_not_the_brokers_own_is_told() {
    let desk = Desk::file();
    for lines in ["sys_interval 60", "sys_interval 0"] {
        check(&desk, &format!("{lines}\n"))
            .code(0)
            .tells("m.conf:5: note: plugin_opt_sys_interval is 10");
    }
    let silent = [
        "sys_interval 10",
        "plugin_opt_sys_interval 60\nsys_interval 60",
    ];
    for lines in silent {
        let ran = check(&desk, &format!("{lines}\n")).code(0);
        assert!(!ran.out.contains("pace"), "{}", ran.out);
    }
}

#[test]
fn closed_doors_are_no_finding() {
    let desk = Desk::file();
    for lines in [
        "allow_anonymous false",
        "listener 8883\ncertfile /x\nkeyfile /y",
        "listener 1884 localhost",
        "listener 0 /run/mosquitto.sock",
        "listener 8884\npsk_hint x",
        "use_identity_as_username false",
    ] {
        check(&desk, &format!("{lines}\n")).code(0);
    }
}

#[test]
fn the_order_of_plugins_and_the_brokers_own_file_are_told() {
    let desk = Desk::file();
    check(&desk, "password_file /elsewhere\n")
        .code(0)
        .tells("note: usernames that doorman does not");
    let shared = format!("password_file {}\n", desk.place.display());
    check(&desk, &shared).code(6).tells("until SIGHUP");
    let denied = format!("{shared}plugin_opt_unknown_user deny\n");
    check(&desk, &denied).code(0).tells("never asked");
    desk.write(
        "first.conf",
        "user no-such-user\nplugin /lib/first.so\nplugin /lib/mosquitto_doorman.so\nplugin_opt_database /x\n",
    );
    desk.run(&["check", "first.conf"])
        .code(0)
        .tells("first.so is asked before");
}

#[test]
fn a_configuration_without_doorman_or_without_a_source_is_a_problem() {
    let desk = Desk::file();
    desk.write("m.conf", "listener 1883 127.0.0.1\n");
    desk.run(&["check", "m.conf"])
        .code(6)
        .tells("no plugin line names");
    desk.write("m.conf", "plugin /lib/libmosquitto_doorman.so\n");
    desk.run(&["check", "m.conf"])
        .code(6)
        .tells("no source of accounts");
    desk.write("m.conf", "plugin_opt_database /x\n");
    desk.run(&["check", "m.conf"])
        .code(6)
        .tells("no plugin line before");
    desk.run(&["check", "missing.conf"]).code(5);
}

#[test]
fn a_credential_that_cannot_be_checked_is_named_without_its_text() {
    let desk = Desk::file();
    std::fs::write(
        &desk.place,
        "roger:tulip-garden\nsub:$7$9999999$AAAAAAAAAAAAAAAA$AAAA\n",
    )
    .unwrap();
    let ran = check(&desk, "").code(6);
    assert!(ran.out.contains("roger cannot log in"), "{}", ran.out);
    assert!(ran.out.contains("sub cannot log in") && !ran.out.contains("AAAA"));
}

#[test]
fn lines_of_a_password_file_that_let_nobody_in_are_told() {
    let desk = Desk::file();
    let hash = super::hash("$7$101$", 12);
    let text = format!("# staff\n\nroger:{hash}\nnonsense\nsub:\n");
    std::fs::write(&desk.place, text).unwrap();
    let ran = check(&desk, "").code(6);
    assert!(
        ran.out.contains("accounts:4: there is no colon"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("accounts:5: ") && !ran.out.contains("accounts:3"));
}

/// The file as the user `nobody` sees it, who exists on every system; needs root to lock him out.
#[test]
fn files_are_seen_with_the_eyes_of_the_brokers_user() {
    let desk = Desk::database();
    let conf = |user: &str| {
        let plugin = desk.write("libmosquitto_doorman.so", "");
        desk.write(
            "m.conf",
            &format!(
                "listener 1883 127.0.0.1\nuser {user}\nplugin {}\nplugin_opt_database {}\n",
                plugin.display(),
                desk.place.display()
            ),
        );
        desk.run(&["check", "m.conf"])
    };
    chmod(desk.dir.path(), 0o700);
    conf("nobody").code(6).tells("nobody cannot enter");
    chmod(desk.dir.path(), 0o755);
    let ran = conf("nobody").code(6);
    for finding in [
        "nobody cannot read",
        "nobody cannot write",
        "nobody cannot write to",
    ] {
        assert!(ran.out.contains(finding), "{}", ran.out);
    }
    chmod(desk.dir.path(), 0o777);
    chmod(&desk.place, 0o666);
    conf("nobody")
        .code(6)
        .tells("everybody on this machine can read");
    conf("root")
        .code(6)
        .tells("everybody on this machine can read");
    chmod(&desk.place, 0o600);
    conf("root").code(0);
}

pub(super) fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).unwrap();
}

#[test]
fn a_bad_line_of_an_acl_file_is_found() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    let with = |rules: &str| {
        let acl = desk.write("acl", rules);
        check(&desk, &format!("plugin_opt_acl_file {}\n", acl.display()))
    };
    with("user roger\ntopic read #\n").code(0);
    let bad = with("user roger\ntopic raed #\n").code(6).out;
    assert!(
        bad.contains("m.conf:5: problem: ") && bad.contains("/acl:2: the access before a topic"),
        "{bad}"
    );
    with("# nothing yet\n")
        .code(6)
        .tells("no rule: nobody may publish or read");
    let missing = check(&desk, "plugin_opt_acl_file /no/such/acl\n")
        .code(6)
        .out;
    assert!(
        missing.contains("m.conf:5: problem: /no/such/acl"),
        "{missing}"
    );
    let both = format!(
        "acl_file /elsewhere\nplugin_opt_acl_file {}\n",
        desk.write("acl", "topic a\n").display()
    );
    check(&desk, &both).tells("m.conf:5: warning: plugin_opt_acl_file decides every access");
}

#[test]
fn odd_rules_of_an_acl_file_are_told_with_their_lines() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    let acl = desk.write(
        "acl",
        "user roger\ntopic deny a/#\ntopic read a/b\npattern write c/%c\n",
    );
    let ran = check(&desk, &format!("plugin_opt_acl_file {}\n", acl.display())).code(6);
    for finding in [
        "acl:3: warning: another rule, asked before, covers this one",
        "(line 2)",
        "acl:4: note: clients choose their client id",
    ] {
        assert!(ran.out.contains(finding), "{}", ran.out);
    }
}

#[test]
fn an_acl_file_is_checked_without_a_configuration() {
    let desk = Desk::file();
    let with = |rules: &str| {
        desk.write("acl", rules);
        desk.run(&["check", "--acl-file", "acl"])
    };
    with("user roger\ntopic read a/#\n").code(0);
    with("user roger\ntopic %u/x\n")
        .code(6)
        .tells("acl:2: warning: %c or %u is compared literally");
    with("topics\n").code(6).tells("problem: acl:1: ");
    with("# nothing\n").code(6).tells("no rule");
    desk.run(&["check", "--acl-file", "missing"]).code(5);
    let many: String = (0..50).map(|at| format!("pattern a{at}/%c\n")).collect();
    let ran = with(&many).code(0);
    assert_eq!(ran.out.matches("clients choose").count(), 21, "{}", ran.out);
    assert!(ran.out.contains("30 more lines"), "{}", ran.out);
}

#[test]
fn odd_rules_of_roles_are_told_where_roles_are_asked() {
    let desk = Desk::database();
    desk.on(&["role", "add", "wide open"]).code(0);
    for args in [
        ["deny", "wide open", "publishClientSend", "a/+"],
        ["allow", "wide open", "publishClientSend", "a/b"],
        ["allow", "wide open", "publishClientReceive", "#"],
    ] {
        desk.on(&[&["role"], &args[..]].concat()).code(0);
    }
    check_database(&desk, "true")
        .code(6)
        .tells("m.conf:4: warning: role \"wide open\": allow publishClientSend a/b: another rule")
        .tells("(deny publishClientSend a/+)")
        .tells("note: role \"wide open\": allow publishClientReceive #: this allows every topic");
    assert!(!check_database(&desk, "false").out.contains("wide open"));
}

#[test]
fn rules_that_answer_no_account_are_told_with_what_is_asked_before() {
    let desk = Desk::database();
    for role in ["base", "ban", "spare"] {
        desk.on(&["role", "add", role]).code(0);
    }
    for (verb, role, topic) in [("allow", "base", "a/b"), ("deny", "ban", "a/#")] {
        desk.on(&["role", verb, role, "publishClientSend", topic])
            .code(0);
    }
    let told = || check_database(&desk, "true");
    told()
        .code(0)
        .tells("m.conf:4: note: no account has these roles: ban, base, spare");
    for name in ["ann", "bob"] {
        desk.add(name, "tulip-garden").code(0);
    }
    desk.on(&["user", "grant", "ann", "base"]).code(0);
    desk.on(&["user", "grant", "ann", "ban", "--priority", "1"])
        .code(0);
    told().code(0).tells("no account has these roles: spare\n").tells(
        "m.conf:4: note: role base: allow publishClientSend a/b: every account that has this role has \
         another one that is asked before, with a rule that covers this one and says the opposite, so \
         this is never asked; give this role a higher priority if that was not meant (role ban: deny \
         publishClientSend a/#)\n",
    );
    desk.on(&["user", "grant", "bob", "base"]).code(0);
    let ran = told().code(0);
    assert!(!ran.out.contains("every account"), "{}", ran.out);
    // Whoever has no username is no account, and is answered.
    desk.on(&["user", "revoke", "bob", "base"]).code(0);
    desk.on(&["group", "add", "public"]).code(0);
    desk.on(&["group", "grant", "public", "base"]).code(0);
    told().tells("every account");
    desk.on(&["group", "anonymous", "public"]).code(0);
    assert!(!told().out.contains("every account"));
}

/// A configuration with the database, whose roles are asked or not.
fn check_database(desk: &Desk, roles: &str) -> Ran {
    let plugin = desk.write("libmosquitto_doorman.so", "");
    let conf = format!(
        "listener 1883 127.0.0.1\nuser no-such-user\nplugin {}\nplugin_opt_database {}\n\
         plugin_opt_database_roles {roles}\n",
        plugin.display(),
        desk.place.display()
    );
    desk.write("m.conf", &conf);
    desk.run(&["check", "m.conf"])
}

#[test]
fn a_limited_administrator_who_reads_what_others_are_answered_is_told_of() {
    let answers = "$CONTROL/dynamic-security/v1/response";
    let desk = Desk::database();
    let role = |args: &[&str]| desk.on(&[&["role"], args].concat()).code(0);
    role(&["add", "p-admin", "--admin-prefix", "p-"]);
    let orders = "$CONTROL/dynamic-security/v1";
    role(&["allow", "p-admin", "publishClientSend", orders]);
    role(&["allow", "p-admin", "subscribeLiteral", answers]);
    let ran = check_database(&desk, "true").code(0);
    assert!(!ran.out.contains("with a limit"), "{}", ran.out);
    role(&["allow", "p-admin", "publishClientReceive", "$CONTROL/#"]);
    check_database(&desk, "true").code(6).tells(
        "m.conf:4: warning: role p-admin: allow publishClientReceive $CONTROL/#: by this an \
         administrator with a limit hears what others are answered",
    );
    role(&["set", "p-admin", "--no-admin-prefix"]);
    let ran = check_database(&desk, "true").code(0);
    assert!(!ran.out.contains("with a limit"), "{}", ran.out);
}

#[test]
fn accounts_that_scram_clients_refuse_are_listed() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    let keys = [
        "user",
        "add",
        "kay",
        "--scram",
        "sha-256",
        "--password-stdin",
    ];
    let few = ["--iterations", "4096"];
    desk.on_with(&[&keys[..], &few].concat(), "tulip-garden")
        .code(0);
    check(&desk, "").code(0);
    let found = "fewer than 4096 iterations, which SCRAM clients refuse (a new password has more, and plugin_opt_rehash stores passwords anew when they are shown): roger\n";
    let both = "plugin_opt_scram both\n";
    check(&desk, both).code(0);
    check(&desk, &format!("{both}plugin_opt_scram_hashes true\n"))
        .code(6)
        .tells(found);
    let only = "plugin_opt_scram sha-256\n";
    check(&desk, &format!("{only}plugin_opt_scram_hashes true\n")).code(0);
}
