//! `doorman explain` and `doorman test`: what the plugin would answer, and why.
//!
//! Must not: decide. The sources are opened and asked as the plugin does it; what is new here is only
//! that the reasons are told.
#![forbid(unsafe_code)]

mod explain;
mod named;
mod sources;
mod table;
mod test;

use crate::model::AccountName;

pub(super) use self::explain::{ExplainArgs, run as explain};
pub(super) use self::test::{TestArgs, run as test};

/// A username, or `-` for none.
fn user(text: &str) -> Result<Option<AccountName>, String> {
    match text {
        "-" => Ok(None),
        _ => AccountName::new(text)
            .map(Some)
            .map_err(|error| error.to_string()),
    }
}
