//! A publisher and a subscriber who have nothing to do with the logins.
//!
//! The publisher does not wait for the subscriber: a stall meets every message sent in it.
#![allow(dead_code, reason = "each benchmark needs some of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{Connect, Event};

const INTERVAL: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// A message: when it was sent, and how long it took.
type Delivery = (Instant, Duration);

/// The pair at work.
pub struct Bystander {
    stop: Arc<AtomicBool>,
    publisher: JoinHandle<()>,
    subscriber: JoinHandle<Vec<Delivery>>,
}

/// Milliseconds from publish to delivery.
#[derive(Clone, Copy, Debug)]
pub struct Felt {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// Everything that was delivered.
pub struct Deliveries(Vec<Delivery>);

impl Bystander {
    pub fn start(port: u16, connect: &Connect) -> Self {
        let mut subscriber = connect.clone().client_id("hears").accepted(port);
        let mut publisher = connect.clone().client_id("speaks").accepted(port);
        assert!(subscriber.subscribe("bystander", 0) == 0, "subscribed");
        let (stop, base) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let stopped = Arc::clone(&stop);
        let publisher = thread::spawn(move || {
            let mut next = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                let sent = base.elapsed().as_nanos().to_string();
                publisher.publish("bystander", sent);
                next = (next + INTERVAL).max(Instant::now());
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            publisher.publish("bystander", "end");
        });
        let subscriber = thread::spawn(move || {
            let mut deliveries = Vec::new();
            loop {
                let Event::Publish { payload, .. } = subscriber.receive(PATIENCE) else {
                    panic!("the bystander was cut off");
                };
                let now = Instant::now();
                if payload == b"end" {
                    return deliveries;
                }
                let nanos = std::str::from_utf8(&payload).expect("digits");
                let sent = base + Duration::from_nanos(nanos.parse().expect("a number"));
                deliveries.push((sent, now.saturating_duration_since(sent)));
            }
        });
        Self {
            stop,
            publisher,
            subscriber,
        }
    }

    pub fn stop(self) -> Deliveries {
        self.stop.store(true, Ordering::Relaxed);
        self.publisher.join().expect("the publisher");
        Deliveries(self.subscriber.join().expect("the subscriber"))
    }
}

impl Deliveries {
    /// What was felt of what was sent in a span of time.
    pub fn between(&self, from: Instant, to: Instant) -> Felt {
        let sent = self.0.iter().filter(|(sent, _)| (from..=to).contains(sent));
        let mut times: Vec<f64> = sent.map(|(_, took)| took.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        Felt {
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
            max: times.last().copied().unwrap_or(f64::NAN),
        }
    }
}

/// Of sorted figures.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(f64::NAN)
}
