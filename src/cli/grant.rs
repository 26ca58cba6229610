//! Roles given to accounts and groups: the flags and acts that `doorman user` and `doorman group` share.
//!
//! Must not: change an order that was not named. Without `--priority`, what is held keeps its own.
#![forbid(unsafe_code)]

use clap::Args;

use super::deed::Deed;
use crate::admin::Command;
use crate::model::RoleName;
use crate::policy::{Grantee, Priority};

/// How early a role or group is asked.
#[derive(Args, Debug)]
pub(super) struct PriorityArg {
    /// Ask it before those with a lower number, from -100000 to 100000; not given, what is held
    /// keeps its number and what is new has -1
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = priority)]
    pub(super) priority: Option<Priority>,
}

/// Roles to give.
#[derive(Args, Debug)]
pub(super) struct GrantArgs {
    #[command(flatten)]
    roles: RolesArg,
    #[command(flatten)]
    priority: PriorityArg,
}

/// Some roles.
#[derive(Args, Debug)]
pub(super) struct RolesArg {
    /// The roles' names: all of them or, if one is not there, none
    #[arg(value_name = "ROLE", required = true, value_parser = RoleName::new)]
    roles: Vec<RoleName>,
}

impl GrantArgs {
    /// To give each of them.
    pub(super) fn grant(&self, to: &Grantee) -> Vec<Deed> {
        let grant = |role: &RoleName| {
            let command = Command::GrantRole {
                to: to.clone(),
                role: role.clone(),
                priority: self.priority.priority,
            };
            Deed::grant(to, role, command)
        };
        self.roles.roles.iter().map(grant).collect()
    }
}

impl RolesArg {
    /// To take each of them back.
    pub(super) fn revoke(&self, from: &Grantee) -> Vec<Deed> {
        let revoke = |role: &RoleName| {
            let command = Command::RevokeRole {
                from: from.clone(),
                role: role.clone(),
            };
            Deed::grant(from, role, command)
        };
        self.roles.iter().map(revoke).collect()
    }
}

/// A whole number, or the nearest one that is a priority.
pub(super) fn priority(text: &str) -> Result<Priority, String> {
    text.parse()
        .map(Priority::clamped)
        .map_err(|_| "accepted is a whole number".to_owned())
}
