//! Why a client may do something or may not: what decided, what that beat, and what had no say.
//!
//! Must not: decide. The sources are asked as the plugin asks them, and each tells its own reasons; whoever
//! asks, by the command line or by a message, is told the same.
#![forbid(unsafe_code)]

mod answer;
mod request;
mod rule_view;
mod say;
mod standing;

pub use self::answer::{Answered, Outcome, Told, Words};
pub use self::request::{Action, Request};
pub use self::rule_view::RuleView;
pub use self::standing::{Asked, TokenRules, Trouble};
