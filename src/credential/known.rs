//! What may be told of a stored credential: its kind and its cost, or why it cannot be used.
//!
//! Must not: hold anything of its text.
#![forbid(unsafe_code)]

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Credential;
use crate::config::CostLimits;
use crate::model::StoredCredential;

/// What a credential is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Known {
    /// It can be used.
    Usable {
        /// Its kind and cost.
        kind: String,
    },
    /// It cannot.
    Unusable {
        /// Why.
        unusable: String,
    },
}

impl Known {
    /// What is to be told of a credential.
    #[must_use]
    pub fn of(stored: &StoredCredential) -> Self {
        match Credential::parse(stored, &CostLimits::STANDARD) {
            Ok(credential) => Self::Usable {
                kind: credential.kind(),
            },
            Err(error) => Self::Unusable {
                unusable: error.to_string(),
            },
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usable { kind } => f.write_str(kind),
            Self::Unusable { unusable } => write!(f, "unusable: {unusable}"),
        }
    }
}
