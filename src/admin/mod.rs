//! Administration: one set of verbs, whoever speaks them.
//!
//! The command line speaks them today; a later `$CONTROL` mouth becomes the same [`Command`]s. Must
//! not: read passwords from anywhere, hash them, print, or know which kind of store it changes.
#![forbid(unsafe_code)]

mod accounts;
mod apply;
mod command;
mod groups;
mod limits;
mod note;
mod office;
mod psk;
mod question;
mod roles;
#[cfg(test)]
mod tests;
mod touched;
mod wire;
mod within;

pub use apply::{Actor, Batch, Error, Outcome, apply};
pub use command::{Change, Command, DefaultsChange, Existing, GroupChange, RoleChange, Rotation};
pub use office::{Import, Local, Office, Seen};
pub use question::{CONTROL_TOPIC, Pile, Question};

pub use crate::policy::RESPONSE_TOPIC;
pub use touched::Touched;
