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
mod roles;
mod seen;
#[cfg(test)]
mod tests;
mod touched;

pub use apply::{Actor, Batch, Error, Outcome, apply};
pub use command::{Change, Command, DefaultsChange, GroupChange, RoleChange, Rotation};
pub use touched::Touched;
