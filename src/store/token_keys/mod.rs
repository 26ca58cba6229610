//! The keys that tokens are signed with: in files that are watched, and where an issuer publishes them.
//!
//! Must not: verify anything, or open a file or a connection on the broker's thread after the start. Keys
//! are replaced whole; what cannot be read or fetched leaves the last good ones in force. Whoever asks takes
//! no lock.
#![forbid(unsafe_code)]

mod fetch;
mod file;
mod published;
mod trust;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use self::fetch::Fetching;
pub use self::trust::authorities;
use super::{Error, Watched};
use crate::config::Jwt;
use crate::token::{Key, KeyId, KeysError, public_keys, secret_key};

/// All of them.
pub struct TokenKeys {
    sets: Vec<Arc<KeySet>>,
    changes: Arc<AtomicU64>,
    fetching: Option<Arc<Fetching>>,
}

/// Those of one file, or of one issuer.
struct KeySet {
    keys: ArcSwap<Arc<[Key]>>,
    /// Of all sets.
    changes: Arc<AtomicU64>,
}

/// Open keys, seen from both sides.
pub struct Opened {
    /// For the engine.
    pub keys: TokenKeys,
    /// For the watcher.
    pub watched: Vec<Box<dyn Watched>>,
}

/// Opens what a configuration names; none where that is nothing. Nothing is fetched yet.
///
/// # Errors
/// For the first file that cannot be read, or holds nothing of its kind; and where something is said of
/// tokens and nothing of keys.
pub fn open(jwt: &Jwt) -> Result<Option<Opened>, Error> {
    if !jwt.has_keys() {
        return match *jwt == Jwt::standard() {
            true => Ok(None),
            false => Err(Error::Invalid {
                path: "plugin_opt_jwt".into(),
                why: "tokens need keys: plugin_opt_jwt_key_file, plugin_opt_jwt_secret_file or \
                      plugin_opt_jwt_jwks_url"
                    .to_owned(),
            }),
        };
    }
    let changes = Arc::new(AtomicU64::new(0));
    let mut opened = Opened {
        keys: TokenKeys {
            sets: Vec::new(),
            changes: Arc::clone(&changes),
            fetching: None,
        },
        watched: Vec::new(),
    };
    let public = jwt
        .key_files
        .iter()
        .map(|path| (path, public_keys as Understand));
    let secret = jwt
        .secret_files
        .iter()
        .map(|path| (path, secret_key as Understand));
    for (path, understand) in public.chain(secret) {
        let (set, watched) = file::open(path, understand, &changes)?;
        opened.keys.sets.push(set);
        opened.watched.push(watched);
    }
    if let Some(path) = &jwt.ca {
        authorities(path)?;
    }
    if let Some(url) = &jwt.url {
        let set = Arc::new(KeySet::new(Vec::new(), &changes));
        let fetching = Arc::new(Fetching::new(url.clone(), jwt.ca.clone(), jwt.interval));
        opened.keys.sets.push(Arc::clone(&set));
        opened.keys.fetching = Some(Arc::clone(&fetching));
        opened.watched.push(published::watched(set, fetching));
    }
    Ok(Some(opened))
}

/// What makes keys of the bytes of a file.
type Understand = fn(&[u8]) -> Result<Vec<Key>, KeysError>;

impl TokenKeys {
    /// Those that verify now.
    #[must_use]
    pub fn in_force(&self) -> Vec<Arc<[Key]>> {
        let sets = self.sets.iter();
        sets.map(|set| Arc::clone(&**set.keys.load())).collect()
    }

    /// Whether this one does.
    #[must_use]
    pub fn has(&self, id: KeyId) -> bool {
        let mut sets = self.sets.iter();
        sets.any(|set| set.keys.load().iter().any(|key| key.id() == id))
    }

    /// How often any were replaced.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// A token names a key that nobody knows: the issuer may have a new one.
    pub fn hasten(&self) {
        if let Some(fetching) = &self.fetching {
            fetching.hasten();
        }
    }
}

impl KeySet {
    fn new(keys: Vec<Key>, changes: &Arc<AtomicU64>) -> Self {
        Self {
            keys: ArcSwap::from_pointee(keys.into()),
            changes: Arc::clone(changes),
        }
    }

    fn replace(&self, keys: Vec<Key>) {
        self.keys.store(Arc::new(keys.into()));
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

fn damaged(place: &Path, error: KeysError) -> Error {
    Error::Corrupt {
        path: place.to_owned(),
        why: error.to_string(),
    }
}
