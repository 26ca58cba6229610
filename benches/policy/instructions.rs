//! Instructions of one check, beside its nanoseconds: no neighbour disturbs them.
//!
//! Counted by valgrind's callgrind, as the difference of two runs of this benchmark, one of which checks more.
//! Where there is no valgrind, nothing is counted, and that is said.

use std::env;
use std::fs;
use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};

use mosquitto_doorman::policy::{Question, Topic};

use crate::{ASKER, MOST_RATIO, SHAPES, SIZES, message, rights};

/// Asks this one to be counted: a shape, a number of rules and a number of checks.
const WORD: &str = "--counted";

const CHECKS: usize = 20_000;

/// What a run that is being counted does; none of it in any other run.
pub fn counted() -> Option<ExitCode> {
    let words: Vec<String> = env::args()
        .skip_while(|word| word != WORD)
        .skip(1)
        .collect();
    let [shape, size, checks] = words.as_slice() else {
        return None;
    };
    let [shape, size, checks] = [shape, size, checks].map(|word| word.parse::<usize>().unwrap());
    let rights = rights(SHAPES[shape], size, 1);
    let topic = (SHAPES[shape].topic)(size - 1);
    for _ in 0..checks {
        let question = Question::Send(Topic::new(black_box(&topic)).unwrap(), message());
        let _decision = black_box(rights.check(black_box(ASKER), &question));
    }
    Some(ExitCode::SUCCESS)
}

/// Prints them; whether the most rules take at most twice as many as the fewest.
pub fn print() -> bool {
    if !has_valgrind() {
        println!("instructions: there is no valgrind here, so they are not counted\n");
        return true;
    }
    println!("instructions of one check that the last rule answers");
    let mut met = true;
    for (number, shape) in SHAPES.iter().enumerate() {
        let [few, some, many] = SIZES.map(|size| count(number, size));
        let here = many <= MOST_RATIO * few;
        let missed = if here { "" } else { "MISSED" };
        let (name, ratio) = (shape.name, many / few);
        println!("{name:18} {ratio:7.2}   {few:20.0} {some:20.0} {many:20.0} {missed}");
        met &= here;
    }
    println!();
    met
}

fn count(shape: usize, size: usize) -> f64 {
    let run = |checks: usize| {
        let dir = tempfile::tempdir().unwrap();
        let profile = dir.path().join("profile");
        let mut command = Command::new("valgrind");
        command
            .args(["--quiet", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(env::current_exe().unwrap())
            .args([
                WORD,
                &shape.to_string(),
                &size.to_string(),
                &checks.to_string(),
            ]);
        assert!(command.status().unwrap().success());
        total(&fs::read_to_string(profile).unwrap())
    };
    (run(2 * CHECKS) - run(CHECKS)) / CHECKS as f64
}

fn total(profile: &str) -> f64 {
    let mut totals = profile
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    totals.next().unwrap().trim().parse().unwrap()
}

fn has_valgrind() -> bool {
    let mut command = Command::new("valgrind");
    let command = command.arg("--version").stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
