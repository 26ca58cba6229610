//! One derivation in progress, and several of them side by side.
//!
//! Must not: outlive its use in memory. Works and bundles are wiped when dropped; a work keeps its
//! words in a box so that moving it leaves no copy behind. Registers, and what the compiler spills
//! of them, are beyond reach.
#![forbid(unsafe_code)]

use std::fmt;
use std::num::NonZeroU32;

use pbkdf2::pbkdf2_hmac;
use sha2::block_api::compress512;
use sha2::{Digest as _, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

/// One derivation in progress: 64 bytes of PBKDF2-HMAC-SHA512. Wiped when dropped.
pub struct Work {
    state: Box<Bundle<1>>,
    remaining: u32,
}

impl Work {
    /// Does the first iteration, the only one that sees the salt.
    #[must_use]
    pub fn begin(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let mut state = Box::new(Bundle::empty());
        let key = key(password);
        for (pad, byte) in state.pads.iter_mut().zip([INNER, OUTER]) {
            let block = Zeroizing::new(key.map(|k| k ^ byte));
            let mut words = Zeroizing::new(START);
            compress512(&mut words, &[*block]);
            set(pad, &words);
        }
        let mut first = Zeroizing::new([0; 64]);
        pbkdf2_hmac::<Sha512>(password, salt, 1, first.as_mut_slice());
        let (bytes, _) = first.as_chunks();
        for ((last, sum), bytes) in state.last.iter_mut().zip(&mut state.sum).zip(bytes) {
            *last = [u64::from_be_bytes(*bytes)];
            *sum = *last;
        }
        Self {
            state,
            remaining: iterations.get().saturating_sub(1),
        }
    }

    /// The iterations still to do.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The derived bytes, once nothing remains to be done.
    #[must_use]
    pub fn output(&self) -> Option<Zeroizing<[u8; 64]>> {
        if self.remaining > 0 {
            return None;
        }
        let mut output = Zeroizing::new([0; 64]);
        write(output.as_mut_slice(), &self.state.sum);
        Some(output)
    }

    /// Advances this one alone, with the compression function of `sha2`.
    pub(super) fn advance(&mut self, iterations: u32) {
        let iterations = iterations.min(self.remaining);
        let pads = Zeroizing::new(self.state.pads.map(|pad| pad.map(|[word]| word)));
        let mut last = Zeroizing::new(self.state.last.map(|[word]| word));
        let mut sum = Zeroizing::new(self.state.sum.map(|[word]| word));
        let mut block = Zeroizing::new([0; 128]);
        let padding = [[END], [0], [0], [0], [0], [0], [0], [BITS]];
        write(block.as_mut_slice().split_at_mut(64).1, &padding);
        for _ in 0..iterations {
            for pad in pads.iter() {
                write(block.as_mut_slice(), &last.map(|word| [word]));
                *last = *pad;
                compress512(&mut last, &[*block]);
            }
            for (sum, last) in sum.iter_mut().zip(last.iter()) {
                *sum ^= last;
            }
        }
        set(&mut self.state.last, &last);
        set(&mut self.state.sum, &sum);
        self.remaining = self.remaining.saturating_sub(iterations);
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work([redacted])")
    }
}

/// `N` derivations, word by word: each row holds the same word of all of them.
pub(super) struct Bundle<const N: usize> {
    /// The states after the key padded for the inner and for the outer hash.
    pub(super) pads: [[[u64; N]; 8]; 2],
    /// What the last iteration gave.
    pub(super) last: [[u64; N]; 8],
    /// What all iterations gave, added without carry.
    pub(super) sum: [[u64; N]; 8],
}

impl<const N: usize> Bundle<N> {
    fn empty() -> Self {
        Self {
            pads: [[[0; N]; 8]; 2],
            last: [[0; N]; 8],
            sum: [[0; N]; 8],
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl<const N: usize> Bundle<N> {
    /// The works side by side; lanes beyond them idle, works beyond the lanes are left out.
    pub(super) fn gather(works: &[&mut Work]) -> Self {
        let mut bundle = Self::empty();
        for (lane, work) in works.iter().enumerate() {
            for (row, word) in bundle.rows().zip(work.state.words()) {
                if let Some(place) = row.get_mut(lane) {
                    *place = word;
                }
            }
        }
        bundle
    }

    /// Gives the works of [`Self::gather`] back, `iterations` further.
    pub(super) fn scatter(&mut self, works: &mut [&mut Work], iterations: u32) {
        for (lane, work) in works.iter_mut().enumerate().take(N) {
            for (word, row) in work.state.rows().zip(self.rows()) {
                if let Some(found) = row.get(lane) {
                    *word = [*found];
                }
            }
            work.remaining = work.remaining.saturating_sub(iterations);
        }
    }

    fn rows(&mut self) -> impl Iterator<Item = &mut [u64; N]> {
        let pads = self.pads.iter_mut().flatten();
        pads.chain(&mut self.last).chain(&mut self.sum)
    }
}

#[cfg(target_arch = "x86_64")]
impl Bundle<1> {
    fn words(&self) -> impl Iterator<Item = u64> {
        let pads = self.pads.iter().flatten();
        let words = pads.chain(&self.last).chain(&self.sum);
        words.map(|[word]| *word)
    }
}

impl<const N: usize> Drop for Bundle<N> {
    fn drop(&mut self) {
        self.pads.zeroize();
        self.last.zeroize();
        self.sum.zeroize();
    }
}

/// The key block of HMAC: a long password is hashed first (RFC 2104, section 2).
fn key(password: &[u8]) -> Zeroizing<[u8; 128]> {
    let mut key = Zeroizing::new([0; 128]);
    let mut digest = Zeroizing::new([0; 64]);
    let bytes = if password.len() > key.len() {
        digest.copy_from_slice(&Sha512::digest(password));
        digest.as_slice()
    } else {
        password
    };
    for (place, byte) in key.iter_mut().zip(bytes) {
        *place = *byte;
    }
    key
}

fn set(rows: &mut [[u64; 1]; 8], words: &[u64; 8]) {
    for (row, word) in rows.iter_mut().zip(words) {
        *row = [*word];
    }
}

/// Writes the words big-endian to the beginning of `bytes`.
fn write(bytes: &mut [u8], words: &[[u64; 1]; 8]) {
    let (places, _) = bytes.as_chunks_mut();
    for (place, [word]) in places.iter_mut().zip(words) {
        *place = word.to_be_bytes();
    }
}

const INNER: u8 = 0x36;
const OUTER: u8 = 0x5c;

/// The bit that ends a message.
pub(super) const END: u64 = 1 << 63;
/// The length of a padded key and one digest.
pub(super) const BITS: u64 = (128 + 64) * 8;

/// The state before the first block (FIPS 180-4, section 5.3.5).
const START: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];
