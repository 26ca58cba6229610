//! What a file of rules wants to be in the database, and how it is laid over what is there.
//!
//! Must not: commit, or change what is there already and says something else, unless the operator
//! asked for that: it is told, all of it, and whoever called drops the batch.
#![forbid(unsafe_code)]

use serde::Serialize;

use crate::admin::{Batch, Command, DefaultsChange, Error, Outcome};
use crate::model::{Account, AccountName, GroupName, RoleName, StoredCredential};
use crate::policy::{Defaults, Grantee, Holdings, Priority, Ranked, StoredGroup, StoredRole};
use crate::show::Plain;

/// What is wanted.
pub struct Plan {
    /// Roles with their rules.
    pub roles: Vec<StoredRole>,
    /// Groups with their roles.
    pub groups: Vec<StoredGroup>,
    /// Accounts, and what each is to hold.
    pub accounts: Vec<Wanted>,
    /// What happens where no rule answers.
    pub defaults: Defaults,
    /// The group of clients without a username.
    pub anonymous: Option<GroupName>,
    /// How many changes its file has counted.
    pub changes: Option<u64>,
    /// Roles with names like these are of an earlier import; what replaces it takes them away.
    pub is_ours: fn(&RoleName) -> bool,
}

/// An account and what it is to hold.
pub struct Wanted {
    /// Which, and what is known of it.
    pub account: Written,
    /// Its roles and groups.
    pub holdings: Holdings,
}

/// What is known of an account.
pub enum Written {
    /// Its name; it is there, and what it holds beside this is not for the file to say.
    There(AccountName),
    /// Its name; it is to be made.
    New(AccountName),
    /// All that it is.
    Whole(Box<Imported>),
}

/// An account as another broker had it.
pub struct Imported {
    /// The username.
    pub name: AccountName,
    /// The password as it was stored.
    pub credential: Option<StoredCredential>,
    /// Switched off.
    pub disabled: bool,
    /// The only client id.
    pub client_id: Option<Box<str>>,
    /// A name for people.
    pub textname: Option<Box<str>>,
    /// What it is for.
    pub textdescription: Option<Box<str>>,
}

/// How many of a kind came to be what.
#[derive(Clone, Copy, Default, Serialize)]
pub struct Counts {
    /// New.
    pub added: u64,
    /// Different now.
    pub changed: u64,
    /// As they were.
    pub unchanged: u64,
    /// Gone.
    #[serde(skip_serializing_if = "is_zero")]
    pub deleted: u64,
}

/// What laying a plan over a place did.
#[derive(Default)]
pub struct Laid {
    /// Accounts.
    pub accounts: Counts,
    /// Roles.
    pub roles: Counts,
    /// Groups.
    pub groups: Counts,
    /// Roles given to accounts, and accounts put into groups.
    pub holdings: Counts,
    /// Whether the defaults are others now.
    pub defaults_changed: bool,
    /// What is there and says something else.
    pub conflicts: Vec<String>,
}

impl Counts {
    fn count(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Added => &mut self.added,
            Outcome::Changed => &mut self.changed,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Deleted => &mut self.deleted,
        };
        *count = count.saturating_add(1);
    }
}

impl Imported {
    /// Over what is there: what the file cannot say stays.
    fn over(&self, mut account: Account) -> Account {
        if account.credential != self.credential {
            account.credential.clone_from(&self.credential);
            account.second_credential = None;
        }
        account.disabled = self.disabled;
        account.client_id.clone_from(&self.client_id);
        account.textname.clone_from(&self.textname);
        account.textdescription.clone_from(&self.textdescription);
        account
    }
}

impl Plan {
    /// Lays it over what is there.
    ///
    /// # Errors
    /// When the database cannot be read or changed.
    pub fn lay(&self, batch: &mut Batch<'_>, replace: bool) -> Result<Laid, Error> {
        let uncounted = batch.roles()?.totals()?.changes == 0;
        let mut laying = Laying {
            batch,
            replace,
            laid: Laid::default(),
        };
        let fresh = laying.is_bare()?;
        laying.roles(self)?;
        laying.groups(self)?;
        laying.settings(self, fresh)?;
        for wanted in &self.accounts {
            laying.account(wanted)?;
        }
        let Laying { batch, laid, .. } = laying;
        // Of a database that was in use before, the number grows.
        if let Some(changes) = self.changes.filter(|_| uncounted || replace) {
            batch.set_changes(changes)?;
        }
        Ok(laid)
    }
}

struct Laying<'a, 'b> {
    batch: &'a mut Batch<'b>,
    replace: bool,
    laid: Laid,
}

impl Laying<'_, '_> {
    /// Whether there are no roles and groups yet, and so nobody who relies on the settings.
    fn is_bare(&mut self) -> Result<bool, Error> {
        let mut seen = 0_u64;
        let mut roles = self.batch.roles()?;
        roles.roles(&mut |_| {
            seen = seen.saturating_add(1);
            Ok(())
        })?;
        roles.groups(&mut |_| {
            seen = seen.saturating_add(1);
            Ok(())
        })?;
        Ok(seen == 0)
    }

    /// Whether something else may be written here; if not, that is told.
    fn may_replace(&mut self, what: &str, name: &str, other: &str) -> bool {
        if !self.replace {
            let name = Plain(name);
            let told = format!("there is {what} {name} already, with {other}");
            self.laid.conflicts.push(told);
        }
        self.replace
    }

    fn roles(&mut self, plan: &Plan) -> Result<(), Error> {
        if self.replace {
            let mut old = Vec::new();
            self.batch.roles()?.roles(&mut |role| {
                old.push(role.name);
                Ok(())
            })?;
            let is_wanted = |name: &RoleName| plan.roles.iter().any(|role| role.name == *name);
            for name in old {
                if (plan.is_ours)(&name) && !is_wanted(&name) {
                    let outcome = self.batch.carry_out(&Command::DeleteRole(name))?;
                    self.laid.roles.count(outcome);
                }
            }
        }
        for role in &plan.roles {
            let before = self.batch.roles()?.role(&role.name)?;
            // A file says nothing of limits, and so lifts none.
            let role = StoredRole {
                admin_prefix: before
                    .as_ref()
                    .and_then(|before| before.admin_prefix.clone()),
                ..role.clone()
            };
            let differs = before.is_some_and(|before| before != role);
            if differs && !self.may_replace("a role", role.name.as_str(), "other rules or texts") {
                continue;
            }
            let outcome = self.batch.carry_out(&Command::PutRole(role))?;
            self.laid.roles.count(outcome);
        }
        Ok(())
    }

    fn groups(&mut self, plan: &Plan) -> Result<(), Error> {
        for group in &plan.groups {
            let before = self.batch.roles()?.group(&group.name)?;
            let differs = before.is_some_and(|before| before != *group);
            if differs && !self.may_replace("a group", group.name.as_str(), "other roles or texts")
            {
                continue;
            }
            let outcome = self.batch.carry_out(&Command::PutGroup(group.clone()))?;
            self.laid.groups.count(outcome);
        }
        Ok(())
    }

    fn settings(&mut self, plan: &Plan, fresh: bool) -> Result<(), Error> {
        let (defaults, anonymous) = {
            let mut roles = self.batch.roles()?;
            (roles.defaults()?, roles.anonymous_group()?)
        };
        if defaults != plan.defaults {
            if fresh || self.replace {
                let Defaults {
                    send,
                    receive,
                    subscribe,
                    unsubscribe,
                } = plan.defaults;
                let change = DefaultsChange {
                    send: Some(send),
                    receive: Some(receive),
                    subscribe: Some(subscribe),
                    unsubscribe: Some(unsubscribe),
                };
                let outcome = self.batch.carry_out(&Command::SetDefaults(change))?;
                self.laid.defaults_changed = outcome == Outcome::Changed;
            } else {
                let told = "the defaults are others, and there are roles that rely on them";
                self.laid.conflicts.push(told.to_owned());
            }
        }
        if anonymous != plan.anonymous {
            if anonymous.is_none() || self.replace {
                let command = Command::SetAnonymousGroup(plan.anonymous.clone());
                let _changed = self.batch.carry_out(&command)?;
            } else {
                let told = "clients without a username have another group";
                self.laid.conflicts.push(told.to_owned());
            }
        }
        Ok(())
    }

    fn account(&mut self, wanted: &Wanted) -> Result<(), Error> {
        let name = match &wanted.account {
            Written::There(name) => name,
            Written::New(name) => {
                let account = Account::named(name.clone());
                let outcome = self.batch.carry_out(&Command::Put(account))?;
                self.laid.accounts.count(outcome);
                name
            }
            Written::Whole(imported) => {
                if !self.whole(imported, &wanted.holdings)? {
                    return Ok(());
                }
                &imported.name
            }
        };
        for Ranked {
            name: role,
            priority,
        } in &wanted.holdings.roles
        {
            self.hold(&Command::GrantRole {
                to: Grantee::Account(name.clone()),
                role: role.clone(),
                priority: Some(*priority),
            })?;
        }
        for Ranked {
            name: group,
            priority,
        } in &wanted.holdings.groups
        {
            self.hold(&Command::JoinGroup {
                account: name.clone(),
                group: group.clone(),
                priority: Some(*priority),
            })?;
        }
        Ok(())
    }

    /// Writes an account and takes from it what it is not to hold; says whether that was allowed.
    fn whole(&mut self, imported: &Imported, holdings: &Holdings) -> Result<bool, Error> {
        let name = &imported.name;
        let before = self.batch.account(name)?;
        let is_there = before.is_some();
        let base = before.unwrap_or_else(|| Account::named(name.clone()));
        let account = imported.over(base.clone());
        let held = self.batch.roles()?.holdings(name)?;
        let differs = is_there && (account != base || held != *holdings);
        if differs && !self.may_replace("an account", name.as_str(), "other settings or roles") {
            return Ok(false);
        }
        let outcome = self.batch.carry_out(&Command::Put(account))?;
        self.laid.accounts.count(outcome);
        for Ranked { name: role, .. } in held.roles {
            if !holdings.roles.iter().any(|wanted| wanted.name == role) {
                let from = Grantee::Account(name.clone());
                self.hold(&Command::RevokeRole { from, role })?;
            }
        }
        for Ranked { name: group, .. } in held.groups {
            if !holdings.groups.iter().any(|wanted| wanted.name == group) {
                let account = name.clone();
                self.hold(&Command::LeaveGroup { account, group })?;
            }
        }
        Ok(true)
    }

    /// Where something was told instead of written, what would rely on it is passed over: nothing of
    /// this is committed.
    fn hold(&mut self, command: &Command) -> Result<(), Error> {
        match self.batch.carry_out(command) {
            Ok(outcome) => self.laid.holdings.count(outcome),
            Err(Error::RoleMissing { .. } | Error::GroupMissing { .. })
                if !self.laid.conflicts.is_empty() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// In the order in which the database gives them back.
pub fn in_order<T: Ord>(ranked: &mut [Ranked<T>]) {
    ranked.sort_by(|a, b| {
        b.priority
            .cmp(&a.priority)
            .then_with(|| a.name.cmp(&b.name))
    });
}

/// One of several roles or groups.
#[must_use]
pub fn ranked<T>(name: T, priority: Priority) -> Ranked<T> {
    Ranked { name, priority }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
