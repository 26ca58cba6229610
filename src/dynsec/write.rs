//! From the document to the text of the file.
//!
//! Must not: leave anything to a reader's defaults: what decides something is written, and a password
//! in the form that 2.0 reads too where it has one.
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};

use super::{Account, Document, Group, Holding, Member, Role, Texts};
use crate::model::{Scheme, StoredCredential};
use crate::policy::{Permission, Rule, WildcardSubscriptions};

/// The file.
pub(super) fn document(document: &Document) -> String {
    let defaults = document.defaults;
    let mut file = Map::new();
    file.insert(
        "defaultACLAccess".to_owned(),
        json!({
            "publishClientSend": allows(defaults.send),
            "publishClientReceive": allows(defaults.receive),
            "subscribe": allows(defaults.subscribe),
            "unsubscribe": allows(defaults.unsubscribe),
        }),
    );
    file.insert("clients".to_owned(), all(&document.accounts, account));
    file.insert("groups".to_owned(), all(&document.groups, group));
    file.insert("roles".to_owned(), all(&document.roles, role));
    if let Some(name) = &document.anonymous_group {
        file.insert("anonymousGroup".to_owned(), json!(**name));
    }
    if let Some(index) = document.change_index {
        file.insert("changeIndex".to_owned(), json!(index));
    }
    // Alternate form is the indented one.
    let mut text = format!("{:#}", Value::Object(file));
    text.push('\n');
    text
}

fn account(account: &Account) -> Value {
    let mut fields = named("username", account.name.as_str(), &account.texts);
    if let Some(client_id) = &account.client_id {
        fields.insert("clientid".to_owned(), json!(**client_id));
    }
    if account.disabled {
        fields.insert("disabled".to_owned(), json!(true));
    }
    fields.insert("roles".to_owned(), all(&account.roles, holding));
    if let Some(credential) = &account.credential {
        match parts(credential) {
            Some((iterations, salt, hash)) => {
                fields.insert("password".to_owned(), json!(hash));
                fields.insert("salt".to_owned(), json!(salt));
                fields.insert("iterations".to_owned(), json!(iterations));
            }
            None => {
                fields.insert("encoded_password".to_owned(), json!(*credential.text));
            }
        }
    }
    Value::Object(fields)
}

fn group(group: &Group) -> Value {
    let mut fields = named("groupname", &group.name, &group.texts);
    fields.insert("roles".to_owned(), all(&group.roles, holding));
    fields.insert("clients".to_owned(), all(&group.members, member));
    Value::Object(fields)
}

fn role(role: &Role) -> Value {
    let mut fields = named("rolename", &role.name, &role.texts);
    let wildcards = role.wildcard_subscriptions == WildcardSubscriptions::Allow;
    fields.insert("allowwildcardsubs".to_owned(), json!(wildcards));
    fields.insert("acls".to_owned(), all(&role.rules, rule));
    Value::Object(fields)
}

fn rule(rule: &Rule) -> Value {
    json!({
        "acltype": rule.acl_type().as_str(),
        "topic": rule.template().as_str(),
        "priority": rule.priority().number(),
        "allow": allows(rule.permission()),
    })
}

fn holding(holding: &Holding) -> Value {
    json!({ "rolename": *holding.role, "priority": holding.priority.number() })
}

fn member(member: &Member) -> Value {
    json!({ "username": member.account.as_str(), "priority": member.priority.number() })
}

fn named(field: &str, name: &str, texts: &Texts) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert(field.to_owned(), json!(name));
    if let Some(text) = &texts.name {
        fields.insert("textname".to_owned(), json!(**text));
    }
    if let Some(text) = &texts.description {
        fields.insert("textdescription".to_owned(), json!(**text));
    }
    fields
}

fn all<T>(items: &[T], write: fn(&T) -> Value) -> Value {
    items.iter().map(write).collect()
}

fn allows(permission: Permission) -> bool {
    permission == Permission::Allow
}

/// The iterations, salt and hash of a `$7$` entry that can be put together again from them.
fn parts(credential: &StoredCredential) -> Option<(u32, &str, &str)> {
    if credential.scheme != Scheme::Marked || credential.salt.is_some() {
        return None;
    }
    let rest = credential.text.strip_prefix("$7$")?;
    let (iterations, rest) = rest.split_once('$')?;
    let (salt, hash) = rest.split_once('$')?;
    let number: u32 = iterations.parse().ok().filter(|number| *number > 0)?;
    (number.to_string() == iterations && !hash.contains('$')).then_some((number, salt, hash))
}
