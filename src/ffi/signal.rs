//! Threads that no signal reaches.
//!
//! Must not: leave the broker's thread with another mask than it had. The broker installs its
//! handlers for its own thread; a SIGHUP delivered to one of ours would be lost to it.

use std::mem::MaybeUninit;

/// Runs `body` with all signals blocked on this thread; threads it starts inherit that.
pub(super) fn blocked<T>(body: impl FnOnce() -> T) -> T {
    let _restored = Restored::block();
    body()
}

struct Restored(libc::sigset_t);

impl Restored {
    fn block() -> Self {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigfillset(3) initialises the set it is given.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        // SAFETY: pthread_sigmask(3) reads the set just filled and fills the other; it fails for an
        // unknown `how` only.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: filled by the call above.
        Self(unsafe { before.assume_init() })
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        // SAFETY: the set is the one this thread had; nothing is returned.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}
