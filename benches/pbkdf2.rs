//! PBKDF2-HMAC-SHA512 beside OpenSSL's and the general crate's, in one run.
//!
//! Must not: be compared between runs or machines. The contenders take turns, each figure is the
//! median of its turns, and the ratio is what counts. OpenSSL is asked through Python's `hashlib`,
//! which times itself, so that starting it is not measured.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints its table"
)]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use mosquitto_doorman::credential::{Recipe, Salt, hash};
use sha2::Sha512;

const ITERATIONS: u32 = 60_000;
const TURNS: usize = 9;
const PASSWORD: &[u8] = b"tulip";
const SALT: [u8; 16] = *b"saltsaltsaltsalt";

const PYTHON: &str = "
import hashlib, ssl, sys, time
n = int(sys.argv[1])
t = time.perf_counter()
hashlib.pbkdf2_hmac('sha512', b'tulip', b'saltsaltsalt', n)
print((time.perf_counter() - t) * 1e9 / n)
print(ssl.OPENSSL_VERSION)
";

fn main() {
    let (mut ours, mut general, mut openssl) = (Vec::new(), Vec::new(), Vec::new());
    let mut version = None;
    for _ in 0..TURNS {
        ours.push(nanoseconds(|| {
            let recipe = Recipe::Pbkdf2Sha512 {
                iterations: ITERATIONS,
            };
            drop(black_box(hash(
                black_box(PASSWORD),
                &recipe,
                &Salt::new(SALT),
            )));
        }));
        general.push(nanoseconds(|| {
            let mut out = [0; 64];
            pbkdf2::pbkdf2_hmac::<Sha512>(black_box(PASSWORD), &SALT, ITERATIONS, &mut out);
            black_box(out);
        }));
        if let Some((time, name)) = ask_openssl() {
            openssl.push(time);
            version = Some(name);
        }
    }
    let reference = median(openssl);
    println!("PBKDF2-HMAC-SHA512      ns/iteration   ratio to OpenSSL");
    let rows = [
        ("doorman", median(ours)),
        ("pbkdf2 crate", median(general)),
        (version.as_deref().unwrap_or("OpenSSL"), reference),
    ];
    for (name, time) in rows {
        match (time, reference) {
            (Some(time), Some(reference)) => {
                println!("{name:22}  {time:12.1}   {:16.3}", time / reference);
            }
            (Some(time), None) => println!("{name:22}  {time:12.1}   (no python3 to ask)"),
            (None, _) => println!("{name:22}  not measured"),
        }
    }
}

fn nanoseconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(ITERATIONS)
}

fn ask_openssl() -> Option<(f64, String)> {
    let done = Command::new("python3")
        .args(["-c", PYTHON, &ITERATIONS.to_string()])
        .output()
        .ok()?;
    let answer = String::from_utf8(done.stdout).ok()?;
    let mut lines = answer.lines();
    let time = lines.next()?.parse().ok()?;
    let version = lines.next()?.split_whitespace().take(2);
    Some((time, version.collect::<Vec<_>>().join(" ")))
}

fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}
