//! What a client may do to its own account: who it is, and whether it knows its password.
//!
//! Must not: run on the broker's thread, where a hash would be felt; or tell a wrong password from a right
//! one without the throttle having a say.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use super::{Engine, lock};
use crate::admission::{self, Approach, Fact};
use crate::credential::{Credential, Match};
use crate::model::{Account, AccountName};
use crate::request::ConnectionId;
use crate::throttle::{Admission, Who};
use crate::verdict::Reason;

/// Whether a password is that of an account.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// It is.
    Right,
    /// It is not.
    Wrong,
    /// It was not looked at: too many were wrong.
    Throttled,
    /// The client entered by another account of this name.
    Elsewhere,
    /// The account may not be used.
    Refused(Reason),
}

impl Engine {
    /// The account of a client that is in by a password of it; none for whoever came by a certificate, was
    /// restored, has gone, or has another username by now.
    #[must_use]
    pub fn entered_by_password(
        &self,
        connection: Option<ConnectionId>,
        username: Option<&str>,
    ) -> Option<AccountName> {
        let session = lock(&self.sessions).find(connection?)?;
        let is_its_own = session.fingerprint.is_some() && Some(session.name.as_str()) == username;
        is_its_own.then_some(session.name)
    }

    /// Whether this is a password of the account by which a client is in. It counts like a login, and one
    /// that is right is not given back: what follows costs a hash too.
    pub fn prove(
        &self,
        account: &Account,
        connection: Option<ConnectionId>,
        ip: Option<IpAddr>,
        password: &str,
    ) -> Proven {
        let now = (self.clock)();
        let session = connection.and_then(|connection| lock(&self.sessions).find(connection));
        let Some(session) = session else {
            return Proven::Elsewhere;
        };
        let stored: Vec<_> = account.credentials().collect();
        let verified = lock(&self.verified);
        let fingerprint = |credential| verified.fingerprint(&account.name, credential);
        let fingerprints: Vec<_> = stored.iter().map(|stored| fingerprint(stored)).collect();
        drop(verified);
        if !fingerprints
            .iter()
            .any(|one| session.fingerprint == Some(*one))
        {
            return Proven::Elsewhere;
        }
        let approach = Approach {
            client_id: Fact::Is(Some(&session.client_id)),
            ip: session.ip,
        };
        if let Err(reason) = admission::admit(account, approach, now.wall) {
            return Proven::Refused(reason);
        }
        let who = Who {
            ip,
            username: account.name.as_str(),
            credential: fingerprints.first().copied(),
        };
        match lock(&self.throttle).admit(&who, now.mono) {
            Admission::Admit(_) => {}
            Admission::Refuse { .. } => return Proven::Throttled,
        }
        let fits = stored
            .iter()
            .zip(&fingerprints)
            .any(|(stored, fingerprint)| {
                let mut verified = lock(&self.verified);
                let tags = verified.tags(*fingerprint, password.as_bytes());
                if verified.holds(&tags, now.mono) {
                    return true;
                }
                drop(verified);
                let credential = Credential::parse(stored, &self.limits);
                credential.is_ok_and(|known| known.verify(password.as_bytes()) == Match::Yes)
            });
        if fits {
            return Proven::Right;
        }
        lock(&self.throttle).failed(&who, now.mono);
        Proven::Wrong
    }
}
