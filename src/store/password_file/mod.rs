//! Mosquitto's `password_file`: `name:credential` lines, beside comments that people wrote.
//!
//! Must not: understand credentials. It can hold a name and one credential and nothing else; more
//! is refused, never dropped in silence.
#![forbid(unsafe_code)]

mod line;
mod snapshot;
mod source;
mod text;
mod writer;

pub use line::{Line, can_hold, split};
pub use source::open;
pub use writer::PasswordFile;
