//! The harness: real brokers, a hand-made MQTT client, the command-line programs.
//!
//! Nothing here knows what the plugin does. Each broker has its own directory and ports and dies
//! with its test; nothing waits by sleeping except [`eventually`], which waits for a condition.
#![allow(
    dead_code,
    unused_imports,
    reason = "the harness offers what tests may need, not only what they need today"
)]

pub mod broker;
pub mod certificates;
pub mod conf;
pub mod files;
pub mod mqtt;
pub mod program;
pub mod startup;
pub mod tokens;
pub mod tree;
pub mod wait;

pub use broker::Broker;
pub use conf::plugin_conf;
pub use mqtt::{Answer, Auth, Client, Connect, Event, Protocol, Scram, Stream};
pub use program::{Finished, doorman, finish, finish_with_input, node, python};
pub use startup::{Startup, for_each_broker};
pub use tokens::{Issuer, Token};
pub use tree::Tree;
pub use wait::{PATIENCE, eventually};
