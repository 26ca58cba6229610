//! Accounts with keys of TLS-PSK and certificates, written as rows, and the same keys as a `psk_file`.
//!
//! The keys follow from their numbers. One account has a password, the first; each has the name of some
//! certificate.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::mechanism::Mechanism;
use mosquitto_doorman::model::{AccountName, CertificateName, PskIdentity, PskKey};
use mosquitto_doorman::store::sqlite::Database;
use mosquitto_doorman::vault::Vault;
use rusqlite::{Connection, params};

use crate::measure::device;

pub const PASSWORD: &str = "right";
const SEAL: &str = "8f3c1f7a5e0b9d246c8e0a1b3d5f7091a2b4c6d8e0f2143658a9cbed0f1e2d3c";

/// So many accounts.
pub struct Accounts {
    pub count: usize,
    pub database: PathBuf,
    /// What their keys are sealed with, if they are.
    pub seal: Option<PathBuf>,
    pub psk_file: PathBuf,
}

impl Accounts {
    pub fn at(dir: &Path, count: usize, is_sealed: bool) -> Self {
        let accounts = Self {
            count,
            database: dir.join(format!("{count}-{is_sealed}.db")),
            seal: is_sealed.then(|| dir.join("seal")),
            psk_file: dir.join(format!("{count}.psk")),
        };
        let vault = accounts.seal.as_ref().map(|file| {
            fs::write(file, SEAL).expect("a seal file");
            fs::set_permissions(file, Permissions::from_mode(0o600)).expect("a mode");
            Vault::parse(SEAL.as_bytes()).expect("a key")
        });
        let mut text = String::new();
        for number in 0..count {
            writeln!(text, "{}:{}", device(number), *key(number).to_hex()).expect("memory");
        }
        fs::write(&accounts.psk_file, text).expect("a psk_file");
        accounts.fill(vault.as_ref());
        accounts
    }

    fn fill(&self, vault: Option<&Vault>) {
        drop(Database::create(&self.database, None).expect("a database"));
        let mut tool = Connection::open(&self.database).expect("a database");
        let change = tool.transaction().expect("a transaction");
        let prepare = |sql| change.prepare(sql).expect("a statement");
        let mut account = prepare("INSERT INTO account (username, credential) VALUES (?1, ?2)");
        let mut psk =
            prepare("INSERT INTO psk (identity, account_id, key, sealed) VALUES (?1, ?2, ?3, ?4)");
        let mut certificate = prepare("INSERT INTO account_certificate VALUES (?1, ?2)");
        for number in 0..self.count {
            let name = device(number);
            let stored = (number == 0).then(|| {
                let recipe = Recipe::Pbkdf2Sha512 { iterations: 4096 };
                let stored = hash(PASSWORD.as_bytes(), &recipe, &Salt::new([7; 16]));
                stored.expect("a hash").text
            });
            let id = account.insert(params![name, stored]).expect("an account");
            let key = key(number);
            let bytes = match vault {
                None => key.expose().to_vec(),
                Some(vault) => sealed(vault, number, &name, &key),
            };
            psk.execute(params![name, id, bytes, vault.is_some()])
                .expect("a key");
            let text = format!("dns:{name}.example");
            certificate
                .execute(params![text, id])
                .expect("a certificate");
        }
        drop((account, psk, certificate));
        // As doorman itself leaves it: it keeps the last ten thousand.
        change
            .execute(
                "DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - 10000",
                [],
            )
            .expect("the log of changes");
        change.commit().expect("a commit");
    }

    /// Says that an account has this certificate.
    pub fn map(&self, number: usize, certificate: &CertificateName) {
        let tool = Connection::open(&self.database).expect("a database");
        let sql = "INSERT INTO account_certificate
                   SELECT ?1, id FROM account WHERE username = ?2";
        let rows = tool.execute(sql, [certificate.as_str(), &device(number)]);
        assert_eq!(rows.expect("a certificate"), 1);
    }

    /// The lines that load it, without `plugin_opt_`.
    pub fn options(&self) -> Vec<String> {
        let mut options = vec![
            format!("database {}", self.database.display()),
            "psk true".to_owned(),
        ];
        if let Some(seal) = &self.seal {
            options.push(format!("psk_seal_file {}", seal.display()));
        }
        options
    }
}

/// The key of an account.
pub fn key(number: usize) -> PskKey {
    PskKey::new(digest("key", number).to_vec().into()).expect("a key")
}

fn sealed(vault: &Vault, number: usize, name: &str, key: &PskKey) -> Vec<u8> {
    let identity = PskIdentity::new(name).expect("an identity");
    let name = AccountName::new(name).expect("a name");
    let nonce = *digest("nonce", number).first_chunk().expect("long enough");
    vault.seal(nonce, &identity, &name, key).expect("sealed")
}

fn digest(what: &str, number: usize) -> [u8; 32] {
    let digest = Mechanism::Sha256.hash(format!("{what} {number}").as_bytes());
    digest.as_slice().try_into().expect("32 bytes")
}
