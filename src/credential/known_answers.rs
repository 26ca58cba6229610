//! What the real tools wrote is read, and lets in who should be.
//!
//! Must not: contain answers of our own making. `make_vectors.py` and `make_exchanges.py` in
//! `tests/vectors` asked the tools.
#![forbid(unsafe_code)]

use super::*;
use crate::config::Rehash;
use crate::model::{EmqxDigest, SaltPlace};

const LIMITS: CostLimits = CostLimits::STANDARD;
const CLEARTEXT: CostLimits = CostLimits {
    cleartext: true,
    ..LIMITS
};

const FILES: &[&str] = &[
    include_str!("../../tests/vectors/mosquitto-2.0.11.json"),
    include_str!("../../tests/vectors/mosquitto-2.0.21.json"),
    include_str!("../../tests/vectors/mosquitto-2.1.2.json"),
    include_str!("../../tests/vectors/crypt.json"),
    include_str!("../../tests/vectors/openssl-passwd.json"),
    include_str!("../../tests/vectors/passlib.json"),
    include_str!("../../tests/vectors/bcrypt.json"),
    include_str!("../../tests/vectors/argon2-cffi.json"),
    include_str!("../../tests/vectors/django.json"),
    include_str!("../../tests/vectors/derived.json"),
    include_str!("../../tests/vectors/scramp.json"),
    include_str!("../../tests/vectors/unmarked.json"),
];

struct Vector {
    tool: String,
    stored: StoredCredential,
    password: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let mut all = Vec::new();
    for file in FILES {
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        for row in file["vectors"].as_array().unwrap() {
            let hex = row["password_hex"].as_str().unwrap();
            all.push(Vector {
                tool: file["tool"].as_str().unwrap().to_owned(),
                stored: StoredCredential {
                    text: row["text"].as_str().unwrap().into(),
                    salt: row["salt"].as_str().map(Into::into),
                    scheme: scheme(row["scheme"].as_str().unwrap_or("marked")),
                },
                password: field::hexadecimal(hex, Part::Hash).unwrap(),
            });
        }
    }
    all
}

fn scheme(name: &str) -> Scheme {
    match name {
        "marked" => Scheme::Marked,
        "rabbitmq" => Scheme::RabbitMq,
        "emqx_sha256_prefix" => Scheme::Emqx(EmqxDigest::Sha256, SaltPlace::Prefix),
        "emqx_sha256_suffix" => Scheme::Emqx(EmqxDigest::Sha256, SaltPlace::Suffix),
        "emqx_sha512_prefix" => Scheme::Emqx(EmqxDigest::Sha512, SaltPlace::Prefix),
        "emqx_sha512_suffix" => Scheme::Emqx(EmqxDigest::Sha512, SaltPlace::Suffix),
        _ => panic!("unknown scheme {name}"),
    }
}

#[test]
fn every_family_has_what_is_weaker_and_is_stored_anew() {
    let mut families = std::collections::BTreeMap::new();
    for Vector { stored, .. } in vectors() {
        let credential = Credential::parse(&stored, &LIMITS).unwrap();
        let family = match credential.cost {
            Cost::Pbkdf2 { .. } if matches!(credential.form, Form::Keys { .. }) => "SCRAM",
            Cost::Pbkdf2 { .. } => "PBKDF2",
            Cost::Argon2 { .. } => "Argon2",
            Cost::Bcrypt { .. } => "bcrypt",
            Cost::Scrypt { .. } => "scrypt",
            Cost::ShaCrypt { .. } => "SHA-crypt",
            Cost::Plain { .. } => "one hash",
        };
        let anew = credential.renewal(Rehash::Weaker, 1_000_000).is_some();
        *families.entry(family).or_insert(false) |= anew;
        assert_eq!(credential.renewal(Rehash::Off, 1_000_000), None);
    }
    assert_eq!(families.len(), 7, "{families:?}");
    assert!(families.values().all(|anew| *anew), "{families:?}");
}

#[test]
fn every_tool_s_credentials_let_in_their_password_and_no_other() {
    for Vector {
        tool,
        stored,
        password,
    } in vectors()
    {
        let text = &stored.text;
        let credential = Credential::parse(&stored, &LIMITS)
            .unwrap_or_else(|error| panic!("{tool} {text}: {error}"));
        assert_eq!(credential.verify(&password), Match::Yes, "{tool} {text}");
        // At the front: bcrypt reads 72 bytes only.
        let wrong = [b"z", password.as_slice()].concat();
        assert_eq!(credential.verify(&wrong), Match::No, "{tool} {text}");
    }
}

#[test]
fn a_truncated_credential_is_refused_or_still_a_hash() {
    for Vector { stored, .. } in vectors().iter().step_by(7) {
        for end in 0..stored.text.len() {
            let text: String = stored.text.chars().take(end).collect();
            let cut = StoredCredential {
                text: text.as_str().into(),
                ..stored.clone()
            };
            // Where a family leaves the length of its hash open, a shorter one is a valid text. It
            // must still have 128 bits, and what has a marker must not become a password in clear.
            let marked = text.len() > 2 && text.starts_with(['$', 'P', 'p', 'S']);
            let limits = if marked { &CLEARTEXT } else { &LIMITS };
            if let Ok(credential) = Credential::parse(&cut, limits) {
                assert!(credential.expected.len() >= field::LEAST_HASH, "{text}");
                let clear = matches!(credential.cost(), Cost::Plain { .. });
                assert!(!clear, "{text} became a password in clear");
            }
        }
    }
}

#[test]
fn a_garbled_hash_does_not_let_the_password_in() {
    for Vector {
        stored, password, ..
    } in vectors().iter().step_by(5)
    {
        let mut text = stored.text.to_string();
        let at = text.rfind(|c: char| c.is_ascii_alphanumeric()).unwrap() - 3;
        let zero = text.as_bytes()[at] == b'0';
        let other = if zero { "1" } else { "0" };
        text.replace_range(at..=at, other);
        let garbled = StoredCredential {
            text: text.as_str().into(),
            ..stored.clone()
        };
        let verdict = Credential::parse(&garbled, &LIMITS).map(|c| c.verify(password));
        assert_ne!(verdict, Ok(Match::Yes), "{text}");
    }
}
