//! Whatever anybody could store is read or refused, and never costs more than is allowed.
//!
//! Must not: hash with costs that make the tests slow.
#![forbid(unsafe_code)]

use proptest::prelude::*;

use super::*;
use crate::model::{EmqxDigest, SaltPlace};

const LIMITS: CostLimits = CostLimits::STANDARD;
const CLEARTEXT: CostLimits = CostLimits {
    cleartext: true,
    ..LIMITS
};

fn read(text: &str) -> Result<Credential, ParseError> {
    Credential::parse(&StoredCredential::marked(text), &LIMITS)
}

fn refused(text: &str) -> ParseError {
    read(text).map(|_| text).unwrap_err()
}

#[test]
fn a_cost_above_the_limits_is_refused_before_any_work() {
    let hash64 = "A".repeat(86) + "==";
    let (salt, hash) = ("AAAAAAAAAAAAAAAA", "A".repeat(43));
    for text in [
        format!("$7$2000001${salt}${hash64}"),
        format!("PBKDF2$sha1$200000${salt}${}", "A".repeat(1024)),
        format!("$pbkdf2-sha256$4294967295${salt}${hash}"),
        format!("$argon2id$v=19$m=262145,t=1,p=1${salt}${hash}"),
        format!("$argon2id$v=19$m=64,t=17,p=1${salt}${hash}"),
        format!("$argon2id$v=19$m=1024,t=1,p=17${salt}${hash}"),
        format!("$scrypt$ln=18,r=8,p=1${salt}${hash}"),
        format!("$scrypt$ln=63,r=4294967295,p=1${salt}${hash}"),
        format!("$scrypt$ln=1,r=8,p=17${salt}${hash}"),
        format!("$2b$15${}", "a".repeat(53)),
        format!("$5$rounds=2000001$salt${hash}"),
        format!("AAAAAAAA:2000001:{hash64}"),
    ] {
        let error = refused(&text);
        assert!(
            matches!(error, ParseError::TooCostly { .. }),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_cost_of_zero_is_refused() {
    let (salt, hash) = ("AAAAAAAAAAAAAAAA", "A".repeat(43));
    for text in [
        format!("$7$0${salt}${}==", "A".repeat(86)),
        format!("pbkdf2_sha256$0$salt${hash}="),
        format!("$argon2id$v=19$m=0,t=1,p=1${salt}${hash}"),
        format!("$argon2id$v=19$m=64,t=0,p=1${salt}${hash}"),
        format!("$scrypt$ln=0,r=8,p=1${salt}${hash}"),
        format!("$5$rounds=0$salt${hash}"),
    ] {
        let error = refused(&text);
        assert!(matches!(error, ParseError::Zero { .. }), "{text}: {error}");
    }
}

#[test]
fn a_hash_that_is_empty_short_or_not_as_long_as_said_is_refused() {
    for text in [
        "$7$1000$AAAAAAAAAAAAAAAA$",
        "$7$1000$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA==",
        "$6$AAAAAAAAAAAAAAAA$",
        "PBKDF2$sha512$1000$salt$",
        "$pbkdf2-sha256$i=1000,$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$pbkdf2-sha256$i=1000,l=31$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "PBKDF2$sha512$1000$salt$AAAAAAAAAAAAAAAAAAAA",
        "$pbkdf2-sha256$1000$AAAA$AAAA",
        "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAA$AAAA",
        "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAA$",
        "$scrypt$ln=4,r=8,p=1$AAAA$AAAA",
        "pbkdf2_sha256$1000$salt$",
        "AAAA:1000:",
        "$5$salt$",
        "$6$salt$",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_salt_too_short_for_mosquitto_is_refused() {
    let hash = "A".repeat(86) + "==";
    assert!(read(&format!("$7$1$AAAAAAAAAAA=${hash}")).is_ok());
    for salt in ["", "AAAAAAAAAA==", &"A".repeat(1368)] {
        let error = refused(&format!("$7$1${salt}${hash}"));
        assert!(
            matches!(
                error,
                ParseError::Length {
                    part: Part::Salt,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn numbers_that_atoi_would_take_are_refused() {
    for iterations in ["+101", " 101", "101 ", "-1", "0x65", "", "99999999999"] {
        let text = format!("$7${iterations}$AAAAAAAAAAAAAAAA${}==", "A".repeat(86));
        assert_eq!(refused(&text), ParseError::Number { what: "iterations" });
    }
}

#[test]
fn rounds_below_a_thousand_are_raised_as_crypt_does() {
    let text = format!("$5$rounds=10$salt${}", ".".repeat(43));
    assert_eq!(
        read(&text).unwrap().cost(),
        Cost::ShaCrypt {
            digest: Digest::Sha256,
            rounds: 1000,
            salt: 4
        }
    );
}

#[test]
fn dollar_six_is_told_apart_by_its_hash() {
    let mosquitto = read(&format!("$6$AAAAAAAAAAAAAAAA${}==", "A".repeat(86))).unwrap();
    assert!(matches!(mosquitto.cost(), Cost::Plain { .. }));
    let crypt = read(&format!("$6$AAAAAAAAAAAAAAAA${}", "A".repeat(85) + ".")).unwrap();
    assert!(matches!(crypt.cost(), Cost::ShaCrypt { rounds: 5000, .. }));
}

#[test]
fn a_password_in_clear_needs_its_option() {
    assert_eq!(refused("tulip"), ParseError::Cleartext);
    let credential = Credential::parse(&StoredCredential::marked("tulip"), &CLEARTEXT).unwrap();
    assert_eq!(credential.verify(b"tulip"), Match::Yes);
    for wrong in [b"".as_slice(), b"tulips", b"tuli", b"Tulip"] {
        assert_eq!(credential.verify(wrong), Match::No);
    }
}

#[test]
fn what_looks_like_a_hash_is_never_a_password_in_clear() {
    for text in [
        "",
        "$7$",
        "$7$1000$x",
        "$1$abc$def",
        "$argon2d$v=19$m=64,t=1,p=1$AAAA$AAAA",
        "$argon2",
        "$y$j9T$x$y",
        "{SSHA}abcdef",
        "md5$salt$hash$",
        "argon2$argon2id$v=19$x",
        "PBKDF2",
        "$2b",
        "PBKDF2$md5$1$a$b",
        "AAAA:1000:AAAA",
        "$2b$04$short",
        "pbkdf2_sha512$1$a$b",
    ] {
        let stored = StoredCredential::marked(text);
        assert!(Credential::parse(&stored, &CLEARTEXT).is_err(), "{text}");
    }
    let salted = StoredCredential {
        salt: Some("pepper".into()),
        ..StoredCredential::marked("5f4dcc3b5aa765d61d8327deb882cf99")
    };
    assert!(Credential::parse(&salted, &CLEARTEXT).is_err());
}

#[test]
fn emqx_plain_is_a_password_in_clear_too() {
    let stored = StoredCredential {
        text: "saltytulip".into(),
        salt: Some("salty".into()),
        scheme: Scheme::Emqx(EmqxDigest::Plain, SaltPlace::Prefix),
    };
    assert!(matches!(
        Credential::parse(&stored, &LIMITS),
        Err(ParseError::Cleartext)
    ));
    let credential = Credential::parse(&stored, &CLEARTEXT).unwrap();
    assert_eq!(credential.verify(b"tulip"), Match::Yes);
    assert_eq!(credential.verify(b"saltytulip"), Match::No);
}

#[test]
fn passwords_of_every_length_are_answered() {
    let long = vec![b'x'; 65_535];
    for text in [
        "$2b$04$abcdefghijklmnopqrstuuJXzmhpE2uB2qFvn2Gfm0Kp7tXlEyQqa".to_owned(),
        format!("$6$rounds=1000$salt${}", ".".repeat(86)),
        format!("$7$2$AAAAAAAAAAAAAAAA${}==", "A".repeat(86)),
        "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "$scrypt$ln=1,r=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ] {
        let credential = read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        for length in [0, 1, 71, 72, 73, 511, 512, 4096, 65_535] {
            assert_eq!(credential.verify(&long[..length]), Match::No, "{text}");
            credential.cost().burn(&long[..length]);
        }
    }
}

#[test]
fn a_password_too_long_for_crypt_is_refused_though_it_begins_with_the_right_one() {
    let password = vec![b'x'; 512];
    let cost = read(&format!("$5$salt${}", ".".repeat(43))).unwrap().cost();
    let mut expected = vec![0; 32];
    assert!(
        cost.derive(
            &password[..511],
            b"salt",
            &mut expected,
            &mut Scratch::default()
        )
        .is_ok()
    );
    let credential = Credential::new(cost, b"salt".to_vec(), expected);
    assert_eq!(credential.verify(&password[..511]), Match::Yes);
    assert_eq!(credential.verify(&password), Match::No);
}

#[test]
fn bytes_that_crypt_blowfish_confused_are_told_apart_except_in_its_own_hashes() {
    let salt = [0x41; 16];
    let twins: [&[u8]; 2] = [b"\xff\xa3345", b"\xa3\xa3345"];
    for (bytes, same) in [(Bytes::Unsigned, false), (Bytes::SignExtended, true)] {
        let hashes = twins.map(|password| {
            let mut out = [0; bcrypt::OUTPUT];
            assert!(bcrypt::derive(4, bytes, password, &salt, &mut out).is_ok());
            out
        });
        assert_eq!(hashes[0] == hashes[1], same);
    }
}

#[test]
fn debug_and_errors_show_nothing_of_the_credential() {
    let text = format!("$7$9$dHVsaXB0dWxpcA==${}==", "A".repeat(86));
    assert_eq!(format!("{:?}", read(&text).unwrap()), "[redacted]");
    for text in [
        "$7$tulip$tulip$tulip",
        "$2b$10$tulip",
        "tulip",
        "$5$tulip$tulip",
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:?}").contains("tulip"));
    }
}

#[test]
fn costs_are_shown_as_an_operator_would_say_them() {
    assert_eq!(
        Cost::standard().to_string(),
        "PBKDF2-HMAC-SHA512, 1000 iterations"
    );
    let stored = hash(
        b"",
        &Recipe::Argon2id {
            memory_kib: 64,
            passes: 2,
            lanes: 1,
        },
        &Salt::new([7; 16]),
    );
    let credential = Credential::parse(&stored.unwrap(), &LIMITS).unwrap();
    assert_eq!(
        credential.cost().to_string(),
        "Argon2id, m=64 KiB, t=2, p=1"
    );
}

#[test]
fn a_recipe_without_sense_is_an_error() {
    let salt = Salt::new([7; 16]);
    for iterations in [0, 1 << 31] {
        let recipe = Recipe::Pbkdf2Sha512 { iterations };
        assert_eq!(hash(b"tulip", &recipe, &salt), Err(HashError::Iterations));
    }
    for (memory_kib, passes, lanes) in [(0, 1, 1), (64, 0, 1), (64, 1, 0), (8, 1, 2)] {
        let recipe = Recipe::Argon2id {
            memory_kib,
            passes,
            lanes,
        };
        assert_eq!(hash(b"tulip", &recipe, &salt), Err(HashError::Argon2));
    }
}

#[test]
fn what_is_written_for_mosquitto_has_twelve_bytes_of_salt() {
    let stored = hash(b"tulip", &Recipe::GENERATED, &Salt::new([255; 16])).unwrap();
    assert!(stored.text.starts_with("$7$101$////////////////$"));
}

/// A hash that is whole and of a mechanism's kind is enough for its keys; others are not.
#[test]
fn keys_follow_from_a_whole_hash_of_their_mechanism_and_from_nothing_else() {
    use Mechanism::{Sha256, Sha512};
    let (short, long) = ("A".repeat(43), "A".repeat(86));
    let salt = "AAAAAAAAAAAAAAAA";
    for (text, mechanism) in [
        (format!("$7$5${salt}${long}=="), Some(Sha512)),
        (format!("$pbkdf2-sha512$5${salt}${long}"), Some(Sha512)),
        (
            format!("$pbkdf2-sha256$i=5,l=32${salt}${short}"),
            Some(Sha256),
        ),
        (format!("pbkdf2_sha256$5$salt${short}="), Some(Sha256)),
        (format!("{salt}:5:{long}=="), Some(Sha512)),
        // Longer than the hash, which it begins with.
        (format!("$pbkdf2-sha256$5${salt}${long}"), Some(Sha256)),
        // The salt as text only, since it is no base64.
        (format!("PBKDF2$sha256$5$sa-lt${short}="), Some(Sha256)),
        // In two readings, and nobody knows which.
        (format!("PBKDF2$sha256$5${salt}${short}="), None),
        // Cut short.
        (format!("$pbkdf2-sha512$5${salt}${short}"), None),
        (format!("$pbkdf2-sha1$5${salt}${short}"), None),
        (format!("$6${salt}${long}=="), None),
        (format!("$scrypt$ln=4,r=8,p=1${salt}${short}"), None),
    ] {
        let read = Credential::parse(&StoredCredential::marked(&text), &LIMITS).unwrap();
        assert!(!read.holds_keys());
        for each in Mechanism::ALL {
            assert_eq!(
                read.keys(each).is_some(),
                mechanism == Some(each),
                "{text} {each}"
            );
        }
        let Some(mechanism) = mechanism else {
            assert_eq!(read.converted(), None, "{text}");
            continue;
        };
        let converted = read.converted().unwrap();
        assert!(
            converted.text.starts_with(&format!("{mechanism}$5:")),
            "{text}"
        );
        let keys = Credential::parse(&converted, &LIMITS).unwrap();
        assert_eq!(keys.keys(mechanism), read.keys(mechanism));
        assert!(keys.holds_keys() && keys.converted().is_none());
        for each in Mechanism::ALL {
            assert_eq!(keys.keys(each).is_some(), mechanism == each);
        }
    }
}

#[test]
fn keys_that_are_damaged_are_refused() {
    let (short, long) = ("A".repeat(43) + "=", "A".repeat(86) + "==");
    let read = |text: &str| Credential::parse(&StoredCredential::marked(text), &LIMITS);
    assert!(read(&format!("SCRAM-SHA-256$1:AAAA${short}:{short}")).is_ok());
    assert!(read(&format!("SCRAM-SHA-512$1:AAAA${long}:{long}")).is_ok());
    for text in [
        "SCRAM-SHA-256$".to_owned(),
        format!("SCRAM-SHA-256$0:AAAA${short}:{short}"),
        format!("SCRAM-SHA-256$1:${short}:{short}"),
        format!("SCRAM-SHA-256$1:AAA${short}:{short}"),
        format!("SCRAM-SHA-256$AAAA:1${short}:{short}"),
        format!("SCRAM-SHA-256$1:AAAA${short}"),
        format!("SCRAM-SHA-256$1:AAAA${short}:{long}"),
        format!("SCRAM-SHA-512$1:AAAA${short}:{short}"),
        format!("SCRAM-SHA-256$1:AAAA${short}:{short}:{short}"),
        format!("SCRAM-SHA-256$1:AAAA${short}:{short}$"),
        format!("SCRAM-SHA-256$3000000:AAAA${short}:{short}"),
        format!("SCRAM-SHA-1$1:AAAA${short}:{short}"),
    ] {
        assert!(read(&text).is_err(), "{text}");
    }
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    use EmqxDigest::{Plain, Sha256, Sha512};
    prop_oneof![
        Just(Scheme::Marked),
        Just(Scheme::RabbitMq),
        Just(Scheme::Emqx(Plain, SaltPlace::Prefix)),
        Just(Scheme::Emqx(Sha256, SaltPlace::Suffix)),
        Just(Scheme::Emqx(Sha512, SaltPlace::Prefix)),
    ]
}

/// Text that gets past the first checks: markers, separators and things like numbers and base64.
fn nearly_right() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        prop::sample::select(MARKERS).prop_map(|(marker, _)| marker.to_owned()),
        prop::sample::select(vec![
            "$", ":", ",", "=", "m=", "t=", "p=", "ln=", "r=", "i=", "l=", "v=19$", "rounds=",
            "sha1$", "ß"
        ])
        .prop_map(str::to_owned),
        any::<u32>().prop_map(|number| number.to_string()),
        "[A-Za-z0-9+/.]{0,100}={0,2}",
    ];
    prop::collection::vec(token, 0..9).prop_map(|tokens| tokens.concat())
}

fn recipe() -> impl Strategy<Value = Recipe> {
    prop_oneof![
        (1u32..50).prop_map(|iterations| Recipe::Pbkdf2Sha512 { iterations }),
        (8u32..64, 1u32..3).prop_map(|(memory_kib, passes)| Recipe::Argon2id {
            memory_kib,
            passes,
            lanes: 1
        }),
        (1u32..50, prop::sample::select(&Mechanism::ALL)).prop_map(|(iterations, mechanism)| {
            Recipe::Scram {
                mechanism,
                iterations,
            }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![any::<String>(), nearly_right()],
        salt in prop::option::of(any::<String>()),
        scheme in any_scheme(),
    ) {
        let stored = StoredCredential {
            text: text.into(),
            salt: salt.map(Into::into),
            scheme,
        };
        for limits in [LIMITS, CLEARTEXT] {
            if let Ok(credential) = Credential::parse(&stored, &limits) {
                prop_assert!(!credential.expected.is_empty());
                prop_assert!(!credential.salts.is_empty());
            }
        }
    }

    #[test]
    fn what_is_hashed_lets_in_its_password_and_no_other(
        password in any::<Vec<u8>>(),
        wrong in any::<Vec<u8>>(),
        recipe in recipe(),
        salts in any::<([u8; 16], [u8; 16])>(),
    ) {
        let stored = hash(&password, &recipe, &Salt::new(salts.0)).unwrap();
        let credential = Credential::parse(&stored, &LIMITS).unwrap();
        prop_assert_eq!(credential.verify(&password), Match::Yes);
        if wrong != password {
            prop_assert_eq!(credential.verify(&wrong), Match::No);
        }
        let other = hash(&wrong, &recipe, &Salt::new(salts.1)).unwrap();
        let other = Credential::parse(&other, &LIMITS).unwrap();
        prop_assert_eq!(credential.cost(), other.cost());
    }
}
