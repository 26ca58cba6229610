//! What an administrator may do whose roles limit him, asked before each command.
//!
//! Must not: let him gain more than he was given. What is called otherwise is not there for him. What has
//! to do with administration he may see and not touch, whatever it is called: a role with a limit or
//! with rules about `$CONTROL`, and whoever holds one. What he writes into a role he must have himself.
#![forbid(unsafe_code)]

use super::apply::Error;
use super::command::{Command, RoleChange};
use crate::model::{Account, AccountName, GroupName, PskIdentity, RoleName};
use crate::policy::{
    AclType, Grantee, Limit, Permission, Priority, Ranked, Rule, StoredGroup, StoredRole,
    WildcardSubscriptions,
};
use crate::store::Transaction;
use crate::store::psk::SeenPsk;

/// Asks whether a command is within a limit.
///
/// # Errors
/// [`Error::Outside`], or that what it is about is not there.
pub(super) fn check(
    change: &mut dyn Transaction,
    limit: &Limit,
    command: &Command,
) -> Result<(), Error> {
    let mut asked = Asked { change, limit };
    match command {
        Command::Add(account) => asked.new_name(account.name.as_str()),
        Command::Put(Account { name, .. }) | Command::Lay { name, .. } => {
            asked.new_name(name.as_str())?;
            asked.account(name)
        }
        Command::SetCredential { name, .. }
        | Command::Renew { name, .. }
        | Command::DropSecondCredential(name)
        | Command::Set { name, .. }
        | Command::AddCertificate(name, _)
        | Command::RemoveCertificate(name, _)
        | Command::Delete(name) => asked.account(name),
        Command::AddRole(role) => asked.written(None, role),
        Command::PutRole(role) => asked.put_role(role),
        Command::SetRole { name, change } => asked.set_role(name, change),
        Command::DeleteRole(name) => asked.role(name).map(drop),
        Command::PutRule {
            role,
            rule,
            priority,
        } => asked.put_rule(role, rule, *priority),
        Command::RemoveRule {
            role,
            acl_type,
            topic,
        } => asked.remove_rule(role, *acl_type, topic),
        Command::AddGroup(group) => asked.put_group(None, group),
        Command::PutGroup(group) => {
            asked.new_name(group.name.as_str())?;
            let before = asked.group(&group.name)?;
            asked.put_group(before.as_ref(), group)
        }
        Command::SetGroup { name, .. } | Command::DeleteGroup(name) => asked.group(name).map(drop),
        Command::GrantRole {
            to: holder, role, ..
        }
        | Command::RevokeRole { from: holder, role } => {
            match holder {
                Grantee::Account(name) => asked.account(name)?,
                Grantee::Group(name) => drop(asked.group(name)?),
            }
            asked.role(role).map(drop)
        }
        Command::JoinGroup { account, group, .. } | Command::LeaveGroup { account, group } => {
            asked.account(account)?;
            asked.group(group).map(drop)
        }
        // These concern everybody.
        Command::SetDefaults(_) | Command::SetAnonymousGroup(_) | Command::SealPsks => {
            Err(Error::Outside)
        }
        Command::AddPsk(psk) | Command::PutPsk(psk) => {
            asked.new_name(psk.identity.as_str())?;
            asked.account(&psk.name)?;
            asked.psk(&psk.identity)
        }
        Command::DeletePsk(identity) => asked.psk(identity),
    }
}

/// Whether an identity of TLS-PSK is seen within a limit.
pub(super) fn covers(limit: &Limit, seen: &SeenPsk) -> bool {
    limit.covers(seen.identity.as_str()) && limit.covers(seen.name.as_str())
}

struct Asked<'a> {
    change: &'a mut dyn Transaction,
    limit: &'a Limit,
}

impl Asked<'_> {
    /// Whether something may be called so.
    fn new_name(&self, name: &str) -> Result<(), Error> {
        granted(self.limit.covers(name))
    }

    /// Whether an account is one that may be changed, if it is there at all.
    fn account(&mut self, name: &AccountName) -> Result<(), Error> {
        if !self.limit.covers(name.as_str()) {
            return Err(Error::Missing { name: name.clone() });
        }
        let holdings = self.change.roles()?.holdings(name)?;
        self.harmless(&holdings.roles)?;
        for group in holdings.groups {
            let held = self.change.roles()?.group(&group.name)?;
            self.harmless(&held.map(|group| group.roles).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Whether an identity of TLS-PSK is one that may be changed, if it is there at all.
    fn psk(&mut self, identity: &PskIdentity) -> Result<(), Error> {
        let missing = || Error::PskMissing {
            identity: identity.clone(),
        };
        if !self.limit.covers(identity.as_str()) {
            return Err(missing());
        }
        let seen = self.change.psks()?.psk(identity)?;
        match seen {
            Some(seen) if !covers(self.limit, &seen) => Err(missing()),
            Some(seen) => self.account(&seen.name),
            None => Ok(()),
        }
    }

    /// A group that may be changed, if it is there at all.
    fn group(&mut self, name: &GroupName) -> Result<Option<StoredGroup>, Error> {
        if !self.limit.covers(name.as_str()) {
            return Err(Error::GroupMissing { name: name.clone() });
        }
        let anonymous = self.change.roles()?.anonymous_group()?;
        granted(anonymous.as_ref() != Some(name))?;
        let group = self.change.roles()?.group(name)?;
        if let Some(group) = &group {
            self.harmless(&group.roles)?;
        }
        Ok(group)
    }

    /// Nobody here administers by one of these roles.
    fn harmless(&mut self, roles: &[Ranked<RoleName>]) -> Result<(), Error> {
        for held in roles {
            let role = self.change.roles()?.role(&held.name)?;
            granted(role.is_none_or(|role| !role.administers()))?;
        }
        Ok(())
    }

    /// A role that may be changed, given and taken, if it is there at all.
    fn role(&mut self, name: &RoleName) -> Result<Option<StoredRole>, Error> {
        if !self.limit.covers(name.as_str()) {
            return Err(Error::RoleMissing { name: name.clone() });
        }
        let role = self.change.roles()?.role(name)?;
        let is_harmless = |role: &StoredRole| !role.concerns_administration();
        granted(role.as_ref().is_none_or(is_harmless))?;
        Ok(role)
    }

    fn put_role(&mut self, role: &StoredRole) -> Result<(), Error> {
        self.new_name(role.name.as_str())?;
        let before = self.role(&role.name)?;
        self.written(before.as_ref(), role)
    }

    /// Whether a role may be what it is to be.
    fn written(&self, before: Option<&StoredRole>, role: &StoredRole) -> Result<(), Error> {
        self.new_name(role.name.as_str())?;
        granted(!role.concerns_administration())?;
        if let Some(before) = before {
            self.surroundings(before, role)?;
            if before.rules == role.rules {
                return Ok(());
            }
            // What is denied no longer may let through what lies behind.
            let is_gone = |rule: &&Rule| !role.rules.contains(rule);
            let mut denied = before.rules.iter().filter(denies).filter(is_gone);
            granted(denied.all(|rule| self.limit.may_give(rule)))?;
        }
        let mut allowed = role.rules.iter().filter(|rule| !denies(rule));
        granted(allowed.all(|rule| self.limit.may_give(rule)))
    }

    /// Whether what surrounds the rules of a role may be changed like this: without its refusal of
    /// wildcards, and at another time, the role and those behind it say something else.
    fn surroundings(&self, before: &StoredRole, after: &StoredRole) -> Result<(), Error> {
        let opens = (before.wildcard_subscriptions, after.wildcard_subscriptions)
            == (WildcardSubscriptions::Deny, WildcardSubscriptions::Allow);
        if opens {
            let all = Rule::new(AclType::SubscribePattern, Permission::Allow, "#");
            granted(all.is_ok_and(|all| self.limit.may_give(&all)))?;
        }
        if opens || before.window != after.window {
            let mut rules = before.rules.iter();
            granted(rules.all(|rule| self.limit.may_give(rule)))?;
        }
        granted(before.admin_prefix == after.admin_prefix)
    }

    fn set_role(&mut self, name: &RoleName, fields: &RoleChange) -> Result<(), Error> {
        let Some(before) = self.role(name)? else {
            return Ok(());
        };
        let after = fields.over(before.clone());
        self.surroundings(&before, &after)
    }

    fn put_rule(
        &mut self,
        role: &RoleName,
        rule: &Rule,
        priority: Option<Priority>,
    ) -> Result<(), Error> {
        let Some(before) = self.role(role)? else {
            return Ok(());
        };
        let mut rules = before.rules.iter();
        let before = rules.find(|other| {
            (other.acl_type(), other.template().as_str())
                == (rule.acl_type(), rule.template().as_str())
        });
        let stays = before.filter(denies).is_none_or(|before| {
            denies(&rule) && priority.is_none_or(|priority| priority >= before.priority())
        });
        let only_denies = denies(&rule) && stays;
        granted(!rule.concerns_administration())?;
        granted(only_denies || self.limit.may_give(rule))
    }

    fn remove_rule(
        &mut self,
        role: &RoleName,
        acl_type: AclType,
        topic: &str,
    ) -> Result<(), Error> {
        let Some(before) = self.role(role)? else {
            return Ok(());
        };
        let is_it = |rule: &&Rule| rule.acl_type() == acl_type && rule.template().as_str() == topic;
        let mut denied = before.rules.iter().filter(is_it).filter(denies);
        granted(denied.all(|rule| self.limit.may_give(rule)))
    }

    /// Whether a group may hold what it is to hold.
    fn put_group(
        &mut self,
        before: Option<&StoredGroup>,
        group: &StoredGroup,
    ) -> Result<(), Error> {
        self.new_name(group.name.as_str())?;
        let before = before
            .map(|before| before.roles.as_slice())
            .unwrap_or_default();
        let given = group.roles.iter().filter(|role| !before.contains(role));
        let taken = before.iter().filter(|role| !group.roles.contains(role));
        for role in given.chain(taken) {
            self.role(&role.name)?;
        }
        Ok(())
    }
}

fn denies(rule: &&Rule) -> bool {
    rule.permission() == Permission::Deny
}

fn granted(is_granted: bool) -> Result<(), Error> {
    if is_granted {
        Ok(())
    } else {
        Err(Error::Outside)
    }
}
