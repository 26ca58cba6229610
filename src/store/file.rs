//! What password files and databases have in common: being files.
//!
//! Must not: know what is inside. A file of accounts is created for its owner alone, and a file that
//! was replaced under its name is told from the one that was opened by [`FileId`].
#![forbid(unsafe_code)]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::Error;

/// Whom a new file is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// The file that a name leads to now.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }
}

/// Makes an empty file with mode 0600 if there is none; never touches one that is there.
pub(crate) fn create_private(path: &Path, owner: Option<Owner>) -> Result<(), Error> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let file = match created {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(unavailable(path, &error)),
    };
    file.set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| match owner {
            Some(owner) => give(&file, owner),
            None => Ok(()),
        })
        .map_err(|error| unavailable(path, &error))
}

/// Gives the file to its owner, asking the system only if it is not theirs already.
pub(crate) fn give(file: &File, owner: Owner) -> io::Result<()> {
    let metadata = file.metadata()?;
    if metadata.uid() == owner.uid && metadata.gid() == owner.gid {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(owner.uid), Some(owner.gid))
}

pub(crate) fn unavailable(path: &Path, error: &io::Error) -> Error {
    Error::Unavailable {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts");
        create_private(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts");
        fs::write(&path, "roger:x\n").unwrap();
        create_private(&path, None).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"roger:x\n");
    }

    #[test]
    fn a_file_put_in_place_of_another_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fs::write(&old, "").unwrap();
        fs::write(&new, "").unwrap();
        let before = FileId::at(&old).unwrap();
        assert_eq!(FileId::at(&old).unwrap(), before);
        fs::rename(&new, &old).unwrap();
        assert_ne!(FileId::at(&old).unwrap(), before);
    }
}
