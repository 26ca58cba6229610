//! The ways to advance works on this processor, and which is fastest for how many.
//!
//! Must not: guess. The counts in [`Machine::way`] are measured (docs/decisions/0007-lanes.md).
#![forbid(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

#[cfg(target_arch = "x86_64")]
use super::work::Bundle;
use super::work::Work;
#[cfg(target_arch = "x86_64")]
use super::x86;

/// What the processor has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Machine {
    /// No lanes that would be worth it.
    Plain,
    /// Registers of four words.
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    /// Registers of eight words.
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
}

/// One way to advance up to [`Way::lanes`] works.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// The crate's compression function.
    Single,
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    /// Four lanes, with the instructions of AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512Four(V4),
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
}

impl Machine {
    /// Asked of the processor once and remembered.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn here() -> Self {
        let avx2 = || V3::try_new().map(Self::Avx2);
        let best = V4::try_new().map(Self::Avx512).or_else(avx2);
        best.unwrap_or(Self::Plain)
    }

    /// Other processors have instructions for SHA-512 of their own, or nothing.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn here() -> Self {
        Self::Plain
    }

    pub(super) fn width(self) -> usize {
        self.way(usize::MAX).lanes()
    }

    /// The fastest way to begin on so many works.
    pub(super) fn way(self, works: usize) -> Way {
        match (self, works) {
            (Self::Plain, _) => Way::Single,
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2(_) | Self::Avx512(_), 0..=1) => Way::Single,
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2(token), _) => Way::Avx2(token),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512(token), 2..=4) => Way::Avx512Four(token),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512(token), _) => Way::Avx512(token),
        }
    }
}

impl Way {
    pub(super) fn lanes(self) -> usize {
        match self {
            Self::Single => 1,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) | Self::Avx512Four(_) => 4,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => 8,
        }
    }

    /// Advances no more works than there are lanes; none has less than `iterations` left.
    pub(super) fn advance(self, works: &mut [&mut Work], iterations: u32) {
        match self {
            Self::Single => works.iter_mut().for_each(|work| work.advance(iterations)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => {
                bundled(works, iterations, |bundle| {
                    x86::avx2(token, bundle, iterations)
                });
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Four(token) => {
                bundled(works, iterations, |bundle| {
                    x86::avx512_four(token, bundle, iterations)
                });
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => {
                bundled(works, iterations, |bundle| {
                    x86::avx512(token, bundle, iterations)
                });
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn bundled<const N: usize>(
    works: &mut [&mut Work],
    iterations: u32,
    advance: impl FnOnce(&mut Bundle<N>),
) {
    let mut bundle = Bundle::gather(works);
    advance(&mut bundle);
    bundle.scatter(works, iterations);
}
