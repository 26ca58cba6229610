//! The administrator that `mosquitto_ctrl dynsec init` makes: one role with the rules for it.
//!
//! Must not: grant more than that role does in the original; a test compares them rule by rule.
#![forbid(unsafe_code)]

use crate::admin::Command;
use crate::model::{Account, NameError, RoleName};
use crate::policy::AclType::{
    self, PublishClientReceive, PublishClientSend, SubscribePattern, UnsubscribePattern,
};
use crate::policy::{Grantee, Permission, Rule, RuleError, StoredRole};

/// Why a table in here is wrong; a test reads them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A rule that is none.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

/// What makes an administrator of an account that is not there yet.
///
/// # Errors
/// None, unless a table in here is wrong.
pub fn administrator(account: Account) -> Result<Vec<Command>, Defect> {
    let role = role(ROLE, DESCRIPTION, &RULES)?;
    let grant = Command::GrantRole {
        to: Grantee::Account(account.name.clone()),
        role: role.name.clone(),
        priority: None,
    };
    Ok(vec![Command::AddRole(role), Command::Add(account), grant])
}

/// A role that allows all of this.
pub(super) fn role(
    name: &str,
    description: &str,
    rules: &[(AclType, &str)],
) -> Result<StoredRole, Defect> {
    let rules = rules.iter();
    let rules = rules.map(|(acl_type, topic)| Rule::new(*acl_type, Permission::Allow, topic));
    Ok(StoredRole {
        textdescription: Some(description.into()),
        rules: rules.collect::<Result<_, _>>()?,
        ..StoredRole::named(RoleName::new(name)?)
    })
}

const ROLE: &str = "admin";
const DESCRIPTION: &str = "May give orders over the broker, and read all topics";
const RULES: [(AclType, &str); 8] = [
    (PublishClientSend, "$CONTROL/dynamic-security/#"),
    (PublishClientReceive, "$CONTROL/dynamic-security/#"),
    (SubscribePattern, "$CONTROL/dynamic-security/#"),
    (PublishClientReceive, "$SYS/#"),
    (SubscribePattern, "$SYS/#"),
    (PublishClientReceive, "#"),
    (SubscribePattern, "#"),
    (UnsubscribePattern, "#"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccountName;

    #[test]
    fn every_name_and_rule_of_the_table_is_one() {
        let account = Account::named(AccountName::new("roger").unwrap());
        assert_eq!(administrator(account).unwrap().len(), 3);
    }
}
