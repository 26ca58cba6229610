//! The parts between the dollar signs: numbers, base64 and lengths.
//!
//! Must not: be lenient. What cannot be decoded exactly is refused, because a hash that decodes to
//! less than was written is a hash that compares equal too easily.
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::error::{ParseError, Part};

/// The shortest hash that proves anything: 128 bits.
pub(super) const LEAST_HASH: usize = 16;
/// The longest hash or salt that anybody writes, with room to spare.
pub(super) const MOST_BYTES: usize = 1024;

/// Exactly `N` parts between dollar signs.
pub(super) fn parts<'a, const N: usize>(
    text: &'a str,
    form: &'static str,
) -> Result<[&'a str; N], ParseError> {
    let found: Vec<&str> = text.splitn(N.saturating_add(1), '$').collect();
    found
        .try_into()
        .map_err(|_wrong_count| ParseError::Malformed { form })
}

/// `a=1,b=2` with exactly these names in exactly this order, as the PHC string format has it.
pub(super) fn parameters<const N: usize>(
    text: &str,
    names: [&'static str; N],
    form: &'static str,
) -> Result<[u32; N], ParseError> {
    let malformed = || ParseError::Malformed { form };
    let mut fields = text.split(',');
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        let field = fields.next().ok_or_else(malformed)?;
        let (key, number) = field.split_once('=').ok_or_else(malformed)?;
        if key != name {
            return Err(malformed());
        }
        *value = decimal(number, name)?;
    }
    fields.next().map_or(Ok(values), |_extra| Err(malformed()))
}

/// Plain digits and nothing else. The broker reads `$7$` with `atoi`, which takes blanks, signs and
/// trailing rubbish; no tool writes those, so they are a damaged row here.
pub(super) fn decimal(text: &str, what: &'static str) -> Result<u32, ParseError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseError::Number { what });
    }
    text.parse().map_err(|_| ParseError::Number { what })
}

/// A cost that is neither zero nor above what is allowed.
pub(super) fn within(
    what: &'static str,
    asked: impl Into<u64>,
    allowed: u64,
) -> Result<(), ParseError> {
    match asked.into() {
        0 => Err(ParseError::Zero { what }),
        asked if asked > allowed => Err(ParseError::TooCostly {
            what,
            asked,
            allowed,
        }),
        _ => Ok(()),
    }
}

/// Standard base64 with its padding.
pub(super) fn padded(text: &str, part: Part) -> Result<Vec<u8>, ParseError> {
    STANDARD.decode(text).map_err(|_| ParseError::Encoding {
        part,
        encoding: "standard base64 with padding",
    })
}

/// Standard base64 without padding, as in PHC strings.
pub(super) fn unpadded(text: &str, part: Part) -> Result<Vec<u8>, ParseError> {
    STANDARD_NO_PAD
        .decode(text)
        .map_err(|_| ParseError::Encoding {
            part,
            encoding: "standard base64 without padding",
        })
}

/// Hexadecimal digits of either case.
pub(super) fn hexadecimal(text: &str, part: Part) -> Result<Vec<u8>, ParseError> {
    let wrong = ParseError::Encoding {
        part,
        encoding: "hexadecimal",
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong);
    }
    pairs
        .iter()
        .map(|&[high, low]| u8::try_from((digit(high)? << 4) | digit(low)?).ok())
        .collect::<Option<Vec<u8>>>()
        .ok_or(wrong)
}

/// The bytes again, if there are as many as accepted.
pub(super) fn sized(
    bytes: Vec<u8>,
    part: Part,
    least: usize,
    most: usize,
) -> Result<Vec<u8>, ParseError> {
    if (least..=most).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(ParseError::Length {
            part,
            bytes: bytes.len(),
            least,
            most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_are_a_number() {
        assert_eq!(decimal("00101", "n"), Ok(101));
        for text in ["", "+1", "-1", " 1", "1 ", "0x1", "1e3", "4294967296", "１"] {
            assert_eq!(decimal(text, "n"), Err(ParseError::Number { what: "n" }));
        }
    }

    #[test]
    fn parameters_are_those_expected_and_no_others() {
        assert_eq!(parameters("m=1,t=2", ["m", "t"], "f"), Ok([1, 2]));
        for text in ["", "m=1", "t=2,m=1", "m=1,t=2,p=3", "m=1,t", "m=1,,t=2"] {
            assert!(parameters(text, ["m", "t"], "f").is_err(), "{text}");
        }
    }

    #[test]
    fn hexadecimal_takes_whole_bytes_only() {
        assert_eq!(hexadecimal("00fF", Part::Hash), Ok(vec![0, 255]));
        for text in ["0", "0g", "+f", "ß"] {
            assert!(hexadecimal(text, Part::Hash).is_err(), "{text}");
        }
    }
}
