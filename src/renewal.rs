//! The thread that stores passwords anew that were right, in the files where doorman may.
//!
//! Must not: have anybody wait, or write over a change that somebody made meanwhile. Hashes are made a few at
//! a time, and written in one transaction for each file; a file that cannot be written is told of once,
//! and left alone for a while. A password is wiped as soon as its hash is made.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::admin::{self, Actor, Command, Outcome};
use crate::config::CostLimits;
use crate::credential::{Credential, Salt, hash};
use crate::engine::{Engine, Renewal};
use crate::hand::{Hand, Start};
use crate::model::StoredCredential;
use crate::request::Now;
use crate::store::password_file::PasswordFile;
use crate::store::sqlite::Pen;

/// What a file is written with.
#[derive(Debug)]
pub enum Place {
    /// A database of doorman's own.
    Database(Arc<Pen>),
    /// A password file.
    File,
}

/// Where doorman may write, and what new credentials may cost.
#[derive(Debug)]
pub struct Desk {
    /// The files.
    pub places: BTreeMap<PathBuf, Place>,
    /// What a credential may cost: one that costs more would let nobody in.
    pub limits: CostLimits,
    /// For what is written down.
    pub clock: fn() -> Now,
}

/// Who does it, on a thread that is there while there is something to do.
pub struct Renewer {
    engine: Arc<Engine>,
    stop: Arc<Stop>,
    hand: Hand,
}

#[derive(Default)]
struct Stop {
    is_asked: Mutex<bool>,
    bell: Condvar,
}

impl Renewer {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(desk: Desk, engine: Arc<Engine>, start: Start) -> Self {
        let stop = Arc::<Stop>::default();
        let shut = Mutex::<Shut>::default();
        let (its, theirs) = (Arc::clone(&engine), Arc::clone(&stop));
        let hand = Hand::new("doorman-renewal", start, move || {
            let mut shut = shut.lock().unwrap_or_else(PoisonError::into_inner);
            while its.has_renewals() && theirs.is_not_asked_within(INTERVAL) {
                desk.turn(&its, &mut shut);
            }
        });
        Self { engine, stop, hand }
    }

    /// Has done what there is to do.
    pub fn look(&self) {
        if self.engine.has_renewals() {
            self.hand.call();
        }
    }

    /// Ends it: what is under way is finished, what waits is not begun.
    pub fn stop(&self) {
        *self
            .stop
            .is_asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.bell.notify_one();
        self.hand.dismiss();
    }
}

impl Stop {
    fn is_not_asked_within(&self, time: Duration) -> bool {
        let asked = self.is_asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(asked, time, |asked| !*asked);
        let (asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !*asked
    }
}

/// Files that cannot be written, and since when they have been left alone.
type Shut = BTreeMap<PathBuf, Instant>;

impl Desk {
    fn turn(&self, engine: &Engine, shut: &mut Shut) {
        let mut by_file: BTreeMap<PathBuf, Vec<Renewal>> = BTreeMap::new();
        for renewal in engine.take_renewals(AT_ONCE) {
            let of_file = by_file.entry(renewal.written_in.clone());
            of_file.or_default().push(renewal);
        }
        for (path, renewals) in by_file {
            let now = (self.clock)().mono;
            let is_shut = shut
                .get(&path)
                .is_some_and(|since| now.saturating_duration_since(*since) < LEFT_ALONE);
            if !is_shut {
                self.store(&path, &renewals, engine, shut);
            }
            for renewal in &renewals {
                engine.renewed(renewal);
            }
        }
    }

    fn store(&self, path: &Path, renewals: &[Renewal], engine: &Engine, shut: &mut Shut) {
        let mut commands = Vec::new();
        for renewal in renewals {
            if let Some(new) = self.made(renewal) {
                engine.renews(renewal, &new);
                commands.push(Command::Renew {
                    name: renewal.name.clone(),
                    old: renewal.old.clone(),
                    new,
                });
            }
        }
        if commands.is_empty() {
            return;
        }
        match self.write(path, &commands) {
            Ok(outcomes) => {
                shut.remove(path);
                let changed = outcomes
                    .iter()
                    .filter(|outcome| **outcome == Outcome::Changed);
                log::info!(
                    "{}: {} passwords are stored anew",
                    path.display(),
                    changed.count()
                );
            }
            Err(error) => {
                let now = (self.clock)().mono;
                if shut.insert(path.to_owned(), now).is_none() {
                    log::warn!("passwords cannot be stored anew, logins go on: {error}");
                }
            }
        }
    }

    /// The new credential; none where it would let nobody in.
    fn made(&self, renewal: &Renewal) -> Option<StoredCredential> {
        let mut random = [0; Salt::BYTES];
        if let Err(error) = getrandom::fill(&mut random) {
            log::error!("no random bytes: {error}");
            return None;
        }
        let password = renewal.password.expose();
        let new = hash(password, &renewal.recipe, &Salt::new(random)).ok()?;
        Credential::parse(&new, &self.limits).ok().map(|_| new)
    }

    fn write(&self, path: &Path, commands: &[Command]) -> Result<Vec<Outcome>, admin::Error> {
        let actor = Actor {
            who: "plugin".into(),
            from: "rehash".into(),
            at: (self.clock)().wall,
        };
        match self.places.get(path) {
            Some(Place::Database(pen)) => {
                pen.write(|database| admin::apply(database, actor, commands))
            }
            Some(Place::File) => {
                let mut file = PasswordFile::open(path)?;
                admin::apply(&mut file, actor, commands)
            }
            None => Ok(Vec::new()),
        }
    }
}

/// How often there is something to do at most, and how much: some tens of hashes a second, of a thread that
/// gives way to all others.
const INTERVAL: Duration = Duration::from_millis(500);
const AT_ONCE: usize = 16;

/// For so long nothing is tried with a file that could not be written.
const LEFT_ALONE: Duration = Duration::from_mins(5);
