//! From the bytes of a message to the orders in it.
//!
//! Must not: know what orders there are. Of a message that is not as it should be, what comes before the
//! mistake counts, as with the original; a field that is missing or of the wrong kind is the order's own
//! to refuse, in the words of whoever reads it.
#![forbid(unsafe_code)]

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Deserializer;
use zeroize::Zeroizing;

use super::answer::{Answer, Refusal};
use crate::admin::Actor;
use crate::dynsec::Json;
use crate::request::{Access, Action, ConnectionId};
use crate::show::Shown;
use crate::verdict::Addressee;

/// A message and who sent it.
pub struct Letter {
    /// Who.
    pub sender: Sender,
    /// When it came.
    pub at: Timestamp,
    /// Its payload: it may hold passwords.
    pub payload: Zeroizing<Vec<u8>>,
}

/// Who gives orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The username; none for clients without one.
    pub username: Option<Box<str>>,
    /// The client id.
    pub client_id: Option<Box<str>>,
    /// Where it is.
    pub address: Option<Box<str>>,
    /// Its connection, where the broker told of it.
    pub connection: Option<ConnectionId>,
    /// How the message was sent.
    pub qos: u8,
    /// Whether it was to be kept.
    pub retain: bool,
}

impl Sender {
    /// What it did: it sent a message of this length to this topic.
    pub(super) fn access<'a>(&'a self, topic: &'a str, payload: usize) -> Access<'a> {
        Access {
            client_id: self.client_id.as_deref(),
            username: self.username.as_deref(),
            action: Action::Publish,
            topic,
            qos: self.qos,
            retain: self.retain,
            payload: u32::try_from(payload).unwrap_or(u32::MAX),
        }
    }

    /// For the log.
    pub(super) fn shown(&self) -> String {
        let text = |text: &Option<Box<str>>| match text {
            Some(text) => Shown(text).to_string(),
            None => "none".to_owned(),
        };
        let [username, client_id, address] =
            [&self.username, &self.client_id, &self.address].map(text);
        format!("control by={username} client_id={client_id} address={address}")
    }

    /// It and nobody else.
    #[must_use]
    pub fn addressee(&self) -> Option<Addressee> {
        Some(Addressee {
            connection: self.connection,
            client_id: self.client_id.clone()?,
        })
    }

    /// For the record.
    pub(super) fn actor(&self, at: Timestamp) -> Actor {
        let username = self.username.as_deref().unwrap_or_default();
        let address = self.address.as_deref().unwrap_or("-");
        let client_id = self.client_id.as_deref().unwrap_or_default();
        Actor {
            who: format!("mqtt:{username}").into(),
            from: format!("{address} {client_id}").into(),
            at,
        }
    }
}

/// One order.
pub(super) struct Order {
    /// Its name, as it was written.
    pub(super) name: String,
    /// What the sender wants to find again in the answer.
    pub(super) correlation: Option<String>,
    json: Json,
    /// What was taken out of a list of it.
    entries: Vec<Order>,
}

/// What a message holds: orders, and at the end perhaps something that is none.
pub(super) struct Content {
    pub(super) orders: Vec<Order>,
    pub(super) broken: Option<Answer>,
}

/// What a message is read as, for whoever only looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// The names of the orders in it.
    pub orders: Vec<String>,
    /// What is said of what is none.
    pub broken: Option<String>,
}

/// Looks at a message.
#[must_use]
pub fn glance(payload: &[u8]) -> Glimpse {
    let content = Content::read(payload);
    let orders = content.orders.into_iter().map(|order| order.name);
    let broken = content.broken.and_then(|answer| answer.outcome.err());
    Glimpse {
        orders: orders.collect(),
        broken: broken.map(|why| why.words().to_owned()),
    }
}

impl Content {
    /// Reads a message.
    pub(super) fn read(payload: &[u8]) -> Self {
        let mut content = Self {
            orders: Vec::new(),
            broken: None,
        };
        content.broken = content.fill(payload).err();
        content
    }

    fn fill(&mut self, payload: &[u8]) -> Result<(), Answer> {
        // What follows the first value is not looked at, as with the original.
        let json = Json::deserialize(&mut Deserializer::from_slice(payload))
            .map_err(|_| Answer::unnamed("Payload not valid JSON"))?;
        let Some(Json::Array(commands)) = json.into_field("commands") else {
            return Err(Answer::unnamed("Invalid/missing commands"));
        };
        for command in commands {
            self.orders.push(Order::read(command)?);
        }
        Ok(())
    }
}

impl Order {
    fn read(json: Json) -> Result<Self, Answer> {
        if !matches!(json, Json::Object(_)) {
            return Err(Answer::unnamed("Command not an object"));
        }
        let mut order = Self {
            name: String::new(),
            correlation: None,
            json,
            entries: Vec::new(),
        };
        match order.field("command").and_then(Json::text) {
            Some(name) => order.name = name.to_owned(),
            None => return Err(Answer::unnamed("Missing command")),
        }
        match order
            .field("correlationData")
            .map(|json| json.text().map(ToOwned::to_owned))
        {
            None => {}
            Some(Some(text)) => order.correlation = Some(text),
            Some(None) => {
                return Err(order.answer(Err(Refusal::new("Invalid correlationData data type."))));
            }
        }
        Ok(order)
    }

    /// Takes the elements of a list out of it, to be read like orders.
    pub(super) fn unfold(&mut self, list: &str) {
        let Json::Object(fields) = &mut self.json else {
            return;
        };
        let mut fields = fields.iter_mut();
        let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(list));
        if let Some((_, Json::Array(items))) = found {
            let entries = std::mem::take(items).into_iter().map(|json| Self {
                name: String::new(),
                correlation: None,
                json,
                entries: Vec::new(),
            });
            self.entries = entries.collect();
        }
    }

    /// What was taken out of a list of it.
    pub(super) fn entries(&self) -> &[Self] {
        &self.entries
    }

    /// The answer to it.
    pub(super) fn answer(&self, outcome: Result<Option<serde_json::Value>, Refusal>) -> Answer {
        Answer {
            command: self.name.clone(),
            outcome,
            correlation: self.correlation.clone(),
        }
    }

    /// A field as it is.
    pub(super) fn field(&self, name: &str) -> Option<&Json> {
        self.json.field(name)
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &str, wrong: &str) -> Result<&str, Refusal> {
        let text = self.field(name).and_then(Json::text);
        text.ok_or_else(|| Refusal::new(wrong))
    }

    /// A text, or none.
    pub(super) fn maybe_text(&self, name: &str, wrong: &str) -> Result<Option<&str>, Refusal> {
        match self.field(name) {
            None => Ok(None),
            Some(json) => json.text().map(Some).ok_or_else(|| Refusal::new(wrong)),
        }
    }

    /// A switch; one of another kind is none.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.field(name).and_then(Json::switch)
    }

    /// A whole number; one of another kind is none.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.field(name).and_then(Json::whole)
    }
}
