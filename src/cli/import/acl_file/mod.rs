//! An ACL file becomes roles: one for each user, one for clients without a username, one for all.
//!
//! Must not: invent an account unless asked to, or say of a line that it was carried over where the
//! roles say something else.
#![forbid(unsafe_code)]

mod proof;

use std::collections::{HashMap, HashSet};

use super::ImportArgs;
use super::rules;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::{Plain, Printer};
use crate::model::{AccountName, GroupName, NameError, RoleName};
use crate::policy::acl_file::{
    ANONYMOUS_ROLE, AclFile, Converted, Difference, FileRule, OF_PATTERNS, OWN, PATTERN_ROLE,
    Section, Subscriptions, USER_ROLE,
};
use crate::policy::{Holdings, RoleDefinition, StoredGroup, StoredRole, TooMany};
use crate::store::Store;
use crate::store::acl_file::understand;
use crate::takeover::{Plan, Told, Wanted, Written, in_order, ranked};

/// Imports an ACL file.
pub(super) fn run(
    args: &ImportArgs,
    store: &mut dyn Store,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let path = args.input.as_path();
    let file = understand(path, &rules::read(path)?, Subscriptions::AsMosquitto)?;
    let mut there = Vec::new();
    store.roles()?.defaults()?;
    store.accounts(&mut |account| {
        there.push(account.name);
        Ok(())
    })?;
    let converted = file.to_roles();
    let mut draft = Draft {
        args,
        converted: &converted,
        told: Vec::new(),
        holdings: Vec::new(),
        not_asked: HashSet::new(),
    };
    let plan = draft.plan(&file, there).map_err(bad_name)?;
    let Draft {
        told,
        holdings,
        not_asked,
        ..
    } = draft;
    let carried = file.as_carried().map_err(too_many)?;
    rules::carry(args, printer, store, &plan, told, |roles| {
        proof::prove(&carried, &holdings, &not_asked, roles)
    })
}

/// What is made of the file, while it is made.
struct Draft<'a> {
    args: &'a ImportArgs,
    converted: &'a Converted,
    told: Vec<Told>,
    /// Everybody to be asked about; what is to be held where there is no account.
    holdings: Vec<(AccountName, Option<Holdings>)>,
    /// Whoever the file answers by the look of the name.
    not_asked: HashSet<AccountName>,
}

impl Draft<'_> {
    fn tell(&mut self, line: Option<usize>, why: String, is_loss: bool) {
        let input = self.args.input.display();
        let place = match line {
            Some(line) => format!("{input}:{line}"),
            None => input.to_string(),
        };
        self.told.push(Told {
            place,
            why,
            is_loss,
        });
    }

    fn plan(&mut self, file: &AclFile, there: Vec<AccountName>) -> Result<Plan, NameError> {
        for inexact in &self.converted.inexact {
            let is_loss = inexact.line.is_some();
            self.tell(inexact.line, inexact.what.to_string(), is_loss);
        }
        let mut roles = Vec::new();
        let mut own = HashMap::new();
        for user in &self.converted.users {
            let role = stored(&user.role)?;
            own.insert(AccountName::new(&user.user)?, role.name.clone());
            roles.push(role);
        }
        let groups = self.groups(&mut roles)?;
        let anonymous = groups.iter().map(|group| &group.name);
        let anonymous = anonymous
            .clone()
            .find(|name| name.as_str() == ANONYMOUS_ROLE);
        let patterns = match self.converted.patterns {
            Some(_) => vec![ranked(GroupName::new(EVERYBODY)?, OF_PATTERNS)],
            None => Vec::new(),
        };
        let holdings = |name: &AccountName| Holdings {
            roles: own
                .get(name)
                .map(|role| ranked(role.clone(), OWN))
                .into_iter()
                .collect(),
            groups: patterns.clone(),
        };
        Ok(Plan {
            accounts: self.accounts(file, there, &holdings)?,
            anonymous: anonymous.cloned(),
            roles,
            groups,
            defaults: self.converted.defaults,
            changes: None,
            is_ours: |name| {
                let name = name.as_str();
                name.starts_with(USER_ROLE) || [ANONYMOUS_ROLE, PATTERN_ROLE].contains(&name)
            },
        })
    }

    /// The groups of everybody and of clients without a username, and their roles.
    fn groups(&mut self, roles: &mut Vec<StoredRole>) -> Result<Vec<StoredGroup>, NameError> {
        let mut groups = Vec::new();
        let mut of_anonymous = Vec::new();
        if let Some(anonymous) = &self.converted.anonymous {
            let role = stored(anonymous)?;
            of_anonymous.push(ranked(role.name.clone(), OWN));
            roles.push(role);
        }
        if let Some(patterns) = &self.converted.patterns {
            let role = stored(patterns)?;
            let held = ranked(role.name.clone(), OF_PATTERNS);
            of_anonymous.push(held.clone());
            roles.push(role);
            groups.push(StoredGroup {
                textdescription: Some("Every account: the pattern lines of an ACL file".into()),
                roles: vec![held],
                ..StoredGroup::named(GroupName::new(EVERYBODY)?)
            });
            let why = format!(
                "the pattern lines are for the accounts in group {EVERYBODY}; put those into it that \
                 are added later: `doorman group join`"
            );
            self.tell(None, why, false);
        }
        if !of_anonymous.is_empty() {
            in_order(&mut of_anonymous);
            groups.push(StoredGroup {
                roles: of_anonymous,
                ..StoredGroup::named(GroupName::new(ANONYMOUS_ROLE)?)
            });
        }
        Ok(groups)
    }

    /// The accounts that are there, and those of the file that are not.
    fn accounts(
        &mut self,
        file: &AclFile,
        there: Vec<AccountName>,
        holdings: &dyn Fn(&AccountName) -> Holdings,
    ) -> Result<Vec<Wanted>, NameError> {
        let known: HashSet<AccountName> = there.iter().cloned().collect();
        let mut accounts = Vec::new();
        for name in there {
            self.note_name(&name);
            self.holdings.push((name.clone(), None));
            accounts.push(Wanted {
                holdings: holdings(&name),
                account: Written::There(name),
            });
        }
        for user in &self.converted.users {
            let name = AccountName::new(&user.user)?;
            if known.contains(&name) {
                continue;
            }
            self.note_name(&name);
            let held = holdings(&name);
            if self.args.add_accounts {
                self.holdings.push((name.clone(), None));
                accounts.push(Wanted {
                    account: Written::New(name),
                    holdings: held,
                });
                continue;
            }
            let section = file.rules().iter();
            let section = section.filter(|rule| self::user(rule) == Some(name.as_str()));
            let line = section.map(|rule| rule.line).min();
            let why = format!(
                "there is no account {}, so role {} is given to nobody; --add-accounts adds one \
                 without a password",
                Plain(name.as_str()),
                Plain(&user.role.name)
            );
            self.tell(line, why, true);
            self.holdings.push((name, Some(held)));
        }
        Ok(accounts)
    }

    /// The file answers some clients by the look of their names, and roles do not.
    fn note_name(&mut self, name: &AccountName) {
        let text = name.as_str();
        let unclear = text.starts_with('$') || text.contains('/');
        let differs = self
            .converted
            .inexact
            .iter()
            .any(|inexact| match inexact.what {
                Difference::WideNames => text.contains(['+', '#']),
                Difference::UnclearNames => unclear,
                Difference::NameLeftOut
                | Difference::NameWidened
                | Difference::DenialLost
                | Difference::ControlSubscriptions
                | Difference::EnforcedSubscriptions => false,
            });
        if differs {
            let why = format!(
                "account {} has such a name: nothing was asked about it",
                Plain(text)
            );
            self.tell(None, why, true);
            self.not_asked.insert(name.clone());
        }
    }
}

fn user(rule: &FileRule) -> Option<&str> {
    match &rule.section {
        Section::User(user) => Some(user),
        Section::Anonymous | Section::Pattern => None,
    }
}

fn stored(role: &RoleDefinition) -> Result<StoredRole, NameError> {
    Ok(StoredRole {
        wildcard_subscriptions: role.wildcard_subscriptions,
        window: role.window,
        rules: role.rules.clone(),
        ..StoredRole::named(RoleName::new(&role.name)?)
    })
}

fn bad_name(error: NameError) -> Failure {
    Failure::new(Exit::Refused, format!("the name of a role: {error}"))
}

fn too_many(error: TooMany) -> Failure {
    Failure::new(Exit::Refused, error.to_string())
}

/// The group that has the role of the pattern lines.
const EVERYBODY: &str = "acl-everybody";
