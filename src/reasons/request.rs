//! One question, as it is written on the command line, in a table or in a message.
//!
//! Must not: know who answers.
#![forbid(unsafe_code)]

use std::str::FromStr;

use serde::Serialize;

use crate::model::AccountName;
use crate::policy::{Asker, Filter, Message, Qos, Question, Topic};
use crate::show::Plain;
use crate::token::Acl;

/// Who wants to do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// None is a client without a username.
    pub user: Option<AccountName>,
    /// The client id.
    pub client_id: Option<String>,
    /// The roles that its token names; none for a client without a token.
    pub token_roles: Vec<Box<str>>,
    /// The topics that its token names.
    pub token_acl: Acl,
    /// What it wants.
    pub action: Action,
    /// The topic, or the filter.
    pub topic: String,
    /// The QoS of the message, or the one that is asked for.
    pub qos: Option<Qos>,
    /// Whether the message is retained.
    pub retain: bool,
    /// How many bytes are in it.
    pub payload: Option<u32>,
}

/// What can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// To publish.
    Publish,
    /// To be sent what was published.
    Receive,
    /// To subscribe.
    Subscribe,
    /// To unsubscribe.
    Unsubscribe,
}

impl Request {
    /// The client.
    #[must_use]
    pub fn asker(&self) -> Asker<'_> {
        Asker {
            client_id: self.client_id.as_deref(),
            username: self.user.as_ref().map(AccountName::as_str),
        }
    }

    /// Whether anything is said of a token.
    pub(super) fn has_token(&self) -> bool {
        !self.token_roles.is_empty() || !self.token_acl.is_empty()
    }

    /// What it asks.
    ///
    /// # Errors
    /// When no client can ask that.
    pub fn question(&self) -> Result<Question<'_>, String> {
        if self.user.is_none() && self.has_token() {
            return Err("a client with a token has a username".to_owned());
        }
        let message = Message {
            qos: self.qos.unwrap_or(Qos::AtMostOnce),
            retain: self.retain,
            payload: self.payload.unwrap_or(0),
        };
        let is_message = self.retain || self.payload.is_some();
        let text = self.topic.as_str();
        let wrong = |why: String| format!("{}: {why}", Plain(text));
        let topic = || Topic::new(text).map_err(|error| wrong(error.to_string()));
        let filter = || Filter::new(text).map_err(|error| wrong(error.to_string()));
        match self.action {
            Action::Publish => Ok(Question::Send(topic()?, message)),
            Action::Receive => Ok(Question::Receive(topic()?, message)),
            Action::Subscribe | Action::Unsubscribe if is_message => {
                Err("a subscription has no payload and is not retained".to_owned())
            }
            Action::Unsubscribe if self.qos.is_some() => {
                Err("to unsubscribe has no QoS".to_owned())
            }
            Action::Subscribe => Ok(Question::Subscribe(filter()?, message.qos)),
            Action::Unsubscribe => Ok(Question::Unsubscribe(filter()?)),
        }
    }

    /// The client, in a sentence.
    #[must_use]
    pub fn who(&self) -> String {
        let user = match &self.user {
            Some(name) => Plain(name.as_str()).to_string(),
            None => "a client without a username".to_owned(),
        };
        let id = self.client_id.as_ref();
        let id = id.map(|id| format!("client id {}", Plain(id)));
        let topics = self.token_acl.topics();
        let topics = topics.map(|(list, topic)| format!("{list}:{}", Plain(topic)));
        let roles = self.token_roles.iter().map(|role| Plain(role).to_string());
        let named: Vec<_> = topics.chain(roles).collect();
        let token = (!named.is_empty()).then(|| format!("a token for {}", named.join(" and ")));
        let aside: Vec<String> = [id, token].into_iter().flatten().collect();
        match aside.is_empty() {
            true => user,
            false => format!("{user} with {}", aside.join(" and ")),
        }
    }

    /// What it wants, in a sentence.
    #[must_use]
    pub fn what(&self) -> String {
        let verb = match self.action {
            Action::Publish => "publish",
            Action::Receive => "receive",
            Action::Subscribe => "subscribe to",
            Action::Unsubscribe => "unsubscribe from",
        };
        let qos = self.qos.map(|qos| format!("QoS {}", qos.number()));
        let retain = self.retain.then(|| "retained".to_owned());
        let payload = self.payload.map(|bytes| format!("{bytes} bytes"));
        let aside: Vec<String> = [qos, retain, payload].into_iter().flatten().collect();
        let topic = Plain(&self.topic);
        match aside.is_empty() {
            true => format!("{verb} {topic}"),
            false => format!("{verb} {topic} ({})", aside.join(", ")),
        }
    }
}

impl Action {
    /// What `doorman default` calls what answers where no rule does.
    pub(super) fn default_name(self) -> &'static str {
        match self {
            Self::Publish => "publishClientSend",
            Self::Receive => "publishClientReceive",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

/// Its name, or that of dynamic-security, in any case.
impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "publish" | "publishclientsend" => Ok(Self::Publish),
            "receive" | "publishclientreceive" => Ok(Self::Receive),
            "subscribe" => Ok(Self::Subscribe),
            "unsubscribe" => Ok(Self::Unsubscribe),
            _ => Err("accepted are publish, receive, subscribe and unsubscribe".to_owned()),
        }
    }
}
