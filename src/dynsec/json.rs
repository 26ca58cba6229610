//! JSON as dynamic-security's reader sees it: of a name that comes twice the first counts.
//!
//! Must not: be shown. Its texts may be secrets, so it has no `Debug` and errors tell places only.
#![forbid(unsafe_code)]

use std::fmt;

use super::fields::whole;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A value.
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, in the order of the file.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The field of this name in any case, if it is an object that has one; of those that come twice the
    /// first.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else {
            return None;
        };
        let mut fields = fields.iter();
        let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// The same, taken out.
    #[must_use]
    pub fn into_field(self, name: &str) -> Option<Self> {
        let Self::Object(fields) = self else {
            return None;
        };
        let mut fields = fields.into_iter();
        let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            return Some(text);
        }
        None
    }

    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self {
            return Some(*number);
        }
        None
    }

    /// The number without what is behind the point, if it is one.
    #[must_use]
    pub fn whole(&self) -> Option<i64> {
        self.number().map(whole)
    }

    /// The same for readers of other JSON: of a name that comes twice the first counts here too, and a
    /// number without anything behind the point is whole.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => match number.fract() == 0.0 {
                true => whole(*number).into(),
                false => (*number).into(),
            },
            Self::Text(text) => Value::String(text.clone()),
            Self::Array(items) => items.iter().map(Self::value).collect(),
            Self::Object(fields) => {
                let mut object = Map::new();
                for (key, value) in fields {
                    object.entry(key).or_insert_with(|| value.value());
                }
                Value::Object(object)
            }
        }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn switch(&self) -> Option<bool> {
        if let Self::Bool(value) = self {
            return Some(*value);
        }
        None
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "cJSON has doubles only; what is read here is a priority or a count"
        )]
        Ok(Json::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "cJSON has doubles only; what is read here is a priority or a count"
        )]
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Json::Object(fields))
    }
}
