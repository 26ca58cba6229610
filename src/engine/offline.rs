//! Who has left and may have a session waiting: the broker keeps its subscriptions, and looks at them
//! again only when it is told to.
//!
//! Must not: grow with client ids that are made up for each connection: of each account the latest few
//! are kept, and of all together so many.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::model::AccountName;

/// The client ids that were in use lately, by account.
#[derive(Default)]
pub(super) struct Offline {
    by_account: HashMap<AccountName, VecDeque<Box<str>>>,
    count: usize,
}

impl Offline {
    /// A client left.
    pub(super) fn left(&mut self, account: AccountName, client_id: Box<str>) {
        self.returned(&account, &client_id);
        let ids = self.by_account.entry(account).or_default();
        if ids.len() >= OF_ONE_ACCOUNT || self.count >= MOST {
            self.count = self
                .count
                .saturating_sub(usize::from(ids.pop_front().is_some()));
        }
        if self.count < MOST {
            ids.push_back(client_id);
            self.count = self.count.saturating_add(1);
        }
    }

    /// A client is back.
    pub(super) fn returned(&mut self, account: &AccountName, client_id: &str) {
        let Some(ids) = self.by_account.get_mut(account) else {
            return;
        };
        let before = ids.len();
        ids.retain(|id| **id != *client_id);
        self.count = self.count.saturating_sub(before.saturating_sub(ids.len()));
        if ids.is_empty() {
            self.by_account.remove(account);
        }
    }

    /// The client ids that this account used lately.
    pub(super) fn of(&self, account: &str) -> impl Iterator<Item = &Box<str>> {
        self.by_account.get(account).into_iter().flatten()
    }
}

/// Durable sessions have client ids that stay; whoever has more of them than this is a crowd.
const OF_ONE_ACCOUNT: usize = 16;

const MOST: usize = 500_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    #[test]
    fn whoever_left_is_there_until_it_returns() {
        let mut offline = Offline::default();
        for _ in 0..2 {
            offline.left(name("ann"), "a".into());
        }
        offline.left(name("bob"), "b".into());
        assert_eq!(offline.of("ann").collect::<Vec<_>>(), [&"a".into()]);
        offline.returned(&name("ann"), "a");
        assert_eq!(offline.of("ann").count(), 0);
        assert_eq!((offline.of("bob").count(), offline.count), (1, 1));
    }

    #[test]
    fn made_up_client_ids_are_forgotten_again() {
        let mut offline = Offline::default();
        for number in 0..1_000 {
            offline.left(name("ann"), number.to_string().into());
        }
        assert_eq!((offline.of("ann").count(), offline.count), (16, 16));
        assert!(offline.of("ann").any(|id| **id == *"999"));
    }
}
