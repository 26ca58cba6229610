//! Whether an account may be used at all: now, by this client id, from this address.
//!
//! Must not: look at passwords. Every bound that is set must be met, and one that cannot be judged
//! because the client has nothing to show is not met.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use jiff::Timestamp;

use crate::model::Account;
use crate::verdict::Reason;

/// How somebody wants to use an account.
#[derive(Clone, Copy, Debug)]
pub struct Approach<'a> {
    /// With which client id, if any.
    pub client_id: Fact<Option<&'a str>>,
    /// From which address; a unix socket has none.
    pub ip: Fact<Option<IpAddr>>,
}

/// Something that is looked at, or that there is no point in looking at.
#[derive(Clone, Copy, Debug)]
pub enum Fact<T> {
    /// It is this.
    Is(T),
    /// Not part of the question.
    Open,
}

/// Everything that stands in the way; nothing for an account that is admitted.
pub fn obstacles(
    account: &Account,
    approach: Approach<'_>,
    now: Timestamp,
) -> impl Iterator<Item = Reason> {
    let bound = account.client_id.as_deref();
    let outside = |ip: Option<IpAddr>| {
        let within = |ip| account.networks.iter().any(|network| network.contains(&ip));
        !account.networks.is_empty() && !ip.is_some_and(within)
    };
    [
        (account.disabled, Reason::Disabled),
        (
            account.valid_from.is_some_and(|from| now < from),
            Reason::NotYetValid,
        ),
        (
            account.valid_until.is_some_and(|until| now >= until),
            Reason::Expired,
        ),
        (
            approach
                .client_id
                .fails(|id| bound.is_some() && bound != id),
            Reason::WrongClientId,
        ),
        (approach.ip.fails(outside), Reason::WrongNetwork),
    ]
    .into_iter()
    .filter_map(|(stands, reason)| stands.then_some(reason))
}

/// Admitted, or the first obstacle.
///
/// # Errors
/// With the first of [`obstacles`].
pub fn admit(account: &Account, approach: Approach<'_>, now: Timestamp) -> Result<(), Reason> {
    obstacles(account, approach, now).next().map_or(Ok(()), Err)
}

impl<T> Fact<T> {
    fn fails(self, test: impl FnOnce(T) -> bool) -> bool {
        match self {
            Self::Is(fact) => test(fact),
            Self::Open => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccountName;

    fn bounded() -> Account {
        Account {
            valid_from: Some(Timestamp::from_second(100).unwrap()),
            valid_until: Some(Timestamp::from_second(200).unwrap()),
            client_id: Some("c1".into()),
            networks: vec![
                "192.0.2.0/24".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ],
            ..Account::named(AccountName::new("ann").unwrap())
        }
    }

    fn asked(account: &Account, id: &str, address: &str, at: i64) -> Result<(), Reason> {
        let approach = Approach {
            client_id: Fact::Is(Some(id)),
            ip: Fact::Is(address.parse().ok()),
        };
        admit(account, approach, Timestamp::from_second(at).unwrap())
    }

    #[test]
    fn an_account_within_all_its_bounds_is_admitted() {
        assert_eq!(asked(&bounded(), "c1", "192.0.2.9", 100), Ok(()));
        assert_eq!(asked(&bounded(), "c1", "192.0.2.9", 199), Ok(()));
        assert_eq!(asked(&bounded(), "c1", "2001:db8::1", 150), Ok(()));
    }

    #[test]
    fn each_bound_refuses_with_its_own_reason() {
        let disabled = Account {
            disabled: true,
            ..bounded()
        };
        assert_eq!(
            asked(&disabled, "c1", "192.0.2.9", 150),
            Err(Reason::Disabled)
        );
        assert_eq!(
            asked(&bounded(), "c1", "192.0.2.9", 99),
            Err(Reason::NotYetValid)
        );
        assert_eq!(
            asked(&bounded(), "c1", "192.0.2.9", 200),
            Err(Reason::Expired)
        );
        assert_eq!(
            asked(&bounded(), "c2", "192.0.2.9", 150),
            Err(Reason::WrongClientId)
        );
        assert_eq!(
            asked(&bounded(), "c1", "192.0.3.9", 150),
            Err(Reason::WrongNetwork)
        );
        assert_eq!(
            asked(&bounded(), "c1", "/run/m.sock", 150),
            Err(Reason::WrongNetwork)
        );
    }

    #[test]
    fn an_account_without_bounds_is_admitted_from_anywhere() {
        let free = Account::named(AccountName::new("ann").unwrap());
        assert_eq!(asked(&free, "x", "/run/m.sock", 0), Ok(()));
    }

    #[test]
    fn a_client_without_an_id_does_not_meet_a_bound_one() {
        let approach = Approach {
            client_id: Fact::Is(None),
            ip: Fact::Open,
        };
        let now = Timestamp::from_second(150).unwrap();
        assert_eq!(admit(&bounded(), approach, now), Err(Reason::WrongClientId));
    }

    #[test]
    fn what_is_not_part_of_the_question_is_no_obstacle_and_the_rest_is() {
        let open = Approach {
            client_id: Fact::Open,
            ip: Fact::Open,
        };
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(admit(&bounded(), open, at(150)), Ok(()));
        let disabled = Account {
            disabled: true,
            ..bounded()
        };
        let all: Vec<_> = obstacles(&disabled, open, at(300)).collect();
        assert_eq!(all, [Reason::Disabled, Reason::Expired]);
    }
}
