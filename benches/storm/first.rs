//! How many clients a second come for the first time.

use std::num::NonZeroU32;
use std::time::Instant;

use mosquitto_doorman::credential::Recipe;
use mosquitto_doorman::lanes::{self, Work};

use super::contender::{Accounts, Contender, PASSWORD, account, login};
use super::crowd::Crowd;
use super::{Asked, OPTIONS, TURNS};
use crate::bars::Bars;
use crate::measure::Spread;

const AT_ONCE: usize = 64;
/// Iterations, and how many log in: of everybody else and of doorman.
const COSTS: [(u32, usize, usize); 4] = [
    (101, 2_000, 2_000),
    (1_000, 1_000, 1_000),
    (25_000, 60, 240),
    (100_000, 20, 96),
];

pub fn ask(asked: &Asked, bars: &mut Bars) {
    let version = asked.tree.version();
    println!("first logins, {version}: {TURNS} turns");
    println!(
        "{:>10} {:20} {:>6} {:>11} {:>26} {:>22}",
        "iterations", "contender", "logins", "rate/stock", "logins/s", "beside one core alone"
    );
    for (iterations, few, many) in COSTS {
        let dir = tempfile::tempdir().expect("a directory");
        let recipe = Recipe::Pbkdf2Sha512 { iterations };
        let accounts = Accounts::at(dir.path(), recipe, many);
        let mut rates = Contender::ALL.map(|_| Vec::new());
        let mut alone = Vec::new();
        // 2.0 has nobody else to hash for it, and must not be as fast as all that.
        let many = if asked.tree.is_2_1() { many } else { few };
        let counts = [many, few, few, many];
        for _ in 0..TURNS {
            for (index, contender) in Contender::ALL.into_iter().enumerate() {
                let broker = contender.start(&asked.tree, &accounts, &OPTIONS);
                let packets: Vec<_> = (0..counts[index])
                    .map(|number| login(&account(number), PASSWORD))
                    .collect();
                let outcome = Crowd::to(broker.port(), AT_ONCE).run(packets, true);
                assert_eq!(outcome.refused, 0, "{contender:?} lets everybody in");
                rates[index].push(outcome.rate());
            }
            alone.push(hashes_per_second(iterations));
        }
        let median = |index: usize| Spread::of(rates[index].iter().copied());
        let (stock, alone) = (median(1).median, Spread::of(alone).median);
        for (index, contender) in Contender::ALL.into_iter().enumerate() {
            let rate = median(index);
            println!(
                "{iterations:10} {:20} {:6} {:11.2} {rate:26.0} {:22.2}",
                contender.name(),
                counts[index],
                rate.median / stock,
                rate.median / alone,
            );
            if contender == Contender::Doorman {
                let name = format!("first logins {version} {iterations}, beside stock");
                bars.at_least(&name, rate.median / stock, 1.0);
            }
        }
    }
    println!();
}

/// What one core does with all its lanes and nothing else.
fn hashes_per_second(iterations: u32) -> f64 {
    let start = Instant::now();
    let mut done = 0;
    while done == 0 || start.elapsed().as_millis() < 100 {
        let begin = || {
            Work::begin(
                b"right",
                &[7; 12],
                NonZeroU32::new(iterations).expect("some"),
            )
        };
        let mut works: Vec<Work> = std::iter::repeat_with(begin).take(lanes::width()).collect();
        lanes::advance(&mut works, iterations);
        done += works.iter().filter(|work| work.output().is_some()).count();
    }
    done as f64 / start.elapsed().as_secs_f64()
}
