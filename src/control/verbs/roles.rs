//! Roles, whole.
//!
//! Must not: refuse a role for an ACL that is none: such entries are left out, as the original does.
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::lists::texts;
use super::rules;
use crate::admin::{Command, Error, RoleChange};
use crate::dynsec::Json;
use crate::engine::End;
use crate::model::{GroupName, NamePrefix, RoleName};
use crate::policy::{StoredRole, WildcardSubscriptions};

pub(super) fn create(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.rolename()?;
    let texts = order.texts()?;
    let wildcards = wildcards(order)?;
    let rules = match order.field("acls") {
        Some(Json::Array(items)) => rules::all(items),
        Some(_) | None => Vec::new(),
    };
    let role = StoredRole {
        textname: texts.name,
        textdescription: texts.description,
        wildcard_subscriptions: wildcards.unwrap_or_default(),
        admin_prefix: admin_prefix(order)?.flatten(),
        rules,
        ..StoredRole::named(name)
    };
    hand.carry_out(&Command::AddRole(role))?;
    Ok(None)
}

pub(super) fn delete(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.rolename()?;
    // Afterwards nobody knows who had it.
    let ends = ends_of(hand, &name)?;
    hand.carry_out(&Command::DeleteRole(name))?;
    hand.ends.extend(ends);
    Ok(None)
}

pub(super) fn get(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.rolename()?;
    let role = shown(hand, &name)?;
    Ok(Some(json!({ "role": role })))
}

pub(super) fn modify(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.rolename()?;
    let before = hand.roles()?.role(&name).map_err(Error::from)?;
    let before = before.ok_or_else(|| Refusal::new("Role does not exist"))?;
    let texts = order.texts_if_any();
    let wildcards = wildcards(order)?;
    let change = RoleChange {
        textname: texts.name.map(Some),
        textdescription: texts.description.map(Some),
        wildcard_subscriptions: wildcards,
        admin_prefix: admin_prefix(order)?,
        ..RoleChange::default()
    };
    hand.carry_out(&Command::SetRole {
        name: name.clone(),
        change,
    })?;
    let mut is_felt = wildcards.is_some_and(|now| now != before.wildcard_subscriptions);
    if let Some(Json::Array(items)) = order.field("acls") {
        let after = hand.roles()?.role(&name).map_err(Error::from)?;
        let after = after.ok_or_else(|| Refusal::new("Role does not exist"))?;
        let rules = rules::all(items);
        hand.carry_out(&Command::PutRole(StoredRole { rules, ..after }))?;
        is_felt = true;
    }
    if is_felt {
        end_holders(hand, &name)?;
    }
    Ok(None)
}

/// Has the connections ended of whoever has a role.
pub(super) fn end_holders(hand: &mut Hand<'_, '_>, name: &RoleName) -> Result<(), Refusal> {
    let ends = ends_of(hand, name)?;
    hand.ends.extend(ends);
    Ok(())
}

/// Clients without a username are not asked by name what they have.
fn ends_of(hand: &mut Hand<'_, '_>, name: &RoleName) -> Result<Vec<End>, Refusal> {
    let holders = End::Holders(name.clone(), hand.prefixes().cloned());
    let mut roles = hand.roles()?;
    let anonymous = roles.anonymous_group().map_err(Error::from)?;
    let groups = roles.groups_with(name).map_err(Error::from)?;
    let has_it = |anonymous: GroupName| groups.iter().any(|group| group.name == anonymous);
    let of_nobody = anonymous.is_some_and(has_it).then_some(End::Anonymous);
    let all = [holders].into_iter().chain(of_nobody);
    Ok(all.collect())
}

/// What a role is, for whoever asks.
pub(super) fn shown(hand: &mut Hand<'_, '_>, name: &RoleName) -> Result<Value, Refusal> {
    let found = hand.roles()?.role(name).map_err(Error::from)?;
    let found = found.ok_or_else(|| Refusal::new("Role not found"))?;
    let rules = rules::shown(&found);
    let mut role = Map::new();
    role.insert("rolename".to_owned(), json!(name.as_str()));
    texts(&mut role, &found.textname, &found.textdescription);
    let wildcards = found.wildcard_subscriptions == WildcardSubscriptions::Allow;
    role.insert("allowwildcardsubs".to_owned(), json!(wildcards));
    if let Some(prefix) = &found.admin_prefix {
        role.insert("adminprefix".to_owned(), json!(prefix.as_str()));
    }
    role.insert("acls".to_owned(), rules);
    Ok(Value::Object(role))
}

/// `adminprefix`: null for no limit. An empty text is none: whatever left it empty meant a limit.
fn admin_prefix(order: &Order) -> Result<Option<Option<NamePrefix>>, Refusal> {
    match order.field("adminprefix") {
        None => Ok(None),
        Some(Json::Null) => Ok(Some(None)),
        Some(json) => {
            let prefix = json.text().and_then(|text| NamePrefix::new(text).ok());
            let prefix = prefix.ok_or_else(|| Refusal::new("Invalid adminprefix"))?;
            Ok(Some(Some(prefix)))
        }
    }
}

fn wildcards(order: &Order) -> Result<Option<WildcardSubscriptions>, Refusal> {
    match order.field("allowwildcardsubs").map(Json::switch) {
        None => Ok(None),
        Some(Some(true)) => Ok(Some(WildcardSubscriptions::Allow)),
        Some(Some(false)) => Ok(Some(WildcardSubscriptions::Deny)),
        Some(None) => Err(Refusal::new("Invalid allowwildcardsubs")),
    }
}
