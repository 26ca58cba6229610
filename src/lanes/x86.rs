//! Lanes of AVX2 and AVX-512.
//!
//! Must not: be reached on a processor without them. The tokens of `pulp` see to it: they come into
//! being by asking the processor only, and [`Op`] is compiled for what the token stands for.
#![forbid(unsafe_code)]

use pulp::x86::{V3, V4};
use pulp::{NullaryFnOnce, cast, u64x4, u64x8};

use super::sha512::{Lanes, iterate};
use super::work::Bundle;

/// Four lanes of AVX2.
pub(super) fn avx2(token: V3, bundle: &mut Bundle<4>, iterations: u32) {
    token.vectorize(Op {
        lanes: token,
        bundle,
        iterations,
    });
}

/// Four lanes in the shorter registers of AVX-512: the source of [`avx2`], but the compiler may use
/// the rotations, the logic of three operands and all 32 registers.
pub(super) fn avx512_four(token: V4, bundle: &mut Bundle<4>, iterations: u32) {
    token.vectorize(Op {
        lanes: *token,
        bundle,
        iterations,
    });
}

/// Eight lanes of AVX-512.
pub(super) fn avx512(token: V4, bundle: &mut Bundle<8>, iterations: u32) {
    token.vectorize(Op {
        lanes: token,
        bundle,
        iterations,
    });
}

struct Op<'a, L, const N: usize> {
    lanes: L,
    bundle: &'a mut Bundle<N>,
    iterations: u32,
}

impl<const N: usize, L: Lanes<N>> NullaryFnOnce for Op<'_, L, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        iterate(self.lanes, self.bundle, self.iterations);
    }
}

macro_rules! rotate {
    ($token:expr, $x:expr, $right:literal) => {
        $token.or_u64x4(
            $token.shr_const_u64x4::<$right>($x),
            $token.shl_const_u64x4::<{ 64 - $right }>($x),
        )
    };
}

impl Lanes<4> for V3 {
    type Words = u64x4;

    #[inline(always)]
    fn load(self, words: [u64; 4]) -> u64x4 {
        cast(words)
    }

    #[inline(always)]
    fn store(self, words: u64x4) -> [u64; 4] {
        cast(words)
    }

    #[inline(always)]
    fn splat(self, word: u64) -> u64x4 {
        self.splat_u64x4(word)
    }

    #[inline(always)]
    fn add(self, a: u64x4, b: u64x4) -> u64x4 {
        self.wrapping_add_u64x4(a, b)
    }

    #[inline(always)]
    fn xor(self, a: u64x4, b: u64x4) -> u64x4 {
        self.xor_u64x4(a, b)
    }

    #[inline(always)]
    fn choose(self, a: u64x4, b: u64x4, c: u64x4) -> u64x4 {
        self.xor(c, self.and_u64x4(a, self.xor(b, c)))
    }

    #[inline(always)]
    fn majority(self, a: u64x4, b: u64x4, c: u64x4) -> u64x4 {
        self.or_u64x4(self.and_u64x4(a, b), self.and_u64x4(c, self.or_u64x4(a, b)))
    }

    #[inline(always)]
    fn upper_0(self, x: u64x4) -> u64x4 {
        let two = self.xor(rotate!(self, x, 28), rotate!(self, x, 34));
        self.xor(two, rotate!(self, x, 39))
    }

    #[inline(always)]
    fn upper_1(self, x: u64x4) -> u64x4 {
        let two = self.xor(rotate!(self, x, 14), rotate!(self, x, 18));
        self.xor(two, rotate!(self, x, 41))
    }

    #[inline(always)]
    fn lower_0(self, x: u64x4) -> u64x4 {
        let two = self.xor(rotate!(self, x, 1), rotate!(self, x, 8));
        self.xor(two, self.shr_const_u64x4::<7>(x))
    }

    #[inline(always)]
    fn lower_1(self, x: u64x4) -> u64x4 {
        let two = self.xor(rotate!(self, x, 19), rotate!(self, x, 61));
        self.xor(two, self.shr_const_u64x4::<6>(x))
    }
}

macro_rules! rotate_eight {
    ($token:expr, $x:expr, $right:literal) => {
        cast($token.avx512f._mm512_ror_epi64::<$right>(cast($x)))
    };
}

/// The result for each combination of three bits, as `vpternlogq` takes it.
const XOR: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

#[inline(always)]
fn logic<const TABLE: i32>(token: V4, a: u64x8, b: u64x8, c: u64x8) -> u64x8 {
    let (a, b, c) = (cast(a), cast(b), cast(c));
    cast(token.avx512f._mm512_ternarylogic_epi64::<TABLE>(a, b, c))
}

impl Lanes<8> for V4 {
    type Words = u64x8;

    #[inline(always)]
    fn load(self, words: [u64; 8]) -> u64x8 {
        cast(words)
    }

    #[inline(always)]
    fn store(self, words: u64x8) -> [u64; 8] {
        cast(words)
    }

    #[inline(always)]
    fn splat(self, word: u64) -> u64x8 {
        self.splat_u64x8(word)
    }

    #[inline(always)]
    fn add(self, a: u64x8, b: u64x8) -> u64x8 {
        self.wrapping_add_u64x8(a, b)
    }

    #[inline(always)]
    fn xor(self, a: u64x8, b: u64x8) -> u64x8 {
        self.xor_u64x8(a, b)
    }

    #[inline(always)]
    fn choose(self, a: u64x8, b: u64x8, c: u64x8) -> u64x8 {
        logic::<CHOOSE>(self, a, b, c)
    }

    #[inline(always)]
    fn majority(self, a: u64x8, b: u64x8, c: u64x8) -> u64x8 {
        logic::<MAJORITY>(self, a, b, c)
    }

    #[inline(always)]
    fn upper_0(self, x: u64x8) -> u64x8 {
        logic::<XOR>(
            self,
            rotate_eight!(self, x, 28),
            rotate_eight!(self, x, 34),
            rotate_eight!(self, x, 39),
        )
    }

    #[inline(always)]
    fn upper_1(self, x: u64x8) -> u64x8 {
        logic::<XOR>(
            self,
            rotate_eight!(self, x, 14),
            rotate_eight!(self, x, 18),
            rotate_eight!(self, x, 41),
        )
    }

    #[inline(always)]
    fn lower_0(self, x: u64x8) -> u64x8 {
        logic::<XOR>(
            self,
            rotate_eight!(self, x, 1),
            rotate_eight!(self, x, 8),
            self.shr_const_u64x8::<7>(x),
        )
    }

    #[inline(always)]
    fn lower_1(self, x: u64x8) -> u64x8 {
        logic::<XOR>(
            self,
            rotate_eight!(self, x, 19),
            rotate_eight!(self, x, 61),
            self.shr_const_u64x8::<6>(x),
        )
    }
}
