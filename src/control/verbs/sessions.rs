//! Who is connected, and ending that: orders that the original does not have.
//!
//! Must not: tell of clients that entered without an account of ours; nobody tells us when they go.
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::lists::page_of;
use crate::engine::{Connected, End, Proof};

/// `listSessions`: `username`, `count` and `offset` may be given.
pub(super) fn list(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = match order.field("username") {
        Some(_) => Some(order.username()?),
        None => None,
    };
    let number = |field: &str| order.number(field).and_then(|n| usize::try_from(n).ok());
    let count = number("count").unwrap_or(usize::MAX);
    let offset = number("offset").unwrap_or(0);
    let (total, page) = hand
        .engine
        .connected(name.as_ref(), hand.prefixes(), offset, count);
    let sessions: Value = page.iter().map(shown).collect();
    Ok(Some(page_of(total, "sessions", sessions)))
}

/// `kickClient`: of a `clientid` or a `username`.
pub(super) fn kick(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let client_id = order.maybe_text("clientid", "Invalid/missing client ID")?;
    let end = match client_id {
        Some(id) => {
            let found = hand.engine.connection_of(id);
            let found = found.filter(|(_, name)| hand.covers(name.as_str()));
            found.map(|(connection, _)| End::Connection(connection))
        }
        None => {
            let name = order.username()?;
            let (count, _) = hand.engine.connected(Some(&name), hand.prefixes(), 0, 0);
            (count > 0).then_some(End::Client(name))
        }
    };
    let end = end.ok_or_else(|| Refusal::new("Client not connected"))?;
    hand.ends.push(end);
    Ok(None)
}

fn shown(client: &Connected) -> Value {
    let mut session = Map::new();
    session.insert("username".to_owned(), json!(client.username.as_str()));
    session.insert("clientid".to_owned(), json!(*client.client_id));
    if let Some(address) = client.address {
        session.insert("address".to_owned(), json!(address.to_string()));
    }
    session.insert("since".to_owned(), json!(client.since.to_string()));
    let credential = match client.by {
        Proof::Password => "password",
        Proof::SecondPassword => "second password",
        Proof::Scram => "scram",
        Proof::Psk => "psk",
        Proof::Certificate => "certificate",
        Proof::Token => "jwt",
        Proof::Other => "other",
    };
    session.insert("credential".to_owned(), json!(credential));
    Value::Object(session)
}
