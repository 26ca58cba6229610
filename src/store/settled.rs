//! A file that is read whole, and read again once it has changed and settled.
//!
//! Must not: know what is inside. A change is told by what the file system says of the file, and is
//! believed when it looks the same twice: a file that is still being written is not taken half. What
//! could not be understood is not read again until it changes.
#![forbid(unsafe_code)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::file::unavailable;
use super::{Error, Hurry};

/// A file, and the state of it that was taken over.
pub(super) struct Settled {
    path: PathBuf,
    /// The file as it was when its state was taken over.
    taken: Stamp,
    /// Another stamp that was seen once: the file may still be being written.
    seen: Option<Stamp>,
    /// A file that could not be taken over, and why.
    refused: Option<(Stamp, Error)>,
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

impl Settled {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// When it cannot be read, and those of `understand`.
    pub(super) fn open<T>(
        path: &Path,
        understand: impl FnOnce(Vec<u8>) -> Result<T, Error>,
    ) -> Result<(Self, T), Error> {
        let taken = Stamp::of(path)?;
        let state = understand(read(path)?)?;
        let settled = Self {
            path: path.to_owned(),
            taken,
            seen: None,
            refused: None,
        };
        Ok((settled, state))
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its new state, if it has one.
    ///
    /// # Errors
    /// Each time it cannot be read or understood; the state that was taken over stays.
    pub(super) fn refresh<T>(
        &mut self,
        hurry: Hurry,
        understand: impl FnOnce(Vec<u8>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let stamp = match Stamp::of(&self.path) {
            Ok(stamp) => stamp,
            Err(error) => {
                self.refused = None;
                return Err(error);
            }
        };
        if stamp == self.taken {
            self.seen = None;
            self.refused = None;
            return Ok(None);
        }
        if let Some((refused, why)) = &self.refused
            && *refused == stamp
        {
            return Err(why.clone());
        }
        if hurry == Hurry::Settled && self.seen != Some(stamp) {
            self.seen = Some(stamp);
            // What was wrong is not over before there is something better.
            return match &self.refused {
                Some((_, why)) => Err(why.clone()),
                None => Ok(None),
            };
        }
        let understood = read(&self.path).map(understand);
        if hurry == Hurry::Settled && Stamp::of(&self.path)? != stamp {
            // Changed while it was read: look again once it has settled.
            self.seen = None;
            return Ok(None);
        }
        match understood? {
            Ok(state) => {
                self.taken = stamp;
                self.seen = None;
                self.refused = None;
                Ok(Some(state))
            }
            Err(why) => {
                self.refused = Some((stamp, why.clone()));
                Err(why)
            }
        }
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

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| unavailable(path, &error))?;
    bytes.shrink_to_fit();
    Ok(bytes)
}
