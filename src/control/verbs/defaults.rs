//! What happens where no rule answers.
//!
//! Must not: refuse a list for an entry that is none: it is left out, as the original does.
#![forbid(unsafe_code)]

use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use super::fields::permission;
use crate::admin::{Command, DefaultsChange, Error};
use crate::dynsec::Json;
use crate::policy::Permission;

pub(super) fn get(hand: &mut Hand<'_, '_>, _: &Order) -> Done {
    let defaults = hand.roles()?.defaults().map_err(Error::from)?;
    let all = [
        ("publishClientSend", defaults.send),
        ("publishClientReceive", defaults.receive),
        ("subscribe", defaults.subscribe),
        ("unsubscribe", defaults.unsubscribe),
    ];
    let acls = all.into_iter().map(|(acl_type, permission)| {
        json!({ "acltype": acl_type, "allow": permission == Permission::Allow })
    });
    Ok(Some(json!({ "acls": acls.collect::<Value>() })))
}

pub(super) fn set(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let Some(Json::Array(items)) = order.field("acls") else {
        return Err(Refusal::new("Missing/invalid actions array"));
    };
    let mut change = DefaultsChange::default();
    for item in items {
        let acl_type = item.field("acltype").and_then(Json::text);
        let allow = item.field("allow").and_then(Json::switch);
        let Some((acl_type, allow)) = acl_type.zip(allow) else {
            continue;
        };
        let field = match acl_type.to_ascii_lowercase().as_str() {
            "publishclientsend" => &mut change.send,
            "publishclientreceive" => &mut change.receive,
            "subscribe" => &mut change.subscribe,
            "unsubscribe" => &mut change.unsubscribe,
            _ => continue,
        };
        *field = Some(permission(allow));
    }
    hand.carry_out(&Command::SetDefaults(change))?;
    Ok(None)
}
