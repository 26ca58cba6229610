//! The verbs, typed and already valid.
//!
//! Must not: do anything; [`super::apply`] does.
#![forbid(unsafe_code)]

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire;
use crate::model::{
    Account, AccountName, CertificateName, GroupName, NamePrefix, Psk, PskIdentity, RoleName,
    StoredCredential,
};
use crate::policy::{
    AclType, Grantee, Permission, Priority, Rule, StoredGroup, StoredRole, WildcardSubscriptions,
};

/// One administrative act. As JSON it holds the credentials that it brings, and nothing else does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Command {
    /// A new account; refused if the name is taken.
    Add(#[serde(with = "wire::whole")] Account),
    /// A new account, or this one in place of the one of its name (import).
    Put(#[serde(with = "wire::whole")] Account),
    /// A new account, or these things about the one of its name (import).
    Lay {
        /// Whose.
        name: AccountName,
        /// A new credential, hashed; another one than before takes the second one with it.
        #[serde(with = "wire::perhaps_hashed", default)]
        credential: Option<StoredCredential>,
        /// What surrounds it.
        change: Change,
        /// What becomes of an account that is there.
        existing: Existing,
    },
    /// A new credential for an account that is there.
    SetCredential {
        /// Whose.
        name: AccountName,
        /// The new one, hashed.
        #[serde(with = "wire::hashed")]
        credential: StoredCredential,
        /// What becomes of the old one.
        rotation: Rotation,
    },
    /// The same password stored otherwise; nothing changes if what was stored is not there any more.
    Renew {
        /// Whose.
        name: AccountName,
        /// What was stored.
        #[serde(with = "wire::hashed")]
        old: StoredCredential,
        /// What is to be.
        #[serde(with = "wire::hashed")]
        new: StoredCredential,
    },
    /// Ends a rotation: only the first credential stays.
    DropSecondCredential(AccountName),
    /// Changes what surrounds the credential.
    Set {
        /// Whose.
        name: AccountName,
        /// What.
        change: Change,
    },
    /// One more certificate that an account may be used with; refused if it is another account's.
    AddCertificate(AccountName, CertificateName),
    /// Takes a certificate from an account; nothing changes if it has not got it.
    RemoveCertificate(AccountName, CertificateName),
    /// Takes the account away; refused if it is not there.
    Delete(AccountName),
    /// A new role with its rules; refused if the name is taken.
    AddRole(StoredRole),
    /// A new role, or this one in place of the one of its name; who holds it goes on holding it
    /// (import).
    PutRole(StoredRole),
    /// Changes what a role says beside its rules.
    SetRole {
        /// Which.
        name: RoleName,
        /// What.
        change: RoleChange,
    },
    /// Takes a role away, from everybody who holds it; refused if it is not there.
    DeleteRole(RoleName),
    /// A rule, behind those that are there; or this one in place of the one of its type and topic,
    /// permission and conditions both.
    PutRule {
        /// Of which role.
        role: RoleName,
        /// The rule; its own priority does not count.
        rule: Rule,
        /// Its priority; where none is said, an ordinary one, or the one that the rule there has.
        priority: Option<Priority>,
    },
    /// Takes a rule away; refused if it is not there.
    RemoveRule {
        /// Of which role.
        role: RoleName,
        /// What it is about.
        acl_type: AclType,
        /// Its topic or filter, exactly: even one that no rule could have any more.
        topic: Box<str>,
    },
    /// A new group with its roles; refused if the name is taken.
    AddGroup(StoredGroup),
    /// A new group, or this one with its roles in place of the one of its name; its members stay
    /// (import).
    PutGroup(StoredGroup),
    /// Changes what a group says beside its roles.
    SetGroup {
        /// Which.
        name: GroupName,
        /// What.
        change: GroupChange,
    },
    /// Takes a group away, from its members too; refused if it is not there, or that of clients
    /// without a username.
    DeleteGroup(GroupName),
    /// Gives a role; or another priority to one that is held.
    GrantRole {
        /// To whom.
        to: Grantee,
        /// Which.
        role: RoleName,
        /// Its priority; where none is said, an ordinary one, or the one it has.
        priority: Option<Priority>,
    },
    /// Takes a role back; nothing changes if it is not held.
    RevokeRole {
        /// From whom.
        from: Grantee,
        /// Which.
        role: RoleName,
    },
    /// Puts an account into a group; or gives another priority to a group it is in.
    JoinGroup {
        /// Whom.
        account: AccountName,
        /// Which.
        group: GroupName,
        /// Its priority; where none is said, an ordinary one, or the one it has.
        priority: Option<Priority>,
    },
    /// Takes an account out of a group; nothing changes if it is not in it.
    LeaveGroup {
        /// Whom.
        account: AccountName,
        /// Which.
        group: GroupName,
    },
    /// What happens where no rule answers.
    SetDefaults(DefaultsChange),
    /// The group of clients without a username, or none.
    SetAnonymousGroup(Option<GroupName>),
    /// A new identity of TLS-PSK with its key; refused if it is taken.
    AddPsk(Psk),
    /// A new identity, or this one in place of the one of its name (import).
    PutPsk(Psk),
    /// Takes an identity away; refused if it is not there.
    DeletePsk(PskIdentity),
    /// Seals all keys of identities with the newest key of the key file.
    SealPsks,
}

impl Command {
    /// The credentials that it brings.
    pub fn credentials(&self) -> impl Iterator<Item = &StoredCredential> {
        let [first, second] = match self {
            Self::Add(account) | Self::Put(account) => {
                [&account.credential, &account.second_credential].map(Option::as_ref)
            }
            Self::Lay { credential, .. } => [credential.as_ref(), None],
            Self::SetCredential { credential, .. } => [Some(credential), None],
            Self::Renew { new, .. } => [Some(new), None],
            Self::DropSecondCredential(_)
            | Self::Set { .. }
            | Self::AddCertificate(..)
            | Self::RemoveCertificate(..)
            | Self::Delete(_)
            | Self::AddRole(_)
            | Self::PutRole(_)
            | Self::SetRole { .. }
            | Self::DeleteRole(_)
            | Self::PutRule { .. }
            | Self::RemoveRule { .. }
            | Self::AddGroup(_)
            | Self::PutGroup(_)
            | Self::SetGroup { .. }
            | Self::DeleteGroup(_)
            | Self::GrantRole { .. }
            | Self::RevokeRole { .. }
            | Self::JoinGroup { .. }
            | Self::LeaveGroup { .. }
            | Self::SetDefaults(_)
            | Self::SetAnonymousGroup(_)
            | Self::AddPsk(_)
            | Self::PutPsk(_)
            | Self::DeletePsk(_)
            | Self::SealPsks => [None, None],
        };
        first.into_iter().chain(second)
    }
}

/// What becomes of an account that an import meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Existing {
    /// What is said about it is changed, the rest stays.
    Update,
    /// It stays as it is.
    Keep,
}

/// What becomes of the credential that a new one replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rotation {
    /// It ends at once, and a second one with it.
    Replace,
    /// It stays valid as the second one until it is dropped.
    KeepOld,
}

/// Fields to change; `None` leaves a field, `Some(None)` clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Change {
    /// Switch off or on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Begin of the validity.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_from: Option<Option<Timestamp>>,
    /// End of the validity.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_until: Option<Option<Timestamp>>,
    /// The only client id.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_id: Option<Option<Box<str>>>,
    /// The only networks; empty for everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<IpNet>>,
    /// The certificates that it may be used with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<CertificateName>>,
    /// The name for people.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub textname: Option<Option<Box<str>>>,
    /// What it is for.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub textdescription: Option<Option<Box<str>>>,
    /// Notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<Box<str>>,
}

impl Change {
    /// The account with these fields in place of its own.
    #[must_use]
    pub fn over(&self, mut account: Account) -> Account {
        if let Some(disabled) = self.disabled {
            account.disabled = disabled;
        }
        if let Some(valid_from) = self.valid_from {
            account.valid_from = valid_from;
        }
        if let Some(valid_until) = self.valid_until {
            account.valid_until = valid_until;
        }
        if let Some(client_id) = &self.client_id {
            account.client_id.clone_from(client_id);
        }
        if let Some(networks) = &self.networks {
            account.networks.clone_from(networks);
        }
        if let Some(certificates) = &self.certificates {
            account.certificates.clone_from(certificates);
        }
        if let Some(textname) = &self.textname {
            account.textname.clone_from(textname);
        }
        if let Some(textdescription) = &self.textdescription {
            account.textdescription.clone_from(textdescription);
        }
        if let Some(notes) = &self.notes {
            account.notes.clone_from(notes);
        }
        account
    }
}

/// Fields of a role to change; `None` leaves a field, `Some(None)` clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RoleChange {
    /// The name for people.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub textname: Option<Option<Box<str>>>,
    /// What it is for.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub textdescription: Option<Option<Box<str>>>,
    /// Whether its holders may subscribe with wildcards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wildcard_subscriptions: Option<WildcardSubscriptions>,
    /// When it begins to hold.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_from: Option<Option<Timestamp>>,
    /// When it ceases to hold.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_until: Option<Option<Timestamp>>,
    /// What its holders may administer by it.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub admin_prefix: Option<Option<NamePrefix>>,
}

impl RoleChange {
    /// The role with these fields in place of its own.
    #[must_use]
    pub fn over(&self, mut role: StoredRole) -> StoredRole {
        if let Some(textname) = &self.textname {
            role.textname.clone_from(textname);
        }
        if let Some(textdescription) = &self.textdescription {
            role.textdescription.clone_from(textdescription);
        }
        if let Some(wildcard_subscriptions) = self.wildcard_subscriptions {
            role.wildcard_subscriptions = wildcard_subscriptions;
        }
        if let Some(from) = self.valid_from {
            role.window.from = from;
        }
        if let Some(until) = self.valid_until {
            role.window.until = until;
        }
        if let Some(admin_prefix) = &self.admin_prefix {
            role.admin_prefix.clone_from(admin_prefix);
        }
        role
    }
}

/// Fields of a group to change, as of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GroupChange {
    /// The name for people.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub textname: Option<Option<Box<str>>>,
    /// What it is for.
    #[serde(
        deserialize_with = "wire::said",
        skip_serializing_if = "Option::is_none"
    )]
    pub textdescription: Option<Option<Box<str>>>,
}

/// Defaults to change; `None` leaves one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DefaultsChange {
    /// To publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<Permission>,
    /// To be sent what was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive: Option<Permission>,
    /// To subscribe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<Permission>,
    /// To unsubscribe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<Permission>,
}
