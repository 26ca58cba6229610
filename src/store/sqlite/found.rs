//! A database that is there with everything it begins with, or not at all.
//!
//! Must not: let anybody see it half made, or touch what has its name already: it is made under another
//! name in the same directory, and gets its own when it is whole and on the disk.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use super::Database;
use crate::store::file::{give, unavailable};
use crate::store::{Error, Owner};

impl Database {
    /// Makes a database, has it filled, and gives it its name.
    ///
    /// # Errors
    /// Those of `fill`; and when there is something of that name, or it cannot be made. Then nothing is
    /// there that was not there before.
    pub fn found<T, E: From<Error>>(
        path: &Path,
        owner: Option<Owner>,
        fill: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |error: io::Error| unavailable(path, &error);
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            Some(_) | None => Path::new("."),
        };
        let draft = draft(path, dir, owner).map_err(failed)?;
        let mut database = Self::open(draft.path())?;
        let done = fill(&mut database)?;
        // The last connection takes the write-ahead log with it.
        drop(database);
        draft.as_file().sync_all().map_err(failed)?;
        draft
            .persist_noclobber(path)
            .map_err(|error| failed(error.error))?;
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(failed)?;
        Ok(done)
    }
}

/// An empty file for its owner alone, taken away again unless it gets its name.
fn draft(path: &Path, dir: &Path, owner: Option<Owner>) -> io::Result<NamedTempFile> {
    let mut prefix = OsString::from(path.file_name().unwrap_or_default());
    prefix.push(".new-");
    let draft = tempfile::Builder::new().prefix(&prefix).tempfile_in(dir)?;
    if let Some(owner) = owner {
        give(draft.as_file(), owner)?;
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::model::{Account, AccountName};
    use crate::store::Store as _;

    fn ann() -> AccountName {
        AccountName::new("ann").unwrap()
    }

    fn add(store: &mut Database) -> Result<(), Error> {
        let mut change = store.begin()?;
        change.put(&Account::named(ann()))?;
        change.commit()
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_database_is_founded_whole_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        Database::found(&path, None, add).unwrap();
        assert_eq!(names(dir.path()), ["db"]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let mut store = Database::open(&path).unwrap();
        assert!(store.account(&ann()).unwrap().is_some());
    }

    #[test]
    fn a_database_that_cannot_be_filled_was_never_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let founded: Result<(), Error> = Database::found(&path, None, |store| {
            add(store).unwrap();
            Err(unavailable(&path, &io::Error::other("no")))
        });
        assert!(founded.is_err());
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn what_has_the_name_already_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        fs::write(&path, "mine").unwrap();
        assert!(Database::found(&path, None, add).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(names(dir.path()), ["db"]);
    }
}
