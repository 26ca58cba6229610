//! How much of the processor a process has had.

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Microseconds of processor that a process has had, those of threads that have gone too, from the kernel's own account
/// in nanoseconds.
pub fn time(pid: u32) -> f64 {
    let pid = Pid::from_raw(pid.try_into().expect("a process"));
    let clock: ClockId = clock_getcpuclockid(pid).expect("the broker runs");
    let time = clock_gettime(clock).expect("the broker runs");
    time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3
}
