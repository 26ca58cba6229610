//! An ACL file and the database it was imported into, asked the same.
//!
//! Must not: ask the file about lines that were told not to be carried over; that they differ is known.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::sync::Arc;

use super::user;
use crate::cli::clock;
use crate::cli::exit::Failure;
use crate::model::AccountName;
use crate::policy::acl_file::{AclFile, Section};
use crate::policy::{Asker, Holdings, Permission, Question, Rights};
use crate::store::Roles;
use crate::takeover::{Compiled, Prover, Who, templates};

/// Asks the file, without what was told, and the database.
pub(super) fn prove(
    carried: &AclFile,
    holdings: &[(AccountName, Option<Holdings>)],
    not_asked: &HashSet<AccountName>,
    roles: &mut dyn Roles,
) -> Result<Prover, Failure> {
    let mut database = Compiled::read(roles, clock::now())?;
    let rules = carried.rules();
    let named: HashSet<&str> = rules.iter().filter_map(user).collect();
    let mut prover = Prover::new(rules.iter().map(|rule| &rule.template));
    // No default opens $CONTROL, and that was told.
    let file = |asker: Asker<'_>, question: &Question<'_>| match question {
        Question::Subscribe(filter, _) | Question::Unsubscribe(filter)
            if filter.plain().starts_with("$CONTROL") =>
        {
            Permission::Deny
        }
        Question::Send(..)
        | Question::Receive(..)
        | Question::Subscribe(..)
        | Question::Unsubscribe(..) => carried.check(asker, question).permission,
    };
    let mut ask = |name: Option<&str>, rights: &Arc<Rights>| {
        let who = Who {
            username: name,
            client_id: None,
        };
        let has_section = name.is_none_or(|name| named.contains(name));
        if !has_section && !prover.is_new(who, rights, None) {
            return;
        }
        let concerned = rules.iter().filter(|rule| match &rule.section {
            Section::Anonymous => name.is_none(),
            Section::User(user) => name == Some(user),
            Section::Pattern => true,
        });
        let concerned = concerned.map(|rule| &rule.template);
        let all: Vec<_> = concerned.chain(templates(rights)).collect();
        prover.ask(who, &all, file, rights);
    };
    for (name, held) in holdings {
        if not_asked.contains(name) {
            continue;
        }
        let rights = match held {
            Some(held) => database.of(held),
            None => database.of(&roles.holdings(name)?),
        };
        ask(Some(name.as_str()), &rights);
    }
    ask(None, &database.of_anonymous());
    Ok(prover)
}
