//! A password file as the engine asks it and as the watcher keeps it fresh.
//!
//! Must not: read the file on the broker's thread after the start. A new state is built aside and
//! swapped in whole; a file that cannot be read, or is no text, changes nothing. A readable file is
//! taken as it is, even a shorter one: the operator may mean it.
#![forbid(unsafe_code)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::snapshot::{Difference, Remark, Snapshot};
use crate::config::CostLimits;
use crate::model::{Account, AccountName, StoredCredential};
use crate::store::file::unavailable;
use crate::store::{Error, Hurry, Login, News, Opened, Source, Watched};

/// How many credentials are shown as a sample.
const SAMPLE: usize = 256;

/// Changed accounts are named up to here. Beyond it, going through all who are connected is less
/// work than looking for each name among them, which the broker's thread would have to wait for.
const MOST_NAMES: usize = 10_000;

/// How many faulty lines of one load are told one by one.
const MOST_REMARKS: usize = 50;

/// What the two faces share: the path, and the state in force. Only the watcher's thread has ever one
/// state in place of another, so it is also the one that takes the old one apart.
struct Shared {
    path: PathBuf,
    in_force: RwLock<Snapshot>,
}

struct FileSource(Arc<Shared>);

struct FileWatched {
    shared: Arc<Shared>,
    limits: CostLimits,
    /// The file as it was when its state was taken over.
    taken: Stamp,
    /// Another stamp that was seen once: the file may still be being written.
    seen: Option<Stamp>,
    /// A file that could not be taken over, and why: not read again until it changes.
    refused: Option<(Stamp, String)>,
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Opens a password file: reads it once, here.
///
/// # Errors
/// When it cannot be read or is no text.
pub fn open(path: &Path, limits: &CostLimits) -> Result<Opened, Error> {
    let taken = Stamp::of(path)?;
    let (snapshot, remarks) = load(path, limits)?;
    report(path, &remarks);
    log::info!("{}: {} accounts", path.display(), snapshot.len());
    let shared = Arc::new(Shared {
        path: path.to_owned(),
        in_force: RwLock::new(snapshot),
    });
    Ok(Opened {
        source: Arc::new(FileSource(Arc::clone(&shared))),
        watched: Box::new(FileWatched {
            shared,
            limits: *limits,
            taken,
            seen: None,
            refused: None,
        }),
    })
}

impl Shared {
    fn in_force(&self) -> RwLockReadGuard<'_, Snapshot> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn swap(&self, snapshot: Snapshot) {
        let mut in_force = self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *in_force, snapshot);
        // Taking a large state apart takes a while: not while the broker's thread may wait for it.
        drop(in_force);
        drop(old);
    }
}

impl Source for FileSource {
    fn account(&self, name: &str, _: Option<&str>) -> Result<Option<Account>, Error> {
        let Some(credential) = self.0.in_force().credential(name) else {
            return Ok(None);
        };
        let Ok(name) = AccountName::new(name) else {
            return Ok(None);
        };
        Ok(Some(Account {
            credential: Some(credential),
            ..Account::named(name)
        }))
    }

    fn sample(&self) -> Vec<StoredCredential> {
        self.0.in_force().sample(SAMPLE)
    }

    fn keeps_logins(&self) -> bool {
        false
    }
}

impl Watched for FileWatched {
    fn refresh(&mut self, hurry: Hurry) -> Result<News, Error> {
        let stamp = Stamp::of(&self.shared.path)?;
        if stamp == self.taken {
            self.seen = None;
            self.refused = None;
            return Ok(News::Nothing);
        }
        if let Some((refused, why)) = &self.refused
            && *refused == stamp
        {
            return Err(Error::Corrupt {
                path: self.shared.path.clone(),
                why: why.clone(),
            });
        }
        if hurry == Hurry::Settled && self.seen != Some(stamp) {
            self.seen = Some(stamp);
            return Ok(News::Nothing);
        }
        let loaded = load(&self.shared.path, &self.limits);
        if hurry == Hurry::Settled && Stamp::of(&self.shared.path)? != stamp {
            // Changed while it was read: look again once it has settled.
            self.seen = None;
            return Ok(News::Nothing);
        }
        match loaded {
            Ok((snapshot, remarks)) => Ok(self.take_over(stamp, snapshot, &remarks)),
            Err(Error::Corrupt { path, why }) => {
                self.refused = Some((stamp, why.clone()));
                Err(Error::Corrupt { path, why })
            }
            Err(error) => Err(error),
        }
    }

    fn record_logins(&mut self, _: &[Login]) -> Result<(), Error> {
        Ok(())
    }
}

impl FileWatched {
    fn take_over(&mut self, stamp: Stamp, snapshot: Snapshot, remarks: &[Remark]) -> News {
        let path = &self.shared.path;
        let Difference {
            added,
            changed,
            removed,
            names,
        } = snapshot.since(&self.shared.in_force(), MOST_NAMES);
        let count = snapshot.len();
        self.shared.swap(snapshot);
        self.taken = stamp;
        self.seen = None;
        self.refused = None;
        report(path, remarks);
        log::info!(
            "{}: now {count} accounts: {added} added, {changed} changed, {removed} removed",
            path.display()
        );
        names.map_or(News::Everything, News::Accounts)
    }
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, Error> {
        let metadata = fs::metadata(path).map_err(|error| unavailable(path, &error))?;
        if !metadata.is_file() {
            // Reading a named pipe would wait for ever.
            let why = "not a regular file".to_owned();
            return Err(Error::Unavailable {
                path: path.to_owned(),
                why,
            });
        }
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

fn load(path: &Path, limits: &CostLimits) -> Result<(Snapshot, Vec<Remark>), Error> {
    let mut text = Vec::new();
    fs::File::open(path)
        .and_then(|mut file| file.read_to_end(&mut text))
        .map_err(|error| unavailable(path, &error))?;
    text.shrink_to_fit();
    Snapshot::parse(text, limits).map_err(|why| Error::Corrupt {
        path: path.to_owned(),
        why: why.to_string(),
    })
}

/// Tells what is wrong with which line, as a compiler would.
fn report(path: &Path, remarks: &[Remark]) {
    for remark in remarks.iter().take(MOST_REMARKS) {
        log::warn!("{}:{}: {}", path.display(), remark.line, remark.why);
    }
    let rest = remarks.len().saturating_sub(MOST_REMARKS);
    if rest > 0 {
        log::warn!(
            "{}: {rest} more lines are faulty; see `doorman check`",
            path.display()
        );
    }
}
