//! Changes a password file in one step.
//!
//! A change is made in memory and put in place by rename, so that whoever reads sees the old file or
//! the new one, and a kill at any moment leaves one of them. The lock is on the file itself: it
//! leaves nothing behind, and after a wait the name is looked at again, because the holder may have
//! replaced the file. `mosquitto_passwd` knows no lock; what it changed meanwhile is not overwritten.
//! Must not: drop what a password file cannot hold.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::line::{Line, can_hold};
use super::text::Text;
use crate::model::{Account, AccountName, CertificateName, Scheme, StoredCredential};
use crate::store::file::{FileId, create_private, give, unavailable};
use crate::store::psk::{PskChanges, Psks, no_psks};
use crate::store::{Entry, Error, Owner, Pruned, RoleChanges, Roles, Store, Trail, Transaction};

/// A password file as a [`Store`].
#[derive(Debug)]
pub struct PasswordFile {
    path: PathBuf,
}

impl PasswordFile {
    /// Takes a file that is there.
    ///
    /// # Errors
    /// When it is not, or is something else than a file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let metadata = fs::metadata(path).map_err(|error| unavailable(path, &error))?;
        if !metadata.is_file() {
            return Err(Error::Corrupt {
                path: path.to_owned(),
                why: "it is not a regular file".to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Takes the file, and makes it with mode 0600 if it is not there.
    ///
    /// # Errors
    /// When it cannot be made or given to its owner.
    pub fn create(path: &Path, owner: Option<Owner>) -> Result<Self, Error> {
        create_private(path, owner)?;
        Self::open(path)
    }

    fn read(&self) -> Result<Text, Error> {
        fs::read(&self.path)
            .map(Text::parse)
            .map_err(|error| unavailable(&self.path, &error))
    }
}

impl Store for PasswordFile {
    fn account(&mut self, name: &AccountName) -> Result<Option<Account>, Error> {
        Ok(self.read()?.line(name.as_str()).and_then(account))
    }

    fn accounts(
        &mut self,
        visit: &mut dyn FnMut(Account) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.read()?.lines().filter_map(account).try_for_each(visit)
    }

    fn roles(&mut self) -> Result<Box<dyn Roles + '_>, Error> {
        Err(no_roles(&self.path))
    }

    fn psks(&mut self) -> Result<Box<dyn Psks + '_>, Error> {
        Err(no_psks(&self.path))
    }

    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, Error> {
        Err(no_record(&self.path))
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, Error> {
        let change = Change::begin(&self.path).map_err(|error| unavailable(&self.path, &error))?;
        Ok(Box::new(change))
    }
}

/// A change being made, with the lock held.
struct Change {
    /// The file itself, behind all symbolic links: they stay.
    path: PathBuf,
    /// The locked file; the lock ends with it.
    locked: File,
    seen: Seen,
    text: Text,
    /// How it was at each savepoint.
    before: Vec<Text>,
}

impl Change {
    fn begin(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        loop {
            let mut locked = File::open(&path)?;
            locked.lock()?;
            let metadata = locked.metadata()?;
            if FileId::at(&path)? != FileId::of(&metadata) {
                continue;
            }
            let mut bytes = Vec::new();
            locked.read_to_end(&mut bytes)?;
            return Ok(Self {
                seen: Seen::of(&metadata),
                text: Text::parse(bytes),
                before: Vec::new(),
                path,
                locked,
            });
        }
    }

    fn invalid(&self, why: &str) -> Error {
        Error::Invalid {
            path: self.path.clone(),
            why: why.to_owned(),
        }
    }

    /// An empty file in the same directory, always of the same name: what a killed writer left there
    /// goes with the next change. The lock keeps others away from it.
    fn beside(&self) -> io::Result<(&Path, NamedTempFile)> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".doorman-new");
        match fs::remove_file(dir.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = tempfile::Builder::new()
            .prefix(&name)
            .rand_bytes(0)
            .tempfile_in(dir)?;
        Ok((dir, file))
    }

    fn write(&self) -> Result<(), Error> {
        let failed = |error: io::Error| unavailable(&self.path, &error);
        let metadata = self.locked.metadata().map_err(failed)?;
        let (dir, file) = self.beside().map_err(failed)?;
        let owner = Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        };
        give(file.as_file(), owner).map_err(|error| Error::Unavailable {
            path: self.path.clone(),
            why: format!(
                "cannot leave it to its owner {}:{} ({error}): run this as that user or as root",
                owner.uid, owner.gid
            ),
        })?;
        let mut out = BufWriter::new(file.as_file());
        self.text
            .write_to(&mut out)
            .and_then(|()| out.flush())
            .and_then(|()| file.as_file().set_permissions(metadata.permissions()))
            .and_then(|()| file.as_file().sync_all())
            .map_err(failed)?;
        drop(out);
        if !fs::metadata(&self.path).is_ok_and(|now| Seen::of(&now) == self.seen) {
            return Err(Error::Unavailable {
                path: self.path.clone(),
                why: "another program changed it meanwhile: try again".to_owned(),
            });
        }
        file.persist(&self.path)
            .map_err(|error| failed(error.error))?;
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(failed)
    }
}

impl Transaction for Change {
    fn account(&mut self, name: &AccountName) -> Result<Option<Account>, Error> {
        Ok(self.text.line(name.as_str()).and_then(account))
    }

    fn accounts(
        &mut self,
        _: i64,
        _: &mut dyn FnMut(i64, Result<Account, Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        Err(self.invalid("the accounts of a password file are read all at once"))
    }

    fn put(&mut self, account: &Account) -> Result<(), Error> {
        let credential = holdable(account).map_err(|why| self.invalid(why))?;
        self.text.put(account.name.as_str(), credential);
        Ok(())
    }

    fn certificate_holder(&mut self, _: &CertificateName) -> Result<Option<AccountName>, Error> {
        Ok(None)
    }

    fn remove(&mut self, name: &AccountName) -> Result<bool, Error> {
        Ok(self.text.remove(name.as_str()))
    }

    fn roles(&mut self) -> Result<Box<dyn RoleChanges + '_>, Error> {
        Err(no_roles(&self.path))
    }

    fn psks(&mut self) -> Result<Box<dyn PskChanges + '_>, Error> {
        Err(no_psks(&self.path))
    }

    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, Error> {
        Err(no_record(&self.path))
    }

    /// A password file has no place for a number.
    fn count_change(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn keeps_record(&self) -> bool {
        false
    }

    fn record(&mut self, _: Entry) -> Result<(), Error> {
        Ok(())
    }

    fn prune_record(&mut self, _: Timestamp) -> Result<Option<Pruned>, Error> {
        Err(no_record(&self.path))
    }

    fn savepoint(&mut self) -> Result<(), Error> {
        self.before.push(self.text.clone());
        Ok(())
    }

    fn release(&mut self) -> Result<(), Error> {
        match self.before.pop() {
            Some(_) => Ok(()),
            None => Err(self.invalid(NO_SAVEPOINT)),
        }
    }

    fn roll_back(&mut self) -> Result<(), Error> {
        self.text = self
            .before
            .pop()
            .ok_or_else(|| self.invalid(NO_SAVEPOINT))?;
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), Error> {
        if self.text.is_changed() {
            self.write()
        } else {
            Ok(())
        }
    }
}

/// What tells that a file was written to, by somebody who asks for no lock.
#[derive(PartialEq, Eq)]
struct Seen {
    id: FileId,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self {
            id: FileId::of(metadata),
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }
}

const NO_SAVEPOINT: &str = "there is no savepoint to go back to";

fn no_roles(path: &Path) -> Error {
    Error::Invalid {
        path: path.to_owned(),
        why: "a password file holds no roles or groups: use a database".to_owned(),
    }
}

fn no_record(path: &Path) -> Error {
    Error::Invalid {
        path: path.to_owned(),
        why: "a password file keeps no record of what was done: use a database".to_owned(),
    }
}

/// A bad line with a name is an account that nobody can use: it can be looked at and repaired.
fn account(line: Line<'_>) -> Option<Account> {
    let (name, credential) = match line {
        Line::Entry { name, credential } => (name, Some(StoredCredential::marked(credential))),
        Line::Bad { name, .. } => (name?, None),
        Line::Blank | Line::Comment => return None,
    };
    let mut account = Account::named(AccountName::new(name).ok()?);
    account.credential = credential;
    Some(account)
}

/// The credential to write, if a line can hold the whole account. The last login is a record and
/// not part of it.
fn holdable(account: &Account) -> Result<&str, &'static str> {
    let name = account.name.as_str();
    if name.contains(':') || name.starts_with('#') || name.trim() != name {
        return Err(
            "a password file cannot hold a username with a colon, with # in front \
                    or with blanks at its ends: use a database",
        );
    }
    let extras = [
        account.second_credential.is_some(),
        account.disabled,
        account.valid_from.is_some() || account.valid_until.is_some(),
        account.client_id.is_some() || !account.networks.is_empty(),
        !account.certificates.is_empty(),
        account.textname.is_some() || account.textdescription.is_some(),
        !account.notes.is_empty(),
    ];
    if extras.contains(&true) {
        return Err(
            "a password file holds a username and one credential, and no second \
                    credential, switch, validity, client id, network, certificate, text or note: use a database",
        );
    }
    let credential = account
        .credential
        .as_ref()
        .ok_or("a password file cannot hold an account without a credential: use a database")?;
    if credential.scheme != Scheme::Marked || credential.salt.is_some() {
        return Err("a password file holds only credentials that say themselves what they are");
    }
    let text: &str = &credential.text;
    if !can_hold(text) {
        return Err(
            "a password file cannot hold a credential that is empty, has a colon (but SCRAM keys), \
                    control characters, or blanks at its ends",
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
