//! From the text of the file to the document.
//!
//! Must not: guess. What is of the wrong kind is left out and told; a switch that cannot be read is
//! in the position that allows less.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::fields::{Error, Object, Reader, shape, whole};
use super::json::Json;
use super::remark::{Remark, What};
use super::{Account, Document, Group, Holding, Member, Role, Texts};
use crate::model::{AccountName, StoredCredential};
use crate::policy::{AclType, Defaults, Priority, Rule, WildcardSubscriptions};

/// Reads a file.
pub(super) fn document(text: &str) -> Result<(Document, Vec<Remark>), Error> {
    let json: Json = serde_json::from_str(text).map_err(|error| Error::Json {
        line: error.line(),
        column: error.column(),
    })?;
    let mut reader = Reader::default();
    let Some(file) = reader.object(String::new(), &json, FILE) else {
        return Err(shape("the file", "an object", &json));
    };
    let defaults = match file.field("defaultACLAccess") {
        None => Defaults::DENY,
        Some(section) => reader
            .defaults(section)
            .ok_or_else(|| shape("defaultACLAccess", "an object", section))?,
    };
    // What names another comes after it.
    let roles = reader.all(&file, "roles", Reader::role, |role| role.name.to_string())?;
    reader.roles = roles.iter().map(|role| Arc::clone(&role.name)).collect();
    let accounts = reader.all(&file, "clients", Reader::account, |account| {
        account.name.to_string()
    })?;
    reader.accounts = accounts
        .iter()
        .map(|account| account.name.clone())
        .collect();
    let groups = reader.all(&file, "groups", Reader::group, |group| {
        group.name.to_string()
    })?;
    let anonymous = reader.text(&file, "anonymousGroup");
    let anonymous_group = anonymous.filter(|name| !name.is_empty()).and_then(|name| {
        let known = groups.iter().find(|group| *group.name == *name);
        if known.is_none() {
            reader.note("anonymousGroup", What::NoSuch("group"));
        }
        known.map(|group| Arc::clone(&group.name))
    });
    let change_index = reader.number(&file, "changeIndex").map(whole);
    let document = Document {
        defaults,
        accounts,
        groups,
        roles,
        anonymous_group,
        change_index: change_index.and_then(|index| u64::try_from(index).ok()),
    };
    Ok((document, reader.remarks))
}

impl Reader {
    fn defaults(&mut self, json: &Json) -> Option<Defaults> {
        let section = self.object("defaultACLAccess".to_owned(), json, DEFAULTS)?;
        Some(Defaults {
            send: self.permission(&section, "publishClientSend"),
            receive: self.permission(&section, "publishClientReceive"),
            subscribe: self.permission(&section, "subscribe"),
            unsubscribe: self.permission(&section, "unsubscribe"),
        })
    }

    fn role(&mut self, place: String, json: &Json) -> Option<Role> {
        let object = self.object(place, json, ROLE)?;
        let name = self.name(&object, "rolename")?;
        let wildcards = self.switch(&object, "allowwildcardsubs", false);
        Some(Role {
            name: name.into(),
            texts: self.texts(&object),
            wildcard_subscriptions: match wildcards {
                Some(true) | None => WildcardSubscriptions::Allow,
                Some(false) => WildcardSubscriptions::Deny,
            },
            rules: self.list(&object, "acls", Self::rule, |rule| {
                format!("{} {}", rule.acl_type(), rule.template().as_str())
            }),
        })
    }

    fn rule(&mut self, place: String, json: &Json) -> Option<Rule> {
        let object = self.object(place, json, RULE)?;
        let (acl_type, topic) = (self.text(&object, "acltype"), self.text(&object, "topic"));
        let permission = self.permission(&object, "allow");
        let priority = self.priority(&object, Priority::RULE);
        let (Some(acl_type), Some(topic)) = (acl_type, topic) else {
            self.note(object.place, What::HalfRule);
            return None;
        };
        let rule = acl_type.parse::<AclType>();
        let rule = rule.and_then(|acl_type| Rule::new(acl_type, permission, topic));
        match rule {
            Ok(rule) => Some(rule.with_priority(priority)),
            Err(why) => {
                self.note(object.place, What::BadRule(why));
                None
            }
        }
    }

    fn account(&mut self, place: String, json: &Json) -> Option<Account> {
        let object = self.object(place, json, ACCOUNT)?;
        let name = self.name(&object, "username")?;
        let name = match AccountName::new(name) {
            Ok(name) => name,
            Err(why) => {
                self.note(object.place, What::BadName(why));
                return None;
            }
        };
        Some(Account {
            name,
            texts: self.texts(&object),
            disabled: self.switch(&object, "disabled", true).unwrap_or(false),
            client_id: self.text(&object, "clientid").map(Into::into),
            credential: self.credential(&object),
            roles: self.holdings(&object),
        })
    }

    fn credential(&mut self, object: &Object<'_>) -> Option<StoredCredential> {
        if let Some(encoded) = self.text(object, "encoded_password") {
            return Some(StoredCredential::marked(encoded));
        }
        let (hash, salt) = (self.text(object, "password"), self.text(object, "salt"));
        let iterations = self.number(object, "iterations").map(whole);
        match (hash, salt, iterations) {
            (None, None, None) => None,
            (Some(hash), Some(salt), Some(iterations))
                if iterations > 0 && !hash.contains('$') && !salt.contains('$') =>
            {
                let text = format!("$7${iterations}${salt}${hash}");
                Some(StoredCredential::marked(&text))
            }
            _ => {
                self.note(object.place.as_str(), What::BadCredential);
                None
            }
        }
    }

    fn group(&mut self, place: String, json: &Json) -> Option<Group> {
        let object = self.object(place, json, GROUP)?;
        let name = self.name(&object, "groupname")?;
        Some(Group {
            name: name.into(),
            texts: self.texts(&object),
            roles: self.holdings(&object),
            members: self.list(&object, "clients", Self::member, |member| {
                member.account.to_string()
            }),
        })
    }

    fn member(&mut self, place: String, json: &Json) -> Option<Member> {
        let object = self.object(place, json, MEMBER)?;
        let name = self.name(&object, "username")?;
        let priority = self.priority(&object, Priority::MEMBER);
        let account = AccountName::new(name).ok();
        let account = account.filter(|name| self.accounts.contains(name));
        if account.is_none() {
            self.note(object.place, What::NoSuch("client"));
        }
        Some(Member {
            account: account?,
            priority,
        })
    }

    fn holdings(&mut self, object: &Object<'_>) -> Vec<Holding> {
        self.list(object, "roles", Self::holding, |holding| {
            holding.role.to_string()
        })
    }

    fn holding(&mut self, place: String, json: &Json) -> Option<Holding> {
        let object = self.object(place, json, HOLDING)?;
        let name = self.name(&object, "rolename")?;
        let priority = self.priority(&object, Priority::MEMBER);
        let role = self.roles.get(name).cloned();
        if role.is_none() {
            self.note(object.place, What::NoSuch("role"));
        }
        Some(Holding {
            role: role?,
            priority,
        })
    }

    fn texts(&mut self, object: &Object<'_>) -> Texts {
        Texts {
            name: self.text(object, "textname").map(Into::into),
            description: self.text(object, "textdescription").map(Into::into),
        }
    }
}

const FILE: &[&str] = &[
    "defaultACLAccess",
    "clients",
    "groups",
    "roles",
    "anonymousGroup",
    "changeIndex",
];
const DEFAULTS: &[&str] = &[
    "publishClientSend",
    "publishClientReceive",
    "subscribe",
    "unsubscribe",
];
const ROLE: &[&str] = &[
    "rolename",
    "textname",
    "textdescription",
    "allowwildcardsubs",
    "acls",
];
const RULE: &[&str] = &["acltype", "topic", "priority", "allow"];
const ACCOUNT: &[&str] = &[
    "username",
    "clientid",
    "textname",
    "textdescription",
    "disabled",
    "roles",
    "encoded_password",
    "password",
    "salt",
    "iterations",
];
const GROUP: &[&str] = &[
    "groupname",
    "textname",
    "textdescription",
    "roles",
    "clients",
];
const MEMBER: &[&str] = &["username", "priority"];
const HOLDING: &[&str] = &["rolename", "priority"];
