//! What one may ask a place without being there: a question and its answer as JSON.
//!
//! Must not: change anything, or show a long list at once: only names, and accounts by name, come as many
//! as are asked for, as in the original's lists.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::apply::{Batch, Error};
use super::office::Seen;
use crate::model::{AccountName, GroupName, RoleName};
use crate::store::{self, Page, Search, Wanted};

/// Where orders are sent to.
pub const CONTROL_TOPIC: &str = "$CONTROL/dynamic-security/v1";

/// What is asked: each is a method of [`Office`](super::Office) or of what it opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// An account: [`Seen`], or null.
    Account(AccountName),
    /// The accounts behind a place: a [`Pile`] of [`Seen`].
    Accounts(i64),
    /// A role, or null.
    Role(RoleName),
    /// The roles from so many on, by name: a [`Pile`].
    Roles(i64),
    /// A group, or null.
    Group(GroupName),
    /// The groups from so many on, by name: a [`Pile`].
    Groups(i64),
    /// What an account holds.
    Holdings(AccountName),
    /// Who holds a role.
    Holders(RoleName, Wanted),
    /// Which groups hold a role.
    GroupsWith(RoleName),
    /// Who is in a group.
    Members(GroupName, Wanted),
    /// How many there are of each.
    Totals,
    /// Names of accounts.
    AccountNames(Page),
    /// Accounts as a list shows them.
    Listed(Page),
    /// Names of groups.
    GroupNames(Page),
    /// Names of roles.
    RoleNames(Page),
    /// What happens where no rule answers.
    Defaults,
    /// The group of clients without a username, or null.
    AnonymousGroup,
    /// The identities of TLS-PSK of an account.
    PsksOf(AccountName),
    /// The identities of TLS-PSK behind a place: a [`Pile`].
    Psks(i64),
    /// What the oldest record continues.
    Anchor,
    /// Records: a [`Pile`].
    Records(Search),
}

/// A part of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pile<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// Where the next part begins; none where there is nothing more.
    pub next: Option<i64>,
    /// Why the first that cannot be read cannot.
    pub unreadable: Option<store::Error>,
}

impl Question {
    /// The answer of a place.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn answer(&self, batch: &mut Batch<'_>) -> Result<Value, Error> {
        let answer = match self {
            Self::Account(name) => json(&batch.account(name)?.map(Seen::of)),
            Self::Accounts(behind) => json(&accounts(batch, *behind)?),
            Self::Role(name) => json(&batch.roles()?.role(name)?),
            Self::Roles(from) => {
                let names = batch.roles()?.role_names(page(*from))?;
                let pile = each(*from, names, |name| Ok(batch.roles()?.role(name)?))?;
                json(&pile)
            }
            Self::Group(name) => json(&batch.roles()?.group(name)?),
            Self::Groups(from) => {
                let names = batch.roles()?.group_names(page(*from))?;
                let pile = each(*from, names, |name| Ok(batch.roles()?.group(name)?))?;
                json(&pile)
            }
            Self::Holdings(name) => json(&batch.roles()?.holdings(name)?),
            Self::Holders(role, wanted) => json(&batch.roles()?.holders(role, *wanted)?),
            Self::GroupsWith(role) => json(&batch.roles()?.groups_with(role)?),
            Self::Members(group, wanted) => json(&batch.roles()?.members(group, *wanted)?),
            Self::Totals => json(&batch.roles()?.totals()?),
            Self::AccountNames(page) => json(&batch.roles()?.account_names(*page)?),
            Self::Listed(page) => json(&batch.roles()?.listed(*page)?),
            Self::GroupNames(page) => json(&batch.roles()?.group_names(*page)?),
            Self::RoleNames(page) => json(&batch.roles()?.role_names(*page)?),
            Self::Defaults => json(&batch.roles()?.defaults()?),
            Self::AnonymousGroup => json(&batch.roles()?.anonymous_group()?),
            Self::PsksOf(name) => json(&batch.psks_of(name)?),
            Self::Psks(behind) => json(&psks(batch, *behind)?),
            Self::Anchor => json(&batch.trail()?.anchor()?),
            Self::Records(search) => json(&records(batch, search)?),
        };
        Ok(answer?)
    }
}

/// A list while it is put together.
struct Part {
    pile: Pile<Value>,
    bytes: usize,
}

impl Part {
    fn new() -> Self {
        Self {
            pile: Pile {
                items: Vec::new(),
                next: None,
                unreadable: None,
            },
            bytes: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= MOST_BYTES || self.pile.items.len() >= MOST_ITEMS
    }

    /// The walk comes to the next place, or has enough at the last one.
    fn go_on(&mut self, last: &mut i64, place: i64) -> Result<(), store::Error> {
        if self.is_full() {
            self.pile.next = Some(*last);
            return Err(enough());
        }
        *last = place;
        Ok(())
    }

    fn add(&mut self, item: &impl Serialize) -> Result<(), store::Error> {
        let item = json(item)?;
        self.bytes = self.bytes.saturating_add(item.to_string().len());
        self.pile.items.push(item);
        Ok(())
    }

    fn unreadable(&mut self, why: store::Error) {
        self.pile.unreadable.get_or_insert(why);
    }
}

fn accounts(batch: &mut Batch<'_>, behind: i64) -> Result<Pile<Value>, Error> {
    let mut part = Part::new();
    let mut last = behind;
    until_full(&mut part, |part| {
        batch.accounts(behind, &mut |place, account| {
            part.go_on(&mut last, place)?;
            match account {
                Ok(account) => part.add(&Seen::of(account)),
                Err(why) => {
                    part.unreadable(why);
                    Ok(())
                }
            }
        })
    })?;
    Ok(part.pile)
}

fn psks(batch: &mut Batch<'_>, behind: i64) -> Result<Pile<Value>, Error> {
    let mut part = Part::new();
    let mut last = behind;
    until_full(&mut part, |part| {
        batch.psks(behind, &mut |place, seen| {
            part.go_on(&mut last, place)?;
            match seen {
                Ok(seen) => part.add(&seen),
                Err(why) => {
                    part.unreadable(why);
                    Ok(())
                }
            }
        })
    })?;
    Ok(part.pile)
}

fn records(batch: &mut Batch<'_>, search: &Search) -> Result<Pile<Value>, Error> {
    let mut part = Part::new();
    let mut last = search.behind;
    until_full(&mut part, |part| {
        Ok(batch.trail()?.records(search, &mut |record| {
            if part.is_full() {
                part.pile.next = last;
                return Err(enough());
            }
            last = Some(record.seq);
            part.add(&record)
        })?)
    })?;
    Ok(part.pile)
}

/// One that is unreadable does not hide the others.
fn each<N, T: Serialize>(
    from: i64,
    names: Vec<N>,
    mut look: impl FnMut(&N) -> Result<Option<T>, Error>,
) -> Result<Pile<Value>, Error> {
    let mut part = Part::new();
    let mut at = from;
    let was_whole = names.len() < MOST_ITEMS;
    for name in names {
        if part.is_full() {
            break;
        }
        match look(&name) {
            Ok(Some(item)) => part.add(&item)?,
            Ok(None) => {}
            Err(Error::Store(why @ store::Error::Corrupt { .. })) => part.unreadable(why),
            Err(error) => return Err(error),
        }
        at = at.saturating_add(1);
    }
    if !was_whole || part.is_full() {
        part.pile.next = Some(at);
    }
    Ok(part.pile)
}

/// A visitor that has enough ends a walk as one that fails does.
fn until_full(
    part: &mut Part,
    walk: impl FnOnce(&mut Part) -> Result<(), Error>,
) -> Result<(), Error> {
    match walk(part) {
        Err(_) if part.pile.next.is_some() => Ok(()),
        walked => walked,
    }
}

fn page(from: i64) -> Page {
    Page {
        offset: u64::try_from(from).unwrap_or(0),
        count: u64::try_from(MOST_ITEMS).ok(),
    }
}

fn json(value: &impl Serialize) -> Result<Value, store::Error> {
    serde_json::to_value(value).map_err(|error| store::Error::Invalid {
        path: "the answer".into(),
        why: error.to_string(),
    })
}

fn enough() -> store::Error {
    store::Error::Invalid {
        path: "the answer".into(),
        why: "is long enough".to_owned(),
    }
}

/// So much is in one answer.
const MOST_ITEMS: usize = 500;
const MOST_BYTES: usize = 256 * 1024;
