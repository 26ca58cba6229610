//! What doorman's accounts have beyond the original's clients: a time in which they are valid, a second
//! password, and certificates.
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
use crate::model::CertificateName;

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

/// `addClientCertificate`: a `certificate` that the client may be known by.
pub(super) fn add_certificate(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (name, certificate) = (order.username()?, certificate(order)?);
    hand.carry_out(&Command::AddCertificate(name, certificate))?;
    Ok(None)
}

/// `removeClientCertificate`: a `certificate`; whoever is in by it is ended.
pub(super) fn remove_certificate(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let (name, certificate) = (order.username()?, certificate(order)?);
    hand.carry_out(&Command::RemoveCertificate(name, certificate))?;
    Ok(None)
}

fn certificate(order: &Order) -> Result<CertificateName, Refusal> {
    let wrong = "Invalid/missing certificate";
    let text = order.text("certificate", wrong)?;
    CertificateName::new(text).map_err(|_| Refusal::new(wrong))
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
