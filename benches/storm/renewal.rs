//! What a connected pair feels while passwords that were shown are stored anew.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use mosquitto_doorman::credential::Recipe;

use super::bystander::Bystander;
use super::contender::{Accounts, Contender, PASSWORD, account, cheap, login};
use super::crowd::Crowd;
use super::{Asked, OPTIONS};
use crate::bars::Bars;
use crate::measure::Spread;

const LOGINS: usize = 50;
const TURNS: usize = 3;
/// How long the pair is alone before.
const ALONE: Duration = Duration::from_secs(3);
/// No turn takes longer.
const MOST: Duration = Duration::from_mins(2);
/// As a file of `mosquitto_passwd` of 2.0 has them.
const WEAK: Recipe = Recipe::Pbkdf2Sha512 { iterations: 101 };

pub fn ask(asked: &Asked, bars: &mut Bars) {
    let mut figures: [Vec<f64>; 4] = Default::default();
    for _ in 0..TURNS {
        for (all, figure) in figures.iter_mut().zip(turn(asked)) {
            all.push(figure);
        }
    }
    let version = asked.tree.version();
    let [alone, p99, max, each] = figures.map(Spread::of);
    println!(
        "renewal, {version}: {LOGINS} passwords; {TURNS} turns\n\
         p99 beside that of before {:.2}, p99 {p99:.2} ms (before {alone:.2}), max {max:.2} ms, \
         {each:.2} s a password",
        p99.median / alone.median,
    );
    bars.at_most(&format!("renewal {version} max, ms"), max.median, 50.0);
}

/// The pair's p99 before and meanwhile, its longest wait, and the seconds that each password took.
fn turn(asked: &Asked) -> [f64; 4] {
    let dir = tempfile::tempdir().expect("a directory");
    let accounts = Accounts::at(dir.path(), WEAK, LOGINS);
    let options = [&OPTIONS[..], &["rehash weaker"]].concat();
    let broker = Contender::Doorman.start(&asked.tree, &accounts, &options);
    let weak = || {
        let file = fs::read_to_string(accounts.file()).expect("a password file");
        file.matches("$7$101$").count()
    };
    // The pair's own is stored anew before it is listened to.
    drop(cheap().accepted(broker.port()));
    until(|| weak() == LOGINS);
    let bystander = Bystander::start(broker.port(), &cheap());
    let start = Instant::now();
    thread::sleep(ALONE);
    let from = Instant::now();
    let packets = (0..LOGINS).map(|number| login(&account(number), PASSWORD));
    let crowd = Crowd::to(broker.port(), LOGINS).run(packets, true);
    assert_eq!(crowd.accepted.len(), LOGINS, "all of them were right");
    until(|| weak() == 0);
    let to = Instant::now();
    let deliveries = bystander.stop();
    let felt = deliveries.between(from, to);
    let each = to.duration_since(from).as_secs_f64() / LOGINS as f64;
    [
        deliveries.between(start, from).p99,
        felt.p99,
        felt.max,
        each,
    ]
}

fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + MOST;
    while !is_so() {
        assert!(Instant::now() < end, "it is not stored anew");
        thread::sleep(Duration::from_millis(50));
    }
}
