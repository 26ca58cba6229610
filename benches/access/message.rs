//! Processor time of the broker per published message, with one subscriber and with a hundred.
//!
//! Each figure is a ratio of two neighbours in time: a contender and a broker without rules are given the
//! same messages one after the other, now the one first and now the other. What else the machine does
//! meets both, or is out of the middle half of the ratios, which stands beside their median. Two brokers
//! of the same kind differ for as long as they run, so all are started anew several times; and a broker
//! that is asked more often than another costs more for it, so each contender has one without rules to
//! itself. A broker without rules beside another of them is in the table too: where that is not 1, nor are
//! the others what they seem.

use crate::bars::Bars;
use crate::hall::Hall;
use crate::measure::{Chance, Quartiles};
use crate::processor;
use crate::rules::{Contender, Rules, topic};
use crate::support::{Broker, Tree};

/// How often all are started.
const ROUNDS: usize = 7;
/// Pairs in each round.
const TURNS: usize = 15;
/// Where a message takes a contender as long as thousands of the others'.
const TURNS_OF_SLOW: usize = 3;

/// Of a contender beside the broker without rules.
struct Figures {
    contender: Contender,
    ratios: Vec<f64>,
    /// Microseconds per message.
    costs: Vec<f64>,
}

pub fn ask(tree: &Tree, bars: &mut Bars) {
    let version = tree.version();
    println!(
        "message, {version}: the broker's processor time per message; {ROUNDS} starts, {TURNS} pairs in each, \
         median (middle half)"
    );
    println!(
        "{:>8} {:>12} {:28} {:>22} {:>10} {:>24}",
        "rules", "subscribers", "contender", "of no rules", "of yes", "µs per message"
    );
    for (count, bar) in [(10, 1.1), (100_000, 1.15)] {
        let dir = tempfile::tempdir().expect("a directory");
        let rules = Rules::at(dir.path(), count);
        for subscribers in [1, 100] {
            let mut pairs = Contender::ALL.map(Figures::of);
            for round in 0..ROUNDS {
                measure(tree, &rules, subscribers, round, &mut pairs);
            }
            let ratio = |pair: &Figures| Quartiles::of(pair.ratios.iter().copied());
            let yes = ratio(&pairs[1]).median;
            for pair in &pairs {
                let name = pair.contender.name();
                let (ratio, cost) = (ratio(pair), Quartiles::of(pair.costs.iter().copied()));
                let of_yes = ratio.median / yes;
                println!(
                    "{count:8} {subscribers:12} {name:28} {ratio:22.2} {of_yes:10.2} {cost:24.2}"
                );
                if matches!(pair.contender, Contender::File | Contender::Roles) {
                    let what = format!(
                        "message {version} {count} rules, {subscribers} subscribers, {name}"
                    );
                    bars.at_most(&what, ratio.median, bar);
                }
            }
        }
    }
    println!();
}

fn measure(tree: &Tree, rules: &Rules, subscribers: usize, round: usize, all: &mut [Figures]) {
    let is_slow = |contender: Contender| contender.is_stock() && rules.count > 1_000;
    let start = |contender: Contender| {
        let broker = contender.start(Broker::of(tree), rules);
        Hall::of(broker, subscribers)
    };
    // Where a message takes that long, one start tells enough.
    let there = all
        .iter_mut()
        .filter(|figures| round == 0 || !is_slow(figures.contender));
    let mut there: Vec<(&mut Figures, [Hall; 2])> = there
        .map(|figures| {
            let halls = [figures.contender, Contender::Nobody].map(start);
            (figures, halls)
        })
        .collect();
    let mut chance = Chance::new(round as u64);
    for turn in 0..TURNS {
        let places = there.len();
        for place in 0..places {
            let (figures, halls) = &mut there[(place + turn) % places];
            let slow = is_slow(figures.contender);
            if slow && turn >= TURNS_OF_SLOW {
                continue;
            }
            let messages = match (slow, subscribers) {
                (true, 1) => 20,
                (true, _) => 2,
                (false, 1) => 2_000,
                (false, _) => 100,
            };
            let topics: Vec<String> = (0..messages)
                .map(|_| topic(chance.below(rules.count)))
                .collect();
            figures.turn(halls, &topics, turn % 2 == 0);
        }
    }
}

impl Figures {
    fn of(contender: Contender) -> Self {
        Self {
            contender,
            ratios: Vec::new(),
            costs: Vec::new(),
        }
    }

    fn turn(&mut self, [hall, nobody]: &mut [Hall; 2], topics: &[String], first: bool) {
        let (own, none) = if first {
            let own = cost(hall, topics);
            (own, cost(nobody, topics))
        } else {
            let none = cost(nobody, topics);
            (cost(hall, topics), none)
        };
        self.ratios.push(own / none);
        self.costs.push(own);
    }
}

/// Microseconds of the broker for each message, once everybody has it.
fn cost(hall: &mut Hall, topics: &[String]) -> f64 {
    let pid = hall.broker.pid();
    let before = processor::time(pid);
    hall.deliver(topics);
    (processor::time(pid) - before) / topics.len() as f64
}
