//! dynamic-security's file: what it says, as values, and the file again.
//!
//! Must not: open the file, decide anything, or drop something without a word: whatever of the file
//! is not in the document, or not as it stands there, is told by a [`Remark`].
//!
//! It is read as dynamic-security reads it: what is missing has its defaults, of what comes twice the
//! first counts, names are told apart by case, and what names nothing is left out. What it does not
//! look at, such as the `textName` that `mosquitto_ctrl` writes, it does not mean.
#![forbid(unsafe_code)]

mod fields;
mod json;
mod read;
mod remark;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

pub use self::fields::Error;
pub use self::json::Json;
pub use self::remark::{Remark, What};
use crate::model::{AccountName, StoredCredential};
use crate::policy::{Defaults, Priority, Rule, WildcardSubscriptions};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What happens when no rule answers.
    pub defaults: Defaults,
    /// Its `clients`.
    pub accounts: Vec<Account>,
    /// Its groups.
    pub groups: Vec<Group>,
    /// Its roles.
    pub roles: Vec<Role>,
    /// The group whose roles clients without a username have; one of [`Document::groups`].
    pub anonymous_group: Option<Arc<str>>,
    /// How often it was changed, counted by 2.1.
    pub change_index: Option<u64>,
}

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The username.
    pub name: AccountName,
    /// For people.
    pub texts: Texts,
    /// Switched off.
    pub disabled: bool,
    /// The only client id that may use the account.
    pub client_id: Option<Box<str>>,
    /// Without one nobody can log in with a password.
    pub credential: Option<StoredCredential>,
    /// The roles of its own.
    pub roles: Vec<Holding>,
}

/// Several accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// For people.
    pub texts: Texts,
    /// The roles its members have.
    pub roles: Vec<Holding>,
    /// Who is in it.
    pub members: Vec<Member>,
}

/// A set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: Arc<str>,
    /// For people.
    pub texts: Texts,
    /// In the order of the file.
    pub rules: Vec<Rule>,
    /// Whether its holders may subscribe with wildcards.
    pub wildcard_subscriptions: WildcardSubscriptions,
}

/// `textname` and `textdescription`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// A name for people.
    pub name: Option<Box<str>>,
    /// What it is for.
    pub description: Option<Box<str>>,
}

/// A role that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// One of [`Document::roles`].
    pub role: Arc<str>,
    /// How early it is asked.
    pub priority: Priority,
}

/// An account in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// One of [`Document::accounts`].
    pub account: AccountName,
    /// How early the group is asked among the account's groups.
    pub priority: Priority,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no JSON, or not made of the parts that such a file has.
    pub fn parse(text: &str) -> Result<(Self, Vec<Remark>), Error> {
        read::document(text)
    }

    /// The file, as 2.0 and 2.1 both read it. Reading it again gives the same document.
    #[must_use]
    pub fn to_json(&self) -> String {
        write::document(self)
    }
}
