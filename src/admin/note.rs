//! What a command did, as it is written down: the verb, what it was about, and which fields differ.
//!
//! Must not: hold a credential. Of one it is said of which kind it is and what it costs, whatever was
//! stored: what is no hash may be a password, and its text is not looked at twice.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::apply::Outcome;
use super::command::{Change, Command};
use crate::config::CostLimits;
use crate::credential::Credential;
use crate::model::{Account, StoredCredential};
use crate::policy::{
    Conditions, Defaults, Grantee, Holdings, Permission, Priority, Qos, Ranked, Retain, Rule,
    StoredGroup, StoredRole, WildcardSubscriptions, Window,
};
use crate::store::psk::SeenPsk;

/// Fields by their names.
pub(super) type Fields = Map<String, Value>;

/// What is gathered while a command is carried out.
#[derive(Default)]
pub(super) struct Note {
    is_wanted: bool,
    before: Fields,
    after: Fields,
}

impl Note {
    pub(super) fn new(is_wanted: bool) -> Self {
        Self {
            is_wanted,
            ..Self::default()
        }
    }

    /// Whether anybody reads it.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Both sides as JSON; none where there is nothing to say.
    pub(super) fn sides(self) -> [Option<Box<str>>; 2] {
        [self.before, self.after].map(|side| json(&side))
    }

    /// An account before and after.
    pub(super) fn account(&mut self, before: Option<&Account>, after: Option<&Account>) {
        if !self.is_wanted {
            return;
        }
        let [mut was, mut is] = [before, after].map(|side| side.map(account).unwrap_or_default());
        let credentials = |side: Option<&Account>| match side {
            Some(side) => [side.credential.clone(), side.second_credential.clone()],
            None => [None, None],
        };
        let (old, new) = (credentials(before), credentials(after));
        let mut other = Vec::new();
        for ((key, old), new) in CREDENTIALS.into_iter().zip(old).zip(new) {
            for (side, credential) in [(&mut was, &old), (&mut is, &new)] {
                if let Some(credential) = credential {
                    side.insert(key.to_owned(), kind(credential).into());
                }
            }
            if old != new {
                other.push(key);
            }
        }
        self.differ(was, is, &other);
    }

    /// What an account holds that is taken away.
    pub(super) fn held(&mut self, holdings: &Holdings) {
        let Holdings { roles, groups } = holdings;
        for (key, held) in [("roles", names(roles)), ("groups", names(groups))] {
            self.was_list(key, held);
        }
    }

    /// A role before and after; of its rules those that differ.
    pub(super) fn role(&mut self, before: Option<&StoredRole>, after: Option<&StoredRole>) {
        if !self.is_wanted {
            return;
        }
        let rules = |side: Option<&StoredRole>| side.map(|side| side.rules.clone());
        let (old, new) = (
            rules(before).unwrap_or_default(),
            rules(after).unwrap_or_default(),
        );
        let [mut was, mut is] = [before, after].map(|side| side.map(role).unwrap_or_default());
        if old != new {
            for (side, of, other) in [(&mut was, &old, &new), (&mut is, &new, &old)] {
                let others: HashSet<&Rule> = other.iter().collect();
                let only = of.iter().filter(|rule| !others.contains(rule));
                let rules = some(only.map(|of| rule(of).into()));
                if rules != Value::Array(Vec::new()) {
                    side.insert("acls".to_owned(), rules);
                }
            }
            if !was.contains_key("acls") && !is.contains_key("acls") {
                is.insert("acls".to_owned(), "in another order".into());
            }
        }
        self.differ(was, is, &[]);
    }

    /// A rule before and after.
    pub(super) fn rule(&mut self, before: Option<&Rule>, after: Option<&Rule>) {
        if !self.is_wanted {
            return;
        }
        let [was, is] = [before, after].map(|side| side.map(rule).unwrap_or_default());
        self.differ(was, is, &["acltype", "topic"]);
    }

    /// A group before and after.
    pub(super) fn group(&mut self, before: Option<&StoredGroup>, after: Option<&StoredGroup>) {
        if !self.is_wanted {
            return;
        }
        let [was, is] = [before, after].map(|side| side.map(group).unwrap_or_default());
        self.differ(was, is, &[]);
    }

    /// How many accounts lose something by this.
    pub(super) fn losers(&mut self, accounts: u64) {
        if self.is_wanted && accounts > 0 {
            self.before.insert("accounts".to_owned(), accounts.into());
        }
    }

    /// Something held, before and after.
    pub(super) fn priority(&mut self, before: Option<Priority>, after: Option<Priority>) {
        let [was, is] = [before, after].map(|side| {
            let number = side.map(|side| ("priority".to_owned(), side.number().into()));
            number.into_iter().collect()
        });
        self.differ(was, is, &[]);
    }

    /// The defaults before and after.
    pub(super) fn defaults(&mut self, before: Defaults, after: Defaults) {
        let [was, is] = [before, after].map(defaults);
        self.differ(was, is, &[]);
    }

    /// An identity of TLS-PSK before and after: all of it, and no key.
    pub(super) fn psk(&mut self, before: Option<Fields>, after: Option<Fields>) {
        if self.is_wanted {
            self.before.extend(before.unwrap_or_default());
            self.after.extend(after.unwrap_or_default());
        }
    }

    /// Something with one value, before and after.
    pub(super) fn value(&mut self, key: &str, before: Option<Value>, after: Option<Value>) {
        let [was, is] = [before, after].map(|side| {
            let field = side.map(|value| (key.to_owned(), value));
            field.into_iter().collect()
        });
        self.differ(was, is, &[]);
    }

    /// A list that is taken away with something.
    pub(super) fn was_list(&mut self, key: &str, list: Vec<Value>) {
        if self.is_wanted && !list.is_empty() {
            let list = some(list.into_iter());
            self.before.insert(key.to_owned(), list);
        }
    }

    /// Keeps what is not the same on both sides, and these fields.
    fn differ(&mut self, mut before: Fields, mut after: Fields, always: &[&str]) {
        if !self.is_wanted {
            return;
        }
        let same: Vec<String> = before
            .iter()
            .filter(|(key, was)| after.get(*key) == Some(was) && !always.contains(&key.as_str()))
            .map(|(key, _)| key.clone())
            .collect();
        for key in same {
            before.remove(&key);
            after.remove(&key);
        }
        self.before.extend(before);
        self.after.extend(after);
    }
}

/// Fields as they are written down.
pub(super) fn json(fields: &Fields) -> Option<Box<str>> {
    // Maps of texts and numbers become JSON always.
    let text = serde_json::to_string(fields).unwrap_or_default();
    (!fields.is_empty()).then(|| text.into())
}

/// What was done, in dynamic-security's word where it has one.
pub(super) fn verb(command: &Command, outcome: Outcome) -> &'static str {
    let is_new = outcome == Outcome::Added;
    match command {
        Command::Add(_) => "createClient",
        Command::Put(_) | Command::Lay { .. } if is_new => "createClient",
        Command::Put(_) | Command::Lay { .. } => "modifyClient",
        Command::SetCredential { .. } => "setClientPassword",
        Command::Renew { .. } => "renewPassword",
        Command::DropSecondCredential(_) => "dropOldPassword",
        Command::Set { change, .. } => verb_of_change(change),
        Command::AddCertificate(..) => "addClientCertificate",
        Command::RemoveCertificate(..) => "removeClientCertificate",
        Command::Delete(_) => "deleteClient",
        Command::AddRole(_) => "createRole",
        Command::PutRole(_) if is_new => "createRole",
        Command::PutRole(_) | Command::SetRole { .. } => "modifyRole",
        Command::DeleteRole(_) => "deleteRole",
        Command::PutRule { .. } if is_new => "addRoleACL",
        Command::PutRule { .. } => "modifyRoleACL",
        Command::RemoveRule { .. } => "removeRoleACL",
        Command::AddGroup(_) => "createGroup",
        Command::PutGroup(_) if is_new => "createGroup",
        Command::PutGroup(_) | Command::SetGroup { .. } => "modifyGroup",
        Command::DeleteGroup(_) => "deleteGroup",
        Command::GrantRole { to, .. } => match to {
            Grantee::Account(_) => "addClientRole",
            Grantee::Group(_) => "addGroupRole",
        },
        Command::RevokeRole { from, .. } => match from {
            Grantee::Account(_) => "removeClientRole",
            Grantee::Group(_) => "removeGroupRole",
        },
        Command::JoinGroup { .. } => "addGroupClient",
        Command::LeaveGroup { .. } => "removeGroupClient",
        Command::SetDefaults(_) => "setDefaultACLAccess",
        Command::SetAnonymousGroup(_) => "setAnonymousGroup",
        Command::AddPsk(_) => "addPsk",
        Command::PutPsk(_) if is_new => "addPsk",
        Command::PutPsk(_) => "modifyPsk",
        Command::DeletePsk(_) => "deletePsk",
        Command::SealPsks => "sealPsks",
    }
}

fn verb_of_change(change: &Change) -> &'static str {
    let only = |part: Change| *change == part;
    let switch = Change {
        disabled: change.disabled,
        ..Change::default()
    };
    let client_id = Change {
        client_id: change.client_id.clone(),
        ..Change::default()
    };
    match change.disabled {
        Some(true) if only(switch.clone()) => "disableClient",
        Some(false) if only(switch) => "enableClient",
        None if only(client_id) => "setClientId",
        Some(_) | None => "modifyClient",
    }
}

/// The account, the group and the role that a command is about.
pub(super) fn about(command: &Command) -> [Option<&str>; 3] {
    match command {
        Command::Add(account) | Command::Put(account) => [Some(account.name.as_str()), None, None],
        Command::Lay { name, .. }
        | Command::SetCredential { name, .. }
        | Command::Renew { name, .. }
        | Command::DropSecondCredential(name)
        | Command::Set { name, .. }
        | Command::AddCertificate(name, _)
        | Command::RemoveCertificate(name, _)
        | Command::Delete(name) => [Some(name.as_str()), None, None],
        Command::AddRole(role) | Command::PutRole(role) => [None, None, Some(role.name.as_str())],
        Command::SetRole { name, .. } | Command::DeleteRole(name) => {
            [None, None, Some(name.as_str())]
        }
        Command::PutRule { role, .. } | Command::RemoveRule { role, .. } => {
            [None, None, Some(role.as_str())]
        }
        Command::AddGroup(group) | Command::PutGroup(group) => {
            [None, Some(group.name.as_str()), None]
        }
        Command::SetGroup { name, .. } | Command::DeleteGroup(name) => {
            [None, Some(name.as_str()), None]
        }
        Command::GrantRole {
            to: holder, role, ..
        }
        | Command::RevokeRole { from: holder, role } => {
            let role = Some(role.as_str());
            match holder {
                Grantee::Account(name) => [Some(name.as_str()), None, role],
                Grantee::Group(name) => [None, Some(name.as_str()), role],
            }
        }
        Command::JoinGroup { account, group, .. } | Command::LeaveGroup { account, group } => {
            [Some(account.as_str()), Some(group.as_str()), None]
        }
        Command::AddPsk(psk) | Command::PutPsk(psk) => [Some(psk.name.as_str()), None, None],
        Command::SetDefaults(_) | Command::DeletePsk(_) | Command::SealPsks => [None; 3],
        Command::SetAnonymousGroup(group) => [None, group.as_ref().map(|name| name.as_str()), None],
    }
}

/// Everything but name, credentials and last login.
fn account(account: &Account) -> Fields {
    let mut fields = texts(
        account.textname.as_deref(),
        account.textdescription.as_deref(),
    );
    if account.disabled {
        fields.insert("disabled".to_owned(), true.into());
    }
    bounds(&mut fields, account.valid_from, account.valid_until);
    if let Some(client_id) = &account.client_id {
        fields.insert("clientid".to_owned(), json!(**client_id));
    }
    if !account.networks.is_empty() {
        let networks = account.networks.iter().map(ToString::to_string);
        fields.insert("networks".to_owned(), networks.collect());
    }
    if !account.certificates.is_empty() {
        let certificates = account.certificates.iter();
        let certificates = certificates.map(|one| one.as_str().into());
        fields.insert("certificates".to_owned(), some(certificates));
    }
    if !account.notes.is_empty() {
        fields.insert("notes".to_owned(), json!(*account.notes));
    }
    fields
}

/// Everything but name and rules.
fn role(role: &StoredRole) -> Fields {
    let mut fields = texts(role.textname.as_deref(), role.textdescription.as_deref());
    let Window { from, until } = role.window;
    bounds(&mut fields, from, until);
    if role.wildcard_subscriptions == WildcardSubscriptions::Deny {
        fields.insert("allowwildcardsubs".to_owned(), false.into());
    }
    if let Some(prefix) = &role.admin_prefix {
        fields.insert("adminprefix".to_owned(), prefix.as_str().into());
    }
    fields
}

fn group(group: &StoredGroup) -> Fields {
    let mut fields = texts(group.textname.as_deref(), group.textdescription.as_deref());
    if !group.roles.is_empty() {
        let roles = names(&group.roles);
        fields.insert("roles".to_owned(), some(roles.into_iter()));
    }
    fields
}

fn rule(rule: &Rule) -> Fields {
    let mut fields = Fields::new();
    let mut say = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    say("acltype", rule.acl_type().as_str().into());
    say("topic", rule.template().as_str().into());
    say("allow", allows(rule.permission()).into());
    say("priority", rule.priority().number().into());
    let Conditions {
        max_qos,
        retain,
        max_payload,
    } = *rule.conditions();
    if let Some(max_qos) = max_qos.map(Qos::number) {
        say("max_qos", max_qos.into());
    }
    if retain == Retain::Never {
        say("retain", false.into());
    }
    if let Some(max_payload) = max_payload {
        say("max_payload", max_payload.into());
    }
    fields
}

/// An identity of TLS-PSK.
pub(super) fn psk(seen: &SeenPsk) -> Fields {
    let mut fields = Fields::new();
    fields.insert("identity".to_owned(), seen.identity.as_str().into());
    fields.insert("username".to_owned(), seen.name.as_str().into());
    fields.insert("bits".to_owned(), seen.bits.into());
    fields.insert("sealed".to_owned(), seen.sealed.into());
    fields
}

fn defaults(defaults: Defaults) -> Fields {
    let Defaults {
        send,
        receive,
        subscribe,
        unsubscribe,
    } = defaults;
    let fields = [
        ("publishClientSend", send),
        ("publishClientReceive", receive),
        ("subscribe", subscribe),
        ("unsubscribe", unsubscribe),
    ];
    let fields = fields.into_iter();
    fields
        .map(|(key, permission)| (key.to_owned(), allows(permission).into()))
        .collect()
}

fn texts(name: Option<&str>, description: Option<&str>) -> Fields {
    let fields = [("textname", name), ("textdescription", description)];
    let fields = fields.into_iter();
    fields
        .filter_map(|(key, text)| Some((key.to_owned(), text?.into())))
        .collect()
}

fn bounds(fields: &mut Fields, from: Option<Timestamp>, until: Option<Timestamp>) {
    for (key, at) in [("valid_from", from), ("valid_until", until)] {
        if let Some(at) = at {
            fields.insert(key.to_owned(), at.to_string().into());
        }
    }
}

/// Names with their priorities.
pub(super) fn names<T: ToString>(ranked: &[Ranked<T>]) -> Vec<Value> {
    let ranked = ranked.iter();
    ranked
        .map(
            |ranked| json!({"name": ranked.name.to_string(), "priority": ranked.priority.number()}),
        )
        .collect()
}

/// A list; of a long one the first, and how many more there are.
fn some(all: impl Iterator<Item = Value>) -> Value {
    let mut list: Vec<Value> = all.collect();
    let more = list.len().saturating_sub(MOST);
    if more > 0 {
        list.truncate(MOST);
        list.push(json!({ "more": more }));
    }
    Value::Array(list)
}

/// Of which kind a credential is.
fn kind(stored: &StoredCredential) -> String {
    match Credential::parse(stored, &CostLimits::STANDARD) {
        Ok(credential) => credential.kind(),
        Err(_) => "unusable".to_owned(),
    }
}

fn allows(permission: Permission) -> bool {
    permission == Permission::Allow
}

const CREDENTIALS: [&str; 2] = ["credential", "second_credential"];

/// So much of a list is written down.
const MOST: usize = 100;
