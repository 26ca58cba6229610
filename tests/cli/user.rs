//! `doorman init` and `doorman user`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use super::{Desk, run};

#[test]
fn init_makes_a_private_place_and_never_touches_an_old_one() {
    for desk in Desk::both() {
        let mode = desk.place.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        desk.add("roger", "tulip-garden").code(0);
        desk.on(&["init"]).code(4).says("already");
        assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
    }
}

#[test]
fn a_password_is_checked() {
    for desk in Desk::both() {
        desk.add("roger", "tulip-garden")
            .code(0)
            .tells("roger added");
        assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
        assert_eq!(desk.verify("roger", "rose-garden"), Some(1));
        assert_eq!(desk.verify("nobody", "tulip-garden"), Some(3));
    }
}

#[test]
fn an_account_is_added_once() {
    for desk in Desk::both() {
        desk.add("roger", "tulip-garden").code(0);
        desk.add("roger", "rose-garden").code(4).says("user passwd");
        assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
    }
}

#[test]
fn a_new_password_ends_the_old_one() {
    let args = [
        "user",
        "passwd",
        "roger",
        "--password-stdin",
        "--iterations",
        "101",
    ];
    for desk in Desk::both() {
        desk.on_with(&args, "rose-garden").code(3);
        desk.add("roger", "tulip-garden").code(0);
        desk.on_with(&args, "rose-garden").code(0);
        assert_eq!(desk.verify("roger", "rose-garden"), Some(0));
        assert_eq!(desk.verify("roger", "tulip-garden"), Some(1));
    }
}

#[test]
fn an_old_password_can_be_kept_until_it_is_dropped() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    let args = [
        "user",
        "passwd",
        "roger",
        "--keep-old",
        "--password-stdin",
        "--iterations",
        "101",
    ];
    desk.on_with(&args, "rose-garden").code(0);
    assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
    assert_eq!(desk.verify("roger", "rose-garden"), Some(0));
    desk.on(&["user", "drop-old", "roger"]).code(0);
    assert_eq!(desk.verify("roger", "tulip-garden"), Some(1));
    assert_eq!(desk.verify("roger", "rose-garden"), Some(0));
}

#[test]
fn a_generated_secret_is_told_once_and_works() {
    for desk in Desk::both() {
        let told = desk
            .on(&["user", "add", "device", "--generate"])
            .code(0)
            .out;
        let secret = told.trim_end();
        assert_eq!(secret.len(), 32);
        assert_eq!(desk.verify("device", secret), Some(0));
        let later = desk.on(&["user", "show", "device", "--json"]).code(0);
        assert!(!later.out.contains(secret));
    }
}

#[test]
fn deleting_is_all_or_nothing() {
    for desk in Desk::both() {
        desk.add("a", "tulip-garden").code(0);
        desk.add("b", "tulip-garden").code(0);
        desk.on(&["user", "delete", "a", "nobody"])
            .code(3)
            .says("nobody");
        assert_eq!(desk.verify("a", "tulip-garden"), Some(0));
        desk.on(&["user", "delete", "a", "b"]).code(0);
        assert_eq!(desk.on(&["user", "list"]).code(0).out, "");
    }
}

#[test]
fn a_disabled_account_is_refused_and_an_enabled_one_is_not() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    desk.on(&["user", "disable", "roger"]).code(0);
    let args = ["user", "verify", "roger", "--password-stdin", "--json"];
    let refused = desk.on_with(&args, "tulip-garden").code(1);
    assert_eq!(
        refused.json()[0]["reasons"],
        serde_json::json!(["disabled"])
    );
    desk.on(&["user", "enable", "roger"]).code(0);
    assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
}

#[test]
fn bounds_are_set_shown_checked_and_cleared() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    let set = [
        "user",
        "set",
        "roger",
        "--client-id",
        "c1",
        "--networks",
        "192.0.2.7,2001:db8::/32",
        "--valid-from",
        "2020-01-01",
        "--valid-until",
        "+30d",
        "--notes",
        "the pump",
    ];
    desk.on(&set).code(0);
    let shown = desk.on(&["user", "show", "roger", "--json"]).code(0).json();
    assert_eq!(shown[0]["client_id"], "c1");
    assert_eq!(shown[0]["networks"][0], "192.0.2.7/32");
    assert_eq!(shown[0]["valid_from"], "2020-01-01T00:00:00Z");
    assert_eq!(shown[0]["notes"], "the pump");
    let verify = |client_id, address| {
        let args = [
            "user",
            "verify",
            "roger",
            "--password-stdin",
            "--client-id",
            client_id,
            "--address",
            address,
        ];
        desk.on_with(&args, "tulip-garden").code
    };
    assert_eq!(verify("c1", "192.0.2.7"), Some(0));
    assert_eq!(verify("c1", "::ffff:192.0.2.7"), Some(0));
    assert_eq!(verify("c2", "192.0.2.7"), Some(1));
    assert_eq!(verify("c1", "192.0.2.8"), Some(1));
    let clear = [
        "user",
        "set",
        "roger",
        "--any-client-id",
        "--any-network",
        "--valid-from",
        "always",
        "--valid-until",
        "never",
        "--notes",
        "",
    ];
    desk.on(&clear).code(0);
    let shown = desk.on(&["user", "show", "roger", "--json"]).code(0).json();
    assert_eq!(shown[0]["client_id"], serde_json::Value::Null);
    assert_eq!(shown[0]["valid_until"], serde_json::Value::Null);
    assert_eq!(verify("c2", "192.0.2.8"), Some(0));
}

#[test]
fn texts_are_set_shown_and_cleared() {
    let desk = Desk::database();
    let add = ["user", "add", "roger", "--generate", "--textname", "Roger"];
    desk.on(&add).code(0);
    desk.on(&["user", "set", "roger", "--textdescription", "on the ferry"])
        .code(0);
    desk.on(&["user", "show", "roger"])
        .code(0)
        .tells("text name         Roger\ndescription       \"on the ferry\"\n");
    let texts = || {
        let shown = desk.on(&["user", "show", "roger", "--json"]).code(0).json();
        [&shown[0]["textname"], &shown[0]["textdescription"]].map(Clone::clone)
    };
    assert_eq!(texts(), ["Roger", "on the ferry"]);
    let clear = ["--textname", "", "--textdescription", ""];
    desk.on(&[&["user", "set", "roger"][..], &clear].concat())
        .code(0);
    assert_eq!(texts(), [serde_json::Value::Null, serde_json::Value::Null]);
    let file = Desk::file();
    file.on(&add).code(1).says("text or note: use a database");
    file.on(&["user", "show", "roger"]).code(3);
}

#[test]
fn an_account_outside_its_time_is_refused() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    for (flag, when, reason) in [
        ("--valid-until", "2020-01-01", "expired"),
        ("--valid-from", "2100-01-01", "not_yet_valid"),
    ] {
        desk.on(&["user", "set", "roger", flag, when]).code(0);
        let args = ["user", "verify", "roger", "--password-stdin"];
        desk.on_with(&args, "tulip-garden").code(1).tells(reason);
    }
    desk.on(&[
        "user",
        "set",
        "roger",
        "--valid-from",
        "2d",
        "--valid-until",
        "1d",
    ])
    .code(2);
    desk.on(&["user", "set", "roger"])
        .code(2)
        .says("nothing to set");
}

#[test]
fn a_password_file_refuses_what_it_cannot_hold() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    let before = desk.text();
    desk.on(&["user", "disable", "roger"])
        .code(1)
        .says("use a database");
    desk.add("a:b", "tulip-garden").code(1);
    assert_eq!(desk.text(), before);
}

#[test]
fn names_that_no_client_can_send_are_refused() {
    for desk in Desk::both() {
        desk.add("", "tulip-garden").code(2);
        desk.add("a\nb", "tulip-garden").code(2);
        assert_eq!(desk.on(&["user", "list"]).out, "");
    }
}

#[test]
fn an_odd_name_cannot_forge_a_line() {
    let desk = Desk::database();
    desk.add("a\u{202e}b", "tulip-garden").code(0);
    desk.on(&["user", "list"]).code(0).tells(r#""a\u{202e}b""#);
}

#[test]
fn passwords_that_no_client_can_send_are_refused() {
    for desk in Desk::both() {
        for password in ["", "\n", "a\0b", &"x".repeat(65_536)] {
            desk.add("roger", password).code(1);
        }
        desk.add("roger", &"x".repeat(65_535)).code(0);
    }
}

#[test]
fn a_password_comes_from_a_file_or_from_the_command_line_if_asked() {
    let desk = Desk::database();
    desk.write("secret", "tulip-garden\n");
    desk.on(&[
        "user",
        "add",
        "a",
        "--password-file",
        "secret",
        "--iterations",
        "101",
    ])
    .code(0);
    desk.on(&[
        "user",
        "add",
        "b",
        "--insecure-password",
        "tulip-garden",
        "--iterations",
        "101",
    ])
    .code(0);
    assert_eq!(desk.verify("a", "tulip-garden"), Some(0));
    assert_eq!(desk.verify("b", "tulip-garden"), Some(0));
    desk.on(&["user", "add", "c", "--password-file", "missing"])
        .code(5);
    desk.on(&["user", "add", "c", "--password-stdin", "--generate"])
        .code(2);
    // Not even the complaint about a misplaced password shows it.
    for args in [
        &["user", "add", "c", "tulip-garden"][..],
        &["user", "add", "c", "--password-stdin=tulip-garden"],
        &["passwd", "accounts", "c", "tulip-garden"],
        &[
            "passwd",
            "accounts",
            "c",
            "tulip-garden",
            "-b",
            "tulip-garden",
        ],
    ] {
        desk.run(args).code(2);
    }
}

#[test]
fn costs_can_be_chosen() {
    let desk = Desk::database();
    desk.on_with(
        &["user", "add", "a", "--password-stdin", "--argon2id"],
        "tulip-garden",
    )
    .code(0);
    desk.on(&["user", "show", "a"]).tells("Argon2id");
    desk.on_with(
        &["user", "add", "b", "--password-stdin", "--cost-ms", "1"],
        "tulip-garden",
    )
    .code(0);
    desk.on_with(&["user", "add", "c", "--password-stdin"], "tulip-garden")
        .code(0);
    desk.on(&["user", "show", "c"]).tells("210000 iterations");
    desk.on(&["user", "add", "d", "--generate", "--iterations", "0"])
        .code(2);
    assert_eq!(desk.verify("a", "tulip-garden"), Some(0));
    assert_eq!(desk.verify("b", "tulip-garden"), Some(0));
}

#[test]
fn what_is_shown_holds_no_credential() {
    for desk in Desk::both() {
        desk.add("roger", "tulip-garden").code(0);
        for args in [
            &["user", "list"][..],
            &["user", "list", "--json"],
            &["user", "show", "roger"],
            &["user", "show", "roger", "--json"],
        ] {
            let shown = desk.on(args).code(0).out;
            assert!(shown.contains("roger") && !shown.contains('$'), "{shown}");
        }
    }
}

#[test]
fn nobody_listening_is_no_error() {
    let desk = Desk::file();
    let lines: String = (0..20_000)
        .map(|n| format!("user{n}:{}\n", super::hash("$7$101$", 12)))
        .collect();
    std::fs::write(&desk.place, lines).unwrap();
    let mut command = desk.command(&["user", "list"]);
    let mut child = command
        .arg("--file")
        .arg(&desk.place)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    run(desk.command(&["user", "list"]), "").code(2);
}
