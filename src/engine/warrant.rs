//! What somebody may administer, found out when its order is carried out; and whether others' orders before it
//! may have changed that.
//!
//! Must not: take an answer from another moment for granted: whoever may not give orders by how it stands now
//! has no warrant, whatever was found before.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::Engine;
use super::access::question;
use super::standing::{Says, Standing};
use crate::admin::Touched;
use crate::admission::{self, Approach, Fact};
use crate::config::Control;
use crate::policy::{Asker, Rights, Scope};
use crate::request::Access;
use crate::verdict::Permit;

impl Engine {
    /// What whoever sent an order may administer now, if it may give it at all: who waited for its turn
    /// may have lost the right meanwhile.
    #[must_use]
    pub fn warrant(&self, access: &Access<'_>, control: Control) -> Option<Scope> {
        match control {
            Control::Off => None,
            Control::On => self.warrant_by_rule(access),
            // It logged in with a password; the account may be another one by now.
            Control::AllowAuthenticated => {
                let found = self.find(access.username?, access.client_id).ok()?;
                let anywhere = Approach {
                    client_id: Fact::Is(access.client_id),
                    ip: Fact::Open,
                };
                admission::admit(&found.account?, anywhere, self.now()).ok()?;
                Some(Scope::Everything)
            }
        }
    }

    fn warrant_by_rule(&self, access: &Access<'_>) -> Option<Scope> {
        // Tells of a denial, and knows those whose right is no role's.
        if self.may(access) != Permit::Allow {
            return None;
        }
        if self.sole_file().is_some() {
            return Some(Scope::Everything);
        }
        let question = question(access)?;
        let asker = Asker {
            client_id: access.client_id,
            username: access.username,
        };
        let scope = |standing: &Standing| {
            let may = self.judge_access(standing, access, asker, &question).0 == Permit::Allow;
            // A token gives no right to administer.
            match standing.says.of_account() {
                Says::Granted { granted, .. } if may => {
                    Some(Scope::of(&granted.rights, asker, &question))
                }
                Says::File if may => Some(Scope::Everything),
                Says::Granted { .. }
                | Says::File
                | Says::ByToken(_)
                | Says::Refused(_)
                | Says::Nobody => None,
            }
        };
        match self.standings.look(asker, scope) {
            Some(scope) => scope,
            None => scope(&self.stand_first(asker).standing),
        }
    }

    /// Whether somebody's rights may be others once this counts.
    #[must_use]
    pub fn is_touched(&self, username: Option<&str>, touched: &Touched) -> bool {
        let Some(name) = username else {
            return touched.has_shared();
        };
        if touched.has_account(name) {
            return true;
        }
        if !touched.has_shared() {
            return false;
        }
        let key = self.standings.key(Asker {
            client_id: None,
            username,
        });
        let Some(standing) = self.standings.get(&key) else {
            return true;
        };
        match standing.says.of_account() {
            Says::Granted { granted, .. } => {
                let rights = &granted.rights;
                let mut grants = rights.grants().iter().chain(rights.dormant());
                // A group without roles may have got some.
                granted.holding.groups.len() > groups_of(rights)
                    || grants.any(|grant| {
                        let group = grant.group.as_ref();
                        touched.has_role(grant.role.name())
                            || group.is_some_and(|group| touched.has_group(&group.name))
                    })
            }
            Says::File | Says::ByToken(_) | Says::Refused(_) | Says::Nobody => true,
        }
    }
}

/// Of how many groups there are roles.
fn groups_of(rights: &Rights) -> usize {
    let grants = rights.grants().iter().chain(rights.dormant());
    let groups = grants.filter_map(|grant| Some(&grant.group.as_ref()?.name));
    groups.collect::<BTreeSet<_>>().len()
}
