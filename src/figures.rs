//! What has been counted since the start, for `$SYS` topics and for Prometheus.
//!
//! Must not: hold anything about anybody: a figure is a name of ours and a number, for everybody to read.
//! Counting takes no lock; whoever reads adds what is measured at that moment.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::verdict::{Deferral, Reason, Verdict};

/// The counters.
#[derive(Debug, Default)]
pub struct Figures {
    allowed: AtomicU64,
    remembered: AtomicU64,
    proven: AtomicU64,
    anonymous: AtomicU64,
    unknown: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    changes: AtomicU64,
    orders: AtomicU64,
    hash: AtomicU64,
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
    pub value: u64,
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
            value,
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

    /// A source changed.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
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
        all
    }
}

/// The figures as a file for Prometheus' node exporter: its text format 0.0.4.
#[must_use]
pub fn exposition(figures: &[Figure]) -> String {
    let mut text = String::new();
    let mut last = "";
    for figure in figures {
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
            Some((name, value)) => writeln!(
                text,
                "{}{{{name}=\"{value}\"}} {}",
                figure.metric, figure.value
            )
            .ok(),
            None => writeln!(text, "{} {}", figure.metric, figure.value).ok(),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(figures: &Figures, topic: &str) -> u64 {
        let all = figures.all();
        all.iter()
            .find(|figure| figure.topic == topic)
            .unwrap()
            .value
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
        let sum: u64 = figures.all().iter().map(|figure| figure.value).sum();
        assert_eq!(sum, 1 + 19 + 1);
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
