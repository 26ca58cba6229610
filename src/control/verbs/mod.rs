//! The orders there are, each one function.
//!
//! Must not: write to the store but by admin commands. An order that is refused has done nothing:
//! whoever calls takes back what a verb did before it refused.
#![forbid(unsafe_code)]

mod accounts;
mod clients;
mod defaults;
mod fields;
mod groups;
mod lists;
mod members;
mod roles;
mod rules;
mod sessions;

use super::hand::{Done, Hand};
use super::letter::Order;

/// Carries out one order.
pub(super) type Verb = fn(&mut Hand<'_, '_>, &Order) -> Done;

/// The verb of this name, written in whatever case.
pub(super) fn verb(name: &str) -> Option<Verb> {
    let mut verbs = VERBS.iter();
    let found = verbs.find(|(word, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, verb)| *verb)
}

/// Whether the order of this name comes with a password to be hashed.
pub(super) fn takes_password(name: &str) -> bool {
    let names = [
        "createClient",
        "modifyClient",
        "setClientPassword",
        "rotatePassword",
    ];
    names.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// Whether the order of this name only asks.
pub(super) fn reads_only(name: &str) -> bool {
    let mut beginnings = ["get", "list"].iter();
    beginnings.any(|word| {
        name.get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    })
}

/// All of them: those of dynamic-security 2.1, and behind them our own.
const VERBS: &[(&str, Verb)] = &[
    ("addClientRole", members::add_client_role),
    ("addGroupClient", members::add_group_client),
    ("addGroupRole", members::add_group_role),
    ("addRoleACL", rules::add),
    ("createClient", clients::create),
    ("createGroup", groups::create),
    ("createRole", roles::create),
    ("deleteClient", clients::delete),
    ("deleteGroup", groups::delete),
    ("deleteRole", roles::delete),
    ("disableClient", clients::disable),
    ("enableClient", clients::enable),
    ("getAnonymousGroup", groups::get_anonymous),
    ("getClient", clients::get),
    ("getDefaultACLAccess", defaults::get),
    ("getDetails", lists::details),
    ("getGroup", groups::get),
    ("getRole", roles::get),
    ("listClients", lists::clients),
    ("listGroups", lists::groups),
    ("listRoles", lists::roles),
    ("modifyClient", clients::modify),
    ("modifyGroup", groups::modify),
    ("modifyRole", roles::modify),
    ("removeClientRole", members::remove_client_role),
    ("removeGroupClient", members::remove_group_client),
    ("removeGroupRole", members::remove_group_role),
    ("removeRoleACL", rules::remove),
    ("setAnonymousGroup", groups::set_anonymous),
    ("setClientId", clients::set_client_id),
    ("setClientPassword", clients::set_password),
    ("setDefaultACLAccess", defaults::set),
    ("dropSecondPassword", accounts::drop_second),
    ("kickClient", sessions::kick),
    ("listSessions", sessions::list),
    ("rotatePassword", accounts::rotate),
    ("setClientValidity", accounts::set_validity),
];
