//! The `log` facade speaks through the broker's own log.
//!
//! Must not: call the broker from another thread, or while [`Kept`] lives: a broker that publishes its
//! log asks who may read a line before the call returns, and an answer to that which writes a line
//! itself would never end. Such lines, and those of other threads, wait in a short queue until the
//! broker's thread comes by; when it overflows, the lost lines are counted.

use std::collections::VecDeque;
use std::ffi::{CStr, c_int};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::abi;
use super::broker::{Api, Broker};
use super::leavings::Leavings;

/// Lines that wait: one each for thousands of connections that are ended for the same change.
const MOST_LINES: usize = 10_000;

/// Lines that are written in one go, for about 5 microseconds each, in which everybody else waits.
pub(super) const FEW_LINES: usize = 10;

static LOGGER: Logger = Logger {
    own_thread: OnceLock::new(),
    keeping: AtomicBool::new(false),
    queue: Mutex::new(Queue {
        lines: VecDeque::new(),
        lost: 0,
    }),
    written: Leavings::up_to(MOST_LINES, usize::MAX),
};

struct Logger {
    /// The broker's thread.
    own_thread: OnceLock<ThreadId>,
    /// Whether the broker's thread keeps its lines too; nobody else looks at it.
    keeping: AtomicBool,
    queue: Mutex<Queue>,
    written: Leavings<(c_int, Line)>,
}

/// The lines of the broker's thread are kept while this lives.
pub(super) struct Kept {
    before: bool,
}

/// A line with the NUL that C wants behind it, and none before.
struct Line(String);

struct Queue {
    lines: VecDeque<(c_int, Line)>,
    lost: u32,
}

/// Has all our log lines go to the broker. From `mosquitto_plugin_init`, on the broker's thread.
pub(super) fn install() {
    LOGGER
        .own_thread
        .get_or_init(|| std::thread::current().id());
    // A second plugin line finds it installed already.
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Debug);
        std::panic::set_hook(Box::new(|panic| {
            // The location only: a panic's message may hold what a client sent.
            match panic.location() {
                Some(place) => log::error!("internal error at {}:{}", place.file(), place.line()),
                None => log::error!("internal error"),
            }
        }));
    }
}

/// Keeps the lines of this thread, the broker's, until the next [`flush`].
pub(super) fn keep() -> Kept {
    // One thread does this, so there is nothing to swap for.
    let kept = Kept {
        before: LOGGER.keeping.load(Ordering::Relaxed),
    };
    LOGGER.keeping.store(true, Ordering::Relaxed);
    kept
}

impl Drop for Kept {
    fn drop(&mut self) {
        LOGGER.keeping.store(self.before, Ordering::Relaxed);
    }
}

/// Writes so many lines of other threads at most. On the broker's thread, with no borrow open.
pub(super) fn flush(broker: Broker, most: usize) {
    let (lines, lost) = LOGGER.queue().take(most);
    if lines.is_empty() {
        return;
    }
    for (level, line) in &lines {
        broker.log(*level, line.text());
    }
    LOGGER.written.leave(lines, 0);
    if lost > 0
        && let Some(line) = Line::of(format_args!("{lost} log lines were lost"))
    {
        broker.log(abi::MOSQ_LOG_WARNING, line.text());
    }
}

/// Frees the lines that were written. For another thread than the broker's.
pub(super) fn clear() {
    LOGGER.written.clear();
}

/// Whether lines of other threads wait.
pub(super) fn waits() -> bool {
    !LOGGER.queue().lines.is_empty()
}

impl Queue {
    /// The oldest lines, and how many were lost once there are no more.
    fn take(&mut self, most: usize) -> (Vec<(c_int, Line)>, u32) {
        let most = most.min(self.lines.len());
        let lines = self.lines.drain(..most).collect();
        let lost = match self.lines.is_empty() {
            true => std::mem::take(&mut self.lost),
            false => 0,
        };
        (lines, lost)
    }

    fn add(&mut self, level: c_int, line: Line) {
        if self.lines.len() < MOST_LINES {
            self.lines.push_back((level, line));
        } else {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

impl Logger {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = level(record.level());
        let Some(line) = Line::of(*record.args()) else {
            return;
        };
        let here = std::thread::current().id();
        match Api::resolved() {
            Some(api)
                if self.own_thread.get() == Some(&here)
                    && !self.keeping.load(Ordering::Relaxed) =>
            {
                Broker::on_its_own_thread(api).log(level, line.text());
            }
            Some(_) | None => self.queue().add(level, line),
        }
    }

    fn flush(&self) {}
}

impl Line {
    fn of(text: fmt::Arguments<'_>) -> Option<Self> {
        // Most lines fit, so the text is not moved while it grows.
        let mut line = String::with_capacity(192);
        line.write_fmt(text).ok()?;
        if line.contains('\0') {
            line = line.replace('\0', "\\0");
        }
        line.push('\0');
        Some(Self(line))
    }

    fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(self.0.as_bytes()).unwrap_or_default()
    }
}

fn level(level: Level) -> c_int {
    match level {
        Level::Error => abi::MOSQ_LOG_ERR,
        Level::Warn => abi::MOSQ_LOG_WARNING,
        Level::Info => abi::MOSQ_LOG_NOTICE,
        Level::Debug | Level::Trace => abi::MOSQ_LOG_DEBUG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_in_their_order_a_few_at_a_time_and_lost_ones_are_told_of_behind_the_last() {
        let mut queue = Queue {
            lines: VecDeque::new(),
            lost: 0,
        };
        for number in 0..MOST_LINES + 2 {
            let line = Line::of(format_args!("{number}")).unwrap();
            queue.add(abi::MOSQ_LOG_NOTICE, line);
        }
        let taken = |queue: &mut Queue, most| {
            let (lines, lost) = queue.take(most);
            let first = lines.first().map(|(_, line)| line.text().to_owned());
            (lines.len(), first, lost)
        };
        assert_eq!(taken(&mut queue, 10), (10, Some(c"0".to_owned()), 0));
        assert_eq!(taken(&mut queue, 10), (10, Some(c"10".to_owned()), 0));
        let (left, first, lost) = taken(&mut queue, usize::MAX);
        assert_eq!((left, lost), (MOST_LINES - 20, 2));
        assert_eq!(first, Some(c"20".to_owned()));
        assert_eq!(taken(&mut queue, 10), (0, None, 0));
    }
}
