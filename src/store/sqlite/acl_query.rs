//! Somebody else's database, asked with one `SELECT` what an account may do.
//!
//! Must not: make the best of an answer it does not understand: a filter that is none or a number that
//! means nothing, and the account is denied everything. No row at all is no opinion.
#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::connection::Slot;
use super::foreign::{switch, text};
use super::statement::{Form, asks_client_id, bind};
use crate::policy::{
    AclType, Asker, Assignment, Compiler, Defaults, Holder, Holding, Permission, Priority,
    RoleDefinition, Rule, WildcardSubscriptions, Window,
};
use crate::store::{Error, Granted, Grantor};

/// What the statement may be.
pub(super) const QUERY: Form = Form {
    option: "database_acl_query",
    leading: "filter and access",
    columns: 2,
    named: &["allow", "priority"],
};

/// A foreign database as it is asked what somebody may do.
pub(super) struct AclQuery {
    slot: Arc<Slot>,
    sql: String,
    asks_client_id: bool,
    compiler: Mutex<Compiler>,
}

impl AclQuery {
    pub(super) fn new(slot: Arc<Slot>, sql: &str) -> Result<Self, Error> {
        let asks_client_id = slot.ask(|connection| asks_client_id(connection, sql))?;
        Ok(Self {
            slot,
            sql: sql.to_owned(),
            asks_client_id,
            compiler: Mutex::new(Compiler::quick()),
        })
    }

    fn compiler(&self) -> MutexGuard<'_, Compiler> {
        // A panic elsewhere leaves what it shares whole.
        self.compiler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grantor for AclQuery {
    fn grant(&self, asker: Asker<'_>, now: Timestamp) -> Result<Option<Granted>, Error> {
        let Some(username) = asker.username else {
            return Ok(None);
        };
        let corrupt = |why| Error::Corrupt {
            path: self.slot.path().to_owned(),
            why,
        };
        let rules = self
            .slot
            .ask(|connection| ask(connection, &self.sql, username, asker.client_id))?
            .map_err(corrupt)?;
        if rules.is_empty() {
            return Ok(None);
        }
        let definition = RoleDefinition {
            name: QUERY.option.into(),
            rules,
            wildcard_subscriptions: WildcardSubscriptions::Allow,
            window: Window::default(),
            admin_prefix: None,
        };
        let mut compiler = self.compiler();
        let role = compiler
            .role(definition)
            .map_err(|error| corrupt(error.to_string()))?;
        let holder = Holder {
            roles: vec![Assignment {
                role,
                priority: Priority::MEMBER,
            }],
            groups: Vec::new(),
        };
        Ok(Some(Granted {
            rights: compiler.rights(&holder, DEFAULTS, now),
            holding: Holding::default(),
        }))
    }

    /// Nothing but the database says anything, and it is asked when it changes.
    fn renew(&self, granted: &Granted, _: Timestamp) -> Result<Granted, Error> {
        Ok(granted.clone())
    }

    fn asks_client_id(&self) -> bool {
        self.asks_client_id
    }

    fn is_asked_at_login(&self) -> bool {
        true
    }
}

fn ask(
    connection: &Connection,
    sql: &str,
    username: &str,
    client_id: Option<&str>,
) -> rusqlite::Result<Result<Vec<Rule>, String>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, username, client_id)?;
    let mut rows = statement.raw_query();
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match rules(row) {
            Ok(rules) => all.extend(rules),
            Err(why) => return Ok(Err(format!("{}: {why}", QUERY.option))),
        }
    }
    Ok(Ok(all))
}

/// The rules of a row: one for each kind of access.
fn rules(row: &Row<'_>) -> Result<Vec<Rule>, String> {
    let value = |index| row.get_ref(index).map_err(|error| error.to_string());
    let filter = text(value(0)?, "filter")?.ok_or("a filter is NULL")?;
    let types = types(value(1)?)?;
    let mut permission = Permission::Allow;
    let mut priority = Priority::RULE;
    for (index, name) in row.as_ref().column_names().enumerate().skip(QUERY.columns) {
        match name.to_ascii_lowercase().as_str() {
            "allow" => {
                permission = match switch(value(index)?, name)? {
                    true => Permission::Allow,
                    false => Permission::Deny,
                }
            }
            "priority" => match value(index)? {
                ValueRef::Integer(number) => priority = Priority::clamped(number),
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
                    return Err("column \"priority\" is no integer".to_owned());
                }
            },
            _ => return Err(format!("an unknown column {name:?}")),
        }
    }
    let rule = |acl_type| {
        let rule = Rule::new(acl_type, permission, &filter)
            .map_err(|error| format!("filter {filter:?}: {error}"))?;
        Ok(rule.with_priority(priority))
    };
    types.into_iter().map(rule).collect()
}

/// The numbers are those of mosquitto-go-auth and of Mosquitto's `MOSQ_ACL_`.
fn types(access: ValueRef<'_>) -> Result<Vec<AclType>, String> {
    let unknown =
        || "an access is neither a number from 1 to 7 nor the name of an ACL type".to_owned();
    match access {
        ValueRef::Integer(number @ 1..=7) => {
            let bits = [
                (1, AclType::PublishClientReceive),
                (2, AclType::PublishClientSend),
                (4, AclType::SubscribePattern),
            ];
            let of = bits.into_iter().filter(|(bit, _)| number & bit != 0);
            Ok(of.map(|(_, acl_type)| acl_type).collect())
        }
        ValueRef::Text(_) => {
            let name = text(access, "access")?.unwrap_or_default();
            Ok(vec![name.parse().map_err(|_| unknown())?])
        }
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
            Err(unknown())
        }
    }
}

/// What the rows do not speak of. mosquitto-go-auth is never asked about an UNSUBSCRIBE.
const DEFAULTS: Defaults = Defaults {
    unsubscribe: Permission::Allow,
    ..Defaults::DENY
};

#[cfg(test)]
mod tests {
    use super::*;
    use AclType::{
        PublishClientReceive as Receive, PublishClientSend as Send, SubscribePattern as Subscribe,
    };

    #[test]
    fn each_number_is_the_sum_of_what_it_grants_and_only_four_grants_subscribing() {
        let table: [(i64, &[AclType]); 7] = [
            (1, &[Receive]),
            (2, &[Send]),
            // As mosquitto-go-auth has it: to read and write is not to subscribe.
            (3, &[Receive, Send]),
            (4, &[Subscribe]),
            (5, &[Receive, Subscribe]),
            (6, &[Send, Subscribe]),
            (7, &[Receive, Send, Subscribe]),
        ];
        for (number, granted) in table {
            assert_eq!(
                types(ValueRef::Integer(number)).unwrap(),
                granted,
                "{number}"
            );
        }
        for number in [i64::MIN, -1, 0, 8, i64::MAX] {
            assert!(types(ValueRef::Integer(number)).is_err(), "{number}");
        }
        assert!(types(ValueRef::Text(b"3")).is_err() && types(ValueRef::Real(3.0)).is_err());
        let named = types(ValueRef::Text(b"subscribeLiteral"));
        assert_eq!(named.unwrap(), [AclType::SubscribeLiteral]);
    }
}
