//! Logins by token over sources that are values; the clock stands where a test puts it.
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::*;
use crate::config::Jwt;
use crate::verdict::Reply;

pub(super) const SECRET: &str = "a secret that nobody but the issuer has";

/// A token that somebody else than the engine has made.
pub(super) fn token(username: &str, until: i64) -> String {
    let claims = format!(r#"{{"sub":"{username}","exp":{until}}}"#);
    let parts = [r#"{"alg":"HS256"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = parts.join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

fn with_tokens() -> Engine {
    let accounts = ["ann", "bob"].map(|name| account(name, "pw"));
    let mut engine = engine(&[Held::with(accounts.into())], UnknownUser::Deny);
    take_tokens(&mut engine);
    engine
}

/// From now on the engine takes tokens.
pub(super) fn take_tokens(engine: &mut Engine) {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let config = Config {
        jwt: Jwt {
            secret_files: vec![secret],
            ..Jwt::standard()
        },
        ..Config::standard()
    };
    let tokens = Tokens::open(&config, &mut Vec::new()).unwrap();
    engine.take_tokens(tokens.unwrap());
}

fn at(second: i64) -> Now {
    Now {
        wall: Timestamp::from_second(second).unwrap(),
        ..now()
    }
}

pub(super) fn show(
    engine: &Engine,
    connection: Option<u64>,
    username: Option<&str>,
    token: &str,
) -> Option<Reply> {
    show_beside(engine, connection, username, (Certificate::None, token))
}

fn show_beside(
    engine: &Engine,
    connection: Option<u64>,
    username: Option<&str>,
    (certificate, token): (Certificate<'_>, &str),
) -> Option<Reply> {
    let client = Client {
        connection: connection.map(ConnectionId),
        certificate,
        ..visitor(0, "c")
    };
    let connect = Connect {
        client,
        username,
        password: Some(token.as_bytes()),
        occasion: Occasion::Now,
        method: Method::Password,
    };
    engine.enter_by_token(&connect, at(0))
}

pub(super) fn allowed(username: &str) -> Option<Reply> {
    Some(Reply::Allow {
        username: username.into(),
        data: Vec::new(),
    })
}

#[test]
fn a_connection_is_ended_once_when_its_token_ends() {
    let engine = with_tokens();
    let shown = show(&engine, Some(1), None, &token("ann", 100));
    assert_eq!(shown, allowed("ann"));
    engine.beat(at(99));
    assert_eq!(kicked(&engine), [0; 0]);
    engine.beat(at(100));
    assert_eq!(kicked(&engine), [1]);
    engine.beat(at(101));
    engine.beat(at(200));
    assert_eq!(kicked(&engine), [0; 0]);
    engine.disconnected(ConnectionId(1));
    engine.beat(at(300));
    assert_eq!(kicked(&engine), [0; 0]);
}

#[test]
fn a_caller_without_a_connection_has_the_name_in_its_token_or_is_refused() {
    let engine = with_tokens();
    let ann = token("ann", 100);
    assert_eq!(show(&engine, None, Some("ann"), &ann), allowed("ann"));
    let refused = Some(Reply::Deny(Reason::WrongUsername));
    assert_eq!(show(&engine, None, None, &ann), refused);
    assert_eq!(show(&engine, None, Some("bob"), &ann), refused);
    assert_eq!(show(&engine, Some(1), None, &ann), allowed("ann"));
    assert_eq!(
        show(&engine, Some(1), Some("ann"), "pw"),
        None,
        "a password"
    );
}

#[test]
fn a_token_is_of_the_account_that_the_certificate_is() {
    let (off, instead, and) = (
        CertificateUse::Off,
        CertificateUse::InsteadOfPassword,
        CertificateUse::AndPassword,
    );
    let names = [CertificateName::new("dns:ann.example").unwrap()];
    let ann = Account {
        certificates: names.to_vec(),
        ..account("ann", "pw")
    };
    let other = Reply::Deny(Reason::WrongUsername);
    let missing = Reply::Deny(Reason::UnknownCertificate);
    let yes = |name| allowed(name).unwrap();
    for (used, name, with, without) in [
        (off, "ann", yes("ann"), yes("ann")),
        (off, "bob", yes("bob"), yes("bob")),
        (instead, "ann", yes("ann"), yes("ann")),
        (instead, "bob", other.clone(), yes("bob")),
        (and, "ann", yes("ann"), missing),
        (and, "bob", other, yes("bob")),
    ] {
        let held = Held::with(vec![ann.clone(), account("bob", "pw")]);
        let mut engine = engine(&[held], UnknownUser::Deny);
        take_tokens(&mut engine);
        engine.certificate = used;
        let token = token(name, 100);
        let shows = |certificate| show_beside(&engine, Some(1), None, (certificate, &token));
        assert_eq!(
            shows(Certificate::Named(&names)),
            Some(with),
            "{used:?} {name}"
        );
        assert_eq!(shows(Certificate::None), Some(without), "{used:?} {name}");
    }
}

#[test]
fn a_connection_by_a_token_ends_when_its_account_needs_a_certificate() {
    let certificates = vec![CertificateName::new("dns:ann.example").unwrap()];
    for (used, ends) in [
        (CertificateUse::InsteadOfPassword, &[][..]),
        (CertificateUse::AndPassword, &[1]),
    ] {
        let held = Held::with(vec![account("ann", "pw")]);
        let mut engine = engine(&[Arc::clone(&held)], UnknownUser::Deny);
        take_tokens(&mut engine);
        engine.certificate = used;
        let shown = show(&engine, Some(1), None, &token("ann", 100));
        assert_eq!(shown, allowed("ann"));
        let ann = Account {
            certificates: certificates.clone(),
            ..account("ann", "pw")
        };
        let news = changed(vec![ann.name.clone()]);
        held.hold(Ok(vec![ann]));
        engine.review(&news, Timestamp::UNIX_EPOCH);
        assert_eq!(kicked(&engine), ends, "{used:?}");
    }
}

#[test]
fn somebody_elses_good_token_counts_like_a_wrong_password() {
    let engine = with_tokens();
    let ann = token("ann", 100);
    let mut tries = (0..20).map(|_| show(&engine, Some(1), Some("bob"), &ann));
    assert!(tries.any(|reply| reply == Some(Reply::Deny(Reason::Throttled))));
    assert_eq!(show(&engine, Some(2), Some("ann"), &ann), allowed("ann"));
}
