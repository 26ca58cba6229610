//! The verbs on accounts.
#![forbid(unsafe_code)]

use super::{Database, account, actor, name, one, store};
use crate::admin::{Change, Command, Outcome, Rotation, apply};
use crate::model::{Account, StoredCredential};
use crate::store::Store as _;

fn ann(store: &mut Database) -> Account {
    store.account(&name("ann")).unwrap().unwrap()
}

#[test]
fn a_name_is_added_once() {
    let (_dir, mut store) = store();
    let again = one(&mut store, Command::Add(account("ann")));
    assert!(again.unwrap_err().contains("already"));
    assert_eq!(
        one(&mut store, Command::Put(account("ann"))),
        Ok(Outcome::Unchanged)
    );
    let other = Account {
        disabled: true,
        ..account("ann")
    };
    assert_eq!(one(&mut store, Command::Put(other)), Ok(Outcome::Changed));
    assert_eq!(
        one(&mut store, Command::Put(account("bob"))),
        Ok(Outcome::Added)
    );
}

#[test]
fn what_is_not_there_is_neither_changed_nor_deleted() {
    let (_dir, mut store) = store();
    let change = Change {
        disabled: Some(true),
        ..Change::default()
    };
    for command in [
        Command::Delete(name("eve")),
        Command::DropSecondCredential(name("eve")),
        Command::Set {
            name: name("eve"),
            change,
        },
    ] {
        assert!(one(&mut store, command).unwrap_err().contains("no account"));
    }
    assert_eq!(
        one(&mut store, Command::Delete(name("ann"))),
        Ok(Outcome::Deleted)
    );
    assert_eq!(store.account(&name("ann")).unwrap(), None);
}

#[test]
fn a_rotation_keeps_the_old_credential_until_it_is_dropped() {
    let (_dir, mut store) = store();
    let second = |rotation| Command::SetCredential {
        name: name("ann"),
        credential: StoredCredential::marked("next"),
        rotation,
    };
    assert_eq!(
        one(&mut store, second(Rotation::KeepOld)),
        Ok(Outcome::Changed)
    );
    let stored: Vec<_> = ann(&mut store)
        .credentials()
        .map(|c| c.text.to_string())
        .collect();
    assert_eq!(stored, ["next", "first"]);
    let drop = Command::DropSecondCredential(name("ann"));
    assert_eq!(one(&mut store, drop), Ok(Outcome::Changed));
    assert_eq!(ann(&mut store).credentials().count(), 1);
    for rotation in [Rotation::KeepOld, Rotation::Replace] {
        assert_eq!(one(&mut store, second(rotation)), Ok(Outcome::Changed));
    }
    assert_eq!(ann(&mut store).credentials().count(), 1);
}

#[test]
fn fields_are_set_and_cleared_one_by_one() {
    let (_dir, mut store) = store();
    let set = |change| Command::Set {
        name: name("ann"),
        change,
    };
    let networks = vec![
        "192.0.2.0/24".parse().unwrap(),
        "10.0.0.0/8".parse().unwrap(),
    ];
    let change = Change {
        client_id: Some(Some("c1".into())),
        networks: Some(networks.clone()),
        ..Change::default()
    };
    assert_eq!(one(&mut store, set(change.clone())), Ok(Outcome::Changed));
    assert_eq!(one(&mut store, set(change)), Ok(Outcome::Unchanged));
    let clear = Change {
        client_id: Some(None),
        ..Change::default()
    };
    assert_eq!(one(&mut store, set(clear)), Ok(Outcome::Changed));
    let ann = ann(&mut store);
    assert_eq!((ann.client_id, ann.networks.len()), (None, networks.len()));
}

#[test]
fn a_batch_is_carried_out_whole_or_not_at_all() {
    let (_dir, mut store) = store();
    let batch = [Command::Add(account("bob")), Command::Delete(name("eve"))];
    assert!(apply(&mut store, actor(), &batch).is_err());
    assert_eq!(store.account(&name("bob")).unwrap(), None);
    assert_eq!(
        apply(&mut store, actor(), &batch[..1]).unwrap(),
        [Outcome::Added]
    );
}

#[test]
fn a_credential_is_stored_anew_only_while_it_is_there() {
    let (_dir, mut store) = store();
    let renew = |whose, old, new| Command::Renew {
        name: name(whose),
        old: StoredCredential::marked(old),
        new: StoredCredential::marked(new),
    };
    let stored = |store: &mut Database| -> Vec<String> {
        let ann = ann(store);
        let all = ann.credentials();
        all.map(|stored| stored.text.to_string()).collect()
    };
    let (changed, unchanged) = (Ok(Outcome::Changed), Ok(Outcome::Unchanged));
    assert_eq!(one(&mut store, renew("ann", "other", "x")), unchanged);
    assert_eq!(one(&mut store, renew("eve", "first", "x")), unchanged);
    assert_eq!(one(&mut store, renew("ann", "first", "anew")), changed);
    assert_eq!(one(&mut store, renew("ann", "first", "late")), unchanged);
    let next = Command::SetCredential {
        name: name("ann"),
        credential: StoredCredential::marked("next"),
        rotation: Rotation::KeepOld,
    };
    assert_eq!(one(&mut store, next), changed);
    // Of two the one whose password was shown, and its place.
    assert_eq!(one(&mut store, renew("ann", "anew", "second")), changed);
    assert_eq!(stored(&mut store), ["next", "second"]);
}
