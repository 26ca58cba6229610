//! Clients with certificates: whom a certificate names, and those whom the broker lets in by one without
//! asking.
//!
//! Must not: look into a certificate, or believe in one that the broker has not verified. What identifies it
//! comes with the question; whose it is, is the sources' to say, and is held against the account as it is
//! then. Whoever the broker let in is judged like a login, once, with the same line in the log.
#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::sessions::{Kept, Proof, Session};
use super::{Engine, Found, Shows, approach, lock};
use crate::admission::Fact;
use crate::config::{CertificateUse, UnknownUser};
use crate::model::{Account, AccountName, CertificateName};
use crate::request::{
    Access, Certificate, Client, Connect, ConnectionId, Entrant, Method, Now, Occasion,
};
use crate::store;
use crate::verdict::{Denial, Permit, Reason, Verdict};

/// As whom a client with a certificate logs in.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// As whom it says, if anybody.
    AsItSays,
    /// As this account, and how.
    As(AccountName, Method),
    /// As nobody.
    Refused(Reason),
}

impl Engine {
    /// Whether anybody looks into certificates.
    #[must_use]
    pub fn reads_certificates(&self) -> bool {
        self.certificate != CertificateUse::Off
    }

    /// Whose login this is, by the certificate that the client has shown.
    pub fn named(&self, connect: &Connect<'_>) -> Named {
        let method = match self.certificate {
            CertificateUse::Off => return Named::AsItSays,
            CertificateUse::InsteadOfPassword => Method::Certificate,
            CertificateUse::AndPassword => connect.method,
        };
        if connect.occasion == Occasion::Again {
            // It has entered long ago, as somebody.
            return Named::AsItSays;
        }
        match (self.holder(connect.client.certificate), connect.username) {
            (Err(reason), _) => Named::Refused(reason),
            (Ok(Some(name)), Some(other)) if name.as_str() != other => {
                Named::Refused(Reason::WrongUsername)
            }
            (Ok(Some(name)), _) => Named::As(name, method),
            (Ok(None), None) if self.is_unknown(connect.client.certificate) => {
                Named::Refused(Reason::UnknownCertificate)
            }
            (Ok(None), _) => Named::AsItSays,
        }
    }

    /// Whether a certificate that nobody has is the end of it, as a username that nobody has would be.
    fn is_unknown(&self, certificate: Certificate<'_>) -> bool {
        matches!(certificate, Certificate::Named(_)) && self.unknown_user == UnknownUser::Deny
    }

    /// The account that has this certificate: of the first source that knows it, by its fingerprint, or by
    /// its names where all that are known are of one account.
    pub(super) fn holder(
        &self,
        certificate: Certificate<'_>,
    ) -> Result<Option<AccountName>, Reason> {
        let names = match (self.certificate, certificate) {
            (CertificateUse::Off, _) | (_, Certificate::None) => return Ok(None),
            (_, Certificate::Named(names)) => names,
            (_, Certificate::Unread | Certificate::Unreadable) => {
                return Err(Reason::BadCertificate);
            }
        };
        for source in &self.sources {
            let mut holder: Option<AccountName> = None;
            for name in names {
                let known = source
                    .certified(name)
                    .map_err(|error| unavailable(&error))?;
                let Some(known) = known else {
                    continue;
                };
                if name.is_fingerprint() {
                    return Ok(Some(known));
                }
                if holder.as_ref().is_some_and(|holder| *holder != known) {
                    return Err(Reason::BadCertificate);
                }
                holder = Some(known);
            }
            if holder.is_some() {
                return Ok(holder);
            }
        }
        Ok(None)
    }

    /// The verdict on a client that shows a certificate instead of a password.
    pub(super) fn by_certificate(
        &self,
        connect: &Connect<'_>,
        found: &Found,
        now: Timestamp,
    ) -> Verdict {
        let account = found.account.as_ref();
        let known = account.and_then(|account| {
            let certificate = fitting(connect.client.certificate, account)?;
            Some((account, certificate))
        });
        // Another source may have an account of the name, which nobody has mapped.
        let Some((account, certificate)) = known else {
            return Verdict::Deny(Reason::UnknownCertificate);
        };
        let shows = Shows {
            fingerprint: None,
            certificate: Some(certificate),
        };
        self.admit_within_bounds(connect, found, account, shows, now)
    }

    /// Whether an account is to be used with one of its certificates only.
    pub(super) fn needs_certificate(&self, account: &Account) -> bool {
        self.certificate == CertificateUse::AndPassword && !account.certificates.is_empty()
    }

    /// Whether somebody who is in without one of the account's certificates would not be let in again. Of whom the
    /// broker named it is not kept which one it has: it may come again and show it.
    pub(super) fn lacks_certificate(&self, session: &Session, account: &Account) -> bool {
        let is_named = session.by == Proof::Certificate && self.reads_certificates();
        match is_named {
            true => !account.certificates.is_empty(),
            false => session.has_proven() && self.needs_certificate(account),
        }
    }

    /// The certificate that counts beside a password or a proof, where one has to.
    pub(super) fn second_factor(
        &self,
        connect: &Connect<'_>,
        account: &Account,
    ) -> Result<Option<CertificateName>, Reason> {
        if !self.needs_certificate(account) {
            return Ok(None);
        }
        match fitting(connect.client.certificate, account) {
            Some(certificate) => Ok(Some(certificate)),
            // A session that the broker keeps has no TLS connection any more.
            None if self.is_kept(connect, account) => Ok(None),
            None => Err(Reason::UnknownCertificate),
        }
    }

    /// Somebody is in who was not asked about: it has a certificate, or somebody else let it in. From
    /// here on it is a session like the others, and ends like them. A broker of 2.1 tells; at others
    /// whoever has a certificate is met when it first wants something.
    ///
    /// # Errors
    /// With the reason for which it may not stay; its connection will be ended.
    pub fn entered(
        &self,
        connection: ConnectionId,
        entrant: &Entrant<'_>,
        now: Now,
    ) -> Result<(), Reason> {
        let connect = Connect {
            client: Client {
                connection: Some(connection),
                id: Some(entrant.client_id),
                address: entrant.address,
                listener: entrant.listener,
                restored: false,
                certificate: entrant.certificate,
            },
            username: Some(entrant.username),
            password: None,
            occasion: Occasion::Now,
            method: Method::Certificate,
        };
        if matches!(entrant.certificate, Certificate::None) {
            self.let_in_elsewhere(connection, &connect, entrant, now.wall);
            return Ok(());
        }
        let Some(verdict) = self.judge_entrant(&connect, entrant.username, now.wall) else {
            return Ok(());
        };
        match self.settle(&connect, verdict, now) {
            Verdict::Deny(reason) => {
                self.turn_out(connection, &connect, entrant, now.wall);
                Err(reason)
            }
            Verdict::Allow | Verdict::Defer(_) | Verdict::Pending => Ok(()),
        }
    }

    /// What is said of whoever has to go and wants something meanwhile.
    pub fn turned_out(&self, access: &Access<'_>, reason: Reason) -> Permit {
        self.deny(access, Denial::Account(reason))
    }

    /// The verdict on a client that the broker let in by its certificate; none where it is nobody we know.
    fn judge_entrant(
        &self,
        connect: &Connect<'_>,
        username: &str,
        now: Timestamp,
    ) -> Option<Verdict> {
        let found = match self.find(username, connect.client.id) {
            Ok(found) => found,
            Err(error) => return Some(Verdict::Deny(unavailable(&error))),
        };
        let holder = match self.holder(connect.client.certificate) {
            Ok(holder) => holder,
            Err(reason) => return Some(Verdict::Deny(reason)),
        };
        if holder.is_some_and(|name| name.as_str() != username) {
            return Some(Verdict::Deny(Reason::WrongUsername));
        }
        let Some(account) = &found.account else {
            return match self.unknown_user {
                UnknownUser::Defer => None,
                UnknownUser::Deny => Some(Verdict::Deny(Reason::UnknownUser)),
            };
        };
        let certificate = match self.identified(connect, account) {
            Ok(certificate) => certificate,
            Err(reason) => return Some(Verdict::Deny(reason)),
        };
        let shows = Shows {
            fingerprint: None,
            certificate,
        };
        Some(self.admit_within_bounds(connect, &found, account, shows, now))
    }

    /// The certificate by which somebody is in whom the broker named. Where an account has certificates,
    /// another one with its name on it is not enough.
    fn identified(
        &self,
        connect: &Connect<'_>,
        account: &Account,
    ) -> Result<Option<CertificateName>, Reason> {
        if !self.reads_certificates() || account.certificates.is_empty() {
            return Ok(None);
        }
        match fitting(connect.client.certificate, account) {
            None => Err(Reason::UnknownCertificate),
            // Nobody can be asked for a password any more.
            Some(_) if self.needs_certificate(account) => Err(Reason::NoPassword),
            Some(certificate) => Ok(Some(certificate)),
        }
    }

    /// Whoever has to go is a session until it has gone.
    fn turn_out(
        &self,
        connection: ConnectionId,
        connect: &Connect<'_>,
        entrant: &Entrant<'_>,
        now: Timestamp,
    ) {
        let Ok(name) = AccountName::new(entrant.username) else {
            return;
        };
        let mut sessions = lock(&self.sessions);
        sessions.begin(
            connection,
            Session {
                name,
                client_id: entrant.client_id.into(),
                ip: approach(connect).ip,
                fingerprint: None,
                certificate: None,
                ends: None,
                since: now,
                by: Proof::Certificate,
                token: None,
                kept: Kept::Unknown,
            },
        );
        sessions.kick(connection, None);
        drop(sessions);
        self.something_to_do.store(true, Ordering::Release);
    }

    /// Somebody else let it in.
    fn let_in_elsewhere(
        &self,
        connection: ConnectionId,
        connect: &Connect<'_>,
        entrant: &Entrant<'_>,
        now: Timestamp,
    ) {
        let Ok(found) = self.find(entrant.username, Some(entrant.client_id)) else {
            return;
        };
        let Some(account) = &found.account else {
            return;
        };
        let session = Session {
            name: account.name.clone(),
            client_id: entrant.client_id.into(),
            ip: Fact::Is(connect.client.address.ip()),
            fingerprint: None,
            certificate: None,
            ends: account.valid_until,
            since: now,
            by: Proof::Other,
            token: None,
            kept: self.known_of(connect.occasion),
        };
        self.begin(connection, session, &found, now);
        self.judge(vec![connection], now);
    }
}

/// The first of what identifies a certificate that the account has.
fn fitting(certificate: Certificate<'_>, account: &Account) -> Option<CertificateName> {
    let names = match certificate {
        Certificate::Named(names) => names,
        Certificate::None | Certificate::Unread | Certificate::Unreadable => return None,
    };
    let mut names = names.iter();
    names
        .find(|name| account.certificates.contains(name))
        .cloned()
}

fn unavailable(error: &store::Error) -> Reason {
    log::warn!("{error}");
    Reason::SourceUnavailable
}
