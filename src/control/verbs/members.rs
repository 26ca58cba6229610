//! Who holds which role, and who is in which group.
//!
//! Must not: give another priority to what is held by an order that adds: it is refused, as the original
//! does.
#![forbid(unsafe_code)]

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::groups::end_members;
use crate::admin::Command;
use crate::engine::End;
use crate::model::RoleName;
use crate::policy::{Grantee, Ranked};

pub(super) fn add_client_role(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (account, role) = (order.username()?, order.rolename()?);
    let command = Command::GrantRole {
        to: Grantee::Account(account.clone()),
        role,
        priority: Some(order.rank()),
    };
    hand.add(&command, "Internal error")?;
    hand.ends.push(End::Client(account));
    Ok(None)
}

pub(super) fn remove_client_role(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (account, role) = (order.username()?, order.rolename()?);
    let command = Command::RevokeRole {
        from: Grantee::Account(account.clone()),
        role,
    };
    hand.carry_out(&command)?;
    hand.ends.push(End::Client(account));
    Ok(None)
}

/// The client's connections end even where it is refused, as with the original.
pub(super) fn add_group_client(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (account, group) = (order.username()?, order.groupname()?);
    hand.ends.push(End::Client(account.clone()));
    let command = Command::JoinGroup {
        account,
        group,
        priority: Some(order.rank()),
    };
    hand.add(&command, "Client is already in this group")?;
    Ok(None)
}

/// As [`add_group_client`].
pub(super) fn remove_group_client(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (account, group) = (order.username()?, order.groupname()?);
    hand.ends.push(End::Client(account.clone()));
    hand.carry_out(&Command::LeaveGroup { account, group })?;
    Ok(None)
}

pub(super) fn add_group_role(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (group, role) = (order.groupname()?, order.rolename()?);
    let command = Command::GrantRole {
        to: Grantee::Group(group.clone()),
        role,
        priority: Some(order.rank()),
    };
    hand.add(&command, "Group is already in this role")?;
    end_members(hand, &group)?;
    Ok(None)
}

pub(super) fn remove_group_role(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (group, role) = (order.groupname()?, order.rolename()?);
    let command = Command::RevokeRole {
        from: Grantee::Group(group.clone()),
        role,
    };
    hand.carry_out(&command)?;
    end_members(hand, &group)?;
    Ok(None)
}

/// Gives a role with the priority that is asked for.
pub(super) fn grant(to: &Grantee, role: Ranked<RoleName>) -> Command {
    Command::GrantRole {
        to: to.clone(),
        role: role.name,
        priority: Some(role.priority),
    }
}

/// Has somebody hold these roles and none of those before.
pub(super) fn replace_roles(
    hand: &mut Hand<'_, '_>,
    holder: &Grantee,
    before: Vec<Ranked<RoleName>>,
    after: Vec<Ranked<RoleName>>,
) -> Result<(), Refusal> {
    for held in before {
        if after.iter().all(|role| role.name != held.name) {
            hand.carry_out(&Command::RevokeRole {
                from: holder.clone(),
                role: held.name,
            })?;
        }
    }
    for role in after {
        hand.carry_out(&grant(holder, role))?;
    }
    Ok(())
}
