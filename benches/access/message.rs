//! Processor time of the broker per published message, with one subscriber and with a hundred.
//!
//! Each figure is a ratio of two neighbours in time: a contender and the broker without rules are given
//! the same messages one after the other, now the one first and now the other. What else the machine
//! does meets both, or is out of the middle half of the ratios, which stands beside their median.

use crate::bars::Bars;
use crate::hall::Hall;
use crate::measure::{Chance, Quartiles};
use crate::processor;
use crate::rules::{Contender, Rules, topic};
use crate::support::{Broker, Tree};

const TURNS: usize = 101;
/// Where a message takes a contender as long as thousands of the others'.
const TURNS_OF_SLOW: usize = 3;

/// A contender beside the broker without rules.
struct Pair {
    contender: Contender,
    hall: Hall,
    ratios: Vec<f64>,
    /// Microseconds per message.
    costs: Vec<f64>,
}

pub fn ask(tree: &Tree, bars: &mut Bars) {
    let version = tree.version();
    println!(
        "message, {version}: the broker's processor time per message; {TURNS} pairs, median (middle half)"
    );
    println!(
        "{:>8} {:>12} {:28} {:>22} {:>10} {:>24}",
        "rules", "subscribers", "contender", "of no rules", "of yes", "µs per message"
    );
    for (count, bar) in [(10, 1.1), (100_000, 1.15)] {
        let dir = tempfile::tempdir().expect("a directory");
        let rules = Rules::at(dir.path(), count);
        for subscribers in [1, 100] {
            let pairs = measured(tree, &rules, subscribers);
            let ratio = |pair: &Pair| Quartiles::of(pair.ratios.iter().copied());
            let yes = ratio(&pairs[0]).median;
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

fn measured(tree: &Tree, rules: &Rules, subscribers: usize) -> Vec<Pair> {
    let start = |contender: Contender| {
        let broker = contender.start(Broker::of(tree), rules);
        Hall::of(broker, subscribers)
    };
    let mut nobody = start(Contender::Nobody);
    let mut pairs: Vec<Pair> = Contender::OTHERS
        .iter()
        .map(|contender| Pair {
            contender: *contender,
            hall: start(*contender),
            ratios: Vec::new(),
            costs: Vec::new(),
        })
        .collect();
    let mut chance = Chance::new(5);
    for turn in 0..TURNS {
        let places = pairs.len();
        for place in 0..places {
            let pair = &mut pairs[(place + turn) % places];
            let slow = pair.contender.is_stock() && rules.count > 1_000;
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
            pair.turn(&mut nobody, &topics, turn % 2 == 0);
        }
    }
    pairs
}

impl Pair {
    fn turn(&mut self, nobody: &mut Hall, topics: &[String], first: bool) {
        let (own, none) = if first {
            let own = cost(&mut self.hall, topics);
            (own, cost(nobody, topics))
        } else {
            let none = cost(nobody, topics);
            (cost(&mut self.hall, topics), none)
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
