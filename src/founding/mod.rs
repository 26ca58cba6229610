//! What a database begins with: somebody who may administer it, and the roles for that; or what
//! dynamic-security's file says.
//!
//! Must not: change a database that is there, but for what [`administrator`] adds and an operator asked
//! for; write a password anywhere but into the one file that is its owner's; or log one.
#![forbid(unsafe_code)]

mod administrator;
mod file;
mod secret;
mod start;

pub use self::administrator::{Defect, administrator};
pub use self::file::take_over;
pub use self::secret::{NoSecret, generate, hashed};
pub use self::start::{Error, Initial, first_start};
