//! What a token says once its signature is known to be right, held against what is wanted and the time.
//!
//! Must not: pass over a claim of the wrong kind as if it were not there, or grant what is not understood.
#![forbid(unsafe_code)]

use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::json::Object;
use super::{Fault, KeyId};
use crate::config::Jwt;
use crate::model::AccountName;

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Of whom it is.
    pub username: AccountName,
    /// Not from this moment on; none for one that never ends.
    pub until: Option<Timestamp>,
    /// The roles that it names.
    pub roles: Vec<Box<str>>,
    /// What its client may do.
    pub acl: Option<Acl>,
    /// The key that it is signed with.
    pub key: KeyId,
}

/// What a client may do, as filters of topics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Acl {
    /// It may publish to these.
    #[serde(rename = "pub", skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Box<str>>,
    /// It may subscribe to these and read them.
    #[serde(rename = "sub", skip_serializing_if = "Vec::is_empty")]
    pub subscribe: Vec<Box<str>>,
}

impl Claims {
    /// # Errors
    /// For the first thing that is not as it is wanted.
    pub(super) fn judge(
        payload: &Object,
        key: KeyId,
        wanted: &Jwt,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let until = lifetime(payload, wanted, now)?;
        meant(payload, wanted)?;
        let username = payload.text(&wanted.username)?.ok_or(Fault::Username)?;
        let roles = wanted.roles.as_ref().and_then(|name| payload.find(name));
        let acl = wanted.acl.as_ref().and_then(|name| payload.find(name));
        Ok(Self {
            username: AccountName::new(username).map_err(|_| Fault::Username)?,
            until,
            roles: roles.map(names).transpose()?.unwrap_or_default(),
            acl: acl.map(Acl::read).transpose()?,
            key,
        })
    }
}

/// When it ends, if it is good now.
fn lifetime(payload: &Object, wanted: &Jwt, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let [end, begin, issued] = ["exp", "nbf", "iat"].map(|name| moment(payload, name));
    let (end, begin, issued) = (end?, begin?, issued?);
    let late = later(now, wanted.leeway);
    if begin.into_iter().chain(issued).any(|at| at > late) {
        return Err(Fault::Early);
    }
    let Some(end) = end else {
        return match wanted.needs_end || wanted.longest.is_some() {
            true => Err(Fault::NoEnd),
            false => Ok(None),
        };
    };
    let last = later(end, wanted.leeway);
    if last <= now {
        return Err(Fault::Expired);
    }
    if let Some(longest) = wanted.longest
        && end > later(issued.unwrap_or(now), longest)
    {
        return Err(Fault::TooLongLived);
    }
    // Who comes at the very last moment is not ended at once.
    Ok(Some(if now < end { end } else { last }))
}

/// Whether it is from the right one and for us.
fn meant(payload: &Object, wanted: &Jwt) -> Result<(), Fault> {
    let issuer = payload.text("iss")?;
    if wanted.issuer.is_some() && issuer != wanted.issuer.as_deref() {
        return Err(Fault::Issuer);
    }
    let audiences = match payload.find("aud") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(all)) => texts(all, Fault::Claim)?,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            return Err(Fault::Claim);
        }
    };
    let is_ours = |audience: &&str| wanted.audiences.iter().any(|ours| ours == audience);
    match audiences.is_empty() && wanted.audiences.is_empty() || audiences.iter().any(is_ours) {
        true => Ok(()),
        false => Err(Fault::Audience),
    }
}

/// A date: seconds, whole or not.
fn moment(payload: &Object, name: &str) -> Result<Option<Timestamp>, Fault> {
    let Some(value) = payload.find(name) else {
        return Ok(None);
    };
    let seconds = value.as_i64().or_else(|| {
        let seconds = SignedDuration::try_from_secs_f64(value.as_f64()?);
        seconds.ok().map(|seconds| seconds.as_secs())
    });
    let moment = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment.map(Some).ok_or(Fault::Claim)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Names in a list, or in a text with blanks between.
fn names(value: &Value) -> Result<Vec<Box<str>>, Fault> {
    let names = match value {
        Value::String(text) => text.split_ascii_whitespace().collect(),
        Value::Array(all) => texts(all, Fault::Roles)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(Fault::Roles);
        }
    };
    match names.len() <= MOST_NAMED {
        true => Ok(names.into_iter().map(Into::into).collect()),
        false => Err(Fault::Roles),
    }
}

fn texts(all: &[Value], fault: Fault) -> Result<Vec<&str>, Fault> {
    let texts = all.iter().map(|value| value.as_str().ok_or(fault));
    texts.collect()
}

/// What is published to, what is read, and both.
const LISTS: [&str; 3] = ["pub", "sub", "all"];

impl Acl {
    fn read(value: &Value) -> Result<Self, Fault> {
        let lists = value.as_object().ok_or(Fault::Acl)?;
        let mut acl = Self::default();
        for (name, list) in lists {
            let list = list.as_array().ok_or(Fault::Acl)?;
            // One of another name may take something back.
            if !LISTS.contains(&&**name) {
                return Err(Fault::Acl);
            }
            for filter in texts(list, Fault::Acl)? {
                acl.add(name, filter)?;
            }
        }
        match acl.publish.len().saturating_add(acl.subscribe.len()) <= MOST_NAMED {
            true => Ok(acl),
            false => Err(Fault::Acl),
        }
    }

    /// Adds a topic to the list of this name: `pub`, `sub`, or both as `all`.
    ///
    /// # Errors
    /// When there is no such list.
    pub fn add(&mut self, list: &str, topic: &str) -> Result<(), Fault> {
        let [publish, subscribe, all] = LISTS.map(|name| name == list);
        let filter = filter(topic);
        if publish || all {
            self.publish.push(filter.clone());
        }
        if subscribe || all {
            self.subscribe.push(filter);
        }
        match publish || subscribe || all {
            true => Ok(()),
            false => Err(Fault::Acl),
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.publish.is_empty() && self.subscribe.is_empty()
    }

    /// What is in it, each with the name of its list.
    pub fn topics(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let [publish, subscribe, _] = LISTS;
        let published = self.publish.iter().map(move |filter| (publish, &**filter));
        published.chain(
            self.subscribe
                .iter()
                .map(move |filter| (subscribe, &**filter)),
        )
    }
}

/// `pub:TOPIC`, `sub:TOPIC` or `all:TOPIC`.
impl FromStr for Acl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let accepted = "accepted are pub:TOPIC, sub:TOPIC and all:TOPIC";
        let (list, topic) = text.split_once(':').ok_or(accepted)?;
        let mut acl = Self::default();
        acl.add(list, topic).map_err(|_| accepted)?;
        Ok(acl)
    }
}

impl Extend<Self> for Acl {
    fn extend<T: IntoIterator<Item = Self>>(&mut self, others: T) {
        for other in others {
            self.publish.extend(other.publish);
            self.subscribe.extend(other.subscribe);
        }
    }
}

/// With the placeholders that rules have.
fn filter(text: &str) -> Box<str> {
    let levels = text.split('/').map(|level| match level {
        "${username}" => "%u",
        "${clientid}" => "%c",
        other => other,
    });
    levels.collect::<Vec<_>>().join("/").into()
}

/// How many roles or filters a token may name: each login compiles them.
const MOST_NAMED: usize = 256;
