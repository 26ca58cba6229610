//! Every way of this processor beside the `pbkdf2` crate.
#![forbid(unsafe_code)]

use std::num::NonZeroU32;

use pbkdf2::pbkdf2_hmac;
use proptest::prelude::*;
use sha2::Sha512;

use super::way::{Machine, Way};
use super::{Work, advance, advance_by, width};

/// A password to stretch.
#[derive(Clone, Debug)]
struct Job {
    password: Vec<u8>,
    salt: Vec<u8>,
    iterations: u32,
}

impl Job {
    fn begin(&self) -> Work {
        let iterations = NonZeroU32::new(self.iterations).unwrap();
        Work::begin(&self.password, &self.salt, iterations)
    }

    fn expected(&self) -> [u8; 64] {
        let mut out = [0; 64];
        pbkdf2_hmac::<Sha512>(&self.password, &self.salt, self.iterations, &mut out);
        out
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn ways() -> Vec<Way> {
    vec![Way::Single]
}

#[cfg(target_arch = "x86_64")]
fn ways() -> Vec<Way> {
    let avx2 = pulp::x86::V3::try_new().map(Way::Avx2);
    let avx512 = pulp::x86::V4::try_new();
    let rest = [avx2, avx512.map(Way::Avx512Four), avx512.map(Way::Avx512)];
    let mut ways = vec![Way::Single];
    ways.extend(rest.into_iter().flatten());
    ways
}

/// Unoptimised lanes are slow: most counts are small.
fn job() -> impl Strategy<Value = Job> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let iterations = prop_oneof![6 => 1..20_u32, 1 => 1..300_u32];
    (bytes(300), bytes(80), iterations).prop_map(|(password, salt, iterations)| Job {
        password,
        salt,
        iterations,
    })
}

/// Works through the jobs in slices with at most `places` at once, filling places as they fall
/// empty.
fn work_through(
    jobs: &[Job],
    places: usize,
    slices: &[u32],
    mut advance: impl FnMut(&mut [Work], u32),
) {
    let mut waiting = jobs.iter();
    let mut works = Vec::new();
    let mut answered = Vec::new();
    for slice in slices.iter().cycle() {
        let free = places.saturating_sub(works.len());
        works.extend(waiting.by_ref().take(free).map(|job| (job, job.begin())));
        if works.is_empty() {
            break;
        }
        let (named, mut advanced): (Vec<&Job>, Vec<Work>) = works.drain(..).unzip();
        let before: Vec<u32> = advanced.iter().map(Work::remaining).collect();
        advance(&mut advanced, *slice);
        for ((job, work), before) in named.into_iter().zip(advanced).zip(before) {
            assert_eq!(work.remaining(), before.saturating_sub(*slice));
            match work.output() {
                Some(output) => {
                    assert_eq!(work.remaining(), 0);
                    assert_eq!(*output, job.expected(), "{job:?}");
                    answered.push(*output);
                }
                None => works.push((job, work)),
            }
        }
    }
    assert_eq!(answered.len(), jobs.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_way_derives_what_the_crate_derives(
        jobs in prop::collection::vec(job(), 0..20),
        places in 1..20_usize,
        slices in prop::collection::vec(prop_oneof![1..40_u32, 1..400_u32], 1..6),
    ) {
        for way in ways() {
            work_through(&jobs, places, &slices, |works, slice| advance_by(works, slice, |_| way));
        }
        work_through(&jobs, places, &slices, advance);
    }
}

/// From OpenSSL 3.0 through Python's `hashlib`, for "password" and "salt".
const KNOWN: [(u32, &str); 3] = [
    (
        1,
        "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252\
         c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce",
    ),
    (
        2,
        "e1d9c16aa681708a45f5c7c4e215ceb66e011a2e9f0040713f18aefdb866d53c\
         f76cab2868a39b9f7840edce4fef5a82be67335c77a6068e04112754f27ccf4e",
    ),
    (
        4096,
        "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5\
         143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5",
    ),
];

#[test]
fn every_way_derives_known_answers() {
    for way in ways() {
        let mut works = KNOWN.map(|(iterations, _)| {
            Work::begin(b"password", b"salt", NonZeroU32::new(iterations).unwrap())
        });
        advance_by(&mut works, u32::MAX, |_| way);
        for (work, (iterations, expected)) in works.iter().zip(KNOWN) {
            let output = work.output().unwrap();
            let hex: String = output.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{iterations} iterations, {way:?}");
        }
    }
}

#[test]
fn nothing_is_given_out_before_the_last_iteration() {
    let mut works = [Work::begin(b"tulip", b"salt", NonZeroU32::new(3).unwrap())];
    assert_eq!((works[0].remaining(), works[0].output()), (2, None));
    advance(&mut works, 0);
    advance(&mut works, 1);
    assert_eq!((works[0].remaining(), works[0].output()), (1, None));
    advance(&mut works, 1);
    let output = works[0].output().unwrap();
    advance(&mut works, 1);
    assert_eq!(works[0].output(), Some(output));
}

#[test]
fn a_work_is_sent_to_workers_and_shows_nothing() {
    fn sent(work: impl Send) -> impl Send {
        work
    }
    let work = Work::begin(b"tulip", b"salt", NonZeroU32::MIN);
    assert_eq!(format!("{work:?}"), "Work([redacted])");
    drop(sent(work));
}

#[test]
fn the_width_is_that_of_the_widest_way() {
    let widest = ways().into_iter().map(Way::lanes).max();
    assert_eq!(Some(width()), widest);
    assert_eq!(Machine::here().way(1).lanes(), 1);
    assert_eq!(Machine::Plain.width(), 1);
}
