//! The clocks, read here so that nobody below has to.

use std::time::Instant;

use jiff::Timestamp;

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
