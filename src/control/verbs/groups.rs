//! Groups, and that of clients without a username.
//!
//! Must not: show members of a group in another order than by name.
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::fields::{named, priority};
use super::lists::{ranked, texts};
use super::members::{grant, replace_roles};
use crate::admin::{Command, Error, GroupChange};
use crate::dynsec::Json;
use crate::engine::End;
use crate::model::{AccountName, GroupName, RoleName};
use crate::policy::{Grantee, Ranked, StoredGroup};
use crate::store::Wanted;

pub(super) fn create(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.groupname()?;
    let texts = order.texts()?;
    let group = StoredGroup {
        textname: texts.name,
        textdescription: texts.description,
        roles: Vec::new(),
        ..StoredGroup::named(name.clone())
    };
    hand.carry_out(&Command::AddGroup(group))?;
    let to = Grantee::Group(name);
    for role in order.roles("Internal error")?.unwrap_or_default() {
        hand.carry_out(&grant(&to, role))?;
    }
    Ok(None)
}

pub(super) fn delete(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.groupname()?;
    // Afterwards nobody knows who was in it.
    let ends = ends_of(hand, &name)?;
    hand.carry_out(&Command::DeleteGroup(name))?;
    hand.ends.extend(ends);
    Ok(None)
}

pub(super) fn get(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.groupname()?;
    let group = shown(hand, &name)?;
    Ok(Some(json!({ "group": group })))
}

pub(super) fn modify(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.groupname()?;
    let before = hand.roles()?.group(&name).map_err(Error::from)?;
    let before = before.ok_or_else(|| Refusal::new("Group not found"))?;
    let texts = order.texts_if_any();
    let ends = ends_of(hand, &name)?;
    let change = GroupChange {
        textname: texts.name.map(Some),
        textdescription: texts.description.map(Some),
    };
    hand.carry_out(&Command::SetGroup {
        name: name.clone(),
        change,
    })?;
    let wrong = "'roles' not an array or missing/invalid rolename";
    if let Some(roles) = order.roles(wrong)? {
        replace_roles(hand, &Grantee::Group(name.clone()), before.roles, roles)?;
    }
    if let Some(Json::Array(items)) = order.field("clients") {
        replace_members(hand, &name, items)?;
        end_members(hand, &name)?;
    }
    hand.ends.extend(ends);
    Ok(None)
}

pub(super) fn set_anonymous(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.groupname()?;
    hand.carry_out(&Command::SetAnonymousGroup(Some(name)))?;
    hand.ends.push(End::Anonymous);
    Ok(None)
}

pub(super) fn get_anonymous(hand: &mut Hand<'_, '_>, _: &Order) -> Done {
    let group = hand.roles()?.anonymous_group().map_err(Error::from)?;
    let name = group.as_ref().map_or("", GroupName::as_str);
    Ok(Some(json!({ "group": { "groupname": name } })))
}

/// What a group is, for whoever asks.
pub(super) fn shown(hand: &mut Hand<'_, '_>, name: &GroupName) -> Result<Value, Refusal> {
    let found = hand.roles()?.group(name).map_err(Error::from)?;
    let found = found.ok_or_else(|| Refusal::new("Group not found"))?;
    let mut members = members(hand, name)?;
    members.sort_unstable();
    let mut group = Map::new();
    group.insert("groupname".to_owned(), json!(name.as_str()));
    texts(&mut group, &found.textname, &found.textdescription);
    let members = members
        .iter()
        .map(|name| json!({ "username": name.as_str() }));
    group.insert("clients".to_owned(), members.collect());
    let roles = ranked("rolename", &found.roles, RoleName::as_str);
    group.insert("roles".to_owned(), roles);
    Ok(Value::Object(group))
}

/// Has the connections ended of whoever is in a group.
pub(super) fn end_members(hand: &mut Hand<'_, '_>, name: &GroupName) -> Result<(), Refusal> {
    let ends = ends_of(hand, name)?;
    hand.ends.extend(ends);
    Ok(())
}

fn ends_of(hand: &mut Hand<'_, '_>, name: &GroupName) -> Result<Vec<End>, Refusal> {
    let anonymous = hand.roles()?.anonymous_group().map_err(Error::from)?;
    let of_nobody = (anonymous.as_ref() == Some(name)).then_some(End::Anonymous);
    let members = members(hand, name)?;
    let members = members.into_iter().map(End::Client);
    Ok(of_nobody.into_iter().chain(members).collect())
}

fn members(hand: &mut Hand<'_, '_>, name: &GroupName) -> Result<Vec<AccountName>, Refusal> {
    let holders = hand
        .roles()?
        .members(name, Wanted::All)
        .map_err(Error::from)?;
    Ok(holders
        .first
        .into_iter()
        .map(|member| member.name)
        .collect())
}

fn replace_members(
    hand: &mut Hand<'_, '_>,
    group: &GroupName,
    items: &[Json],
) -> Result<(), Refusal> {
    let invalid = "'clients' contains an object with an invalid 'username'";
    let unknown = "'clients' contains an object with a 'username' that does not exist";
    let mut clients: Vec<Ranked<AccountName>> = Vec::new();
    for item in items {
        let name = named(item, "username").ok_or_else(|| Refusal::new(invalid))?;
        let name = AccountName::new(name).map_err(|_| Refusal::new(unknown))?;
        if hand.batch.account(&name)?.is_none() {
            return Err(Refusal::new(unknown));
        }
        clients.push(Ranked {
            name,
            priority: priority(item),
        });
    }
    for member in members(hand, group)? {
        if clients.iter().all(|client| client.name != member) {
            hand.carry_out(&Command::LeaveGroup {
                account: member,
                group: group.clone(),
            })?;
        }
    }
    for client in clients {
        hand.carry_out(&Command::JoinGroup {
            account: client.name,
            group: group.clone(),
            priority: Some(client.priority),
        })?;
    }
    Ok(())
}
