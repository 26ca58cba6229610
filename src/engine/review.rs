//! What happens to those who are in when something changes: a source, or the time.
//!
//! Must not: run on the broker's thread, where a look at every session would be felt. What is to be
//! done is left as an effect for the next tick.
#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::pretence::Shapes;
use super::revocation::Again;
use super::sessions::Session;
use super::{Engine, Found, lock};
use crate::admission::{self, Approach, Fact};
use crate::credential::Credential;
use crate::mechanism::Mechanism;
use crate::model::AccountName;
use crate::request::{ConnectionId, Now};
use crate::store::{self, Changes, News};
use crate::verdict::Reason;

impl Engine {
    /// A source changed: finds out who may do what now, and whose connection must end. For the
    /// watcher's thread.
    pub fn review(&self, news: &News, now: Timestamp) {
        let (connections, given, keys) = match news {
            News::Nothing => return,
            News::Some(Changes { accounts, .. }) => {
                let names: Vec<&str> = accounts.iter().map(AccountName::as_str).collect();
                let connections = lock(&self.sessions).of_accounts(accounts);
                let given = lock(&self.keyed).of(Some(accounts));
                (connections, given, self.standings.of(&names))
            }
            News::Everything => (
                lock(&self.sessions).all(),
                lock(&self.keyed).of(None),
                self.standings.all(),
            ),
        };
        self.figures.changed();
        self.figures.loaded();
        // Before anything is found out: whoever asks from now on counts from here.
        self.revision.fetch_add(1, Ordering::AcqRel);
        match news {
            News::Everything => self.refresh_decoys(),
            News::Nothing | News::Some(_) => self.decoys_are_old.store(true, Ordering::Release),
        }
        self.judge(connections, now);
        self.judge_keys(given, now);
        self.restand(keys, Again::Afresh, now);
        if let News::Some(Changes { rules: true, .. }) = news {
            // Where several are asked in turn, another may be the one with something to say now.
            let again = match self.authorities.len() {
                0 | 1 => Again::Rules,
                _ => Again::Afresh,
            };
            self.restand(self.standings.all(), again, now);
        }
    }

    /// A source cannot be read any more; what was read of it before stays. For the watcher's thread.
    pub fn source_failed(&self, why: &store::Error, at: Timestamp) {
        self.figures.load_failed(&why.in_public(), at);
    }

    /// Looks after what changes without news: validities that end, and logins that were under way
    /// while a source changed. For the watcher's thread, a few times a second.
    pub fn beat(&self, now: Now) {
        self.audit.sum_up(now.mono);
        self.end_late_exchanges(now);
        self.forget_heirs(now.mono);
        self.tell_figures(now.mono);
        self.refresh_old_decoys(now.mono);
        self.denials.tell(now.mono);
        self.look_after_keys(now.wall);
        let due = lock(&self.sessions).due(now.wall);
        self.judge(due, now.wall);
        self.end_keyed_again(now);
        let due = lock(&self.keyed).due(now.wall);
        self.judge_keys(due, now.wall);
        self.restand(self.standings.due(now.wall), Again::Afresh, now.wall);
        let stays = |name: &str| lock(&self.sessions).remembers(name);
        self.standings.sweep(now.mono, stays);
    }

    /// Ends the connections among these whose login would not be repeated now.
    pub(super) fn judge(&self, connections: Vec<ConnectionId>, now: Timestamp) {
        for connection in connections {
            let Some(session) = lock(&self.sessions).find(connection) else {
                continue;
            };
            match self.find(session.name.as_str(), Some(&session.client_id)) {
                Ok(found) => {
                    let holds = self.still_holds(&session, &found, now);
                    match holds {
                        Err(why) => self.end_session(connection, why),
                        Ok(()) => self.keep(connection, &session, &found),
                    }
                }
                // Not known to be over: a source that cannot be asked ends nobody.
                Err(_) => lock(&self.sessions).doubt(connection),
            }
        }
    }

    /// Has a connection ended, which says why when it is.
    pub(super) fn end_session(&self, connection: ConnectionId, why: &'static str) {
        lock(&self.sessions).kick(connection, Some(why));
        self.something_to_do.store(true, Ordering::Release);
    }

    /// It goes on, with what is stored for it by now.
    fn keep(&self, connection: ConnectionId, session: &Session, found: &Found) {
        if let Some(account) = &found.account {
            // With its token, whatever becomes of the account.
            let until = session.token.as_ref().and_then(|token| token.until);
            let ends = until.into_iter().chain(account.valid_until).min();
            if ends != session.ends {
                lock(&self.sessions).put_off(connection, ends);
            }
        }
        let before = session.fingerprint;
        let heir = before.and_then(|before| self.current(found, before));
        if let Some(heir) = heir.filter(|_| heir != before) {
            lock(&self.sessions).inherit(connection, heir);
        }
    }

    pub(super) fn still_holds(
        &self,
        session: &Session,
        found: &Found,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        if let Some(token) = &session.token {
            self.token_holds(token, found.account.as_ref(), now)?;
        }
        let account = match (&found.account, &session.token) {
            (Some(account), _) => account,
            // Its token is enough.
            (None, Some(_)) => return Ok(()),
            (None, None) => return Err("account_removed"),
        };
        let approach = Approach {
            client_id: Fact::Is(Some(&session.client_id)),
            ip: session.ip,
        };
        admission::admit(account, approach, now).map_err(Reason::word)?;
        match &session.certificate {
            Some(certificate) if !account.certificates.contains(certificate) => {
                return Err("certificate_removed");
            }
            None if self.lacks_certificate(session, account) => {
                return Err("certificate_needed");
            }
            Some(_) | None => {}
        }
        match session.fingerprint {
            Some(fingerprint) if self.current(found, fingerprint).is_none() => {
                Err("password_changed")
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Change upon change does not read a few hundred credentials each time.
    fn refresh_old_decoys(&self, now: Instant) {
        let mut made = lock(&self.decoys_made);
        let is_early = made.is_some_and(|made| now.saturating_duration_since(made) < DECOYS_LAST);
        if is_early || !self.decoys_are_old.swap(false, Ordering::AcqRel) {
            return;
        }
        *made = Some(now);
        drop(made);
        self.refresh_decoys();
    }

    pub(super) fn refresh_decoys(&self) {
        let samples = self.sources.iter().flat_map(|source| source.sample());
        let mut costs = Vec::new();
        let mut shapes = Shapes::default();
        for stored in samples {
            let Ok(credential) = Credential::parse(&stored, &self.limits) else {
                continue;
            };
            costs.push(credential.cost());
            for mechanism in Mechanism::ALL {
                if let Some(keys) = self.keys_of(&credential, mechanism) {
                    shapes.count(&keys, !credential.holds_keys());
                }
            }
        }
        self.decoys.replace(costs);
        self.pretence.replace(shapes);
    }
}

/// Accounts of another cost are met with decoys of that cost after so long at the latest.
const DECOYS_LAST: Duration = Duration::from_secs(5);
