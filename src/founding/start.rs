//! The start of a plugin whose database is not there yet: it is made with an administrator and the roles
//! that dynamic-security 2.1 begins with.
//!
//! Must not: touch a database or a file that is there, log a password, or leave one of the two files
//! without the other where it ends by itself. Killed in between, it leaves the password without a database.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::administrator::{Defect, role};
use super::secret::{NoSecret, generate, hashed};
use crate::admin::{self, Actor, Command};
use crate::credential::Recipe;
use crate::model::{Account, AccountName, GroupName, RoleName, StoredCredential};
use crate::policy::AclType::{
    self, PublishClientReceive, PublishClientSend, SubscribePattern, UnsubscribePattern,
};
use crate::policy::{Grantee, StoredGroup};
use crate::secret::Secret;
use crate::store::sqlite::Database;
use crate::{store, takeover};

/// Where the first password comes from.
#[derive(Debug)]
pub enum Initial {
    /// The first line of this file.
    File(PathBuf),
    /// This, which somebody put into the environment.
    Given(Secret),
    /// Nowhere: one is made, and written beside the database.
    Random,
}

/// Why there is no first start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be made.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Nor what is to be in it.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// There is no password.
    #[error(transparent)]
    Secret(#[from] NoSecret),
    /// A table in here is wrong.
    #[error(transparent)]
    Defect(#[from] Defect),
    /// The file that has the password, or is to have it.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file cannot be taken over.
    #[error(transparent)]
    Takeover(#[from] takeover::Error),
    /// Nor all of it.
    #[error(
        "{file}: {lost} of the remarks above are about what a database would not say as the file does; \
         `doorman import` takes over the rest"
    )]
    Lossy {
        /// Which.
        file: String,
        /// How much.
        lost: usize,
    },
    /// Nor so that the same follows from it.
    #[error("{file}: a database would answer differently")]
    Differs {
        /// Which.
        file: String,
    },
    /// The variable that has the password.
    #[error("MOSQUITTO_DYNSEC_PASSWORD must have at least {LEAST} bytes; no database was made")]
    Short,
}

/// Makes the database; tells where a password was written that nobody chose.
///
/// # Errors
/// When there is a file in the way, or none of them can be made; then there is neither database nor
/// password.
pub fn first_start(
    database: &Path,
    initial: &Initial,
    recipe: &Recipe,
    actor: Actor,
) -> Result<Option<PathBuf>, Error> {
    let (credential, note) = match initial {
        Initial::File(path) => (hashed(&first_line(path)?, recipe)?, None),
        Initial::Given(secret) if secret.expose().len() < LEAST => return Err(Error::Short),
        Initial::Given(secret) => (hashed(secret, recipe)?, None),
        Initial::Random => {
            let secret = generate()?;
            let credential = hashed(&secret, &Recipe::GENERATED)?;
            (credential, Some(Note::write(database, &secret)?))
        }
    };
    let commands = beginning(credential)?;
    Database::found(database, None, |store| -> Result<(), Error> {
        let _all_new = admin::apply(store, actor, &commands)?;
        Ok(())
    })?;
    Ok(note.map(Note::keep))
}

/// What there is in the end.
fn beginning(credential: StoredCredential) -> Result<Vec<Command>, Defect> {
    let mut commands = Vec::new();
    for (name, description, rules) in ROLES {
        commands.push(Command::AddRole(role(name, description, rules)?));
    }
    let group = GroupName::new(ANONYMOUS)?;
    commands.push(Command::AddGroup(StoredGroup {
        textdescription: Some("Clients without a username, where they are let in".into()),
        ..StoredGroup::named(group.clone())
    }));
    commands.push(Command::SetAnonymousGroup(Some(group)));
    let name = AccountName::new(ADMIN)?;
    commands.push(Command::Add(Account {
        credential: Some(credential),
        ..Account::named(name.clone())
    }));
    for held in HELD {
        commands.push(Command::GrantRole {
            to: Grantee::Account(name.clone()),
            role: RoleName::new(held)?,
            priority: None,
        });
    }
    Ok(commands)
}

/// The first line, without the blanks at its end.
fn first_line(path: &Path) -> Result<Secret, Error> {
    let failed = |why: String| Error::File {
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    // Of one size from the beginning: what grows leaves copies behind.
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(MOST.saturating_add(64)));
    let most = u64::try_from(MOST).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.trim_ascii_end();
    match line {
        [] => Err(failed(
            "its first line is to be the password, and is empty".to_owned(),
        )),
        line if line.len() >= MOST || line.contains(&0) => Err(failed(
            "its first line is no password that a client could send".to_owned(),
        )),
        line => Ok(Secret::new(line.to_vec())),
    }
}

/// The file with the password; it goes again unless it is kept.
struct Note {
    path: PathBuf,
    is_kept: bool,
}

impl Note {
    fn write(database: &Path, secret: &Secret) -> Result<Self, Error> {
        let mut path = OsString::from(database);
        path.push(".pw");
        let path = PathBuf::from(path);
        let failed = |error: io::Error| Error::File {
            path: path.clone(),
            why: if error.kind() == io::ErrorKind::AlreadyExists {
                format!(
                    "it is there already, and {} is not: move it away, or give the first password \
                     by plugin_opt_password_init_file",
                    database.display()
                )
            } else {
                format!("the first password cannot be written: {error}")
            },
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let note = Self {
            path: path.clone(),
            is_kept: false,
        };
        file.set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.write_all(ADMIN.as_bytes()))
            .and_then(|()| file.write_all(b" "))
            .and_then(|()| file.write_all(secret.expose()))
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        Ok(note)
    }

    fn keep(mut self) -> PathBuf {
        self.is_kept = true;
        std::mem::take(&mut self.path)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing more can be done about it, and nobody can log in with what is in it.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// The longest password MQTT can carry, and one byte.
const MOST: usize = 65_536;
/// As 2.1 wants it.
const LEAST: usize = 12;
const ADMIN: &str = "admin";
const ANONYMOUS: &str = "unauthenticated";
const HELD: [&str; 3] = ["super-admin", "sys-observe", "topic-observe"];

/// A role: its name, what it is for, what it allows.
type Table = (
    &'static str,
    &'static str,
    &'static [(AclType, &'static str)],
);

const ROLES: [Table; 7] = [
    (
        "client",
        "Publishes and reads all topics of applications",
        &[
            (PublishClientSend, "#"),
            (PublishClientReceive, "#"),
            (SubscribePattern, "#"),
            (UnsubscribePattern, "#"),
        ],
    ),
    (
        "broker-admin",
        "Asks and configures the broker itself",
        &[
            (PublishClientSend, "$CONTROL/broker/#"),
            (PublishClientReceive, "$CONTROL/broker/#"),
            (SubscribePattern, "$CONTROL/broker/#"),
            (UnsubscribePattern, "$CONTROL/broker/#"),
        ],
    ),
    (
        "dynsec-admin",
        "Manages accounts, groups and roles",
        &[
            (PublishClientSend, "$CONTROL/dynamic-security/#"),
            (PublishClientReceive, "$CONTROL/dynamic-security/#"),
            (SubscribePattern, "$CONTROL/dynamic-security/#"),
            (UnsubscribePattern, "$CONTROL/dynamic-security/#"),
        ],
    ),
    (
        "super-admin",
        "Gives every kind of order over the broker",
        &[
            (PublishClientSend, "$CONTROL/#"),
            (PublishClientReceive, "$CONTROL/#"),
            (SubscribePattern, "$CONTROL/#"),
            (UnsubscribePattern, "$CONTROL/#"),
        ],
    ),
    (
        "sys-notify",
        "Lets a bridge tell whether it is connected",
        &[(PublishClientSend, "$SYS/broker/connection/%c/state")],
    ),
    (
        "sys-observe",
        "Reads what the broker tells of itself",
        &[
            (PublishClientReceive, "$SYS/#"),
            (SubscribePattern, "$SYS/#"),
        ],
    ),
    (
        "topic-observe",
        "Reads all topics of applications",
        &[
            (PublishClientReceive, "#"),
            (SubscribePattern, "#"),
            (UnsubscribePattern, "#"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_rule_of_the_table_is_one() {
        let commands = beginning(StoredCredential::marked("x")).unwrap();
        assert_eq!(commands.len(), ROLES.len() + 3 + HELD.len());
    }

    #[test]
    fn the_password_is_the_first_line_without_blanks_at_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        fs::write(&path, "tulip garden \t\r\nrose\n").unwrap();
        assert_eq!(first_line(&path).unwrap().expose(), b"tulip garden");
        for bad in [b" \n".to_vec(), b"a\0b".to_vec(), vec![b'x'; MOST]] {
            fs::write(&path, bad).unwrap();
            assert!(first_line(&path).is_err());
        }
        assert!(first_line(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_password_that_is_not_kept_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("db");
        let secret = Secret::new(b"tulip".to_vec());
        drop(Note::write(&database, &secret).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let path = Note::write(&database, &secret).unwrap().keep();
        assert_eq!(fs::read(&path).unwrap(), b"admin tulip\n");
        assert!(Note::write(&database, &secret).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"admin tulip\n");
    }
}
