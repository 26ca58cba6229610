//! How long one client waits that comes for the first time, to an idle broker.

use std::num::NonZeroU32;
use std::time::Instant;

use mosquitto_doorman::credential::Recipe;
use mosquitto_doorman::lanes::{self, Work};

use super::contender::{Accounts, Contender, PASSWORD, account, login};
use super::crowd::Crowd;
use super::{Asked, OPTIONS};
use crate::bars::Bars;
use crate::measure::Spread;

const LOGINS: usize = 15;
const ITERATIONS: [u32; 4] = [1_000, 5_000, 25_000, 100_000];

pub fn ask(asked: &Asked, bars: &mut Bars) {
    let version = asked.tree.version();
    println!("a single first login, {version}: ms; {LOGINS} of each");
    println!(
        "{:>10} {:>24} {:>24} {:>24} {:>24}",
        "iterations", "CONNECT to CONNACK", "hash alone", "difference", "stock"
    );
    for iterations in ITERATIONS {
        let dir = tempfile::tempdir().expect("a directory");
        let recipe = Recipe::Pbkdf2Sha512 { iterations };
        let accounts = Accounts::at(dir.path(), recipe, LOGINS);
        let broker = Contender::Doorman.start(&asked.tree, &accounts, &OPTIONS);
        let stock = Contender::Stock.start(&asked.tree, &accounts, &OPTIONS);
        let mut turns = Vec::new();
        for number in 0..LOGINS {
            let one = |port| {
                let packet = login(&account(number), PASSWORD);
                let outcome = Crowd::to(port, 1).run([packet], false);
                outcome.accepted[0]
            };
            // The hash before and after, since the machine's pace changes.
            let before = hash(iterations);
            let waited = one(broker.port());
            let hashed = before.midpoint(hash(iterations));
            turns.push((waited, hashed, one(stock.port())));
        }
        let difference = Spread::of(turns.iter().map(|(waited, hashed, _)| waited - hashed));
        println!(
            "{iterations:10} {:24.2} {:24.2} {difference:24.2} {:24.2}",
            Spread::of(turns.iter().map(|turn| turn.0)),
            Spread::of(turns.iter().map(|turn| turn.1)),
            Spread::of(turns.iter().map(|turn| turn.2)),
        );
        let name = format!("single login {version} {iterations}, ms beyond the hash");
        bars.at_most(&name, difference.median, 2.0);
    }
    println!();
}

/// Milliseconds of one derivation, here and now.
fn hash(iterations: u32) -> f64 {
    let start = Instant::now();
    let iterations = NonZeroU32::new(iterations).expect("some");
    let mut works = [Work::begin(PASSWORD.as_bytes(), &[7; 12], iterations)];
    lanes::advance(&mut works, iterations.get());
    assert!(works[0].output().is_some());
    start.elapsed().as_secs_f64() * 1e3
}
