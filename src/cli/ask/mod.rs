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

use std::io::{self, Write};

use super::print::Answer;
use crate::model::AccountName;
use crate::reasons::Answered;

pub(super) use self::explain::{ExplainArgs, run as explain};
pub(super) use self::test::{TestArgs, run as test};

impl Answer for Answered {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        Answered::write(self, out)
    }
}

/// A username, or `-` for none.
fn user(text: &str) -> Result<Option<AccountName>, String> {
    match text {
        "-" => Ok(None),
        _ => AccountName::new(text)
            .map(Some)
            .map_err(|error| error.to_string()),
    }
}
