//! Who is held up or has failed of late, for whoever administers; and letting somebody off.
//!
//! Must not: hold logins up: the tables are gone through once, without making anything of an entry
//! that is not asked for.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::table::{Key, Place};
use super::{Attempts, Throttle};
use crate::throttle::penalty::Penalty;

/// Somebody who has failed, or has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The username; none for all of an address.
    pub username: Option<String>,
    /// The address; none for a username wherever it comes from, or a unix socket.
    pub address: Option<String>,
    /// How many failures still count.
    pub failures: u32,
    /// How long nothing is admitted; none for who need not wait.
    pub wait: Duration,
}

/// Whom a look at the bans is about; what is not said is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whom {
    /// This username.
    pub username: Option<String>,
    /// This place.
    pub place: Option<Place>,
}

/// An entry of one of the tables.
#[derive(Clone, Copy, Debug)]
pub struct Entry(Which, Key);

#[derive(Clone, Copy, Debug)]
enum Which {
    Pair,
    Address,
    Name,
}

impl Place {
    /// An address, or the first half of one of IPv6 as `2001:db8::/64`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let ip: IpAddr = text.strip_suffix("/64").unwrap_or(text).parse().ok()?;
        let place = Self::of(Some(ip));
        let is_half = matches!(place, Self::V6(_));
        (is_half || !text.contains('/')).then_some(place)
    }

    fn shown(self) -> Option<String> {
        match self {
            Self::Local => None,
            Self::V4(bits) => Some(std::net::Ipv4Addr::from_bits(bits).to_string()),
            Self::V6(half) => {
                let bits = u128::from(u64::from_be_bytes(half)) << 64;
                Some(format!("{}/64", std::net::Ipv6Addr::from_bits(bits)))
            }
        }
    }
}

impl Whom {
    fn is(&self, username: Option<&str>, place: Option<Place>) -> bool {
        let named = self
            .username
            .as_deref()
            .is_none_or(|name| username == Some(excerpt(name)));
        named && self.place.is_none_or(|wanted| place == Some(wanted))
    }
}

impl Throttle {
    /// The entries of those who have failed or have to wait, the latest first of each kind: usernames at
    /// an address, addresses, usernames.
    pub fn bans(&self, whom: &Whom, sees: &dyn Fn(&str) -> bool, now: Instant) -> Vec<Entry> {
        let counts = |penalty: &Penalty, tariff| {
            penalty.failures(tariff, now) > 0 || !penalty.wait(now).is_zero()
        };
        let pairs = self.pairs.iter().filter(|(_, attempts)| {
            whom.is(Some(&attempts.username), Some(attempts.place))
                && counts(&attempts.penalty, self.pair_tariff())
                && sees(&attempts.username)
        });
        let pairs = pairs.map(|(key, _)| Entry(Which::Pair, key));
        let sees_all = sees("");
        let addresses = self.addresses.iter().filter(|(_, address)| {
            sees_all
                && whom.is(None, Some(address.place))
                && counts(&address.penalty, self.address_tariff(false))
        });
        let addresses = addresses.map(|(key, _)| Entry(Which::Address, key));
        let names = self.names.iter().filter(|(_, name)| {
            whom.is(Some(&name.username), None)
                && !name
                    .bucket
                    .wait(self.limits.username_rate, 1, now)
                    .is_zero()
                && sees(&name.username)
        });
        let names = names.map(|(key, _)| Entry(Which::Name, key));
        pairs.chain(addresses).chain(names).collect()
    }

    /// What there is to tell of an entry, if it is there still.
    pub fn ban(&self, Entry(which, key): Entry, now: Instant) -> Option<Ban> {
        match which {
            Which::Pair => self.pairs.find(key).map(|attempts| Ban {
                username: Some(attempts.username.to_string()),
                address: attempts.place.shown(),
                failures: attempts.penalty.failures(self.pair_tariff(), now),
                wait: attempts.penalty.wait(now),
            }),
            Which::Address => self.addresses.find(key).map(|address| Ban {
                username: None,
                address: address.place.shown(),
                failures: address.penalty.failures(self.address_tariff(false), now),
                wait: address.penalty.wait(now),
            }),
            Which::Name => self.names.find(key).map(|name| Ban {
                username: Some(name.username.to_string()),
                address: None,
                failures: 0,
                wait: name.bucket.wait(self.limits.username_rate, 1, now),
            }),
        }
    }

    /// Forgets the failures of an entry. What was taken and is not known to be right or wrong yet stays.
    pub fn let_off(&mut self, Entry(which, key): Entry, now: Instant) {
        match which {
            Which::Pair => {
                let is_waited_for = |attempts: &mut Attempts| {
                    attempts.penalty = Penalty::none(now);
                    attempts.taken > 0
                };
                if !self.pairs.find_mut(key).is_some_and(is_waited_for) {
                    self.pairs.remove(key);
                }
            }
            Which::Address => self.addresses.remove(key),
            Which::Name => self.names.remove(key),
        }
    }
}

/// So much of a name is kept as is needed to tell whose failures they are.
pub(super) fn excerpt(name: &str) -> &str {
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    name.get(..end).unwrap_or_default()
}

const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::{Admission, Who};
    use super::*;
    use crate::config::ThrottleLimits;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn who<'a>(username: &'a str, ip: IpAddr) -> Who<'a> {
        Who {
            ip: Some(ip),
            username,
            credential: None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Fails as often as it is let.
    fn fails(throttle: &mut Throttle, username: &str, ip: IpAddr, now: Instant) {
        while let Admission::Admit(_) = throttle.admit(&who(username, ip), now) {
            throttle.failed(&who(username, ip), now);
        }
    }

    fn all(throttle: &Throttle, whom: &Whom, now: Instant) -> Vec<Ban> {
        let entries = throttle.bans(whom, &|_| true, now).into_iter();
        entries
            .filter_map(|entry| throttle.ban(entry, now))
            .collect()
    }

    #[test]
    fn who_fails_is_listed_until_it_is_let_off_and_nobody_else_is() {
        let now = start();
        let mut throttle = Throttle::new(ThrottleLimits::STANDARD);
        let Admission::Admit(_) = throttle.admit(&who("ann", IP), now) else {
            panic!("the first is admitted");
        };
        throttle.succeeded(&who("ann", IP), now);
        fails(&mut throttle, "bob", IP, now);
        let whom = Whom {
            username: Some("bob".to_owned()),
            place: Place::read("192.0.2.7"),
        };
        let bans = all(&throttle, &whom, now);
        assert_eq!(bans.len(), 1);
        assert_eq!(bans[0].username.as_deref(), Some("bob"));
        assert_eq!(bans[0].address.as_deref(), Some("192.0.2.7"));
        assert!(bans[0].failures > 0 && !bans[0].wait.is_zero());
        let ann = Whom {
            username: Some("ann".to_owned()),
            place: None,
        };
        assert_eq!(all(&throttle, &ann, now), []);
        for entry in throttle.bans(&Whom::default(), &|_| true, now) {
            throttle.let_off(entry, now);
        }
        assert_eq!(all(&throttle, &Whom::default(), now), []);
        assert!(matches!(
            throttle.admit(&who("bob", IP), now),
            Admission::Admit(_)
        ));
    }

    #[test]
    fn who_sees_some_names_sees_no_addresses() {
        let now = start();
        let mut throttle = Throttle::new(ThrottleLimits::STANDARD);
        fails(&mut throttle, "a-1", IP, now);
        fails(&mut throttle, "b-1", IP, now);
        let seen = throttle.bans(&Whom::default(), &|name| name.starts_with("a-"), now);
        let seen: Vec<_> = seen
            .into_iter()
            .filter_map(|entry| throttle.ban(entry, now))
            .collect();
        assert!(!seen.is_empty());
        assert!(
            seen.iter()
                .all(|ban| ban.username.as_deref() == Some("a-1")),
            "{seen:?}"
        );
    }

    #[test]
    fn an_address_is_read_as_it_is_shown() {
        for (text, shown) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("::ffff:192.0.2.7", Some("192.0.2.7")),
            ("2001:db8::1", Some("2001:db8::/64")),
            ("2001:db8::/64", Some("2001:db8::/64")),
            ("192.0.2.0/64", None),
            ("2001:db8::/32", None),
            ("host", None),
            ("", None),
        ] {
            let read = Place::read(text).and_then(Place::shown);
            assert_eq!(read.as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn of_a_long_name_the_beginning_is_kept() {
        assert_eq!(excerpt("späť"), "späť");
        let long = format!("{}ť", "x".repeat(255));
        assert_eq!(excerpt(&long), "x".repeat(255));
    }
}
