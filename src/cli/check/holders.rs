//! Which roles no account has, and which rules answer none, since every account that has their role is
//! answered by another one before.
//!
//! Must not: read accounts for longer than it takes to know that a rule answers one of them.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashSet};

use crate::cli::clock;
use crate::model::RoleName;
use crate::policy::Holdings;
use crate::policy::lint::Unanswered;
use crate::store::{Page, Roles, Wanted};
use crate::takeover::{Compiled, Error};

/// What there is to be said about who has what.
pub(super) struct Held {
    /// Roles that no account has.
    pub(super) by_none: BTreeSet<RoleName>,
    /// The other ones' rules that answer nobody.
    pub(super) idle: Unanswered,
}

/// Looks at what accounts have.
pub(super) fn look(place: &mut dyn Roles) -> Result<Held, Error> {
    let compiled = Compiled::read(place, clock::now())?;
    let anonymous = compiled.anonymous();
    let mut by_none = BTreeSet::new();
    let mut held = Vec::new();
    for (name, role) in compiled.roles() {
        match is_held(place, name, &anonymous)? {
            true => held.push(role.clone()),
            false => drop(by_none.insert(name.clone())),
        }
    }
    let mut idle = Unanswered::of(held.into_iter());
    idle.look_at(&compiled.holder(&anonymous));
    let mut seen = HashSet::new();
    let mut page = Page {
        offset: 0,
        count: Some(MOST),
    };
    while !idle.is_empty() {
        let accounts = place.listed(page)?;
        for account in &accounts {
            if !seen.contains(&account.holdings) {
                idle.look_at(&compiled.holder(&account.holdings));
                seen.insert(account.holdings.clone());
            }
        }
        if accounts.is_empty() {
            break;
        }
        page.offset = page.offset.saturating_add(MOST);
    }
    Ok(Held { by_none, idle })
}

/// Whether somebody has a role, of his own or by a group.
fn is_held(place: &mut dyn Roles, role: &RoleName, anonymous: &Holdings) -> Result<bool, Error> {
    let some = Wanted::First(1);
    if place.holders(role, some)?.accounts > 0 {
        return Ok(true);
    }
    for group in place.groups_with(role)? {
        let is_anonymous = anonymous.groups.iter().any(|one| one.name == group.name);
        if is_anonymous || place.members(&group.name, some)?.accounts > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// So many accounts are read at once.
const MOST: u64 = 10_000;
