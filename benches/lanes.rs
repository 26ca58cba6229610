//! PBKDF2-HMAC-SHA512 in lanes beside the `pbkdf2` crate and OpenSSL, in one run on one core; fails
//! when full lanes are not worth it.
//!
//! Must not: be compared between runs or machines. The contenders take short turns, so that what
//! else the machine does meets all alike; each figure is the median of its turns, and the ratio is
//! what counts. OpenSSL is asked through Python's `hashlib`, which times itself in a process that
//! stays.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints its table"
)]

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::num::NonZeroU32;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use mosquitto_doorman::lanes::{Work, advance, width};
use pbkdf2::pbkdf2_hmac;
use sha2::Sha512;

const ITERATIONS: u32 = 500;
const TURNS: usize = 401;
/// The iterations of the hashes in the table; turns are shorter.
const STANDARD: f64 = 100_000.0;
const PASSWORD: &[u8] = b"tulip";
const SALT: &[u8] = b"saltsaltsalt";
const COUNTS: [usize; 4] = [1, 2, 4, 8];

const PYTHON: &str = "
import hashlib, sys, time
for line in sys.stdin:
    n = int(line)
    start = time.perf_counter()
    hashlib.pbkdf2_hmac('sha512', b'tulip', b'saltsaltsalt', n)
    print(time.perf_counter() - start, flush=True)
";

fn main() -> ExitCode {
    let mut openssl = OpenSsl::start();
    let (mut theirs, mut scalar) = (Vec::new(), Vec::new());
    let mut lanes = COUNTS.map(|count| (count, Vec::new()));
    for _ in 0..TURNS {
        theirs.extend(openssl.as_mut().and_then(OpenSsl::turn));
        scalar.push(per_second(1, timed(crate_alone)));
        for (count, speeds) in &mut lanes {
            speeds.push(per_second(*count, turn(*count)));
        }
    }
    let Some(scalar) = median(scalar) else {
        return ExitCode::FAILURE;
    };
    println!("PBKDF2-HMAC-SHA512       hashes/s and core   ratio to the crate");
    if let Some(theirs) = median(theirs) {
        line("OpenSSL (hashlib)", theirs, scalar);
    }
    line("pbkdf2 crate", scalar, scalar);
    let mut full = None;
    for (count, speeds) in lanes {
        let Some(speed) = median(speeds) else {
            continue;
        };
        line(&format!("{count} at once"), speed, scalar);
        if count == width() {
            full = Some(speed / scalar);
        }
    }
    verdict(full)
}

fn line(name: &str, speed: f64, scalar: f64) {
    println!("{name:22}   {speed:17.1}   {:18.2}", speed / scalar);
}

/// Whether full lanes are as fast as they have to be on this processor.
fn verdict(full: Option<f64>) -> ExitCode {
    let bar = match width() {
        8 => 4.0,
        4 => 1.25,
        _ => 0.0,
    };
    let reached = full.is_some_and(|ratio| ratio >= bar);
    let word = if reached { "reached" } else { "MISSED" };
    println!("full lanes here: {}; bar {bar}: {word}", width());
    if reached {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn crate_alone() {
    let mut out = [0; 64];
    pbkdf2_hmac::<Sha512>(
        black_box(PASSWORD),
        black_box(SALT),
        ITERATIONS,
        black_box(&mut out),
    );
}

/// As the crate does it, the first iteration is part of the turn.
fn turn(count: usize) -> Duration {
    let Some(iterations) = NonZeroU32::new(ITERATIONS) else {
        return Duration::MAX;
    };
    timed(|| {
        let begin = || Work::begin(black_box(PASSWORD), black_box(SALT), iterations);
        let mut works: Vec<Work> = std::iter::repeat_with(begin).take(count).collect();
        advance(&mut works, ITERATIONS);
        for work in &works {
            drop(black_box(work.output()));
        }
    })
}

/// A Python that does one turn for each line it is sent.
struct OpenSsl {
    child: Child,
    questions: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl OpenSsl {
    fn start() -> Option<Self> {
        let mut child = Command::new("python3")
            .args(["-c", PYTHON])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take()?).lines();
        Some(Self {
            child,
            questions,
            answers,
        })
    }

    fn turn(&mut self) -> Option<f64> {
        writeln!(self.questions.as_mut()?, "{ITERATIONS}").ok()?;
        let seconds: f64 = self.answers.next()?.ok()?.parse().ok()?;
        Duration::try_from_secs_f64(seconds)
            .ok()
            .map(|time| per_second(1, time))
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.questions = None;
        if let Err(error) = self.child.wait() {
            println!("python3 was lost: {error}");
        }
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Hashes of the standard count per second.
fn per_second(hashes: usize, time: Duration) -> f64 {
    let hashes = u32::try_from(hashes).map_or(0.0, f64::from);
    hashes * f64::from(ITERATIONS) / STANDARD / time.as_secs_f64()
}

fn median(mut speeds: Vec<f64>) -> Option<f64> {
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied()
}
