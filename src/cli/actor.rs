//! Who runs this command, for the record of what was done.
//!
//! Must not: believe the environment: what it says anybody can write there.
#![forbid(unsafe_code)]

use nix::unistd::{Uid, User};

use super::clock;
use crate::admin::Actor;

/// The user that this process runs as, by name, or by number where it has none.
pub(super) fn actor() -> Actor {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten();
    let name = user.map_or_else(|| uid.to_string(), |user| user.name);
    Actor {
        who: format!("cli:{name}").into(),
        from: "local".into(),
        at: clock::now(),
    }
}
