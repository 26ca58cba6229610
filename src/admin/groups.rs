//! The verbs on groups, their members, and the group of clients without a username.
//!
//! Must not: write what is there already, as the verbs on roles must not.
#![forbid(unsafe_code)]

use super::accounts::present;
use super::apply::{Error, Outcome};
use super::command::GroupChange;
use super::note::Note;
use crate::model::{AccountName, GroupName};
use crate::policy::{Grantee, Priority, StoredGroup};
use crate::store::{RoleChanges, Transaction, Wanted};

pub(super) fn add(
    change: &mut dyn Transaction,
    group: &StoredGroup,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut groups = change.roles()?;
    if groups.has_group(&group.name)? {
        return Err(Error::GroupExists {
            name: group.name.clone(),
        });
    }
    check_roles(groups.as_mut(), group)?;
    groups.add_group(group)?;
    note.group(None, Some(group));
    Ok(Outcome::Added)
}

pub(super) fn put(
    change: &mut dyn Transaction,
    group: &StoredGroup,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut groups = change.roles()?;
    check_roles(groups.as_mut(), group)?;
    let Some(before) = groups.group(&group.name)? else {
        groups.add_group(group)?;
        note.group(None, Some(group));
        return Ok(Outcome::Added);
    };
    let mut outcome = Outcome::Unchanged;
    if (&before.textname, &before.textdescription) != (&group.textname, &group.textdescription) {
        groups.set_group(group)?;
        outcome = Outcome::Changed;
    }
    let to = Grantee::Group(group.name.clone());
    for held in &before.roles {
        if !group.roles.iter().any(|role| role.name == held.name) {
            groups.revoke(&to, &held.name)?;
            outcome = Outcome::Changed;
        }
    }
    for role in &group.roles {
        if !before.roles.contains(role) {
            groups.grant(&to, &role.name, role.priority)?;
            outcome = Outcome::Changed;
        }
    }
    note.group(Some(&before), Some(group));
    Ok(outcome)
}

fn check_roles(groups: &mut dyn RoleChanges, group: &StoredGroup) -> Result<(), Error> {
    for role in &group.roles {
        if !groups.has_role(&role.name)? {
            return Err(Error::RoleMissing {
                name: role.name.clone(),
            });
        }
    }
    Ok(())
}

pub(super) fn set(
    change: &mut dyn Transaction,
    name: &GroupName,
    fields: &GroupChange,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut groups = change.roles()?;
    let before = groups.group(name)?.ok_or_else(|| missing(name))?;
    let mut after = before.clone();
    if let Some(textname) = &fields.textname {
        after.textname.clone_from(textname);
    }
    if let Some(textdescription) = &fields.textdescription {
        after.textdescription.clone_from(textdescription);
    }
    if before == after {
        return Ok(Outcome::Unchanged);
    }
    groups.set_group(&after)?;
    note.group(Some(&before), Some(&after));
    Ok(Outcome::Changed)
}

/// The group is not read before: one that was edited into something unreadable can be deleted.
pub(super) fn delete(
    change: &mut dyn Transaction,
    name: &GroupName,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut groups = change.roles()?;
    if groups.anonymous_group()?.as_ref() == Some(name) {
        return Err(Error::AnonymousGroup { name: name.clone() });
    }
    if note.is_wanted() {
        if let Ok(Some(before)) = groups.group(name) {
            note.group(Some(&before), None);
        }
        note.losers(groups.members(name, Wanted::First(0))?.accounts);
    }
    if groups.remove_group(name)? {
        Ok(Outcome::Deleted)
    } else {
        Err(missing(name))
    }
}

pub(super) fn join(
    change: &mut dyn Transaction,
    account: &AccountName,
    group: &GroupName,
    priority: Option<Priority>,
    note: &mut Note,
) -> Result<Outcome, Error> {
    present(change, account)?;
    let mut groups = present_group(change, group)?;
    let before = groups.membership(account, group)?;
    let after = priority.or(before).unwrap_or(Priority::MEMBER);
    if before == Some(after) {
        return Ok(Outcome::Unchanged);
    }
    groups.join(account, group, after)?;
    note.priority(before, Some(after));
    Ok(match before {
        Some(_) => Outcome::Changed,
        None => Outcome::Added,
    })
}

pub(super) fn leave(
    change: &mut dyn Transaction,
    account: &AccountName,
    group: &GroupName,
    note: &mut Note,
) -> Result<Outcome, Error> {
    present(change, account)?;
    let mut groups = present_group(change, group)?;
    let before = groups.membership(account, group)?;
    if groups.leave(account, group)? {
        note.priority(before, None);
        Ok(Outcome::Deleted)
    } else {
        Ok(Outcome::Unchanged)
    }
}

pub(super) fn set_anonymous(
    change: &mut dyn Transaction,
    group: Option<&GroupName>,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut groups = match group {
        Some(name) => present_group(change, name)?,
        None => change.roles()?,
    };
    let before = groups.anonymous_group()?;
    if before.as_ref() == group {
        return Ok(Outcome::Unchanged);
    }
    groups.set_anonymous_group(group)?;
    let named = |group: Option<&GroupName>| group.map(|group| group.as_str().into());
    note.value("groupname", named(before.as_ref()), named(group));
    Ok(Outcome::Changed)
}

pub(super) fn present_group<'a>(
    change: &'a mut dyn Transaction,
    name: &GroupName,
) -> Result<Box<dyn RoleChanges + 'a>, Error> {
    let mut groups = change.roles()?;
    if groups.has_group(name)? {
        Ok(groups)
    } else {
        Err(missing(name))
    }
}

fn missing(name: &GroupName) -> Error {
    Error::GroupMissing { name: name.clone() }
}
