//! A file of dynamic-security and the database it was imported into, asked the same.
//!
//! Must not: use anything of what was made of the file: it is compiled as it stands.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::dynsec::{self, Document};
use crate::model::AccountName;
use crate::policy::{
    Asker, Assignment, Compiler, Holder, Membership, Priority, Question, Rights, Role,
    RoleDefinition, Rule, TooMany, Window,
};
use crate::store::Roles;
use crate::takeover::{Compiled, Error, Prover, Who, templates};

/// Asks the file itself and the database, about everybody.
pub(super) fn prove(
    document: &Document,
    roles: &mut dyn Roles,
    now: Timestamp,
) -> Result<Prover, Error> {
    let mut database = Compiled::read(roles, now)?;
    let mut compiler = Compiler::thorough();
    let compiled = compile(document, &mut compiler)?;
    let rules = document.roles.iter().flat_map(|role| &role.rules);
    let mut prover = Prover::new(rules.map(Rule::template));
    let group = |group: &dynsec::Group, priority| Membership {
        group: Arc::clone(&group.name),
        priority,
        roles: assignments(&compiled, &group.roles),
    };
    let mut memberships: HashMap<&AccountName, Vec<Membership>> = HashMap::new();
    for of in &document.groups {
        for member in &of.members {
            let groups = memberships.entry(&member.account).or_default();
            groups.push(group(of, member.priority));
        }
    }
    let mut ask = |who: Who<'_>, holder: &Holder, database: &Arc<Rights>| {
        let file = compiler.rights(holder, document.defaults, now);
        if !prover.is_new(who, database, Some(&file)) {
            return;
        }
        let all: Vec<_> = templates(&file).chain(templates(database)).collect();
        let answer =
            |asker: Asker<'_>, question: &Question<'_>| file.check(asker, question).permission;
        prover.ask(who, &all, answer, database);
    };
    for account in &document.accounts {
        let holder = Holder {
            roles: assignments(&compiled, &account.roles),
            groups: memberships.remove(&account.name).unwrap_or_default(),
        };
        let who = Who {
            username: Some(account.name.as_str()),
            client_id: account.client_id.as_deref(),
        };
        ask(who, &holder, &database.of(&roles.holdings(&account.name)?));
    }
    let anonymous = document.anonymous_group.as_ref();
    let anonymous =
        anonymous.and_then(|name| document.groups.iter().find(|group| group.name == *name));
    let holder = Holder {
        roles: Vec::new(),
        groups: anonymous
            .iter()
            .map(|of| group(of, Priority::MEMBER))
            .collect(),
    };
    let nobody = Who {
        username: None,
        client_id: None,
    };
    ask(nobody, &holder, &database.of_anonymous());
    Ok(prover)
}

/// The roles of the file, by their names.
fn compile(
    document: &Document,
    compiler: &mut Compiler,
) -> Result<HashMap<Arc<str>, Arc<Role>>, TooMany> {
    let compile = |role: &dynsec::Role| {
        let definition = RoleDefinition {
            name: Arc::clone(&role.name),
            rules: role.rules.clone(),
            wildcard_subscriptions: role.wildcard_subscriptions,
            window: Window::default(),
            admin_prefix: None,
        };
        Ok((Arc::clone(&role.name), compiler.role(definition)?))
    };
    document.roles.iter().map(compile).collect()
}

fn assignments(
    compiled: &HashMap<Arc<str>, Arc<Role>>,
    held: &[dynsec::Holding],
) -> Vec<Assignment> {
    let assignment = |held: &dynsec::Holding| {
        Some(Assignment {
            role: Arc::clone(compiled.get(&held.role)?),
            priority: held.priority,
        })
    };
    held.iter().filter_map(assignment).collect()
}
