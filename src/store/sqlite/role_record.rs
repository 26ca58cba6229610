//! Rows of roles, rules and groups become values.
//!
//! Must not: guess. A rule that somebody edited into nonsense makes its role unreadable, and says
//! which rule of which role it is; dropped silently, a denial would be gone.
#![forbid(unsafe_code)]

use rusqlite::{Result as SqlResult, Row};

use super::record::moment;
use crate::model::{AccountName, GroupName, NamePrefix, RoleName};
use crate::policy::{
    AclType, Conditions, Defaults, Permission, Priority, Qos, Ranked, Retain, Rule, StoredGroup,
    StoredRole, WildcardSubscriptions, Window,
};

/// Reads the columns of `query::roles::role`, in their order; the rules are read apart.
pub(super) fn role(row: &Row<'_>) -> Result<StoredRole, String> {
    let name: String = column(row, 0)?;
    let wrong = |why: String| format!("role {name:?}: {why}");
    Ok(StoredRole {
        name: RoleName::new(&name).map_err(|error| wrong(error.to_string()))?,
        textname: text(row, 1).map_err(wrong)?,
        textdescription: text(row, 2).map_err(wrong)?,
        wildcard_subscriptions: if column(row, 3).map_err(wrong)? {
            WildcardSubscriptions::Allow
        } else {
            WildcardSubscriptions::Deny
        },
        window: Window {
            from: moment(row, 4).map_err(wrong)?,
            until: moment(row, 5).map_err(wrong)?,
        },
        admin_prefix: text(row, 6)
            .and_then(|prefix| {
                let prefix = prefix.as_deref().map(NamePrefix::new).transpose();
                prefix.map_err(|error| format!("admin_prefix: {error}"))
            })
            .map_err(wrong)?,
        rules: Vec::new(),
    })
}

/// Reads the columns of `query::roles::rules`, in their order.
pub(super) fn rule(row: &Row<'_>) -> Result<Rule, String> {
    let acl_type: String = column(row, 0)?;
    let topic: String = column(row, 1)?;
    let wrong = |why: String| format!("rule {acl_type} {topic:?}: {why}");
    let conditions = Conditions {
        max_qos: column::<Option<u8>>(row, 4)
            .map_err(wrong)?
            .map(|number| Qos::of(number).ok_or_else(|| wrong(format!("there is no QoS {number}"))))
            .transpose()?,
        retain: if column(row, 5).map_err(wrong)? {
            Retain::Either
        } else {
            Retain::Never
        },
        max_payload: column(row, 6).map_err(wrong)?,
    };
    let permission = permission(row, 2).map_err(wrong)?;
    let priority = Priority::clamped(column(row, 3).map_err(wrong)?);
    acl_type
        .parse::<AclType>()
        .and_then(|acl_type| Rule::new(acl_type, permission, &topic))
        .and_then(|rule| rule.with_conditions(conditions))
        .map(|rule| rule.with_priority(priority))
        .map_err(|error| wrong(error.to_string()))
}

/// Reads the columns of `query::roles::group`, in their order; the roles are read apart.
pub(super) fn group(row: &Row<'_>) -> Result<StoredGroup, String> {
    let name: String = column(row, 0)?;
    let wrong = |why: String| format!("group {name:?}: {why}");
    Ok(StoredGroup {
        name: GroupName::new(&name).map_err(|error| wrong(error.to_string()))?,
        textname: text(row, 1).map_err(wrong)?,
        textdescription: text(row, 2).map_err(wrong)?,
        roles: Vec::new(),
    })
}

/// Reads a role's name and a priority.
pub(super) fn ranked_role(row: &Row<'_>) -> Result<Ranked<RoleName>, String> {
    let name: String = column(row, 0)?;
    let checked = RoleName::new(&name).map_err(|error| format!("role {name:?}: {error}"));
    ranked(row, checked)
}

/// Reads a group's name and a priority.
pub(super) fn ranked_group(row: &Row<'_>) -> Result<Ranked<GroupName>, String> {
    let name: String = column(row, 0)?;
    let checked = GroupName::new(&name).map_err(|error| format!("group {name:?}: {error}"));
    ranked(row, checked)
}

/// Reads an account's name and a priority.
pub(super) fn ranked_account(row: &Row<'_>) -> Result<Ranked<AccountName>, String> {
    let name: String = column(row, 0)?;
    let checked = AccountName::new(&name).map_err(|error| format!("account {name:?}: {error}"));
    ranked(row, checked)
}

/// Reads the columns of `query::roles::defaults`, in their order.
pub(super) fn defaults(row: &Row<'_>) -> Result<Defaults, String> {
    Ok(Defaults {
        send: permission(row, 0)?,
        receive: permission(row, 1)?,
        subscribe: permission(row, 2)?,
        unsubscribe: permission(row, 3)?,
    })
}

fn ranked<T>(row: &Row<'_>, name: Result<T, String>) -> Result<Ranked<T>, String> {
    Ok(Ranked {
        name: name?,
        priority: Priority::clamped(column(row, 1)?),
    })
}

fn permission(row: &Row<'_>, index: usize) -> Result<Permission, String> {
    Ok(if column(row, index)? {
        Permission::Allow
    } else {
        Permission::Deny
    })
}

fn text(row: &Row<'_>, index: usize) -> Result<Option<Box<str>>, String> {
    column(row, index)
}

fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, String> {
    let read: SqlResult<T> = row.get(index);
    read.map_err(|error| error.to_string())
}
