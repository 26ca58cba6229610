//! Roles, groups and who holds them, as administration reads and changes them.
//!
//! Two faces, as of accounts: [`Roles`] looks, [`RoleChanges`] changes within a transaction. Must not:
//! be written through in full where little has changed: every write is told to a running broker, which
//! then looks at everybody concerned. Whoever calls knows what is there, and writes what differs.
#![forbid(unsafe_code)]

use crate::model::{AccountName, GroupName, RoleName};
use crate::policy::{
    AclType, Defaults, Grantee, Holdings, Priority, Ranked, Rule, StoredGroup, StoredRole,
};

use super::Error;

/// Who holds something: how many, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holders {
    /// All of them.
    pub accounts: u64,
    /// The first ones, in the order in which the accounts were made.
    pub first: Vec<Ranked<AccountName>>,
}

impl Holders {
    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Self {
            accounts: 0,
            first: Vec::new(),
        }
    }
}

/// How many names of holders are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// At most so many.
    First(u32),
    /// Every one.
    All,
}

/// How many there are of each, and how often anything was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Accounts.
    pub accounts: u64,
    /// Groups.
    pub groups: u64,
    /// Roles.
    pub roles: u64,
    /// Administrative changes so far: dynamic-security's `changeIndex`.
    pub changes: u64,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// So many are passed over.
    pub offset: u64,
    /// At most so many are wanted; none for all that follow.
    pub count: Option<u64>,
}

impl Page {
    /// The whole list.
    pub const ALL: Self = Self {
        offset: 0,
        count: None,
    };
}

/// What a list shows of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: AccountName,
    /// The client id it is bound to.
    pub client_id: Option<Box<str>>,
    /// Its name for people.
    pub textname: Option<Box<str>>,
    /// What people say of it.
    pub textdescription: Option<Box<str>>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// What it holds.
    pub holdings: Holdings,
}

/// A place with roles and groups, being read.
pub trait Roles {
    /// The role of this name, with its rules.
    ///
    /// # Errors
    /// When the place cannot be read, or the role or a rule of it cannot.
    fn role(&mut self, name: &RoleName) -> Result<Option<StoredRole>, Error>;

    /// Shows every role by name, until the visitor fails. One that cannot be read does not hide the
    /// others: it is told, as an error, at the end.
    ///
    /// # Errors
    /// When the place or a role cannot be read, or the visitor's own.
    fn roles(
        &mut self,
        visit: &mut dyn FnMut(StoredRole) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// The group of this name, with its roles.
    ///
    /// # Errors
    /// When the place or the group cannot be read.
    fn group(&mut self, name: &GroupName) -> Result<Option<StoredGroup>, Error>;

    /// Shows every group as [`Roles::roles`] shows roles.
    ///
    /// # Errors
    /// When the place or a group cannot be read, or the visitor's own.
    fn groups(
        &mut self,
        visit: &mut dyn FnMut(StoredGroup) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// What an account holds; nothing if there is no such account.
    ///
    /// # Errors
    /// When the place or one of the names cannot be read.
    fn holdings(&mut self, account: &AccountName) -> Result<Holdings, Error>;

    /// The accounts that hold a role of their own.
    ///
    /// # Errors
    /// When the place or one of the names cannot be read.
    fn holders(&mut self, role: &RoleName, wanted: Wanted) -> Result<Holders, Error>;

    /// The groups that hold a role, by name.
    ///
    /// # Errors
    /// When the place or one of the names cannot be read.
    fn groups_with(&mut self, role: &RoleName) -> Result<Vec<Ranked<GroupName>>, Error>;

    /// The accounts in a group.
    ///
    /// # Errors
    /// When the place or one of the names cannot be read.
    fn members(&mut self, group: &GroupName, wanted: Wanted) -> Result<Holders, Error>;

    /// How many accounts, groups and roles there are, and how many changes there have been.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn totals(&mut self) -> Result<Totals, Error>;

    /// Names of accounts, by their bytes. Nothing else is read of them.
    ///
    /// # Errors
    /// When the place or one of these names cannot be read.
    fn account_names(&mut self, page: Page) -> Result<Vec<AccountName>, Error>;

    /// Accounts as a list shows them, by the bytes of their names.
    ///
    /// # Errors
    /// When the place or one of them cannot be read.
    fn listed(&mut self, page: Page) -> Result<Vec<Listed>, Error>;

    /// Names of groups, as [`Roles::account_names`].
    ///
    /// # Errors
    /// When the place or one of these names cannot be read.
    fn group_names(&mut self, page: Page) -> Result<Vec<GroupName>, Error>;

    /// Names of roles, as [`Roles::account_names`].
    ///
    /// # Errors
    /// When the place or one of these names cannot be read.
    fn role_names(&mut self, page: Page) -> Result<Vec<RoleName>, Error>;

    /// What happens where no rule answers.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn defaults(&mut self) -> Result<Defaults, Error>;

    /// The group of clients without a username.
    ///
    /// # Errors
    /// When the place or the name cannot be read.
    fn anonymous_group(&mut self) -> Result<Option<GroupName>, Error>;
}

/// Roles and groups, being changed. Where a role, group or account is named that is not there,
/// nothing is written.
pub trait RoleChanges: Roles {
    /// Whether there is such a role, even one that cannot be read.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn has_role(&mut self, name: &RoleName) -> Result<bool, Error>;

    /// Whether there is such a group.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn has_group(&mut self, name: &GroupName) -> Result<bool, Error>;

    /// Writes a new role with its rules.
    ///
    /// # Errors
    /// When the place cannot hold it, or has one of this name.
    fn add_role(&mut self, role: &StoredRole) -> Result<(), Error>;

    /// Writes what a role says beside its rules, as far as it differs from what was there before.
    ///
    /// # Errors
    /// When the place cannot hold it.
    fn set_role(&mut self, before: &StoredRole, after: &StoredRole) -> Result<(), Error>;

    /// Takes a role away, from everybody who holds it, even one that cannot be read; says whether
    /// there was one.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn remove_role(&mut self, name: &RoleName) -> Result<bool, Error>;

    /// The rule of this type and topic.
    ///
    /// # Errors
    /// When the place or the rule cannot be read.
    fn rule(
        &mut self,
        role: &RoleName,
        acl_type: AclType,
        topic: &str,
    ) -> Result<Option<Rule>, Error>;

    /// Writes a rule: behind all others of its role, or in the place of the one of its type and topic.
    ///
    /// # Errors
    /// When the place cannot hold it.
    fn put_rule(&mut self, role: &RoleName, rule: &Rule) -> Result<(), Error>;

    /// Takes a rule away, even one that cannot be read; says whether there was one.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn remove_rule(
        &mut self,
        role: &RoleName,
        acl_type: AclType,
        topic: &str,
    ) -> Result<bool, Error>;

    /// Writes a new group with its roles.
    ///
    /// # Errors
    /// When the place cannot hold it, or has one of this name.
    fn add_group(&mut self, group: &StoredGroup) -> Result<(), Error>;

    /// Writes what a group says beside its roles.
    ///
    /// # Errors
    /// When the place cannot hold it.
    fn set_group(&mut self, group: &StoredGroup) -> Result<(), Error>;

    /// Takes a group away, from its members too; says whether there was one.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn remove_group(&mut self, name: &GroupName) -> Result<bool, Error>;

    /// With which priority a role is held.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn granted(&mut self, to: &Grantee, role: &RoleName) -> Result<Option<Priority>, Error>;

    /// Gives a role, or another priority to one that is held.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn grant(&mut self, to: &Grantee, role: &RoleName, priority: Priority) -> Result<(), Error>;

    /// Takes a role back; says whether it was held.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn revoke(&mut self, from: &Grantee, role: &RoleName) -> Result<bool, Error>;

    /// With which priority an account is in a group.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn membership(
        &mut self,
        account: &AccountName,
        group: &GroupName,
    ) -> Result<Option<Priority>, Error>;

    /// Puts an account into a group, or gives another priority to a group it is in.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn join(
        &mut self,
        account: &AccountName,
        group: &GroupName,
        priority: Priority,
    ) -> Result<(), Error>;

    /// Takes an account out of a group; says whether it was in it.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn leave(&mut self, account: &AccountName, group: &GroupName) -> Result<bool, Error>;

    /// Says what happens where no rule answers.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn set_defaults(&mut self, defaults: Defaults) -> Result<(), Error>;

    /// Says which group is that of clients without a username.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn set_anonymous_group(&mut self, group: Option<&GroupName>) -> Result<(), Error>;

    /// Says how many changes there have been.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn set_changes(&mut self, changes: u64) -> Result<(), Error>;
}
