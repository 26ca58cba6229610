//! Every parser of bytes that somebody else chose, as a function of bytes that must not panic, and what
//! must hold of whatever it understood.
//!
//! The fuzz targets call them, and so does `tests/corpus.rs`.
#![allow(dead_code, reason = "each fuzz target calls one of them")]

use std::str::from_utf8;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use mosquitto_doorman::certificate;
use mosquitto_doorman::config::{Algorithm, CostLimits, Jwt};
use mosquitto_doorman::control;
use mosquitto_doorman::credential::Credential;
use mosquitto_doorman::dynsec::Document;
use mosquitto_doorman::mechanism::{Keys, Mechanism};
use mosquitto_doorman::model::{
    AccountName, CertificateName, PskIdentity, PskKey, PskLine, StoredCredential,
};
use mosquitto_doorman::policy::acl_file::{AclFile, Subscriptions};
use mosquitto_doorman::scram::{Exchange, First, Outcome};
use mosquitto_doorman::store::password_file::{Line, split};
use mosquitto_doorman::token::{Key, LONGEST, Parsed, looks_like_one, public_keys, secret_key};
use mosquitto_doorman::vault::Vault;

/// A message to the control topic.
pub fn control_message(data: &[u8]) {
    let glimpse = control::glance(data);
    assert!(glimpse.broken.is_none_or(|why| !why.is_empty()));
}

/// An ACL file.
pub fn acl_file(data: &[u8]) {
    let Ok(text) = from_utf8(data) else {
        return;
    };
    for subscriptions in [Subscriptions::AsMosquitto, Subscriptions::Enforce] {
        if let Ok(file) = AclFile::parse(text, subscriptions) {
            let lines = text.lines().count();
            assert!(file.rules().iter().all(|rule| rule.line <= lines));
        }
    }
}

/// dynamic-security's file: what is understood is written as what is understood the same.
pub fn dynsec_file(data: &[u8]) {
    let Ok(text) = from_utf8(data) else {
        return;
    };
    if let Ok((document, _)) = Document::parse(text) {
        let again = Document::parse(&document.to_json());
        assert!(again.is_ok_and(|(again, _)| again == document));
    }
}

/// A line of a password file: a name that was read is one.
pub fn password_line(data: &[u8]) {
    if let Line::Entry { name, credential } = split(data) {
        assert!(AccountName::check(name).is_ok() && !credential.is_empty());
    }
}

/// A stored credential: what is understood costs no more than is allowed, which parsing says.
pub fn credential(data: &[u8]) {
    let Ok(text) = from_utf8(data) else {
        return;
    };
    if let Ok(credential) =
        Credential::parse(&StoredCredential::marked(text), &CostLimits::STANDARD)
    {
        assert!(!credential.cost().to_string().is_empty());
    }
}

/// A line of a stock psk_file, and a file of keys that seal: what is understood is written as what is
/// understood the same, and nothing that anybody made up is opened.
pub fn psk_line(data: &[u8]) {
    if let Ok(PskLine::Entry(identity, key)) = PskLine::parse(data) {
        // Behind a blank an identity may begin as a comment does.
        let again = PskLine::parse(format!(" {identity}:{}", *key.to_hex()).as_bytes());
        assert_eq!(again, Ok(PskLine::Entry(identity, key)));
    }
    if let Ok(vault) = Vault::parse(data) {
        let identity = PskIdentity::new("identity").expect("an identity");
        let name = AccountName::new("name").expect("a name");
        assert!(vault.open(data, &identity, &name).is_none());
    }
}

/// What a client names in a handshake: an identity is the text that it was, and the key that is sealed for
/// it is no other one's.
pub fn psk_identity(data: &[u8]) {
    static VAULT: OnceLock<Vault> = OnceLock::new();
    let vault = VAULT.get_or_init(|| Vault::parse(&[b'a'; 64]).expect("a vault"));
    let Some(identity) = from_utf8(data).ok().and_then(|t| PskIdentity::new(t).ok()) else {
        return;
    };
    assert!(identity.as_str().as_bytes() == data && data.len() <= 256);
    assert!(!identity.as_str().contains(char::is_control));
    let name = AccountName::new("name").expect("a name");
    let key = PskKey::new(vec![7; 16].into()).expect("a key");
    let sealed = vault.seal([9; 24], &identity, &name, &key).expect("sealed");
    let open = |identity: &PskIdentity| vault.open(&sealed, identity, &name);
    assert!(open(&identity) == Some((key, true)));
    let other = format!("{identity}x");
    assert!(
        PskIdentity::new(&other).is_err()
            || open(&PskIdentity::new(&other).expect("one")).is_none()
    );
}

/// A client's certificate: of what was understood there is a fingerprint, then names that are written as
/// they would be read.
pub fn certificate(data: &[u8]) {
    if let Ok(names) = certificate::names(data) {
        assert!(names.len() <= 17 && names[0].is_fingerprint());
        assert!(names[1..].iter().all(|name| !name.is_fingerprint()));
        let is_read =
            |name: &CertificateName| CertificateName::new(name.as_str()).as_ref() == Ok(name);
        assert!(names.iter().all(is_read));
    }
}

/// A message of a SCRAM exchange, as its first and as its last: nobody is let in by chance.
pub fn scram_message(data: &[u8]) {
    if let Ok(first) = First::parse(data) {
        assert!(!first.username.is_empty());
    }
    let keys = Keys::of(Mechanism::Sha256, &[7; 32], vec![1; 16], 4096);
    let first = First::parse(b"n,,n=user,r=nonce").expect("a message");
    let (_, exchange) = Exchange::begin(&first, &[9; 18], keys);
    let outcome = exchange.finish(data);
    assert!(!matches!(outcome, Ok(Outcome::Proven(_))));
}

/// A token: nobody who has no key makes a good one.
pub fn token(data: &[u8]) {
    static KEYS: OnceLock<Vec<Arc<[Key]>>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let keys = public_keys(ISSUER).expect("keys");
        vec![keys.into()]
    });
    let wanted = Jwt {
        roles: Some("roles".to_owned()),
        acl: Some("acl".to_owned()),
        ..Jwt::standard()
    };
    let now = Timestamp::from_second(1_300_000_000).expect("a moment");
    assert!(!looks_like_one(data) || data.iter().filter(|byte| **byte == b'.').count() == 2);
    if let Ok(token) = Parsed::read(data) {
        assert!(data.len() <= LONGEST);
        assert!(
            token
                .alleged(&wanted)
                .is_none_or(|name| name.len() < data.len())
        );
        assert!(token.verify(keys, &wanted, now).is_err());
    }
}

/// A file of keys: each is for something, and none that everybody may read is a secret of its own.
pub fn token_keys(data: &[u8]) {
    if let Ok(keys) = public_keys(data) {
        let is_for_something = |key: &Key| Algorithm::ALL.iter().any(|one| key.verifies(*one));
        assert!(!keys.is_empty() && keys.iter().all(is_for_something));
    }
    if let Ok(secrets) = secret_key(data) {
        assert!(secrets.iter().all(|key| !key.verifies(Algorithm::Rs256)));
    }
}

/// The keys of RFC 7515, A.3, and RFC 8037, A.4. Their tokens name no user.
const ISSUER: &[u8] = br#"{"keys":[
    {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
