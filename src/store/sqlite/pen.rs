//! The connection that orders are written with, kept from one to the next.
//!
//! Must not: write to any file but the one that is in force. Whoever opens a file that has just taken the
//! database's name meets the write-ahead log of the one before it, and a connection that outlives its
//! file's name writes where nobody reads. So the watcher says which file it is, and takes the connection
//! away before it touches anything beside that file.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Database;
use crate::store::Error;
use crate::store::file::FileId;
use crate::vault::Vault;

/// A connection of administration that is kept.
#[derive(Debug)]
pub struct Pen {
    path: PathBuf,
    state: Mutex<State>,
    /// What keys of TLS-PSK are sealed with.
    vault: OnceLock<Arc<Vault>>,
}

#[derive(Debug)]
struct State {
    /// The file in force; none while there is none.
    file: Option<FileId>,
    kept: Option<Database>,
}

impl Pen {
    /// For a file that is in force.
    pub(super) fn new(path: &Path, file: FileId) -> Self {
        Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                file: Some(file),
                kept: None,
            }),
            vault: OnceLock::new(),
        }
    }

    /// From here on keys of TLS-PSK are sealed with this, if nothing else was said before.
    pub fn seal_with(&self, vault: Arc<Vault>) {
        self.vault.get_or_init(|| vault);
    }

    fn open(&self) -> Result<Database, Error> {
        Ok(Database::open(&self.path)?.sealed_by(self.vault.get().cloned()))
    }

    /// Whether the file in force still has its name.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let file = self.state().file;
        file.is_some() && file == FileId::at(&self.path).ok()
    }

    /// Changes the database. What fails leaves no connection behind: the next change opens the file anew.
    ///
    /// # Errors
    /// Those of `act`; and when the file cannot be opened, or has lost its name before `act` was done.
    pub fn write<T, E: From<Error>>(
        &self,
        act: impl FnOnce(&mut Database) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.state();
        let kept = state.kept.take();
        self.refuse_another(&state)?;
        let kept = kept.filter(Database::is_up_to_date);
        let mut database = kept.map_or_else(|| self.open(), Ok)?;
        let done = act(&mut database)?;
        self.refuse_another(&state)?;
        state.kept = Some(database);
        Ok(done)
    }

    /// Another file has the name, and is in force.
    pub(super) fn hand_over(&self, file: FileId) {
        *self.state() = State {
            file: Some(file),
            kept: None,
        };
    }

    /// No file is in force. Waits for a change that is under way.
    pub(super) fn lay_down(&self) {
        *self.state() = State {
            file: None,
            kept: None,
        };
    }

    fn refuse_another(&self, state: &State) -> Result<(), Error> {
        match FileId::at(&self.path) {
            Ok(file) if state.file == Some(file) => Ok(()),
            Ok(_) => Err(self.unavailable("it was replaced by another file just now")),
            Err(error) => Err(self.unavailable(&error.to_string())),
        }
    }

    fn unavailable(&self, why: &str) -> Error {
        Error::Unavailable {
            path: self.path.clone(),
            why: why.to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panics while writing has taken the connection out.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::{Account, AccountName};
    use crate::store::Store as _;

    fn add(name: &str) -> impl FnOnce(&mut Database) -> Result<(), Error> {
        move |database| {
            let mut change = database.begin()?;
            change.put(&Account::named(AccountName::new(name).unwrap()))?;
            change.commit()
        }
    }

    fn has(path: &Path, name: &str) -> bool {
        let mut database = Database::open(path).unwrap();
        let account = database.account(&AccountName::new(name).unwrap());
        account.unwrap().is_some()
    }

    fn pen(path: &Path) -> Pen {
        drop(Database::create(path, None).unwrap());
        Pen::new(path, FileId::at(path).unwrap())
    }

    #[test]
    fn a_connection_is_kept_until_something_fails() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let pen = pen(&path);
        pen.write(add("ann")).unwrap();
        assert!(pen.state().kept.is_some());
        pen.write(add("bob")).unwrap();
        let failed: Result<(), Error> = pen.write(|_| Err(pen.unavailable("no")));
        assert!(failed.is_err() && pen.state().kept.is_none());
        pen.write(add("eve")).unwrap();
        assert!(["ann", "bob", "eve"].iter().all(|name| has(&path, name)));
    }

    #[test]
    fn nothing_is_written_to_a_file_that_is_not_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["db", "other"].map(|name| dir.path().join(name));
        let pen = pen(&path);
        pen.write(add("ann")).unwrap();
        drop(Database::create(&other, None).unwrap());
        fs::rename(&other, &path).unwrap();
        assert!(!pen.is_current());
        assert!(pen.write(add("bob")).is_err());
        // As the watcher does: what lies beside the new file is the old one's.
        pen.lay_down();
        for suffix in ["-wal", "-shm"] {
            fs::remove_file(dir.path().join(format!("db{suffix}"))).ok();
        }
        pen.hand_over(FileId::at(&path).unwrap());
        pen.write(add("eve")).unwrap();
        assert!(has(&path, "eve") && !has(&path, "ann") && !has(&path, "bob"));
        pen.lay_down();
        assert!(!pen.is_current() && pen.write(add("dave")).is_err());
    }

    #[test]
    fn what_is_written_while_the_file_loses_its_name_is_not_called_done() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let pen = pen(&path);
        let written = pen.write(|database| {
            add("ann")(database)?;
            fs::rename(&path, dir.path().join("away")).unwrap();
            Ok::<_, Error>(())
        });
        assert!(written.is_err());
    }
}
