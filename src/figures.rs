//! What has been counted since the start, for `$SYS` topics and for Prometheus.
//!
//! Must not: hold anything about anybody: a figure is a name of ours and a number, for everybody to read.
//! Counting takes no lock but for the last error, which is no login's business; whoever reads adds what is
//! measured at that moment.
#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::show::Shown;
use crate::verdict::{Deferral, Reason, Verdict};

/// Below this each figure has its topic.
pub const TOPIC: &str = "$SYS/broker/doorman/";

/// The counters.
#[derive(Debug, Default)]
pub struct Figures {
    allowed: AtomicU64,
    remembered: AtomicU64,
    proven: AtomicU64,
    keyed: AtomicU64,
    certified: AtomicU64,
    by_token: AtomicU64,
    anonymous: AtomicU64,
    unknown: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    changes: AtomicU64,
    loads: AtomicU64,
    failed_loads: AtomicU64,
    orders: AtomicU64,
    hash: AtomicU64,
    last_error: Mutex<Option<LastError>>,
}

/// What last went wrong.
#[derive(Debug)]
struct LastError {
    what: String,
    at: Timestamp,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The levels of its topic below `$SYS/broker/doorman/`.
    pub topic: String,
    /// Its name for Prometheus, and its label where it has one.
    pub metric: &'static str,
    /// A label's name and value.
    pub label: Option<(&'static str, &'static str)>,
    /// Whether it only grows.
    pub kind: Kind,
    /// The figure.
    pub value: Value,
}

/// What a figure says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// So many.
    Number(u64),
    /// In words, which are for topics alone.
    Words(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

/// Whether a figure only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Figure {
    /// Something that goes up and down.
    #[must_use]
    pub fn gauge(topic: &str, metric: &'static str, value: u64) -> Self {
        Self {
            topic: topic.to_owned(),
            metric,
            label: None,
            kind: Kind::Gauge,
            value: Value::Number(value),
        }
    }

    fn counter(topic: &str, metric: &'static str, value: &AtomicU64) -> Self {
        Self {
            kind: Kind::Counter,
            ..Self::gauge(topic, metric, value.load(Ordering::Relaxed))
        }
    }
}

impl Figures {
    /// A decision about a login. One that waits is counted when it is made.
    pub fn decided(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Allow => &self.allowed,
            Verdict::Defer(Deferral::Anonymous) => &self.anonymous,
            Verdict::Defer(Deferral::UnknownUser) => &self.unknown,
            Verdict::Deny(reason) => {
                let mut reasons = Reason::ALL.iter().zip(&self.refused);
                match reasons.find(|(other, _)| **other == reason) {
                    Some((_, counter)) => counter,
                    None => return,
                }
            }
            Verdict::Pending => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A password was known and not hashed again.
    pub fn remembered(&self) {
        self.remembered.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody was let in by SCRAM.
    pub fn proven(&self) {
        self.proven.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody was let in by a key of TLS-PSK.
    pub fn keyed(&self) {
        self.keyed.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody was let in by a certificate.
    pub fn certified(&self) {
        self.certified.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody was let in by a token.
    pub fn by_token(&self) {
        self.by_token.fetch_add(1, Ordering::Relaxed);
    }

    /// A source changed.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// A source was read: when it was opened, or since.
    pub fn loaded(&self) {
        self.loads.fetch_add(1, Ordering::Relaxed);
    }

    /// A source cannot be read any more, in words that say nothing of what is in it.
    pub fn load_failed(&self, what: &str, at: Timestamp) {
        self.failed_loads.fetch_add(1, Ordering::Relaxed);
        self.failed(what, at);
    }

    /// Something went wrong, in words that everybody may read.
    pub fn failed(&self, what: &str, at: Timestamp) {
        let what = Shown(what).to_string();
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(LastError { what, at });
    }

    /// So many orders were answered.
    pub fn ordered(&self, orders: usize) {
        let orders = u64::try_from(orders).unwrap_or(u64::MAX);
        self.orders.fetch_add(orders, Ordering::Relaxed);
    }

    /// A password was hashed, by a worker, within so many milliseconds from the question to the answer.
    pub fn hashed(&self, milliseconds: u64) {
        self.hash.store(milliseconds, Ordering::Relaxed);
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Figure> {
        let mut all = vec![
            Figure::counter(
                "logins/allowed",
                "doorman_logins_allowed_total",
                &self.allowed,
            ),
            Figure::counter(
                "logins/remembered",
                "doorman_logins_remembered_total",
                &self.remembered,
            ),
            Figure::counter("logins/scram", "doorman_logins_scram_total", &self.proven),
            Figure::counter("logins/psk", "doorman_logins_psk_total", &self.keyed),
            Figure::counter(
                "logins/certificate",
                "doorman_logins_certificate_total",
                &self.certified,
            ),
            Figure::counter("logins/jwt", "doorman_logins_jwt_total", &self.by_token),
            Figure::counter(
                "logins/anonymous",
                "doorman_logins_anonymous_total",
                &self.anonymous,
            ),
            Figure::counter(
                "logins/unknown",
                "doorman_logins_unknown_total",
                &self.unknown,
            ),
            Figure::counter("changes", "doorman_changes_total", &self.changes),
            Figure::counter("loads", "doorman_loads_total", &self.loads),
            Figure::counter(
                "loads/failed",
                "doorman_loads_failed_total",
                &self.failed_loads,
            ),
            Figure::counter("orders", "doorman_orders_total", &self.orders),
            Figure::gauge(
                "hash/milliseconds",
                "doorman_hash_milliseconds",
                self.hash.load(Ordering::Relaxed),
            ),
        ];
        let refused = Reason::ALL.iter().zip(&self.refused);
        all.extend(refused.map(|(reason, counter)| {
            let topic = format!("logins/refused/{reason}");
            Figure {
                label: Some(("reason", reason.word())),
                ..Figure::counter(&topic, "doorman_logins_refused_total", counter)
            }
        }));
        all.extend(self.last_error());
        all
    }

    /// What last went wrong and when, if anything has.
    fn last_error(&self) -> Vec<Figure> {
        let last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(LastError { what, at }) = &*last else {
            return Vec::new();
        };
        let seconds = u64::try_from(at.as_second()).unwrap_or(0);
        let at = Figure::gauge("last_error/at", "doorman_error_timestamp_seconds", seconds);
        let words = Figure {
            topic: "last_error".to_owned(),
            value: Value::Words(what.clone()),
            ..at.clone()
        };
        vec![words, at]
    }
}

/// The figures as a file for Prometheus' node exporter: its text format 0.0.4.
#[must_use]
pub fn exposition(figures: &[Figure]) -> String {
    let mut text = String::new();
    let mut last = "";
    for figure in figures {
        let Value::Number(value) = figure.value else {
            continue;
        };
        if figure.metric != last {
            let kind = match figure.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // A string takes whatever is written.
            writeln!(text, "# TYPE {} {kind}", figure.metric).ok();
            last = figure.metric;
        }
        match figure.label {
            Some((name, label)) => {
                writeln!(text, "{}{{{name}=\"{label}\"}} {value}", figure.metric).ok()
            }
            None => writeln!(text, "{} {value}", figure.metric).ok(),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(figures: &Figures, topic: &str) -> u64 {
        let all = figures.all();
        let figure = all.iter().find(|figure| figure.topic == topic).unwrap();
        number(figure)
    }

    fn number(figure: &Figure) -> u64 {
        match figure.value {
            Value::Number(number) => number,
            Value::Words(_) => panic!("{figure:?}"),
        }
    }

    #[test]
    fn each_decision_is_counted_once_where_it_belongs() {
        let figures = Figures::default();
        figures.decided(Verdict::Allow);
        figures.decided(Verdict::Pending);
        for reason in Reason::ALL {
            figures.decided(Verdict::Deny(reason));
        }
        figures.decided(Verdict::Deny(Reason::Busy));
        figures.decided(Verdict::Defer(Deferral::Anonymous));
        assert_eq!(value(&figures, "logins/allowed"), 1);
        assert_eq!(value(&figures, "logins/refused/busy"), 2);
        assert_eq!(value(&figures, "logins/refused/timed_out"), 1);
        let sum: u64 = figures.all().iter().map(number).sum();
        assert_eq!(sum, 1 + 32 + 1);
    }

    #[test]
    fn the_last_error_is_told_in_words_on_one_line_and_its_moment_as_a_number() {
        let figures = Figures::default();
        assert!(figures.all().iter().all(|f| !f.topic.starts_with("last")));
        figures.failed("first", Timestamp::from_second(1).unwrap());
        figures.load_failed(
            &format!("db: {}\n", "x".repeat(10_000)),
            Timestamp::from_second(7).unwrap(),
        );
        let all = figures.all();
        let words = all.iter().find(|f| f.topic == "last_error").unwrap();
        let words = words.value.to_string();
        assert!(words.starts_with("\"db: xxx") && words.len() < 1_000);
        assert_eq!(value(&figures, "last_error/at"), 7);
        assert_eq!(value(&figures, "loads/failed"), 1);
        let text = exposition(&all);
        assert!(text.contains("doorman_error_timestamp_seconds 7\n"));
        assert!(!text.contains("xxx"));
    }

    #[test]
    fn no_two_figures_have_one_topic_or_one_line() {
        let all = Figures::default().all();
        let topics: std::collections::BTreeSet<_> = all.iter().map(|f| &f.topic).collect();
        assert_eq!(topics.len(), all.len());
        let text = exposition(&all);
        let lines: std::collections::BTreeSet<_> = text.lines().collect();
        assert_eq!(lines.len(), text.lines().count());
        assert!(text.contains("# TYPE doorman_logins_refused_total counter\n"));
        assert!(text.contains("doorman_logins_refused_total{reason=\"bad_password\"} 0\n"));
    }
}
