//! The clocks, read here so that nobody below has to.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

use crate::request::Now;

/// The time of an event.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place on the plugin's side that may"
)]
pub(super) fn now() -> Now {
    Now {
        mono: Instant::now(),
        wall: Timestamp::now(),
    }
}

/// The time since some moment, a few milliseconds off, and cheap: for what is asked at each round of the broker.
/// None where there is no such clock.
pub(super) fn coarse() -> Option<Duration> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    now.map(Duration::from).ok()
}
