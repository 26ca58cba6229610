//! PBKDF2-HMAC-SHA512 over several passwords at once, in the lanes of SIMD registers.
//!
//! Must not: know what the derived bytes are for, or keep threads. A caller advances its works a
//! slice at a time and swaps finished ones for new ones between slices. The reader should know that
//! lanes make no single derivation faster, and that nothing here depends on a password but the
//! words in the lanes: time goes by lengths and counts (docs/decisions/0007-lanes.md).
#![forbid(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod sha512;
mod way;
mod work;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub use work::Work;

use way::{Machine, Way};

/// How many derivations this machine advances at once at full speed.
#[must_use]
pub fn width() -> usize {
    Machine::here().width()
}

/// Advances each of the works by `iterations`, or by what it has left.
pub fn advance(works: &mut [Work], iterations: u32) {
    let machine = Machine::here();
    advance_by(works, iterations, |count| machine.way(count));
}

/// Works with much to do are bundled with each other, so that few lanes idle; a bundle stops where
/// its shortest work ends, and what is left of the others is bundled anew.
fn advance_by(works: &mut [Work], iterations: u32, way: impl Fn(usize) -> Way) {
    let mut goals: Vec<Goal<'_>> = works
        .iter_mut()
        .map(|work| Goal {
            left: work.remaining().min(iterations),
            work,
        })
        .collect();
    loop {
        goals.retain(|goal| goal.left > 0);
        goals.sort_by_key(|goal| goal.left);
        let mut rest = goals.as_mut_slice();
        if rest.is_empty() {
            return;
        }
        while !rest.is_empty() {
            let way = way(rest.len());
            let (bundle, others) = rest.split_at_mut(way.lanes().min(rest.len()));
            together(way, bundle);
            rest = others;
        }
    }
}

struct Goal<'a> {
    work: &'a mut Work,
    left: u32,
}

/// Advances the goals of one bundle until the first is reached.
fn together(way: Way, goals: &mut [Goal<'_>]) {
    let iterations = goals.iter().map(|goal| goal.left).min().unwrap_or(0);
    let mut works: Vec<&mut Work> = Vec::with_capacity(goals.len());
    for goal in goals {
        goal.left = goal.left.saturating_sub(iterations);
        works.push(goal.work);
    }
    way.advance(&mut works, iterations);
}
