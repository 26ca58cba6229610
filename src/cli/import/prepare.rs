//! Records become entries that a store can take: names and fields checked, hashes understood,
//! passwords hashed, on all cores.
//!
//! Must not: touch a store, or keep an error that holds what the line held.
#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::thread;

use indicatif::ProgressBar;
use ipnet::IpNet;

use super::Line;
use crate::admin::{Change, Command, Existing};
use crate::cli::{clock, details};
use crate::config::CostLimits;
use crate::credential::{Credential, ParseError, Recipe};
use crate::founding;
use crate::model::{Account, AccountName, CertificateName, StoredCredential};
use crate::secret::Secret;

/// One line as it was written.
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) fields: Result<Fields, String>,
}

/// The fields of a line; `None` where the input has no such column.
pub(super) struct Fields {
    pub(super) name: Box<str>,
    pub(super) credentials: Credentials,
    pub(super) client_id: Option<Box<str>>,
    pub(super) networks: Option<Box<str>>,
    pub(super) certificates: Option<Box<str>>,
    pub(super) disabled: Option<Box<str>>,
    pub(super) valid_from: Option<Box<str>>,
    pub(super) valid_until: Option<Box<str>>,
    pub(super) notes: Option<Box<str>>,
}

/// What a line says about the password.
pub(super) enum Credentials {
    /// Nothing: the input has no such column.
    Absent,
    /// The password itself.
    Password(Secret),
    /// A hash that somebody made.
    Hashed(Box<str>),
}

impl Fields {
    /// A line that says nothing else.
    pub(super) fn bare(name: &str, credentials: Credentials) -> Self {
        Self {
            name: name.into(),
            credentials,
            client_id: None,
            networks: None,
            certificates: None,
            disabled: None,
            valid_from: None,
            valid_until: None,
            notes: None,
        }
    }
}

/// A line that a store can take: the name, and what to change about the account.
pub(super) struct Entry {
    pub(super) name: AccountName,
    credential: Option<StoredCredential>,
    /// The fields that only tables have.
    extras: Option<Box<Change>>,
}

impl Entry {
    /// To lay it over the account of its name.
    pub(super) fn laid(&self, existing: Existing) -> Command {
        Command::Lay {
            name: self.name.clone(),
            credential: self.credential.clone(),
            change: self.change(),
            existing,
        }
    }

    /// To make an account of it where there is none.
    pub(super) fn added(&self) -> Command {
        let account = Account {
            credential: self.credential.clone(),
            ..Account::named(self.name.clone())
        };
        Command::Add(self.change().over(account))
    }

    fn change(&self) -> Change {
        let extras = self.extras.as_deref();
        extras.cloned().unwrap_or_default()
    }
}

/// Prepares all records, in their order.
pub(super) fn all(records: Vec<Record>, recipe: &Recipe, bar: &ProgressBar) -> Vec<Line> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = records.len().div_ceil(cores).max(1);
    let mut records = records.into_iter();
    let shares: Vec<Vec<Record>> = std::iter::from_fn(|| {
        let share: Vec<_> = records.by_ref().take(share).collect();
        (!share.is_empty()).then_some(share)
    })
    .collect();
    thread::scope(|scope| {
        let workers: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(move || each(share, recipe, bar)))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    // A worker that panicked panics here too: there is nobody to protect.
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn each(records: Vec<Record>, recipe: &Recipe, bar: &ProgressBar) -> Vec<Line> {
    records
        .into_iter()
        .map(|Record { number, fields }| {
            let entry = fields.and_then(|fields| entry(fields, recipe));
            bar.tick();
            Line { number, entry }
        })
        .collect()
}

fn entry(fields: Fields, recipe: &Recipe) -> Result<Entry, String> {
    let name = AccountName::new(&fields.name).map_err(|error| error.to_string())?;
    let extras = extras(&fields)?;
    let credential = match fields.credentials {
        Credentials::Absent => None,
        Credentials::Password(secret) => Some(hashed(&secret, recipe)?),
        Credentials::Hashed(text) => Some(understood(&text)?),
    };
    Ok(Entry {
        name,
        credential,
        extras,
    })
}

fn hashed(secret: &Secret, recipe: &Recipe) -> Result<StoredCredential, String> {
    let looks_hashed = std::str::from_utf8(secret.expose()).is_ok_and(|text| {
        Credential::parse(&StoredCredential::marked(text), &CostLimits::STANDARD).is_ok()
    });
    if looks_hashed {
        return Err(
            "this is a hash, not a password; import hashes with --format mosquitto, or in a \
             column named credential"
                .to_owned(),
        );
    }
    founding::hashed(secret, recipe).map_err(|why| why.to_string())
}

fn understood(text: &str) -> Result<StoredCredential, String> {
    let stored = StoredCredential::marked(text);
    match Credential::parse(&stored, &CostLimits::STANDARD) {
        Ok(_) => Ok(stored),
        Err(ParseError::Cleartext) => Err(
            "this is not a hash that doorman knows; import passwords in clear with --format plain, \
             or in a column named password"
                .to_owned(),
        ),
        Err(error) => Err(error.to_string()),
    }
}

fn extras(fields: &Fields) -> Result<Option<Box<Change>>, String> {
    let Fields {
        name: _,
        credentials: _,
        client_id,
        networks,
        certificates,
        disabled,
        valid_from,
        valid_until,
        notes,
    } = fields;
    let columns = [
        client_id,
        networks,
        certificates,
        disabled,
        valid_from,
        valid_until,
        notes,
    ];
    if columns.iter().all(|column| column.is_none()) {
        return Ok(None);
    }
    let moment = |column: &str, cell: &Option<Box<str>>| {
        cell.as_deref()
            .map(|text| match text {
                "" => Ok(None),
                _ => clock::moment(text).map(Some).ok_or_else(|| {
                    format!("{column}: accepted are 2026-12-31 and 2026-12-31T18:00:00Z")
                }),
            })
            .transpose()
    };
    Ok(Some(Box::new(Change {
        client_id: client_id
            .as_deref()
            .map(|id| (!id.is_empty()).then(|| id.into())),
        networks: networks.as_deref().map(network_list).transpose()?,
        certificates: certificates.as_deref().map(certificate_list).transpose()?,
        disabled: disabled.as_deref().map(truth).transpose()?,
        valid_from: moment("valid_from", valid_from)?,
        valid_until: moment("valid_until", valid_until)?,
        notes: notes.clone(),
        ..Change::default()
    })))
}

fn network_list(text: &str) -> Result<Vec<IpNet>, String> {
    text.split([',', ';', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| details::network(part).map_err(|why| format!("networks: {why}")))
        .collect()
}

/// An URI may have commas and semicolons in it.
fn certificate_list(text: &str) -> Result<Vec<CertificateName>, String> {
    text.split_whitespace()
        .map(|part| CertificateName::new(part).map_err(|why| format!("certificates: {why}")))
        .collect()
}

fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "0" | "false" | "no" => Ok(false),
        "1" | "true" | "yes" => Ok(true),
        _ => Err("disabled: accepted are true, false, yes, no, 1 and 0".to_owned()),
    }
}
