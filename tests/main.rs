//! Every test that needs more than one room of the house, in one binary: one link, one harness. Only
//! `allocations` is another, since the allocator that counts is the whole program's.
//!
//! `corpus` has the parsers read what a fuzzer would; `support` is the harness, `broker` asks real brokers, `conf_examples` starts them as operators do,
//! `shape` checks the architecture itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test stops where it fails, and the harness reads the clock and the environment"
)]

mod broker;
mod cli;
mod conf_examples;
mod corpus;
mod shape;
mod support;
