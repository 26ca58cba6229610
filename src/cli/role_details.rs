//! What surrounds a role's rules and a group's members, as flags; and the texts of all of them and of
//! accounts.
//!
//! Must not: change what was not named. A flag that is absent leaves its field alone.
#![forbid(unsafe_code)]

use clap::Args;
use jiff::Timestamp;

use super::clock::Bound;
use super::details::window;
use super::exit::Failure;
use crate::admin::{GroupChange, RoleChange};
use crate::model::NamePrefix;
use crate::policy::WildcardSubscriptions;

/// What people read about an account, role or group.
#[derive(Args, Debug)]
pub(super) struct Texts {
    /// A name for people, as dynamic-security keeps it; an empty text clears it
    #[arg(long, value_name = "TEXT")]
    textname: Option<String>,
    /// What it is for; an empty text clears it
    #[arg(long, value_name = "TEXT")]
    textdescription: Option<String>,
}

/// The flags that set a role's fields.
#[derive(Args, Debug)]
pub(super) struct RoleDetails {
    #[command(flatten)]
    texts: Texts,
    /// Let its rules decide about subscriptions with + and #, as in a new role
    #[arg(long, conflicts_with = "no_wildcard_subs")]
    wildcard_subs: bool,
    /// Refuse every subscription with + or #, before any of its rules is asked
    #[arg(long)]
    no_wildcard_subs: bool,
    /// Let the role hold from this moment on: a date (midnight UTC), RFC 3339, 30d, 12h, or always
    #[arg(long, value_name = "WHEN", value_parser = Bound::parse)]
    valid_from: Option<Bound>,
    /// Let the role hold until this moment: a date (midnight UTC), RFC 3339, 30d, 12h, or never
    #[arg(long, value_name = "WHEN", value_parser = Bound::parse)]
    valid_until: Option<Bound>,
    /// Let whoever gives orders by this role administer only accounts, groups and roles whose names begin
    /// so
    #[arg(long, value_name = "PREFIX", value_parser = NamePrefix::new, conflicts_with = "no_admin_prefix")]
    admin_prefix: Option<NamePrefix>,
    /// Let whoever gives orders by this role administer everything, as in a new role
    #[arg(long)]
    no_admin_prefix: bool,
}

impl Texts {
    /// The fields to change, as of a group, which has no others.
    pub(super) fn change(&self) -> GroupChange {
        let field = |text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| (!text.is_empty()).then(|| text.into()))
        };
        GroupChange {
            textname: field(&self.textname),
            textdescription: field(&self.textdescription),
        }
    }
}

impl RoleDetails {
    /// The fields of a role to change.
    pub(super) fn change(&self, now: Timestamp) -> Result<RoleChange, Failure> {
        let GroupChange {
            textname,
            textdescription,
        } = self.texts.change();
        let [valid_from, valid_until] = window(self.valid_from, self.valid_until, now)?;
        Ok(RoleChange {
            textname,
            textdescription,
            wildcard_subscriptions: match (self.wildcard_subs, self.no_wildcard_subs) {
                (_, true) => Some(WildcardSubscriptions::Deny),
                (true, false) => Some(WildcardSubscriptions::Allow),
                (false, false) => None,
            },
            valid_from,
            valid_until,
            admin_prefix: match (&self.admin_prefix, self.no_admin_prefix) {
                (_, true) => Some(None),
                (Some(prefix), false) => Some(Some(prefix.clone())),
                (None, false) => None,
            },
        })
    }
}
