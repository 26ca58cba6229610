//! A role as it is shown, and whoever holds something.
//!
//! Must not: order rules in a way of its own: they are shown as they are asked.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::print::{Answer, Plain};
use crate::model::GroupName;
use crate::policy::{Ranked, StoredRole, WildcardSubscriptions};
use crate::reasons::RuleView;
use crate::store::{Holders, Wanted};

/// How many holders are named.
#[derive(Args, Debug)]
pub(super) struct HoldersArg {
    /// Name every account, not only the first 20
    #[arg(long)]
    all: bool,
}

/// One role with all its fields.
#[derive(Serialize)]
pub(super) struct RoleView {
    name: String,
    textname: Option<Box<str>>,
    textdescription: Option<Box<str>>,
    wildcard_subs: bool,
    valid_from: Option<String>,
    valid_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_prefix: Option<String>,
    rules: Vec<RuleView>,
    accounts: u64,
    first_accounts: Vec<RankedView>,
    groups: Vec<RankedView>,
    /// Whether it holds just now.
    #[serde(skip)]
    state: &'static str,
}

/// A name and a priority.
#[derive(Serialize)]
pub(super) struct RankedView {
    name: String,
    priority: i32,
}

/// One role as a line of the list.
#[derive(Serialize)]
pub(super) struct RoleLine {
    name: String,
    textname: Option<Box<str>>,
    rules: usize,
    #[serde(skip)]
    state: &'static str,
}

impl HoldersArg {
    /// How many names to ask for.
    pub(super) fn wanted(&self) -> Wanted {
        if self.all {
            Wanted::All
        } else {
            Wanted::First(20)
        }
    }
}

impl RankedView {
    /// A name among others.
    pub(super) fn new<T: ToString>(ranked: &Ranked<T>) -> Self {
        Self {
            name: ranked.name.to_string(),
            priority: ranked.priority.number(),
        }
    }

    /// The names of a list, with the priorities that are not the ordinary one.
    pub(super) fn list(all: &[Self]) -> String {
        let each = all.iter().map(|Self { name, priority }| match priority {
            -1 => Plain(name).to_string(),
            _ => format!("{} ({priority})", Plain(name)),
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// How many accounts there are, and the first of them.
    pub(super) fn some(count: u64, first: &[Self]) -> String {
        let shown = u64::try_from(first.len()).unwrap_or(u64::MAX);
        match (count, shown) {
            (0, _) => "none".to_owned(),
            (_, 0) => count.to_string(),
            _ if shown < count => format!("{count}: {}, ...", Self::list(first)),
            _ => format!("{count}: {}", Self::list(first)),
        }
    }
}

impl RoleView {
    /// The view of a role at a moment, held by nobody.
    pub(super) fn new(role: &StoredRole, now: Timestamp) -> Self {
        Self {
            name: role.name.to_string(),
            textname: role.textname.clone(),
            textdescription: role.textdescription.clone(),
            wildcard_subs: role.wildcard_subscriptions == WildcardSubscriptions::Allow,
            valid_from: role.window.from.map(|at| at.to_string()),
            valid_until: role.window.until.map(|at| at.to_string()),
            admin_prefix: role.admin_prefix.as_ref().map(ToString::to_string),
            rules: role
                .rules_as_asked()
                .into_iter()
                .map(RuleView::new)
                .collect(),
            accounts: 0,
            first_accounts: Vec::new(),
            groups: Vec::new(),
            state: role.window.state(now),
        }
    }

    /// The same with whoever holds it.
    pub(super) fn held_by(self, holders: &Holders, groups: &[Ranked<GroupName>]) -> Self {
        Self {
            accounts: holders.accounts,
            first_accounts: holders.first.iter().map(RankedView::new).collect(),
            groups: groups.iter().map(RankedView::new).collect(),
            ..self
        }
    }
}

impl Answer for RoleView {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = |label: &str, text: &str| writeln!(out, "{label:<18}{text}");
        line("name", &Plain(&self.name).to_string())?;
        line("state", self.state)?;
        for (label, text) in [
            ("text name", &self.textname),
            ("description", &self.textdescription),
        ] {
            if let Some(text) = text {
                line(label, &Plain(text).to_string())?;
            }
        }
        for (label, text) in [
            ("valid from", &self.valid_from),
            ("valid until", &self.valid_until),
        ] {
            if let Some(text) = text {
                line(label, text)?;
            }
        }
        if !self.wildcard_subs {
            line("wildcard subs", "denied, before any rule is asked")?;
        }
        if let Some(prefix) = &self.admin_prefix {
            let names = format!("names that begin with {}", Plain(prefix));
            line("administers", &names)?;
        }
        line(
            "accounts",
            &RankedView::some(self.accounts, &self.first_accounts),
        )?;
        if !self.groups.is_empty() {
            line("groups", &RankedView::list(&self.groups))?;
        }
        if self.rules.is_empty() {
            return line("rules", "none");
        }
        line("rules", "in the order they are asked")?;
        for rule in &self.rules {
            writeln!(out, "{}", rule.row())?;
        }
        Ok(())
    }
}

impl RoleLine {
    /// The line of a role at a moment.
    pub(super) fn new(role: &StoredRole, now: Timestamp) -> Self {
        Self {
            name: role.name.to_string(),
            textname: role.textname.clone(),
            rules: role.rules.len(),
            state: role.window.state(now),
        }
    }
}

impl Answer for RoleLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            name,
            textname,
            rules,
            state,
        } = self;
        let mut line = format!("{:<24} {state:<13} {rules} rules", Plain(name));
        if let Some(textname) = textname {
            // Writing to a String cannot fail.
            let _infallible = write!(line, "  {}", Plain(textname));
        }
        writeln!(out, "{line}")
    }
}
