//! Objects and their fields: what is there, of the right kind, or told.
//!
//! Must not: know what the file is about.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::sync::Arc;

use super::json::Json;
use super::remark::{Remark, What};
use crate::model::AccountName;
use crate::policy::{Permission, Priority};

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

/// What was read so far that is named by what follows.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) remarks: Vec<Remark>,
    pub(super) roles: HashSet<Arc<str>>,
    pub(super) accounts: HashSet<AccountName>,
}

/// An object and where it stands.
pub(super) struct Object<'a> {
    pub(super) place: String,
    fields: &'a [(String, Json)],
}

impl<'a> Object<'a> {
    pub(super) fn field(&self, name: &str) -> Option<&'a Json> {
        let mut fields = self.fields.iter();
        fields.find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(super) fn within(&self, name: &str) -> String {
        match self.place.as_str() {
            "" => name.to_owned(),
            place => format!("{place}.{name}"),
        }
    }
}

impl Reader {
    pub(super) fn note(&mut self, place: impl Into<String>, what: What) {
        let place = place.into();
        self.remarks.push(Remark { place, what });
    }

    /// The object, if it is one; fields that nobody reads are told.
    pub(super) fn object<'a>(
        &mut self,
        place: String,
        json: &'a Json,
        known: &[&str],
    ) -> Option<Object<'a>> {
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

    pub(super) fn text<'a>(&mut self, object: &Object<'a>, name: &str) -> Option<&'a str> {
        let value = object.field(name)?;
        let text = value.text();
        if text.is_none() {
            self.note(object.within(name), What::WrongKind(value.kind()));
        }
        text
    }

    pub(super) fn number(&mut self, object: &Object<'_>, name: &str) -> Option<f64> {
        let value = object.field(name)?;
        let number = value.number();
        if number.is_none() {
            self.note(object.within(name), What::WrongKind(value.kind()));
        }
        number
    }

    /// A switch that is there; one that cannot be read is as `careful` says.
    pub(super) fn switch(
        &mut self,
        object: &Object<'_>,
        name: &str,
        careful: bool,
    ) -> Option<bool> {
        let value = object.field(name)?;
        let switch = value.switch();
        if switch.is_none() {
            self.note(object.within(name), What::WrongKind(value.kind()));
        }
        switch.or(Some(careful))
    }

    pub(super) fn priority(&mut self, object: &Object<'_>, missing: Priority) -> Priority {
        let Some(number) = self.number(object, "priority").map(whole) else {
            return missing;
        };
        let priority = Priority::clamped(number);
        if i64::from(priority.number()) != number {
            self.note(object.within("priority"), What::Clamped);
        }
        priority
    }

    pub(super) fn permission(&mut self, object: &Object<'_>, name: &str) -> Permission {
        match self.switch(object, name, false) {
            Some(true) => Permission::Allow,
            Some(false) | None => Permission::Deny,
        }
    }

    pub(super) fn name<'a>(&mut self, object: &Object<'a>, field: &str) -> Option<&'a str> {
        let name = self.text(object, field);
        if name.is_none() {
            self.note(object.place.as_str(), What::NoName);
        }
        name
    }

    /// What an array of the file has in it; of those with the same key the first.
    pub(super) fn all<T>(
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

    pub(super) fn list<T>(
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
}

pub(super) fn shape(place: &'static str, wanted: &'static str, found: &Json) -> Error {
    Error::Shape {
        place,
        wanted,
        found: found.kind(),
    }
}

/// The number without what is behind the point, as C has it.
pub(super) fn whole(number: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it saturates, and no number is none"
    )]
    let number = number as i64;
    number
}
