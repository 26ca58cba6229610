//! Tokens of the RFCs, tokens that PyJWT signed, and tokens that nobody may take.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::model::AccountName;

const HS: &str = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
const RS: &str = r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;
const ES: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const ED: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// RFC 7515, A.1 to A.3.
const HS_TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const RS_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const ES_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 7520, section 4.2 and figure 3.
const PS_TOKEN: &str = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
const BILBO: &str = r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"}"#;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn keys(text: &str) -> Vec<Arc<[Key]>> {
    vec![public_keys(text.as_bytes()).unwrap().into()]
}

/// The issuer is the user, in the RFC's tokens.
fn of_joe() -> Jwt {
    Jwt {
        username: "iss".to_owned(),
        ..Jwt::standard()
    }
}

fn verify(token: &str, keys: &[Arc<[Key]>], wanted: &Jwt, now: i64) -> Result<Claims, Fault> {
    Parsed::read(token.as_bytes())?.verify(keys, wanted, at(now))
}

#[test]
fn the_tokens_of_the_rfcs_are_right_and_good_until_they_end() {
    for (key, token) in [(HS, HS_TOKEN), (RS, RS_TOKEN), (ES, ES_TOKEN)] {
        let claims = verify(token, &keys(key), &of_joe(), 1_300_000_000).unwrap();
        assert_eq!(claims.username.as_str(), "joe");
        assert_eq!(claims.until, Some(at(1_300_819_380)));
        let late = verify(token, &keys(key), &of_joe(), 1_300_819_390);
        assert_eq!(late, Err(Fault::Expired));
        for other in [HS, RS, ES, ED].into_iter().filter(|other| *other != key) {
            let wrong = verify(token, &keys(other), &of_joe(), 1_300_000_000);
            assert_eq!(wrong, Err(Fault::NotTheKeys));
        }
    }
    // RFC 8037, A.4: what is signed there are no claims.
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = decoded(
        b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
    let key = &public_keys(ED.as_bytes()).unwrap()[0];
    let signature = signature.unwrap();
    assert!(key.verify(Algorithm::EdDsa, signed, &signature));
    assert!(!key.verify(Algorithm::EdDsa, &signed[1..], &signature));
    assert!(!key.verify(Algorithm::Es256, signed, &signature));
    // Nor there.
    let key = &public_keys(BILBO.as_bytes()).unwrap()[0];
    let (signed, signature) = PS_TOKEN.rsplit_once('.').unwrap();
    let signature = decoded(signature.as_bytes()).unwrap();
    let signed = signed.as_bytes();
    assert!(key.verify(Algorithm::Ps384, signed, &signature));
    assert!(!key.verify(Algorithm::Ps384, &signed[1..], &signature));
    for other in [Algorithm::Ps256, Algorithm::Ps512, Algorithm::Rs384] {
        assert!(!key.verify(other, signed, &signature), "{other}");
    }
    let read = verify(PS_TOKEN, &keys(BILBO), &of_joe(), 1_300_000_000);
    assert_eq!(read, Err(Fault::Json));
}

#[test]
fn what_others_found_out_of_a_signature_is_believed_of_keys_that_are_there() {
    let (right, other) = (keys(RS), keys(ES));
    let read = || Parsed::read(RS_TOKEN.as_bytes()).unwrap();
    assert!(read().is_worth_a_thread());
    let secret = Parsed::read(HS_TOKEN.as_bytes()).unwrap();
    assert!(!secret.is_worth_a_thread());
    let (unproven, signers) = read().divide(&right, &of_joe()).unwrap();
    let found = |token: &str| signers.iter().position(|key| key.signed(token.as_bytes()));
    assert_eq!(found(RS_TOKEN), Some(0));
    let spoilt = RS_TOKEN.replace(".cC4h", ".cC4i");
    for token in [&*spoilt, HS_TOKEN, ES_TOKEN, "", ".", "a.b.c"] {
        assert_eq!(found(token), None, "{token}");
    }
    let judged = |signer, keys: &_, now| {
        let claims = unproven.verified(signer, keys, &of_joe(), at(now));
        claims.map(|claims| claims.username)
    };
    let joe = AccountName::new("joe").unwrap();
    assert_eq!(judged(Some(0), &right, 1_300_000_000), Ok(joe));
    let late = judged(Some(0), &right, 1_300_819_390);
    assert_eq!(late, Err(Fault::Expired));
    for signer in [None, Some(1)] {
        let nobody = judged(signer, &right, 1_300_000_000);
        assert_eq!(nobody, Err(Fault::Signature));
    }
    let withdrawn = judged(Some(0), &other, 1_300_000_000);
    assert_eq!(withdrawn, Err(Fault::NoKey));
    // What is wrong whoever signed it is not asked of anybody.
    let other = read().divide(&other, &of_joe());
    assert_eq!(other.err(), Some(Fault::NotTheKeys));
}

#[derive(Deserialize)]
struct Vectors {
    keys: BTreeMap<String, String>,
    tokens: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    key: String,
    alg: String,
    token: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../tests/vectors/pyjwt.json")).unwrap()
}

impl Vectors {
    fn key(&self, name: &str) -> Vec<Arc<[Key]>> {
        let read = match name {
            "secret" => secret_key,
            _ => public_keys,
        };
        vec![read(self.keys[name].as_bytes()).unwrap().into()]
    }

    fn token(&self, algorithm: &str) -> &str {
        let mut tokens = self.tokens.iter();
        let signed =
            |one: &&Vector| one.alg == algorithm && (one.alg != "HS256" || one.key == "secret");
        &tokens.find(signed).unwrap().token
    }
}

fn of_ann() -> Jwt {
    Jwt {
        issuer: Some("https://id.example.org/".to_owned()),
        audiences: vec!["mqtt".to_owned()],
        roles: Some("realm_access.roles".to_owned()),
        acl: Some("acl".to_owned()),
        ..Jwt::standard()
    }
}

const WITHIN: i64 = 1_900_000_100;

#[test]
fn what_pyjwt_signs_is_verified_by_its_key_and_by_no_other_for_every_algorithm() {
    let vectors = vectors();
    for known in Algorithm::ALL {
        let token = vectors.token(known.name());
        let vector = vectors
            .tokens
            .iter()
            .find(|one| one.token == token)
            .unwrap();
        let names: &[String] = &match &*vector.key {
            "secret" => vec!["secret".to_owned()],
            name => vec![format!("{name}.pem"), format!("{name}.jwk")],
        };
        for name in names {
            let claims = verify(token, &vectors.key(name), &of_ann(), WITHIN).unwrap();
            assert_eq!(claims.username.as_str(), "ann");
            assert_eq!(*claims.roles, ["reader".into(), "writer".into()]);
            let acl = claims.acl.unwrap();
            assert_eq!(*acl.publish, ["chat".into(), "%c/up".into()]);
            assert_eq!(*acl.subscribe, ["chat".into(), "%u/down/#".into()]);
        }
        for other in vectors.keys.keys().filter(|name| !names.contains(name)) {
            let wrong = verify(token, &vectors.key(other), &of_ann(), WITHIN);
            let wrong = wrong.unwrap_err();
            assert!(matches!(
                wrong,
                Fault::NotTheKeys | Fault::Signature | Fault::NoKey
            ));
        }
        // One changed byte anywhere.
        for at in (0..token.len()).step_by(7) {
            let mut changed = token.as_bytes().to_vec();
            changed[at] ^= 1;
            let read = Parsed::read(&changed);
            let read = read
                .and_then(|token| token.verify(&keys_of(&vectors), &of_ann(), self::at(WITHIN)));
            assert!(read.is_err(), "{known} {at}");
        }
    }
}

fn keys_of(vectors: &Vectors) -> Vec<Arc<[Key]>> {
    let names = vectors.keys.keys();
    names.flat_map(|name| vectors.key(name)).collect()
}

/// A token with this header and these claims, and the secret's own signature.
fn signed(header: &str, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(header), encode(claims));
    let jwk: serde_json::Value = serde_json::from_str(HS).unwrap();
    let secret = URL_SAFE_NO_PAD.decode(jwk["k"].as_str().unwrap()).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
    let signature = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn with(header: &str, claims: &str, wanted: &Jwt) -> Result<Claims, Fault> {
    verify(&signed(header, claims), &keys(HS), wanted, 1_000)
}

/// Claims with a right signature.
fn claims(claims: &str, wanted: &Jwt) -> Result<Claims, Fault> {
    with(r#"{"alg":"HS256"}"#, claims, wanted)
}

#[test]
fn a_token_that_is_not_signed_is_refused_whatever_none_is_called() {
    let vectors = vectors();
    let unsigned = vectors.token("none");
    let all = keys_of(&vectors);
    assert_eq!(
        verify(unsigned, &all, &of_ann(), WITHIN),
        Err(Fault::Algorithm)
    );
    for name in ["none", "None", "NONE", "nOnE", "", "HS256 ", "hs256", "RS1"] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        assert_eq!(
            with(&header, "{}", &of_joe()),
            Err(Fault::Algorithm),
            "{name}"
        );
    }
    assert_eq!(with("{}", "{}", &of_joe()), Err(Fault::Algorithm));
    assert_eq!(with(r#"{"alg":7}"#, "{}", &of_joe()), Err(Fault::Claim));
}

#[test]
fn a_public_key_is_never_a_secret() {
    let vectors = vectors();
    let confused = vectors
        .tokens
        .iter()
        .find(|one| one.key == "rsa" && one.alg == "HS256");
    let confused = &confused.unwrap().token;
    let wrong = verify(confused, &vectors.key("rsa.pem"), &of_ann(), WITHIN);
    assert_eq!(wrong, Err(Fault::NotTheKeys));
    // Nor where it is put among the secrets.
    for name in ["rsa.pem", "rsa.jwk", "p256.pem"] {
        let public = secret_key(vectors.keys[name].as_bytes());
        assert_eq!(public.unwrap_err(), KeysError::Public, "{name}");
    }
    let pem = vectors.keys["ed25519.pem"].lines().nth(1).unwrap();
    let der = base64::engine::general_purpose::STANDARD
        .decode(pem)
        .unwrap();
    assert_eq!(secret_key(&der).unwrap_err(), KeysError::Public);
    let pem = &vectors.keys["rsa.pem"];
    let rest = "A".repeat(64);
    for public in [
        format!("Subject: CN=issuer\n{pem}"),
        format!("\u{feff}{pem}"),
        format!("\r\n{pem}"),
        format!("\n \t{HS}"),
        format!("\u{feff}{HS}"),
        format!("\u{feff}\n{HS}"),
        format!("ssh-ed25519 {rest} joe"),
        format!(" ssh-rsa {rest}"),
        format!("ecdsa-sha2-nistp256 {rest} joe"),
        format!("sk-ssh-ed25519@openssh.com {rest}"),
        format!("sk-ecdsa-sha2-nistp256@openssh.com {rest}"),
    ] {
        let secret = secret_key(public.as_bytes());
        assert_eq!(secret.unwrap_err(), KeysError::Public, "{public}");
    }
    // What only holds such a word is somebody's secret.
    for secret in [format!("my-ssh-{rest}"), format!("BEGIN {rest}"), rest] {
        assert!(secret_key(secret.as_bytes()).is_ok(), "{secret}");
    }
}

#[test]
fn what_a_token_says_of_its_own_key_is_not_looked_at() {
    let header = format!(r#"{{"alg":"HS256","jwk":{HS},"jku":"https://evil.example/","kid":"x"}}"#);
    let token = signed(&header, r#"{"iss":"joe","exp":2000}"#);
    assert_eq!(
        verify(&token, &keys(RS), &of_joe(), 1_000),
        Err(Fault::NotTheKeys)
    );
    assert!(
        verify(&token, &keys(HS), &of_joe(), 1_000).is_ok(),
        "a key without a name"
    );
}

#[test]
fn an_unknown_name_of_a_key_is_refused_and_a_known_one_decides() {
    let named = |kid: &str, key: &str| key.replace('{', &format!(r#"{{"kid":"{kid}","#));
    let set = format!(r#"{{"keys":[{},{}]}}"#, named("a", HS), named("b", RS));
    let header = |kid: &str| format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
    let ask = |kid: &str| {
        let token = signed(&header(kid), r#"{"iss":"joe","exp":2000}"#);
        verify(&token, &keys(&set), &of_joe(), 1_000)
    };
    assert!(ask("a").is_ok());
    assert_eq!(ask("b"), Err(Fault::NotTheKeys));
    assert_eq!(ask("c"), Err(Fault::NoKey));
    assert_eq!(claims("{}", &of_joe()).unwrap_err(), Fault::NoEnd);
    let nobody = verify(HS_TOKEN, &[], &of_joe(), 1_000);
    assert_eq!(nobody, Err(Fault::NoKey));
}

#[test]
fn extensions_that_must_be_understood_are_refused() {
    for crit in [r#"["b64"]"#, "[]", "null", r#""exp""#] {
        let header = format!(r#"{{"alg":"HS256","crit":{crit},"b64":false}}"#);
        let refused = with(&header, r#"{"iss":"joe","exp":2000}"#, &of_joe());
        assert_eq!(refused, Err(Fault::Critical), "{crit}");
    }
}

#[test]
fn what_is_too_long_or_too_deep_is_refused_before_its_signature_is_looked_at() {
    let long = format!(r#"{{"iss":"joe","exp":2000,"x":"{}"}}"#, "x".repeat(11_000));
    assert!(claims(&long, &of_joe()).is_ok());
    let long = format!(r#"{{"iss":"joe","exp":2000,"x":"{}"}}"#, "x".repeat(13_000));
    assert_eq!(claims(&long, &of_joe()), Err(Fault::TooLong));
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"iss":"joe","exp":2000,"x":{open}{close}}}"#)
    };
    assert!(claims(&deep(15), &of_joe()).is_ok());
    assert_eq!(claims(&deep(16), &of_joe()), Err(Fault::TooDeep));
    assert_eq!(claims(&deep(6_000), &of_joe()), Err(Fault::TooDeep));
    let deep = format!(r#"{{"alg":"HS256","x":{}}}"#, deep(20));
    assert_eq!(with(&deep, "{}", &of_joe()), Err(Fault::TooDeep));
}

#[test]
fn what_is_no_token_is_told_from_a_password() {
    for token in [HS_TOKEN, RS_TOKEN, "eyJhIjp9.e30.", "e30..", "e30.x.y"] {
        assert!(looks_like_one(token.as_bytes()), "{token}");
    }
    for other in [
        "",
        "pw",
        "a.b.c",
        "eyJhbGciOiJIUzI1NiJ9.e30",
        "eyJhbGciOiJIUzI1NiJ9.e30.x.y.z",
        "eyJhbGciOiJIUzI1NiJ9.e30.x=",
        "eyJhbGciOiJIUzI1NiJ9.e30.x\n",
        "example.org.x",
        "eyJ..",
    ] {
        assert!(!looks_like_one(other.as_bytes()), "{other}");
    }
    for broken in [
        "eyJ9.e30.",
        "eyJhbGciOiJub25lIn0.e30.A",
        "eyJ.e30.AA",
        "..",
        "eyJhIjp9.e30.",
    ] {
        assert!(Parsed::read(broken.as_bytes()).is_err(), "{broken}");
    }
    for twice in [
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
    ] {
        assert_eq!(with(twice, "{}", &of_joe()), Err(Fault::Twice));
    }
    let twice = claims(r#"{"iss":"joe","exp":1,"exp":2000}"#, &of_joe());
    assert_eq!(twice, Err(Fault::Twice));
}

#[test]
fn times_hold_within_the_leeway_and_are_numbers() {
    let wanted = of_joe();
    let ask = |text: &str| claims(&format!(r#"{{"iss":"joe",{text}}}"#), &wanted);
    let until = |text: &str| ask(text).map(|claims| claims.until.map(Timestamp::as_second));
    assert_eq!(until(r#""exp":1001"#), Ok(Some(1_001)));
    assert_eq!(
        until(r#""exp":1000.7"#),
        Ok(Some(1_010)),
        "within the leeway"
    );
    assert_eq!(until(r#""exp":991"#), Ok(Some(1_001)));
    assert_eq!(ask(r#""exp":990"#), Err(Fault::Expired));
    assert_eq!(ask(r#""exp":-5"#), Err(Fault::Expired));
    assert!(ask(r#""exp":2000,"nbf":1010,"iat":1010"#).is_ok());
    assert_eq!(ask(r#""exp":2000,"nbf":1011"#), Err(Fault::Early));
    assert_eq!(ask(r#""exp":2000,"iat":1011"#), Err(Fault::Early));
    for wrong in [
        r#""exp":"2000""#,
        r#""exp":null"#,
        r#""exp":true"#,
        r#""exp":[2000]"#,
        r#""exp":1e300"#,
        r#""exp":99999999999999"#,
        r#""exp":2000,"nbf":"0""#,
        r#""exp":2000,"iat":{}"#,
    ] {
        assert_eq!(ask(wrong), Err(Fault::Claim), "{wrong}");
    }
}

#[test]
fn an_end_is_asked_for_unless_it_is_said_otherwise_and_may_not_be_far() {
    let without = Jwt {
        needs_end: false,
        ..of_joe()
    };
    let eternal = r#"{"iss":"joe"}"#;
    assert_eq!(claims(eternal, &of_joe()), Err(Fault::NoEnd));
    assert_eq!(claims(eternal, &without).unwrap().until, None);
    let short = Jwt {
        longest: Some(Duration::from_secs(60)),
        ..without
    };
    assert_eq!(claims(eternal, &short), Err(Fault::NoEnd));
    assert!(claims(r#"{"iss":"joe","exp":1060}"#, &short).is_ok());
    assert!(claims(r#"{"iss":"joe","iat":990,"exp":1050}"#, &short).is_ok());
    for long in [
        r#""exp":1061"#,
        r#""iat":990,"exp":1051"#,
        r#""iat":0,"exp":1010"#,
    ] {
        let text = format!(r#"{{"iss":"joe",{long}}}"#);
        assert_eq!(claims(&text, &short), Err(Fault::TooLongLived), "{long}");
    }
}

#[test]
fn a_token_of_another_issuer_or_for_somebody_else_is_refused() {
    let mut wanted = Jwt {
        issuer: Some("https://a".to_owned()),
        ..Jwt::standard()
    };
    let ask = |text: &str, wanted: &Jwt| {
        let all = format!(r#"{{"sub":"joe","exp":2000,{text}}}"#);
        claims(&all, wanted).map(|_| ())
    };
    assert_eq!(ask(r#""iss":"https://a""#, &wanted), Ok(()));
    assert_eq!(ask(r#""iss":"https://a/""#, &wanted), Err(Fault::Issuer));
    assert_eq!(ask(r#""x":1"#, &wanted), Err(Fault::Issuer));
    assert_eq!(ask(r#""iss":["https://a"]"#, &wanted), Err(Fault::Claim));
    wanted.issuer = None;
    assert_eq!(
        ask(r#""aud":"mqtt""#, &wanted),
        Err(Fault::Audience),
        "it is for somebody"
    );
    wanted.audiences = vec!["mqtt".to_owned(), "broker".to_owned()];
    for good in [r#""aud":"mqtt""#, r#""aud":["x","broker"]"#] {
        assert_eq!(ask(good, &wanted), Ok(()), "{good}");
    }
    for bad in [
        r#""x":1"#,
        r#""aud":"MQTT""#,
        r#""aud":[]"#,
        r#""aud":["x"]"#,
    ] {
        assert_eq!(ask(bad, &wanted), Err(Fault::Audience), "{bad}");
    }
    for odd in [
        r#""aud":7"#,
        r#""aud":null"#,
        r#""aud":["mqtt",7]"#,
        r#""aud":{"mqtt":1}"#,
    ] {
        assert_eq!(ask(odd, &wanted), Err(Fault::Claim), "{odd}");
    }
}

#[test]
fn names_roles_and_topics_are_what_they_should_be_or_refused() {
    let wanted = Jwt {
        roles: Some("roles".to_owned()),
        acl: Some("acl".to_owned()),
        ..Jwt::standard()
    };
    let ask = |text: &str| claims(&format!(r#"{{"exp":2000,{text}}}"#), &wanted);
    for (text, fault) in [
        (r#""x":1"#, Fault::Username),
        (r#""sub":"""#, Fault::Username),
        (r#""sub":"a\u0000b""#, Fault::Username),
        (r#""sub":7"#, Fault::Claim),
        (r#""sub":"a","roles":7"#, Fault::Roles),
        (r#""sub":"a","roles":["x",7]"#, Fault::Roles),
        (r#""sub":"a","roles":null"#, Fault::Roles),
        (r#""sub":"a","acl":[]"#, Fault::Acl),
        (r#""sub":"a","acl":{"pub":"x"}"#, Fault::Acl),
        (r#""sub":"a","acl":{"deny":["x"]}"#, Fault::Acl),
        (r#""sub":"a","acl":{"pub":[7]}"#, Fault::Acl),
    ] {
        assert_eq!(ask(text).unwrap_err(), fault, "{text}");
    }
    let many = format!(r#""sub":"a","roles":"{}""#, "r ".repeat(257));
    assert_eq!(ask(&many).unwrap_err(), Fault::Roles);
    let scope = ask(r#""sub":"a","roles":"x  y""#).unwrap();
    assert_eq!(*scope.roles, ["x".into(), "y".into()]);
    assert_eq!(scope.acl, None);
}

#[test]
fn an_algorithm_that_is_not_allowed_is_refused_though_a_key_is_for_it() {
    let allowed = |algorithms: &[Algorithm]| Jwt {
        algorithms: algorithms.to_vec(),
        ..of_joe()
    };
    let ask = |wanted: &Jwt| verify(RS_TOKEN, &keys(RS), wanted, 1_300_000_000).map(|_| ());
    assert_eq!(ask(&allowed(&[Algorithm::Rs256])), Ok(()));
    let others = [Algorithm::Ps256, Algorithm::Es256];
    assert_eq!(ask(&allowed(&others)), Err(Fault::NotAllowed));
    let only = RS.replace('{', r#"{"alg":"PS256","#);
    let narrow = verify(RS_TOKEN, &keys(&only), &of_joe(), 1_300_000_000);
    assert_eq!(narrow.map(|_| ()), Err(Fault::NotTheKeys));
}

#[test]
fn keys_that_cannot_be_used_are_passed_over_or_refused() {
    let error = |text: &str| {
        public_keys(text.as_bytes())
            .map(|keys| keys.len())
            .unwrap_err()
    };
    assert_eq!(error(""), KeysError::Nothing);
    assert_eq!(error("secret"), KeysError::Nothing);
    assert_eq!(error("{"), KeysError::Damaged);
    assert_eq!(error(r#"{"keys":[]}"#), KeysError::Unusable);
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(error(private), KeysError::Private);
    assert_eq!(error(&RS.replace('{', r#"{"d":"AA","#)), KeysError::Private);
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(error(certificate), KeysError::Certificate);
    let cut = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    assert_eq!(error(cut), KeysError::Unusable);
    assert_eq!(error("-----BEGIN PUBLIC KEY-----\nA\n"), KeysError::Damaged);
    for odd in [
        RS.replace("\"AQAB\"", "\"\""),
        RS.replace("ofgWCuLj", ""),
        ES.replace("P-256", "P-384"),
        ES.replace('{', r#"{"use":"enc","#),
        ES.replace('{', r#"{"key_ops":["sign"],"#),
        ES.replace('{', r#"{"alg":"RS256","#),
        ED.replace("Ed25519", "X25519"),
        r#"{"kty":"oct","k":"c2hvcnQ"}"#.to_owned(),
    ] {
        assert_eq!(error(&odd), KeysError::Unusable, "{odd}");
        let beside = format!(r#"{{"keys":[{odd},{ES}]}}"#);
        assert_eq!(public_keys(beside.as_bytes()).unwrap().len(), 1, "{odd}");
    }
    // A secret that is published is none.
    let both = format!(r#"{{"keys":[{HS},{ES}]}}"#);
    assert_eq!(public_keys(both.as_bytes()).unwrap().len(), 2);
    assert_eq!(published_keys(both.as_bytes()).unwrap().len(), 1);
    assert_eq!(secret_key(&[b'x'; 31]).unwrap_err(), KeysError::Short);
}

#[test]
fn a_secret_is_its_file_but_for_a_line_break_and_is_never_shown() {
    let id = |bytes: &[u8]| secret_key(bytes).unwrap()[0].id();
    let secret = b"0123456789abcdef0123456789abcdef";
    assert_eq!(id(secret), id(&[&secret[..], b"\n"].concat()));
    assert_eq!(id(secret), id(&[&secret[..], b"\r\n"].concat()));
    assert_ne!(id(secret), id(&[&secret[..], b"\n\n"].concat()));
    let shown = format!("{:?}", secret_key(secret).unwrap());
    assert!(
        !shown.contains("0123") && !shown.contains("48, 49"),
        "{shown}"
    );
    // It is for the hashes that are no longer than it.
    let key = &secret_key(secret).unwrap()[0];
    assert!(key.verifies(Algorithm::Hs256) && !key.verifies(Algorithm::Hs384));
}

proptest! {
    #[test]
    fn nothing_that_anybody_writes_is_a_good_token(
        header in "[{}a-z0-9\":,\\[\\]]{0,40}",
        payload in "\\PC{0,80}",
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let token = format!("{}.{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()), encode(&signature));
        let header = encode(br#"{"alg":"ES256"}"#);
        let known = format!("{header}.{}.{}", encode(payload.as_bytes()), encode(&signature));
        for token in [token, known] {
            prop_assert!(verify(&token, &keys(ES), &of_joe(), 1_000).is_err());
        }
    }
}
