//! How long a broker takes until it answers, and how much memory it has then.

use std::time::Instant;

use crate::Sizes;
use crate::accounts::{A_SITE, Accounts};
use crate::bars::Bars;
use crate::contender::{Contender, PATIENCE, iterations};
use crate::measure::Spread;
use crate::support::Tree;

/// How many there are, and how many of them hold the same role.
const SIZES: [(usize, usize); 3] = [(10_000, 10_000), (100_000, A_SITE), (500_000, A_SITE)];
const TURNS: usize = 3;

pub fn ask(tree: &Tree, sizes: Sizes<'_>, bars: &mut Bars) {
    let version = tree.version();
    println!("start, {version}: until it answers, and the memory resident then; {TURNS} turns");
    println!(
        "{:>8} {:>16} {:17} {:>24} {:>24}",
        "clients", "holders of a role", "contender", "start, ms", "memory, MiB"
    );
    for (count, site) in SIZES.into_iter().filter(|(count, _)| sizes.has(*count)) {
        let dir = tempfile::tempdir().expect("a directory");
        let accounts = Accounts::at(dir.path(), count, site);
        let mut figures = Contender::ALL.map(|_| (Vec::new(), Vec::new()));
        for _ in 0..TURNS {
            for (contender, (times, memory)) in Contender::ALL.into_iter().zip(&mut figures) {
                let (startup, conf) = contender.prepared(tree, &accounts, iterations(tree));
                let start = Instant::now();
                let broker = startup.start_within(&conf, PATIENCE);
                times.push(start.elapsed().as_secs_f64() * 1e3);
                memory.push(broker.rss_kib() as f64 / 1024.0);
            }
        }
        let figures = figures.map(|(times, memory)| (Spread::of(times), Spread::of(memory)));
        for (contender, (times, memory)) in Contender::ALL.into_iter().zip(&figures) {
            println!(
                "{count:8} {site:16} {:17} {times:24.0} {memory:24.1}",
                contender.name()
            );
        }
        if count == 500_000 {
            let [(times, ours), (_, theirs)] = figures;
            let what = format!("start {version}, {count} clients");
            bars.at_most(&format!("{what}, ms"), times.median, 2_000.0);
            let memory = ours.median / theirs.median;
            bars.at_most(&format!("{what}, memory beside stock"), memory, 0.5);
        }
    }
    println!();
}
