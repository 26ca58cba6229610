//! The architecture as tests: what the map of `src/lib.rs` promises is looked up in the sources and
//! in the built plugin.

mod abi;
mod floors;
mod map;
mod pages;
mod sources;
mod symbols;
