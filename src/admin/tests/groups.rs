//! The verbs on groups, members and the anonymous group.
#![forbid(unsafe_code)]

use super::*;
use crate::admin::GroupChange;
use crate::policy::Ranked;
use crate::store::{Store as _, Wanted};

fn join(account: &str, to: &str, priority: Option<Priority>) -> Command {
    Command::JoinGroup {
        account: name(account),
        group: group(to),
        priority,
    }
}

fn leave(account: &str, from: &str) -> Command {
    Command::LeaveGroup {
        account: name(account),
        group: group(from),
    }
}

#[test]
fn a_group_is_added_once_with_roles_that_are_there() {
    let (dir, mut store) = furnished();
    let with = |role_name| StoredGroup {
        roles: vec![Ranked {
            name: role(role_name),
            priority: Priority::clamped(4),
        }],
        ..StoredGroup::named(group("crew"))
    };
    let nothing = Command::AddGroup(with("writer"));
    refused(&dir, &mut store, nothing, "no role");
    let add = Command::AddGroup(with("reader"));
    assert_eq!(one(&mut store, add.clone()), Ok(Outcome::Added));
    refused(&dir, &mut store, add, "already");
    let found = store.roles().unwrap().group(&group("crew")).unwrap();
    assert_eq!(found, Some(with("reader")));
}

#[test]
fn a_group_is_described_and_deleted() {
    let (dir, mut store) = furnished();
    let set = |text: Option<&str>| Command::SetGroup {
        name: group("staff"),
        change: GroupChange {
            textname: Some(text.map(Into::into)),
            textdescription: None,
        },
    };
    let before = noticed(&dir);
    assert_eq!(one(&mut store, set(Some("Staff"))), Ok(Outcome::Changed));
    assert_eq!(one(&mut store, set(Some("Staff"))), Ok(Outcome::Unchanged));
    assert_eq!(one(&mut store, set(None)), Ok(Outcome::Changed));
    assert_eq!(noticed(&dir), before, "a name for people concerns nobody");
    let delete = Command::DeleteGroup(group("staff"));
    assert_eq!(one(&mut store, delete.clone()), Ok(Outcome::Deleted));
    refused(&dir, &mut store, delete, "no group");
    refused(&dir, &mut store, set(None), "no group");
}

#[test]
fn an_account_joins_and_leaves_and_is_told_of_by_name() {
    let (dir, mut store) = furnished();
    once(
        &dir,
        &mut store,
        &join("ann", "staff", None),
        Outcome::Added,
    );
    let first = join("ann", "staff", priority(200_000));
    once(&dir, &mut store, &first, Outcome::Changed);
    let again = one(&mut store, join("ann", "staff", None));
    assert_eq!(again, Ok(Outcome::Unchanged));
    let holdings = store.roles().unwrap().holdings(&name("ann")).unwrap();
    assert_eq!(holdings.groups[0].priority.number(), 100_000);
    let mut roles = store.roles().unwrap();
    let members = roles.members(&group("staff"), Wanted::First(0)).unwrap();
    assert_eq!((members.accounts, members.first.len()), (1, 0));
    let members = roles.members(&group("staff"), Wanted::All).unwrap();
    assert_eq!(members.first[0].name, name("ann"));
    drop(roles);
    once(&dir, &mut store, &leave("ann", "staff"), Outcome::Deleted);
    for command in [join("eve", "staff", None), leave("eve", "staff")] {
        refused(&dir, &mut store, command, "no account");
    }
    for command in [join("ann", "crew", None), leave("ann", "crew")] {
        refused(&dir, &mut store, command, "no group");
    }
}

#[test]
fn the_members_of_a_deleted_group_are_told() {
    let (dir, mut store) = furnished();
    assert_eq!(
        one(&mut store, join("ann", "staff", None)),
        Ok(Outcome::Added)
    );
    let [_, told] = noticed(&dir);
    let delete = Command::DeleteGroup(group("staff"));
    assert_eq!(one(&mut store, delete), Ok(Outcome::Deleted));
    assert!(noticed(&dir)[1] > told, "ann is not looked at again");
}

#[test]
fn the_anonymous_group_is_not_deleted_by_the_way() {
    let (dir, mut store) = furnished();
    let anonymous = |group| Command::SetAnonymousGroup(group);
    let crew = Some(group("crew"));
    refused(&dir, &mut store, anonymous(crew), "no group");
    let staff = Some(group("staff"));
    once(
        &dir,
        &mut store,
        &anonymous(staff.clone()),
        Outcome::Changed,
    );
    assert_eq!(store.roles().unwrap().anonymous_group().unwrap(), staff);
    let delete = Command::DeleteGroup(group("staff"));
    refused(
        &dir,
        &mut store,
        delete.clone(),
        "deleting the anonymous group is forbidden",
    );
    once(&dir, &mut store, &anonymous(None), Outcome::Changed);
    assert_eq!(one(&mut store, delete), Ok(Outcome::Deleted));
}

#[test]
fn a_group_is_put_in_place_of_the_one_of_its_name_and_keeps_its_members() {
    let (dir, mut store) = furnished();
    assert_eq!(
        one(&mut store, join("ann", "staff", None)),
        Ok(Outcome::Added)
    );
    let with = |role_name, number| StoredGroup {
        textname: Some("Staff".into()),
        roles: vec![Ranked {
            name: role(role_name),
            priority: Priority::clamped(number),
        }],
        ..StoredGroup::named(group("staff"))
    };
    let missing = Command::PutGroup(with("writer", 1));
    refused(&dir, &mut store, missing, "no role");
    for (wanted, outcome) in [
        (with("reader", 1), Outcome::Changed),
        (with("reader", 2), Outcome::Changed),
        (StoredGroup::named(group("staff")), Outcome::Changed),
    ] {
        let put = Command::PutGroup(wanted.clone());
        assert_eq!(one(&mut store, put.clone()), Ok(outcome));
        assert_eq!(one(&mut store, put), Ok(Outcome::Unchanged));
        let found = store.roles().unwrap().group(&group("staff")).unwrap();
        assert_eq!(found, Some(wanted));
    }
    let members = store.roles().unwrap().members(&group("staff"), Wanted::All);
    assert_eq!(members.unwrap().accounts, 1);
}
