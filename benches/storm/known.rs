//! How many clients a second come back.

use std::iter;
use std::time::{Duration, Instant};

use mosquitto_doorman::credential::Recipe;

use super::Asked;
use super::contender::{Accounts, Contender, PASSWORD, account, login};
use super::crowd::Crowd;
use crate::bars::Bars;
use crate::measure::{Chance, Spread};
use crate::processor;

const ACCOUNTS: usize = 200;
/// A turn is short, so that what else the machine does meets all alike.
const ROUNDS: usize = 200;
const TURN: Duration = Duration::from_millis(50);
/// One turn of these two says what they cost.
const ROUNDS_OF_SLOW: usize = 10;
/// Enough that neither side waits for the other.
const AT_ONCE: usize = 8;

pub fn ask(asked: &Asked, bars: &mut Bars) {
    let dir = tempfile::tempdir().expect("a directory");
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 1_000 };
    let accounts = Accounts::at(dir.path(), recipe, ACCOUNTS);
    let brokers = Contender::ALL.map(|c| c.start(&asked.tree, &accounts, &[]));
    let mut rates = Contender::ALL.map(|_| Vec::new());
    let mut costs = Contender::ALL.map(|_| Vec::new());
    let mut chance = Chance::new(3);
    for broker in &brokers {
        let everybody = (0..ACCOUNTS).map(|number| login(&account(number), PASSWORD));
        let outcome = Crowd::to(broker.port(), AT_ONCE).run(everybody, false);
        assert_eq!(outcome.accepted.len(), ACCOUNTS);
    }
    for round in 0..ROUNDS {
        // The two that are held against each other take the first place in turn.
        let order = if round % 2 == 0 {
            [0, 3, 1, 2]
        } else {
            [3, 0, 1, 2]
        };
        for index in order {
            if round >= ROUNDS_OF_SLOW && (1..=2).contains(&index) {
                continue;
            }
            let broker = &brokers[index];
            let crowd = Crowd {
                end: Instant::now() + TURN,
                ..Crowd::to(broker.port(), AT_ONCE)
            };
            let again = iter::repeat_with(|| login(&account(chance.below(ACCOUNTS)), PASSWORD));
            let before = processor::time(broker.pid());
            let outcome = crowd.run(again, false);
            let spent = processor::time(broker.pid()) - before;
            assert_eq!(outcome.refused, 0, "known clients are let in");
            rates[index].push(outcome.rate());
            costs[index].push(spent / outcome.accepted.len() as f64);
        }
    }
    let version = asked.tree.version();
    println!(
        "known clients, {version}: logins; {ROUNDS} turns of {TURN:?}, {ROUNDS_OF_SLOW} of the slow"
    );
    println!(
        "{:20} {:>22} {:>28} {:>24}",
        "contender", "rate/nobody", "logins/s", "broker CPU µs/login"
    );
    for (index, contender) in Contender::ALL.into_iter().enumerate() {
        let ratios = rates[index].iter().zip(&rates[0]).map(|(a, b)| a / b);
        let ratio = Spread::of(ratios);
        println!(
            "{:20} {ratio:22.3} {:28.0} {:24.1}",
            contender.name(),
            Spread::of(rates[index].iter().copied()),
            Spread::of(costs[index].iter().copied()),
        );
        if contender == Contender::Doorman {
            bars.at_least(&format!("known clients {version}"), ratio.median, 0.97);
        }
    }
    println!();
}
