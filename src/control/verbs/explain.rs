//! `explain`: what a client may do, and why, as `doorman explain` says it.
//!
//! Must not: tell whoever is limited what roles and groups are called that are not there for it.
#![forbid(unsafe_code)]

use serde_json::json;

use super::super::answer::{OUTSIDE, Refusal};
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use crate::admin;
use crate::dynsec::Json;
use crate::policy::Qos;
use crate::reasons::{Action, Request, Trouble};
use crate::token::Acl;

/// Without `username` it is asked about clients that have none; `clientid`, `tokenroles`, `tokenacl`, `qos`, `retain` and
/// `payloadsize` may be given; with `words` the answer is told in words, too.
pub(super) fn explain(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let user = match order.field("username") {
        Some(_) => Some(order.username()?),
        None => None,
    };
    let request = Request {
        user,
        client_id: order
            .client_id("Invalid/missing client id")?
            .flatten()
            .map(Into::into),
        token_roles: token_roles(order)?,
        token_acl: token_acl(order)?,
        action: action(order)?,
        topic: order.text("topic", "Invalid/missing topic")?.to_owned(),
        qos: whole(order, "qos", "Invalid qos", |number| {
            Qos::of(u8::try_from(number).ok()?)
        })?,
        retain: switch(order, "retain", "Invalid retain")?,
        payload: whole(order, "payloadsize", "Invalid payloadsize", |number| {
            u32::try_from(number).ok()
        })?,
    };
    let in_words = switch(order, "words", "Invalid words")?;
    match &request.user {
        Some(name) if !hand.covers(name.as_str()) => return Err(nobody(&request)),
        None if hand.prefixes().is_some() => return Err(Refusal::new(OUTSIDE)),
        Some(_) | None => {}
    }
    if !request.token_roles.iter().all(|role| hand.covers(role)) {
        return Err(Refusal::new("Role not found"));
    }
    let answered = hand
        .engine
        .explain(&request)
        .map_err(|trouble| match trouble {
            Trouble::Question(why) => Refusal::new(&format!("Invalid question: {why}")),
            Trouble::Store(error) => Refusal::new(&format!("Internal error: {error}")),
        })?;
    let answered = answered.ok_or_else(|| nobody(&request))?;
    let answered = match hand.prefixes() {
        Some(prefixes) => answered.seen(|name| prefixes.covers(name)),
        None => answered,
    };
    let mut data = json!(answered);
    if in_words && let Some(fields) = data.as_object_mut() {
        fields.insert("words".to_owned(), json!(answered.in_words()));
    }
    Ok(Some(data))
}

/// `acltype` as rules have it, or `action` as `doorman explain` does.
fn action(order: &Order) -> Result<Action, Refusal> {
    let (field, wrong) = match order.field("action") {
        Some(_) => ("action", "Unknown action"),
        None => ("acltype", "Unknown acltype"),
    };
    let missing = "Invalid/missing acltype or action";
    let text = order.text(field, missing)?.to_ascii_lowercase();
    let text = match text.as_str() {
        "subscribepattern" | "subscribeliteral" => "subscribe",
        "unsubscribepattern" | "unsubscribeliteral" => "unsubscribe",
        other => other,
    };
    text.parse().map_err(|_| Refusal::new(wrong))
}

/// The names in a list.
fn token_roles(order: &Order) -> Result<Vec<Box<str>>, Refusal> {
    let wrong = || Refusal::new("Invalid tokenroles");
    let names = match order.field("tokenroles") {
        None => return Ok(Vec::new()),
        Some(Json::Array(names)) => names.iter(),
        Some(_) => return Err(wrong()),
    };
    let names = names.map(|name| name.text().map(Into::into).ok_or_else(wrong));
    names.collect()
}

/// The lists, as in a token.
fn token_acl(order: &Order) -> Result<Acl, Refusal> {
    let wrong = || Refusal::new("Invalid tokenacl");
    let mut acl = Acl::default();
    let lists = match order.field("tokenacl") {
        None => return Ok(acl),
        Some(Json::Object(lists)) => lists,
        Some(_) => return Err(wrong()),
    };
    for (name, list) in lists {
        let Json::Array(topics) = list else {
            return Err(wrong());
        };
        for topic in topics {
            let topic = topic.text().ok_or_else(wrong)?;
            acl.add(name, topic).map_err(|_| wrong())?;
        }
    }
    Ok(acl)
}

fn switch(order: &Order, field: &str, wrong: &str) -> Result<bool, Refusal> {
    match order.field(field).map(Json::switch) {
        None => Ok(false),
        Some(switch) => switch.ok_or_else(|| Refusal::new(wrong)),
    }
}

/// There is no such account.
fn nobody(request: &Request) -> Refusal {
    match request.user.clone() {
        Some(name) => Refusal::detailed(admin::Error::Missing { name }),
        None => Refusal::new("Client not found"),
    }
}

fn whole<T>(
    order: &Order,
    field: &str,
    wrong: &str,
    of: impl Fn(i64) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let number = order.field(field).map(|json| json.whole().and_then(of));
    match number {
        None => Ok(None),
        Some(number) => number.map(Some).ok_or_else(|| Refusal::new(wrong)),
    }
}
