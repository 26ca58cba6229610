//! A raw MQTT client for 3.1, 3.1.1 and 5, built packet by packet.
//!
//! A library would refuse to send half of what is tested here: names that are no UTF-8, passwords
//! with a NUL, fields of 65535 bytes. Nothing is checked before it is sent, and every read has a
//! deadline.
//!
//! ```text
//! let (mut client, answer) = Connect::new(Protocol::V5).credentials("alice", "secret").open(port);
//! let mut client = Connect::new(Protocol::V311).client_id("x").accepted(port);
//! ```

mod client;
pub mod packet;
mod scram;
mod stream;

pub use client::{Answer, Client, Event};
pub use packet::{Connect, Protocol, Will, bytes_field};
pub use scram::{Auth, Scram};
pub use stream::Stream;
