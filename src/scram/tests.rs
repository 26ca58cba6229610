//! The exchange of RFC 7677, its like by SHA-512, those that scramp had with itself, and everything that is none.
#![forbid(unsafe_code)]

use proptest::prelude::*;

use super::*;
use crate::mechanism::Mechanism;

fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

/// The exchange of RFC 7677, section 3: user, pencil.
const RFC: [&str; 4] = [
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
];

fn pencil(password: &[u8]) -> Keys {
    let salt = decoded("W22ZaJ0SNY7soEsUEjb6gQ==");
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, &salt, 4096, &mut salted);
    Keys::of(Mechanism::Sha256, &salted, salt, 4096)
}

/// Its first half, with these keys.
fn begun(keys: Keys) -> (Vec<u8>, Exchange) {
    let first = First::parse(RFC[0].as_bytes()).unwrap();
    Exchange::with(&first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", keys)
}

#[test]
fn the_exchange_of_rfc_7677_is_understood_and_signed() {
    let (answer, exchange) = begun(pencil(b"pencil"));
    assert_eq!(answer, RFC[1].as_bytes());
    let outcome = exchange.finish(RFC[2].as_bytes());
    assert_eq!(outcome, Ok(Outcome::Proven(RFC[3].as_bytes().to_vec())));
}

/// By SHA-512 no RFC has one. Apache Qpid's tests have this, and those of others have it from there.
#[test]
fn the_exchange_of_apache_qpid_is_understood_and_signed() {
    let [first, told, last, signed] = [
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO02431b08-2f89-4bad-a4e6-80c0564ec865,s=Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=,i=4096",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO02431b08-2f89-4bad-a4e6-80c0564ec865,p=Hc5yec3NmCD7t+kFRw4/3yD6/F3SQHc7AVYschRja+Bc3sbdjlA0eH1OjJc0DD4ghn1tnXN5/Wr6qm9xmaHt4A==",
        "v=BQuhnKHqYDwQWS5jAw4sZed+C9KFUALsbrq81bB0mh+bcUUbbMPNNmBIupnS2AmyyDnG5CTBQtkjJ9kyY4kzmw==",
    ];
    let begun = |password: &[u8]| {
        let salt = decoded("Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=");
        let mut salted = [0; 64];
        pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password, &salt, 4096, &mut salted);
        let keys = Keys::of(Mechanism::Sha512, &salted, salt, 4096);
        let first = First::parse(first.as_bytes()).unwrap();
        Exchange::with(&first, "02431b08-2f89-4bad-a4e6-80c0564ec865", keys)
    };
    let (answer, exchange) = begun(b"pencil");
    assert_eq!(answer, told.as_bytes());
    let outcome = exchange.finish(last.as_bytes());
    assert_eq!(outcome, Ok(Outcome::Proven(signed.as_bytes().to_vec())));
    let (_, exchange) = begun(b"pencils");
    assert_eq!(exchange.finish(last.as_bytes()), Ok(Outcome::Refused));
}

#[test]
fn a_proof_of_another_password_is_refused() {
    let (_, exchange) = begun(pencil(b"pencils"));
    assert_eq!(exchange.finish(RFC[2].as_bytes()), Ok(Outcome::Refused));
}

#[test]
fn every_exchange_that_scramp_had_is_repeated_to_the_letter() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/vectors/scramp.json")).unwrap();
    let rows = file["vectors"].as_array().unwrap();
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap();
        let message = |at: usize| row["messages"][at].as_str().unwrap();
        let mechanism = Mechanism::named(text("mechanism")).unwrap();
        let first = First::parse(message(0).as_bytes()).unwrap();
        assert_eq!(first.username, text("username"));
        let parts: Vec<&str> = text("text").split(['$', ':']).collect();
        let keys = |salted: &[u8]| {
            Keys::of(
                mechanism,
                salted,
                decoded(parts[2]),
                parts[1].parse().unwrap(),
            )
        };
        let salted = decoded(text("salted_password"));
        assert_eq!(*keys(&salted).stored, decoded(parts[3]));
        assert_eq!(*keys(&salted).server, decoded(parts[4]));
        let whole = message(1).strip_prefix("r=").unwrap().split(',').next();
        let ours = whole.unwrap().strip_prefix(first.nonce).unwrap();
        let (answer, exchange) = Exchange::with(&first, ours, keys(&salted));
        assert_eq!(answer, message(1).as_bytes());
        let signed = Ok(Outcome::Proven(message(3).as_bytes().to_vec()));
        assert_eq!(exchange.finish(message(2).as_bytes()), signed);
        let other = [&salted[1..], b"x"].concat();
        let (_, exchange) = Exchange::with(&first, ours, keys(&other));
        assert_eq!(exchange.finish(message(2).as_bytes()), Ok(Outcome::Refused));
    }
    assert_eq!(rows.len(), 36);
}

fn fault(first: &str) -> Option<Fault> {
    First::parse(first.as_bytes()).err()
}

#[test]
fn a_first_message_is_taken_by_the_grammar_or_not_at_all() {
    for good in [
        "n,,n=u,r=x",
        "y,,n=u,r=x",
        "n,a=u,n=u,r=x",
        "n,a=u=2C=3D,n=u=2C=3D,r=x",
        "n,,n=u,r=x,f=whatever=comes",
        "n,,n=Jürgen,r=!~",
    ] {
        assert_eq!(fault(good), None, "{good}");
    }
    for (bad, why) in [
        ("", Fault::Attributes),
        ("n", Fault::Attributes),
        ("n,", Fault::Attributes),
        ("n,,", Fault::Attributes),
        ("x,,n=u,r=x", Fault::Attributes),
        ("N,,n=u,r=x", Fault::Attributes),
        ("n=u,r=x", Fault::Attributes),
        ("n,,r=x,n=u", Fault::Attributes),
        ("n,,n=u", Fault::Attributes),
        ("n,,n=u,s=x", Fault::Attributes),
        ("n,,n=u,r=x,", Fault::Attributes),
        ("n,,n=u,r=x,r=y", Fault::Attributes),
        ("n,,n=u,r=x,ff=y", Fault::Attributes),
        ("n,,n=u,r=x,f=", Fault::Attributes),
        ("n,,n=u,r=x,\u{f6}=y", Fault::Attributes),
        ("n,u,n=u,r=x", Fault::Attributes),
        ("p=tls-exporter,,n=u,r=x", Fault::ChannelBinding),
        ("p=tls-unique,,n=u,r=x", Fault::ChannelBinding),
        ("n,,m=ext,n=u,r=x", Fault::Extension),
        ("n,,n=u,r=x,m=ext", Fault::Extension),
        ("n,,n=,r=x", Fault::Name),
        ("n,,n=u=2c,r=x", Fault::Name),
        ("n,,n=u=,r=x", Fault::Name),
        ("n,,n==,r=x", Fault::Name),
        ("n,,n=u=3,r=x", Fault::Name),
        ("n,a=,n=u,r=x", Fault::Name),
        ("n,a=v,n=u,r=x", Fault::Identity),
        ("n,,n=u,r=", Fault::Nonce),
        ("n,,n=u,r=a b", Fault::Nonce),
        ("n,,n=u,r=\u{fc}", Fault::Nonce),
        ("n,,n=u\0,r=x", Fault::NoText),
    ] {
        assert_eq!(fault(bad), Some(why), "{bad}");
    }
    assert_eq!(First::parse(b"n,,n=\xff,r=x"), Err(Fault::NoText));
    let long = |bytes: usize| format!("n,,n={},r=x", "u".repeat(bytes));
    assert_eq!(fault(&long(4_000)), None);
    assert_eq!(fault(&long(4_096)), Some(Fault::TooLong));
    assert_eq!(
        fault(&format!("n,,n=u,r={}", "x".repeat(513))),
        Some(Fault::Nonce)
    );
}

#[test]
fn a_name_is_unescaped_and_the_message_is_signed_as_it_came() {
    let first = First::parse(b"y,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=x,f=1").unwrap();
    assert_eq!(first.username, "a,b=c");
    assert_eq!(first.header, "y,a=a=2Cb=3Dc,");
    assert_eq!(first.bare, "n=a=2Cb=3Dc,r=x,f=1");
}

#[test]
fn a_last_message_belongs_to_its_exchange_or_is_none() {
    let proof = RFC[2].rsplit_once(",p=").unwrap().1;
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let right =
        |binding: &str, nonce: &str, proof: &str| format!("c={binding},r={nonce},p={proof}");
    for (bad, why) in [
        (String::new(), Fault::Attributes),
        (format!("r={nonce},c=biws,p={proof}"), Fault::Attributes),
        (format!("c=biws,r={nonce}"), Fault::Attributes),
        (format!("c=biws,r={nonce},p={proof},x=y"), Fault::Attributes),
        (format!("c=biws,r={nonce},n=u,p={proof}"), Fault::Attributes),
        (format!("c=biws,r={nonce},m=u,p={proof}"), Fault::Extension),
        (right("eSws", nonce, proof), Fault::Binding),
        (right("biws=", nonce, proof), Fault::Binding),
        (right("biwsbiws", nonce, proof), Fault::Binding),
        (right("", nonce, proof), Fault::Binding),
        (right("biws", "rOprNGfwEbeRWgbNEkqO", proof), Fault::Nonce),
        (right("biws", &format!("{nonce}x"), proof), Fault::Nonce),
        (right("biws", "", proof), Fault::Nonce),
        (right("biws", nonce, ""), Fault::Proof),
        (
            right("biws", nonce, &proof.replace("dHzb", "")),
            Fault::Proof,
        ),
        (
            right("biws", nonce, proof.trim_end_matches('=')),
            Fault::Proof,
        ),
        (right("biws", nonce, &proof.replace('+', "-")), Fault::Proof),
        (
            right("biws", nonce, &format!("{proof}{proof}")),
            Fault::Proof,
        ),
        (right("biws", nonce, &format!(" {proof}")), Fault::Proof),
        (format!("c=biws,r={nonce},p={proof}\0"), Fault::NoText),
        ("x".repeat(5_000), Fault::TooLong),
    ] {
        let (_, exchange) = begun(pencil(b"pencil"));
        assert_eq!(exchange.finish(bad.as_bytes()), Err(why), "{bad}");
    }
}

#[test]
fn what_is_signed_includes_extensions_and_the_header() {
    // A proof made for one message is none for another that says more or binds otherwise.
    let (_, exchange) = begun(pencil(b"pencil"));
    let more = RFC[2].replace(",p=", ",x=1,p=");
    assert_eq!(exchange.finish(more.as_bytes()), Ok(Outcome::Refused));
    let first = First::parse(b"y,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
    let ours = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let (_, exchange) = Exchange::with(&first, ours, pencil(b"pencil"));
    let bound = RFC[2].replace("c=biws", "c=eSws");
    assert_eq!(exchange.finish(bound.as_bytes()), Ok(Outcome::Refused));
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(first) = First::parse(&bytes) {
            prop_assert!(!first.username.is_empty() && !first.nonce.is_empty());
            let whole = [first.header, first.bare].concat();
            prop_assert_eq!(whole.as_bytes(), bytes.as_slice());
        }
        let (_, exchange) = begun(pencil_quickly());
        prop_assert!(!matches!(exchange.finish(&bytes), Ok(Outcome::Proven(_))));
    }

    #[test]
    fn one_other_byte_proves_nothing(at in 0..RFC[2].len(), byte in any::<u8>()) {
        let mut message = RFC[2].as_bytes().to_vec();
        prop_assume!(message[at] != byte);
        message[at] = byte;
        let (_, exchange) = begun(pencil_quickly());
        prop_assert!(!matches!(exchange.finish(&message), Ok(Outcome::Proven(_))));
    }

    #[test]
    fn a_first_message_made_of_its_parts_is_read(
        name in "[^\0]{1,20}",
        nonce in "[!-+\\--~]{1,30}",
        flag in "[ny]",
    ) {
        let escaped = name.replace('=', "=3D").replace(',', "=2C");
        let message = format!("{flag},,n={escaped},r={nonce}");
        let first = First::parse(message.as_bytes()).unwrap();
        prop_assert_eq!(first.username, name);
        prop_assert_eq!(first.nonce, nonce);
    }
}

/// The keys of the RFC's example, without their iterations.
fn pencil_quickly() -> Keys {
    use std::sync::OnceLock;
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| pencil(b"pencil")).clone()
}
