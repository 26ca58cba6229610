//! mosquitto-doorman: who may enter an Eclipse Mosquitto broker, and do what in it.
//!
//! This file is the map of the house and holds no code. A room may use rooms on lower floors and
//! never higher ones; `tests/shape/floors.rs` fails when one does.
//!
//! ```text
//!  5   ffi (the broker's door)          cli (the operator's door)
//!  4   control ── engine ── renewal   founding ── takeover      courier
//!  3   admin ── store ── reasons      watch      pool
//!  2   credential ── lanes   admission   policy ── dynsec   scram   token   certificate   vault   throttle   verified   audit   figures   hand
//!  1   request  verdict  model  mechanism  config  secret  show
//! ```

pub mod admin;
pub mod admission;
pub mod audit;
pub mod certificate;
pub mod cli;
pub mod config;
pub mod control;
pub mod courier;
pub mod credential;
pub mod dynsec;
pub mod engine;
mod ffi;
pub mod figures;
pub mod founding;
pub mod hand;
pub mod lanes;
pub mod mechanism;
pub mod model;
pub mod policy;
pub mod pool;
pub mod reasons;
pub mod renewal;
pub mod request;
pub mod scram;
pub mod secret;
pub mod show;
pub mod store;
pub mod takeover;
pub mod throttle;
pub mod token;
pub mod vault;
pub mod verdict;
pub mod verified;
pub mod watch;
