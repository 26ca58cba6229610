//! Instructions of one check, beside its nanoseconds: no neighbour disturbs them.
//!
//! Counted by valgrind's callgrind, which looks at nothing but the function that checks: what is compiled before
//! takes a thousand times as much, and never quite the same. Where there is no valgrind, nothing is counted, and that is said.

use std::env;
use std::fs;
use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};

use mosquitto_doorman::policy::{Question, Rights, Topic};

use crate::{ASKER, MOST_RATIO, SHAPES, SIZES, message, rights};

/// Asks this one to be counted: a shape and a number of rules.
const WORD: &str = "--counted";

const CHECKS: u32 = 20_000;

/// What a run that is being counted does; none of it in any other run.
pub fn counted() -> Option<ExitCode> {
    let words: Vec<String> = env::args()
        .skip_while(|word| word != WORD)
        .skip(1)
        .collect();
    let [shape, size] = words.as_slice() else {
        return None;
    };
    let [shape, size] = [shape, size].map(|word| word.parse::<usize>().unwrap());
    let rights = rights(SHAPES[shape], size, 1);
    let topic = (SHAPES[shape].topic)(size - 1);
    counted_checks(&rights, &topic);
    Some(ExitCode::SUCCESS)
}

/// What is counted, by its name.
#[inline(never)]
fn counted_checks(rights: &Rights, topic: &str) {
    for _ in 0..CHECKS {
        let question = Question::Send(Topic::new(black_box(topic)).unwrap(), message());
        let _decision = black_box(rights.check(black_box(ASKER), &question));
    }
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
        assert!(few > 0.0, "the function was counted");
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
    let dir = tempfile::tempdir().unwrap();
    let profile = dir.path().join("profile");
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg("--toggle-collect=*counted_checks*")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(env::current_exe().unwrap())
        .args([WORD, &shape.to_string(), &size.to_string()]);
    assert!(command.status().unwrap().success());
    total(&fs::read_to_string(profile).unwrap()) / f64::from(CHECKS)
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
