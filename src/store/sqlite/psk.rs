//! Keys of TLS-PSK in doorman's own database, as the engine finds them and as administration changes them.
//!
//! Must not: write a key as it is where others are sealed: whoever forgot the key file is told.
#![forbid(unsafe_code)]

use std::path::Path;

use rusqlite::Connection;
use zeroize::Zeroizing;

use super::query::psk::{self, Raw};
use super::{failure, query};
use crate::model::{AccountName, Psk, PskIdentity, PskKey};
use crate::store::Error;
use crate::store::psk::{FoundPsk, PskChanges, Psks, SeenPsk, StoredKey};
use crate::vault::{NONCE, Vault};

/// The identities of one database.
pub(super) struct Keys<'a> {
    path: &'a Path,
    connection: &'a Connection,
    vault: Option<&'a Vault>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(
        path: &'a Path,
        connection: &'a Connection,
        vault: Option<&'a Vault>,
    ) -> Self {
        Self {
            path,
            connection,
            vault,
        }
    }

    /// Reads all there is.
    pub(super) fn check(mut self) -> Result<(), Error> {
        self.psks(i64::MIN, &mut |_, seen| seen.map(drop))
    }

    fn ask<T>(&self, answer: rusqlite::Result<T>) -> Result<T, Error> {
        answer.map_err(|error| failure(self.path, &error))
    }

    fn invalid(&self, why: String) -> Error {
        Error::Invalid {
            path: self.path.to_owned(),
            why,
        }
    }

    /// What is written of a key, and whether it is sealed.
    fn stored(
        &self,
        identity: &PskIdentity,
        name: &AccountName,
        key: &PskKey,
    ) -> Result<(Zeroizing<Vec<u8>>, bool), Error> {
        // A key that the others' file does not open would be the only one that works, or does not.
        refuse_other_vault(self.path, self.connection, self.vault)?;
        let Some(vault) = self.vault else {
            return Ok((Zeroizing::new(key.expose().to_vec()), false));
        };
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)
            .map_err(|error| self.invalid(format!("no random bytes: {error}")))?;
        let sealed = vault.seal(nonce, identity, name, key);
        let sealed = sealed.ok_or_else(|| self.invalid("a key cannot be sealed".to_owned()))?;
        Ok((Zeroizing::new(sealed), true))
    }

    /// The id of an account that must be there.
    fn account(&self, name: &AccountName) -> Result<i64, Error> {
        let id = self.ask(query::id(self.connection, name.as_str()))?;
        id.ok_or_else(|| self.invalid(format!("there is no account {:?}", name.as_str())))
    }
}

/// What is found under an identity, for the engine.
pub(super) fn find(
    connection: &Connection,
    identity: &PskIdentity,
) -> rusqlite::Result<Option<Raw>> {
    psk::one(connection, identity.as_str())
}

/// Refuses a key file that opens none of the sealed keys, and none where there are some.
pub(super) fn refuse_other_vault(
    path: &Path,
    connection: &Connection,
    vault: Option<&Vault>,
) -> Result<(), Error> {
    let mut trouble = None;
    // The first is enough, as a rule.
    for most in [1, SAMPLE] {
        let rows = psk::sealed(connection, most).map_err(|error| failure(path, &error))?;
        for row in rows {
            let Ok((identity, found)) = found(path, row) else {
                continue;
            };
            match found.key.open(vault, &identity, &found.name) {
                Ok(_) => return Ok(()),
                Err(why) => trouble = Some(why),
            }
        }
        if trouble.is_none() {
            return Ok(());
        }
    }
    trouble.map_or(Ok(()), |why| {
        Err(Error::Invalid {
            path: path.to_owned(),
            why: format!("its PSK keys are sealed: {why}"),
        })
    })
}

/// A row, understood.
pub(super) fn found(path: &Path, raw: Raw) -> Result<(PskIdentity, FoundPsk), Error> {
    let Raw {
        id,
        identity,
        username,
        key,
        sealed,
    } = raw;
    let corrupt = |why: String| Error::Corrupt {
        path: path.to_owned(),
        why: format!("PSK {id}: {why}"),
    };
    let key = StoredKey::of(key, sealed).map_err(|error| corrupt(error.to_string()))?;
    let identity = PskIdentity::new(&identity).map_err(|error| corrupt(error.to_string()))?;
    let name = AccountName::new(&username).map_err(|error| corrupt(error.to_string()))?;
    Ok((identity, FoundPsk { name, key }))
}

fn seen(path: &Path, raw: Raw) -> Result<SeenPsk, Error> {
    let sealed = raw.sealed;
    let (identity, FoundPsk { name, key }) = found(path, raw)?;
    let bits = key.bits();
    Ok(SeenPsk {
        identity,
        name,
        bits,
        sealed,
    })
}

impl Psks for Keys<'_> {
    fn psk(&mut self, identity: &PskIdentity) -> Result<Option<SeenPsk>, Error> {
        let row = self.ask(psk::one(self.connection, identity.as_str()))?;
        row.map(|row| seen(self.path, row)).transpose()
    }

    fn of(&mut self, name: &AccountName) -> Result<Vec<SeenPsk>, Error> {
        let rows = self.ask(psk::of(self.connection, name.as_str()))?;
        rows.into_iter().map(|row| seen(self.path, row)).collect()
    }

    fn psks(
        &mut self,
        mut behind: i64,
        visit: &mut dyn FnMut(i64, Result<SeenPsk, Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let rows = self.ask(psk::some(self.connection, behind, AT_ONCE))?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                behind = row.id;
                visit(behind, seen(self.path, row))?;
            }
        }
    }
}

impl PskChanges for Keys<'_> {
    fn is(&mut self, psk: &Psk) -> Result<bool, Error> {
        let Some(row) = self.ask(psk::one(self.connection, psk.identity.as_str()))? else {
            return Ok(false);
        };
        // What cannot be read or opened is none, and is written anew.
        Ok(found(self.path, row).is_ok_and(|(_, found)| {
            let is_as_wanted = matches!(found.key, StoredKey::Sealed(_)) == self.vault.is_some();
            let key = found.key.open(self.vault, &psk.identity, &found.name);
            is_as_wanted && found.name == psk.name && key.is_ok_and(|key| key == psk.key)
        }))
    }

    fn put(&mut self, psk: &Psk) -> Result<(), Error> {
        let account = self.account(&psk.name)?;
        let (key, sealed) = self.stored(&psk.identity, &psk.name, &psk.key)?;
        let identity = psk.identity.as_str();
        self.ask(psk::put(self.connection, identity, account, &key, sealed))
    }

    fn remove(&mut self, identity: &PskIdentity) -> Result<bool, Error> {
        self.ask(psk::delete(self.connection, identity.as_str()))
    }

    fn seal(&mut self) -> Result<u64, Error> {
        let Some(vault) = self.vault else {
            return Err(self.invalid(
                "there is no key file to seal with (--seal-file, or for the plugin \
                 plugin_opt_psk_seal_file)"
                    .to_owned(),
            ));
        };
        // The keys as they were are to be nowhere in the file afterwards.
        self.ask(psk::overwrite(self.connection))?;
        let mut count = 0_u64;
        let mut behind = i64::MIN;
        loop {
            let rows = self.ask(psk::some(self.connection, behind, AT_ONCE))?;
            if rows.is_empty() {
                return Ok(count);
            }
            for row in rows {
                behind = row.id;
                let (identity, FoundPsk { name, key }) = found(self.path, row)?;
                if let StoredKey::Sealed(bytes) = &key
                    && let Some((_, true)) = vault.open(bytes, &identity, &name)
                {
                    continue;
                }
                let key = key.open(Some(vault), &identity, &name);
                let key = key.map_err(|why| {
                    self.invalid(format!("PSK identity {:?}: {why}", identity.as_str()))
                })?;
                self.put(&Psk {
                    identity,
                    name,
                    key,
                })?;
                count = count.saturating_add(1);
            }
        }
    }
}

/// Rows that are read together.
const AT_ONCE: u32 = 500;

/// So many sealed keys are tried before a key file is called another one.
const SAMPLE: u32 = 100;
