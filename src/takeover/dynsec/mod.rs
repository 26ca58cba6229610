//! dynamic-security's file: its clients, groups, roles and settings, all of them or nothing.
//!
//! Must not: print a credential, or keep one that doorman could not check: what is no hash could be a
//! password.
#![forbid(unsafe_code)]

mod proof;

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Error, Imported, Plan, Prover, Told, Wanted, Written, in_order, ranked};
use crate::config::CostLimits;
use crate::credential::{Credential, ParseError};
use crate::dynsec::{self, Document};
use crate::model::{GroupName, NameError, RoleName, StoredCredential};
use crate::policy::{Holdings, Ranked, StoredGroup, StoredRole};
use crate::store::Roles;

/// The file, understood.
pub struct Understood {
    document: Document,
    /// What the database is to be.
    pub plan: Plan,
    /// What is to be told of it.
    pub told: Vec<Told>,
}

impl Understood {
    /// Reads the bytes of a file called `input`.
    ///
    /// # Errors
    /// When they are not such a file, or a name in it cannot be one in a database.
    pub fn of(bytes: &[u8], input: &str) -> Result<Self, Error> {
        let refused = |why: String| Error::File(format!("{input}: {why}"));
        let text = std::str::from_utf8(bytes).map_err(|_| refused("not UTF-8".to_owned()))?;
        let (document, remarks) = Document::parse(text).map_err(|why| refused(why.to_string()))?;
        let mut told: Vec<Told> = remarks
            .iter()
            .map(|remark| Told {
                place: input.to_owned(),
                why: remark.to_string(),
                is_loss: remark.what.is_loss(),
            })
            .collect();
        let plan = plan(&document, input, &mut told)
            .map_err(|BadName(name, why)| refused(format!("{name:?}: {why}")))?;
        Ok(Self {
            document,
            plan,
            told,
        })
    }

    /// Asks the file itself and the database, about everybody.
    ///
    /// # Errors
    /// When the database cannot be read, or there are too many rules.
    pub fn prove(&self, roles: &mut dyn Roles, now: Timestamp) -> Result<Prover, Error> {
        proof::prove(&self.document, roles, now)
    }
}

/// A name that cannot be one in the database, and why.
struct BadName(String, NameError);

/// What the database is to be.
fn plan(document: &Document, input: &str, told: &mut Vec<Told>) -> Result<Plan, BadName> {
    let roles = document.roles.iter().map(|role| {
        Ok(StoredRole {
            textname: role.texts.name.clone(),
            textdescription: role.texts.description.clone(),
            wildcard_subscriptions: role.wildcard_subscriptions,
            rules: role.rules.clone(),
            ..StoredRole::named(role_name(&role.name)?)
        })
    });
    let (mut groups, mut memberships) = (Vec::new(), HashMap::<_, Vec<_>>::new());
    for group in &document.groups {
        let name = group_name(&group.name)?;
        for member in &group.members {
            let groups = memberships.entry(&member.account).or_default();
            groups.push(ranked(name.clone(), member.priority));
        }
        groups.push(StoredGroup {
            textname: group.texts.name.clone(),
            textdescription: group.texts.description.clone(),
            roles: held(&group.roles)?,
            name,
        });
    }
    let mut accounts = Vec::new();
    for account in &document.accounts {
        let mut groups = memberships.remove(&account.name).unwrap_or_default();
        in_order(&mut groups);
        accounts.push(Wanted {
            account: Written::Whole(Box::new(imported(account, input, told))),
            holdings: Holdings {
                roles: held(&account.roles)?,
                groups,
            },
        });
    }
    let anonymous = document.anonymous_group.as_deref();
    Ok(Plan {
        roles: roles.collect::<Result<_, _>>()?,
        groups,
        accounts,
        defaults: document.defaults,
        changes: document.change_index,
        anonymous: anonymous.map(group_name).transpose()?,
        is_ours: |_| false,
    })
}

fn imported(account: &dynsec::Account, input: &str, told: &mut Vec<Told>) -> Imported {
    let mut credential = account.credential.clone();
    if let Some(why) = credential.as_ref().and_then(unusable) {
        let name = account.name.as_str();
        told.push(Told {
            place: input.to_owned(),
            why: format!("client {name:?}: {why}; nobody can log in with it"),
            is_loss: true,
        });
        credential = None;
    }
    Imported {
        name: account.name.clone(),
        credential,
        disabled: account.disabled,
        client_id: account.client_id.clone(),
        textname: account.texts.name.clone(),
        textdescription: account.texts.description.clone(),
    }
}

fn held(roles: &[dynsec::Holding]) -> Result<Vec<Ranked<RoleName>>, BadName> {
    let held = roles.iter();
    let held = held.map(|held| Ok(ranked(role_name(&held.role)?, held.priority)));
    let mut held: Vec<_> = held.collect::<Result<_, BadName>>()?;
    in_order(&mut held);
    Ok(held)
}

fn role_name(name: &str) -> Result<RoleName, BadName> {
    RoleName::new(name).map_err(|why| BadName(name.to_owned(), why))
}

fn group_name(name: &str) -> Result<GroupName, BadName> {
    GroupName::new(name).map_err(|why| BadName(name.to_owned(), why))
}

/// Why doorman could not check this credential.
fn unusable(credential: &StoredCredential) -> Option<String> {
    match Credential::parse(credential, &CostLimits::STANDARD) {
        Ok(_) => None,
        Err(ParseError::Cleartext) => Some("the password is not a hash".to_owned()),
        Err(why) => Some(format!("the password was left out: {why}")),
    }
}
