//! What a batch has changed so far, by name: whose rights may be others once it counts.
//!
//! Must not: leave out anything by which somebody could lose a right. Where a name says too much,
//! somebody is looked at again who need not be.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use super::command::Command;
use super::note;

/// Names of what was changed.
#[derive(Debug, Default)]
pub struct Touched {
    accounts: HashSet<Box<str>>,
    groups: HashSet<Box<str>>,
    roles: HashSet<Box<str>>,
    anonymous: bool,
}

impl Touched {
    /// This was done.
    pub(super) fn add(&mut self, command: &Command) {
        let [account, group, role] = note::about(command).map(|name| name.map(Into::into));
        match command {
            Command::SetAnonymousGroup(_) => self.anonymous = true,
            // No default lets anybody give orders.
            Command::SetDefaults(_) => {}
            // Nobody holds other rights by a key: its connections are ended by what has changed.
            Command::AddPsk(_) | Command::PutPsk(_) | Command::DeletePsk(_) | Command::SealPsks => {
            }
            Command::Add(_)
            | Command::Put(_)
            | Command::Lay { .. }
            | Command::SetCredential { .. }
            | Command::Renew { .. }
            | Command::DropSecondCredential(_)
            | Command::Set { .. }
            | Command::AddCertificate(..)
            | Command::RemoveCertificate(..)
            | Command::Delete(_)
            | Command::AddRole(_)
            | Command::PutRole(_)
            | Command::SetRole { .. }
            | Command::DeleteRole(_)
            | Command::PutRule { .. }
            | Command::RemoveRule { .. }
            | Command::AddGroup(_)
            | Command::PutGroup(_)
            | Command::SetGroup { .. }
            | Command::DeleteGroup(_)
            | Command::GrantRole { .. }
            | Command::RevokeRole { .. }
            | Command::JoinGroup { .. }
            | Command::LeaveGroup { .. } => {
                // Who joins or holds something is another than before, and what it holds is not.
                let holder = account.is_some() || group.is_some();
                self.roles.extend(role.filter(|_| !holder));
                self.groups.extend(group.filter(|_| account.is_none()));
                self.accounts.extend(account);
            }
        }
    }

    /// Whether this account was changed, or what it holds.
    #[must_use]
    pub fn has_account(&self, name: &str) -> bool {
        self.accounts.contains(name)
    }

    /// Whether this role was.
    #[must_use]
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.contains(name)
    }

    /// Whether this group was, or what it holds.
    #[must_use]
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains(name)
    }

    /// Whether anything was that several may hold.
    #[must_use]
    pub fn has_shared(&self) -> bool {
        self.anonymous || !self.roles.is_empty() || !self.groups.is_empty()
    }
}
