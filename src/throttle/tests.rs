//! The throttle from outside.
#![forbid(unsafe_code)]
