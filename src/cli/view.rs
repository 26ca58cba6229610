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
use crate::admin::Seen;
use crate::credential::Known;
use crate::policy::Holdings;
use crate::store::psk::SeenPsk;

/// One account with all its fields.
#[derive(Serialize)]
pub(super) struct AccountView {
    name: String,
    disabled: bool,
    valid_from: Option<String>,
    valid_until: Option<String>,
    client_id: Option<Box<str>>,
    networks: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    psk_identities: Vec<String>,
    textname: Option<Box<str>>,
    textdescription: Option<Box<str>>,
    notes: String,
    last_login: Option<String>,
    credential: Option<Known>,
    second_credential: Option<Known>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<RankedView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<RankedView>>,
    /// Why it is refused just now, whatever the password; for the list.
    #[serde(skip)]
    state: &'static str,
}

impl AccountView {
    /// The view of an account at a moment.
    pub(super) fn new(seen: &Seen, now: Timestamp) -> Self {
        let account = &seen.account;
        Self {
            name: account.name.as_str().to_owned(),
            disabled: account.disabled,
            valid_from: account.valid_from.map(|at| at.to_string()),
            valid_until: account.valid_until.map(|at| at.to_string()),
            client_id: account.client_id.clone(),
            networks: account.networks.iter().map(ToString::to_string).collect(),
            certificates: account
                .certificates
                .iter()
                .map(ToString::to_string)
                .collect(),
            psk_identities: Vec::new(),
            textname: account.textname.clone(),
            textdescription: account.textdescription.clone(),
            notes: account.notes.to_string(),
            last_login: account.last_login.map(|at| at.to_string()),
            credential: seen.credential.clone(),
            second_credential: seen.second_credential.clone(),
            roles: None,
            groups: None,
            state: state(seen, now),
        }
    }

    /// The same with its roles and groups and its identities of TLS-PSK, where the place keeps such.
    pub(super) fn holding(self, holdings: &Holdings, psks: &[SeenPsk]) -> Self {
        let identities = psks.iter().map(|psk| psk.identity.as_str().to_owned());
        Self {
            psk_identities: identities.collect(),
            roles: Some(holdings.roles.iter().map(RankedView::new).collect()),
            groups: Some(holdings.groups.iter().map(RankedView::new).collect()),
            ..self
        }
    }
}

fn state(seen: &Seen, now: Timestamp) -> &'static str {
    let account = &seen.account;
    if account.disabled {
        "disabled"
    } else if account.valid_from.is_some_and(|from| now < from) {
        "not yet valid"
    } else if account.valid_until.is_some_and(|until| now >= until) {
        "expired"
    } else if seen.credential.is_none() && seen.second_credential.is_none() {
        "no password"
    } else {
        "enabled"
    }
}

impl Answer for AccountView {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = |label: &str, text: &str| writeln!(out, "{label:<18}{text}");
        let plain = |text: &str| Plain(text).to_string();
        line("name", &plain(&self.name))?;
        line("state", self.state)?;
        let credential = self.credential.as_ref().map(Known::to_string);
        line("credential", credential.as_deref().unwrap_or("none"))?;
        if let Some(second) = &self.second_credential {
            line("second credential", &second.to_string())?;
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
        for certificate in &self.certificates {
            line("certificate", &plain(certificate))?;
        }
        for identity in &self.psk_identities {
            line("PSK identity", &plain(identity))?;
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
    pub(super) fn new(seen: &Seen, now: Timestamp) -> Self {
        Self(AccountView::new(seen, now))
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
