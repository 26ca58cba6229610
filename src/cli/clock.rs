//! The clock of the command line, and the moments that operators write down.
//!
//! Must not: be asked twice for one command where the answers must agree.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The time now.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is one of the two places that read the clock"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// The time on a clock that is never set.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is one of the two places that read the clock"
)]
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// How long something takes.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is one of the two places that read the clock"
)]
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

/// A bound of an account's validity as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// No bound: `never` for an end, `always` for a beginning.
    Open,
    /// A moment.
    At(Timestamp),
    /// So much later than now.
    In(SignedDuration),
}

impl Bound {
    /// Reads `never`, `always`, RFC 3339, a date (midnight UTC) or a distance such as `30d`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if matches!(text, "never" | "always") {
            return Ok(Self::Open);
        }
        moment(text)
            .map(Self::At)
            .or_else(|| distance(text).map(Self::In))
            .ok_or_else(|| {
                "accepted are 2026-12-31 (midnight UTC), 2026-12-31T18:00:00Z, a distance from now \
                 such as 30d, 12h or 90m, and never (for a beginning: always)"
                    .to_owned()
            })
    }

    /// The moment it means, if any.
    pub(super) fn resolve(self, now: Timestamp) -> Result<Option<Timestamp>, String> {
        match self {
            Self::Open => Ok(None),
            Self::At(at) => Ok(Some(at)),
            Self::In(distance) => now
                .checked_add(distance)
                .map(Some)
                .map_err(|_| "that is beyond the year 9999".to_owned()),
        }
    }
}

/// A moment that is over, as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// A moment.
    At(Timestamp),
    /// So long before now.
    Ago(SignedDuration),
}

impl Past {
    /// Reads RFC 3339, a date (midnight UTC) or a distance such as `30d`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        moment(text)
            .map(Self::At)
            .or_else(|| distance(text).map(Self::Ago))
            .ok_or_else(|| {
                "accepted are 2026-12-31 (midnight UTC), 2026-12-31T18:00:00Z, and how long ago, such \
                 as 30d, 12h or 90m"
                    .to_owned()
            })
    }

    /// The moment it means.
    pub(super) fn resolve(self, now: Timestamp) -> Result<Timestamp, String> {
        match self {
            Self::At(at) => Ok(at),
            Self::Ago(distance) => now
                .checked_sub(distance)
                .map_err(|_| "that is before the calendar begins".to_owned()),
        }
    }
}

/// RFC 3339 or a plain date, which means its midnight in UTC.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let date: Date = text.parse().ok()?;
        let midnight = date.to_zoned(TimeZone::UTC).ok()?;
        Some(midnight.timestamp())
    })
}

fn distance(text: &str) -> Option<SignedDuration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (at, unit) = text.char_indices().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let count: u32 = text.get(..at)?.parse().ok()?;
    Some(SignedDuration::from_secs(
        i64::from(count).checked_mul(seconds)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_epoch(text: &str) -> Option<i64> {
        Bound::parse(text)
            .unwrap()
            .resolve(Timestamp::UNIX_EPOCH)
            .unwrap()
            .map(Timestamp::as_second)
    }

    #[test]
    fn dates_moments_and_distances_are_understood() {
        assert_eq!(from_epoch("1970-01-02"), Some(86_400));
        assert_eq!(from_epoch("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(from_epoch("12h"), Some(43_200));
        assert_eq!(from_epoch("+90d"), Some(7_776_000));
        assert_eq!(from_epoch("never"), None);
    }

    #[test]
    fn what_is_over_is_a_moment_or_so_long_ago() {
        let day = Timestamp::from_second(86_400).unwrap();
        let resolved = |text| Past::parse(text).map(|past| past.resolve(day).unwrap());
        assert_eq!(resolved("1970-01-02"), Ok(day));
        assert_eq!(resolved("24h"), Ok(Timestamp::UNIX_EPOCH));
        for text in ["never", "always", "-5d", "yesterday", ""] {
            assert!(resolved(text).unwrap_err().contains("30d"), "{text}");
        }
        assert!(Past::parse("700000w").unwrap().resolve(day).is_err());
    }

    #[test]
    fn anything_else_is_refused_with_what_is_accepted() {
        for text in [
            "",
            "tomorrow",
            "30",
            "d",
            "-5d",
            "31.12.2026",
            "2026-13-01",
            "5y",
        ] {
            assert!(Bound::parse(text).unwrap_err().contains("30d"), "{text}");
        }
    }
}
