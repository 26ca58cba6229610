//! The file of dynamic-security: what a database says, as far as that plugin can say it.
//!
//! Must not: allow more than doorman does without a word. What holds under a condition that the file cannot say is
//! written as if it never held, unless the operator drops the bounds; a denial always stays. All of
//! that is told.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{ExportArgs, readable};
use crate::cli::clock;
use crate::cli::exit::Failure;
use crate::cli::export::Broker;
use crate::cli::print::Plain;
use crate::dynsec::{Account, Document, Group, Holding, Member, Role, Texts};
use crate::model::{self, AccountName, RoleName, Scheme, StoredCredential};
use crate::policy::{
    Conditions, Holdings, Permission, Ranked, Rule, StoredRole, WildcardSubscriptions, Window,
};
use crate::store::Store;
use crate::takeover::roles_and_groups;

/// The file, and what it does not say as the database does.
pub(super) struct Made {
    pub(super) document: Document,
    /// Whose, and what.
    pub(super) told: Vec<(String, &'static str)>,
}

/// Reads a database.
pub(super) fn read(store: &mut dyn Store, args: &ExportArgs) -> Result<Made, Failure> {
    let mut maker = Maker {
        args,
        now: clock::now(),
        roles: HashSet::new(),
        told: Vec::new(),
    };
    let mut accounts: Vec<model::Account> = Vec::new();
    store.accounts(&mut |account| {
        accounts.push(account);
        Ok(())
    })?;
    let mut place = store.roles()?;
    let (roles, groups) = roles_and_groups(place.as_mut())?;
    let roles: Vec<Role> = roles.into_iter().map(|role| maker.role(role)).collect();
    let groups = groups.into_iter().map(|group| Group {
        name: group.name.as_str().into(),
        texts: texts(group.textname, group.textdescription),
        roles: maker.held(&group.roles),
        members: Vec::new(),
    });
    let mut groups: Vec<Group> = groups.collect();
    let places = groups.iter().enumerate();
    let places: HashMap<Arc<str>, usize> = places
        .map(|(at, group)| (Arc::clone(&group.name), at))
        .collect();
    let mut members = Vec::with_capacity(accounts.len());
    for account in accounts {
        let holdings = place.holdings(&account.name)?;
        for held in &holdings.groups {
            let group = places
                .get(held.name.as_str())
                .and_then(|at| groups.get_mut(*at));
            if let Some(group) = group {
                group.members.push(Member {
                    account: account.name.clone(),
                    priority: held.priority,
                });
            }
        }
        members.push(maker.account(account, &holdings));
    }
    let anonymous = place.anonymous_group()?;
    Ok(Made {
        document: Document {
            defaults: place.defaults()?,
            accounts: members,
            anonymous_group: anonymous.map(|name| name.as_str().into()),
            groups,
            roles,
            change_index: Some(place.totals()?.changes),
        },
        told: maker.told,
    })
}

struct Maker<'a> {
    args: &'a ExportArgs,
    now: Timestamp,
    /// The roles that are in the file.
    roles: HashSet<RoleName>,
    told: Vec<(String, &'static str)>,
}

impl Maker<'_> {
    fn role(&mut self, role: StoredRole) -> Role {
        let name = role.name.as_str();
        let bound = role.window != Window::default();
        if bound {
            let whose = format!("role {}", Plain(name));
            self.told.push((
                whose,
                match self.args.drop_bounds {
                    true => "it holds at all times now",
                    false => {
                        "it holds for a time, which dynamic-security does not know: the rules that \
                         allow were left out; --drop-bounds keeps them"
                    }
                },
            ));
        }
        let limited = role.admin_prefix.is_some();
        if limited {
            let whose = format!("role {}", Plain(name));
            self.told.push((
                whose,
                match self.args.drop_bounds {
                    true => "whoever gives orders by it may administer everything now",
                    false => {
                        "it limits what its holders may administer, which dynamic-security does not \
                         know: the rules about $CONTROL that allow were left out; --drop-bounds keeps \
                         them"
                    }
                },
            ));
        }
        let wildcards = role.wildcard_subscriptions;
        if self.args.broker == Broker::V2_0 && wildcards == WildcardSubscriptions::Deny {
            let why = "a 2.0 broker does not know allowwildcardsubs: its holders may subscribe with \
                       wildcards there; --for 2.1 writes for one that does";
            self.told.push((format!("role {}", Plain(name)), why));
        }
        let rules = role.rules.iter();
        let rules = rules
            .filter(|rule| {
                let opens = rule.permission() == Permission::Allow;
                let administers = limited && opens && rule.concerns_administration();
                !administers || self.args.drop_bounds
            })
            .filter_map(|rule| self.rule(name, rule, bound))
            .collect();
        self.roles.insert(role.name.clone());
        Role {
            name: name.into(),
            texts: texts(role.textname, role.textdescription),
            rules,
            wildcard_subscriptions: wildcards,
        }
    }

    fn rule(&mut self, role: &str, rule: &Rule, bound: bool) -> Option<Rule> {
        let drop_bounds = self.args.drop_bounds;
        if bound && !drop_bounds && rule.permission() == Permission::Allow {
            return None;
        }
        let (acl_type, topic) = (rule.acl_type(), rule.template().as_str());
        let whose = format!("role {}: {acl_type} {}", Plain(role), Plain(topic));
        let names = topic.split('/').any(|level| ["%c", "%u"].contains(&level));
        if self.args.broker == Broker::V2_0 && names {
            let why = "a 2.0 broker takes %c and %u for plain text; --for 2.1 writes for one that \
                       does not";
            self.told.push((whose.clone(), why));
        }
        if *rule.conditions() == Conditions::default() {
            return Some(rule.clone());
        }
        self.told.push((
            whose,
            match drop_bounds {
                true => "the rule has no conditions now",
                false => {
                    "the rule has conditions, which dynamic-security does not know: it was left \
                     out; --drop-bounds keeps it without them"
                }
            },
        ));
        drop_bounds
            .then(|| Rule::new(acl_type, rule.permission(), topic).ok())?
            .map(|plain| plain.with_priority(rule.priority()))
    }

    fn held(&self, held: &[Ranked<RoleName>]) -> Vec<Holding> {
        let known = held.iter().filter(|held| self.roles.contains(&held.name));
        let holding = |held: &Ranked<RoleName>| Holding {
            role: held.name.as_str().into(),
            priority: held.priority,
        };
        known.map(holding).collect()
    }

    fn account(&mut self, account: model::Account, holdings: &Holdings) -> Account {
        let disabled = account.disabled || self.is_shut(&account);
        if account.second_credential.is_some() {
            self.tell(&account.name, "the second password was left out");
        }
        if !account.notes.is_empty() {
            let why = "the notes were left out: dynamic-security has a textname and a \
                       textdescription, and no place for them";
            self.tell(&account.name, why);
        }
        let credential = account.credential.clone();
        let credential = credential.filter(|credential| {
            let reads = self.reads(credential);
            if !reads {
                let why =
                    "dynamic-security cannot read this kind of hash: the password was left out";
                self.tell(&account.name, why);
            }
            reads
        });
        Account {
            texts: texts(account.textname, account.textdescription),
            disabled,
            client_id: account.client_id,
            credential,
            roles: self.held(&holdings.roles),
            name: account.name,
        }
    }

    /// Whether an account is bound to what the file cannot say, and so goes out switched off.
    fn is_shut(&mut self, account: &model::Account) -> bool {
        if account.valid_until.is_some_and(|until| until <= self.now) {
            self.tell(&account.name, "the account has expired: it is disabled");
            return true;
        }
        let bound = account.valid_from.is_some()
            || account.valid_until.is_some()
            || !account.networks.is_empty()
            || !account.certificates.is_empty();
        if !bound {
            return false;
        }
        let why = match self.args.drop_bounds {
            true => "it is bound to networks, certificates or a time no more",
            false => {
                "it is bound to networks, certificates or a time, which dynamic-security does not \
                 know: it is disabled; --drop-bounds leaves it enabled"
            }
        };
        self.tell(&account.name, why);
        !self.args.drop_bounds
    }

    fn reads(&self, credential: &StoredCredential) -> bool {
        let text = &credential.text;
        credential.scheme == Scheme::Marked
            && match self.args.broker {
                Broker::V2_0 => text.starts_with("$7$") && readable(text, Broker::V2_0),
                Broker::V2_1 | Broker::Doorman => {
                    text.starts_with("$argon2id$")
                        || (text.starts_with("$7$") && readable(text, Broker::V2_1))
                }
            }
    }

    fn tell(&mut self, name: &AccountName, why: &'static str) {
        let whose = format!("account {}", Plain(name.as_str()));
        self.told.push((whose, why));
    }
}

fn texts(name: Option<Box<str>>, description: Option<Box<str>>) -> Texts {
    Texts { name, description }
}
