//! Waiting for a condition, with a deadline. The only place of the tests that sleeps.

use std::thread;
use std::time::{Duration, Instant};

/// How long a thing that should happen at once may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Whether `condition` became true before `deadline` had passed. It is asked at least once.
#[must_use]
pub fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    until(deadline, || condition().then_some(())).is_some()
}

/// The first value `attempt` gives before `deadline` has passed. It is asked at least once.
pub fn until<T>(deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if started.elapsed() >= deadline {
            return None;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

const POLL_INTERVAL: Duration = Duration::from_millis(5);
