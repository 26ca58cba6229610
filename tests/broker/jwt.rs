//! Logins by token at every broker, with tokens that PyJWT signed. Beside each that is let in stands one
//! that is not.

use super::accounts::lines;
use super::conf::patient;
use crate::support::{
    Answer, Broker, Connect, Issuer, PATIENCE, Protocol, Startup, Token, eventually,
    for_each_broker,
};

/// "Not authorized", of MQTT 5.
pub const REFUSED: Answer = Answer::Refused(135);

/// Which key signs by which algorithm.
const SIGNERS: [(&str, &str); 12] = [
    ("secret", "HS256"),
    ("secret", "HS384"),
    ("secret", "HS512"),
    ("rsa", "RS256"),
    ("rsa", "RS384"),
    ("rsa", "RS512"),
    ("rsa", "PS256"),
    ("rsa", "PS384"),
    ("rsa", "PS512"),
    ("p256", "ES256"),
    ("p384", "ES384"),
    ("ed25519", "EdDSA"),
];

/// A broker with ann and bob, that takes the tokens of an issuer. On 2.1 workers verify what they can.
pub fn with_issuer(startup: Startup, options: &[&str]) -> (Broker, Issuer) {
    let issuer = Issuer::in_dir(startup.dir());
    let standard = [
        "password_file {dir}/users",
        "log_logins all",
        "hashing worker",
    ];
    let keys: &[&str] = match options.iter().any(|option| option.starts_with("jwt_")) {
        true => &[],
        false => &[
            "jwt_key_file {dir}/issuer/rsa.pem",
            "jwt_key_file {dir}/issuer/p256.pem",
            "jwt_key_file {dir}/issuer/p384.jwk",
            "jwt_key_file {dir}/issuer/ed25519.pem",
            "jwt_secret_file {dir}/issuer/secret",
        ],
    };
    let broker = startup
        .file("users", lines(&[("ann", "pw"), ("bob", "pw")]))
        .start(&patient(&[&standard, options, keys].concat()));
    (broker, issuer)
}

/// The answer to a token as the password of a username.
pub fn show(broker: &Broker, username: &str, token: &str) -> Answer {
    let connect = Connect::new(Protocol::V5).client_id(format!("client of {username}"));
    connect.credentials(username, token).answer(broker.port())
}

#[test]
fn a_token_lets_its_user_in_by_every_algorithm_and_nobody_else() {
    for_each_broker(|startup| {
        let (broker, issuer) = with_issuer(startup, &[]);
        let wanted = SIGNERS.map(|(key, algorithm)| Token::of("ann", key, algorithm));
        for (token, (key, algorithm)) in issuer.sign(&wanted).into_iter().zip(SIGNERS) {
            assert_eq!(
                show(&broker, "ann", &token),
                Answer::Accepted,
                "{key} {algorithm}"
            );
            assert_eq!(show(&broker, "bob", &token), REFUSED, "{key} {algorithm}");
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let other = if signature.starts_with('A') { "B" } else { "A" };
            let spoilt = format!("{signed}.{other}{}", &signature[1..]);
            assert_eq!(show(&broker, "ann", &spoilt), REFUSED, "{key} {algorithm}");
        }
        let carol = issuer.token(Token::of("carol", "rsa", "RS256"));
        assert_eq!(show(&broker, "carol", &carol), REFUSED);
        for said in [
            r#"username="ann" client_id="client of ann" method=jwt"#,
            r#"refused reason=wrong_username"#,
            r#"refused reason=token_signature"#,
            r#"refused reason=unknown_user"#,
        ] {
            broker.wait_for_log(said, PATIENCE);
        }
        // Passwords are what they were.
        assert_eq!(show(&broker, "ann", "pw"), Answer::Accepted);
        assert_eq!(show(&broker, "ann", "wp"), REFUSED);
        let log = broker.log();
        assert!(!log.contains("eyJ"), "{log}");
    });
}

/// Of ann, from whom it should be and for whom.
fn meant(key: &str, algorithm: &str) -> Token {
    let token = Token::of("ann", key, algorithm);
    token.saying(r#""iss": "https://id", "aud": "mqtt""#)
}

/// What is refused, for its own reason.
fn bad_tokens() -> Vec<(Token, &'static str)> {
    let good = || meant("rsa", "RS256").named();
    let deep = format!(r#""x": {}{}"#, "[".repeat(40), "]".repeat(40));
    let long = format!(r#""x": "{}""#, "x".repeat(16_000));
    let kid = |kid: &str| format!(r#""kid": "{kid}""#);
    let critical = r#""kid": "rsa", "crit": ["b64"]"#;
    vec![
        (meant("none", "none"), "token_algorithm"),
        (meant("rsa", "HS256"), "token_algorithm"),
        (good().headers(&kid("p256")), "token_algorithm"),
        (good().headers(&kid("other")), "token_key"),
        (good().headers(critical), "token_critical"),
        (
            meant("rsa_new", "RS256").headers(&kid("rsa")),
            "token_signature",
        ),
        (good().saying(&deep), "token_too_large"),
        (good().saying(&long), "token_too_large"),
        (good().times(r#""exp": -60"#), "token_expired"),
        (
            good().times(r#""exp": 60, "nbf": 40"#),
            "token_not_yet_valid",
        ),
        (
            good().times(r#""exp": 60, "iat": 40"#),
            "token_not_yet_valid",
        ),
        (good().times(r#""nbf": 0"#), "token_claims"),
        (good().times(r#""exp": 7300"#), "token_claims"),
        (good().saying(r#""iss": "https://other""#), "token_claims"),
        (good().saying(r#""aud": "other""#), "token_claims"),
        (good().saying(r#""exp": "never""#).times(""), "token_claims"),
        (good().saying(r#""sub": """#), "token_claims"),
    ]
}

#[test]
fn what_no_key_has_signed_or_nobody_wants_is_refused_with_its_reason() {
    for_each_broker(|startup| {
        let options = [
            "jwt_key_file {dir}/issuer/rsa.jwk",
            "jwt_key_file {dir}/issuer/p256.jwk",
            "jwt_issuer https://id",
            "jwt_audience mqtt",
            "jwt_max_lifetime 2h",
        ];
        let (broker, issuer) = with_issuer(startup, &options);
        let good = issuer.token(meant("rsa", "RS256").named());
        assert_eq!(show(&broker, "ann", &good), Answer::Accepted);
        let (wanted, reasons): (Vec<_>, Vec<_>) = bad_tokens().into_iter().unzip();
        for (token, reason) in issuer.sign(&wanted).iter().zip(reasons) {
            let mark = broker.log_end();
            assert_eq!(show(&broker, "ann", token), REFUSED, "{reason}: {token}");
            broker.wait_for_log_after(mark, &format!("refused reason={reason} "), PATIENCE);
        }
        assert_eq!(show(&broker, "ann", &good), Answer::Accepted);
    });
}

#[test]
fn times_may_be_off_by_the_leeway_and_by_no_more() {
    for_each_broker(|startup| {
        let options = ["jwt_key_file {dir}/issuer/p256.pem", "jwt_leeway 30"];
        let (broker, issuer) = with_issuer(startup, &options);
        for (times, refused) in [
            (r#""exp": -5"#, None),
            (r#""exp": -60"#, Some("token_expired")),
            (r#""exp": 600, "nbf": 5"#, None),
            (r#""exp": 600, "nbf": 300"#, Some("token_not_yet_valid")),
        ] {
            let mark = broker.log_end();
            let token = issuer.token(Token::of("ann", "p256", "ES256").times(times));
            let answer = show(&broker, "ann", &token);
            match refused {
                None => assert_eq!(answer, Answer::Accepted, "{times}"),
                Some(reason) => {
                    assert_eq!(answer, REFUSED, "{times}");
                    broker.wait_for_log_after(mark, &format!("refused reason={reason} "), PATIENCE);
                }
            }
        }
    });
}

#[test]
fn a_claim_of_another_name_says_who_it_is_and_what_is_not_named_signs_nothing() {
    for_each_broker(|startup| {
        let options = [
            "jwt_key_file {dir}/issuer/rsa.pem",
            "jwt_key_file {dir}/issuer/p256.pem",
            "jwt_username_claim login.name",
            "jwt_algorithms RS256,RS384",
        ];
        let (broker, issuer) = with_issuer(startup, &options);
        let token = |key, algorithm, claims: &str| {
            let token = Token::of("ann", key, algorithm);
            issuer.token(if claims.is_empty() {
                token
            } else {
                token.saying(claims)
            })
        };
        let bob = r#""login": {"name": "bob"}"#;
        let good = token("rsa", "RS256", bob);
        assert_eq!(show(&broker, "bob", &good), Answer::Accepted);
        assert_eq!(
            show(&broker, "bob", &token("rsa", "RS384", bob)),
            Answer::Accepted
        );
        for (username, token, reason) in [
            ("ann", good, "wrong_username"),
            ("ann", token("rsa", "RS256", ""), "token_claims"),
            ("bob", token("rsa", "RS512", bob), "token_algorithm"),
            ("bob", token("p256", "ES256", bob), "token_algorithm"),
        ] {
            let mark = broker.log_end();
            assert_eq!(show(&broker, username, &token), REFUSED, "{reason}");
            broker.wait_for_log_after(mark, &format!("refused reason={reason} "), PATIENCE);
        }
    });
}

#[test]
fn a_token_may_be_a_username_and_is_replaced_by_the_name_in_it() {
    for_each_broker(|startup| {
        let options = ["jwt_key_file {dir}/issuer/rsa.pem", "jwt_token_in both"];
        let (broker, issuer) = with_issuer(startup, &options);
        let ann = issuer.token(Token::of("ann", "rsa", "RS256"));
        let spoilt = format!("{}AAAA", &ann[..ann.len() - 4]);
        for protocol in [Protocol::V311, Protocol::V5] {
            let connect = Connect::new(protocol).client_id("c");
            let refused = match protocol {
                Protocol::V5 => REFUSED,
                _ => Answer::Refused(5),
            };
            let as_username = |token: &str| connect.clone().credentials(token, "ignored");
            let mark = broker.log_end();
            as_username(&ann).accepted(broker.port());
            broker.wait_for_log_after(mark, "u'ann'", PATIENCE);
            assert_eq!(as_username(&spoilt).answer(broker.port()), refused);
            let as_password = |token: &str| connect.clone().credentials("ann", token);
            as_password(&ann).accepted(broker.port());
            assert_eq!(as_password(&spoilt).answer(broker.port()), refused);
        }
        // With MQTT 5 there need not be a username.
        let mark = broker.log_end();
        let bare = Connect::new(Protocol::V5).client_id("c").password(&ann);
        bare.accepted(broker.port());
        broker.wait_for_log_after(mark, "u'ann'", PATIENCE);
        let waited = r#"username=- client_id="c" method=jwt"#;
        let log = broker.log_after(mark);
        let mut lines = log.lines().filter(|line| line.contains("pending "));
        let has_waited = lines.any(|line| line.contains(waited));
        assert_eq!(has_waited, broker.tree().is_2_1(), "{log}");
        let bare = Connect::new(Protocol::V5).password(&spoilt);
        assert_eq!(bare.answer(broker.port()), REFUSED);
        let log = broker.log();
        assert!(!log.contains("eyJ"), "{log}");
    });
    // Where it does not belong it is refused, and not told.
    for_each_broker(|startup| {
        let options = ["jwt_key_file {dir}/issuer/rsa.pem", "jwt_token_in password"];
        let (broker, issuer) = with_issuer(startup, &options);
        let ann = issuer.token(Token::of("ann", "rsa", "RS256"));
        assert_eq!(show(&broker, &ann, "x"), REFUSED);
        broker.wait_for_log("refused reason=bad_token", PATIENCE);
        assert_eq!(show(&broker, "ann", &ann), Answer::Accepted);
        let of_ours = broker.log();
        let mut of_ours = of_ours.lines().filter(|line| line.contains("doorman:"));
        assert!(of_ours.all(|line| !line.contains("username=\"eyJ")));
    });
}

#[test]
fn bad_tokens_are_throttled_like_bad_passwords() {
    for_each_broker(|startup| {
        let issuer = Issuer::in_dir(startup.dir());
        let options = [
            "password_file {dir}/users",
            "jwt_key_file {dir}/issuer/p256.pem",
            "throttle_username_failures 2",
        ];
        let broker = startup
            .file("users", lines(&[("ann", "pw"), ("bob", "pw")]))
            .start(&super::conf::conf(&options));
        let [ann, bob] = ["ann", "bob"].map(|who| issuer.token(Token::of(who, "p256", "ES256")));
        let spoilt = format!("{}AAAA", &ann[..ann.len() - 4]);
        let is_throttled = || {
            assert_eq!(show(&broker, "ann", &spoilt), REFUSED);
            broker.log().contains("refused reason=throttled")
        };
        assert!(eventually(PATIENCE, is_throttled));
        broker.wait_for_log("refused reason=token_signature", PATIENCE);
        assert_eq!(show(&broker, "bob", &bob), Answer::Accepted);
    });
}

#[test]
fn files_that_hold_no_key_end_the_start_and_options_without_keys_do() {
    for_each_broker(|startup| {
        let (broker, issuer) = with_issuer(startup, &[]);
        let dir = broker.dir().display().to_string();
        std::fs::write(broker.dir().join("rubbish"), "rubbish").unwrap();
        let private = issuer.file("rsa.private").display().to_string();
        for (options, said) in [
            (
                vec![format!("jwt_key_file {dir}/rubbish")],
                "there is no key in it",
            ),
            (vec![format!("jwt_key_file {dir}/nothing")], "No such file"),
            (vec![format!("jwt_key_file {private}")], "a private key"),
            (
                vec![format!("jwt_secret_file {dir}/rubbish")],
                "at least 32 bytes",
            ),
            (
                vec![format!("jwt_secret_file {dir}/issuer/rsa.pem")],
                "a public key is no secret",
            ),
            (vec!["jwt_issuer x".to_owned()], "tokens need keys"),
            (
                vec!["jwt_jwks_url http://id.example.org/".to_owned()],
                "accepted are https://",
            ),
            (
                vec![
                    format!("jwt_key_file {dir}/issuer/rsa.pem"),
                    format!("jwt_jwks_cafile {dir}/rubbish"),
                ],
                "rubbish: there is no certificate in it",
            ),
            (
                vec![
                    format!("jwt_key_file {dir}/issuer/rsa.pem"),
                    "jwt_roles_claim roles".to_owned(),
                ],
                "plugin_opt_database_roles true is missing",
            ),
        ] {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let users = format!("password_file {dir}/users");
            let conf = super::conf::conf(&[&[&*users], &options[..]].concat());
            let refusal = Broker::of(broker.tree()).start_fails(&conf);
            assert!(refusal.log.contains(said), "{said}: {}", refusal.log);
        }
    });
}
