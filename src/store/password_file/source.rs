//! A password file as the engine asks it and as the watcher keeps it fresh.
//!
//! Must not: read the file on the broker's thread after the start. A new state is built aside and
//! swapped in whole; a file that cannot be read, or is no text, changes nothing. A readable file is
//! taken as it is, even a shorter one: the operator may mean it.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::snapshot::{Difference, Remark, Snapshot};
use crate::config::CostLimits;
use crate::model::{Account, AccountName, CertificateName, StoredCredential};
use crate::store::settled::Settled;
use crate::store::{Changes, Error, Hurry, Login, News, Opened, Source, Watched};

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
    file: Settled,
}

/// Opens a password file: reads it once, here.
///
/// # Errors
/// When it cannot be read or is no text.
pub fn open(path: &Path, limits: &CostLimits) -> Result<Opened, Error> {
    let (file, (snapshot, remarks)) = Settled::open(path, |bytes| understand(path, bytes, limits))?;
    report(path, &remarks);
    log::info!("{}: {} accounts", path.display(), snapshot.len());
    let shared = Arc::new(Shared {
        path: path.to_owned(),
        in_force: RwLock::new(snapshot),
    });
    Ok(Opened {
        source: Some(Arc::new(FileSource(Arc::clone(&shared)))),
        grantor: None,
        watched: Box::new(FileWatched {
            shared,
            limits: *limits,
            file,
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

    /// A password file maps none.
    fn certified(&self, _: &CertificateName) -> Result<Option<AccountName>, Error> {
        Ok(None)
    }

    fn sample(&self) -> Vec<StoredCredential> {
        self.0.in_force().sample(SAMPLE)
    }

    fn keeps_logins(&self) -> bool {
        false
    }

    fn written_in(&self) -> Option<&Path> {
        Some(&self.0.path)
    }

    fn has_states(&self) -> bool {
        false
    }
}

impl Watched for FileWatched {
    fn refresh(&mut self, hurry: Hurry) -> Result<News, Error> {
        let (path, limits) = (&self.shared.path, &self.limits);
        let understand = |bytes| understand(path, bytes, limits);
        let changed = self.file.refresh(hurry, understand)?;
        Ok(changed.map_or(News::Nothing, |(snapshot, remarks)| {
            self.take_over(snapshot, &remarks)
        }))
    }

    fn record_logins(&mut self, _: &[Login]) -> Result<(), Error> {
        Ok(())
    }
}

impl FileWatched {
    fn take_over(&self, snapshot: Snapshot, remarks: &[Remark]) -> News {
        let path = &self.shared.path;
        let Difference {
            added,
            changed,
            removed,
            names,
        } = snapshot.since(&self.shared.in_force(), MOST_NAMES);
        let count = snapshot.len();
        self.shared.swap(snapshot);
        report(path, remarks);
        log::info!(
            "{}: now {count} accounts: {added} added, {changed} changed, {removed} removed",
            path.display()
        );
        names.map_or(News::Everything, |accounts| {
            News::Some(Changes {
                accounts,
                rules: false,
            })
        })
    }
}

fn understand(
    path: &Path,
    bytes: Vec<u8>,
    limits: &CostLimits,
) -> Result<(Snapshot, Vec<Remark>), Error> {
    Snapshot::parse(bytes, limits).map_err(|why| Error::Corrupt {
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
