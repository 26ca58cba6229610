//! `doorman group`.

use serde_json::json;

use super::Desk;

/// A database with the role reader, the group staff and the accounts ann and bob.
fn desk() -> Desk {
    let desk = Desk::database();
    desk.add("ann", "tulip-garden").code(0);
    desk.add("bob", "tulip-garden").code(0);
    desk.on(&["role", "add", "reader"]).code(0);
    desk.on(&["group", "add", "staff", "--textname", "The Staff"])
        .code(0)
        .tells("group staff added");
    desk
}

/// The group as scripts see it.
fn shown(desk: &Desk) -> serde_json::Value {
    let args = ["group", "show", "staff", "--json"];
    desk.on(&args).code(0).json().remove(0)
}

#[test]
fn a_group_is_added_once_changed_and_deleted() {
    let desk = desk();
    desk.on(&["group", "add", "staff"])
        .code(4)
        .says("group set");
    desk.on(&["group", "list"]).code(0).tells("staff");
    assert_eq!(shown(&desk)["textname"], "The Staff");
    desk.on(&["group", "set", "staff"]).code(2);
    desk.on(&["group", "set", "staff", "--textname", ""])
        .code(0)
        .tells("changed");
    assert_eq!(shown(&desk)["textname"], json!(null));
    desk.on(&["group", "delete", "staff", "crew"])
        .code(3)
        .says("no group crew");
    desk.on(&["group", "delete", "staff"]).code(0);
    desk.on(&["group", "show", "staff"])
        .code(3)
        .says("group list");
    desk.on(&["group", "set", "staff", "--textname", "x"])
        .code(3);
}

#[test]
fn roles_are_granted_to_a_group_and_revoked() {
    let desk = desk();
    desk.on(&["group", "grant", "staff", "writer"]).code(3);
    desk.on(&["group", "grant", "crew", "reader"]).code(3);
    desk.on(&["group", "grant", "staff", "reader", "--priority", "-200000"])
        .code(0)
        .tells("staff: role reader added");
    let roles = json!([{"name": "reader", "priority": -100_000}]);
    assert_eq!(shown(&desk)["roles"], roles);
    desk.on(&["role", "show", "reader"])
        .tells("staff (-100000)");
    desk.on(&["group", "revoke", "staff", "reader"])
        .code(0)
        .tells("deleted");
    desk.on(&["group", "revoke", "staff", "reader"])
        .code(0)
        .tells("unchanged");
    desk.on(&["group", "revoke", "staff", "writer"]).code(3);
}

#[test]
fn accounts_join_and_leave_all_of_them_or_none() {
    let desk = desk();
    desk.on(&["group", "join", "staff", "ann", "nobody"])
        .code(3);
    assert_eq!(shown(&desk)["accounts"], 0);
    desk.on(&["group", "join", "staff", "ann", "bob", "--priority", "7"])
        .code(0)
        .tells("staff: member ann added");
    desk.on(&["group", "join", "staff", "ann"])
        .code(0)
        .tells("unchanged");
    let members = json!([{"name": "ann", "priority": 7}, {"name": "bob", "priority": 7}]);
    assert_eq!(shown(&desk)["first_accounts"], members);
    desk.on(&["group", "show", "staff"])
        .tells("2: ann (7), bob (7)");
    desk.on(&["user", "show", "ann"]).tells("staff (7)");
    desk.on(&["group", "leave", "staff", "ann", "nobody"])
        .code(3);
    desk.on(&["group", "leave", "staff", "ann"])
        .code(0)
        .tells("deleted");
    desk.on(&["group", "leave", "staff", "ann"])
        .code(0)
        .tells("unchanged");
    desk.on(&["group", "join", "crew", "ann"]).code(3);
    desk.on(&["user", "delete", "bob"]).code(0);
    assert_eq!(shown(&desk)["accounts"], 0);
}

#[test]
fn not_everybody_is_named_unasked() {
    let desk = desk();
    let tool = rusqlite::Connection::open(&desk.place).unwrap();
    tool.execute_batch(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 30)
         INSERT INTO account (username) SELECT 'device' || n FROM n;
         INSERT INTO group_member (account_id, group_id) SELECT id, 1 FROM account;",
    )
    .unwrap();
    let group = shown(&desk);
    assert_eq!(group["accounts"], 32);
    assert_eq!(group["first_accounts"].as_array().unwrap().len(), 20);
    let all = desk.on(&["group", "show", "staff", "--all"]).code(0);
    all.tells("32: ann, bob, device1").tells("device30");
}

#[test]
fn the_anonymous_group_is_chosen_and_not_deleted_by_the_way() {
    let desk = desk();
    desk.on(&["group", "anonymous"]).code(0).tells("no group");
    desk.on(&["group", "anonymous", "crew"]).code(3);
    desk.on(&["group", "anonymous", "staff"])
        .code(0)
        .tells("changed");
    desk.on(&["group", "anonymous"]).code(0).tells("staff");
    assert_eq!(shown(&desk)["anonymous"], true);
    desk.on(&["group", "delete", "staff"])
        .code(1)
        .says("deleting the anonymous group is forbidden");
    desk.on(&["group", "anonymous", "staff", "--none"]).code(2);
    desk.on(&["group", "anonymous", "--none"]).code(0);
    let none = desk.on(&["group", "anonymous", "--json"]).code(0).json();
    assert_eq!(none[0]["anonymous_group"], json!(null));
    desk.on(&["group", "delete", "staff"]).code(0);
}
