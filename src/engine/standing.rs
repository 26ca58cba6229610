//! What each client may do, as it was found out when it first asked, kept until something changes.
//!
//! Must not: decide, or wait: whoever looks here takes no lock, and whoever changes something replaces
//! one entry by another whole. Entries are those who asked lately; the others are found out again.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hashbrown::{DefaultHashBuilder, Equivalent, HashMap, HashSet};
use jiff::Timestamp;

use super::lock;
use crate::policy::{Asker, Because, Decision, Question, Rights};
use crate::store::Granted;
use crate::verdict::{Effect, Reason};

/// All of them.
pub(super) struct Standings {
    table: papaya::HashMap<Key, Arc<Standing>, DefaultHashBuilder>,
    /// Whether one username can stand differently under different client ids.
    by_client_id: bool,
    /// How many of them are of names that nobody here knows, counted anew by each sweep.
    strangers: AtomicUsize,
    /// How many bytes the long names of all others have, counted anew by each sweep.
    long_bytes: AtomicUsize,
    /// Counts what was replaced and what was taken out, each after it was.
    replaced: AtomicU64,
    watch: Mutex<Watch>,
}

/// What only concerns who looks after them.
#[derive(Default)]
struct Watch {
    /// To be found out again.
    doubtful: HashSet<Key>,
    /// Connections to be ended by username, because nobody told of them when they began.
    kicked: BTreeSet<Option<Box<str>>>,
    /// Nothing changes by time alone before this.
    next_change: Option<Timestamp>,
    swept: Option<Instant>,
    /// What was in force and may still be asked, by address: taken apart by whoever looks after it, and
    /// not by the last one who asked.
    retired: HashMap<usize, Arc<Rights>>,
}

/// Who stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    username: Option<Box<str>>,
    client_id: Option<Box<str>>,
}

/// The same, borrowed.
#[derive(Hash)]
struct Borrowed<'a> {
    username: Option<&'a str>,
    client_id: Option<&'a str>,
}

/// How somebody stands.
#[derive(Debug)]
pub(super) struct Standing {
    /// What is said of it.
    pub(super) says: Says,
    /// Whose standing it is.
    pub(super) whose: Whose,
    /// Whether nobody of this name had logged in here when it first asked: it has a certificate, or a
    /// session that the broker restored.
    pub(super) unannounced: bool,
    /// Since the last sweep.
    used: AtomicBool,
}

/// Whether there is an account of the name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    /// There is none, or it could not be looked for.
    Nobodys,
    /// There is one.
    Accounts {
        /// When it begins or ceases to be valid.
        changes_at: Option<Timestamp>,
    },
}

impl Whose {
    /// Whether what is said may be said of any name: there is no account, and nobody granted anything.
    fn is_stranger(self, says: &Says) -> bool {
        match (self, says) {
            (Self::Accounts { .. }, _)
            | (Self::Nobodys, Says::Granted { .. } | Says::ByToken(_)) => false,
            (Self::Nobodys, Says::File | Says::Refused(_) | Says::Nobody) => true,
        }
    }
}

/// What is said of somebody.
#[derive(Clone, Debug)]
pub(super) enum Says {
    /// The ACL file decides.
    File,
    /// These rights do.
    Granted {
        /// Of the authorities, the one that said so.
        authority: usize,
        /// What it granted.
        granted: Granted,
    },
    /// A token does, where it has anything to say.
    ByToken(Box<ByToken>),
    /// The account may not be used now, or could not be looked at.
    Refused(Reason),
    /// Nobody here has anything to say.
    Nobody,
}

/// What follows from a token.
#[derive(Clone, Debug)]
pub(super) struct ByToken {
    /// When it ends.
    pub(super) until: Option<Timestamp>,
    /// Why it counts no more. Nothing is sent then, but subscriptions stay: the broker looks at them when
    /// the connection is ended, and the client may come again to a session that it left.
    pub(super) over: Option<Reason>,
    /// What it allows by itself, and by roles that it names: asked in this order.
    pub(super) layers: Vec<Arc<Rights>>,
    /// What is said where none of its rules has an answer.
    pub(super) then: Says,
}

impl ByToken {
    /// The answer of the first of its rules that has one. There is none about administration: that is the
    /// account's.
    pub(super) fn decide(
        &self,
        asker: Asker<'_>,
        question: &Question<'_>,
    ) -> Option<(&Rights, Decision)> {
        if question.is_about_control() {
            return None;
        }
        self.layers.iter().find_map(|rights| {
            let decision = rights.check(asker, question);
            match decision.because {
                Because::Rule { .. } | Because::WildcardSubscription { .. } => {
                    Some((&**rights, decision))
                }
                Because::Default | Because::Control => None,
            }
        })
    }
}

impl Says {
    /// All rights in it.
    pub(super) fn rights(&self) -> Vec<&Rights> {
        match self {
            Self::Granted { granted, .. } => vec![&*granted.rights],
            Self::ByToken(token) => {
                let layers = token.layers.iter().map(|rights| &**rights);
                layers.chain(token.then.rights()).collect()
            }
            Self::File | Self::Refused(_) | Self::Nobody => Vec::new(),
        }
    }

    /// What is said of the account.
    pub(super) fn of_account(&self) -> &Self {
        match self {
            Self::ByToken(token) => token.then.of_account(),
            Self::Granted { .. } | Self::File | Self::Refused(_) | Self::Nobody => self,
        }
    }
}

impl Standings {
    /// None yet.
    pub(super) fn new(by_client_id: bool) -> Self {
        Self {
            table: papaya::HashMap::with_hasher(DefaultHashBuilder::default()),
            by_client_id,
            strangers: AtomicUsize::new(0),
            long_bytes: AtomicUsize::new(0),
            replaced: AtomicU64::new(0),
            watch: Mutex::default(),
        }
    }

    /// Who that is here.
    pub(super) fn key(&self, asker: Asker<'_>) -> Key {
        let borrowed = self.borrow(asker);
        Key {
            username: borrowed.username.map(Into::into),
            client_id: borrowed.client_id.map(Into::into),
        }
    }

    fn borrow<'a>(&self, asker: Asker<'a>) -> Borrowed<'a> {
        Borrowed {
            username: asker.username,
            // What is said of clients without a username is said of all of them.
            client_id: asker
                .client_id
                .filter(|_| self.by_client_id && asker.username.is_some()),
        }
    }

    /// Looks at how somebody stands, if that is known.
    pub(super) fn look<T>(&self, asker: Asker<'_>, at: impl FnOnce(&Standing) -> T) -> Option<T> {
        let table = self.table.pin();
        let standing = table.get(&self.borrow(asker))?;
        standing.is_used_now();
        Some(at(standing))
    }

    /// How somebody stands, if that is known, to be kept for as long as [`replaced`](Self::replaced) is what
    /// it was before.
    pub(super) fn find(&self, asker: Asker<'_>) -> Option<Arc<Standing>> {
        let table = self.table.pin();
        let standing = table.get(&self.borrow(asker))?;
        standing.is_used_now();
        Some(Arc::clone(standing))
    }

    /// How often somebody who was known has come to stand otherwise, or is not known any more.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Acquire)
    }

    /// After it was done: whoever finds the number unchanged has seen nothing that is gone.
    fn has_replaced(&self) {
        self.replaced.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether there is room to keep how somebody stands. Where the broker lets everybody in, names
    /// cost nothing: of those that nobody knows only so many are kept, and no long ones. Whoever is known
    /// is kept whatever its client id, while all long ones together have so many bytes.
    pub(super) fn has_room(&self, key: &Key, says: &Says, whose: Whose) -> bool {
        let long = key.long_bytes();
        let of_strangers = || self.strangers.load(Ordering::Relaxed) < MOST_STRANGERS;
        match whose.is_stranger(says) && key.username.is_some() {
            true => long == 0 && of_strangers(),
            false => {
                let all = self.long_bytes.load(Ordering::Relaxed);
                all.saturating_add(long) <= MOST_LONG_BYTES && self.table.len() < MOST
            }
        }
    }

    /// From now on it stands like this.
    pub(super) fn put(&self, key: Key, standing: Arc<Standing>) {
        if let Some(at) = standing.changes_at() {
            let mut watch = lock(&self.watch);
            watch.next_change = watch.next_change.into_iter().chain([at]).min();
        }
        let is_of_stranger = standing.is_of_stranger();
        let long = key.long_bytes();
        let before = self.table.pin().insert(key, standing).is_some();
        if before {
            self.has_replaced();
        }
        if !before {
            let strangers = usize::from(is_of_stranger);
            self.strangers.fetch_add(strangers, Ordering::Relaxed);
            self.long_bytes.fetch_add(long, Ordering::Relaxed);
        }
    }

    /// Replaces what is known already, all of it or nothing: what was built comes in, none of it can
    /// fail any more. Who has gone meanwhile stays away.
    pub(super) fn replace(&self, all: Vec<(Key, Arc<Standing>)>) {
        let retired = all.iter().filter_map(|(key, _)| self.rights(key));
        let retired = retired.map(|rights| (Arc::as_ptr(&rights).addr(), rights));
        let retired: Vec<_> = retired.collect();
        lock(&self.watch).retired.extend(retired);
        for (key, standing) in all {
            if self.table.pin().contains_key(&key) {
                self.put(key, standing);
            }
        }
    }

    fn rights(&self, key: &Key) -> Option<Arc<Rights>> {
        match &self.table.pin().get(key)?.says {
            Says::Granted { granted, .. } => Some(Arc::clone(&granted.rights)),
            Says::File | Says::ByToken(_) | Says::Refused(_) | Says::Nobody => None,
        }
    }

    /// How somebody stands, if that is known.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Standing>> {
        self.table.pin().get(key).cloned()
    }

    /// It is to be found out again soon, and stands as it does until then.
    pub(super) fn doubt(&self, key: Key) {
        lock(&self.watch).doubtful.insert(key);
    }

    /// Everybody.
    pub(super) fn all(&self) -> Vec<Key> {
        self.table.pin().keys().cloned().collect()
    }

    /// Those who came by a token.
    pub(super) fn by_token(&self) -> Vec<Key> {
        let table = self.table.pin();
        let all = table.iter();
        let by_token = all.filter(|(_, standing)| matches!(standing.says, Says::ByToken(_)));
        by_token.map(|(key, _)| key.clone()).collect()
    }

    /// Those with one of these usernames.
    pub(super) fn of(&self, usernames: &[&str]) -> Vec<Key> {
        if self.by_client_id {
            let usernames: HashSet<&str> = usernames.iter().copied().collect();
            let mut all = self.all();
            all.retain(|key| key.username().is_some_and(|name| usernames.contains(name)));
            return all;
        }
        let table = self.table.pin();
        let borrowed = usernames.iter().map(|name| Borrowed {
            username: Some(*name),
            client_id: None,
        });
        let keys = borrowed.filter_map(|key| table.get_key_value(&key));
        keys.map(|(key, _)| key.clone()).collect()
    }

    /// Those in doubt, and those for whom time has changed something.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Key> {
        let mut watch = lock(&self.watch);
        watch
            .retired
            .retain(|_, rights| Arc::strong_count(rights) > 1);
        let mut due: Vec<Key> = watch.doubtful.drain().collect();
        if watch.next_change.is_some_and(|at| at <= now) {
            let table = self.table.pin();
            let changes = table
                .iter()
                .filter_map(|(key, s)| Some((key, s.changes_at()?)));
            let (over, later): (Vec<_>, Vec<_>) = changes.partition(|(_, at)| *at <= now);
            due.extend(over.into_iter().map(|(key, _)| key.clone()));
            watch.next_change = later.into_iter().map(|(_, at)| at).min();
        }
        due
    }

    /// Has every connection of a username ended, or those without one.
    pub(super) fn kick(&self, key: &Key) {
        lock(&self.watch).kicked.insert(key.username.clone());
    }

    /// Whether there are connections to be ended.
    pub(super) fn has_effects(&self) -> bool {
        !lock(&self.watch).kicked.is_empty()
    }

    /// The usernames whose connections are to be ended now, so many at most.
    pub(super) fn take_effects(&self, most: usize) -> Vec<Effect> {
        let mut watch = lock(&self.watch);
        let most = most.min(MOST_EFFECTS);
        let some = std::iter::from_fn(|| watch.kicked.pop_first()).take(most);
        some.map(Effect::KickUsername).collect()
    }

    /// Takes out who has not asked for a while, except those who may be in, or have a session waiting: what
    /// is not here is not found to have lost anything.
    pub(super) fn sweep(&self, now: Instant, stays: impl Fn(&str) -> bool) {
        let mut watch = lock(&self.watch);
        let swept = *watch.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) < SWEEP {
            return;
        }
        watch.swept = Some(now);
        drop(watch);
        let is_crowded = self.table.len() >= FEW;
        let mut strangers = 0_usize;
        let mut long_bytes = 0_usize;
        let table = self.table.pin();
        for (key, standing) in &table {
            let is_of_stranger = standing.is_of_stranger();
            let used = standing.used.swap(false, Ordering::Relaxed);
            let goes = is_crowded || is_of_stranger;
            // Of clients without a username, and of names without an account, nobody tells when one is in.
            let is_watched = match (key.username(), &standing.whose, &standing.says) {
                (None, _, _) | (_, Whose::Nobodys, Says::Granted { .. }) => true,
                (Some(name), _, _) => stays(name),
            };
            if goes && !used && !is_watched {
                table.remove(key);
                continue;
            }
            strangers = strangers.saturating_add(usize::from(is_of_stranger));
            long_bytes = long_bytes.saturating_add(key.long_bytes());
        }
        self.strangers.store(strangers, Ordering::Relaxed);
        self.long_bytes.store(long_bytes, Ordering::Relaxed);
        // Also where nobody goes: who asks without looking here is asking still.
        self.has_replaced();
    }
}

impl Key {
    /// The username; none for clients without one.
    pub(super) fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// How many bytes its names have, where they are long.
    fn long_bytes(&self) -> usize {
        let names = [&self.username, &self.client_id].into_iter().flatten();
        let long = names.filter(|name| name.len() > SHORT);
        long.map(|name| name.len()).sum()
    }

    /// As whoever asks.
    pub(super) fn asker(&self) -> Asker<'_> {
        Asker {
            client_id: self.client_id.as_deref(),
            username: self.username(),
        }
    }
}

impl Standing {
    /// Just found out.
    pub(super) fn new(says: Says, whose: Whose, unannounced: bool) -> Self {
        Self {
            says,
            whose,
            unannounced,
            used: AtomicBool::new(true),
        }
    }

    /// Somebody has asked since the last sweep.
    fn is_used_now(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it may be said of any name.
    fn is_of_stranger(&self) -> bool {
        self.whose.is_stranger(&self.says)
    }

    /// When it changes by time alone.
    fn changes_at(&self) -> Option<Timestamp> {
        let rights = self.says.rights();
        let of_rights = rights.iter().filter_map(|rights| rights.changes_at());
        let of_token = match &self.says {
            Says::ByToken(token) if token.over.is_none() => token.until,
            Says::ByToken(_)
            | Says::Granted { .. }
            | Says::File
            | Says::Refused(_)
            | Says::Nobody => None,
        };
        let of_account = match self.whose {
            Whose::Nobodys => None,
            Whose::Accounts { changes_at } => changes_at,
        };
        of_account
            .into_iter()
            .chain(of_token)
            .chain(of_rights)
            .min()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let borrowed = Borrowed {
            username: self.username.as_deref(),
            client_id: self.client_id.as_deref(),
        };
        borrowed.hash(state);
    }
}

impl Equivalent<Key> for Borrowed<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.username == key.username.as_deref() && self.client_id == key.client_id.as_deref()
    }
}

/// The broker goes through all its connections for each.
const MOST_EFFECTS: usize = 10;

/// Fewer entries than this stay, whoever they are.
const FEW: usize = 10_000;

/// Names that nobody knows, at a few hundred bytes each.
const MOST_STRANGERS: usize = 50_000;

/// A name or client id of more bytes is long.
const SHORT: usize = 256;

/// What an account can make the broker keep by client ids that are made up.
const MOST_LONG_BYTES: usize = 64 << 20;

/// As many as a large fleet has devices, twice.
const MOST: usize = 1_000_000;

/// Whoever has not asked for so long, or twice that, is found out again when it asks.
const SWEEP: Duration = Duration::from_mins(10);
