//! What surrounds an account's credential, as flags: validity, client id, networks, texts, notes.
//!
//! Must not: change what was not named. A flag that is absent leaves its field alone.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use clap::Args;
use ipnet::IpNet;
use jiff::Timestamp;

use super::clock::Bound;
use super::exit::Failure;
use super::role_details::Texts;
use crate::admin::{Change, GroupChange};

/// The flags that set an account's fields.
#[derive(Args, Debug)]
pub(super) struct Details {
    /// Refuse the account before this moment: a date (midnight UTC), RFC 3339, 30d, 12h, or always
    #[arg(long, value_name = "WHEN", value_parser = Bound::parse)]
    valid_from: Option<Bound>,
    /// Refuse the account from this moment on: a date (midnight UTC), RFC 3339, 30d, 12h, or never
    #[arg(long, value_name = "WHEN", value_parser = Bound::parse)]
    valid_until: Option<Bound>,
    /// Let only this MQTT client id use the account
    #[arg(long, value_name = "ID", conflicts_with = "any_client_id",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    client_id: Option<String>,
    /// Let any client id use the account
    #[arg(long)]
    any_client_id: bool,
    /// Let the account be used from these networks only: 10.0.0.0/8,2001:db8::/32 or addresses
    #[arg(long, value_name = "LIST", conflicts_with = "any_network", value_delimiter = ',',
          value_parser = network)]
    networks: Option<Vec<IpNet>>,
    /// Let the account be used from everywhere
    #[arg(long)]
    any_network: bool,
    #[command(flatten)]
    texts: Texts,
    /// Whatever is worth remembering; an empty text clears it
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
}

impl Details {
    /// The fields to change.
    pub(super) fn change(&self, now: Timestamp) -> Result<Change, Failure> {
        let [valid_from, valid_until] = window(self.valid_from, self.valid_until, now)?;
        let GroupChange {
            textname,
            textdescription,
        } = self.texts.change();
        Ok(Change {
            disabled: None,
            valid_from,
            valid_until,
            client_id: if self.any_client_id {
                Some(None)
            } else {
                self.client_id.as_deref().map(|id| Some(id.into()))
            },
            networks: if self.any_network {
                Some(Vec::new())
            } else {
                self.networks.clone()
            },
            certificates: None,
            textname,
            textdescription,
            notes: self.notes.as_deref().map(Into::into),
        })
    }
}

/// Both ends of a validity, each to be left, cleared or set.
pub(super) fn window(
    from: Option<Bound>,
    until: Option<Bound>,
    now: Timestamp,
) -> Result<[Option<Option<Timestamp>>; 2], Failure> {
    let resolve = |bound: Option<Bound>| {
        bound
            .map(|bound| bound.resolve(now).map_err(Failure::usage))
            .transpose()
    };
    let (from, until) = (resolve(from)?, resolve(until)?);
    if let (Some(Some(from)), Some(Some(until))) = (from, until)
        && from >= until
    {
        return Err(Failure::usage(format!(
            "the validity would end ({until}) before it begins ({from})"
        )));
    }
    Ok([from, until])
}

/// A network, or an address alone, which means just that address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .map(|net| net.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            "accepted are networks such as 192.0.2.0/24 or 2001:db8::/32, and single addresses"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_alone_is_a_network_of_one() {
        assert_eq!(network("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
        assert_eq!(
            network(" 2001:db8::1").unwrap().to_string(),
            "2001:db8::1/128"
        );
        assert_eq!(network("192.0.2.7/24").unwrap().to_string(), "192.0.2.0/24");
    }

    #[test]
    fn anything_else_is_no_network() {
        for text in ["", "localhost", "192.0.2.0/33", "192.0.2"] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
