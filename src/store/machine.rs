//! A number that this machine keeps to itself, whatever is installed or started anew.
//!
//! Must not: let it out. What is made of it is made with a keyed hash.
#![forbid(unsafe_code)]

use std::fs;

use zeroize::Zeroizing;

/// The machine's id as systemd and others keep it; none where there is none, or not yet.
#[must_use]
pub fn machine_id() -> Option<Zeroizing<[u8; 32]>> {
    read(&fs::read_to_string("/etc/machine-id").ok()?)
}

/// Its 32 digits, as they are written.
fn read(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits: [u8; 32] = text.trim_end().as_bytes().try_into().ok()?;
    let is_one =
        digits.iter().all(u8::is_ascii_hexdigit) && digits.iter().any(|digit| *digit != b'0');
    is_one.then(|| Zeroizing::new(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_id_is_one() {
        assert!(read("0123456789abcdef0123456789abcdef\n").is_some());
        for text in [
            "",
            "uninitialized\n",
            "0123456789abcdef",
            "00000000000000000000000000000000",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
        assert!(read("0123456789abcdef0123456789abcdeg").is_none());
    }
}
