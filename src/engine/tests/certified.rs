//! Clients with certificates.
#![forbid(unsafe_code)]

use super::*;
use crate::request::Entrant;

fn known(text: &str) -> CertificateName {
    CertificateName::new(text).unwrap()
}

/// ann has a fingerprint and a name, bob a name.
fn accounts() -> Vec<Account> {
    let with = |name, certificates: &[&str]| Account {
        certificates: certificates.iter().map(|text| known(text)).collect(),
        ..account(name, "pw")
    };
    vec![
        with("ann", &[&fingerprint("a"), "dns:ann.example"]),
        with("bob", &["uri:urn:bob"]),
        account("eve", "pw"),
    ]
}

fn fingerprint(digit: &str) -> String {
    format!("sha256:{}", digit.repeat(64))
}

fn over(used: CertificateUse, sources: &[Arc<Held>], unknown_user: UnknownUser) -> Engine {
    let mut engine = engine(sources, unknown_user);
    engine.certificate = used;
    engine
}

fn connect<'a>(username: Option<&'a str>, names: &'a [CertificateName]) -> Connect<'a> {
    Connect {
        client: Client {
            certificate: match names.is_empty() {
                true => Certificate::None,
                false => Certificate::Named(names),
            },
            ..visitor(1, "c")
        },
        username,
        password: None,
        occasion: Occasion::Now,
        method: Method::Password,
    }
}

fn named(engine: &Engine, username: Option<&str>, names: &[&str]) -> Named {
    let names: Vec<_> = names.iter().map(|text| known(text)).collect();
    engine.named(&connect(username, &names))
}

fn as_ann(method: Method) -> Named {
    Named::As(AccountName::new("ann").unwrap(), method)
}

#[test]
fn a_certificate_names_whom_it_is_mapped_to_and_nobody_else() {
    let engine = over(
        CertificateUse::InsteadOfPassword,
        &[Held::with(accounts())],
        UnknownUser::Deny,
    );
    let (a, b) = (fingerprint("a"), fingerprint("b"));
    let ann = as_ann(Method::Certificate);
    for username in [None, Some("ann")] {
        assert_eq!(named(&engine, username, &[&a]), ann);
        assert_eq!(
            named(
                &engine,
                username,
                &[&b, "dns:other.example", "dns:ann.example"]
            ),
            ann
        );
        // The fingerprint counts before names, whose they may be.
        assert_eq!(named(&engine, username, &[&a, "uri:urn:bob"]), ann);
    }
    let refused = Named::Refused;
    assert_eq!(
        named(&engine, Some("bob"), &[&a]),
        refused(Reason::WrongUsername)
    );
    let both = [&*b, "uri:urn:bob", "dns:ann.example"];
    assert_eq!(named(&engine, None, &both), refused(Reason::BadCertificate));
    assert_eq!(
        named(&engine, None, &[&b]),
        refused(Reason::UnknownCertificate)
    );
    assert_eq!(named(&engine, Some("ann"), &[&b]), Named::AsItSays);
    assert_eq!(named(&engine, None, &[]), Named::AsItSays);
}

#[test]
fn what_cannot_be_read_is_refused_where_it_counts() {
    for (used, expected) in [
        (CertificateUse::Off, Named::AsItSays),
        (
            CertificateUse::InsteadOfPassword,
            Named::Refused(Reason::BadCertificate),
        ),
        (
            CertificateUse::AndPassword,
            Named::Refused(Reason::BadCertificate),
        ),
    ] {
        let engine = over(used, &[Held::with(accounts())], UnknownUser::Defer);
        let mut connect = connect(Some("eve"), &[]);
        connect.client.certificate = Certificate::Unreadable;
        assert_eq!(engine.named(&connect), expected);
    }
}

#[test]
fn whoever_is_not_known_is_left_to_others_where_that_is_said() {
    let held = Held::with(accounts());
    let engine = over(
        CertificateUse::InsteadOfPassword,
        &[Arc::clone(&held)],
        UnknownUser::Defer,
    );
    assert_eq!(named(&engine, None, &[&fingerprint("b")]), Named::AsItSays);
    held.hold(Err(()));
    let refused = Named::Refused(Reason::SourceUnavailable);
    assert_eq!(named(&engine, None, &[&fingerprint("b")]), refused);
}

#[test]
fn an_account_of_another_source_is_not_the_one_that_was_mapped() {
    let first = Held::with(vec![account("ann", "pw")]);
    let second = Held::with(accounts());
    let engine = over(
        CertificateUse::InsteadOfPassword,
        &[first, second],
        UnknownUser::Deny,
    );
    let names = [known(&fingerprint("a"))];
    assert_eq!(
        named(&engine, None, &[&fingerprint("a")]),
        as_ann(Method::Certificate)
    );
    let asked = Connect {
        method: Method::Certificate,
        ..connect(Some("ann"), &names)
    };
    assert_eq!(
        engine.connect(&asked, now()),
        Verdict::Deny(Reason::UnknownCertificate)
    );
}

#[test]
fn a_second_factor_is_asked_for_from_those_who_have_one() {
    let engine = over(
        CertificateUse::AndPassword,
        &[Held::with(accounts())],
        UnknownUser::Deny,
    );
    assert_eq!(
        named(&engine, None, &[&fingerprint("a")]),
        as_ann(Method::Password)
    );
    let names = [known(&fingerprint("a"))];
    let ask = |username, names, password: &'static [u8]| {
        let asked = Connect {
            password: Some(password),
            ..connect(Some(username), names)
        };
        engine.connect(&asked, now())
    };
    assert_eq!(ask("ann", &names, b"pw"), Verdict::Allow);
    assert_eq!(
        ask("ann", &names, b"no"),
        Verdict::Deny(Reason::BadPassword)
    );
    assert_eq!(
        ask("ann", &[], b"pw"),
        Verdict::Deny(Reason::UnknownCertificate)
    );
    assert_eq!(ask("ann", &[], b"no"), Verdict::Deny(Reason::BadPassword));
    assert_eq!(ask("eve", &[], b"pw"), Verdict::Allow);
}

#[test]
fn whoever_the_broker_let_in_stays_or_goes_by_its_account() {
    let entered = |used, unknown, username, certificate: Certificate<'_>| {
        let engine = over(used, &[Held::with(accounts())], unknown);
        let entrant = Entrant {
            username,
            client_id: "c",
            address: Address::new(Some("192.0.2.1")),
            listener: None,
            certificate,
        };
        let entered = engine.entered(ConnectionId(1), &entrant, now());
        let ends = kicked(&engine);
        assert_eq!(entered.is_err(), ends == [1], "{entered:?} {ends:?}");
        entered
    };
    let (off, instead, both) = (
        CertificateUse::Off,
        CertificateUse::InsteadOfPassword,
        CertificateUse::AndPassword,
    );
    let (defer, deny) = (UnknownUser::Defer, UnknownUser::Deny);
    let unread = Certificate::Unread;
    assert_eq!(entered(off, deny, "ann", unread), Ok(()));
    assert_eq!(
        entered(off, deny, "nobody", unread),
        Err(Reason::UnknownUser)
    );
    assert_eq!(entered(off, defer, "nobody", unread), Ok(()));
    assert_eq!(entered(off, deny, "nobody", Certificate::None), Ok(()));
    let (a, b) = ([known(&fingerprint("a"))], [known(&fingerprint("b"))]);
    let (a, b) = (Certificate::Named(&a), Certificate::Named(&b));
    assert_eq!(entered(instead, deny, "ann", a), Ok(()));
    assert_eq!(
        entered(instead, deny, "ann", b),
        Err(Reason::UnknownCertificate)
    );
    assert_eq!(entered(instead, deny, "eve", b), Ok(()));
    assert_eq!(entered(instead, deny, "eve", a), Err(Reason::WrongUsername));
    assert_eq!(
        entered(instead, defer, "nobody", a),
        Err(Reason::WrongUsername)
    );
    assert_eq!(
        entered(instead, deny, "ann", Certificate::Unreadable),
        Err(Reason::BadCertificate)
    );
    assert_eq!(entered(both, deny, "ann", a), Err(Reason::NoPassword));
    assert_eq!(entered(both, deny, "eve", b), Ok(()));
}

#[test]
fn whoever_the_broker_named_by_a_certificate_of_nobodys_goes_when_its_account_gets_one() {
    for (used, goes) in [
        (CertificateUse::Off, false),
        (CertificateUse::InsteadOfPassword, true),
        (CertificateUse::AndPassword, true),
    ] {
        let held = Held::with(accounts());
        let engine = over(used, &[Arc::clone(&held)], UnknownUser::Deny);
        let names = [known(&fingerprint("b"))];
        let entrant = Entrant {
            username: "eve",
            client_id: "c",
            address: Address::new(Some("192.0.2.1")),
            listener: None,
            certificate: Certificate::Named(&names),
        };
        assert_eq!(engine.entered(ConnectionId(1), &entrant, now()), Ok(()));
        let eve = vec![AccountName::new("eve").unwrap()];
        let mut changes = accounts();
        changes[2].credential = Some(stored("new"));
        held.hold(Ok(changes.clone()));
        engine.review(&changed(eve.clone()), Timestamp::UNIX_EPOCH);
        assert!(kicked(&engine).is_empty());
        changes[2].certificates = vec![known("dns:eve.example")];
        held.hold(Ok(changes));
        engine.review(&changed(eve), Timestamp::UNIX_EPOCH);
        assert_eq!(!kicked(&engine).is_empty(), goes, "{used:?}");
    }
}

#[test]
fn a_mapping_that_is_gone_ends_who_came_by_it() {
    let held = Held::with(accounts());
    let engine = over(
        CertificateUse::InsteadOfPassword,
        &[Arc::clone(&held)],
        UnknownUser::Deny,
    );
    let names = [known(&fingerprint("a"))];
    let asked = Connect {
        method: Method::Certificate,
        ..connect(Some("ann"), &names)
    };
    assert_eq!(engine.connect(&asked, now()), Verdict::Allow);
    let (_, sessions) = engine.connected(None, None, 0, 9);
    assert_eq!(
        sessions.first().map(|session| session.by),
        Some(Proof::Certificate)
    );
    let ann = vec![AccountName::new("ann").unwrap()];
    // Another of its certificates, and its password, are nothing to whoever came by this one.
    let mut changes = accounts();
    changes[0].certificates.pop();
    changes[0].credential = Some(stored("new"));
    held.hold(Ok(changes.clone()));
    engine.review(&changed(ann.clone()), Timestamp::UNIX_EPOCH);
    assert!(kicked(&engine).is_empty());
    changes[0].certificates = vec![known("dns:ann.example")];
    held.hold(Ok(changes));
    engine.review(&changed(ann), Timestamp::UNIX_EPOCH);
    assert_eq!(kicked(&engine), [1]);
}
