//! Keys of TLS-PSK as a place has them, and the file that they are sealed with.
//!
//! Must not: show a key. Whoever administers sees whose it is and how long; the engine alone is given what
//! is stored, and opens it.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Error;
use super::file::unavailable;
use crate::model::{AccountName, NoKey, Psk, PskIdentity, PskKey};
use crate::vault::{self, Vault};

/// A key as it is stored.
pub enum StoredKey {
    /// As it is.
    Plain(PskKey),
    /// Sealed with a key file's.
    Sealed(Box<[u8]>),
}

/// An identity as the engine finds it.
pub struct FoundPsk {
    /// Whose it is.
    pub name: AccountName,
    /// Its key.
    pub key: StoredKey,
}

/// An identity as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeenPsk {
    /// What the client names.
    pub identity: PskIdentity,
    /// The account that it becomes.
    pub name: AccountName,
    /// How many bits the key has.
    pub bits: usize,
    /// Whether it is sealed.
    pub sealed: bool,
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is sealed, and there is no key file.
    #[error("no seal file is given (--seal-file; for the plugin, plugin_opt_psk_seal_file)")]
    NoFile,
    /// It is sealed with another key, for another identity or account, or damaged.
    #[error("the seal file does not open it")]
    OtherFile,
}

impl StoredKey {
    /// What the columns of a row hold.
    ///
    /// # Errors
    /// When that is no key.
    pub fn of(bytes: Vec<u8>, sealed: bool) -> Result<Self, NoKey> {
        match sealed {
            true => Ok(Self::Sealed(bytes.into())),
            false => PskKey::new(Zeroizing::new(bytes)).map(Self::Plain),
        }
    }

    /// How many bits the key has.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Plain(key) => key.bits(),
            Self::Sealed(bytes) => bytes.len().saturating_sub(vault::ADDED).saturating_mul(8),
        }
    }

    /// The key itself.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(
        &self,
        vault: Option<&Vault>,
        identity: &PskIdentity,
        name: &AccountName,
    ) -> Result<PskKey, Unusable> {
        match (self, vault) {
            (Self::Plain(key), _) => Ok(key.clone()),
            (Self::Sealed(_), None) => Err(Unusable::NoFile),
            (Self::Sealed(bytes), Some(vault)) => {
                let opened = vault.open(bytes, identity, name);
                opened.map(|(key, _)| key).ok_or(Unusable::OtherFile)
            }
        }
    }
}

/// The identities of a place.
pub trait Psks {
    /// The one of this name.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn psk(&mut self, identity: &PskIdentity) -> Result<Option<SeenPsk>, Error>;

    /// Those of an account, by name.
    ///
    /// # Errors
    /// When the place cannot be read, or one of them.
    fn of(&mut self, name: &AccountName) -> Result<Vec<SeenPsk>, Error>;

    /// Shows those behind a place in their order, each with its place, until the visitor fails; also those
    /// that cannot be read, as why.
    ///
    /// # Errors
    /// When the place cannot be read, or the visitor's own.
    fn psks(
        &mut self,
        behind: i64,
        visit: &mut dyn FnMut(i64, Result<SeenPsk, Error>) -> Result<(), Error>,
    ) -> Result<(), Error>;
}

/// The identities of a place, being changed.
pub trait PskChanges: Psks {
    /// Whether an identity has this key for this account already.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn is(&mut self, psk: &Psk) -> Result<bool, Error>;

    /// Writes an identity, new or in place of the one of its name; sealed, where the place was given a key
    /// file.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no such account, or others are sealed and there is no key file.
    fn put(&mut self, psk: &Psk) -> Result<(), Error>;

    /// Takes an identity away; says whether there was one.
    ///
    /// # Errors
    /// When the place cannot be changed.
    fn remove(&mut self, identity: &PskIdentity) -> Result<bool, Error>;

    /// Seals all of them with the newest key of the key file; how many were not.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no key file, or it does not open one of them.
    fn seal(&mut self) -> Result<u64, Error>;
}

/// Reads a key file, which must be its owner's alone.
///
/// # Errors
/// When it cannot be read, others may read it, or it holds no keys.
pub fn vault(path: &Path) -> Result<Vault, Error> {
    let failed = |error: std::io::Error| unavailable(path, &error);
    let corrupt = |why: String| Error::Corrupt {
        path: path.to_owned(),
        why,
    };
    // Reading a named pipe would wait for ever.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(corrupt("it is no regular file".to_owned()));
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(corrupt(format!(
            "its group or others may use it (mode {mode:04o}): chmod 600"
        )));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST));
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut text).map_err(failed)?;
    Vault::parse(&text).map_err(|why| corrupt(why.to_string()))
}

/// What a place says that holds accounts and nothing else.
pub(super) fn no_psks(path: &Path) -> Error {
    Error::Invalid {
        path: path.to_owned(),
        why: "a password file holds no PSK identities; they are in a database".to_owned(),
    }
}

/// As much of a key file is read.
const LONGEST: usize = 16 * 1024;
