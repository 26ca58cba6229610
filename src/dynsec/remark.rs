//! What is not in the document as it stands in the file.
//!
//! Must not: quote a value; it may be a secret. Names of fields are quoted, escaped.
#![forbid(unsafe_code)]

use std::fmt;

use crate::model::NameError;
use crate::policy::RuleError;

/// Something in the file that was not taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Where: `clients[3].roles[0]`.
    pub place: String,
    /// What.
    pub what: What,
}

/// What was not taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// No such field is read.
    UnknownField(String),
    /// The field comes twice: the first counts.
    RepeatedField(String),
    /// It is of the wrong kind and was left out; a switch has the setting that allows less.
    WrongKind(&'static str),
    /// It has no name, or one that is no text.
    NoName,
    /// No client can send this name.
    BadName(NameError),
    /// There was one of that name before: the first counts.
    Duplicate,
    /// It names what is not in the file.
    NoSuch(&'static str),
    /// No rule: left out.
    BadRule(RuleError),
    /// It has no type or no topic: left out.
    HalfRule,
    /// The credential is not whole: nobody can log in with it.
    BadCredential,
    /// The nearest number that is possible was taken.
    Clamped,
}

impl What {
    /// Whether something that the original reads and acts upon is missing from the document.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        match self {
            // A type that it does not know it leaves out, too.
            Self::BadRule(why) => *why != RuleError::AclType,
            Self::BadName(_) => true,
            Self::UnknownField(_)
            | Self::RepeatedField(_)
            | Self::WrongKind(_)
            | Self::NoName
            | Self::Duplicate
            | Self::NoSuch(_)
            | Self::HalfRule
            | Self::BadCredential
            | Self::Clamped => false,
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "{}", self.what),
            place => write!(f, "{place}: {}", self.what),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField(name) if name == "textName" => {
                f.write_str("textName is not read; it is spelled textname")
            }
            Self::UnknownField(name) => write!(f, "there is no field {name:?}; it was left out"),
            Self::RepeatedField(name) => {
                write!(f, "the field {name:?} comes twice; the first counts")
            }
            Self::WrongKind(kind) => write!(f, "this cannot be {kind}; it was left out"),
            Self::NoName => f.write_str("it has no name; it was left out"),
            Self::BadName(why) => write!(f, "{why}; it was left out"),
            Self::Duplicate => f.write_str("this comes twice; the first counts"),
            Self::NoSuch(what) => write!(f, "there is no such {what} in the file; it was left out"),
            Self::BadRule(why) => write!(f, "{why}; the rule was left out"),
            Self::HalfRule => f.write_str("a rule has an acltype and a topic; this was left out"),
            Self::BadCredential => {
                f.write_str("the password is not whole; nobody can log in with it")
            }
            Self::Clamped => f.write_str("a priority lies between -100000 and 100000"),
        }
    }
}
