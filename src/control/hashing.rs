//! The passwords that come with an order, hashed before anything else is done.
//!
//! Must not: touch the store, or run on the broker's thread.
#![forbid(unsafe_code)]

use super::answer::Refusal;
use super::letter::Order;
use super::verbs::Kind;
use crate::credential::{Recipe, Salt, hash_all};
use crate::dynsec::Json;
use crate::model::StoredCredential;

/// What came of it.
#[derive(Default)]
pub(super) struct Hashed {
    /// Of the order itself.
    pub(super) own: Option<StoredCredential>,
    /// Of its entries, one for each.
    pub(super) entries: Vec<Option<StoredCredential>>,
}

/// More entries, and more of them with passwords to be hashed, are in no order.
pub(super) const MOST_ENTRIES: usize = 10_000;
pub(super) const MOST_PASSWORDS: usize = 1_000;

/// Hashes what is there to be hashed; an order with too much gets nothing.
pub(super) fn hashed(order: &Order, kind: Kind, recipe: &Recipe) -> Result<Hashed, Refusal> {
    match kind {
        Kind::Asks | Kind::Changes => Ok(Hashed::default()),
        Kind::SetsPassword => {
            let mut one = all(&[password(order)], recipe)?;
            Ok(Hashed {
                own: one.pop().flatten(),
                entries: Vec::new(),
            })
        }
        Kind::Imports => {
            let passwords: Vec<Option<&str>> = order.entries().iter().map(password).collect();
            let count = passwords.iter().flatten().count();
            if passwords.len() > MOST_ENTRIES || count > MOST_PASSWORDS {
                return Ok(Hashed::default());
            }
            Ok(Hashed {
                own: None,
                entries: all(&passwords, recipe)?,
            })
        }
    }
}

/// A password that is there.
pub(super) fn password(order: &Order) -> Option<&str> {
    let password = order.field("password").and_then(Json::text)?;
    (!password.is_empty()).then_some(password)
}

fn all(
    passwords: &[Option<&str>],
    recipe: &Recipe,
) -> Result<Vec<Option<StoredCredential>>, Refusal> {
    let internal = || Refusal::new("Internal error");
    let present: Vec<&[u8]> = passwords
        .iter()
        .flatten()
        .map(|text| text.as_bytes())
        .collect();
    let mut salts = Vec::with_capacity(present.len());
    for _ in &present {
        let mut salt = [0; Salt::BYTES];
        getrandom::fill(&mut salt).map_err(|_| internal())?;
        salts.push(Salt::new(salt));
    }
    let hashed = hash_all(&present, recipe, &salts).map_err(|_| internal())?;
    let mut hashed = hashed.into_iter();
    let place = |password: &Option<&str>| password.and_then(|_| hashed.next());
    Ok(passwords.iter().map(place).collect())
}
