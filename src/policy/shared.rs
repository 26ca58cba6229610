//! Values that many hold and that end with their last holder.
//!
//! Must not: keep anything alive.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher as _, Hash};
use std::sync::{Arc, Weak};

use hashbrown::{DefaultHashBuilder, HashTable};

/// The values there are.
#[derive(Debug)]
pub(super) struct Shared<T> {
    values: HashTable<(u64, Weak<T>)>,
    hash: DefaultHashBuilder,
    /// With so many entries the ended ones are swept out.
    sweep_at: usize,
}

impl<T> Shared<T> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            values: HashTable::new(),
            hash: DefaultHashBuilder::default(),
            sweep_at: FEW,
        }
    }

    /// The value that is the same, or a new one. Equal keys go with values that are the same.
    pub(super) fn find_or_make<E>(
        &mut self,
        key: &impl Hash,
        is_same: impl Fn(&T) -> bool,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let hash = self.hash.hash_one(key);
        let is_it = |(other, value): &(u64, Weak<T>)| {
            *other == hash && value.upgrade().is_some_and(|value| is_same(&value))
        };
        let known = self.values.find(hash, is_it);
        if let Some(known) = known.and_then(|(_, value)| value.upgrade()) {
            return Ok(known);
        }
        let new = Arc::new(make()?);
        if self.values.len() >= self.sweep_at {
            self.values.retain(|(_, value)| value.strong_count() > 0);
            self.sweep_at = self.values.len().saturating_mul(2).max(FEW);
        }
        let entry = (hash, Arc::downgrade(&new));
        self.values.insert_unique(hash, entry, |(hash, _)| *hash);
        Ok(new)
    }

    /// How many entries there are, ended ones among them.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn find(shared: &mut Shared<usize>, number: usize) -> Arc<usize> {
        let found = shared.find_or_make(
            &number,
            |other| *other == number,
            || Ok::<_, Infallible>(number),
        );
        match found {
            Ok(value) => value,
        }
    }

    #[test]
    fn the_same_value_is_made_once_and_another_is_not_it() {
        let mut shared = Shared::new();
        let (one, again, two) = (
            find(&mut shared, 1),
            find(&mut shared, 1),
            find(&mut shared, 2),
        );
        assert!(Arc::ptr_eq(&one, &again));
        assert!(!Arc::ptr_eq(&one, &two));
    }

    #[test]
    fn a_value_ends_with_its_last_holder_and_its_entry_soon_after() {
        let mut shared = Shared::new();
        let kept = find(&mut shared, 0);
        for number in 1..10_000 {
            drop(find(&mut shared, number));
        }
        assert!(shared.len() <= FEW, "{}", shared.len());
        assert!(Arc::ptr_eq(&kept, &find(&mut shared, 0)));
    }
}
