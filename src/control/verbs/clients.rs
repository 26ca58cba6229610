//! Clients: the accounts, as the API calls them.
//!
//! Must not: show a password, or what is stored of one.
#![forbid(unsafe_code)]

use serde_json::{Map, Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::fields::{named, priority};
use super::lists::{ranked, texts};
use super::members::{grant, replace_roles};
use crate::admin::{Change, Command, Error, Rotation};
use crate::dynsec::Json;
use crate::engine::{End, Engine};
use crate::model::{Account, AccountName, CertificateName, GroupName, RoleName};
use crate::policy::{Grantee, Priority, Ranked};
use crate::store::Listed;

pub(super) fn create(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.username()?;
    order.maybe_text("password", "Invalid/missing password")?;
    let client_id = order.client_id("Invalid/missing client id")?;
    let texts = order.texts()?;
    let account = Account {
        credential: hand.credential.take(),
        client_id: client_id.flatten(),
        textname: texts.name,
        textdescription: texts.description,
        ..Account::named(name.clone())
    };
    hand.carry_out(&Command::Add(account))?;
    let wrong = "'roles' not an array or missing/invalid rolename";
    let to = Grantee::Account(name.clone());
    for role in order.roles(wrong)?.unwrap_or_default() {
        hand.carry_out(&grant(&to, role))?;
    }
    if let Some(Json::Array(items)) = order.field("groups") {
        for item in items {
            let group = named(item, "groupname").and_then(|group| GroupName::new(group).ok());
            let group = group.ok_or_else(|| Refusal::new("Group not found"))?;
            hand.carry_out(&join(&name, group, priority(item)))?;
        }
    }
    Ok(None)
}

pub(super) fn delete(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.username()?;
    hand.carry_out(&Command::Delete(name.clone()))?;
    end(hand, name)
}

pub(super) fn get(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.username()?;
    let account = hand.batch.account(&name)?;
    let account = account.ok_or_else(|| Refusal::new("Client not found"))?;
    let listed = Listed {
        name: account.name,
        client_id: account.client_id,
        textname: account.textname,
        textdescription: account.textdescription,
        disabled: account.disabled,
        holdings: hand.roles()?.holdings(&name).map_err(Error::from)?,
    };
    let mut client = shown(hand.engine, &listed);
    // The original knows neither.
    let psks = hand.batch.psks_of(&name)?;
    let identities: Vec<_> = psks.iter().map(|psk| psk.identity.as_str()).collect();
    let certificates = account.certificates.iter();
    let certificates: Vec<_> = certificates.map(CertificateName::as_str).collect();
    for (field, names) in [
        ("certificates", certificates),
        ("pskidentities", identities),
    ] {
        if !names.is_empty() {
            client.insert(field.to_owned(), json!(names));
        }
    }
    Ok(Some(json!({ "client": client })))
}

pub(super) fn enable(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.username()?;
    let change = Change {
        disabled: Some(false),
        ..Change::default()
    };
    hand.carry_out(&Command::Set { name, change })?;
    Ok(None)
}

pub(super) fn disable(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let change = Change {
        disabled: Some(true),
        ..Change::default()
    };
    set(hand, order.username()?, change)
}

pub(super) fn set_client_id(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.username()?;
    let client_id = order.client_id("Invalid/missing client ID")?;
    let change = Change {
        client_id: Some(client_id.flatten()),
        ..Change::default()
    };
    set(hand, name, change)
}

pub(super) fn set_password(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.username()?;
    let password = order.text("password", "Invalid/missing password")?;
    if password.is_empty() {
        return Err(Refusal::new("Empty password is not allowed"));
    }
    let credential = hand.credential.take();
    let command = Command::SetCredential {
        name: name.clone(),
        credential: credential.ok_or_else(|| Refusal::new("Internal error"))?,
        rotation: Rotation::Replace,
    };
    hand.carry_out(&command)?;
    end(hand, name)
}

pub(super) fn modify(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.username()?;
    if hand.batch.account(&name)?.is_none() {
        return Err(Refusal::new("Client not found"));
    }
    order.maybe_text("password", "Invalid/missing password")?;
    let texts = order.texts()?;
    let change = Change {
        client_id: order.client_id("Invalid/missing client id")?,
        textname: texts.name.map(Some),
        textdescription: texts.description.map(Some),
        ..Change::default()
    };
    let roles = order.roles("'roles' not an array or missing/invalid rolename")?;
    let name_of = name.clone();
    hand.carry_out(&Command::Set {
        name: name_of,
        change,
    })?;
    if let Some(credential) = hand.credential.take() {
        hand.carry_out(&Command::SetCredential {
            name: name.clone(),
            credential,
            rotation: Rotation::Replace,
        })?;
    }
    if let Some(roles) = roles {
        let before = hand.roles()?.holdings(&name).map_err(Error::from)?;
        let to = Grantee::Account(name.clone());
        replace_roles(hand, &to, before.roles, roles)?;
    }
    if let Some(Json::Array(items)) = order.field("groups") {
        replace_groups(hand, &name, items)?;
    }
    end(hand, name)
}

/// So many connections of one client are shown: `listSessions` has pages.
const MOST_CONNECTIONS: usize = 1_000;

/// What a client is, for whoever asks.
pub(super) fn shown(engine: &Engine, account: &Listed) -> Map<String, Value> {
    let mut client = Map::new();
    client.insert("username".to_owned(), json!(account.name.as_str()));
    if let Some(text) = &account.client_id {
        client.insert("clientid".to_owned(), json!(**text));
    }
    texts(&mut client, &account.textname, &account.textdescription);
    if account.disabled {
        client.insert("disabled".to_owned(), json!(true));
    }
    let holdings = &account.holdings;
    let roles = ranked("rolename", &holdings.roles, RoleName::as_str);
    let groups = ranked("groupname", &holdings.groups, GroupName::as_str);
    client.insert("roles".to_owned(), roles);
    client.insert("groups".to_owned(), groups);
    let (_, connections) = engine.connected(Some(&account.name), None, 0, MOST_CONNECTIONS);
    let connections = connections.iter().map(|client| match client.address {
        Some(address) => json!({ "address": address.to_string() }),
        None => json!({}),
    });
    client.insert("connections".to_owned(), connections.collect());
    client
}

fn set(hand: &mut Hand<'_, '_>, name: AccountName, change: Change) -> Done {
    let command = Command::Set {
        name: name.clone(),
        change,
    };
    hand.carry_out(&command)?;
    end(hand, name)
}

fn end(hand: &mut Hand<'_, '_>, name: AccountName) -> Done {
    hand.ends.push(End::Client(name));
    Ok(None)
}

fn join(name: &AccountName, group: GroupName, priority: Priority) -> Command {
    Command::JoinGroup {
        account: name.clone(),
        group,
        priority: Some(priority),
    }
}

fn replace_groups(
    hand: &mut Hand<'_, '_>,
    name: &AccountName,
    items: &[Json],
) -> Result<(), Refusal> {
    let invalid = "'groups' contains an object with an invalid 'groupname'";
    let unknown = "'groups' contains an object with a 'groupname' that does not exist";
    let mut groups: Vec<Ranked<GroupName>> = Vec::new();
    for item in items {
        let group = named(item, "groupname").ok_or_else(|| Refusal::new(invalid))?;
        let group = GroupName::new(group).map_err(|_| Refusal::new(unknown))?;
        let known = hand.roles()?.group(&group).map_err(Error::from)?;
        if known.is_none() {
            return Err(Refusal::new(unknown));
        }
        if groups.iter().all(|other| other.name != group) {
            groups.push(Ranked {
                name: group,
                priority: priority(item),
            });
        }
    }
    let before = hand.roles()?.holdings(name).map_err(Error::from)?;
    for held in before.groups {
        if groups.iter().all(|group| group.name != held.name) {
            hand.carry_out(&Command::LeaveGroup {
                account: name.clone(),
                group: held.name,
            })?;
        }
    }
    for group in groups {
        hand.carry_out(&join(name, group.name, group.priority))?;
    }
    Ok(())
}
