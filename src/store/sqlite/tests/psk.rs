//! Keys of TLS-PSK: what the watcher learns of a change of them, and what the engine finds.
#![forbid(unsafe_code)]

use super::*;
use crate::model::{Psk, PskIdentity, PskKey};
use crate::store::psk::StoredKey;

fn identity(text: &str) -> PskIdentity {
    PskIdentity::new(text).unwrap()
}

fn psk(place: &Place, name: &str, username: &str) {
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    let psk = Psk {
        identity: identity(name),
        name: AccountName::new(username).unwrap(),
        key: PskKey::from_hex(b"c0ffee").unwrap(),
    };
    change.psks().unwrap().put(&psk).unwrap();
    change.commit().unwrap();
}

#[test]
fn whatever_any_tool_does_to_a_key_is_news_of_its_account_and_a_new_one_is_none() {
    let place = Place::of(&[plain("roger"), plain("sub")]);
    let (_, mut watched) = opened(&place);
    psk(&place, "a", "roger");
    psk(&place, "b", "sub");
    assert_eq!(refresh(&mut watched), accounts(&[]));
    for (sql, whose) in [
        (
            "UPDATE psk SET key = x'01' WHERE identity = 'a'",
            &["roger"][..],
        ),
        (
            "UPDATE psk SET account_id = 2 WHERE identity = 'a'",
            &["roger", "sub"],
        ),
        (
            "UPDATE psk SET account_id = 1 WHERE identity = 'a'",
            &["roger", "sub"],
        ),
        (
            "INSERT OR REPLACE INTO psk (identity, account_id, key) VALUES ('b', 1, x'02')",
            &["sub"],
        ),
        (
            "UPDATE psk SET account_id = 2 WHERE identity = 'b'",
            &["roger", "sub"],
        ),
        (
            "UPDATE OR REPLACE psk SET identity = 'b' WHERE identity = 'a'",
            &["sub", "roger"],
        ),
        ("DELETE FROM psk", &["roger"]),
    ] {
        place.tool(sql);
        assert_eq!(refresh(&mut watched), accounts(whose), "{sql}");
    }
    psk(&place, "a", "sub");
    assert_eq!(refresh(&mut watched), accounts(&[]));
    psk(&place, "a", "roger");
    assert_eq!(refresh(&mut watched), accounts(&["sub", "roger"]));
    place.remove("roger");
    assert_eq!(refresh(&mut watched), accounts(&["roger"]));
    let (source, _) = opened(&place);
    assert!(source.psk(&identity("a")).unwrap().is_none());
}

#[test]
fn a_key_is_found_by_its_identity_to_the_letter() {
    let place = Place::of(&[plain("roger")]);
    psk(&place, "Device-7", "roger");
    let (source, _) = opened(&place);
    let found = source.psk(&identity("Device-7")).unwrap().unwrap();
    assert_eq!(found.name.as_str(), "roger");
    assert!(matches!(found.key, StoredKey::Plain(key) if *key.to_hex() == *"c0ffee"));
    for other in ["device-7", "Device-7 ", "Device"] {
        assert!(source.psk(&identity(other)).unwrap().is_none(), "{other}");
    }
    // Longer than any key: it is a row that nobody can use, and hides no other.
    place.tool("UPDATE psk SET key = zeroblob(600)");
    assert!(source.psk(&identity("Device-7")).is_err());
    let mut database = place.database();
    assert!(database.check().is_err());
}
