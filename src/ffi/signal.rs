//! Threads that no signal reaches, and the one signal that wakes the broker.
//!
//! Must not: leave the broker's thread with another mask than it had (a SIGHUP delivered to a thread
//! of ours would be lost to it), or take a signal that somebody else uses.

use std::io;
use std::mem::MaybeUninit;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

/// Starts a thread that gives way to the broker's, with all signals blocked.
pub(super) fn start(name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    // What a thread inherits is the mask of the one that starts it.
    let _restored = Restored::block();
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        give_way();
        run();
    })
}

/// Lets the broker's thread go first: what this thread does is worth less than an answer in time.
///
/// A lower priority alone does not do that. The broker's thread wakes one of ours, which has slept, so its
/// turn may be the next at once, on the same core, and then it stays there until it waits. `SCHED_BATCH`
/// takes no core from whoever has it.
fn give_way() {
    let plain = libc::sched_param { sched_priority: 0 };
    // SAFETY: sched_setscheduler(2) on the calling thread, by its number since musl's function refuses;
    // it reads the parameter. A thread that stays as it was is as good as the others.
    unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_BATCH,
            &raw const plain,
        )
    };
    // SAFETY: setpriority(2) on the calling thread; it fails only where it may not be lowered, and
    // then the thread is as good as the others.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// Interrupts the wait of the thread that claimed it.
#[derive(Clone, Copy)]
pub(super) struct Waker(libc::pthread_t);

impl Waker {
    /// For the calling thread; none when somebody else uses the signal.
    pub(super) fn claim() -> Option<Self> {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: sigaction(2) without a new action only reports the present one.
        let asked = unsafe { libc::sigaction(SIGNAL, std::ptr::null(), before.as_mut_ptr()) };
        // SAFETY: zeroed, which is a valid action, and filled by the call.
        let before = unsafe { before.assume_init() };
        let ours = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
        if asked != 0 || ![libc::SIG_DFL, libc::SIG_IGN, ours].contains(&before.sa_sigaction) {
            return None;
        }
        let action = libc::sigaction {
            sa_sigaction: ours,
            sa_flags: libc::SA_RESTART,
            ..before
        };
        // SAFETY: the handler does nothing, and its code stays: the plugin is linked nodelete.
        let set = unsafe { libc::sigaction(SIGNAL, &raw const action, std::ptr::null_mut()) };
        // SAFETY: names the calling thread.
        (set == 0).then(|| Self(unsafe { libc::pthread_self() }))
    }

    /// Has the thread come round. It outlives every thread of ours: they are joined in cleanup.
    pub(super) fn wake(self) {
        // SAFETY: the thread is the broker's, which is alive as long as ours are.
        unsafe { libc::pthread_kill(self.0, SIGNAL) };
    }

    /// Has the thread come round again and again, for as long as the pulse lives; none where the system has no
    /// timer for it. It is the first of the process, which is given a signal first, and ours take none.
    pub(super) fn pulse(self, every: Duration) -> Option<Pulse> {
        let signal = SigevNotify::SigevSignal {
            signal: Signal::SIGURG,
            si_value: 0,
        };
        let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(signal)).ok()?;
        let every = Expiration::Interval(TimeSpec::from_duration(every));
        timer.set(every, TimerSetTimeFlags::empty()).ok()?;
        Some(Pulse(timer))
    }
}

/// Wakes the broker again and again until it is dropped.
pub(super) struct Pulse(#[expect(dead_code, reason = "it is there to be dropped")] Timer);

/// The handler: to be interrupted is all there is to it.
extern "C" fn nothing(_: libc::c_int) {}

/// Ignored by default, and sent by the kernel only for out-of-band data that nobody asks for here.
const SIGNAL: libc::c_int = libc::SIGURG;

/// Half the way to the lowest priority.
const NICENESS: libc::c_int = 10;

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
