//! PBKDF2-HMAC-SHA512 (RFC 8018 section 5.2) on the bare compression function.
//!
//! Must not: allocate or branch on the password. From the second iteration on, both HMAC messages
//! are one block of known layout, so two compressions are all the work there is; the general
//! interface would buffer, pad and clone around each (docs/decisions/0005-sha512.md).
#![forbid(unsafe_code)]

use sha2::block_api::compress512;
use sha2::{Digest as _, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

/// FIPS 180-4 section 5.3.5.
const INITIAL: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// What a 64-byte message ends with when one 128-byte key block went before it: the bit 1, zeros,
/// and the length 192 bytes in bits.
const MESSAGE_BITS: u128 = 192 * 8;

/// Fills `out`, of any length.
pub(super) fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32, out: &mut [u8]) {
    let key = Key::new(password);
    for (number, chunk) in (1u32..).zip(out.chunks_mut(64)) {
        let mut block = key.block(salt, number, iterations);
        let bytes = block.iter().flat_map(|word| word.to_be_bytes());
        for (to, from) in chunk.iter_mut().zip(bytes) {
            *to = from;
        }
        block.zeroize();
    }
}

/// A password as HMAC's two key blocks.
struct Key {
    inner: Zeroizing<[u8; 128]>,
    outer: Zeroizing<[u8; 128]>,
}

impl Key {
    fn new(password: &[u8]) -> Self {
        let mut key = Zeroizing::new([0u8; 128]);
        // RFC 2104: a key longer than a block is hashed first.
        let mut digest = Zeroizing::new([0u8; 64]);
        let source = if password.len() > key.len() {
            *digest = Sha512::digest(password).into();
            digest.as_slice()
        } else {
            password
        };
        for (to, from) in key.iter_mut().zip(source) {
            *to = *from;
        }
        Self {
            inner: Zeroizing::new(key.map(|byte| byte ^ 0x36)),
            outer: Zeroizing::new(key.map(|byte| byte ^ 0x5c)),
        }
    }

    /// One block of output: the exclusive or of all iterations.
    fn block(&self, salt: &[u8], number: u32, iterations: u32) -> [u64; 8] {
        let inner = Sha512::new()
            .chain_update(self.inner.as_slice())
            .chain_update(salt)
            .chain_update(number.to_be_bytes())
            .finalize();
        let first = Sha512::new()
            .chain_update(self.outer.as_slice())
            .chain_update(inner)
            .finalize();

        let mut message = Zeroizing::new([0u8; 128]);
        for (to, from) in message.iter_mut().zip(first.iter().chain(&[0x80])) {
            *to = *from;
        }
        if let Some(tail) = message.last_chunk_mut() {
            *tail = MESSAGE_BITS.to_be_bytes();
        }

        let (inner, outer) = (compressed(&self.inner), compressed(&self.outer));
        let mut result = words(&message);
        for _ in 1..iterations {
            for start in [inner, outer] {
                let mut state = start;
                compress512(&mut state, std::slice::from_ref(&*message));
                put(&mut message, &state);
            }
            for (sum, word) in result.iter_mut().zip(words(&message)) {
                *sum ^= word;
            }
        }
        result
    }
}

fn compressed(block: &[u8; 128]) -> [u64; 8] {
    let mut state = INITIAL;
    compress512(&mut state, std::slice::from_ref(block));
    state
}

#[inline]
fn words(block: &[u8; 128]) -> [u64; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    words
}

#[inline]
fn put(block: &mut [u8; 128], words: &[u64; 8]) {
    for (bytes, word) in block.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_pbkdf2_crate_computes() {
        let long = vec![7u8; 65_535];
        for password in [b"".as_slice(), b"tulip", &long[..128], &long[..129], &long] {
            for (salt, iterations, length) in [
                (b"".as_slice(), 1, 64),
                (b"salt", 2, 16),
                (b"saltsaltsalt", 101, 64),
                (&long[..200], 3, 200),
                (b"x", 4, 65),
            ] {
                let (mut ours, mut theirs) = (vec![1; length], vec![2; length]);
                pbkdf2(password, salt, iterations, &mut ours);
                ::pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut theirs);
                assert_eq!(ours, theirs);
            }
        }
    }
}
