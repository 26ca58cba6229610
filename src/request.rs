//! The broker's questions as borrowed values.
//!
//! Must not: hold a pointer, own text, or say how the broker asked. A name that is not UTF-8 never
//! gets this far; a password is bytes and may be anything.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Instant;

use jiff::Timestamp;

use crate::mechanism::Mechanism;
use crate::model::CertificateName;

/// One connection, numbered by the broker's door and never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Who is asking, as far as the broker can tell.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The connection, or `None` for a caller that is not an MQTT connection (the HTTP API).
    pub connection: Option<ConnectionId>,
    /// The client id.
    pub id: Option<&'a str>,
    /// Where the peer is.
    pub address: Address<'a>,
    /// The listener's port, where the broker tells (2.1).
    pub listener: Option<u16>,
    /// Whether this is a session that the broker keeps without ever having seen its client:
    /// restored from disk and now asked for again because of a reload.
    pub restored: bool,
    /// The certificate of its TLS connection.
    pub certificate: Certificate<'a>,
}

/// A client's certificate, which the broker has verified.
#[derive(Clone, Copy, Debug)]
pub enum Certificate<'a> {
    /// There is none.
    None,
    /// There is one, and nobody asked what is in it.
    Unread,
    /// There is one that cannot be understood.
    Unreadable,
    /// What identifies it, the fingerprint first.
    Named(&'a [CertificateName]),
}

/// A peer's address as the broker writes it: an IP address, or a unix socket's path.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    text: Option<&'a str>,
    ip: Option<IpAddr>,
}

impl<'a> Address<'a> {
    /// Reads it, once.
    #[must_use]
    pub fn new(text: Option<&'a str>) -> Self {
        let ip = text.and_then(|text| text.parse::<IpAddr>().ok());
        Self {
            text,
            ip: ip.map(|ip| ip.to_canonical()),
        }
    }

    /// As the broker wrote it.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.text
    }

    /// As a number, an IPv4 address written as IPv6 brought back to IPv4.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }
}

/// "May this client enter?"
#[derive(Clone, Copy)]
pub struct Connect<'a> {
    /// Who asks.
    pub client: Client<'a>,
    /// The username; the broker delivers an empty one as none.
    pub username: Option<&'a str>,
    /// The password; the broker delivers an empty one as none.
    pub password: Option<&'a [u8]>,
    /// Why the broker asks.
    pub occasion: Occasion,
    /// How the client shows who it is.
    pub method: Method,
}

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By its password.
    Password,
    /// By an exchange of messages that proves that it knows the password.
    Scram(Mechanism),
    /// By a key of TLS-PSK, before anything else.
    Psk,
    /// By its certificate.
    Certificate,
    /// By a token that somebody signed who may say who it is.
    Token,
}

/// "What must a client have that names this identity?"
#[derive(Clone, Copy)]
pub struct KeyAsked<'a> {
    /// Who asks, of whom little is known yet.
    pub client: Client<'a>,
    /// What it names; none for what is no text.
    pub identity: Option<&'a str>,
    /// How many hexadecimal digits the broker takes.
    pub most: usize,
}

/// A message of a client that shows who it is by an exchange: enhanced authentication.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    /// Who says it.
    pub client: Client<'a>,
    /// The username that the broker has for it: of its CONNECT, of its certificate or of a login before.
    pub username: Option<&'a str>,
    /// Which message it is.
    pub turn: Turn<'a>,
    /// What it says.
    pub data: &'a [u8],
}

/// Which message of an exchange it is.
#[derive(Clone, Copy)]
pub enum Turn<'a> {
    /// The first, and with it what the exchange is to be.
    First {
        /// The name of the method.
        method: &'a str,
        /// Random bytes that nothing else was done with.
        random: &'a [u8; 18],
    },
    /// Another one.
    Next,
}

/// A client that is in, and was not asked about.
#[derive(Clone, Copy, Debug)]
pub struct Entrant<'a> {
    /// The username, from wherever the broker has it.
    pub username: &'a str,
    /// The client id.
    pub client_id: &'a str,
    /// Where it comes from.
    pub address: Address<'a>,
    /// The listener's port, where the broker tells (2.1).
    pub listener: Option<u16>,
    /// Its certificate; none where it came in by something else.
    pub certificate: Certificate<'a>,
}

/// "May this client do that?"
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The client's id.
    pub client_id: Option<&'a str>,
    /// Its username, as the broker has it now; none is an anonymous client.
    pub username: Option<&'a str>,
    /// What it wants to do.
    pub action: Action,
    /// The topic or the filter, as the broker wrote it.
    pub topic: &'a str,
    /// The message's QoS, or the one that is asked for.
    pub qos: u8,
    /// Whether the message is to be kept, or was.
    pub retain: bool,
    /// How many bytes the message has.
    pub payload: u32,
}

/// A message on its way from or to a client: what there is to an [`Access`] beside names and topic.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    /// Where it goes.
    pub to: Passing,
    /// How it is delivered.
    pub qos: u8,
    /// Whether it is to be kept, or was.
    pub retain: bool,
    /// How many bytes it has.
    pub payload: u32,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// The client publishes it.
    FromClient,
    /// It is sent to the client.
    ToClient,
}

/// A message to the control API.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// Who sends it, as what it is: a message to a topic.
    pub access: Access<'a>,
    /// Where from, as the broker writes it.
    pub address: Option<&'a str>,
    /// What is in it: perhaps a password.
    pub payload: &'a [u8],
}

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// To publish, or to have its will published.
    Publish,
    /// To be sent what was published.
    Receive,
    /// To subscribe.
    Subscribe,
    /// To unsubscribe.
    Unsubscribe,
}

impl Passing {
    /// The other way.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::FromClient => Self::ToClient,
            Self::ToClient => Self::FromClient,
        }
    }
}

impl Passage {
    /// Whether a message can be delivered like that.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.qos <= 2
    }

    /// The whole access.
    #[must_use]
    pub fn of<'a>(
        self,
        client_id: Option<&'a str>,
        username: Option<&'a str>,
        topic: &'a str,
    ) -> Access<'a> {
        Access {
            client_id,
            username,
            action: match self.to {
                Passing::FromClient => Action::Publish,
                Passing::ToClient => Action::Receive,
            },
            topic,
            qos: self.qos,
            retain: self.retain,
            payload: self.payload,
        }
    }
}

impl Action {
    /// The word in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Receive => "receive",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

/// Why the broker asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A client wants to enter, and must be answered before the broker goes on.
    Now,
    /// A client wants to enter, and can be told later.
    Later,
    /// A reload: the client has entered long ago.
    Again,
}

/// The time of the question: one reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For intervals.
    pub mono: Instant,
    /// For dates.
    pub wall: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Option<IpAddr> {
        Address::new(Some(address)).ip()
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address() {
        assert_eq!(at("::ffff:192.0.2.7"), at("192.0.2.7"));
        assert!(at("192.0.2.7").is_some_and(|ip| ip.is_ipv4()));
    }

    #[test]
    fn a_socket_path_is_no_address() {
        assert_eq!(at("/run/mosquitto.sock"), None);
    }
}
