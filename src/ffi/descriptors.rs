//! Room for the descriptors of many connections, made while the process has one thread.
//!
//! The kernel keeps a process's descriptors in a table that doubles as they come. In a process with
//! threads each doubling waits for all processors to look up (Linux, `expand_fdtable`): 10 to 20 ms on
//! the broker's thread at the 256th connection, the 512th and so on. Stock brokers have one thread and
//! never wait; with ours beside it, the table is made as large as it may get before they start. Must
//! not: fail. Without room everything works, only less smoothly.

use std::fs::File;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::close;

/// The most descriptors that room is made for: 8 bytes each, in the kernel.
pub(super) const MOST: u64 = 131_072;

/// Makes room for as many as the process may have. Before the first thread is started.
pub(super) fn make_room() {
    let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let (Ok(last), Ok(file)) = (
        i32::try_from(soft.min(MOST).saturating_sub(1)),
        File::open("/dev/null"),
    ) else {
        return;
    };
    // The table grows to hold a copy there, and never shrinks.
    if let Ok(copy) = fcntl(&file, FcntlArg::F_DUPFD_CLOEXEC(last)) {
        close(copy).ok();
    }
}
