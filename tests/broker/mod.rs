//! Questions to real brokers, every supported version.

mod harness;
mod paho;
mod stock;
