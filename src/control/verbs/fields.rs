//! The fields that several orders have, read in the original's words.
//!
//! Must not: look into the store.
#![forbid(unsafe_code)]

use super::super::answer::Refusal;
use super::super::letter::Order;
use crate::dynsec::Json;
use crate::model::{AccountName, GroupName, NameError, RoleName};
use crate::policy::{Permission, Priority, Ranked};

/// The names for people.
pub(super) struct Texts {
    pub(super) name: Option<Box<str>>,
    pub(super) description: Option<Box<str>>,
}

impl Order {
    /// `username`.
    pub(super) fn username(&self) -> Result<AccountName, Refusal> {
        let text = self.text("username", "Invalid/missing username")?;
        AccountName::new(text)
            .map_err(|why| unfit(why, "Empty username", "Username not valid UTF-8"))
    }

    /// `groupname`.
    pub(super) fn groupname(&self) -> Result<GroupName, Refusal> {
        let text = self.text("groupname", "Invalid/missing groupname")?;
        GroupName::new(text)
            .map_err(|why| unfit(why, "Empty groupname", "Group name not valid UTF-8"))
    }

    /// `rolename`.
    pub(super) fn rolename(&self) -> Result<RoleName, Refusal> {
        let text = self.text("rolename", "Invalid/missing rolename")?;
        RoleName::new(text).map_err(|why| unfit(why, "Empty rolename", "Role name not valid UTF-8"))
    }

    /// `clientid`, where it is there: an empty one is none.
    pub(super) fn client_id(&self, wrong: &str) -> Result<Option<Option<Box<str>>>, Refusal> {
        let Some(text) = self.maybe_text("clientid", wrong)? else {
            return Ok(None);
        };
        if text.is_empty() {
            return Ok(Some(None));
        }
        AccountName::check(text).map_err(|_| Refusal::new("Client ID not valid UTF-8"))?;
        Ok(Some(Some(text.into())))
    }

    /// `textname` and `textdescription`.
    pub(super) fn texts(&self) -> Result<Texts, Refusal> {
        let name = self.maybe_text("textname", "Invalid/missing textname")?;
        let description = self.maybe_text("textdescription", "Invalid/missing textdescription")?;
        Ok(Texts {
            name: name.map(Into::into),
            description: description.map(Into::into),
        })
    }

    /// The same, where what is of the wrong kind is none.
    pub(super) fn texts_if_any(&self) -> Texts {
        let text = |name| self.field(name).and_then(Json::text).map(Into::into);
        Texts {
            name: text("textname"),
            description: text("textdescription"),
        }
    }

    /// `priority`, of a role or a group.
    pub(super) fn rank(&self) -> Priority {
        self.number("priority")
            .map_or(Priority::MEMBER, Priority::clamped)
    }

    /// `roles`: of what comes twice the first counts. None where there is no such field.
    pub(super) fn roles(&self, wrong: &str) -> Result<Option<Vec<Ranked<RoleName>>>, Refusal> {
        let Some(json) = self.field("roles") else {
            return Ok(None);
        };
        let Json::Array(items) = json else {
            return Err(Refusal::new(wrong));
        };
        let mut roles: Vec<Ranked<RoleName>> = Vec::new();
        for item in items {
            let name = named(item, "rolename").ok_or_else(|| Refusal::new(wrong))?;
            // A name that no role can have is that of no role.
            let name = RoleName::new(name).map_err(|_| Refusal::new("Role not found"))?;
            if roles.iter().all(|role| role.name != name) {
                let priority = priority(item);
                roles.push(Ranked { name, priority });
            }
        }
        Ok(Some(roles))
    }
}

/// The name in an element of a list.
pub(super) fn named<'a>(item: &'a Json, key: &str) -> Option<&'a str> {
    item.field(key).and_then(Json::text)
}

/// The priority of an element of a list.
pub(super) fn priority(item: &Json) -> Priority {
    let number = item.field("priority").and_then(Json::whole);
    number.map_or(Priority::MEMBER, Priority::clamped)
}

/// A switch that says yes or no.
pub(super) fn permission(allow: bool) -> Permission {
    if allow {
        Permission::Allow
    } else {
        Permission::Deny
    }
}

fn unfit(why: NameError, empty: &str, other: &str) -> Refusal {
    match why {
        NameError::Empty => Refusal::new(empty),
        NameError::TooLong(_) | NameError::Control => Refusal::new(other),
    }
}
