//! Questions to real brokers, every supported version.

mod harness;
mod stock;
