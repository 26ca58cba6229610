//! `importClients`: many clients at once, all of them or none.
//!
//! Must not: say anything of a password but that it is none. Which entries are wrong is told by their
//! places and names, of many the first.
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::hashing::{MOST_ENTRIES, MOST_PASSWORDS, password};
use super::super::letter::Order;
use super::clients;
use crate::admin::{Change, Command};
use crate::config::CostLimits;
use crate::credential::Credential;
use crate::dynsec::Json;
use crate::model::StoredCredential;

/// `clients`: each as `createClient` has it, and may have an `encoded_password` instead of a `password`, and
/// be `disabled`.
pub(super) fn import(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    if !matches!(order.field("clients"), Some(Json::Array(_))) {
        return Err(Refusal::new("Missing/invalid clients array"));
    }
    let entries = order.entries();
    if entries.is_empty() {
        return Err(Refusal::new("Missing/invalid clients array"));
    }
    let passwords = entries.iter().filter_map(password).count();
    if entries.len() > MOST_ENTRIES || passwords > MOST_PASSWORDS {
        let words = format!(
            "Too many clients: at most {MOST_ENTRIES}, and {MOST_PASSWORDS} passwords to be hashed"
        );
        return Err(Refusal::new(&words));
    }
    let mut hashed = std::mem::take(&mut hand.entries).into_iter();
    let mut failed = Vec::new();
    let mut failures = 0_usize;
    for (index, entry) in entries.iter().enumerate() {
        let hashed = hashed.next().flatten();
        let done = one(hand, entry, hashed);
        if let Err(refusal) = done {
            failures = failures.saturating_add(1);
            if failed.len() < MOST_TOLD {
                failed.push(told(index, entry, &refusal));
            }
        }
    }
    let total = entries.len();
    if failures > 0 {
        let words = format!("{failures} of {total} clients cannot be imported");
        let data = json!({ "failedCount": failures, "failed": failed });
        return Err(Refusal::new(&words).with(data));
    }
    let encoded = entries
        .iter()
        .filter(|entry| entry.field(ENCODED).is_some());
    Ok(Some(json!({
        "clientCount": total,
        "passwordCount": passwords,
        "encodedPasswordCount": encoded.count(),
    })))
}

/// One entry, whole or not at all.
fn one(
    hand: &mut Hand<'_, '_>,
    entry: &Order,
    hashed: Option<StoredCredential>,
) -> Result<(), Refusal> {
    let encoded = encoded(entry, hand.engine.limits())?;
    if encoded.is_some() && entry.field("password").is_some() {
        return Err(Refusal::new("Both password and encoded_password"));
    }
    let disabled = match entry.field("disabled").map(Json::switch) {
        None => false,
        Some(switch) => switch.ok_or_else(|| Refusal::new("Invalid disabled"))?,
    };
    if !matches!(entry.field("groups"), None | Some(Json::Array(_))) {
        return Err(Refusal::new("Invalid groups"));
    }
    let engine = hand.engine;
    hand.batch.attempt(|batch| {
        let mut hand = Hand {
            batch,
            engine,
            credential: encoded.or(hashed),
            entries: Vec::new(),
            ends: Vec::new(),
            pardons: Vec::new(),
        };
        clients::create(&mut hand, entry)?;
        if disabled {
            let change = Change {
                disabled: Some(true),
                ..Change::default()
            };
            let name = entry.username()?;
            hand.carry_out(&Command::Set { name, change })?;
        }
        Ok(())
    })
}

/// A stored password, if it is one that can be used here.
fn encoded(entry: &Order, limits: &CostLimits) -> Result<Option<StoredCredential>, Refusal> {
    let wrong = "Invalid encoded_password";
    let Some(text) = entry.maybe_text(ENCODED, wrong)? else {
        return Ok(None);
    };
    let stored = StoredCredential::marked(text);
    // A password in clear is no hash of one, whatever else is allowed.
    let limits = CostLimits {
        cleartext: false,
        ..*limits
    };
    match Credential::parse(&stored, &limits) {
        Ok(_) => Ok(Some(stored)),
        Err(_) => Err(Refusal::new(wrong)),
    }
}

fn told(index: usize, entry: &Order, refusal: &Refusal) -> Value {
    let mut told = Map::new();
    told.insert("index".to_owned(), json!(index));
    let name = entry.field("username").and_then(Json::text);
    if let Some(name) = name.filter(|name| name.len() <= LONGEST_TOLD) {
        told.insert("username".to_owned(), json!(name));
    }
    told.insert("error".to_owned(), json!(refusal.words()));
    Value::Object(told)
}

const ENCODED: &str = "encoded_password";

/// So many entries are named, and no longer names.
const MOST_TOLD: usize = 100;
const LONGEST_TOLD: usize = 256;
