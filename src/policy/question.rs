//! What can be asked: who wants to do what with which message.
//!
//! Must not: decide. A question is made of checked parts, so whoever answers it need not look
//! whether it can be asked.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use super::topic::{Filter, Topic};

/// The client that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker<'a> {
    /// Its client id: what `%c` stands for.
    pub client_id: Option<&'a str>,
    /// Its username: what `%u` stands for. None is an anonymous client.
    pub username: Option<&'a str>,
}

/// What it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// To publish.
    Send(Topic<'a>, Message),
    /// To be sent what was published.
    Receive(Topic<'a>, Message),
    /// To subscribe, with this QoS at most.
    Subscribe(Filter<'a>, Qos),
    /// To unsubscribe.
    Unsubscribe(Filter<'a>),
}

/// What a rule's conditions look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// How it is delivered.
    pub qos: Qos,
    /// Whether it is kept for later subscribers.
    pub retain: bool,
    /// The bytes of its payload.
    pub payload: u32,
}

/// How a message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Qos {
    /// 0.
    AtMostOnce,
    /// 1.
    AtLeastOnce,
    /// 2.
    ExactlyOnce,
}

impl Question<'_> {
    /// What the message is, as far as it is known before there is one.
    pub(super) fn message(&self) -> Message {
        match *self {
            Self::Send(_, message) | Self::Receive(_, message) => message,
            Self::Subscribe(_, qos) => Message {
                qos,
                ..Message::EMPTY
            },
            Self::Unsubscribe(_) => Message::EMPTY,
        }
    }

    /// Whether it is about topics below `$CONTROL`, by which brokers are administered.
    #[must_use]
    pub fn is_about_control(&self) -> bool {
        self.plain().starts_with("$CONTROL")
    }

    /// The text that is judged: a shared subscription's filter without its group.
    pub(super) fn plain(&self) -> &str {
        match self {
            Self::Send(topic, _) | Self::Receive(topic, _) => topic.as_str(),
            Self::Subscribe(filter, _) | Self::Unsubscribe(filter) => filter.plain(),
        }
    }
}

impl Message {
    /// One that meets every condition.
    pub(super) const EMPTY: Self = Self {
        qos: Qos::AtMostOnce,
        retain: false,
        payload: 0,
    };
}

impl Qos {
    /// The QoS of this number; there are three.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

impl<'a> Asker<'a> {
    /// Whoever is meant by `%c` and `%u`: templates that are asked about with these names are covered
    /// for every client.
    pub(super) const ANYBODY: Self = Self {
        client_id: Some("%c"),
        username: Some("%u"),
    };

    /// Somebody without names.
    pub(super) const NOBODY: Self = Self {
        client_id: None,
        username: None,
    };

    /// What `%c` stands for. An empty name stands for nothing: it would match empty levels.
    pub(super) fn client(self) -> Option<&'a str> {
        self.client_id.filter(|id| !id.is_empty())
    }

    /// What `%u` stands for.
    pub(super) fn user(self) -> Option<&'a str> {
        self.username.filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_a_qos_and_no_other() {
        assert_eq!(
            [0, 1, 2].map(Qos::of),
            [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce].map(Some)
        );
        assert_eq!(Qos::of(3), None);
        assert_eq!(
            [0, 1, 2].map(|n| Qos::of(n).map(Qos::number)),
            [0, 1, 2].map(Some)
        );
    }

    #[test]
    fn an_empty_name_stands_for_nothing() {
        let asker = Asker {
            client_id: Some(""),
            username: Some("ann"),
        };
        assert_eq!((asker.client(), asker.user()), (None, Some("ann")));
    }
}
