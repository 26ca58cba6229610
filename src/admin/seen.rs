//! Roles, groups and names as an administrator sees them whose roles limit him.
//!
//! Must not: show a name that is not his, or count what is behind one.
#![forbid(unsafe_code)]

use crate::model::{AccountName, GroupName, RoleName};
use crate::policy::{Defaults, Holdings, Limit, Ranked, StoredGroup, StoredRole};
use crate::store::{Error, Holders, Listed, Page, RoleChanges, Roles, Totals, Wanted};

/// What is seen within a limit.
pub(super) struct Seen<'a> {
    pub(super) all: Box<dyn RoleChanges + 'a>,
    pub(super) limit: &'a Limit,
}

impl Seen<'_> {
    fn ranked<T>(&self, mut all: Vec<Ranked<T>>, text: fn(&T) -> &str) -> Vec<Ranked<T>> {
        all.retain(|ranked| self.limit.covers(text(&ranked.name)));
        all
    }

    fn group_of(&self, group: StoredGroup) -> StoredGroup {
        StoredGroup {
            roles: self.ranked(group.roles, RoleName::as_str),
            ..group
        }
    }

    /// Those that are seen of all, and of these a page.
    fn page<T>(&self, all: Vec<T>, text: fn(&T) -> &str, page: Page) -> Vec<T> {
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let seen = all.into_iter().filter(|name| self.limit.covers(text(name)));
        let count = page.count.map_or(usize::MAX, number);
        seen.skip(number(page.offset)).take(count).collect()
    }

    fn holders(&self, all: Holders, wanted: Wanted) -> Holders {
        let mut first = self.ranked(all.first, AccountName::as_str);
        let accounts = u64::try_from(first.len()).unwrap_or(u64::MAX);
        if let Wanted::First(most) = wanted {
            first.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        Holders { accounts, first }
    }
}

fn count_of<T>(names: &[T]) -> u64 {
    u64::try_from(names.len()).unwrap_or(u64::MAX)
}

impl Roles for Seen<'_> {
    fn role(&mut self, name: &RoleName) -> Result<Option<StoredRole>, Error> {
        match self.limit.covers(name.as_str()) {
            true => self.all.role(name),
            false => Ok(None),
        }
    }

    fn roles(
        &mut self,
        visit: &mut dyn FnMut(StoredRole) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let limit = self.limit;
        self.all
            .roles(&mut |role| match limit.covers(role.name.as_str()) {
                true => visit(role),
                false => Ok(()),
            })
    }

    fn group(&mut self, name: &GroupName) -> Result<Option<StoredGroup>, Error> {
        if !self.limit.covers(name.as_str()) {
            return Ok(None);
        }
        let group = self.all.group(name)?;
        Ok(group.map(|group| self.group_of(group)))
    }

    fn groups(
        &mut self,
        visit: &mut dyn FnMut(StoredGroup) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for name in self.group_names(Page::ALL)? {
            if let Some(group) = self.group(&name)? {
                visit(group)?;
            }
        }
        Ok(())
    }

    fn holdings(&mut self, account: &AccountName) -> Result<Holdings, Error> {
        if !self.limit.covers(account.as_str()) {
            return Ok(Holdings::default());
        }
        let Holdings { roles, groups } = self.all.holdings(account)?;
        Ok(Holdings {
            roles: self.ranked(roles, RoleName::as_str),
            groups: self.ranked(groups, GroupName::as_str),
        })
    }

    fn holders(&mut self, role: &RoleName, wanted: Wanted) -> Result<Holders, Error> {
        if !self.limit.covers(role.as_str()) {
            return Ok(Holders::none());
        }
        let all = self.all.holders(role, Wanted::All)?;
        Ok(Seen::holders(self, all, wanted))
    }

    fn groups_with(&mut self, role: &RoleName) -> Result<Vec<Ranked<GroupName>>, Error> {
        if !self.limit.covers(role.as_str()) {
            return Ok(Vec::new());
        }
        let all = self.all.groups_with(role)?;
        Ok(self.ranked(all, GroupName::as_str))
    }

    fn members(&mut self, group: &GroupName, wanted: Wanted) -> Result<Holders, Error> {
        if !self.limit.covers(group.as_str()) {
            return Ok(Holders::none());
        }
        let all = self.all.members(group, Wanted::All)?;
        Ok(Seen::holders(self, all, wanted))
    }

    fn totals(&mut self) -> Result<Totals, Error> {
        let changes = self.all.totals()?.changes;
        Ok(Totals {
            accounts: count_of(&self.account_names(Page::ALL)?),
            groups: count_of(&self.group_names(Page::ALL)?),
            roles: count_of(&self.role_names(Page::ALL)?),
            changes,
        })
    }

    fn account_names(&mut self, page: Page) -> Result<Vec<AccountName>, Error> {
        let all = self.all.account_names(Page::ALL)?;
        Ok(self.page(all, AccountName::as_str, page))
    }

    /// Those whose names begin alike follow each other, and are read together.
    fn listed(&mut self, page: Page) -> Result<Vec<Listed>, Error> {
        let names = self.all.account_names(Page::ALL)?;
        let places = (0_u64..).zip(&names);
        let seen = places.filter(|(_, name)| self.limit.covers(name.as_str()));
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let count = page.count.map_or(usize::MAX, number);
        let seen = seen.skip(number(page.offset)).take(count);
        let places: Vec<u64> = seen.map(|(place, _)| place).collect();
        let mut listed = Vec::with_capacity(places.len());
        for run in places.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
            let page = Page {
                offset: run.first().copied().unwrap_or_default(),
                count: Some(count_of(run)),
            };
            listed.extend(self.all.listed(page)?);
        }
        for account in &mut listed {
            let Holdings { roles, groups } = std::mem::take(&mut account.holdings);
            account.holdings.roles = self.ranked(roles, RoleName::as_str);
            account.holdings.groups = self.ranked(groups, GroupName::as_str);
        }
        Ok(listed)
    }

    fn group_names(&mut self, page: Page) -> Result<Vec<GroupName>, Error> {
        let all = self.all.group_names(Page::ALL)?;
        Ok(self.page(all, GroupName::as_str, page))
    }

    fn role_names(&mut self, page: Page) -> Result<Vec<RoleName>, Error> {
        let all = self.all.role_names(Page::ALL)?;
        Ok(self.page(all, RoleName::as_str, page))
    }

    fn defaults(&mut self) -> Result<Defaults, Error> {
        self.all.defaults()
    }

    fn anonymous_group(&mut self) -> Result<Option<GroupName>, Error> {
        let group = self.all.anonymous_group()?;
        Ok(group.filter(|name| self.limit.covers(name.as_str())))
    }
}
