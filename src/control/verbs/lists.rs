//! Who and what there is: pages of names or of everything, and counts.
//!
//! Must not: read more than the page that is asked for.
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::{clients, groups, roles};
use crate::admin::Error;
use crate::model::{GroupName, RoleName};
use crate::policy::{Priority, Ranked};
use crate::store::Page;

pub(super) fn details(hand: &mut Hand<'_, '_>, _: &Order) -> Done {
    let totals = hand.roles()?.totals().map_err(Error::from)?;
    Ok(Some(json!({
        "clientCount": totals.accounts,
        "groupCount": totals.groups,
        "roleCount": totals.roles,
        "changeIndex": totals.changes,
    })))
}

pub(super) fn clients(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let total = hand.roles()?.totals().map_err(Error::from)?.accounts;
    let items: Value = if is_verbose(order) {
        // All of a page at once: name by name it takes five times as long.
        let listed = hand.roles()?.listed(page(order)).map_err(Error::from)?;
        let listed = listed.iter();
        listed
            .map(|one| Value::Object(clients::shown(hand.engine, one)))
            .collect()
    } else {
        let names = hand.roles()?.account_names(page(order));
        let names = names.map_err(Error::from)?;
        names.iter().map(|name| json!(name.as_str())).collect()
    };
    Ok(Some(page_of(total, "clients", items)))
}

pub(super) fn groups(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let total = hand.roles()?.totals().map_err(Error::from)?.groups;
    let names = hand.roles()?.group_names(page(order));
    let names = names.map_err(Error::from)?;
    let items = items(hand, order, &names, GroupName::as_str, groups::shown)?;
    Ok(Some(page_of(total, "groups", items)))
}

pub(super) fn roles(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let total = hand.roles()?.totals().map_err(Error::from)?.roles;
    let names = hand.roles()?.role_names(page(order));
    let names = names.map_err(Error::from)?;
    let items = items(hand, order, &names, RoleName::as_str, roles::shown)?;
    Ok(Some(page_of(total, "roles", items)))
}

/// The names, or what is behind each where that is asked for.
fn items<T>(
    hand: &mut Hand<'_, '_>,
    order: &Order,
    names: &[T],
    text: fn(&T) -> &str,
    shown: fn(&mut Hand<'_, '_>, &T) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    match is_verbose(order) {
        true => names.iter().map(|name| shown(hand, name)).collect(),
        false => Ok(names.iter().map(|name| json!(text(name))).collect()),
    }
}

/// A page, and how many there are. It is moved there: `json!` would copy all of it.
pub(super) fn page_of(total: impl Into<Value>, what: &str, items: Value) -> Value {
    let fields = [("totalCount", total.into()), (what, items)];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.into_iter().collect())
}

fn is_verbose(order: &Order) -> bool {
    order.switch("verbose").unwrap_or(false)
}

/// The names for people, where there are such.
pub(super) fn texts(
    object: &mut Map<String, Value>,
    name: &Option<Box<str>>,
    description: &Option<Box<str>>,
) {
    for (field, text) in [("textname", name), ("textdescription", description)] {
        if let Some(text) = text {
            object.insert(field.to_owned(), json!(**text));
        }
    }
}

/// Roles or groups, with priorities that are not the usual one.
pub(super) fn ranked<T>(field: &str, items: &[Ranked<T>], name: fn(&T) -> &str) -> Value {
    let items = items.iter().map(|item| {
        let mut entry = Map::new();
        entry.insert(field.to_owned(), json!(name(&item.name)));
        if item.priority != Priority::MEMBER {
            entry.insert("priority".to_owned(), json!(item.priority.number()));
        }
        Value::Object(entry)
    });
    items.collect()
}

/// The original begins to count down behind the first entry, and so shows one where none is asked for.
fn page(order: &Order) -> Page {
    let count = order
        .number("count")
        .and_then(|count| u64::try_from(count).ok());
    let offset = order
        .number("offset")
        .and_then(|offset| u64::try_from(offset).ok());
    Page {
        offset: offset.unwrap_or(0),
        count: count.map(|count| count.max(1)),
    }
}
