//! A file with keys, as the watcher keeps it fresh.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use zeroize::Zeroizing;

use super::{KeySet, Understand, damaged};
use crate::store::settled::Settled;
use crate::store::{Error, Hurry, Login, News, Watched};
use crate::token::Key;

struct KeyFile {
    set: Arc<KeySet>,
    understand: Understand,
    file: Settled,
}

/// Reads a file for the first time.
///
/// # Errors
/// When it cannot be read, or holds no key.
pub(super) fn open(
    path: &Path,
    understand: Understand,
    changes: &Arc<AtomicU64>,
) -> Result<(Arc<KeySet>, Box<dyn Watched>), Error> {
    let (file, keys) = Settled::open(path, |bytes| read(path, understand, bytes))?;
    log::info!("{}: {} keys for tokens", path.display(), keys.len());
    let set = Arc::new(KeySet::new(keys, changes));
    let watched = KeyFile {
        set: Arc::clone(&set),
        understand,
        file,
    };
    Ok((set, Box::new(watched)))
}

impl Watched for KeyFile {
    /// Who is in by a key that is gone is ended by the engine, which counts changes: nobody else is
    /// concerned.
    fn refresh(&mut self, hurry: Hurry) -> Result<News, Error> {
        let path = self.file.path().to_owned();
        let understand = self.understand;
        let keys = self
            .file
            .refresh(hurry, |bytes| read(&path, understand, bytes))?;
        if let Some(keys) = keys {
            log::info!("{}: {} keys for tokens", path.display(), keys.len());
            self.set.replace(keys);
        }
        Ok(News::Nothing)
    }

    fn record_logins(&mut self, _: &[Login]) -> Result<(), Error> {
        Ok(())
    }
}

fn read(path: &Path, understand: Understand, bytes: Vec<u8>) -> Result<Vec<Key>, Error> {
    let bytes = Zeroizing::new(bytes);
    understand(&bytes).map_err(|error| damaged(path, error))
}
