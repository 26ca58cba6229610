//! An account as it is shown: everything but the credential's text.
//!
//! Must not: carry a stored credential. It says only of which kind and how costly it is.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::print::{Answer, Plain};
use super::role_view::RankedView;
use crate::config::CostLimits;
use crate::credential::Credential;
use crate::model::{Account, StoredCredential};
use crate::policy::Holdings;

/// One account with all its fields.
#[derive(Serialize)]
pub(super) struct AccountView {
    name: String,
    disabled: bool,
    valid_from: Option<String>,
    valid_until: Option<String>,
    client_id: Option<Box<str>>,
    networks: Vec<String>,
    textname: Option<Box<str>>,
    textdescription: Option<Box<str>>,
    notes: String,
    last_login: Option<String>,
    credential: Option<CredentialView>,
    second_credential: Option<CredentialView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<RankedView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<RankedView>>,
    /// Why it is refused just now, whatever the password; for the list.
    #[serde(skip)]
    state: &'static str,
}

/// What is told about a credential.
#[derive(Serialize)]
#[serde(untagged)]
enum CredentialView {
    Usable { kind: String },
    Unusable { unusable: String },
}

impl AccountView {
    /// The view of an account at a moment.
    pub(super) fn new(account: &Account, now: Timestamp) -> Self {
        Self {
            name: account.name.as_str().to_owned(),
            disabled: account.disabled,
            valid_from: account.valid_from.map(|at| at.to_string()),
            valid_until: account.valid_until.map(|at| at.to_string()),
            client_id: account.client_id.clone(),
            networks: account.networks.iter().map(ToString::to_string).collect(),
            textname: account.textname.clone(),
            textdescription: account.textdescription.clone(),
            notes: account.notes.to_string(),
            last_login: account.last_login.map(|at| at.to_string()),
            credential: account.credential.as_ref().map(CredentialView::new),
            second_credential: account.second_credential.as_ref().map(CredentialView::new),
            roles: None,
            groups: None,
            state: state(account, now),
        }
    }

    /// The same with its roles and groups, where the place keeps such.
    pub(super) fn holding(self, holdings: &Holdings) -> Self {
        Self {
            roles: Some(holdings.roles.iter().map(RankedView::new).collect()),
            groups: Some(holdings.groups.iter().map(RankedView::new).collect()),
            ..self
        }
    }
}

fn state(account: &Account, now: Timestamp) -> &'static str {
    if account.disabled {
        "disabled"
    } else if account.valid_from.is_some_and(|from| now < from) {
        "not yet valid"
    } else if account.valid_until.is_some_and(|until| now >= until) {
        "expired"
    } else if account.credentials().next().is_none() {
        "no password"
    } else {
        "enabled"
    }
}

impl CredentialView {
    fn new(stored: &StoredCredential) -> Self {
        match Credential::parse(stored, &CostLimits::STANDARD) {
            Ok(credential) => Self::Usable {
                kind: credential.kind(),
            },
            Err(error) => Self::Unusable {
                unusable: error.to_string(),
            },
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Usable { kind } => kind.clone(),
            Self::Unusable { unusable } => format!("unusable: {unusable}"),
        }
    }
}

impl Answer for AccountView {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = |label: &str, text: &str| writeln!(out, "{label:<18}{text}");
        let plain = |text: &str| Plain(text).to_string();
        line("name", &plain(&self.name))?;
        line("state", self.state)?;
        let credential = self.credential.as_ref().map(CredentialView::text);
        line("credential", credential.as_deref().unwrap_or("none"))?;
        if let Some(second) = &self.second_credential {
            line("second credential", &second.text())?;
        }
        for (label, text) in [
            ("valid from", &self.valid_from),
            ("valid until", &self.valid_until),
            ("last login", &self.last_login),
        ] {
            if let Some(text) = text {
                line(label, text)?;
            }
        }
        for (label, text) in [
            ("text name", &self.textname),
            ("description", &self.textdescription),
            ("client id", &self.client_id),
        ] {
            if let Some(text) = text {
                line(label, &plain(text))?;
            }
        }
        if !self.networks.is_empty() {
            line("networks", &self.networks.join(", "))?;
        }
        for (label, held) in [("roles", &self.roles), ("groups", &self.groups)] {
            if let Some(held) = held.as_deref().filter(|held| !held.is_empty()) {
                line(label, &RankedView::list(held))?;
            }
        }
        if !self.notes.is_empty() {
            line("notes", &plain(&self.notes))?;
        }
        Ok(())
    }
}

/// One account as a line of the list; the same fields as the full view for scripts.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct ListView(AccountView);

impl ListView {
    /// The line of an account at a moment.
    pub(super) fn new(account: &Account, now: Timestamp) -> Self {
        Self(AccountView::new(account, now))
    }
}

impl Answer for ListView {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let view = &self.0;
        let mut line = format!("{:<24} {:<13}", Plain(&view.name), view.state);
        if let Some(until) = &view.valid_until {
            // Writing to a String cannot fail.
            let _infallible = write!(line, " until {until}");
        }
        if let Some(client_id) = &view.client_id {
            let _infallible = write!(line, " client id {}", Plain(client_id));
        }
        if !view.networks.is_empty() {
            let _infallible = write!(line, " from {}", view.networks.join(", "));
        }
        writeln!(out, "{}", line.trim_end())
    }
}
