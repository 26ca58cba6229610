//! The decisions: who may enter, and whose connection must end.
//!
//! [`Engine::connect`] reads as the list of what is asked, in order. Must not: call the broker (what is
//! to be done to it is returned as [`Effect`]s), read a clock but the one it was given, or hold a lock
//! while it hashes. All of it may be asked from any thread: brokers of 2.1 ask from the HTTP API's too.
#![forbid(unsafe_code)]

mod access;
mod badges;
mod bans;
mod budget;
mod certified;
mod control;
mod decoy;
mod exchange;
mod exchanges;
mod kept;
mod keyed;
mod memory;
mod offline;
mod own;
mod pending;
mod pretence;
mod psk;
mod renewal;
mod review;
mod revocation;
mod sessions;
mod shown;
mod standing;
mod telling;
#[cfg(test)]
mod tests;
mod token;
mod verification;
mod warrant;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use self::bans::Pardon;
use self::budget::Budget;
pub use self::certified::Named;
pub use self::control::{Concerned, Connected, End, Held};
use self::decoy::Decoys;
use self::exchanges::Exchanges;
pub use self::kept::Subscribed;
use self::keyed::Keyed;
pub use self::memory::{Memory, Seat};
pub use self::own::Proven;
use self::pending::Pending;
pub use self::pending::Waiting;
use self::pretence::Pretence;
pub use self::renewal::Renewal;
use self::renewal::Renewals;
pub use self::sessions::Proof;
use self::sessions::{Kept, Session, Sessions};
use self::standing::Standings;
use self::telling::Telling;
use self::token::Tokens;
use self::verification::{Fits, Paces};
use crate::admission::{self, Approach, Fact};
use crate::audit::{Audit, Denials};
use crate::config::{CertificateUse, Config, CostLimits, Hashing, Rehash, Scram, UnknownUser};
use crate::figures::Figures;
use crate::model::{Account, CertificateName, Fingerprint, PskIdentity, StoredCredential};
use crate::pool::{Pool, Surroundings};
use crate::request::{Connect, ConnectionId, Method, Now, Occasion};
use crate::store::{self, Authorities, Login, Ordered, Source, Watched};
use crate::throttle::Throttle;
use crate::vault::Vault;
use crate::verdict::{Deferral, Effect, Reason, Verdict};
use crate::verified::Verified;

/// How many logins wait to be written down; more than that in one interval are not recorded.
const MOST_LOGINS: usize = 100_000;

/// How long the ends of connections wait for answers to orders.
const LONGEST_HELD: Duration = Duration::from_millis(250);

/// How many connections are ended in one round of the broker, during which everybody else waits: of those who
/// logged in, of those with a key, and of usernames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It comes round for the others at once.
    Few,
    /// It may be long in coming.
    Many,
}

/// One takes the broker 20 to 300 microseconds.
const FEW_ENDS: usize = 1;

const MANY_ENDS: usize = 500;

/// A few clients with quick hashes are answered at once; of many that come together, each waits for all
/// before it unless workers take them, in lanes.
const QUICK: Duration = Duration::from_millis(10);

/// The engine: shared by the broker's thread, the HTTP API's and the watcher's.
pub struct Engine {
    sources: Vec<Arc<dyn Source>>,
    /// Who says who may do what, in the order in which they are asked; nobody where that is the
    /// broker's to say.
    authorities: Authorities,
    /// Whether an account can be there and yet not be used.
    has_states: bool,
    standings: Standings,
    unknown_user: UnknownUser,
    limits: CostLimits,
    audit: Audit,
    figures: Figures,
    telling: Mutex<Telling>,
    denials: Denials,
    record_last_login: bool,
    hashing: Hashing,
    scram: Scram,
    scram_hashes: bool,
    certificate: CertificateUse,
    /// Where there are keys to verify them with.
    tokens: Option<Tokens>,
    rehash: Rehash,
    rehash_iterations: u32,
    pending_timeout: Duration,
    /// For what takes time within one question.
    clock: fn() -> Now,
    decoys: Decoys,
    /// The keys of those who are not there.
    pretence: Pretence,
    /// Whether a change may have made others of them, and when they were last made.
    decoys_are_old: AtomicBool,
    decoys_made: Mutex<Option<Instant>>,
    verified: Mutex<Verified>,
    budget: Mutex<Budget>,
    /// How much of a second quick hashes may take of the broker's thread before workers take them too.
    quick: Mutex<Budget>,
    paces: Mutex<Paces>,
    throttle: Mutex<Throttle>,
    /// The workers, where the broker can be told later.
    pool: OnceLock<Pool>,
    pending: Mutex<Pending>,
    exchanges: Mutex<Exchanges>,
    /// Whether keys of TLS-PSK are given, and what they are sealed with.
    psk: bool,
    vault: Option<Arc<Vault>>,
    keyed: Mutex<Keyed>,
    /// How many of them nobody has heard of, for whoever takes no lock.
    keys_waiting: AtomicUsize,
    renewals: Mutex<Renewals>,
    sessions: Mutex<Sessions>,
    logins: Mutex<Vec<Login>>,
    completions: Mutex<Vec<Effect>>,
    /// Counts what the watcher reported, so that a login that began before is looked at again.
    revision: AtomicU64,
    /// Whether a tick has anything to do but to look whether a worker is ready.
    something_to_do: AtomicBool,
    /// How many hold back the ends of connections.
    held: AtomicUsize,
    /// Whether something is published in this round.
    spoken: AtomicBool,
    /// In how many rounds that has gone out.
    rounds_due: AtomicU8,
    /// Since when ends wait for that.
    ends_kept_since: Mutex<Option<Instant>>,
}

/// An engine and what its watcher has to keep fresh.
pub struct Opened {
    /// The engine.
    pub engine: Engine,
    /// Its sources, seen from behind.
    pub watched: Vec<Box<dyn Watched>>,
}

/// What the sources say of a username, and how many changes had been reported before they were asked.
struct Found {
    account: Option<Account>,
    /// Of its credential and its second one.
    fingerprints: [Option<Fingerprint>; 2],
    /// Whether the source of the account keeps a record of logins.
    is_recorded: bool,
    /// Where its credentials may be stored otherwise.
    written_in: Option<PathBuf>,
    revision: u64,
}

/// By what a client is let in.
#[derive(Default)]
struct Shows {
    /// The credential that its password or proof fits.
    fingerprint: Option<Fingerprint>,
    /// The certificate that counts.
    certificate: Option<CertificateName>,
}

impl Found {
    /// The credentials that may be tried, the first one first.
    fn credentials(&self) -> impl Iterator<Item = (Fingerprint, &StoredCredential)> {
        let both = self.account.iter();
        let both = both.flat_map(|a| [&a.credential, &a.second_credential]);
        let both = self.fingerprints.iter().zip(both);
        both.filter_map(|(fingerprint, stored)| (*fingerprint).zip(stored.as_ref()))
    }

    /// Whether the account has this credential.
    fn has(&self, fingerprint: Fingerprint) -> bool {
        self.fingerprints.contains(&Some(fingerprint))
    }
}

impl Engine {
    /// Opens every source, in order.
    ///
    /// # Errors
    /// For the first source that cannot be opened or is not what it should be.
    pub fn open(
        config: &Config,
        key: &[u8; 32],
        clock: fn() -> Now,
        waiting: Arc<Waiting>,
    ) -> Result<Opened, store::Error> {
        let Ordered {
            sources,
            authorities,
            mut watched,
        } = store::open_all(config)?;
        let tokens = Tokens::open(config, &mut watched)?;
        let mut engine = Self::over(sources, authorities, config, key, clock, waiting);
        if let Some(tokens) = tokens {
            engine.take_tokens(tokens);
        }
        // What somebody who is not there is told should not change with a restart.
        if let Some(id) = store::machine_id() {
            engine.pretence = Pretence::new(&id);
            engine.refresh_decoys();
        }
        engine.unlock_keys(config)?;
        Ok(Opened { engine, watched })
    }

    fn over(
        sources: Vec<Arc<dyn Source>>,
        authorities: Authorities,
        config: &Config,
        key: &[u8; 32],
        clock: fn() -> Now,
        waiting: Arc<Waiting>,
    ) -> Self {
        let engine = Self {
            has_states: sources.iter().any(|source| source.has_states()),
            sources,
            standings: Standings::new(authorities.asks_client_id()),
            authorities,
            unknown_user: config.unknown_user,
            limits: config.limits,
            audit: Audit::new(config.log_logins),
            figures: Figures::default(),
            telling: Mutex::new(Telling::new(config)),
            denials: Denials::default(),
            record_last_login: config.record_last_login,
            hashing: config.hashing,
            scram: config.scram,
            scram_hashes: config.scram_hashes,
            certificate: config.certificate,
            tokens: None,
            rehash: config.rehash,
            rehash_iterations: config.rehash_iterations,
            pending_timeout: config.pending_timeout,
            clock,
            decoys: Decoys::new(),
            pretence: Pretence::new(key),
            decoys_are_old: AtomicBool::new(false),
            decoys_made: Mutex::new(None),
            verified: Mutex::new(Verified::new(key)),
            budget: Mutex::new(Budget::new(config.inline_budget)),
            quick: Mutex::new(Budget::new(QUICK)),
            paces: Mutex::new(Paces::default()),
            throttle: Mutex::new(Throttle::new(config.throttle.clone())),
            pool: OnceLock::new(),
            pending: Mutex::new(Pending::new(waiting)),
            exchanges: Mutex::default(),
            psk: config.psk,
            vault: None,
            keyed: Mutex::default(),
            keys_waiting: AtomicUsize::new(0),
            renewals: Mutex::default(),
            sessions: Mutex::new(Sessions::default()),
            logins: Mutex::new(Vec::new()),
            completions: Mutex::new(Vec::new()),
            revision: AtomicU64::new(0),
            something_to_do: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            spoken: AtomicBool::new(false),
            rounds_due: AtomicU8::new(0),
            ends_kept_since: Mutex::new(None),
        };
        engine.refresh_decoys();
        let sources = engine.sources.len();
        (0..sources).for_each(|_| engine.figures.loaded());
        engine
    }

    /// Whether there is anybody to ask. Without a source the broker's own rules stay in force.
    #[must_use]
    pub fn has_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Whether who may do what is ours to say.
    #[must_use]
    pub fn has_acl(&self) -> bool {
        !self.authorities.is_empty() || self.tokens.as_ref().is_some_and(Tokens::grants)
    }

    /// From now on there are tokens: what is said of a client depends on its login.
    fn take_tokens(&mut self, tokens: Tokens) {
        self.standings = Standings::new(true);
        self.has_states = true;
        self.tokens = Some(tokens);
    }

    /// Has workers come when there is work, for a broker that can be told later. Without them every password and
    /// token is verified here and now.
    pub fn take_workers(&self, config: &Config, around: &Surroundings) {
        if self.hashing == Hashing::Inline {
            return;
        }
        // A second pool would have nobody to answer.
        self.pool
            .get_or_init(|| Pool::new(config.workers, config.queue, around));
    }

    /// Ends the workers and waits for them. Who is waiting is not answered.
    pub fn stop_workers(&self) {
        if let Some(pool) = self.pool.get() {
            pool.stop();
        }
    }

    /// "May this client enter?"
    pub fn connect(&self, connect: &Connect<'_>, now: Now) -> Verdict {
        if let (Some(client_id), Some(_)) = (connect.client.id, connect.client.connection)
            && connect.occasion != Occasion::Again
        {
            // Whoever waited under this id is gone, or the broker would not ask for another. The HTTP
            // API's callers have no connection, and all the same id.
            self.supersede(client_id);
        }
        self.asked_about(connect.client.connection);
        let verdict = self.answer(connect, now);
        self.settle(connect, verdict, now)
    }

    /// What was to be told to an earlier client of this id is not told to the next one: the broker
    /// knows them by their id only.
    pub fn supersede(&self, client_id: &str) {
        lock(&self.pending).supersede(client_id);
        lock(&self.completions).retain(|effect| match effect {
            Effect::Complete { client_id: id, .. } => **id != *client_id,
            Effect::Kick { .. }
            | Effect::KickKeyed { .. }
            | Effect::KickUnseen { .. }
            | Effect::KickUsername(_)
            | Effect::Recheck { .. }
            | Effect::Publish { .. }
            | Effect::Tell { .. } => true,
        });
    }

    fn answer(&self, connect: &Connect<'_>, now: Now) -> Verdict {
        if connect.occasion != Occasion::Again
            && let Some(reason) = self.refused_by_key(connect, connect.username)
        {
            return Verdict::Deny(reason);
        }
        let Some(username) = connect.username else {
            if let (Some(id), false) = (connect.client.id, connect.occasion == Occasion::Again) {
                lock(&self.sessions).comes_back(id);
            }
            return Verdict::Defer(Deferral::Anonymous);
        };
        if let Some(verdict) = self.again(connect, username, now) {
            return verdict;
        }
        let found = match self.find(username, connect.client.id) {
            Ok(found) => found,
            Err(error) => {
                log::warn!("{error}");
                return Verdict::Deny(Reason::SourceUnavailable);
            }
        };
        if connect.method == Method::Certificate {
            return self.by_certificate(connect, &found, now.wall);
        }
        let Some(password) = connect.password else {
            return self.without_password(connect, &found, now.wall);
        };
        if let Some(tags) = self.remembered(connect, &found, password, now) {
            self.figures.remembered();
            return self.conclude(connect, &found, &[tags], Fits::Remembered, now);
        }
        self.verify(connect, username, &found, password, now)
    }

    /// A re-check after SIGHUP of a session that we let in: the broker kept its password, which was
    /// right, so only the account can have changed.
    fn again(&self, connect: &Connect<'_>, username: &str, now: Now) -> Option<Verdict> {
        let connection = connect
            .client
            .connection
            .filter(|_| connect.occasion == Occasion::Again)?;
        let session = lock(&self.sessions).find(connection)?;
        if session.name.as_str() != username {
            return None;
        }
        match self.find(username, connect.client.id) {
            // Where the account is gone or changed, it is a login like any other.
            Ok(found) => {
                let holds = self.still_holds(&session, &found, now.wall);
                holds.is_ok().then_some(Verdict::Allow)
            }
            // Nobody is let in here, and nobody's session ends because a file cannot be read just
            // now: what cannot be asked does not say that anything has changed.
            Err(error) => {
                log::warn!("{error}");
                Some(Verdict::Allow)
            }
        }
    }

    /// The broker asks for a session that it restored from disk without ever having seen a password;
    /// anybody else needs one.
    fn without_password(&self, connect: &Connect<'_>, found: &Found, now: Timestamp) -> Verdict {
        match &found.account {
            // It may be that of a token, which nobody kept: who takes it up has to show one.
            None if connect.client.restored && self.lets_in_without_account() => Verdict::Allow,
            None => self.unknown_now(),
            Some(account) if !connect.client.restored && !self.is_kept(connect, account) => {
                Verdict::Deny(Reason::NoPassword)
            }
            Some(account) => match admission::admit(account, approach(connect), now) {
                Err(reason) => Verdict::Deny(reason),
                Ok(()) => {
                    self.admitted(connect, found, account, Shows::default(), now);
                    Verdict::Allow
                }
            },
        }
    }

    /// Whether the broker asks for a session that it keeps for a client of this account that has left:
    /// who came in without sending a password has none there.
    fn is_kept(&self, connect: &Connect<'_>, account: &Account) -> bool {
        let Some(client_id) = connect.client.id else {
            return false;
        };
        connect.occasion == Occasion::Again
            && lock(&self.sessions).has_left(account.name.as_str(), client_id)
    }

    /// A request that cannot be understood is refused without asking anybody.
    pub fn refuse(&self, connect: &Connect<'_>, reason: Reason, now: Now) -> Verdict {
        self.settle(connect, Verdict::Deny(reason), now)
    }

    /// The single exit of every decision.
    fn settle(&self, connect: &Connect<'_>, verdict: Verdict, now: Now) -> Verdict {
        let keyed = connect.client.connection.filter(|_| self.psk);
        let identity = keyed.and_then(|connection| lock(&self.keyed).identity(connection));
        let identity = identity.as_ref().map(PskIdentity::as_str);
        if (verdict, connect.method) == (Verdict::Allow, Method::Certificate) {
            self.figures.certified();
        }
        if verdict == Verdict::Pending {
            self.something_to_do.store(true, Ordering::Release);
        }
        self.settle_as(&self.without_token(connect), identity, verdict, now);
        verdict
    }

    /// The same, for a client that names an identity of TLS-PSK.
    fn settle_as(&self, connect: &Connect<'_>, identity: Option<&str>, verdict: Verdict, now: Now) {
        self.figures.decided(verdict);
        self.audit.record(connect, identity, verdict, now.mono);
    }

    /// The connection is over, or lives on without its client.
    pub fn disconnected(&self, connection: ConnectionId) {
        lock(&self.exchanges).take(connection);
        self.key_ended(connection);
        let ended = lock(&self.sessions).end(connection);
        if let Some(session) = ended {
            self.leaves_by_token(&session);
            if session.kept == Kept::Unknown {
                self.something_to_do.store(true, Ordering::Release);
            }
        }
    }

    /// What is to be done to the broker now: every answer that is ready, and so many ends at a time. All clients
    /// wait while the broker ends one, and it looks through everybody who has subscribed to the same.
    pub fn tick(&self, ends: Ends, now: impl FnOnce() -> Now) -> Vec<Effect> {
        let answers = self.pool.get().map(Pool::take_answers).unwrap_or_default();
        if answers.is_empty() && !self.something_to_do.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.something_to_do.store(false, Ordering::Release);
        self.round();
        let now = now();
        self.settle_pending(answers, now);
        let ends = self.ends(ends, now.mono);
        // Looked at afterwards and done before: whoever held the ends back has spoken by now.
        let mut effects = std::mem::take(&mut *lock(&self.completions));
        effects.extend(self.take_told());
        effects.extend(ends);
        if self.has_ends() || !lock(&self.pending).is_empty() {
            self.something_to_do.store(true, Ordering::Release);
        }
        effects
    }

    /// The connections to be ended now. The broker keeps what it is told to publish until it comes round
    /// again, so nobody is ended in the round in which something is published; but order upon order
    /// does not keep anybody in.
    fn ends(&self, ends: Ends, now: Instant) -> Vec<Effect> {
        let is_held = self.held.load(Ordering::Acquire) > 0;
        let is_spoken = self.spoken.swap(false, Ordering::AcqRel);
        let is_something = self.has_ends();
        let mut kept_since = lock(&self.ends_kept_since);
        let is_early = is_something && (is_held || is_spoken);
        if is_early {
            let since = *kept_since.get_or_insert(now);
            if now.saturating_duration_since(since) < LONGEST_HELD {
                return Vec::new();
            }
        }
        *kept_since = None;
        let most = match ends {
            // Those that were held back for so long do not wait for each other as well.
            Ends::Few if !is_early => FEW_ENDS,
            Ends::Few | Ends::Many => MANY_ENDS,
        };
        // Who looks at thousands of connections may be in there, and have to wait for a core.
        let mut effects = Vec::new();
        if let Some(mut sessions) = try_lock(&self.sessions) {
            effects.extend(sessions.take_effects(most));
        }
        if let Some(mut keyed) = try_lock(&self.keyed) {
            effects.extend(keyed.take_effects(most));
        }
        effects.extend(self.standings.take_effects(most));
        effects
    }

    /// Whether connections are to be ended, or sessions to be looked at again, that were not yet; or may be.
    #[must_use]
    pub fn has_ends(&self) -> bool {
        try_lock(&self.sessions).is_none_or(|sessions| sessions.has_effects())
            || try_lock(&self.keyed).is_none_or(|keyed| keyed.has_effects())
            || self.standings.has_effects()
    }

    /// Whether a tick would find something to do.
    #[must_use]
    pub fn is_to_be_ticked(&self) -> bool {
        self.something_to_do.load(Ordering::Acquire)
    }

    /// The successful logins since the last call. For the watcher's thread.
    pub fn take_logins(&self) -> Vec<Login> {
        std::mem::take(&mut *lock(&self.logins))
    }

    fn find(&self, username: &str, client_id: Option<&str>) -> Result<Found, store::Error> {
        let mut found = Found {
            account: None,
            fingerprints: [None; 2],
            is_recorded: false,
            written_in: None,
            revision: self.revision.load(Ordering::Acquire),
        };
        let Some((account, source)) = self.known(username, client_id)? else {
            return Ok(found);
        };
        let verified = lock(&self.verified);
        let both = [&account.credential, &account.second_credential];
        found.fingerprints = both.map(|stored| {
            let stored = stored.as_ref()?;
            Some(verified.fingerprint(&account.name, stored))
        });
        found.written_in = match self.rehash {
            Rehash::Off => None,
            Rehash::Weaker | Rehash::Keys(_) => source.written_in().map(Path::to_owned),
        };
        found.is_recorded = self.record_last_login && source.keeps_logins();
        found.account = Some(account);
        Ok(found)
    }

    fn known(
        &self,
        username: &str,
        client_id: Option<&str>,
    ) -> Result<Option<(Account, &dyn Source)>, store::Error> {
        store::known(&self.sources, username, client_id)
    }

    /// The verdict on a client that has shown what it has to show: only the bounds of its account are left.
    fn admit_within_bounds(
        &self,
        connect: &Connect<'_>,
        found: &Found,
        account: &Account,
        shows: Shows,
        now: Timestamp,
    ) -> Verdict {
        match admission::admit(account, approach(connect), now) {
            Err(reason) => Verdict::Deny(reason),
            Ok(()) => {
                self.admitted(connect, found, account, shows, now);
                Verdict::Allow
            }
        }
    }

    fn admitted(
        &self,
        connect: &Connect<'_>,
        found: &Found,
        account: &Account,
        shows: Shows,
        now: Timestamp,
    ) {
        self.note_login(connect, found, account, now);
        let (Some(connection), Some(client_id)) = (connect.client.connection, connect.client.id)
        else {
            return;
        };
        let session = Session {
            name: account.name.clone(),
            client_id: client_id.into(),
            ip: approach(connect).ip,
            fingerprint: shows.fingerprint,
            certificate: shows.certificate,
            ends: account.valid_until,
            since: now,
            by: match (shows.fingerprint, connect.method) {
                (_, Method::Certificate) => Proof::Certificate,
                (None, Method::Psk) => Proof::Psk,
                (None, _) => Proof::Other,
                (Some(_), Method::Scram(_)) => Proof::Scram,
                // The key is no credential of the account.
                (Some(_), Method::Psk) => Proof::Other,
                (Some(_), Method::Token) => Proof::Token,
                (Some(first), Method::Password) => {
                    match found.fingerprints.first() == Some(&Some(first)) {
                        true => Proof::Password,
                        false => Proof::SecondPassword,
                    }
                }
            },
            token: None,
            kept: self.known_of(connect.occasion),
        };
        self.begin(connection, session, found, now);
    }

    /// A login that is to be written down, if its source keeps a record.
    fn note_login(&self, connect: &Connect<'_>, found: &Found, account: &Account, now: Timestamp) {
        if !found.is_recorded || connect.occasion == Occasion::Again {
            return;
        }
        let mut logins = lock(&self.logins);
        if logins.len() < MOST_LOGINS {
            logins.push(Login {
                name: account.name.clone(),
                at: now,
            });
        }
    }

    /// Somebody is in, on the strength of what was found. If something was reported meanwhile, both
    /// the session and how it stands are looked at again.
    fn begin(&self, connection: ConnectionId, session: Session, found: &Found, now: Timestamp) {
        let client_id = session.client_id.clone();
        if session.token.is_none() {
            self.takes_badge_off(session.name.as_str(), &client_id);
        }
        let mut sessions = lock(&self.sessions);
        sessions.begin(connection, session);
        if self.revision.load(Ordering::Acquire) != found.revision {
            sessions.doubt(connection);
        }
        drop(sessions);
        self.stand_at_login(&client_id, found, now);
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
            Fact::Is(client.address.ip())
        },
    }
}

/// A panic elsewhere leaves the data whole: every change under these locks is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for what can be done in the next round as well; none while another thread has it.
fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
