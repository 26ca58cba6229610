//! Who carries commands and questions to a running broker: it is an [`Office`], far away.
//!
//! Orders go to the control API of the plugin (see `control`), answers come to everybody who may receive
//! them; ours is known by what was sent along. Must not: send a password but that of its own login,
//! believe an answer to somebody else, or send an order twice: whether one that was not answered has been
//! carried out nobody knows.
#![forbid(unsafe_code)]

mod address;
mod far;
mod line;
mod trust;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mqtt_protocol_core::mqtt::packet::Qos;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub use self::address::{Address, NoAddress};
use self::line::{Heard, Line, Message};
pub use self::trust::Trust;
use crate::admin::{self, CONTROL_TOPIC, Question, RESPONSE_TOPIC};
use crate::figures;
use crate::secret::Secret;
use crate::store;

/// How to reach a broker.
pub struct Options {
    /// Where it is.
    pub address: Address,
    /// Who logs in; nobody where a certificate or nothing says so.
    pub login: Option<Login>,
    /// Whom to believe.
    pub trust: Trust,
    /// So long an answer is waited for.
    pub timeout: Duration,
    /// The clock.
    pub clock: fn() -> Instant,
}

/// Who logs in.
pub struct Login {
    /// The username.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// Why a broker is of no help.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// It cannot be reached, or says nothing that can be understood.
    #[error("{0}")]
    Unreachable(String),
    /// It does not want us, or what we ask for.
    #[error("{0}")]
    Refused(String),
}

/// A broker whose plugin takes orders.
pub struct Courier {
    line: Line,
    name: String,
    orders: u64,
}

impl Courier {
    /// Connects, logs in and listens for answers.
    ///
    /// # Errors
    /// When the broker cannot be reached, or does not let one in or hear answers.
    pub fn open(options: Options) -> Result<Self, store::Error> {
        let name = options.address.to_string();
        let line =
            listening(options, RESPONSE_TOPIC, Qos::AtLeastOnce).and_then(|(line, heard)| {
                match heard {
                    true => Ok(line),
                    false => Err(Error::Refused(
                        "this login may not hear the answers to orders".to_owned(),
                    )),
                }
            });
        match line {
            Ok(line) => Ok(Self {
                line,
                name,
                orders: 0,
            }),
            Err(error) => Err(error.about(&name)),
        }
    }

    /// What is answered to a question.
    fn ask<T: DeserializeOwned>(&mut self, question: &Question) -> Result<T, store::Error> {
        match self.order("queryStore", [("question", json!(question))]) {
            Ok(answer) => Ok(answer),
            Err(admin::Error::Store(error)) => Err(error),
            Err(error) => Err(Error::Refused(error.to_string()).about(&self.name)),
        }
    }

    /// What is answered to an order.
    fn order<T: DeserializeOwned>(
        &mut self,
        command: &str,
        fields: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<T, admin::Error> {
        let fields = fields.into_iter();
        let answer = self.answer(
            command,
            fields.map(|(name, value)| (name.to_owned(), value)),
        );
        let mut answer = answer.map_err(|error| error.about(&self.name))?;
        if let Some(error) = answer.remove("error") {
            return Err(self.refusal(&error, answer.remove("detail")));
        }
        let data = answer.remove("data").unwrap_or_default();
        serde_json::from_value(data).map_err(|_| {
            let why = "the answer cannot be understood: it may be another version of doorman";
            Error::Unreachable(why.to_owned()).about(&self.name).into()
        })
    }

    fn answer(
        &mut self,
        command: &str,
        fields: impl Iterator<Item = (String, Value)>,
    ) -> Result<Map<String, Value>, Error> {
        self.orders = self.orders.saturating_add(1);
        let mut correlation = [0; 16];
        getrandom::fill(&mut correlation)
            .map_err(|error| Error::Unreachable(format!("no randomness: {error}")))?;
        let correlation = format!("{:032x}-{}", u128::from_be_bytes(correlation), self.orders);
        let mut order: Map<String, Value> = fields.collect();
        order.insert("command".to_owned(), json!(command));
        order.insert("correlationData".to_owned(), json!(correlation));
        let payload = json!({ "commands": [order] }).to_string();
        let end = self.line.deadline()?;
        self.line.publish(CONTROL_TOPIC, payload.into_bytes())?;
        loop {
            match self.line.hear(end)? {
                Heard::Message(message) => {
                    if let Some(answer) = ours(&message, &correlation) {
                        return Ok(answer);
                    }
                }
                Heard::Taken(true) | Heard::Subscribed(_) | Heard::Unsubscribed => {}
                Heard::Taken(false) => {
                    return Err(Error::Refused("this login may not give orders".to_owned()));
                }
            }
        }
    }

    /// An error of the place as it is there, or what the answer says.
    fn refusal(&self, error: &Value, detail: Option<Value>) -> admin::Error {
        if let Some(Ok(error)) = detail.map(serde_json::from_value) {
            return error;
        }
        let words = error.as_str().unwrap_or("an error without words");
        let error = match words {
            "Unknown command" => Error::Refused(
                "what takes orders there is not doorman, or an older one: it does not know this order"
                    .to_owned(),
            ),
            words if words.starts_with("Internal error") => Error::Unreachable(words.to_owned()),
            words => Error::Refused(words.to_owned()),
        };
        error.about(&self.name).into()
    }
}

/// What a broker's plugin tells of itself, by the levels below `$SYS/broker/doorman/`.
///
/// # Errors
/// When the broker cannot be reached, or does not let one in or read it.
pub fn figures(options: Options) -> Result<BTreeMap<String, figures::Value>, store::Error> {
    let name = options.address.to_string();
    retained(options).map_err(|error| error.about(&name))
}

fn retained(options: Options) -> Result<BTreeMap<String, figures::Value>, Error> {
    let filter = format!("{}#", figures::TOPIC);
    let mut figures = BTreeMap::new();
    let mut keep = |message: &Message| {
        let topic = message.topic.strip_prefix(figures::TOPIC);
        let words = std::str::from_utf8(&message.payload);
        if let (Some(topic), Ok(words)) = (topic, words) {
            let number = words.parse().map(figures::Value::Number);
            let value = number.unwrap_or_else(|_| figures::Value::Words(words.to_owned()));
            figures.insert(topic.to_owned(), value);
        }
    };
    let end = options.deadline()?;
    let mut line = Line::open(options)?;
    line.subscribe(&filter, Qos::AtMostOnce)?;
    // What is retained has been sent when the end of the subscription is acknowledged.
    loop {
        match line.hear(end)? {
            Heard::Message(message) => keep(&message),
            Heard::Subscribed(true) => line.unsubscribe(&filter)?,
            Heard::Subscribed(false) => {
                return Err(Error::Refused(format!("this login may not read {filter}")));
            }
            Heard::Unsubscribed => break,
            Heard::Taken(_) => {}
        }
    }
    if figures.is_empty() {
        return Err(Error::Refused(format!(
            "there is nothing at {filter}: this login may not read it, or plugin_opt_sys_topics is false"
        )));
    }
    Ok(figures)
}

/// A connection that has asked for something, and whether it was granted.
fn listening(options: Options, filter: &str, qos: Qos) -> Result<(Line, bool), Error> {
    let mut line = Line::open(options)?;
    let end = line.deadline()?;
    line.subscribe(filter, qos)?;
    loop {
        if let Heard::Subscribed(granted) = line.hear(end)? {
            return Ok((line, granted));
        }
    }
}

/// The answer to our order, if this is it.
fn ours(message: &Message, correlation: &str) -> Option<Map<String, Value>> {
    if message.topic != RESPONSE_TOPIC {
        return None;
    }
    let mut answer: Value = serde_json::from_slice(&message.payload).ok()?;
    let responses = answer.get_mut("responses")?.as_array_mut()?;
    let is_ours = |response: &&mut Value| {
        let theirs = response.get("correlationData").and_then(Value::as_str);
        theirs == Some(correlation)
    };
    match responses.iter_mut().find(is_ours).map(Value::take) {
        Some(Value::Object(response)) => Some(response),
        _ => None,
    }
}

impl Options {
    /// When it is time to give up what begins now.
    fn deadline(&self) -> Result<Instant, Error> {
        let end = (self.clock)().checked_add(self.timeout);
        end.ok_or_else(|| Error::Unreachable("that is too long to wait".to_owned()))
    }

    /// How long it is until then.
    fn left(&self, end: Instant) -> Result<Duration, Error> {
        let left = end.saturating_duration_since((self.clock)());
        match left.is_zero() {
            true => Err(self.silence()),
            false => Ok(left),
        }
    }

    fn silence(&self) -> Error {
        Error::Unreachable(format!(
            "no answer within {} s (--timeout); an order that was sent may have been carried out all the \
             same. Where there never is one, the login may not give orders or plugin_opt_control is off",
            self.timeout.as_secs()
        ))
    }
}

impl Error {
    /// As an error of a place of this name.
    fn about(self, name: &str) -> store::Error {
        let path = name.into();
        match self {
            Self::Unreachable(why) => store::Error::Unavailable { path, why },
            Self::Refused(why) => store::Error::Invalid { path, why },
        }
    }
}
