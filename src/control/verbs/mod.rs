//! The orders there are, each one function.
//!
//! Must not: write to the store but by admin commands. An order that is refused has done nothing:
//! whoever calls takes back what a verb did before it refused.
#![forbid(unsafe_code)]

mod accounts;
mod bans;
mod clients;
mod defaults;
mod explain;
mod fields;
mod groups;
mod import;
mod lists;
mod members;
mod roles;
mod rules;
mod sessions;
mod whole;

use super::hand::{Done, Hand};
use super::letter::Order;

/// One kind of order.
#[derive(Debug)]
pub(super) struct Verb {
    /// Its name.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Carries one out.
    pub(super) act: fn(&mut Hand<'_, '_>, &Order) -> Done,
}

/// What an order does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It asks.
    Asks,
    /// It changes something.
    Changes,
    /// It may come with a password, which is hashed before it is carried out.
    SetsPassword,
    /// It has clients in it that may come with passwords, which are hashed before.
    Imports,
}

/// The verb of this name, written in whatever case.
pub(super) fn verb(name: &str) -> Option<&'static Verb> {
    let mut verbs = VERBS.iter();
    verbs.find(|verb| verb.name.eq_ignore_ascii_case(name))
}

const fn asks(name: &'static str, act: fn(&mut Hand<'_, '_>, &Order) -> Done) -> Verb {
    Verb {
        name,
        kind: Kind::Asks,
        act,
    }
}

const fn changes(name: &'static str, act: fn(&mut Hand<'_, '_>, &Order) -> Done) -> Verb {
    Verb {
        name,
        kind: Kind::Changes,
        act,
    }
}

const fn sets_password(name: &'static str, act: fn(&mut Hand<'_, '_>, &Order) -> Done) -> Verb {
    Verb {
        name,
        kind: Kind::SetsPassword,
        act,
    }
}

/// All of them: those of dynamic-security 2.1, and behind them our own.
const VERBS: &[Verb] = &[
    changes("addClientRole", members::add_client_role),
    changes("addGroupClient", members::add_group_client),
    changes("addGroupRole", members::add_group_role),
    changes("addRoleACL", rules::add),
    sets_password("createClient", clients::create),
    changes("createGroup", groups::create),
    changes("createRole", roles::create),
    changes("deleteClient", clients::delete),
    changes("deleteGroup", groups::delete),
    changes("deleteRole", roles::delete),
    changes("disableClient", clients::disable),
    changes("enableClient", clients::enable),
    asks("getAnonymousGroup", groups::get_anonymous),
    asks("getClient", clients::get),
    asks("getDefaultACLAccess", defaults::get),
    asks("getDetails", lists::details),
    asks("getGroup", groups::get),
    asks("getRole", roles::get),
    asks("listClients", lists::clients),
    asks("listGroups", lists::groups),
    asks("listRoles", lists::roles),
    sets_password("modifyClient", clients::modify),
    changes("modifyGroup", groups::modify),
    changes("modifyRole", roles::modify),
    changes("removeClientRole", members::remove_client_role),
    changes("removeGroupClient", members::remove_group_client),
    changes("removeGroupRole", members::remove_group_role),
    changes("removeRoleACL", rules::remove),
    changes("setAnonymousGroup", groups::set_anonymous),
    changes("setClientId", clients::set_client_id),
    sets_password("setClientPassword", clients::set_password),
    changes("setDefaultACLAccess", defaults::set),
    changes("addClientCertificate", accounts::add_certificate),
    changes("applyCommands", whole::apply),
    changes("clearBan", bans::clear),
    changes("dropSecondPassword", accounts::drop_second),
    Verb {
        name: "importClients",
        kind: Kind::Imports,
        act: import::import,
    },
    changes("importCommands", whole::import),
    changes("kickClient", sessions::kick),
    asks("explain", explain::explain),
    asks("listBans", bans::list),
    asks("listSessions", sessions::list),
    changes("pruneAudit", whole::prune),
    asks("queryStore", whole::ask),
    changes("removeClientCertificate", accounts::remove_certificate),
    sets_password("rotatePassword", accounts::rotate),
    changes("setClientValidity", accounts::set_validity),
];
