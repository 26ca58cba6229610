//! The verbs on identities of TLS-PSK.
//!
//! Must not: write what is there already, or write a key down: the record says whose it is and how long.
#![forbid(unsafe_code)]

use super::accounts::present;
use super::apply::{Error, Outcome};
use super::note::{Note, psk as fields};
use crate::model::{AccountName, Psk, PskIdentity};
use crate::store::{self, Transaction};

pub(super) fn add(
    change: &mut dyn Transaction,
    psk: &Psk,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let before = change.psks()?.psk(&psk.identity)?;
    match before {
        Some(_) => Err(Error::PskExists {
            identity: psk.identity.clone(),
        }),
        None => put(change, psk, note),
    }
}

pub(super) fn put(
    change: &mut dyn Transaction,
    psk: &Psk,
    note: &mut Note,
) -> Result<Outcome, Error> {
    present(change, &psk.name)?;
    refuse_anothers_name(change, psk)?;
    let mut psks = change.psks()?;
    if psks.is(psk)? {
        return Ok(Outcome::Unchanged);
    }
    let before = psks.psk(&psk.identity)?;
    psks.put(psk)?;
    let after = psks.psk(&psk.identity)?;
    note.psk(before.as_ref().map(fields), after.as_ref().map(fields));
    Ok(match before {
        Some(_) => Outcome::Changed,
        None => Outcome::Added,
    })
}

pub(super) fn delete(
    change: &mut dyn Transaction,
    identity: &PskIdentity,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut psks = change.psks()?;
    // One that was edited into something unreadable can be deleted: then the record says less.
    let before = psks.psk(identity).ok().flatten();
    if !psks.remove(identity)? {
        return Err(Error::PskMissing {
            identity: identity.clone(),
        });
    }
    note.psk(before.as_ref().map(fields), None);
    Ok(Outcome::Deleted)
}

pub(super) fn seal(change: &mut dyn Transaction, note: &mut Note) -> Result<Outcome, Error> {
    let sealed = change.psks()?.seal()?;
    if sealed == 0 {
        return Ok(Outcome::Unchanged);
    }
    note.value("psks", None, Some(sealed.into()));
    Ok(Outcome::Changed)
}

/// Where a listener takes the identity for the username, whoever has the key is called so: it must not
/// be somebody else.
fn refuse_anothers_name(change: &mut dyn Transaction, psk: &Psk) -> Result<(), Error> {
    let Ok(other) = AccountName::new(psk.identity.as_str()) else {
        return Ok(());
    };
    if other != psk.name && change.account(&other)?.is_some() {
        return Err(Error::Store(store::Error::Invalid {
            path: "the identity".into(),
            why: format!("{:?} is the name of another account", other.as_str()),
        }));
    }
    Ok(())
}
