//! The server's side of SCRAM (RFC 5802, RFC 7677): two messages in, two messages out.
//!
//! Must not: know accounts, read a clock or make a random number, or tell a wrong proof from keys that
//! nobody can have. Whoever is asked about is given keys, real ones or others, and then everything is
//! the same for both. Channel binding is refused: what TLS knows of the connection (RFC 9266) is not
//! told to a plugin.
#![forbid(unsafe_code)]

mod message;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

pub use self::message::{Fault, First};
use crate::mechanism::Keys;

/// How many random bytes the server adds to the client's nonce.
pub const NONCE: usize = 18;

/// An exchange that waits for the client's last message.
pub struct Exchange {
    keys: Keys,
    /// What channel binding data has to be: base64 of the client's own header.
    binding: String,
    /// The nonces of both.
    nonce: String,
    /// What has been said, as it is signed: the client's first message without its header, and ours.
    said: String,
}

/// What the client's last message is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The client knows the password; this shows it that we know the keys.
    Proven(Vec<u8>),
    /// It does not.
    Refused,
}

impl Exchange {
    /// Answers the client's first message: what is to be said, and what waits for the reply. The random
    /// bytes must not have been used before.
    #[must_use]
    pub fn begin(first: &First<'_>, random: &[u8; NONCE], keys: Keys) -> (Vec<u8>, Self) {
        Self::with(first, &STANDARD.encode(random), keys)
    }

    fn with(first: &First<'_>, ours: &str, keys: Keys) -> (Vec<u8>, Self) {
        let nonce = format!("{}{ours}", first.nonce);
        let answer = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(&keys.salt),
            keys.iterations
        );
        let said = format!("{},{answer}", first.bare);
        let exchange = Self {
            keys,
            binding: STANDARD.encode(first.header),
            nonce,
            said,
        };
        (answer.into_bytes(), exchange)
    }

    /// Judges the client's last message, in the same time whatever is wrong with the proof.
    ///
    /// # Errors
    /// For a message that is none, or that does not belong to this exchange.
    pub fn finish(self, message: &[u8]) -> Result<Outcome, Fault> {
        let last = message::Last::parse(message)?;
        if last.binding != self.binding {
            return Err(Fault::Binding);
        }
        if last.nonce != self.nonce {
            return Err(Fault::Nonce);
        }
        let Keys {
            mechanism,
            stored,
            server,
            ..
        } = &self.keys;
        if last.proof.len() != mechanism.bytes() {
            return Err(Fault::Proof);
        }
        let signed: [&[u8]; 3] = [self.said.as_bytes(), b",", last.unproven.as_bytes()];
        let mut client_key = mechanism.mac(stored, &signed);
        for (byte, proof) in client_key.iter_mut().zip(&last.proof) {
            *byte ^= proof;
        }
        let is_proven: bool = mechanism.hash(&client_key).ct_eq(stored).into();
        let signature = mechanism.mac(server, &signed);
        Ok(if is_proven {
            Outcome::Proven(format!("v={}", STANDARD.encode(&*signature)).into_bytes())
        } else {
            Outcome::Refused
        })
    }
}
