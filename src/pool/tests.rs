//! The pool.
#![forbid(unsafe_code)]
