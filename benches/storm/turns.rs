//! What a connected pair feels of a crowd that logs in, turn by turn, and what that may be.

use std::thread;
use std::time::{Duration, Instant};

use super::bystander::{Bystander, Felt};
use super::contender::cheap;
use super::crowd::Crowd;
use crate::bars::Bars;
use crate::processor;
use crate::support::Broker;

/// How long the pair is alone before.
const MOMENT: Duration = Duration::from_millis(600);

/// A figure for each turn; milliseconds where nothing else is said.
#[derive(Default)]
pub struct Turns {
    /// The pair's p99 before.
    pub idle: Vec<f64>,
    pub p50: Vec<f64>,
    pub p99: Vec<f64>,
    pub max: Vec<f64>,
    /// How long the crowd took.
    pub seconds: Vec<f64>,
    /// Microseconds of the broker's processor for each login.
    pub cost: Vec<f64>,
    /// Of all turns.
    pub accepted: usize,
    pub refused: usize,
}

impl Turns {
    /// One turn: the pair alone, then beside the crowd.
    pub fn add(&mut self, broker: &Broker, crowd: Crowd, packets: Vec<Vec<u8>>) {
        let logins = packets.len() as f64;
        let bystander = Bystander::start(broker.port(), &cheap());
        let start = Instant::now();
        thread::sleep(MOMENT);
        let (from, before) = (Instant::now(), processor::time(broker.pid()));
        let outcome = crowd.run(packets, true);
        let (to, after) = (Instant::now(), processor::time(broker.pid()));
        let deliveries = bystander.stop();
        let Felt { p50, p99, max } = deliveries.between(from, to);
        self.idle.push(deliveries.between(start, from).p99);
        self.p50.push(p50);
        self.p99.push(p99);
        self.max.push(max);
        self.seconds.push(outcome.took.as_secs_f64());
        self.cost.push((after - before) / logins);
        self.accepted += outcome.accepted.len();
        self.refused += outcome.refused;
    }
}

/// What the pair's p99 and its longest wait may be, where beside a broker that asks nobody its p99 is as it is.
pub fn hold(bars: &mut Bars, name: impl Fn(&str) -> String, [p99, max]: [f64; 2], nobody: f64) {
    bars.at_most(&name("p99 / nobody"), p99 / nobody, 3.0);
    bars.at_most(&name("p99, ms"), p99, 10.0);
    bars.at_most(&name("max, ms"), max, 50.0);
}
