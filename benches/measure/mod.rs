//! What the benchmarks share: medians with their spread, chance that repeats, made-up accounts.
//!
//! Must not: measure. A figure here is a median of several turns, and the lowest and highest stand
//! beside it: a difference smaller than the spread is none.
#![allow(dead_code, reason = "each benchmark needs some of it")]

use std::fmt;

/// The median of some figures, and between what they lay.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        Self {
            low: at(0),
            median: at(figures.len() / 2),
            high: at(figures.len().saturating_sub(1)),
        }
    }
}

/// `median (low–high)`, with the formatter's width and precision.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let Self { low, median, high } = self;
        let text = format!("{median:.digits$} ({low:.digits$}–{high:.digits$})");
        write!(f, "{text:>width$}", width = f.width().unwrap_or(0))
    }
}

/// The median of some figures, and between what their middle half lay: what disturbed a few turns is not
/// seen in it.
#[derive(Clone, Copy, Debug)]
pub struct Quartiles {
    pub first: f64,
    pub median: f64,
    pub third: f64,
}

impl Quartiles {
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |quarters: usize| {
            let index = figures.len().saturating_sub(1) * quarters / 4;
            figures.get(index).copied().unwrap_or(f64::NAN)
        };
        Self {
            first: at(1),
            median: at(2),
            third: at(3),
        }
    }
}

/// `median (first–third)`, with the formatter's width and precision.
impl fmt::Display for Quartiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first: low,
            median,
            third: high,
        } = *self;
        Spread { low, median, high }.fmt(f)
    }
}

/// Marsaglia's xorshift: the same order in every run.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    fn base64(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| char::from(BASE64[self.below(64)]))
            .collect()
    }
}

/// The name of a made-up account.
pub fn device(number: usize) -> String {
    format!("device-{number:07}")
}

/// A credential as `mosquitto_passwd` writes it, of a password that nobody knows.
pub fn credential(chance: &mut Chance) -> String {
    // 64 bytes are 85 characters and two bits.
    let last = b"AQgw"[chance.below(4)];
    let (salt, hash) = (chance.base64(16), chance.base64(85));
    format!("$7$101${salt}${hash}{}==", char::from(last))
}

/// A password file of `count` made-up accounts behind the line of a real one.
pub fn password_file(real: &str, count: usize, seed: u64) -> String {
    let mut chance = Chance::new(seed);
    let mut text = format!("{real}\n");
    for number in 1..count {
        text.push_str(&device(number));
        text.push(':');
        text.push_str(&credential(&mut chance));
        text.push('\n');
    }
    text
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
