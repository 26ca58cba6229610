//! A login by enhanced authentication, each message of it to be had and spoilt.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mosquitto_doorman::mechanism::Mechanism;

use super::packet::{self, authentication_data as data};
use super::{Answer, Client, Connect, Event, Protocol, Stream};
use crate::support::wait::PATIENCE;

/// A SCRAM client: `mosquitto_doorman` lends it its HMAC and nothing else.
#[derive(Clone, Debug)]
pub struct Scram {
    pub mechanism: Mechanism,
    pub username: String,
    /// PBKDF2 of the password, where that has been done: else it is.
    pub salted: Option<Vec<u8>>,
    pub password: String,
    pub nonce: String,
}

/// What the broker says in an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// AUTH or CONNACK with reason code 0x18 or 0, and its data.
    Says(u8, String),
    Refused(u8),
    Closed,
}

impl Scram {
    pub fn new(mechanism: Mechanism, username: &str, password: &str) -> Self {
        Self {
            mechanism,
            username: username.to_owned(),
            salted: None,
            password: password.to_owned(),
            nonce: "nonce".to_owned(),
        }
    }

    /// A CONNECT with the first message.
    pub fn connect(&self) -> Connect {
        Connect::new(Protocol::V5).method(self.mechanism.name(), self.first())
    }

    pub fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        let name = self.username.replace('=', "=3D").replace(',', "=2C");
        format!("n={name},r={}", self.nonce)
    }

    /// The last message, to what the server said first.
    pub fn last(&self, said: &str) -> String {
        let parts: Vec<&str> = said.split(',').collect();
        let salt = parts[1].strip_prefix("s=").expect("a salt");
        let salt = STANDARD.decode(salt).expect("base64");
        let iterations = parts[2].strip_prefix("i=").expect("iterations");
        let iterations = iterations.parse().expect("a number");
        let salted = self.salted.clone();
        let salted = salted.unwrap_or_else(|| self.salt(&salt, iterations));
        let client = self.mechanism.mac(&salted, &[b"Client Key"]);
        let unproven = format!("c=biws,{}", parts[0]);
        let signed = format!("{},{said},{unproven}", self.bare());
        let stored = self.mechanism.hash(&client);
        let signature = self.mechanism.mac(&stored, &[signed.as_bytes()]);
        let proof: Vec<u8> = client
            .iter()
            .zip(signature.iter())
            .map(|(a, b)| a ^ b)
            .collect();
        format!("{unproven},p={}", STANDARD.encode(proof))
    }

    fn salt(&self, salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut salted = vec![0; self.mechanism.bytes()];
        let password = self.password.as_bytes();
        match self.mechanism {
            Mechanism::Sha256 => {
                pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, salt, iterations, &mut salted);
            }
            Mechanism::Sha512 => {
                pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password, salt, iterations, &mut salted);
            }
        }
        salted
    }

    /// A whole login by this CONNECT, which has the first message.
    #[track_caller]
    pub fn open(&self, connect: &Connect, port: u16) -> (Client, Answer) {
        let mut client = connect.begin(Stream::tcp(port));
        let answer = self.go_on(&mut client);
        (client, answer)
    }

    /// The rest of an exchange that has been begun.
    pub fn go_on(&self, client: &mut Client) -> Answer {
        let said = match client.auth(PATIENCE) {
            Auth::Says(0x18, said) => said,
            Auth::Says(code, _) => panic!("an answer {code:#x} before the proof"),
            Auth::Refused(code) => return Answer::Refused(code),
            Auth::Closed => return Answer::Closed,
        };
        client.say(0x18, self.mechanism.name(), self.last(&said));
        match client.auth(PATIENCE) {
            Auth::Says(0, signature) => {
                assert!(signature.starts_with("v="), "{signature}");
                Answer::Accepted
            }
            Auth::Says(code, _) => panic!("an answer {code:#x} to the proof"),
            Auth::Refused(code) => Answer::Refused(code),
            Auth::Closed => Answer::Closed,
        }
    }
}

impl Connect {
    /// Asks for enhanced authentication.
    #[must_use]
    pub fn method(mut self, method: &str, data: impl AsRef<[u8]>) -> Self {
        self.properties.extend(packet::authentication(method, data));
        self
    }
}

impl Client {
    /// Sends AUTH.
    pub fn say(&mut self, reason: u8, method: &str, data: impl AsRef<[u8]>) {
        self.send(&packet::auth(reason, method, data));
    }

    /// What the broker says next in an exchange.
    #[track_caller]
    pub fn auth(&mut self, deadline: Duration) -> Auth {
        match self.receive(deadline) {
            Event::Other(0x20, body) if body[1] == 0 => Auth::Says(0, data(&body[2..])),
            Event::Other(0x20, body) => Auth::Refused(body[1]),
            Event::Other(0xf0, body) => match body.split_first() {
                Some((reason, properties)) => Auth::Says(*reason, data(properties)),
                None => Auth::Says(0, String::new()),
            },
            Event::Disconnect(code) => Auth::Refused(code),
            Event::Closed => Auth::Closed,
            other => panic!("in an exchange: {other:?}"),
        }
    }
}
