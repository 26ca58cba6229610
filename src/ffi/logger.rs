//! The `log` facade speaks through the broker's own log.
//!
//! Must not: call the broker from another thread, or while [`Kept`] lives: a broker that publishes its
//! log asks who may read a line before the call returns, and an answer to that which writes a line
//! itself would never end. Such lines, and those of other threads, wait in a short queue until the
//! broker's thread comes by; when it overflows, the lost lines are counted.

use std::ffi::{CStr, c_int};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::abi;
use super::broker::{Api, Broker};
use super::leavings::Leavings;

/// Lines that wait; the broker's thread comes by several times a second.
const MOST_LINES: usize = 1_000;

static LOGGER: Logger = Logger {
    own_thread: OnceLock::new(),
    keeping: AtomicBool::new(false),
    queue: Mutex::new(Queue {
        lines: Vec::new(),
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
    lines: Vec<(c_int, Line)>,
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

/// Writes the lines of other threads. On the broker's thread, with no borrow open.
pub(super) fn flush(broker: Broker) {
    let (lines, lost) = {
        let mut queue = LOGGER.queue();
        if queue.lines.is_empty() {
            return;
        }
        (
            std::mem::take(&mut queue.lines),
            std::mem::take(&mut queue.lost),
        )
    };
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
            Some(_) | None => {
                let mut queue = self.queue();
                if queue.lines.len() < MOST_LINES {
                    queue.lines.push((level, line));
                } else {
                    queue.lost = queue.lost.saturating_add(1);
                }
            }
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
