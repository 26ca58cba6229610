//! How many there are, and what they are called.
#![forbid(unsafe_code)]

use super::*;
use crate::model::{GroupName, RoleName};
use crate::store::{Page, Totals};

fn page(offset: u64, count: Option<u64>) -> Page {
    Page { offset, count }
}

#[test]
fn names_come_by_their_bytes_and_page_by_page() {
    let place = Place::of(&["b", "a", "Z", "ä", "a/b"].map(plain));
    place.tool("INSERT INTO role (rolename) VALUES ('r'), ('R')");
    place.tool("INSERT INTO account_group (groupname) VALUES ('g'), ('G')");
    let mut database = place.database();
    let mut roles = database.roles().unwrap();
    let mut names = |page| roles.account_names(page).unwrap();
    assert_eq!(names(Page::ALL), ["Z", "a", "a/b", "b", "ä"].map(name));
    assert_eq!(names(page(1, Some(2))), ["a", "a/b"].map(name));
    assert_eq!(names(page(4, None)), ["ä"].map(name));
    for nothing in [page(5, None), page(u64::MAX, None), page(0, Some(0))] {
        assert_eq!(names(nothing), []);
    }
    assert_eq!(names(page(0, Some(u64::MAX))).len(), 5);
    let both = roles.role_names(Page::ALL).unwrap();
    assert_eq!(both, ["R", "r"].map(|name| RoleName::new(name).unwrap()));
    let second = roles.group_names(page(1, Some(1))).unwrap();
    assert_eq!(second, [GroupName::new("g").unwrap()]);
    let totals = Totals {
        accounts: 5,
        groups: 2,
        roles: 2,
        changes: 0,
    };
    assert_eq!(roles.totals().unwrap(), totals);
}

#[test]
fn a_page_of_accounts_shows_what_each_one_shows_by_itself() {
    let place = Place::of(&["b", "a", "Z", "a/b", "none"].map(plain));
    place.tool(
        "UPDATE account SET disabled = 1, textname = 'A', client_id = 'c' WHERE username = 'a'",
    );
    place.tool("INSERT INTO role (id, rolename) VALUES (1, 'r'), (2, 'first'), (3, 'last')");
    place.tool("INSERT INTO account_group (id, groupname) VALUES (1, 'g'), (2, 'early')");
    place.tool(
        "INSERT INTO account_role (account_id, role_id, priority)
         SELECT id, role.column1, role.column2 FROM account, (VALUES (1, 0), (2, 7), (3, -1)) AS role
         WHERE username IN ('a', 'b')",
    );
    place.tool(
        "INSERT INTO group_member (account_id, group_id, priority)
         SELECT id, 1, 0 FROM account UNION SELECT id, 2, 1 FROM account WHERE username = 'Z'",
    );
    let mut database = place.database();
    for wanted in [Page::ALL, page(1, Some(2)), page(4, Some(9)), page(9, None)] {
        let mut roles = database.roles().unwrap();
        let listed = roles.listed(wanted).unwrap();
        let names: Vec<_> = listed.iter().map(|one| one.name.clone()).collect();
        assert_eq!(names, roles.account_names(wanted).unwrap());
        for one in &listed {
            assert_eq!(one.holdings, roles.holdings(&one.name).unwrap());
        }
        drop(roles);
        for one in listed {
            let account = database.account(&one.name).unwrap().unwrap();
            assert_eq!(one.client_id, account.client_id);
            assert_eq!(one.textname, account.textname);
            assert_eq!(one.textdescription, account.textdescription);
            assert_eq!(one.disabled, account.disabled);
        }
    }
    place.tool("INSERT INTO account (username) VALUES ('b' || char(10))");
    let error = database.roles().unwrap().listed(Page::ALL).unwrap_err();
    assert!(error.to_string().contains("account \"b\\n\": "), "{error}");
}

#[test]
fn a_name_that_is_none_is_told_with_its_kind() {
    let place = Place::of(&[plain("a")]);
    place.tool("INSERT INTO account (username) VALUES ('b' || char(10))");
    let mut database = place.database();
    let mut roles = database.roles().unwrap();
    let error = roles.account_names(Page::ALL).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }));
    assert!(error.to_string().contains("account \"b\\n\": "), "{error}");
    assert_eq!(
        roles.account_names(page(0, Some(1))).unwrap(),
        [name("a")],
        "nothing else of the list was read"
    );
}

#[test]
fn the_number_of_changes_is_nothing_that_a_broker_looks_at() {
    let place = Place::of(&[plain("a")]);
    let config = DatabaseConfig {
        path: place.path.clone(),
        roles: true,
    };
    let mut watched = open(&config).unwrap().watched;
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    change.count_change().unwrap();
    change.commit().unwrap();
    assert_eq!(database.roles().unwrap().totals().unwrap().changes, 1);
    assert_eq!(refresh(&mut watched), accounts(&[]));
    place.tool("UPDATE policy SET changes = 9223372036854775807");
    let mut change = database.begin().unwrap();
    change.count_change().unwrap();
    change.commit().unwrap();
    let most = database.roles().unwrap().totals().unwrap().changes;
    assert_eq!(most, i64::MAX.unsigned_abs());
}

#[test]
fn a_savepoint_that_is_none_is_an_error_and_a_change_without_a_transaction_writes_nothing() {
    let place = Place::of(&[plain("a")]);
    let mut database = place.database();
    let mut change = database.begin().unwrap();
    assert!(change.release().is_err());
    assert!(change.roll_back().is_err());
    change.savepoint().unwrap();
    change.remove(&name("a")).unwrap();
    change.roll_back().unwrap();
    change.commit().unwrap();
    assert!(database.account(&name("a")).unwrap().is_some());
}
