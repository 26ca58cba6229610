//! From the text of the file to the document.
//!
//! Must not: guess. What is of the wrong kind is left out and told; a switch that cannot be read is
//! in the position that allows less.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::sync::Arc;

use super::json::Json;
use super::remark::{Remark, What};
use super::{Account, Document, Group, Holding, Member, Role, Texts};
use crate::model::{AccountName, StoredCredential};
use crate::policy::{AclType, Defaults, Permission, Priority, Rule, WildcardSubscriptions};

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No JSON.
    #[error("not JSON from line {line}, column {column} on")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Something else than a file of dynamic-security.
    #[error("{place} must be {wanted}, not {found}")]
    Shape {
        /// Which part.
        place: &'static str,
        /// What it should be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
}

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

/// What was read so far that is named by what follows.
#[derive(Default)]
struct Reader {
    remarks: Vec<Remark>,
    roles: HashSet<Arc<str>>,
    accounts: HashSet<AccountName>,
}

/// An object and where it stands.
struct Object<'a> {
    place: String,
    fields: &'a [(String, Json)],
}

impl<'a> Object<'a> {
    fn field(&self, name: &str) -> Option<&'a Json> {
        let mut fields = self.fields.iter();
        fields.find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn within(&self, name: &str) -> String {
        match self.place.as_str() {
            "" => name.to_owned(),
            place => format!("{place}.{name}"),
        }
    }
}

impl Reader {
    fn note(&mut self, place: impl Into<String>, what: What) {
        let place = place.into();
        self.remarks.push(Remark { place, what });
    }

    /// The object, if it is one; fields that nobody reads are told.
    fn object<'a>(&mut self, place: String, json: &'a Json, known: &[&str]) -> Option<Object<'a>> {
        let Json::Object(fields) = json else {
            self.note(place, What::WrongKind(json.kind()));
            return None;
        };
        let mut seen = HashSet::new();
        for (name, _) in fields {
            if !known.contains(&name.as_str()) {
                self.note(place.as_str(), What::UnknownField(name.clone()));
            } else if !seen.insert(name.as_str()) {
                self.note(place.as_str(), What::RepeatedField(name.clone()));
            }
        }
        Some(Object { place, fields })
    }

    fn text<'a>(&mut self, object: &Object<'a>, name: &str) -> Option<&'a str> {
        let value = object.field(name)?;
        let text = value.text();
        if text.is_none() {
            self.note(object.within(name), What::WrongKind(value.kind()));
        }
        text
    }

    fn number(&mut self, object: &Object<'_>, name: &str) -> Option<f64> {
        let value = object.field(name)?;
        let number = value.number();
        if number.is_none() {
            self.note(object.within(name), What::WrongKind(value.kind()));
        }
        number
    }

    /// A switch that is there; one that cannot be read is as `careful` says.
    fn switch(&mut self, object: &Object<'_>, name: &str, careful: bool) -> Option<bool> {
        let value = object.field(name)?;
        let switch = value.switch();
        if switch.is_none() {
            self.note(object.within(name), What::WrongKind(value.kind()));
        }
        switch.or(Some(careful))
    }

    fn priority(&mut self, object: &Object<'_>, missing: Priority) -> Priority {
        let Some(number) = self.number(object, "priority").map(whole) else {
            return missing;
        };
        let priority = Priority::clamped(number);
        if i64::from(priority.number()) != number {
            self.note(object.within("priority"), What::Clamped);
        }
        priority
    }

    fn permission(&mut self, object: &Object<'_>, name: &str) -> Permission {
        match self.switch(object, name, false) {
            Some(true) => Permission::Allow,
            Some(false) | None => Permission::Deny,
        }
    }

    fn name<'a>(&mut self, object: &Object<'a>, field: &str) -> Option<&'a str> {
        let name = self.text(object, field);
        if name.is_none() {
            self.note(object.place.as_str(), What::NoName);
        }
        name
    }

    /// What an array of the file has in it; of those with the same key the first.
    fn all<T>(
        &mut self,
        file: &Object<'_>,
        name: &'static str,
        read: fn(&mut Self, String, &Json) -> Option<T>,
        key: fn(&T) -> String,
    ) -> Result<Vec<T>, Error> {
        match file.field(name) {
            None | Some(Json::Array(_)) => Ok(self.list(file, name, read, key)),
            Some(other) => Err(shape(name, "an array", other)),
        }
    }

    fn list<T>(
        &mut self,
        object: &Object<'_>,
        name: &str,
        read: fn(&mut Self, String, &Json) -> Option<T>,
        key: fn(&T) -> String,
    ) -> Vec<T> {
        let items = match object.field(name) {
            None => return Vec::new(),
            Some(Json::Array(items)) => items,
            Some(other) => {
                self.note(object.within(name), What::WrongKind(other.kind()));
                return Vec::new();
            }
        };
        let (mut keys, mut list) = (HashSet::new(), Vec::new());
        for (at, json) in items.iter().enumerate() {
            let place = format!("{}[{at}]", object.within(name));
            let Some(item) = read(self, place.clone(), json) else {
                continue;
            };
            if keys.insert(key(&item)) {
                list.push(item);
            } else {
                self.note(place, What::Duplicate);
            }
        }
        list
    }

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

fn shape(place: &'static str, wanted: &'static str, found: &Json) -> Error {
    Error::Shape {
        place,
        wanted,
        found: found.kind(),
    }
}

/// The number without what is behind the point, as C has it.
fn whole(number: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it saturates, and no number is none"
    )]
    let number = number as i64;
    number
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
