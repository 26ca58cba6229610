//! The compression function of SHA-512, written once for any number of lanes (FIPS 180-4, section
//! 6.4).
//!
//! Must not: name an instruction set. A [`Lanes`] is one; whatever uses these functions must be
//! compiled for it, so everything here is inlined into `x86.rs`. The reader should know that all
//! eighty rounds are written out because a loop would keep the sixteen words of the schedule in
//! memory, and that the two compressions of an iteration share one copy of them because two would
//! not fit the instruction cache.
#![forbid(unsafe_code)]

use super::work::{BITS, Bundle, END};

/// What one SIMD register of `N` words can do.
pub(super) trait Lanes<const N: usize>: Copy {
    /// The register.
    type Words: Copy;

    fn load(self, words: [u64; N]) -> Self::Words;
    fn store(self, words: Self::Words) -> [u64; N];
    /// The same word in all lanes.
    fn splat(self, word: u64) -> Self::Words;
    /// Modulo 2^64.
    fn add(self, a: Self::Words, b: Self::Words) -> Self::Words;
    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Bits of `b` where `a` is set, of `c` where it is not.
    fn choose(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;
    fn majority(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;
    /// Σ0: rotated by 28, 34, 39.
    fn upper_0(self, x: Self::Words) -> Self::Words;
    /// Σ1: rotated by 14, 18, 41.
    fn upper_1(self, x: Self::Words) -> Self::Words;
    /// σ0: rotated by 1, 8, shifted by 7.
    fn lower_0(self, x: Self::Words) -> Self::Words;
    /// σ1: rotated by 19, 61, shifted by 6.
    fn lower_1(self, x: Self::Words) -> Self::Words;
}

/// Does `iterations` of PBKDF2-HMAC-SHA512 in every lane: two compressions each, from the saved
/// states of the padded keys.
#[inline(always)]
pub(super) fn iterate<const N: usize, L: Lanes<N>>(
    lanes: L,
    bundle: &mut Bundle<N>,
    iterations: u32,
) {
    let pads = bundle.pads.map(|pad| pad.map(|words| lanes.load(words)));
    let mut last = bundle.last.map(|words| lanes.load(words));
    let mut sum = bundle.sum.map(|words| lanes.load(words));
    for _ in 0..iterations {
        for pad in &pads {
            last = compress(lanes, pad, last);
        }
        sum = each(sum, last, |a, b| lanes.xor(a, b));
    }
    bundle.last = last.map(|words| lanes.store(words));
    bundle.sum = sum.map(|words| lanes.store(words));
}

/// The second and last block of a hash whose first block was the padded key and whose message is
/// one digest.
#[inline(always)]
fn compress<const N: usize, L: Lanes<N>>(
    lanes: L,
    start: &[L::Words; 8],
    message: [L::Words; 8],
) -> [L::Words; 8] {
    macro_rules! rounds {
        ($state:ident, $w:ident, $k:ident: $($i:literal)*) => {
            $($state = round(lanes, $state, lanes.add(lanes.splat($k[$i]), $w[$i]));)*
        };
    }
    macro_rules! scheduled_rounds {
        ($state:ident, $w:ident, $k:ident: $($i:literal $one:literal $nine:literal $fourteen:literal)*) => {
            $(
                let recent = lanes.add(lanes.lower_1($w[$fourteen]), $w[$nine]);
                let old = lanes.add(lanes.lower_0($w[$one]), $w[$i]);
                $w[$i] = lanes.add(recent, old);
                $state = round(lanes, $state, lanes.add(lanes.splat($k[$i]), $w[$i]));
            )*
        };
    }
    let [m0, m1, m2, m3, m4, m5, m6, m7] = message;
    let zero = lanes.splat(0);
    let end = lanes.splat(END);
    let bits = lanes.splat(BITS);
    let mut w = [
        m0, m1, m2, m3, m4, m5, m6, m7, end, zero, zero, zero, zero, zero, zero, bits,
    ];
    let mut state = *start;
    let [first, others @ ..] = &ROUND;
    rounds!(state, w, first: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for k in others {
        scheduled_rounds!(state, w, k:
            0 1 9 14  1 2 10 15  2 3 11 0  3 4 12 1  4 5 13 2  5 6 14 3  6 7 15 4  7 8 0 5
            8 9 1 6  9 10 2 7  10 11 3 8  11 12 4 9  12 13 5 10  13 14 6 11  14 15 7 12  15 0 8 13);
    }
    each(*start, state, |a, b| lanes.add(a, b))
}

#[inline(always)]
fn round<const N: usize, L: Lanes<N>>(
    lanes: L,
    [a, b, c, d, e, f, g, h]: [L::Words; 8],
    word: L::Words,
) -> [L::Words; 8] {
    let new = lanes.add(
        lanes.add(h, word),
        lanes.add(lanes.choose(e, f, g), lanes.upper_1(e)),
    );
    let top = lanes.add(lanes.majority(a, b, c), lanes.upper_0(a));
    [lanes.add(new, top), a, b, c, lanes.add(d, new), e, f, g]
}

#[inline(always)]
fn each<W: Copy>(a: [W; 8], b: [W; 8], both: impl Fn(W, W) -> W) -> [W; 8] {
    let [a0, a1, a2, a3, a4, a5, a6, a7] = a;
    let [b0, b1, b2, b3, b4, b5, b6, b7] = b;
    [
        both(a0, b0),
        both(a1, b1),
        both(a2, b2),
        both(a3, b3),
        both(a4, b4),
        both(a5, b5),
        both(a6, b6),
        both(a7, b7),
    ]
}

/// The constants of the eighty rounds.
#[rustfmt::skip]
const ROUND: [[u64; 16]; 5] = [
    [
        0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd, 0xb5c0_fbcf_ec4d_3b2f, 0xe9b5_dba5_8189_dbbc,
        0x3956_c25b_f348_b538, 0x59f1_11f1_b605_d019, 0x923f_82a4_af19_4f9b, 0xab1c_5ed5_da6d_8118,
        0xd807_aa98_a303_0242, 0x1283_5b01_4570_6fbe, 0x2431_85be_4ee4_b28c, 0x550c_7dc3_d5ff_b4e2,
        0x72be_5d74_f27b_896f, 0x80de_b1fe_3b16_96b1, 0x9bdc_06a7_25c7_1235, 0xc19b_f174_cf69_2694,
    ],
    [
        0xe49b_69c1_9ef1_4ad2, 0xefbe_4786_384f_25e3, 0x0fc1_9dc6_8b8c_d5b5, 0x240c_a1cc_77ac_9c65,
        0x2de9_2c6f_592b_0275, 0x4a74_84aa_6ea6_e483, 0x5cb0_a9dc_bd41_fbd4, 0x76f9_88da_8311_53b5,
        0x983e_5152_ee66_dfab, 0xa831_c66d_2db4_3210, 0xb003_27c8_98fb_213f, 0xbf59_7fc7_beef_0ee4,
        0xc6e0_0bf3_3da8_8fc2, 0xd5a7_9147_930a_a725, 0x06ca_6351_e003_826f, 0x1429_2967_0a0e_6e70,
    ],
    [
        0x27b7_0a85_46d2_2ffc, 0x2e1b_2138_5c26_c926, 0x4d2c_6dfc_5ac4_2aed, 0x5338_0d13_9d95_b3df,
        0x650a_7354_8baf_63de, 0x766a_0abb_3c77_b2a8, 0x81c2_c92e_47ed_aee6, 0x9272_2c85_1482_353b,
        0xa2bf_e8a1_4cf1_0364, 0xa81a_664b_bc42_3001, 0xc24b_8b70_d0f8_9791, 0xc76c_51a3_0654_be30,
        0xd192_e819_d6ef_5218, 0xd699_0624_5565_a910, 0xf40e_3585_5771_202a, 0x106a_a070_32bb_d1b8,
    ],
    [
        0x19a4_c116_b8d2_d0c8, 0x1e37_6c08_5141_ab53, 0x2748_774c_df8e_eb99, 0x34b0_bcb5_e19b_48a8,
        0x391c_0cb3_c5c9_5a63, 0x4ed8_aa4a_e341_8acb, 0x5b9c_ca4f_7763_e373, 0x682e_6ff3_d6b2_b8a3,
        0x748f_82ee_5def_b2fc, 0x78a5_636f_4317_2f60, 0x84c8_7814_a1f0_ab72, 0x8cc7_0208_1a64_39ec,
        0x90be_fffa_2363_1e28, 0xa450_6ceb_de82_bde9, 0xbef9_a3f7_b2c6_7915, 0xc671_78f2_e372_532b,
    ],
    [
        0xca27_3ece_ea26_619c, 0xd186_b8c7_21c0_c207, 0xeada_7dd6_cde0_eb1e, 0xf57d_4f7f_ee6e_d178,
        0x06f0_67aa_7217_6fba, 0x0a63_7dc5_a2c8_98a6, 0x113f_9804_bef9_0dae, 0x1b71_0b35_131c_471b,
        0x28db_77f5_2304_7d84, 0x32ca_ab7b_40c7_2493, 0x3c9e_be0a_15c9_bebc, 0x431d_67c4_9c10_0d4c,
        0x4cc5_d4be_cb3e_42b6, 0x597f_299c_fc65_7e2a, 0x5fcb_6fab_3ad6_faec, 0x6c44_198c_4a47_5817,
    ],
];
