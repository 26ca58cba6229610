//! What the broker's thread is done with, until another thread frees it.
//!
//! Must not: keep much. An allocator has whoever frees what another thread made wait for that thread, and a
//! page of an answer is large; the broker's thread waits for nobody.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things that are not needed any more.
pub(super) struct Leavings<T> {
    left: Mutex<Left<T>>,
    most: usize,
    most_bytes: usize,
}

struct Left<T> {
    things: Vec<T>,
    bytes: usize,
}

impl<T> Leavings<T> {
    /// None yet. Once there are so many, nothing is added; and never more bytes than these.
    pub(super) const fn up_to(most: usize, most_bytes: usize) -> Self {
        Self {
            left: Mutex::new(Left {
                things: Vec::new(),
                bytes: 0,
            }),
            most,
            most_bytes,
        }
    }

    /// Leaves some that have so many bytes, where there is room for them.
    pub(super) fn leave(&self, mut things: Vec<T>, bytes: usize) {
        let mut left = self.left();
        let all = left.bytes.saturating_add(bytes);
        if all <= self.most_bytes && left.things.len() < self.most {
            left.bytes = all;
            left.things.append(&mut things);
        }
    }

    /// Frees them. For another thread than the broker's.
    pub(super) fn clear(&self) {
        let things = {
            let mut left = self.left();
            left.bytes = 0;
            std::mem::take(&mut left.things)
        };
        drop(things);
    }

    fn left(&self) -> MutexGuard<'_, Left<T>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_BYTES: usize = 100;

    fn count(leavings: &Leavings<&str>) -> usize {
        leavings.left().things.len()
    }

    #[test]
    fn what_is_left_is_kept_until_it_is_cleared_and_no_more_than_there_is_room_for() {
        let leavings = Leavings::up_to(4, MOST_BYTES);
        leavings.leave(vec!["message", "kick"], MOST_BYTES - 1);
        leavings.leave(vec!["message"], 2);
        assert_eq!(count(&leavings), 2);
        leavings.leave(vec!["message"], 1);
        assert_eq!(count(&leavings), 3);
        leavings.clear();
        assert_eq!(count(&leavings), 0);
        leavings.leave(vec!["message"; 4], MOST_BYTES);
        assert_eq!(count(&leavings), 4);
        leavings.leave(vec!["kick"], 0);
        assert_eq!(count(&leavings), 4);
    }
}
