//! What is stored about those who may enter.
//!
//! Must not: know where it is stored or how a password is checked. A stored
//! credential is a secret: `Debug` never shows it.
#![forbid(unsafe_code)]

use std::fmt;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod certificate;
mod name;
mod psk;

pub use self::certificate::{CertificateName, NoCertificateName};
pub use self::name::{AccountName, GroupName, NameError, NamePrefix, RoleName};
pub use self::psk::{BadPskLine, NoIdentity, NoKey, Psk, PskIdentity, PskKey, PskLine};

/// How to read a stored credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// The text says itself what it is (`$7$…`, `$argon2id$…`).
    #[default]
    Marked,
    /// RabbitMQ's base64 of salt and SHA-256.
    RabbitMq,
    /// EMQX's hex digest with a salt beside it.
    Emqx(EmqxDigest, SaltPlace),
}

/// EMQX's `password_hash_algorithm.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmqxDigest {
    /// Not hashed at all.
    Plain,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// EMQX's `salt_position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SaltPlace {
    /// The salt is hashed before the password.
    Prefix,
    /// The salt is hashed after the password.
    Suffix,
}

/// A credential as its source stores it, not yet understood.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// The stored text.
    pub text: Box<str>,
    /// The salt, where the source keeps it in a column of its own.
    pub salt: Option<Box<str>>,
    /// How to read both.
    pub scheme: Scheme,
}

impl StoredCredential {
    /// A credential whose text says what it is.
    #[must_use]
    pub fn marked(text: &str) -> Self {
        Self {
            text: text.into(),
            salt: None,
            scheme: Scheme::Marked,
        }
    }
}

impl fmt::Debug for StoredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Which stored credential of which account: another text, salt or account has another one. Made with
/// a key of this process, so nobody outside can find two that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u128);

/// One account. As JSON it is without its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// What the client sends as username.
    pub name: AccountName,
    /// The credential; without one nobody can log in with a password.
    #[serde(skip)]
    pub credential: Option<StoredCredential>,
    /// A second credential that is accepted too, while devices move from one to the other.
    #[serde(skip)]
    pub second_credential: Option<StoredCredential>,
    /// Switched off.
    #[serde(default)]
    pub disabled: bool,
    /// Refused before this moment.
    pub valid_from: Option<Timestamp>,
    /// Refused from this moment on.
    pub valid_until: Option<Timestamp>,
    /// The only client id that may use the account.
    pub client_id: Option<Box<str>>,
    /// The only networks it may be used from; empty for everywhere.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    /// The certificates that it may be used with, in order; an account has one, or several while devices move.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateName>,
    /// A name for people.
    pub textname: Option<Box<str>>,
    /// What it is for.
    pub textdescription: Option<Box<str>>,
    /// Whatever the operator wants to remember.
    #[serde(default)]
    pub notes: Box<str>,
    /// The last successful login, where the source records it.
    pub last_login: Option<Timestamp>,
}

impl Account {
    /// An enabled account with nothing but a name.
    #[must_use]
    pub fn named(name: AccountName) -> Self {
        Self {
            name,
            credential: None,
            second_credential: None,
            disabled: false,
            valid_from: None,
            valid_until: None,
            client_id: None,
            networks: Vec::new(),
            certificates: Vec::new(),
            textname: None,
            textdescription: None,
            notes: "".into(),
            last_login: None,
        }
    }

    /// The credentials that may be tried, the first one first.
    pub fn credentials(&self) -> impl Iterator<Item = &StoredCredential> {
        self.credential.iter().chain(&self.second_credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_an_account_shows_no_credential() {
        let mut account = Account::named(AccountName::new("roger").unwrap());
        account.credential = Some(StoredCredential::marked("$7$1$tulip$rose"));
        assert!(!format!("{account:?}").contains("tulip"));
        let json = serde_json::to_string(&account).unwrap();
        assert!(json.contains("roger") && !json.contains("tulip"));
    }
}
