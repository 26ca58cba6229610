//! What the broker's thread is done with, until another thread frees it.
//!
//! Must not: keep much. An allocator has whoever frees what another thread made wait for that thread, and a
//! page of an answer is large; the broker's thread waits for nobody.
#![forbid(unsafe_code)]

use std::sync::Mutex;

use super::lock;
use crate::verdict::Effect;

/// Effects that were carried out.
#[derive(Default)]
pub(super) struct Leavings(Mutex<Left>);

#[derive(Default)]
struct Left {
    effects: Vec<Effect>,
    /// How many bytes were to be published.
    bytes: usize,
}

impl Leavings {
    /// Leaves some, where there is room for them.
    pub(super) fn leave(&self, mut effects: Vec<Effect>) {
        let bytes: usize = effects.iter().map(length).sum();
        let mut left = lock(&self.0);
        let all = left.bytes.saturating_add(bytes);
        if all <= MOST_BYTES && left.effects.len() < MOST {
            left.bytes = all;
            left.effects.append(&mut effects);
        }
    }

    /// Frees them. For another thread than the broker's.
    pub(super) fn clear(&self) {
        let left = std::mem::take(&mut *lock(&self.0));
        drop(left);
    }
}

fn length(effect: &Effect) -> usize {
    match effect {
        Effect::Publish { payload, .. } | Effect::Tell { payload, .. } => payload.len(),
        Effect::Kick { .. }
        | Effect::KickKeyed { .. }
        | Effect::KickUnseen { .. }
        | Effect::KickUsername(_)
        | Effect::Recheck { .. }
        | Effect::Complete { .. } => 0,
    }
}

/// Of what is to be published, and of effects: what a busy fifth of a second brings.
const MOST_BYTES: usize = 8 << 20;
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Effect {
        Effect::Publish {
            topic: "a".into(),
            payload: vec![0; bytes].into(),
            retain: false,
        }
    }

    fn count(leavings: &Leavings) -> usize {
        lock(&leavings.0).effects.len()
    }

    #[test]
    fn what_is_left_is_kept_until_it_is_cleared_and_no_more_than_there_is_room_for() {
        let leavings = Leavings::default();
        leavings.leave(vec![message(MOST_BYTES - 1), Effect::KickUsername(None)]);
        leavings.leave(vec![message(2)]);
        assert_eq!(count(&leavings), 2);
        leavings.leave(vec![message(1)]);
        assert_eq!(count(&leavings), 3);
        leavings.clear();
        assert_eq!(count(&leavings), 0);
        leavings.leave(vec![message(MOST_BYTES)]);
        assert_eq!(count(&leavings), 1);
    }
}
