//! The JSON objects that a token is made of: no deeper than anybody needs, and nothing said twice.
//!
//! Must not: take one kind of value for another, or the last of two for the one that counts.
#![forbid(unsafe_code)]

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::Fault;

/// An object.
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Reads one.
    ///
    /// # Errors
    /// Where there is none, or one that says something twice or is too deep.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        if depth(bytes) > DEEPEST {
            return Err(Fault::TooDeep);
        }
        serde_json::from_slice(bytes).map_err(|error| match error.to_string().starts_with(TWICE) {
            true => Fault::Twice,
            false => Fault::Json,
        })
    }

    /// What it says under a name: as it is written, or with a dot for each object within another.
    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let mut names = name.split('.');
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_object()?.get(name))
    }

    /// The text under a name, if there is anything.
    ///
    /// # Errors
    /// Where there is something else.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        let value = self.find(name);
        value
            .map(|value| value.as_str().ok_or(Fault::Claim))
            .transpose()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom(TWICE));
                    }
                }
                Ok(Object(map))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// How deep brackets stand in brackets, outside of texts.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0_usize);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now = now.saturating_add(1);
                most = most.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// No issuer nests claims like this.
const DEEPEST: usize = 16;

const TWICE: &str = "said twice";

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<Fault> {
        Object::read(text.as_bytes()).err()
    }

    #[test]
    fn an_object_says_each_thing_once_and_is_not_deep() {
        assert_eq!(fault(r#"{"a": 1, "b": {"a": 2}}"#), None);
        assert_eq!(fault(r#"{"a": 1, "a": 1}"#), Some(Fault::Twice));
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            format!("{{\"a\": {open}{close}}}")
        };
        assert_eq!(fault(&nested(16)), None);
        assert_eq!(fault(&nested(17)), Some(Fault::TooDeep));
        assert_eq!(fault(&nested(100_000)), Some(Fault::TooDeep));
        assert_eq!(fault(r#"{"a": "[[[[[[[[[[[[[[[[[[\"[["}"#), None);
        for text in ["", "[]", "7", "{} {}", "{", "\u{feff}{}", "{\"a\": \u{1}}"] {
            assert_eq!(fault(text), Some(Fault::Json), "{text}");
        }
    }

    #[test]
    fn a_name_is_taken_as_written_before_it_is_a_path() {
        let text = r#"{"a.b": 1, "a": {"b": 2, "c": {"d": 3}}, "https://x.org/roles": 4}"#;
        let object = Object::read(text.as_bytes()).unwrap();
        let find = |name| object.find(name).and_then(Value::as_i64);
        assert_eq!(find("a.b"), Some(1));
        assert_eq!(find("a.c.d"), Some(3));
        assert_eq!(find("https://x.org/roles"), Some(4));
        for name in ["a", "a.c.d.e", "b", "", ".", "a..b"] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
