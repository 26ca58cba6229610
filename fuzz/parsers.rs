//! Every parser of bytes that somebody else chose, as a function of bytes that must not panic, and what
//! must hold of whatever it understood.
//!
//! The fuzz targets call them, and so does `tests/corpus.rs`.
#![allow(dead_code, reason = "each fuzz target calls one of them")]

use std::str::from_utf8;

use mosquitto_doorman::config::CostLimits;
use mosquitto_doorman::control;
use mosquitto_doorman::credential::Credential;
use mosquitto_doorman::dynsec::Document;
use mosquitto_doorman::mechanism::{Keys, Mechanism};
use mosquitto_doorman::model::{AccountName, PskIdentity, PskLine, StoredCredential};
use mosquitto_doorman::policy::acl_file::{AclFile, Subscriptions};
use mosquitto_doorman::scram::{Exchange, First, Outcome};
use mosquitto_doorman::store::password_file::{Line, split};
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
        let again = PskLine::parse(format!("{identity}:{}", *key.to_hex()).as_bytes());
        // An identity with a colon in it cannot stand in such a file.
        assert_eq!(again, Ok(PskLine::Entry(identity, key)));
    }
    if let Ok(vault) = Vault::parse(data) {
        let identity = PskIdentity::new("identity").expect("an identity");
        let name = AccountName::new("name").expect("a name");
        assert!(vault.open(data, &identity, &name).is_none());
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
