//! What the threads of the pool meet at: the standard library's, or loom's, which tries every order in
//! which they can.
//!
//! Must not: hold anything but names. `RUSTFLAGS="--cfg loom"` chooses loom's, for `loom_tests` alone.
#![forbid(unsafe_code)]

#[cfg(loom)]
pub(super) use loom::sync::atomic::AtomicBool as Flag;
#[cfg(loom)]
pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(super) use std::sync::atomic::AtomicBool as Flag;
#[cfg(not(loom))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
