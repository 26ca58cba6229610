//! An act on roles or groups, and what is told of it once it is done.
//!
//! Must not: tell of anything before all of it is on the disk.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use serde::Serialize;

use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::{Answer, Plain, Printer};
use crate::admin::{Command, Outcome};
use crate::model::{AccountName, GroupName, RoleName};
use crate::policy::{AclType, Grantee};

/// A command and how to tell of it.
pub(super) struct Deed {
    command: Command,
    told: Told,
}

/// What a command was about, and what it did.
#[derive(Default, Serialize)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acltype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    done: &'static str,
    /// The same for people.
    #[serde(skip)]
    text: String,
}

impl Answer for Told {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}", self.text, self.done)
    }
}

impl Deed {
    /// On a role.
    pub(super) fn role(name: &RoleName, command: Command) -> Self {
        let text = format!("role {}", Plain(name.as_str()));
        let role = Some(name.to_string());
        let told = Told {
            role,
            text,
            ..Told::default()
        };
        Self { command, told }
    }

    /// On a rule of a role; `word` is what it says now, or nothing.
    pub(super) fn rule(
        role: &RoleName,
        word: &str,
        acl_type: AclType,
        topic: &str,
        command: Command,
    ) -> Self {
        let rule = format!("{word} {acl_type} {}", Plain(topic));
        let told = Told {
            role: Some(role.to_string()),
            acltype: Some(acl_type.as_str()),
            topic: Some(topic.to_owned()),
            text: format!("{}: {}", Plain(role.as_str()), rule.trim_start()),
            ..Told::default()
        };
        Self { command, told }
    }

    /// On a group.
    pub(super) fn group(name: &GroupName, command: Command) -> Self {
        let text = format!("group {}", Plain(name.as_str()));
        let group = Some(name.to_string());
        let told = Told {
            group,
            text,
            ..Told::default()
        };
        Self { command, told }
    }

    /// On a role of an account or group.
    pub(super) fn grant(holder: &Grantee, role: &RoleName, command: Command) -> Self {
        let (user, group) = match holder {
            Grantee::Account(name) => (Some(name.to_string()), None),
            Grantee::Group(name) => (None, Some(name.to_string())),
        };
        let whose = user.as_deref().or(group.as_deref()).unwrap_or_default();
        let text = format!("{}: role {}", Plain(whose), Plain(role.as_str()));
        let told = Told {
            role: Some(role.to_string()),
            user,
            group,
            text,
            ..Told::default()
        };
        Self { command, told }
    }

    /// On a member of a group.
    pub(super) fn member(group: &GroupName, account: &AccountName, command: Command) -> Self {
        let told = Told {
            user: Some(account.to_string()),
            group: Some(group.to_string()),
            text: format!(
                "{}: member {}",
                Plain(group.as_str()),
                Plain(account.as_str())
            ),
            ..Told::default()
        };
        Self { command, told }
    }

    /// On something there is one of.
    pub(super) fn setting(name: &str, command: Command) -> Self {
        let told = Told {
            text: name.to_owned(),
            ..Told::default()
        };
        Self { command, told }
    }
}

/// Carries all out or none, and tells of each.
pub(super) fn carry_out(
    place: &PlaceArgs,
    printer: &mut Printer,
    deeds: impl IntoIterator<Item = Deed>,
) -> Result<Exit, Failure> {
    let (commands, told): (Vec<_>, Vec<_>) = deeds
        .into_iter()
        .map(|deed| (deed.command, deed.told))
        .unzip();
    let outcomes = place.open()?.apply(&commands)?;
    for (told, outcome) in told.into_iter().zip(outcomes) {
        let done = done(outcome);
        printer.answer(&Told { done, ..told })?;
    }
    Ok(Exit::Done)
}

/// The word for what was done.
pub(super) fn done(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Added => "added",
        Outcome::Changed => "changed",
        Outcome::Deleted => "deleted",
        Outcome::Unchanged => "unchanged",
    }
}
