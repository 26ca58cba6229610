//! A group as it is shown.
//!
//! Must not: list a million members unasked.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use serde::Serialize;

use super::print::{Answer, Plain};
use super::role_view::RankedView;
use crate::policy::StoredGroup;
use crate::store::Holders;

/// One group with its roles and members.
#[derive(Serialize)]
pub(super) struct GroupView {
    name: String,
    textname: Option<Box<str>>,
    textdescription: Option<Box<str>>,
    anonymous: bool,
    roles: Vec<RankedView>,
    accounts: u64,
    first_accounts: Vec<RankedView>,
}

/// One group as a line of the list.
#[derive(Serialize)]
pub(super) struct GroupLine {
    name: String,
    textname: Option<Box<str>>,
    roles: Vec<RankedView>,
}

impl GroupView {
    /// The view of a group and its members.
    pub(super) fn new(group: &StoredGroup, members: &Holders) -> Self {
        Self {
            name: group.name.to_string(),
            textname: group.textname.clone(),
            textdescription: group.textdescription.clone(),
            anonymous: false,
            roles: group.roles.iter().map(RankedView::new).collect(),
            accounts: members.accounts,
            first_accounts: members.first.iter().map(RankedView::new).collect(),
        }
    }

    /// The same, of the group that clients without a username have.
    pub(super) fn of_the_anonymous(self) -> Self {
        Self {
            anonymous: true,
            ..self
        }
    }
}

impl Answer for GroupView {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = |label: &str, text: &str| writeln!(out, "{label:<18}{text}");
        line("name", &Plain(&self.name).to_string())?;
        for (label, text) in [
            ("text name", &self.textname),
            ("description", &self.textdescription),
        ] {
            if let Some(text) = text {
                line(label, &Plain(text).to_string())?;
            }
        }
        if self.anonymous {
            line("anonymous", "clients without a username have its roles")?;
        }
        let roles = RankedView::list(&self.roles);
        line("roles", if roles.is_empty() { "none" } else { &roles })?;
        line(
            "members",
            &RankedView::some(self.accounts, &self.first_accounts),
        )
    }
}

impl GroupLine {
    /// The line of a group.
    pub(super) fn new(group: &StoredGroup) -> Self {
        Self {
            name: group.name.to_string(),
            textname: group.textname.clone(),
            roles: group.roles.iter().map(RankedView::new).collect(),
        }
    }
}

impl Answer for GroupLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = format!("{:<24}", Plain(&self.name));
        let roles = RankedView::list(&self.roles);
        writeln!(out, "{}", format!("{name} {roles}").trim_end())
    }
}
