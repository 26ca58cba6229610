//! What is answered.
//!
//! Must not: hold anything secret: an answer goes to everybody who may read the topic.
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};

use crate::admin;
use crate::store;

/// For whoever is limited and wants to go beyond that.
pub(super) const OUTSIDE: &str = "Outside of your administrative limit";

/// The answer to one order.
#[derive(Debug)]
pub(super) struct Answer {
    /// The order's name.
    pub(super) command: String,
    /// What came of it.
    pub(super) outcome: Result<Option<Value>, Refusal>,
    /// What the sender wanted to find again.
    pub(super) correlation: Option<String>,
}

/// Why an order was not carried out, in the words that clients compare.
#[derive(Debug)]
pub(super) struct Refusal {
    words: String,
    /// What is told besides, and under which name: `data`, or `detail` of what whoever gave our own orders
    /// can tell from more than words.
    besides: Option<(&'static str, Value)>,
}

impl Refusal {
    /// In these words.
    pub(super) fn new(words: &str) -> Self {
        Self::of(words.to_owned())
    }

    /// And this data.
    pub(super) fn with(self, data: Value) -> Self {
        let besides = Some(("data", data));
        Self { besides, ..self }
    }

    /// With all that is known of it.
    pub(super) fn detailed(error: admin::Error) -> Self {
        let detail = serde_json::to_value(&error).ok();
        Self {
            besides: detail.map(|detail| ("detail", detail)),
            ..error.into()
        }
    }

    fn of(words: String) -> Self {
        Self {
            words,
            besides: None,
        }
    }

    /// The words.
    pub(super) fn words(&self) -> &str {
        &self.words
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        admin::Error::from(error).into()
    }
}

impl From<admin::Error> for Refusal {
    fn from(error: admin::Error) -> Self {
        match error {
            admin::Error::Missing { .. } => Self::new("Client not found"),
            admin::Error::Exists { .. } => Self::new("Client already exists"),
            admin::Error::CertificateTaken { .. } => {
                Self::new("Certificate belongs to another client")
            }
            admin::Error::RoleMissing { .. } => Self::new("Role not found"),
            admin::Error::RoleExists { .. } => Self::new("Role already exists"),
            admin::Error::RuleMissing { .. } => Self::new("ACL not found"),
            admin::Error::GroupMissing { .. } => Self::new("Group not found"),
            admin::Error::GroupExists { .. } => Self::new("Group already exists"),
            admin::Error::AnonymousGroup { .. } => {
                Self::new("Deleting the anonymous group is forbidden")
            }
            admin::Error::PskMissing { .. } => Self::new("PSK identity not found"),
            admin::Error::PskExists { .. } => Self::new("PSK identity already exists"),
            admin::Error::Outside => Self::new(OUTSIDE),
            admin::Error::Store(error) => Self::of(format!("Internal error: {error}")),
        }
    }
}

impl Answer {
    /// To what is no order.
    pub(super) fn unnamed(words: &str) -> Self {
        Self {
            command: "Unknown command".to_owned(),
            outcome: Err(Refusal::new(words)),
            correlation: None,
        }
    }

    fn into_json(self) -> Value {
        let mut entry = Map::new();
        entry.insert("command".to_owned(), json!(self.command));
        match self.outcome {
            Ok(None) => {}
            Ok(Some(data)) => drop(entry.insert("data".to_owned(), data)),
            Err(Refusal { words, besides }) => {
                entry.insert("error".to_owned(), json!(words));
                if let Some((name, value)) = besides {
                    entry.insert(name.to_owned(), value);
                }
            }
        }
        if let Some(correlation) = self.correlation {
            entry.insert("correlationData".to_owned(), json!(correlation));
        }
        Value::Object(entry)
    }
}

/// The message for whoever comes while too much waits.
#[must_use]
pub fn overflow() -> Vec<u8> {
    message(vec![Answer::unnamed("Too many commands are waiting")])
}

/// The message for the answers to one message, in the order of its orders.
pub(super) fn message(answers: Vec<Answer>) -> Vec<u8> {
    let answers: Value = answers.into_iter().map(Answer::into_json).collect();
    // Moved there: `json!` would copy all of it.
    let message = Map::from_iter([("responses".to_owned(), answers)]);
    Value::Object(message).to_string().into_bytes()
}
