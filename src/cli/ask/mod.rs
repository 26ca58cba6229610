//! `doorman explain` and `doorman test`: what the plugin would answer, and why.
//!
//! Must not: decide. The sources are opened and asked as the plugin does it; what is new here is only
//! that the reasons are told.
#![forbid(unsafe_code)]

mod answer;
mod explain;
mod named;
mod request;
mod say;
mod sources;
mod table;
mod test;

pub(super) use self::explain::{ExplainArgs, run as explain};
pub(super) use self::test::{TestArgs, run as test};
