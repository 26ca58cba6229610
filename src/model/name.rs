//! Names of accounts, roles and groups: checked once, here, and believed everywhere else.
//!
//! Must not: know what is behind a name. A role's or a group's name is never sent as a username, but
//! it is shown, logged and sent in JSON where usernames are, so the same texts are names.
#![forbid(unsafe_code)]

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Why a text cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there: the broker reads an empty username as anonymous.
    #[error("a name cannot be empty")]
    Empty,
    /// MQTT lengths are 16 bits.
    #[error("a name can have at most 65535 bytes, not {0}")]
    TooLong(usize),
    /// Control characters are refused by every broker.
    #[error("a name cannot contain control characters")]
    Control,
}

macro_rules! name {
    ($(#[$doc:meta])* $Name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $Name(Arc<str>);

        impl $Name {
            /// Checks a text and takes it as a name.
            ///
            /// # Errors
            /// When no MQTT client could send it.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check(text).map(|()| Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $Name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// An account's name: what clients send as username. 1 to 65535 bytes of UTF-8 without control
    /// characters, as MQTT 5 section 1.5.4 and the broker's own check have it.
    AccountName
}

name! {
    /// A role's name: `rolename`.
    RoleName
}

name! {
    /// A group's name: `groupname`.
    GroupName
}

name! {
    /// What names begin with: the limit of an administrator.
    NamePrefix
}

impl NamePrefix {
    /// Whether a name begins with it.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        name.starts_with(self.as_str())
    }
}

impl AccountName {
    /// Checks a text as [`AccountName::new`] does, and keeps nothing.
    ///
    /// # Errors
    /// When no MQTT client could send it.
    pub fn check(text: &str) -> Result<(), NameError> {
        check(text)
    }
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > usize::from(u16::MAX) {
        return Err(NameError::TooLong(text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_any_visible_character_is_taken() {
        for name in ["roger", "a:b", "+/#", "späť", &"x".repeat(65_535)] {
            let length = Ok(name.len());
            assert_eq!(AccountName::new(name).map(|n| n.as_str().len()), length);
            assert_eq!(RoleName::new(name).map(|n| n.as_str().len()), length);
            assert_eq!(GroupName::new(name).map(|n| n.as_str().len()), length);
        }
    }

    #[test]
    fn a_name_no_client_can_send_is_refused() {
        for (text, why) in [
            ("", NameError::Empty),
            (&*"x".repeat(65_536), NameError::TooLong(65_536)),
            ("a\nb", NameError::Control),
        ] {
            assert_eq!(AccountName::new(text), Err(why));
            assert_eq!(RoleName::new(text), Err(why));
            assert_eq!(GroupName::new(text), Err(why));
        }
    }
}
