//! What a message is read as.
//!
//! Must not: carry anything out; that is tested with brokers, beside the original.
#![forbid(unsafe_code)]

use super::answer::message;
use super::letter::{Glimpse, glance};
use super::verbs::{Kind, verb};

/// The names of the orders in a message, and what it says of what is none.
fn read(payload: &str) -> (Vec<String>, Option<String>) {
    let Glimpse { orders, broken } = glance(payload.as_bytes());
    (orders, broken)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn orders_are_read_up_to_what_is_none() {
    let two = r#"{"commands": [{"command": "a"}, {"command": "b"}]}"#;
    assert_eq!(read(two), (names(&["a", "b"]), None));
    for (payload, before, why) in [
        ("", &[][..], "Payload not valid JSON"),
        ("{\"commands\": [", &[], "Payload not valid JSON"),
        ("[]", &[], "Invalid/missing commands"),
        (r#"{"commands": {}}"#, &[], "Invalid/missing commands"),
        (
            r#"{"commands": [{"command": "a"}, 1, {"command": "b"}]}"#,
            &["a"],
            "Command not an object",
        ),
        (
            r#"{"commands": [{"command": "a"}, {"command": 1}]}"#,
            &["a"],
            "Missing command",
        ),
        (
            r#"{"commands": [{"command": "a", "correlationData": 1}]}"#,
            &[],
            "Invalid correlationData data type.",
        ),
    ] {
        assert_eq!(
            read(payload),
            (names(before), Some(why.to_owned())),
            "{payload}"
        );
    }
}

#[test]
fn json_that_is_nested_deeply_is_none() {
    let deep = format!(
        "{{\"commands\": {}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(read(&deep).1.as_deref(), Some("Payload not valid JSON"));
}

#[test]
fn a_verb_is_found_in_any_case_and_nothing_else_is() {
    let kind = |name| verb(name).map(|verb| (verb.name, verb.kind));
    assert_eq!(
        kind("CREATEclient"),
        Some(("createClient", Kind::SetsPassword))
    );
    assert_eq!(kind("listclients"), Some(("listClients", Kind::Asks)));
    assert_eq!(kind("deleteClient"), Some(("deleteClient", Kind::Changes)));
    for name in ["", "create", "createClient ", "createClientX"] {
        assert_eq!(kind(name), None, "{name}");
    }
}

#[test]
fn an_answer_to_nothing_is_an_empty_list() {
    assert_eq!(message(Vec::new()), br#"{"responses":[]}"#);
}
