//! Tasks in the order in which they are taken: by rank, then by age. Bounded.
//!
//! Must not: wait, or lock. When it is full, a task of a better rank takes the place of the youngest
//! of the worst: an attacker who fills the queue does not keep anybody else out.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::{Rank, Task};

/// The tasks that wait.
pub(super) struct Queue {
    tasks: BTreeMap<(Rank, u64), Task>,
    arrivals: u64,
    capacity: usize,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            tasks: BTreeMap::new(),
            arrivals: 0,
            capacity,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Takes a task in. The one that is out of place comes back: the new one, or another whose
    /// rank is worse.
    pub(super) fn push(&mut self, task: Task) -> Result<(), Task> {
        self.arrivals = self.arrivals.wrapping_add(1);
        let rank = task.rank;
        self.tasks.insert((rank, self.arrivals), task);
        if self.tasks.len() <= self.capacity {
            return Ok(());
        }
        self.tasks.retain(|_, task| task.interest.is_there());
        if self.tasks.len() <= self.capacity {
            return Ok(());
        }
        self.tasks.pop_last().map_or(Ok(()), |(_, task)| Err(task))
    }

    /// The next task that somebody still waits for.
    pub(super) fn pop(&mut self) -> Option<Task> {
        loop {
            let (_, task) = self.tasks.pop_first()?;
            if task.interest.is_there() {
                return Some(task);
            }
        }
    }
}
