//! SCRAM keys: stored, checked, converted to, carried over.

use super::Desk;

fn stored(desk: &Desk) -> String {
    let exported = desk.on(&["export", "--for", "doorman", "--drop-bounds"]);
    exported.code(0).out
}

fn add(desk: &Desk, name: &str, mechanism: &str) {
    let args = [
        "user",
        "add",
        name,
        "--scram",
        mechanism,
        "--password-stdin",
    ];
    let few = ["--iterations", "4096"];
    desk.on_with(&[&args[..], &few].concat(), "tulip-garden")
        .code(0);
}

#[test]
fn keys_are_stored_and_verify_the_password_and_no_other() {
    for desk in Desk::both() {
        for mechanism in ["sha-256", "sha-512"] {
            add(&desk, mechanism, mechanism);
            assert_eq!(desk.verify(mechanism, "tulip-garden"), Some(0));
            assert_eq!(desk.verify(mechanism, "rose-garden"), Some(1));
            let marker = format!("{mechanism}:SCRAM-{}$4096:", mechanism.to_uppercase());
            assert!(stored(&desk).contains(&marker));
            let shown = desk.on(&["user", "show", mechanism]).code(0);
            shown
                .tells("keys, PBKDF2-HMAC-SHA")
                .tells("4096 iterations");
        }
        let args = [
            "user",
            "passwd",
            "sha-256",
            "--scram",
            "sha-256",
            "--password-stdin",
        ];
        let few = ["--iterations", "4095"];
        let refused = desk.on_with(&[&args[..], &few].concat(), "rose-garden");
        refused.code(2).says("refuse less than 4096");
        assert_eq!(desk.verify("sha-256", "tulip-garden"), Some(0));
        desk.on(&["user", "add", "made", "--generate", "--scram", "sha-512"])
            .code(0);
        assert!(stored(&desk).contains("made:SCRAM-SHA-512$4096:"));
    }
}

#[test]
fn a_hash_is_converted_to_the_keys_that_follow_from_it() {
    for desk in Desk::both() {
        desk.add("roger", "tulip-garden").code(0);
        add(&desk, "kay", "sha-256");
        let before = stored(&desk);
        assert!(before.contains("roger:$7$101$"));
        desk.on(&["user", "convert", "nobody"]).code(3);
        assert_eq!(stored(&desk), before);
        let converted = desk.on(&["user", "convert", "roger"]).code(0);
        converted
            .tells("roger converted")
            .says("cannot read what is stored now")
            .says("keeps its few iterations");
        assert!(stored(&desk).contains("roger:SCRAM-SHA-512$101:"));
        assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
        assert_eq!(desk.verify("roger", "rose-garden"), Some(1));
        let again = desk.on(&["user", "convert", "roger"]).code(1);
        again.tells("roger unchanged").says("left as it is");
        desk.on(&["export"]).code(1).says("roger left out");
    }
}

#[test]
fn all_are_converted_that_can_be_and_both_passwords_stay() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    let renew = ["user", "passwd", "roger", "--keep-old", "--password-stdin"];
    let few = ["--iterations", "101"];
    desk.on_with(&[&renew[..], &few].concat(), "rose-garden")
        .code(0);
    let args = ["user", "add", "argon", "--argon2id", "--password-stdin"];
    desk.on_with(&args, "tulip-garden").code(0);
    desk.on(&["user", "convert", "--all"])
        .code(0)
        .tells("roger converted");
    for password in ["tulip-garden", "rose-garden"] {
        assert_eq!(desk.verify("roger", password), Some(0), "{password}");
    }
    assert_eq!(desk.verify("argon", "tulip-garden"), Some(0));
    let shown = desk.on(&["user", "show", "roger"]).code(0).out;
    assert_eq!(shown.matches("SCRAM-SHA-512 keys").count(), 2, "{shown}");
    desk.on(&["user", "convert", "--all"]).code(0);
}

#[test]
fn keys_of_postgresql_are_imported_as_they_are() {
    let desk = Desk::database();
    // RFC 7677's user, as PostgreSQL stores it.
    let keys = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    desk.write("users", &format!("user:{keys}\n"));
    desk.on(&["import", "users"]).code(0);
    assert_eq!(desk.verify("user", "pencil"), Some(0));
    assert_eq!(desk.verify("user", "pen"), Some(1));
    assert_eq!(stored(&desk), format!("user:{keys}\n"));
}
