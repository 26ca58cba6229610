//! Who may do what: roles with rules, and Mosquitto's ACL files.
//!
//! Must not: read a file or a clock, log, lock, or allocate in a check. Everything here is a value:
//! rules are compiled once, off to the side, and then only asked.
//!
//! ```text
//! Rule ── Role::compile ──> Role ──┐                       Question + Asker
//!            Book + Holding ──> Holder (roles, groups, priorities) │
//!                          └── Compiler::rights ──> Rights ── check ──> Decision
//! text ── AclFile::parse ──> AclFile ────────────────────── check ──> acl_file::Decision
//! ```
//!
//! What a reader would get wrong: a rule that names `%c` or `%u` is never filled in. The level of the
//! question is compared with the name, so no name can widen a rule.
#![forbid(unsafe_code)]

pub mod acl_file;
mod book;
mod difference;
mod explain;
mod grant;
mod index;
mod kept;
pub mod lint;
mod listed;
#[cfg(test)]
pub(crate) mod naive;
mod part;
pub mod proof;
mod question;
mod rights;
mod role;
mod rule;
mod scope;
mod segment;
mod shared;
mod stored;
pub mod taken;
mod template;
#[cfg(test)]
mod tests;
mod topic;
mod trie;
mod written;

pub use self::book::{Book, Group, GroupId, Holding, RoleId, TooNew};
pub use self::difference::Loss;
pub use self::explain::{Candidate, Explanation, Say};
pub use self::grant::{Assignment, Grant, GroupGrant, Holder, Membership};
pub use self::index::WildcardSubscriptions;
pub use self::kept::can_be_kept;
pub use self::listed::ListError;
pub use self::part::{Again, PartId};
pub use self::question::{Asker, Message, Qos, Question};
pub use self::rights::{Because, Compiler, Decision, Defaults, Rights};
pub use self::role::{Role, RoleDefinition, Window};
pub use self::rule::{AclType, Conditions, Permission, Priority, Retain, Rule, RuleError};
pub use self::scope::{Limit, OWN_TOPIC, Prefixes, RESPONSE_TOPIC, Scope};
pub use self::stored::{Grantee, Holdings, Ranked, StoredGroup, StoredRole};
pub use self::template::{About, Substitution, Template};
pub use self::topic::{Filter, FilterError, HeardTopic, Topic, TopicError};
pub use self::trie::TooMany;
