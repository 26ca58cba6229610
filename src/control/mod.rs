//! The control API: commands that arrive as messages on `$CONTROL/dynamic-security/v1`, and their answers.
//!
//! It is the API of Mosquitto's dynamic-security plugin, so that `mosquitto_ctrl dynsec` and whatever
//! else speaks it works unmodified: names, texts of errors, what is left out of an answer, whose
//! connections end. A message becomes orders ([`letter`]), an order becomes admin commands ([`verbs`]),
//! and somebody on a thread of its own carries them out ([`clerk`]). Must not: run on the broker's thread, where
//! nothing waits for a disk; decide who may give orders, which the engine does before a message comes
//! here; or have a way of its own to change the database: what the command line does and what a
//! message does are the same admin commands.
#![forbid(unsafe_code)]

mod answer;
mod clerk;
mod desk;
mod hand;
mod hashing;
mod letter;
mod own;
#[cfg(test)]
mod tests;
mod verbs;

pub use self::answer::overflow;
pub use self::desk::{Desk, Full, Place};
pub use self::letter::{Glimpse, Letter, Sender, glance};

/// Where orders are sent to.
pub const TOPIC: &str = "$CONTROL/dynamic-security/v1";

pub use crate::policy::OWN_TOPIC;

/// Where each of them is answered, alone.
pub const OWN_RESPONSE_TOPIC: &str = "$CONTROL/doorman/own/v1/response";

/// Where everybody who may receive it is answered.
pub const RESPONSE_TOPIC: &str = "$CONTROL/dynamic-security/v1/response";
