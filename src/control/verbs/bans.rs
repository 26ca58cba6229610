//! Who is held up after too many failures, and letting somebody off.
//!
//! Must not: show whoever is limited an address that is not one of its clients'.
#![forbid(unsafe_code)]

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::answer::{OUTSIDE, Refusal};
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::lists::page_of;
use crate::engine::Pardon;
use crate::throttle::{Ban, Place, Whom};

/// `listBans`: `username`, `address`, `count` and `offset` may be given.
pub(super) fn list(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let whom = whom(order)?;
    let number = |field: &str| order.number(field).and_then(|n| usize::try_from(n).ok());
    let count = number("count").unwrap_or(MOST).min(MOST);
    let offset = number("offset").unwrap_or(0);
    let (total, page) = hand.engine.bans(&whom, hand.prefixes(), offset, count);
    let now = hand.engine.now();
    let bans: Value = page.iter().map(|ban| shown(ban, now)).collect();
    Ok(Some(page_of(total, "bans", bans)))
}

/// `clearBan`: of a `username`, of an `address`, or of the one at the other.
pub(super) fn clear(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let whom = whom(order)?;
    match (&whom.username, whom.place) {
        (None, None) => return Err(Refusal::new("Invalid/missing username or address")),
        (None, Some(_)) if hand.prefixes().is_some() => return Err(Refusal::new(OUTSIDE)),
        (_, _) => {}
    }
    let (total, page) = hand.engine.bans(&whom, hand.prefixes(), 0, 1);
    if total == 0 {
        return Err(Refusal::new("Ban not found"));
    }
    let address = order.maybe_text("address", "Invalid address")?;
    let failures = page.first().map_or(0, |ban| ban.failures);
    hand.batch
        .write_down_ban(whom.username.as_deref(), address, failures)?;
    let prefixes = hand.prefixes().cloned();
    hand.pardons.push(Pardon { whom, prefixes });
    Ok(None)
}

fn whom(order: &Order) -> Result<Whom, Refusal> {
    let username = match order.field("username") {
        Some(_) => Some(order.username()?.as_str().to_owned()),
        None => None,
    };
    let address = order.maybe_text("address", "Invalid address")?;
    let place =
        address.map(|text| Place::read(text).ok_or_else(|| Refusal::new("Invalid address")));
    Ok(Whom {
        username,
        place: place.transpose()?,
    })
}

fn shown(ban: &Ban, now: jiff::Timestamp) -> Value {
    let mut entry = Map::new();
    for (field, text) in [("username", &ban.username), ("address", &ban.address)] {
        if let Some(text) = text {
            entry.insert(field.to_owned(), json!(text));
        }
    }
    entry.insert("failures".to_owned(), json!(ban.failures));
    if !ban.wait.is_zero() {
        // To the second, never too early.
        let wait = Duration::from_secs(ban.wait.as_secs().saturating_add(1));
        let until = jiff::SignedDuration::try_from(wait).ok();
        let until = until.and_then(|wait| now.checked_add(wait).ok());
        if let Some(until) = until {
            entry.insert("until".to_owned(), json!(until.to_string()));
        }
    }
    Value::Object(entry)
}

/// So many are in one answer.
const MOST: usize = 1_000;
