//! Roles and groups in doorman's own database, as administration reads and changes them.
//!
//! Must not: keep anything in memory, or commit: the transaction is whoever's connection it is.
#![forbid(unsafe_code)]

use std::iter;
use std::path::Path;

use rusqlite::Connection;

use super::failure;
use super::query::holders::{ACCOUNT_ROLES, Bond, GROUP_ROLES, GROUPS};
use super::query::{self, holders, names, roles};
use crate::model::{AccountName, GroupName, NameError, RoleName};
use crate::policy::{
    AclType, Defaults, Grantee, Holdings, Priority, Ranked, Rule, StoredGroup, StoredRole,
};
use crate::store::{Error, Holders, Listed, Page, RoleChanges, Roles, Totals, Wanted};

/// The tables of one database.
pub(super) struct Tables<'a> {
    path: &'a Path,
    connection: &'a Connection,
}

impl<'a> Tables<'a> {
    pub(super) fn new(path: &'a Path, connection: &'a Connection) -> Self {
        Self { path, connection }
    }

    /// Reads all there is.
    pub(super) fn check(mut self) -> Result<(), Error> {
        self.roles(&mut |_| Ok(()))?;
        self.groups(&mut |_| Ok(()))?;
        self.anonymous_group()?;
        self.defaults().map(drop)
    }

    /// What SQLite answers; its error, with the path.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        question(self.connection).map_err(|error| failure(self.path, &error))
    }

    fn corrupt(&self, why: String) -> Error {
        Error::Corrupt {
            path: self.path.to_owned(),
            why,
        }
    }

    /// Rows as values; the first that cannot be read, as an error that says whose it is.
    fn readable<T>(&self, rows: Vec<Result<T, String>>, whose: &str) -> Result<Vec<T>, Error> {
        rows.into_iter()
            .map(|row| row.map_err(|why| self.corrupt(format!("{whose}: {why}"))))
            .collect()
    }

    fn named<T>(
        &self,
        names: &[String],
        what: &str,
        check: fn(&str) -> Result<T, NameError>,
    ) -> Result<Vec<T>, Error> {
        let names = names.iter();
        names
            .map(|name| check(name).map_err(|why| self.corrupt(format!("{what} {name:?}: {why}"))))
            .collect()
    }

    fn role_with_id(&self, id: i64) -> Result<Option<StoredRole>, Error> {
        let Some(role) = self.ask(|connection| roles::role(connection, id))? else {
            return Ok(None);
        };
        let mut role = role.map_err(|why| self.corrupt(why))?;
        let rules = self.ask(|connection| roles::rules(connection, id))?;
        role.rules = self.readable(rules, &format!("role {:?}", role.name.as_str()))?;
        Ok(Some(role))
    }

    fn group_with_id(&self, id: i64) -> Result<Option<StoredGroup>, Error> {
        let Some(group) = self.ask(|connection| roles::group(connection, id))? else {
            return Ok(None);
        };
        let mut group = group.map_err(|why| self.corrupt(why))?;
        let held = self.ask(|connection| holders::roles_of_group(connection, id))?;
        group.roles = self.readable(held, &format!("group {:?}", group.name.as_str()))?;
        Ok(Some(group))
    }

    /// Shows what each id stands for; what cannot be read is told at the end.
    fn each<T>(
        &self,
        ids: Vec<i64>,
        read: impl Fn(&Self, i64) -> Result<Option<T>, Error>,
        visit: &mut dyn FnMut(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut first_unreadable = None;
        for id in ids {
            match read(self, id) {
                Ok(Some(record)) => visit(record)?,
                Ok(None) => {}
                Err(error @ Error::Corrupt { .. }) => {
                    first_unreadable.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        first_unreadable.map_or(Ok(()), Err)
    }

    fn account_id(&self, name: &AccountName) -> Result<Option<i64>, Error> {
        self.ask(|connection| query::id(connection, name.as_str()))
    }

    fn role_id(&self, name: &RoleName) -> Result<Option<i64>, Error> {
        self.ask(|connection| roles::role_id(connection, name.as_str()))
    }

    fn group_id(&self, name: &GroupName) -> Result<Option<i64>, Error> {
        self.ask(|connection| roles::group_id(connection, name.as_str()))
    }

    /// That somebody holds a role, if both are there.
    fn grant_of(&self, to: &Grantee, role: &RoleName) -> Result<Option<Bond>, Error> {
        let (of, holder) = match to {
            Grantee::Account(name) => (&ACCOUNT_ROLES, self.account_id(name)?),
            Grantee::Group(name) => (&GROUP_ROLES, self.group_id(name)?),
        };
        Ok(of.between(holder, self.role_id(role)?))
    }

    /// That an account is in a group, if both are there.
    fn membership_of(
        &self,
        account: &AccountName,
        group: &GroupName,
    ) -> Result<Option<Bond>, Error> {
        Ok(GROUPS.between(self.account_id(account)?, self.group_id(group)?))
    }

    fn priority(&self, bond: Option<Bond>) -> Result<Option<Priority>, Error> {
        let Some(bond) = bond else {
            return Ok(None);
        };
        let priority = self.ask(|connection| bond.priority(connection))?;
        Ok(priority.map(Priority::clamped))
    }

    fn tie(&self, bond: Option<Bond>, priority: Priority) -> Result<(), Error> {
        bond.map_or(Ok(()), |bond| {
            self.ask(|connection| bond.put(connection, priority.number()))
        })
    }

    fn untie(&self, bond: Option<Bond>) -> Result<bool, Error> {
        bond.map_or(Ok(false), |bond| {
            self.ask(|connection| bond.delete(connection))
        })
    }
}

impl Roles for Tables<'_> {
    fn role(&mut self, name: &RoleName) -> Result<Option<StoredRole>, Error> {
        match self.role_id(name)? {
            Some(id) => self.role_with_id(id),
            None => Ok(None),
        }
    }

    fn roles(
        &mut self,
        visit: &mut dyn FnMut(StoredRole) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let ids = self.ask(roles::role_ids)?;
        self.each(ids, Self::role_with_id, visit)
    }

    fn group(&mut self, name: &GroupName) -> Result<Option<StoredGroup>, Error> {
        match self.group_id(name)? {
            Some(id) => self.group_with_id(id),
            None => Ok(None),
        }
    }

    fn groups(
        &mut self,
        visit: &mut dyn FnMut(StoredGroup) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let ids = self.ask(roles::group_ids)?;
        self.each(ids, Self::group_with_id, visit)
    }

    fn holdings(&mut self, account: &AccountName) -> Result<Holdings, Error> {
        let Some(id) = self.account_id(account)? else {
            return Ok(Holdings::default());
        };
        let whose = format!("account {:?}", account.as_str());
        let held = self.ask(|connection| holders::roles_of_account(connection, id))?;
        let groups = self.ask(|connection| holders::groups_of_account(connection, id))?;
        Ok(Holdings {
            roles: self.readable(held, &whose)?,
            groups: self.readable(groups, &whose)?,
        })
    }

    fn holders(&mut self, role: &RoleName, wanted: Wanted) -> Result<Holders, Error> {
        let Some(id) = self.role_id(role)? else {
            return Ok(Holders::none());
        };
        let first =
            self.ask(|connection| holders::accounts_with_role(connection, id, limit(wanted)))?;
        Ok(Holders {
            accounts: self.ask(|connection| holders::count_with_role(connection, id))?,
            first: self.readable(first, &format!("role {:?}", role.as_str()))?,
        })
    }

    fn groups_with(&mut self, role: &RoleName) -> Result<Vec<Ranked<GroupName>>, Error> {
        let Some(id) = self.role_id(role)? else {
            return Ok(Vec::new());
        };
        let groups = self.ask(|connection| holders::groups_with_role(connection, id))?;
        self.readable(groups, &format!("role {:?}", role.as_str()))
    }

    fn members(&mut self, group: &GroupName, wanted: Wanted) -> Result<Holders, Error> {
        let Some(id) = self.group_id(group)? else {
            return Ok(Holders::none());
        };
        let first = self.ask(|connection| holders::members(connection, id, limit(wanted)))?;
        Ok(Holders {
            accounts: self.ask(|connection| holders::count_members(connection, id))?,
            first: self.readable(first, &format!("group {:?}", group.as_str()))?,
        })
    }

    fn totals(&mut self) -> Result<Totals, Error> {
        self.ask(names::totals)
    }

    fn account_names(&mut self, page: Page) -> Result<Vec<AccountName>, Error> {
        let names = self.ask(|connection| names::accounts(connection, page))?;
        self.named(&names, "account", AccountName::new)
    }

    fn listed(&mut self, page: Page) -> Result<Vec<Listed>, Error> {
        let listed = self.ask(|connection| names::listed(connection, page))?;
        let listed = listed.into_iter();
        let listed = listed.map(|row| row.map_err(|why| self.corrupt(why)));
        let mut listed = listed.collect::<Result<Vec<Listed>, Error>>()?;
        let (Some(first), Some(last)) = (listed.first(), listed.last()) else {
            return Ok(listed);
        };
        let ends = [first.name.clone(), last.name.clone()];
        let ends = ends.each_ref().map(AccountName::as_str);
        let roles = self.ask(|connection| holders::roles_between(connection, ends))?;
        let groups = self.ask(|connection| holders::groups_between(connection, ends))?;
        let mut roles = roles.into_iter().peekable();
        let mut groups = groups.into_iter().peekable();
        // All three are in the order of the names.
        for account in &mut listed {
            let whose = format!("account {:?}", account.name.as_str());
            let its = |holder: &String| holder == account.name.as_str();
            let held = iter::from_fn(|| roles.next_if(|(holder, _)| its(holder)));
            account.holdings.roles = self.readable(held.map(|(_, role)| role).collect(), &whose)?;
            let held = iter::from_fn(|| groups.next_if(|(holder, _)| its(holder)));
            account.holdings.groups =
                self.readable(held.map(|(_, group)| group).collect(), &whose)?;
        }
        Ok(listed)
    }

    fn group_names(&mut self, page: Page) -> Result<Vec<GroupName>, Error> {
        let names = self.ask(|connection| names::groups(connection, page))?;
        self.named(&names, "group", GroupName::new)
    }

    fn role_names(&mut self, page: Page) -> Result<Vec<RoleName>, Error> {
        let names = self.ask(|connection| names::roles(connection, page))?;
        self.named(&names, "role", RoleName::new)
    }

    fn defaults(&mut self) -> Result<Defaults, Error> {
        self.ask(roles::defaults)?
            .map_err(|why| self.corrupt(format!("policy: {why}")))
    }

    fn anonymous_group(&mut self) -> Result<Option<GroupName>, Error> {
        self.ask(roles::anonymous_group)?
            .map(|name| GroupName::new(&name))
            .transpose()
            .map_err(|why| self.corrupt(format!("the anonymous group: {why}")))
    }
}

impl RoleChanges for Tables<'_> {
    fn has_role(&mut self, name: &RoleName) -> Result<bool, Error> {
        Ok(self.role_id(name)?.is_some())
    }

    fn has_group(&mut self, name: &GroupName) -> Result<bool, Error> {
        Ok(self.group_id(name)?.is_some())
    }

    fn add_role(&mut self, role: &StoredRole) -> Result<(), Error> {
        self.ask(|connection| {
            let id = roles::insert_role(connection, role)?;
            let mut rules = role.rules.iter();
            rules.try_for_each(|rule| roles::insert_rule(connection, id, rule))
        })
    }

    fn set_role(&mut self, before: &StoredRole, after: &StoredRole) -> Result<(), Error> {
        let name = before.name.as_str();
        self.ask(|connection| {
            if (&before.textname, &before.textdescription)
                != (&after.textname, &after.textdescription)
            {
                roles::describe_role(connection, after)?;
            }
            if before.window != after.window {
                roles::set_window(connection, name, after.window)?;
            }
            if before.wildcard_subscriptions != after.wildcard_subscriptions {
                let wildcards = after.wildcard_subscriptions;
                roles::set_wildcard_subscriptions(connection, name, wildcards)?;
            }
            if before.admin_prefix != after.admin_prefix {
                roles::set_admin_prefix(connection, name, after.admin_prefix.as_ref())?;
            }
            Ok(())
        })
    }

    fn remove_role(&mut self, name: &RoleName) -> Result<bool, Error> {
        self.ask(|connection| roles::delete_role(connection, name.as_str()))
    }

    fn rule(
        &mut self,
        role: &RoleName,
        acl_type: AclType,
        topic: &str,
    ) -> Result<Option<Rule>, Error> {
        let Some(id) = self.role_id(role)? else {
            return Ok(None);
        };
        self.ask(|connection| roles::rule(connection, id, acl_type.as_str(), topic))?
            .transpose()
            .map_err(|why| self.corrupt(format!("role {:?}: {why}", role.as_str())))
    }

    fn put_rule(&mut self, role: &RoleName, rule: &Rule) -> Result<(), Error> {
        let Some(id) = self.role_id(role)? else {
            return Ok(());
        };
        let (acl_type, topic) = (rule.acl_type().as_str(), rule.template().as_str());
        self.ask(
            |connection| match roles::rule(connection, id, acl_type, topic)? {
                Some(_) => roles::update_rule(connection, id, rule),
                None => roles::insert_rule(connection, id, rule),
            },
        )
    }

    fn remove_rule(
        &mut self,
        role: &RoleName,
        acl_type: AclType,
        topic: &str,
    ) -> Result<bool, Error> {
        match self.role_id(role)? {
            Some(id) => {
                self.ask(|connection| roles::delete_rule(connection, id, acl_type.as_str(), topic))
            }
            None => Ok(false),
        }
    }

    fn add_group(&mut self, group: &StoredGroup) -> Result<(), Error> {
        self.ask(|connection| roles::insert_group(connection, group))?;
        let to = Grantee::Group(group.name.clone());
        let mut held = group.roles.iter();
        held.try_for_each(|role| self.grant(&to, &role.name, role.priority))
    }

    fn set_group(&mut self, group: &StoredGroup) -> Result<(), Error> {
        self.ask(|connection| roles::describe_group(connection, group))
    }

    fn remove_group(&mut self, name: &GroupName) -> Result<bool, Error> {
        self.ask(|connection| roles::delete_group(connection, name.as_str()))
    }

    fn granted(&mut self, to: &Grantee, role: &RoleName) -> Result<Option<Priority>, Error> {
        self.priority(self.grant_of(to, role)?)
    }

    fn grant(&mut self, to: &Grantee, role: &RoleName, priority: Priority) -> Result<(), Error> {
        self.tie(self.grant_of(to, role)?, priority)
    }

    fn revoke(&mut self, from: &Grantee, role: &RoleName) -> Result<bool, Error> {
        self.untie(self.grant_of(from, role)?)
    }

    fn membership(
        &mut self,
        account: &AccountName,
        group: &GroupName,
    ) -> Result<Option<Priority>, Error> {
        self.priority(self.membership_of(account, group)?)
    }

    fn join(
        &mut self,
        account: &AccountName,
        group: &GroupName,
        priority: Priority,
    ) -> Result<(), Error> {
        self.tie(self.membership_of(account, group)?, priority)
    }

    fn leave(&mut self, account: &AccountName, group: &GroupName) -> Result<bool, Error> {
        self.untie(self.membership_of(account, group)?)
    }

    fn set_defaults(&mut self, defaults: Defaults) -> Result<(), Error> {
        self.ask(|connection| roles::set_defaults(connection, defaults))
    }

    fn set_anonymous_group(&mut self, group: Option<&GroupName>) -> Result<(), Error> {
        let id = match group {
            None => None,
            Some(name) => match self.group_id(name)? {
                None => return Ok(()),
                id => id,
            },
        };
        self.ask(|connection| roles::set_anonymous_group(connection, id))
    }

    fn set_changes(&mut self, changes: u64) -> Result<(), Error> {
        let changes = i64::try_from(changes).unwrap_or(i64::MAX);
        self.ask(|connection| names::set_changes(connection, changes))
    }
}

/// SQLite takes a negative limit for none.
fn limit(wanted: Wanted) -> i64 {
    match wanted {
        Wanted::First(most) => most.into(),
        Wanted::All => -1,
    }
}
