//! What doorman's accounts have beyond the original's clients: a time in which they are valid, and a
//! second password.
//!
//! Must not: end a connection that goes on being allowed: who may stay and who may not follows from the
//! change, as it does from one that the command line makes.
#![forbid(unsafe_code)]

use jiff::Timestamp;

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use crate::admin::{Change, Command, Rotation};
use crate::dynsec::Json;

/// `setClientValidity`: `validFrom` and `validUntil`, in RFC 3339; null clears one, a missing one stays.
pub(super) fn set_validity(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let change = Change {
        valid_from: moment(order, "validFrom", "Invalid validFrom")?,
        valid_until: moment(order, "validUntil", "Invalid validUntil")?,
        ..Change::default()
    };
    let name = order.username()?;
    hand.carry_out(&Command::Set { name, change })?;
    Ok(None)
}

/// `rotatePassword`: a new `password`, beside which the old one stays valid until
/// `dropSecondPassword`.
pub(super) fn rotate(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let name = order.username()?;
    let password = order.text("password", "Invalid/missing password")?;
    if password.is_empty() {
        return Err(Refusal::new("Empty password is not allowed"));
    }
    let credential = hand.credential.take();
    hand.carry_out(&Command::SetCredential {
        name,
        credential: credential.ok_or_else(|| Refusal::new("Internal error"))?,
        rotation: Rotation::KeepOld,
    })?;
    Ok(None)
}

/// `dropSecondPassword`: only the first one stays.
pub(super) fn drop_second(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    hand.carry_out(&Command::DropSecondCredential(order.username()?))?;
    Ok(None)
}

fn moment(order: &Order, field: &str, wrong: &str) -> Result<Option<Option<Timestamp>>, Refusal> {
    match order.field(field) {
        None => Ok(None),
        Some(Json::Null) => Ok(Some(None)),
        Some(json) => {
            let moment = json.text().and_then(|text| text.parse().ok());
            moment
                .map(|at| Some(Some(at)))
                .ok_or_else(|| Refusal::new(wrong))
        }
    }
}
