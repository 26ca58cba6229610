//! What stands behind an option's name becomes a value, or a sentence that says what is accepted.
//!
//! Must not: know which option it reads for, or guess a unit that is not written.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::{Algorithm, Rate};

/// A path that is not empty.
pub(super) fn path(value: &str) -> Result<PathBuf, String> {
    if value.is_empty() {
        Err("a path is needed".to_owned())
    } else {
        Ok(PathBuf::from(value))
    }
}

/// Text that is not empty.
pub(super) fn text(value: &str) -> Result<String, String> {
    match value {
        "" => Err("a text is needed".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// Names of algorithms with commas between.
pub(super) fn algorithms(value: &str) -> Result<Vec<Algorithm>, String> {
    let names = value.split(',').map(|name| Algorithm::named(name.trim()));
    names.collect::<Option<_>>().ok_or_else(|| {
        format!(
            "accepted are {}",
            Algorithm::ALL.map(Algorithm::name).join(", ")
        )
    })
}

/// A whole number between two bounds.
pub(super) fn number(value: &str, least: u32, most: u32) -> Result<u32, String> {
    value
        .parse()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("accepted is a whole number from {least} to {most}"))
}

/// How many of something, at least one.
pub(super) fn count(value: &str, most: u32) -> Result<usize, String> {
    let count = number(value, 1, most)?;
    usize::try_from(count).map_err(|_| format!("accepted is a whole number up to {}", usize::MAX))
}

/// A length of time with its unit, milliseconds among them, between two bounds.
pub(super) fn within(value: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let milliseconds = value.strip_suffix("ms").and_then(digits);
    let time = match milliseconds {
        Some(count) => Some(Duration::from_millis(count.into())),
        None => duration(value).ok(),
    };
    time.filter(|time| (least..=most).contains(time))
        .ok_or_else(|| {
            format!(
                "accepted is a time with its unit from {least:?} to {most:?}, such as 500ms or 10s"
            )
        })
}

/// `true` or `false`.
pub(super) fn truth(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("accepted are true and false".to_owned()),
    }
}

/// A size with its unit, in KiB.
pub(super) fn kibibytes(value: &str) -> Result<u32, String> {
    let wrong =
        || "accepted is a size with its unit from 64K to 64G, such as 64K, 256M or 1G".to_owned();
    let (digits, factor) = match value.char_indices().next_back() {
        Some((at, 'K')) => (value.get(..at), 1),
        Some((at, 'M')) => (value.get(..at), 1024),
        Some((at, 'G')) => (value.get(..at), 1024 * 1024),
        Some(_) | None => (None, 0),
    };
    digits
        .and_then(|digits| digits.parse::<u32>().ok())
        .and_then(|n| n.checked_mul(factor))
        .filter(|kib| (64..=64 * 1024 * 1024).contains(kib))
        .ok_or_else(wrong)
}

/// A length of time with its unit, from a second to a year.
pub(super) fn duration(value: &str) -> Result<Duration, String> {
    let seconds = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let unit = value.chars().next_back();
    let count = unit
        .and_then(|unit| value.strip_suffix(unit))
        .and_then(digits);
    unit.and_then(seconds)
        .zip(count)
        .and_then(|(seconds, count)| count.checked_mul(seconds))
        .filter(|seconds| (1..=YEAR).contains(seconds))
        .map(|seconds| Duration::from_secs(seconds.into()))
        .ok_or_else(|| {
            "accepted is a time with its unit from 1s to 365d, such as 30s, 5m, 2h or 7d".to_owned()
        })
}

/// So many in each second, minute or hour.
pub(super) fn rate(value: &str) -> Result<Rate, String> {
    let period = |unit| match unit {
        "s" => Some(Duration::from_secs(1)),
        "m" => Some(Duration::from_mins(1)),
        "h" => Some(Duration::from_hours(1)),
        _ => None,
    };
    value
        .split_once('/')
        .and_then(|(count, unit)| {
            let count = digits(count).filter(|count| (1..=1_000_000).contains(count))?;
            Some(Rate {
                count: NonZeroU32::new(count)?,
                period: period(unit)?,
            })
        })
        .ok_or_else(|| {
            "accepted is a number from 1 to 1000000 in each second, minute or hour, such as 10/s, \
             600/m or 20/h"
                .to_owned()
        })
}

/// A network or a single address. One of IPv4 written as IPv6 becomes one of IPv4, as clients' own
/// addresses do.
pub(super) fn network(value: &str) -> Result<IpNet, String> {
    let network = value
        .parse::<IpNet>()
        .or_else(|_| value.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "accepted is a network or an address, such as 192.0.2.0/24 or 2001:db8::1")?;
    if let IpNet::V6(mapped) = network
        && let Some(length) = mapped.prefix_len().checked_sub(96)
        && let Some(address) = mapped.addr().to_ipv4_mapped()
        && let Ok(within) = Ipv4Net::new(address, length)
    {
        return Ok(IpNet::V4(within.trunc()));
    }
    Ok(network.trunc())
}

/// Digits and nothing else: no sign, no blank.
fn digits(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

const YEAR: u32 = 365 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        for wrong in [
            "",
            "s",
            "5",
            "0s",
            "-5s",
            "+5s",
            "5 s",
            "366d",
            "99999999999s",
            "5ms",
            "5ä",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_has_a_number_and_a_unit() {
        let minute = rate("600/m").unwrap();
        assert_eq!(minute.count.get(), 600);
        assert_eq!(minute.period, Duration::from_mins(1));
        assert_eq!(rate("10/s").unwrap().period, Duration::from_secs(1));
        assert_eq!(rate("20/h").unwrap().period, Duration::from_hours(1));
        for wrong in [
            "",
            "/",
            "10",
            "10/",
            "0/s",
            "-1/s",
            "+1/s",
            "1/d",
            "1000001/s",
            "1/s/s",
        ] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_may_be_one_address_and_is_ipv4_where_it_can_be() {
        let same = |a, b: &str| assert_eq!(network(a).unwrap().to_string(), b);
        same("192.0.2.7", "192.0.2.7/32");
        same("192.0.2.7/24", "192.0.2.0/24");
        same("2001:db8::/32", "2001:db8::/32");
        same("::ffff:192.0.2.7", "192.0.2.7/32");
        same("::ffff:192.0.2.0/120", "192.0.2.0/24");
        for wrong in ["", "home", "192.0.2.0/33", "192.0.2", "2001:db8::/129"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }
}
