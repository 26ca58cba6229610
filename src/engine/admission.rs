//! Whether an account may be used at all: now, by this client id, from this address.
//!
//! Must not: look at passwords. Every bound that is set must be met; one that cannot be judged is
//! not met.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use jiff::Timestamp;

use crate::model::Account;
use crate::request::Client;
use crate::verdict::Reason;

/// Judges a new login.
///
/// # Errors
/// The first bound that is not met.
pub(super) fn admit(account: &Account, client: &Client<'_>, now: Timestamp) -> Result<(), Reason> {
    bounds(account, client.id, now)?;
    // A session restored from disk has no address, and no client that could use it from a wrong one.
    if client.restored {
        Ok(())
    } else {
        network(account, client.ip())
    }
}

/// Judges a login that was allowed, after the account changed or time went by.
///
/// # Errors
/// The first bound that is no longer met.
pub(super) fn readmit(
    account: &Account,
    client_id: &str,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> Result<(), Reason> {
    bounds(account, Some(client_id), now)?;
    network(account, ip)
}

fn bounds(account: &Account, client_id: Option<&str>, now: Timestamp) -> Result<(), Reason> {
    if account.disabled {
        return Err(Reason::Disabled);
    }
    if account.valid_from.is_some_and(|from| now < from) {
        return Err(Reason::NotYetValid);
    }
    if account.valid_until.is_some_and(|until| now >= until) {
        return Err(Reason::Expired);
    }
    if account.client_id.is_some() && account.client_id.as_deref() != client_id {
        return Err(Reason::WrongClientId);
    }
    Ok(())
}

fn network(account: &Account, ip: Option<IpAddr>) -> Result<(), Reason> {
    let within = |ip| account.networks.iter().any(|network| network.contains(&ip));
    if account.networks.is_empty() || ip.is_some_and(within) {
        Ok(())
    } else {
        Err(Reason::WrongNetwork)
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
        let client = Client {
            connection: None,
            id: Some(id),
            address: Some(address),
            listener: None,
            restored: false,
        };
        admit(account, &client, Timestamp::from_second(at).unwrap())
    }

    #[test]
    fn an_account_within_all_its_bounds_is_admitted() {
        assert_eq!(asked(&bounded(), "c1", "192.0.2.9", 100), Ok(()));
        assert_eq!(asked(&bounded(), "c1", "::ffff:192.0.2.9", 199), Ok(()));
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
    fn a_restored_session_has_no_network_but_all_other_bounds() {
        let now = Timestamp::from_second(150).unwrap();
        let mut client = Client {
            connection: None,
            id: Some("c1"),
            address: None,
            listener: None,
            restored: true,
        };
        assert_eq!(admit(&bounded(), &client, now), Ok(()));
        client.id = Some("c2");
        assert_eq!(admit(&bounded(), &client, now), Err(Reason::WrongClientId));
    }
}
