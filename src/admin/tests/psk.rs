//! Identities of TLS-PSK: each verb once, what is written down, and what is within a limit.
#![forbid(unsafe_code)]

use super::limits::{limited, scope};
use super::record::written;
use super::*;
use crate::admin::Error;
use crate::model::{Psk, PskIdentity, PskKey};

fn identity(text: &str) -> PskIdentity {
    PskIdentity::new(text).unwrap()
}

fn psk(name_of_key: &str, username: &str, key: &str) -> Psk {
    Psk {
        identity: identity(name_of_key),
        name: name(username),
        key: PskKey::from_hex(key.as_bytes()).unwrap(),
    }
}

#[test]
fn an_identity_is_added_once_replaced_and_taken_away() {
    let (dir, mut store) = store();
    let add = Command::AddPsk(psk("i", "ann", "c0ffee"));
    assert_eq!(one(&mut store, add.clone()), Ok(Outcome::Added));
    refused(&dir, &mut store, add, "already");
    let same = Command::PutPsk(psk("i", "ann", "C0FFEE"));
    assert_eq!(one(&mut store, same), Ok(Outcome::Unchanged));
    let other = Command::PutPsk(psk("i", "ann", "c0ffed"));
    once(&dir, &mut store, &other, Outcome::Changed);
    refused(&dir, &mut store, Command::SealPsks, "no key file");
    let delete = Command::DeletePsk(identity("i"));
    assert_eq!(one(&mut store, delete.clone()), Ok(Outcome::Deleted));
    refused(&dir, &mut store, delete, "no PSK identity");
    let nobodys = Command::AddPsk(psk("i", "bob", "c0ffee"));
    refused(&dir, &mut store, nobodys, "no account");
    assert_eq!(
        one(&mut store, Command::Add(account("bob"))),
        Ok(Outcome::Added)
    );
    let anothers = Command::AddPsk(psk("bob", "ann", "c0ffee"));
    refused(&dir, &mut store, anothers, "name of another account");
}

#[test]
fn what_is_written_down_says_whose_and_how_long_and_never_the_key() {
    let (_dir, mut store) = store();
    let add = Command::AddPsk(psk("i", "ann", "c0ffee"));
    let side = r#"{"bits":24,"identity":"i","sealed":false,"username":"ann"}"#;
    assert_eq!(written(&mut store, add), format!("addPsk ann + {side}"));
    let put = Command::PutPsk(psk("i", "ann", "c0ffed"));
    assert_eq!(
        written(&mut store, put),
        format!("modifyPsk ann - {side} + {side}")
    );
    let delete = Command::DeletePsk(identity("i"));
    assert_eq!(written(&mut store, delete), format!("deletePsk - {side}"));
}

#[test]
fn whoever_is_limited_needs_identity_and_account_within_the_limit() {
    let (_dir, mut store) = store();
    for command in [
        Command::Add(account("p-ann")),
        Command::AddPsk(psk("i", "ann", "c0ffee")),
        Command::AddPsk(psk("p-i", "ann", "c0ffee")),
    ] {
        assert_eq!(one(&mut store, command), Ok(Outcome::Added));
    }
    let scope = scope(&[]);
    let mut act = |command: &Command| limited(&mut store, &scope, command);
    assert!(matches!(
        act(&Command::AddPsk(psk("p-own", "p-ann", "c0ffee"))),
        Ok(Outcome::Added)
    ));
    let outside = [
        Command::AddPsk(psk("own", "p-ann", "c0ffee")),
        Command::AddPsk(psk("p-x", "ann", "c0ffee")),
        Command::PutPsk(psk("p-i", "p-ann", "c0ffee")),
        Command::DeletePsk(identity("i")),
        Command::DeletePsk(identity("p-i")),
        Command::SealPsks,
    ];
    for command in outside {
        let refused = act(&command);
        assert!(
            matches!(
                refused,
                Err(Error::Outside | Error::PskMissing { .. } | Error::Missing { .. })
            ),
            "{command:?}"
        );
    }
}

#[test]
fn a_command_survives_its_way_as_json_and_debug_shows_no_key() {
    let command = Command::AddPsk(psk("i", "ann", "c0ffee"));
    let json = serde_json::to_string(&command).unwrap();
    assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
    assert!(!format!("{command:?}").contains("c0ffee"));
}
