//! The bindings that bindgen makes of `include/mosquitto_abi.h`. Nothing else lives here.
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    dead_code,
    reason = "generated"
)]

include!(concat!(env!("OUT_DIR"), "/mosquitto_abi.rs"));
