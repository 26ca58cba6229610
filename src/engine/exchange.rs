//! Logins by SCRAM: the client proves that it knows the password, and is shown that we know it.
//!
//! Must not: hash a password; the client does that work. Everybody has the same exchange, whoever is
//! not there and whose password is stored otherwise as well, and what is wrong is said at its end, in
//! the same word. There it goes through the same rooms as a login by password: the throttle, the bounds
//! of the account, the record, the one line of [`Engine::settle`].
#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;

use super::exchanges::Begun;
use super::verification::who;
use super::{Engine, Found, lock};
use crate::config::Scram;
use crate::credential::Credential;
use crate::mechanism::{Keys, Mechanism};
use crate::model::{AccountName, Fingerprint, StoredCredential};
use crate::request::{Connect, ConnectionId, Method, Now, Occasion, Said, Turn};
use crate::scram::{self, Fault, First, Outcome};
use crate::throttle::Admission;
use crate::verdict::{Reason, Reply, Verdict};

impl Engine {
    /// Answers a message of an exchange.
    pub fn exchange(&self, said: &Said<'_>, now: Now) -> Reply {
        // A broker that never ticks has its exchanges ended here.
        self.end_late_exchanges(now);
        let Some(connection) = said.client.connection else {
            return Reply::Deny(Reason::BadRequest);
        };
        self.asked_about(Some(connection));
        let reply = match said.turn {
            Turn::First { method, random } => self.begins(said, connection, method, random, now),
            Turn::Next => self.finishes(said, connection, now),
        };
        if let Reply::Deny(_) = reply {
            // Who is in and fails to prove itself again is not who it was.
            lock(&self.sessions).kick(connection, None);
            self.something_to_do.store(true, Ordering::Release);
        }
        reply
    }

    /// Whether there is any mechanism to do it by.
    #[must_use]
    pub fn offers_exchanges(&self) -> bool {
        self.scram != Scram::Off
    }

    /// Whether somebody is in by this connection.
    #[must_use]
    pub fn is_in(&self, connection: ConnectionId) -> bool {
        lock(&self.sessions).account_of(connection).is_some()
    }

    /// As which account somebody is in by this connection.
    #[must_use]
    pub fn account_of(&self, connection: ConnectionId) -> Option<AccountName> {
        lock(&self.sessions).account_of(connection).cloned()
    }

    /// How many exchanges wait.
    #[must_use]
    pub fn exchanges(&self) -> usize {
        lock(&self.exchanges).len()
    }

    /// The first message.
    fn begins(
        &self,
        said: &Said<'_>,
        connection: ConnectionId,
        method: &str,
        random: &[u8; scram::NONCE],
        now: Now,
    ) -> Reply {
        lock(&self.exchanges).take(connection);
        let plain = method.strip_suffix("-PLUS");
        let Some(mechanism) = Mechanism::named(plain.unwrap_or(method)) else {
            return Reply::Defer;
        };
        if !self.scram.offers(mechanism) {
            return Reply::Defer;
        }
        let refused = |username, reason| {
            let connect = login(said, mechanism, username);
            self.told(&connect, Verdict::Deny(reason), Vec::new(), now)
        };
        if plain.is_some() {
            return refused(said.username, Reason::ChannelBinding);
        }
        let first = match First::parse(said.data) {
            Ok(first) => first,
            Err(fault) => return refused(said.username, self.fault(fault)),
        };
        let username = &*first.username;
        if !self.is_nobody_else(said, connection, username) {
            return refused(Some(username), Reason::WrongUsername);
        }
        match self.holder(said.client.certificate) {
            Ok(holder) if holder.as_ref().is_none_or(|name| name.as_str() == username) => {}
            Ok(_) => return refused(Some(username), Reason::WrongUsername),
            Err(reason) => return refused(Some(username), reason),
        }
        if let Some(client_id) = said.client.id.filter(|_| !self.is_in(connection)) {
            // As for any login: whoever waited under this id is gone.
            self.supersede(client_id);
        }
        let found = match self.find(username, said.client.id) {
            Ok(found) => found,
            Err(error) => {
                log::warn!("{error}");
                return refused(Some(username), Reason::SourceUnavailable);
            }
        };
        // Always made, so that whoever is there takes no less time.
        let told = self.pretence.told(mechanism, username);
        let (fingerprint, keys) = match self.first_keys(&found, mechanism) {
            Some((fingerprint, keys)) => (Some(fingerprint), keys),
            None => (None, self.pretence.keys(told)),
        };
        let (answer, exchange) = scram::Exchange::begin(&first, random, keys);
        let begun = Begun::new(said, exchange, mechanism, username, fingerprint, now.mono);
        let ended = lock(&self.exchanges).begin(connection, begun);
        if let Some((connection, begun)) = ended {
            let verdict = Verdict::Deny(Reason::Busy);
            let _told = self.settle(&begun.connect(connection), verdict, now);
        }
        Reply::Say(answer)
    }

    /// The last message.
    fn finishes(&self, said: &Said<'_>, connection: ConnectionId, now: Now) -> Reply {
        let Some(begun) = lock(&self.exchanges).take(connection) else {
            return self.unasked(connection);
        };
        let Begun {
            exchange,
            mechanism,
            username,
            fingerprint,
            ..
        } = begun;
        let connect = login(said, mechanism, Some(&username));
        let (verdict, data) = match exchange.finish(said.data) {
            Err(fault) => (Verdict::Deny(self.fault(fault)), Vec::new()),
            Ok(outcome) => self.judge_proof(&connect, &username, fingerprint, outcome, now),
        };
        self.told(&connect, verdict, data, now)
    }

    /// A message of nobody's exchange. Brokers hand over an AUTH with nothing in it from whoever is in, too,
    /// and a refusal has them free the client id that they go on to find it by: it is told to go on, and
    /// the tick ends it.
    fn unasked(&self, connection: ConnectionId) -> Reply {
        if !self.is_in(connection) {
            return Reply::Defer;
        }
        self.end_session(connection, Reason::BadExchange.word());
        Reply::Say(Vec::new())
    }

    /// What the proof is worth, held against the account as it is now.
    fn judge_proof(
        &self,
        connect: &Connect<'_>,
        username: &str,
        fingerprint: Option<Fingerprint>,
        outcome: Outcome,
        now: Now,
    ) -> (Verdict, Vec<u8>) {
        let found = match self.find(username, connect.client.id) {
            Ok(found) => found,
            Err(error) => {
                log::warn!("{error}");
                return (Verdict::Deny(Reason::SourceUnavailable), Vec::new());
            }
        };
        if let Some(reason) = self.refused_by_key(connect, Some(username)) {
            return (Verdict::Deny(reason), Vec::new());
        }
        let who = who(connect, &found);
        match lock(&self.throttle).admit(&who, now.mono) {
            Admission::Admit(_) => {}
            Admission::Refuse { .. } => return (Verdict::Deny(Reason::Throttled), Vec::new()),
        }
        let still = fingerprint.and_then(|fingerprint| self.current(&found, fingerprint));
        let (fitting, data) = match outcome {
            Outcome::Proven(data) => (still, data),
            Outcome::Refused => (None, Vec::new()),
        };
        match fitting {
            Some(_) => lock(&self.throttle).succeeded(&who, now.mono),
            None => lock(&self.throttle).failed(&who, now.mono),
        }
        let verdict = match &found.account {
            // Not left to anybody else: whoever is asked next was not there at the beginning.
            None => Verdict::Deny(Reason::UnknownUser),
            Some(account) => {
                // With no keys of its own it was told somebody else's.
                let none_fits = match fingerprint {
                    Some(_) => Reason::BadPassword,
                    None => Reason::UnusableCredential,
                };
                let fitting = fitting.ok_or(none_fits);
                self.judge_account(connect, &found, account, fitting, now)
            }
        };
        (verdict, data)
    }

    /// The verdict is written down, and becomes a reply.
    fn told(&self, connect: &Connect<'_>, verdict: Verdict, data: Vec<u8>, now: Now) -> Reply {
        match (self.settle(connect, verdict, now), connect.username) {
            (Verdict::Allow, Some(username)) => {
                self.figures.proven();
                Reply::Allow {
                    username: username.into(),
                    data,
                }
            }
            (Verdict::Deny(reason), _) => Reply::Deny(reason),
            (Verdict::Allow | Verdict::Defer(_) | Verdict::Pending, _) => {
                Reply::Deny(Reason::BadRequest)
            }
        }
    }

    /// Whether the client has no other name than this one. The broker goes on with the name of CONNECT,
    /// or with a certificate's, whatever an exchange proves.
    fn is_nobody_else(&self, said: &Said<'_>, connection: ConnectionId, username: &str) -> bool {
        let session = lock(&self.sessions).find(connection);
        let keyed = self.bound_by_key(connection);
        let names = [
            said.username,
            session.as_ref().map(|s| s.name.as_str()),
            keyed.as_ref().map(AccountName::as_str),
        ];
        names.into_iter().flatten().all(|name| name == username)
    }

    fn fault(&self, fault: Fault) -> Reason {
        log::debug!("a SCRAM message is refused: {fault}");
        match fault {
            Fault::ChannelBinding => Reason::ChannelBinding,
            Fault::Identity => Reason::WrongUsername,
            Fault::TooLong
            | Fault::NoText
            | Fault::Attributes
            | Fault::Extension
            | Fault::Name
            | Fault::Binding
            | Fault::Nonce
            | Fault::Proof => Reason::BadExchange,
        }
    }

    /// The keys of the account's first credential that has some; with two, a client cannot be told both
    /// salts.
    fn first_keys(&self, found: &Found, mechanism: Mechanism) -> Option<(Fingerprint, Keys)> {
        let mut all = found.credentials();
        all.find_map(|(fingerprint, stored)| Some((fingerprint, self.keys(stored, mechanism)?)))
    }

    /// What verifies a proof against what is stored, where that is allowed.
    pub(super) fn keys(&self, stored: &StoredCredential, mechanism: Mechanism) -> Option<Keys> {
        let credential = Credential::parse(stored, &self.limits).ok()?;
        self.keys_of(&credential, mechanism)
    }

    pub(super) fn keys_of(&self, credential: &Credential, mechanism: Mechanism) -> Option<Keys> {
        if !credential.holds_keys() && !self.scram_hashes {
            return None;
        }
        credential.keys(mechanism)
    }

    /// Ends the exchanges whose clients take too long. Their connections are the broker's to end.
    pub(super) fn end_late_exchanges(&self, now: Now) {
        let due = lock(&self.exchanges).due(now.mono);
        for (connection, begun) in due {
            let verdict = Verdict::Deny(Reason::TimedOut);
            let _told = self.settle(&begun.connect(connection), verdict, now);
        }
    }
}

/// The login that an exchange is.
fn login<'a>(said: &Said<'a>, mechanism: Mechanism, username: Option<&'a str>) -> Connect<'a> {
    Connect {
        client: said.client,
        username,
        password: None,
        occasion: Occasion::Now,
        method: Method::Scram(mechanism),
    }
}
