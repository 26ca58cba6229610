//! Instructions that the broker's thread executes per published message, outside the kernel: the whole
//! broker, not the plugin alone. No neighbour disturbs them.
//!
//! Counted by valgrind's callgrind, as the difference of two runs, one of which delivers more. A processor's
//! own counters would do as well and are missing on most virtual machines. Where there is no valgrind,
//! nothing is counted, and that is said.

use std::fs;
use std::process::{Command, Stdio};

use crate::bars::Bars;
use crate::hall::Hall;
use crate::rules::{Contender, Rules, topic};
use crate::support::{Broker, Tree};

/// Each contender has so many rules; by the benchmark `policy`, more cost the same.
const RULES: usize = 10;

pub fn ask(tree: &Tree, _: &mut Bars) {
    let version = tree.version();
    if !has_valgrind() {
        println!("instructions, {version}: there is no valgrind here, so they are not counted\n");
        return;
    }
    println!("instructions, {version}: of the broker's thread per message; {RULES} rules");
    println!(
        "{:>12} {:28} {:>14} {:>12} {:>10} {:>24}",
        "subscribers",
        "contender",
        "instructions",
        "of no rules",
        "of yes",
        "per check beyond \"yes\""
    );
    let dir = tempfile::tempdir().expect("a directory");
    let rules = Rules::at(dir.path(), RULES);
    for (subscribers, messages) in [(1, 2_000), (100, 100)] {
        let count = |contender| counted(tree, contender, &rules, subscribers, messages);
        let (none, yes) = (count(Contender::Nobody), count(Contender::Nothing));
        let row = |contender: Contender, count: f64| {
            // The publisher is asked about, and everybody in the audience.
            let beyond = (count - yes) / (subscribers + 1) as f64;
            println!(
                "{subscribers:12} {:28} {count:14.0} {:12.3} {:10.3} {beyond:24.0}",
                contender.name(),
                count / none,
                count / yes,
            );
        };
        row(Contender::Nobody, none);
        row(Contender::Nothing, yes);
        for contender in &Contender::ALL[2..] {
            row(*contender, count(*contender));
        }
    }
    println!();
}

fn counted(
    tree: &Tree,
    contender: Contender,
    rules: &Rules,
    subscribers: usize,
    messages: usize,
) -> f64 {
    let run = |messages: usize| {
        let startup = Broker::of(tree);
        let dir = startup.dir().to_owned();
        let profile = format!("--callgrind-out-file={}/profile.%p", dir.display());
        let runner = [
            "valgrind",
            "--quiet",
            "--tool=callgrind",
            "--trace-children=yes",
            "--separate-threads=yes",
            &profile,
        ];
        let broker = contender.start(startup.run_by(&runner), rules);
        let mut hall = Hall::of(broker, subscribers);
        let topics: Vec<String> = (0..messages).map(|n| topic(n % rules.count)).collect();
        hall.deliver(&topics);
        hall.broker.stop();
        // The first thread is the broker's own.
        let path = dir.join(format!("profile.{}-01", hall.broker.pid()));
        total(&fs::read_to_string(path).expect("callgrind leaves a profile"))
    };
    (run(2 * messages) - run(messages)) / messages as f64
}

fn total(profile: &str) -> f64 {
    let line = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    line.and_then(|total| total.trim().parse().ok())
        .expect("a total")
}

fn has_valgrind() -> bool {
    let mut command = Command::new("valgrind");
    let command = command.arg("--version").stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
