//! A row of `account` becomes an [`Account`].
//!
//! Must not: guess. A row that somebody edited into nonsense is that account's misfortune: it says
//! why, the engine denies, and every other account goes on.
#![forbid(unsafe_code)]

use ipnet::IpNet;
use jiff::Timestamp;
use rusqlite::Row;

use crate::model::{Account, AccountName, CertificateName, StoredCredential};
use crate::policy::Holdings;
use crate::store::Listed;

/// Reads the columns of `query::account`, in their order.
pub(super) fn account(row: &Row<'_>) -> Result<Account, String> {
    let name = text(row, 0)?.unwrap_or_default();
    let wrong = |why: String| format!("account {name:?}: {why}");
    Ok(Account {
        name: AccountName::new(&name).map_err(|error| wrong(error.to_string()))?,
        credential: credential(row, 1).map_err(wrong)?,
        second_credential: credential(row, 2).map_err(wrong)?,
        disabled: row.get(3).map_err(|error| wrong(error.to_string()))?,
        valid_from: moment(row, 4).map_err(wrong)?,
        valid_until: moment(row, 5).map_err(wrong)?,
        client_id: text(row, 6).map_err(wrong)?.map(Into::into),
        notes: text(row, 7).map_err(wrong)?.unwrap_or_default().into(),
        networks: networks(row, 8).map_err(wrong)?,
        last_login: moment(row, 9).map_err(wrong)?,
        textname: text(row, 10).map_err(wrong)?.map(Into::into),
        textdescription: text(row, 11).map_err(wrong)?.map(Into::into),
        certificates: certificates(row, 12).map_err(wrong)?,
    })
}

/// Reads the columns of `query::names::listed`, in their order; what is held is read apart.
pub(super) fn listed(row: &Row<'_>) -> Result<Listed, String> {
    let name = text(row, 0)?.unwrap_or_default();
    let wrong = |why: String| format!("account {name:?}: {why}");
    Ok(Listed {
        name: AccountName::new(&name).map_err(|error| wrong(error.to_string()))?,
        client_id: text(row, 1).map_err(wrong)?.map(Into::into),
        textname: text(row, 2).map_err(wrong)?.map(Into::into),
        textdescription: text(row, 3).map_err(wrong)?.map(Into::into),
        disabled: row.get(4).map_err(|error| wrong(error.to_string()))?,
        holdings: Holdings::default(),
    })
}

fn text(row: &Row<'_>, column: usize) -> Result<Option<String>, String> {
    row.get(column).map_err(|error| error.to_string())
}

fn credential(row: &Row<'_>, column: usize) -> Result<Option<StoredCredential>, String> {
    Ok(text(row, column)?.map(|text| StoredCredential::marked(&text)))
}

/// Reads a column of Unix seconds.
pub(super) fn moment(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, String> {
    row.get::<_, Option<i64>>(column)
        .map_err(|error| error.to_string())?
        .map(|seconds| {
            Timestamp::from_second(seconds).map_err(|_| format!("{seconds} is not a time"))
        })
        .transpose()
}

fn certificates(row: &Row<'_>, column: usize) -> Result<Vec<CertificateName>, String> {
    let Some(list) = text(row, column)? else {
        return Ok(Vec::new());
    };
    let one = |text| {
        // In another spelling it would never be found.
        let name = CertificateName::new(text).ok();
        let name = name.filter(|name| name.as_str() == text);
        name.ok_or_else(|| format!("certificate {text:?} is not as doorman spells it"))
    };
    let mut certificates = list.split(' ').map(one).collect::<Result<Vec<_>, _>>()?;
    certificates.sort_unstable();
    Ok(certificates)
}

fn networks(row: &Row<'_>, column: usize) -> Result<Vec<IpNet>, String> {
    let Some(list) = text(row, column)? else {
        return Ok(Vec::new());
    };
    let mut networks = list
        .split(' ')
        .map(|network| {
            network
                .parse()
                .map_err(|_| format!("network {network:?} is not an address with a prefix length"))
        })
        .collect::<Result<Vec<IpNet>, String>>()?;
    networks.sort_unstable();
    Ok(networks)
}
