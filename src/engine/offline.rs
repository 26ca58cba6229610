//! Who has left and may have a session waiting whose subscriptions are known to be such as it may have: the
//! broker looks at them again only when it is told to.
//!
//! Must not: grow with client ids that are made up for each connection: of each account the latest are kept,
//! and of all together so many. Whoever is not here is not known, and is looked at before it gets anything
//! that it may not subscribe to.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::AccountName;

/// Whose a session is; none for clients without a username.
pub(super) type Owner = Option<AccountName>;

/// The client ids that were in use lately.
#[derive(Default)]
pub(super) struct Offline {
    owners: HashMap<Arc<str>, Owner>,
    by_owner: HashMap<Owner, VecDeque<Arc<str>>>,
}

impl Offline {
    /// A client left.
    pub(super) fn left(&mut self, owner: Owner, client_id: &str) {
        self.returned(client_id);
        let ids = self.by_owner.entry(owner.clone()).or_default();
        if ids.len() >= OF_ONE_ACCOUNT || self.owners.len() >= MOST {
            let oldest = ids.pop_front();
            oldest.and_then(|id| self.owners.remove(&id));
        }
        if self.owners.len() < MOST {
            let client_id: Arc<str> = client_id.into();
            ids.push_back(Arc::clone(&client_id));
            self.owners.insert(client_id, owner);
        } else if ids.is_empty() {
            self.by_owner.remove(&owner);
        }
    }

    /// A client has this id now. Whose session waited under it, if that is known.
    pub(super) fn returned(&mut self, client_id: &str) -> Option<Owner> {
        let owner = self.owners.remove(client_id)?;
        if let Some(ids) = self.by_owner.get_mut(&owner) {
            ids.retain(|id| **id != *client_id);
            if ids.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
        Some(owner)
    }

    /// Whether this session is one of this owner.
    pub(super) fn is_of(&self, username: Option<&str>, client_id: &str) -> bool {
        let owner = self.owners.get(client_id);
        owner.is_some_and(|owner| owner.as_ref().map(AccountName::as_str) == username)
    }

    /// Whether this account has left any.
    pub(super) fn knows(&self, account: &AccountName) -> bool {
        self.by_owner.contains_key(&Some(account.clone()))
    }

    /// The client ids that this owner used lately.
    pub(super) fn of(&self, owner: &Owner) -> impl Iterator<Item = &Arc<str>> {
        self.by_owner.get(owner).into_iter().flatten()
    }
}

/// Whoever has more devices than this is a crowd.
const OF_ONE_ACCOUNT: usize = 1_024;

const MOST: usize = 500_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Owner {
        Some(AccountName::new(text).unwrap())
    }

    #[test]
    fn whoever_left_is_there_until_it_returns() {
        let mut offline = Offline::default();
        for _ in 0..2 {
            offline.left(name("ann"), "a");
        }
        offline.left(name("bob"), "b");
        offline.left(None, "c");
        assert_eq!(offline.of(&name("ann")).collect::<Vec<_>>(), [&"a".into()]);
        assert_eq!(offline.returned("a"), Some(name("ann")));
        assert_eq!(offline.returned("a"), None);
        assert_eq!(offline.of(&name("ann")).count(), 0);
        assert!(offline.is_of(Some("bob"), "b") && offline.is_of(None, "c"));
        assert!(!offline.is_of(Some("ann"), "b") && !offline.is_of(Some("bob"), "c"));
    }

    #[test]
    fn a_session_has_one_owner() {
        let mut offline = Offline::default();
        offline.left(name("ann"), "a");
        offline.left(name("bob"), "a");
        assert!(offline.is_of(Some("bob"), "a") && !offline.is_of(Some("ann"), "a"));
        assert_eq!((offline.by_owner.len(), offline.owners.len()), (1, 1));
    }

    #[test]
    fn made_up_client_ids_are_forgotten_again() {
        let mut offline = Offline::default();
        for number in 0..=OF_ONE_ACCOUNT {
            offline.left(name("ann"), &number.to_string());
        }
        assert_eq!(offline.of(&name("ann")).count(), OF_ONE_ACCOUNT);
        assert_eq!(offline.owners.len(), OF_ONE_ACCOUNT);
        let last = OF_ONE_ACCOUNT.to_string();
        assert!(offline.is_of(Some("ann"), &last) && !offline.is_of(Some("ann"), "0"));
    }
}
