//! `doorman check` on tokens: files with keys, and what a token may be good for.

use super::{Desk, Ran};
use crate::support::Issuer;

/// Checks a configuration with these options from line 4 on.
fn check(desk: &Desk, options: &[&str]) -> Ran {
    let plugin = desk.write("libmosquitto_doorman.so", "");
    let options = options
        .iter()
        .map(|option| format!("plugin_opt_{option}\n"));
    let conf = format!(
        "user root\nplugin {}\nplugin_opt_database {}\n{}listener 1883 127.0.0.1\n",
        plugin.display(),
        desk.place.display(),
        options.collect::<String>()
    );
    desk.write("m.conf", &conf);
    desk.run(&["check", "m.conf"])
}

const BOUNDED: &str = "jwt_max_lifetime 1h";

#[test]
fn files_that_hold_no_key_are_told_by_their_names_and_lines() {
    let desk = Desk::database();
    let issuer = Issuer::in_dir(desk.dir.path());
    let file = |name: &str| issuer.file(name).display().to_string();
    let good = format!("jwt_key_file {}", file("rsa.pem"));
    check(&desk, &[&good, BOUNDED]).code(0);
    let jwks = desk.write("jwks", &issuer.jwks(&["p256", "rsa"]));
    let good = format!("jwt_key_file {}", jwks.display());
    check(&desk, &[&good, BOUNDED]).code(0);
    desk.write("rubbish", "rubbish");
    desk.write("jwks", "{\"keys\": [\n{\"kty\": \"RSA\",\n}]}");
    for (option, said) in [
        (
            "jwt_key_file rubbish",
            "m.conf:4: problem: rubbish: there is no key in it".to_owned(),
        ),
        (
            "jwt_key_file jwks",
            "jwks:3: problem: it cannot be read".to_owned(),
        ),
        (
            "jwt_key_file none",
            "m.conf:4: problem: none: No such file".to_owned(),
        ),
        (
            &*format!("jwt_key_file {}", file("rsa.private")),
            format!("{}: it holds a private key", file("rsa.private")),
        ),
        (
            "jwt_secret_file rubbish",
            "rubbish: a secret needs at least 32 bytes".to_owned(),
        ),
        (
            &*format!("jwt_secret_file {}", file("rsa.pem")),
            "a public key is no secret".to_owned(),
        ),
        (
            "jwt_jwks_cafile rubbish",
            "m.conf:4: problem: rubbish: there is no certificate in it".to_owned(),
        ),
    ] {
        let url = "jwt_jwks_url https://id.example.org/keys";
        let ran = check(&desk, &[option, url, BOUNDED]).code(6).tells(&said);
        assert_eq!(ran.out.matches("problem").count(), 1, "{}", ran.out);
    }
    let secret = std::fs::read_to_string(issuer.file("secret")).unwrap();
    let all = [good, format!("jwt_secret_file {}", file("secret"))];
    let ran = check(&desk, &[&all[0], &all[1], BOUNDED]);
    assert!(!ran.out.contains(secret.trim()), "{}", ran.out);
}

#[test]
fn what_tokens_are_good_for_beyond_need_is_told() {
    let desk = Desk::database();
    let issuer = Issuer::in_dir(desk.dir.path());
    let key = &*format!("jwt_key_file {}", issuer.file("rsa.pem").display());
    let secret = &*format!("jwt_secret_file {}", issuer.file("secret").display());
    for (options, code, said) in [
        (&["jwt_issuer x"][..], 6, "4: problem: tokens need keys"),
        (&[key], 0, "4: note: a token may be good for as long"),
        (
            &[key, "jwt_require_exp false"],
            6,
            "5: warning: a token without exp",
        ),
        (
            &[key, "jwt_algorithms RS256,ES256"],
            6,
            "5: warning: no key is for ES256",
        ),
        (
            &[key, "jwt_roles_claim roles"],
            6,
            "5: problem: plugin_opt_database_roles true",
        ),
        (
            &[key, "jwt_acl_claim acl"],
            6,
            "5: warning: nobody but tokens",
        ),
        (
            &[key, "jwt_jwks_cafile ca.crt"],
            6,
            "5: warning: nobody is asked to vouch",
        ),
        (
            &[secret, BOUNDED],
            6,
            "4: note: whoever can verify tokens by a secret",
        ),
        (
            &[secret, BOUNDED],
            6,
            "4: warning: everybody on this machine can read",
        ),
    ] {
        super::check::chmod(&issuer.file("secret"), 0o644);
        check(&desk, options).code(code).tells(said);
    }
    super::check::chmod(&issuer.file("secret"), 0o600);
    // With them is nothing wrong.
    let roles = ["database_roles true", key, BOUNDED, "jwt_algorithms RS256"];
    let claims = ["jwt_roles_claim roles", "jwt_acl_claim acl"];
    let ran = check(&desk, &[&roles[..], &claims].concat()).code(0);
    assert!(!ran.out.contains("token"), "{}", ran.out);
}
