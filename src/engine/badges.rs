//! What tokens say of those who came in by them, for as long as it counts.
//!
//! Must not: decide. There is one badge for each username and client id; it outlives the connection,
//! because the broker may keep the client's session, until somebody comes in otherwise under both names, or
//! so many have left that the ones that end first are forgotten.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use jiff::Timestamp;

use crate::policy::{Asker, Rights};
use crate::token::KeyId;

/// What a token says.
#[derive(Clone, Debug)]
pub(super) struct Badge {
    /// Not from this moment on.
    pub(super) until: Option<Timestamp>,
    /// The key that signed it.
    pub(super) key: KeyId,
    /// The roles that it names.
    pub(super) roles: Arc<[Box<str>]>,
    /// What it allows by itself.
    pub(super) rights: Option<Arc<Rights>>,
    /// Whether there was an account of the name.
    pub(super) has_account: bool,
}

/// A username and a client id.
type Names = (Box<str>, Box<str>);

/// All of them.
#[derive(Default)]
pub(super) struct Badges {
    all: HashMap<Names, Badge>,
    /// Of those who have left, by when they end.
    left: BTreeSet<(Timestamp, Names)>,
}

impl Badges {
    /// Somebody is in by a token.
    pub(super) fn put(&mut self, username: &str, client_id: &str, badge: Badge) {
        self.remove(username, client_id);
        self.all.insert(names(username, client_id), badge);
    }

    /// Somebody is in otherwise.
    pub(super) fn remove(&mut self, username: &str, client_id: &str) {
        let names = names(username, client_id);
        if let Some(badge) = self.all.remove(&names) {
            self.left.remove(&(end(&badge), names));
        }
    }

    /// The one of a client.
    pub(super) fn get(&self, asker: Asker<'_>) -> Option<Badge> {
        let (username, client_id) = asker.username.zip(asker.client_id)?;
        self.all.get(&names(username, client_id)).cloned()
    }

    /// A client has left.
    pub(super) fn left(&mut self, username: &str, client_id: &str) {
        let names = names(username, client_id);
        let Some(badge) = self.all.get(&names) else {
            return;
        };
        self.left.insert((end(badge), names));
        while self.left.len() > MOST_LEFT {
            let Some((_, first)) = self.left.pop_first() else {
                return;
            };
            self.all.remove(&first);
        }
    }
}

fn names(username: &str, client_id: &str) -> Names {
    (username.into(), client_id.into())
}

fn end(badge: &Badge) -> Timestamp {
    badge.until.unwrap_or(Timestamp::MAX)
}

/// Of clients that have left, at a few hundred bytes each.
const MOST_LEFT: usize = 100_000;
