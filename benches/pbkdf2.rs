//! PBKDF2-HMAC-SHA512 beside OpenSSL's, in one run; and what an unknown username costs beside a
//! wrong password.
//!
//! Must not: be compared between runs or machines. The contenders take short turns, so that what
//! else the machine does meets both alike; each figure is the median of its turns, and the ratio is
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
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use mosquitto_doorman::config::CostLimits;
use mosquitto_doorman::credential::{Credential, Match, Recipe, Salt, hash};
use mosquitto_doorman::model::StoredCredential;
const ITERATIONS: u32 = 2000;
const TURNS: usize = 301;
const FEWER_TURNS: usize = 51;
const PASSWORD: &[u8] = b"tulip";
const SALT: [u8; 16] = *b"saltsaltsaltsalt";

const PYTHON: &str = "
import hashlib, ssl, sys, time
print(' '.join(ssl.OPENSSL_VERSION.split()[:2]), flush=True)
for line in sys.stdin:
    n = int(line)
    start = time.perf_counter()
    hashlib.pbkdf2_hmac('sha512', b'tulip', b'saltsaltsalt', n)
    print((time.perf_counter() - start) * 1e9 / n, flush=True)
";

/// One credential of each family, cheap enough to be tried often.
const FAMILIES: &[(&str, &str)] = &[
    (
        "$6$ Mosquitto 1.x",
        "$6$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    ),
    (
        "$7$1000",
        "$7$1000$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    ),
    (
        "PBKDF2$sha256$2000",
        "PBKDF2$sha256$2000$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ),
    (
        "argon2id 1 MiB, t=2",
        "$argon2id$v=19$m=1024,t=2,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
    ),
    (
        "bcrypt 5",
        "$2b$05$abcdefghijklmnopqrstuuJXzmhpE2uB2qFvn2Gfm0Kp7tXlEyQqa",
    ),
    (
        "scrypt 2^10",
        "$scrypt$ln=10,r=8,p=1$AAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
    ),
    (
        "$5$ 5000 rounds",
        "$5$saltstring$...........................................",
    ),
];

fn main() {
    against_openssl();
    println!();
    unknown_against_wrong();
}

fn unknown_against_wrong() {
    println!("family                  unknown username / wrong password, by password length");
    for (name, text) in FAMILIES {
        let stored = StoredCredential::marked(text);
        let Ok(credential) = Credential::parse(&stored, &CostLimits::STANDARD) else {
            println!("{name:22}  not measured");
            continue;
        };
        print!("{name:22}");
        for length in [8, 300, 65_535] {
            let password = vec![b'x'; length];
            let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
            for _ in 0..FEWER_TURNS {
                unknown.push(nanoseconds(|| credential.cost().burn(black_box(&password))));
                wrong.push(nanoseconds(|| {
                    black_box(credential.verify(black_box(&password)) == Match::Yes);
                }));
            }
            if let Some((unknown, wrong)) = median(unknown).zip(median(wrong)) {
                print!("  {length}: {:.3}", unknown / wrong);
            }
        }
        println!();
    }
}

fn against_openssl() {
    let recipe = Recipe::Pbkdf2Sha512 {
        iterations: ITERATIONS,
    };
    let mut openssl = OpenSsl::start();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(nanoseconds(|| {
            drop(black_box(hash(
                black_box(PASSWORD),
                &recipe,
                &Salt::new(SALT),
            )));
        }));
        theirs.extend(openssl.as_mut().and_then(OpenSsl::turn));
    }
    let name = openssl
        .as_ref()
        .map_or("OpenSSL", |openssl| &openssl.version);
    println!("PBKDF2-HMAC-SHA512      ns/iteration   ratio to OpenSSL");
    match (median(ours), median(theirs)) {
        (Some(ours), Some(theirs)) => {
            println!("{:22}  {ours:12.1}   {:16.3}", "doorman", ours / theirs);
            println!("{name:22}  {theirs:12.1}   {:16.3}", 1.0);
        }
        (Some(ours), None) => println!("{:22}  {ours:12.1}   (no python3 to ask)", "doorman"),
        (None, _) => println!("not measured"),
    }
}

/// A Python that does one turn for each line it is sent.
struct OpenSsl {
    child: Child,
    questions: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    version: String,
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
        let mut answers = BufReader::new(child.stdout.take()?).lines();
        let version = answers.next()?.ok()?;
        Some(Self {
            child,
            questions,
            answers,
            version,
        })
    }

    fn turn(&mut self) -> Option<f64> {
        writeln!(self.questions.as_mut()?, "{ITERATIONS}").ok()?;
        self.answers.next()?.ok()?.parse().ok()
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

fn nanoseconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(ITERATIONS)
}

fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}
