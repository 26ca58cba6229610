//! The decisions: who may enter, and whose connection must end.
//!
//! [`Engine::connect`] reads as the list of what is asked, in order. Must not: call the broker (what is
//! to be done to it is returned as [`Effect`]s), read a clock, or hold a lock while it hashes. All of
//! it may be asked from any thread: brokers of 2.1 ask from the HTTP API's thread too.
#![forbid(unsafe_code)]

mod decoy;
mod sessions;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use self::decoy::Decoys;
use self::sessions::{Session, Sessions};
use crate::admission::{self, Approach, Fact};
use crate::audit;
use crate::config::{Config, CostLimits, UnknownUser};
use crate::credential::{Credential, Match};
use crate::model::Account;
use crate::request::{Connect, ConnectionId, Now};
use crate::show::Shown;
use crate::store::{self, Login, News, Source, Watched};
use crate::verdict::{Deferral, Effect, Reason, Verdict};
use crate::verified::Verified;

/// How many logins wait to be written down; more than that in one interval are not recorded.
const MOST_LOGINS: usize = 100_000;

/// The engine: shared by the broker's thread, the HTTP API's and the watcher's.
pub struct Engine {
    sources: Vec<Arc<dyn Source>>,
    unknown_user: UnknownUser,
    limits: CostLimits,
    record_last_login: bool,
    decoys: Decoys,
    verified: Mutex<Verified>,
    sessions: Mutex<Sessions>,
    logins: Mutex<Vec<Login>>,
    /// Counts what the watcher reported, so that a login that began before is looked at again.
    revision: AtomicU64,
    /// Whether a session is to be ended: all that an idle tick has to look at.
    effects: AtomicBool,
}

/// An engine and what its watcher has to keep fresh.
pub struct Opened {
    /// The engine.
    pub engine: Engine,
    /// Its sources, seen from behind.
    pub watched: Vec<Box<dyn Watched>>,
}

impl Engine {
    /// Opens every source, in order. The only place that knows what there is to open.
    ///
    /// # Errors
    /// For the first source that cannot be opened or is not what it should be.
    pub fn open(config: &Config, key: &[u8; 32]) -> Result<Opened, store::Error> {
        let mut sources = Vec::new();
        let mut watched = Vec::new();
        for source in &config.sources {
            let opened = store::open(source, &config.limits)?;
            sources.push(opened.source);
            watched.push(opened.watched);
        }
        let engine = Self::over(sources, config, key);
        Ok(Opened { engine, watched })
    }

    fn over(sources: Vec<Arc<dyn Source>>, config: &Config, key: &[u8; 32]) -> Self {
        let engine = Self {
            sources,
            unknown_user: config.unknown_user,
            limits: config.limits,
            record_last_login: config.record_last_login,
            decoys: Decoys::new(),
            verified: Mutex::new(Verified::new(key)),
            sessions: Mutex::new(Sessions::default()),
            logins: Mutex::new(Vec::new()),
            revision: AtomicU64::new(0),
            effects: AtomicBool::new(false),
        };
        engine.refresh_decoys();
        engine
    }

    /// Whether there is anybody to ask. Without a source the broker's own rules stay in force.
    #[must_use]
    pub fn has_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// "May this client enter?"
    pub fn connect(&self, connect: &Connect<'_>, now: Now) -> Verdict {
        let revision = self.revision.load(Ordering::Acquire);
        let Some(username) = connect.username else {
            return settle(connect, Verdict::Defer(Deferral::Anonymous));
        };
        let account = match self.account(username, connect.client.id) {
            Ok(Some(account)) => account,
            Ok(None) => return settle(connect, self.unknown(username, connect.password)),
            Err(error) => {
                log::warn!("{error}");
                return settle(connect, Verdict::Deny(Reason::SourceUnavailable));
            }
        };
        let admitted = admission::admit(&account, approach(connect), now.wall);
        let fitting = match connect.password {
            // The broker asks again for a session it restored from disk: it never saw a password.
            None if connect.client.restored => Ok(None),
            None => Err(Reason::NoPassword),
            // The password is checked even where the account is not admitted: a refusal takes the
            // same time whatever its reason.
            Some(password) => self.fitting(&account, password).map(Some),
        };
        let verdict = match (admitted, fitting) {
            (Err(reason), _) | (Ok(()), Err(reason)) => Verdict::Deny(reason),
            (Ok(()), Ok(credential)) => {
                self.admitted(connect, &account, credential, revision, now.wall);
                Verdict::Allow
            }
        };
        settle(connect, verdict)
    }

    /// A request that cannot be understood is refused without asking anybody.
    pub fn refuse(&self, connect: &Connect<'_>, reason: Reason) -> Verdict {
        settle(connect, Verdict::Deny(reason))
    }

    /// The connection is over, or lives on without its client.
    pub fn disconnected(&self, connection: ConnectionId) {
        lock(&self.sessions).end(connection);
    }

    /// What is to be done to the broker now: at most a few hundred effects at a time.
    pub fn tick(&self) -> Vec<Effect> {
        if !self.effects.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut sessions = lock(&self.sessions);
        let effects = sessions.take_effects();
        self.effects
            .store(sessions.has_effects(), Ordering::Release);
        effects
    }

    /// A source changed: finds out whose connection must end. For the watcher's thread.
    pub fn review(&self, news: &News, now: Timestamp) {
        let connections = match news {
            News::Nothing => return,
            News::Accounts(names) => {
                self.revision.fetch_add(1, Ordering::AcqRel);
                lock(&self.sessions).of_accounts(names)
            }
            News::Everything => {
                self.revision.fetch_add(1, Ordering::AcqRel);
                lock(&self.sessions).all()
            }
        };
        self.refresh_decoys();
        self.judge(connections, now);
    }

    /// Looks after what changes without news: validities that end, and logins that were under way
    /// while a source changed. For the watcher's thread, a few times a second.
    pub fn beat(&self, now: Timestamp) {
        let due = lock(&self.sessions).due(now);
        self.judge(due, now);
    }

    /// The successful logins since the last call. For the watcher's thread.
    pub fn take_logins(&self) -> Vec<Login> {
        std::mem::take(&mut *lock(&self.logins))
    }

    fn account(
        &self,
        username: &str,
        client_id: Option<&str>,
    ) -> Result<Option<Account>, store::Error> {
        for source in &self.sources {
            if let Some(account) = source.account(username, client_id)? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    fn unknown(&self, username: &str, password: Option<&[u8]>) -> Verdict {
        if let Some(password) = password {
            self.decoys.burn(username, password);
        }
        match self.unknown_user {
            UnknownUser::Defer => Verdict::Defer(Deferral::UnknownUser),
            UnknownUser::Deny => Verdict::Deny(Reason::UnknownUser),
        }
    }

    /// The index of the credential that the password fits.
    fn fitting(&self, account: &Account, password: &[u8]) -> Result<usize, Reason> {
        let known = account
            .credentials()
            .position(|credential| lock(&self.verified).holds(&account.name, credential, password));
        if let Some(index) = known {
            return Ok(index);
        }
        let mut tried = false;
        for (index, stored) in account.credentials().enumerate() {
            match Credential::parse(stored, &self.limits) {
                Ok(credential) => {
                    tried = true;
                    if credential.verify(password) == Match::Yes {
                        lock(&self.verified).remember(&account.name, stored, password);
                        return Ok(index);
                    }
                }
                Err(error) => {
                    let name = Shown(account.name.as_str());
                    log::warn!("the credential of {name} cannot be used: {error}");
                }
            }
        }
        if tried {
            return Err(Reason::BadPassword);
        }
        self.decoys.burn(account.name.as_str(), password);
        Err(Reason::UnusableCredential)
    }

    fn admitted(
        &self,
        connect: &Connect<'_>,
        account: &Account,
        credential: Option<usize>,
        revision: u64,
        now: Timestamp,
    ) {
        if self.record_last_login && !connect.client.restored {
            let mut logins = lock(&self.logins);
            if logins.len() < MOST_LOGINS {
                logins.push(Login {
                    name: account.name.clone(),
                    at: now,
                });
            }
        }
        let (Some(connection), Some(client_id)) = (connect.client.connection, connect.client.id)
        else {
            return;
        };
        let fingerprint = credential
            .and_then(|index| account.credentials().nth(index))
            .map(|stored| lock(&self.verified).fingerprint(&account.name, stored));
        let session = Session {
            name: account.name.clone(),
            client_id: client_id.into(),
            ip: approach(connect).ip,
            fingerprint,
            ends: account.valid_until,
        };
        let mut sessions = lock(&self.sessions);
        sessions.begin(connection, session);
        if self.revision.load(Ordering::Acquire) != revision {
            sessions.doubt(connection);
        }
    }

    /// Ends the connections among these whose login would not be repeated now.
    fn judge(&self, connections: Vec<ConnectionId>, now: Timestamp) {
        for connection in connections {
            let Some(session) = lock(&self.sessions).find(connection) else {
                continue;
            };
            match self.account(session.name.as_str(), Some(&session.client_id)) {
                Ok(account) => {
                    if let Err(why) = self.still_holds(&session, account.as_ref(), now) {
                        log::info!(
                            "ending reason={why} username={} client_id={}",
                            Shown(session.name.as_str()),
                            Shown(&session.client_id)
                        );
                        let mut sessions = lock(&self.sessions);
                        sessions.kick(connection);
                        self.effects.store(true, Ordering::Release);
                    }
                }
                // Not known to be over: a source that cannot be asked ends nobody.
                Err(_) => lock(&self.sessions).doubt(connection),
            }
        }
    }

    fn still_holds(
        &self,
        session: &Session,
        account: Option<&Account>,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let Some(account) = account else {
            return Err("account_removed");
        };
        let approach = Approach {
            client_id: Fact::Is(Some(&session.client_id)),
            ip: session.ip,
        };
        admission::admit(account, approach, now).map_err(Reason::word)?;
        let Some(fingerprint) = session.fingerprint else {
            return Ok(());
        };
        let verified = lock(&self.verified);
        if account
            .credentials()
            .any(|c| verified.fingerprint(&account.name, c) == fingerprint)
        {
            Ok(())
        } else {
            Err("password_changed")
        }
    }

    fn refresh_decoys(&self) {
        let samples = self.sources.iter().flat_map(|source| source.sample());
        let costs = samples
            .filter_map(|stored| Credential::parse(&stored, &self.limits).ok())
            .map(|credential| credential.cost())
            .collect();
        self.decoys.replace(costs);
    }
}

fn approach<'a>(connect: &Connect<'a>) -> Approach<'a> {
    let client = &connect.client;
    Approach {
        client_id: Fact::Is(client.id),
        // A session restored from disk has no address, and no client that could use it from a
        // wrong one.
        ip: if client.restored {
            Fact::Open
        } else {
            Fact::Is(client.ip())
        },
    }
}

/// The single exit of every decision.
fn settle(connect: &Connect<'_>, verdict: Verdict) -> Verdict {
    audit::record(connect, verdict);
    verdict
}

/// A panic elsewhere leaves the data whole: every change under these locks is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
