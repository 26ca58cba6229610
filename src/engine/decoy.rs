//! Work for usernames that nobody has, so that the time of a refusal does not tell who exists.
//!
//! Must not: take a fixed cost. Accounts may be stored at several costs; each unknown username is
//! given one of them, always the same, as often as accounts have it.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};

use crate::credential::Cost;

/// The costs to choose from.
pub(super) struct Decoys {
    /// Keyed at random for each process, so that nobody can find a username with a chosen cost.
    choice: RandomState,
    costs: RwLock<Vec<Cost>>,
}

impl Decoys {
    /// Nothing seen yet.
    pub(super) fn new() -> Self {
        Self {
            choice: RandomState::new(),
            costs: RwLock::new(Vec::new()),
        }
    }

    /// Takes over the costs of a sample of the accounts there are now.
    pub(super) fn replace(&self, costs: Vec<Cost>) {
        *self.costs.write().unwrap_or_else(PoisonError::into_inner) = costs;
    }

    /// The cost of verifying a wrong password for this username.
    pub(super) fn cost(&self, username: &str) -> Cost {
        let costs = self.costs.read().unwrap_or_else(PoisonError::into_inner);
        let chosen = self
            .choice
            .hash_one(username)
            .checked_rem(costs.len() as u64);
        chosen
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| costs.get(index).copied())
            .unwrap_or_else(Cost::standard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CostLimits;
    use crate::credential::Credential;
    use crate::model::StoredCredential;

    fn cost(iterations: u32) -> Cost {
        let text = format!("$7${iterations}$AAAAAAAAAAAAAAAA${}==", "A".repeat(86));
        Credential::parse(&StoredCredential::marked(&text), &CostLimits::STANDARD)
            .unwrap()
            .cost()
    }

    #[test]
    fn without_accounts_there_is_still_work() {
        assert_eq!(Decoys::new().cost("nobody"), Cost::standard());
    }

    #[test]
    fn a_username_keeps_its_cost_and_usernames_share_the_accounts_costs() {
        let decoys = Decoys::new();
        decoys.replace(vec![cost(1), cost(2)]);
        assert_eq!(decoys.cost("x"), decoys.cost("x"));
        let first = (0..1000)
            .filter(|n| decoys.cost(&n.to_string()) == cost(1))
            .count();
        assert!((300..700).contains(&first), "{first} of 1000");
    }
}
