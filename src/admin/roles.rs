//! The verbs on roles, their rules, who holds them, and the defaults.
//!
//! Must not: write what is there already. A rule that is changed keeps its place among those of its
//! priority, and a priority that is not named stays: nothing is asked in another order by the way.
#![forbid(unsafe_code)]

use super::accounts::present;
use super::apply::{Error, Outcome};
use super::command::{DefaultsChange, RoleChange};
use super::groups;
use super::note::{Note, names};
use crate::model::RoleName;
use crate::policy::{AclType, Defaults, Grantee, Priority, Rule, StoredRole};
use crate::store::{RoleChanges, Transaction, Wanted};

pub(super) fn add(
    change: &mut dyn Transaction,
    role: &StoredRole,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut roles = change.roles()?;
    if roles.has_role(&role.name)? {
        return Err(Error::RoleExists {
            name: role.name.clone(),
        });
    }
    roles.add_role(role)?;
    note.role(None, Some(role));
    Ok(Outcome::Added)
}

/// Rules that differ are written anew, all of them: their order is that of the new role.
pub(super) fn put(
    change: &mut dyn Transaction,
    role: &StoredRole,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut roles = change.roles()?;
    let Some(before) = roles.role(&role.name)? else {
        roles.add_role(role)?;
        note.role(None, Some(role));
        return Ok(Outcome::Added);
    };
    if before == *role {
        return Ok(Outcome::Unchanged);
    }
    roles.set_role(&before, role)?;
    if before.rules != role.rules {
        for rule in &before.rules {
            roles.remove_rule(&role.name, rule.acl_type(), rule.template().as_str())?;
        }
        for rule in &role.rules {
            roles.put_rule(&role.name, rule)?;
        }
    }
    note.role(Some(&before), Some(role));
    Ok(Outcome::Changed)
}

pub(super) fn set(
    change: &mut dyn Transaction,
    name: &RoleName,
    fields: &RoleChange,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut roles = change.roles()?;
    let before = roles.role(name)?.ok_or_else(|| missing(name))?;
    let after = fields.over(before.clone());
    if before == after {
        return Ok(Outcome::Unchanged);
    }
    roles.set_role(&before, &after)?;
    note.role(Some(&before), Some(&after));
    Ok(Outcome::Changed)
}

/// The role is not read before: one that was edited into something unreadable can be deleted.
pub(super) fn delete(
    change: &mut dyn Transaction,
    name: &RoleName,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut roles = change.roles()?;
    if note.is_wanted() {
        if let Ok(Some(before)) = roles.role(name) {
            note.role(Some(&before), None);
        }
        if let Ok(groups) = roles.groups_with(name) {
            note.was_list("groups", names(&groups));
        }
        note.losers(roles.holders(name, Wanted::First(0))?.accounts);
    }
    if roles.remove_role(name)? {
        Ok(Outcome::Deleted)
    } else {
        Err(missing(name))
    }
}

pub(super) fn put_rule(
    change: &mut dyn Transaction,
    role: &RoleName,
    rule: &Rule,
    priority: Option<Priority>,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut roles = present_role(change, role)?;
    let before = roles.rule(role, rule.acl_type(), rule.template().as_str())?;
    let kept = before.as_ref().map(Rule::priority);
    let after = rule
        .clone()
        .with_priority(priority.or(kept).unwrap_or(Priority::RULE));
    let outcome = match &before {
        Some(before) if *before == after => return Ok(Outcome::Unchanged),
        Some(_) => Outcome::Changed,
        None => Outcome::Added,
    };
    roles.put_rule(role, &after)?;
    note.rule(before.as_ref(), Some(&after));
    Ok(outcome)
}

pub(super) fn remove_rule(
    change: &mut dyn Transaction,
    role: &RoleName,
    acl_type: AclType,
    topic: &str,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut roles = present_role(change, role)?;
    if note.is_wanted() {
        match roles.rule(role, acl_type, topic) {
            Ok(before) => note.rule(before.as_ref(), None),
            // One that was edited into something that is none is taken away all the same.
            Err(_) => {
                note.value("acltype", Some(acl_type.as_str().into()), None);
                note.value("topic", Some(topic.into()), None);
            }
        }
    }
    if roles.remove_rule(role, acl_type, topic)? {
        Ok(Outcome::Deleted)
    } else {
        Err(Error::RuleMissing {
            role: role.clone(),
            acl_type,
            topic: topic.into(),
        })
    }
}

pub(super) fn grant(
    change: &mut dyn Transaction,
    to: &Grantee,
    role: &RoleName,
    priority: Option<Priority>,
    note: &mut Note,
) -> Result<Outcome, Error> {
    present_grantee(change, to)?;
    let mut roles = present_role(change, role)?;
    let before = roles.granted(to, role)?;
    let after = priority.or(before).unwrap_or(Priority::MEMBER);
    if before == Some(after) {
        return Ok(Outcome::Unchanged);
    }
    roles.grant(to, role, after)?;
    note.priority(before, Some(after));
    Ok(match before {
        Some(_) => Outcome::Changed,
        None => Outcome::Added,
    })
}

pub(super) fn revoke(
    change: &mut dyn Transaction,
    from: &Grantee,
    role: &RoleName,
    note: &mut Note,
) -> Result<Outcome, Error> {
    present_grantee(change, from)?;
    let mut roles = present_role(change, role)?;
    let before = roles.granted(from, role)?;
    if roles.revoke(from, role)? {
        note.priority(before, None);
        Ok(Outcome::Deleted)
    } else {
        Ok(Outcome::Unchanged)
    }
}

pub(super) fn set_defaults(
    change: &mut dyn Transaction,
    fields: DefaultsChange,
    note: &mut Note,
) -> Result<Outcome, Error> {
    let mut roles = change.roles()?;
    let before = roles.defaults()?;
    let after = Defaults {
        send: fields.send.unwrap_or(before.send),
        receive: fields.receive.unwrap_or(before.receive),
        subscribe: fields.subscribe.unwrap_or(before.subscribe),
        unsubscribe: fields.unsubscribe.unwrap_or(before.unsubscribe),
    };
    if before == after {
        return Ok(Outcome::Unchanged);
    }
    roles.set_defaults(after)?;
    note.defaults(before, after);
    Ok(Outcome::Changed)
}

fn present_grantee(change: &mut dyn Transaction, grantee: &Grantee) -> Result<(), Error> {
    match grantee {
        Grantee::Account(name) => present(change, name).map(drop),
        Grantee::Group(name) => groups::present_group(change, name).map(drop),
    }
}

fn present_role<'a>(
    change: &'a mut dyn Transaction,
    name: &RoleName,
) -> Result<Box<dyn RoleChanges + 'a>, Error> {
    let mut roles = change.roles()?;
    if roles.has_role(name)? {
        Ok(roles)
    } else {
        Err(missing(name))
    }
}

fn missing(name: &RoleName) -> Error {
    Error::RoleMissing { name: name.clone() }
}
