//! The verbs on accounts.
//!
//! Must not: write what is there already.
#![forbid(unsafe_code)]

use super::apply::{Error, Outcome};
use super::command::{Change, Existing, Rotation};
use super::note::Note;
use crate::model::{Account, AccountName, CertificateName, StoredCredential};
use crate::store::Transaction;

pub(super) fn add(
    change: &mut dyn Transaction,
    account: &Account,
    note: &mut Note,
) -> Result<Outcome, Error> {
    match change.account(&account.name)? {
        Some(_) => Err(Error::Exists {
            name: account.name.clone(),
        }),
        None => put(change, None, account.clone(), note),
    }
}

pub(super) fn replace(
    change: &mut dyn Transaction,
    account: &Account,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let before = change.account(&account.name)?;
    let last_login = before.as_ref().and_then(|before| before.last_login);
    let after = Account {
        last_login,
        ..account.clone()
    };
    put(change, before, after, note)
}

pub(super) fn lay(
    change: &mut dyn Transaction,
    name: &AccountName,
    credential: Option<&StoredCredential>,
    fields: &Change,
    existing: Existing,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let before = change.account(name)?;
    if before.is_some() && existing == Existing::Keep {
        return Ok(Outcome::Unchanged);
    }
    let mut after = before
        .clone()
        .unwrap_or_else(|| Account::named(name.clone()));
    if credential.is_some() && credential != after.credential.as_ref() {
        after.credential = credential.cloned();
        after.second_credential = None;
    }
    put(change, before, fields.over(after), note)
}

pub(super) fn set_credential(
    change: &mut dyn Transaction,
    name: &AccountName,
    credential: &StoredCredential,
    rotation: Rotation,
    note: &mut Note,
) -> Result<Outcome, Error> {
    edit(change, name, note, |account| {
        let old = account.credential.replace(credential.clone());
        account.second_credential = match rotation {
            Rotation::Replace => None,
            Rotation::KeepOld => old,
        };
    })
}

/// Whoever changed or deleted the account meanwhile was here first.
pub(super) fn renew(
    change: &mut dyn Transaction,
    name: &AccountName,
    old: &StoredCredential,
    new: &StoredCredential,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let Some(before) = change.account(name)? else {
        return Ok(Outcome::Unchanged);
    };
    let mut after = before.clone();
    let place = if after.credential.as_ref() == Some(old) {
        &mut after.credential
    } else if after.second_credential.as_ref() == Some(old) {
        &mut after.second_credential
    } else {
        return Ok(Outcome::Unchanged);
    };
    *place = Some(new.clone());
    put(change, Some(before), after, note)
}

pub(super) fn drop_second_credential(
    change: &mut dyn Transaction,
    name: &AccountName,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let before = present(change, name)?;
    let mut after = before.clone();
    after.second_credential = None;
    put(change, Some(before), after, note)
}

pub(super) fn set(
    change: &mut dyn Transaction,
    name: &AccountName,
    fields: &Change,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let before = present(change, name)?;
    let after = fields.over(before.clone());
    put(change, Some(before), after, note)
}

pub(super) fn certify(
    change: &mut dyn Transaction,
    name: &AccountName,
    certificate: &CertificateName,
    note: &mut Note,
) -> Result<Outcome, Error> {
    edit(change, name, note, |account| {
        account.certificates.push(certificate.clone());
    })
}

pub(super) fn uncertify(
    change: &mut dyn Transaction,
    name: &AccountName,
    certificate: &CertificateName,
    note: &mut Note,
) -> Result<Outcome, Error> {
    edit(change, name, note, |account| {
        account.certificates.retain(|one| one != certificate);
    })
}

/// One that was edited into something unreadable can be deleted: then the record says less.
pub(super) fn delete(
    change: &mut dyn Transaction,
    name: &AccountName,
    note: &mut Note,
) -> Result<Outcome, Error> {
    if note.is_wanted() {
        if let Ok(Some(before)) = change.account(name) {
            note.account(Some(&before), None);
        }
        if let Ok(holdings) = change.roles()?.holdings(name) {
            note.held(&holdings);
        }
    }
    if change.remove(name)? {
        Ok(Outcome::Deleted)
    } else {
        Err(Error::Missing { name: name.clone() })
    }
}

pub(super) fn present(change: &mut dyn Transaction, name: &AccountName) -> Result<Account, Error> {
    change
        .account(name)?
        .ok_or_else(|| Error::Missing { name: name.clone() })
}

/// Changes something of an account that is there.
fn edit(
    change: &mut dyn Transaction,
    name: &AccountName,
    note: &mut Note,
    edited: impl FnOnce(&mut Account),
) -> Result<Outcome, Error> {
    let before = present(change, name)?;
    let mut after = before.clone();
    edited(&mut after);
    put(change, Some(before), after, note)
}

fn put(
    change: &mut dyn Transaction,
    before: Option<Account>,
    mut after: Account,
    note: &mut Note,
) -> Result<Outcome, Error> {
    // Networks are a set; stores give them back in order.
    after.networks.sort_unstable();
    after.networks.dedup();
    after.certificates.sort_unstable();
    after.certificates.dedup();
    let outcome = match &before {
        None => Outcome::Added,
        Some(before) if *before == after => return Ok(Outcome::Unchanged),
        Some(_) => Outcome::Changed,
    };
    refuse_anothers(change, &after)?;
    change.put(&after)?;
    note.account(before.as_ref(), Some(&after));
    Ok(outcome)
}

/// A certificate tells one account from all others.
fn refuse_anothers(change: &mut dyn Transaction, account: &Account) -> Result<(), Error> {
    for certificate in &account.certificates {
        let holder = change.certificate_holder(certificate)?;
        if holder.is_some_and(|holder| holder != account.name) {
            let certificate = certificate.clone();
            return Err(Error::CertificateTaken { certificate });
        }
    }
    Ok(())
}
