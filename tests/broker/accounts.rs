//! Accounts for the plugin under test: password file lines and databases, made with the library the
//! plugin itself is made of.

use std::fmt::Write as _;
use std::path::Path;

use mosquitto_doorman::admin::{self, Actor, Change, Command, Rotation};
use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::model::{Account, AccountName, StoredCredential};
use mosquitto_doorman::store::sqlite::Database;
use serde_json::{Value, json};

/// Cheap: what is tested is not the hashing.
pub const CHEAP: u32 = 1;

/// A password as it is stored in `$7$`.
pub fn stored(password: &[u8], iterations: u32) -> StoredCredential {
    let recipe = Recipe::Pbkdf2Sha512 { iterations };
    hash(password, &recipe, &Salt::new(*b"sixteen bytes!!!")).unwrap()
}

/// One line of a password file.
pub fn line(name: &str, password: &str) -> String {
    costly_line(name, password, CHEAP)
}

/// The same, at a cost.
pub fn costly_line(name: &str, password: &str, iterations: u32) -> String {
    format!("{name}:{}\n", stored(password.as_bytes(), iterations).text)
}

/// A password file of these accounts.
pub fn lines(accounts: &[(&str, &str)]) -> String {
    accounts
        .iter()
        .fold(String::new(), |mut text, (name, password)| {
            write!(text, "{}", line(name, password)).unwrap();
            text
        })
}

pub fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

/// An account with a password.
pub fn account(username: &str, password: &str) -> Account {
    let credential = Some(stored(password.as_bytes(), CHEAP));
    Account {
        credential,
        ..Account::named(name(username))
    }
}

/// An account with that password as the file of dynamic-security has it.
pub fn client_of_dynsec(username: &str, password: &str) -> Value {
    let stored = stored(password.as_bytes(), CHEAP).text;
    let [_, _, iterations, salt, hash] = stored.split('$').collect::<Vec<_>>()[..] else {
        panic!("no `$7$`");
    };
    let iterations: u32 = iterations.parse().unwrap();
    json!({"username": username, "password": hash, "salt": salt, "iterations": iterations})
}

/// A new database in `path` with these accounts.
pub fn database(path: &Path, accounts: &[Account]) -> Database {
    let mut database = Database::create(path, None).unwrap();
    let commands: Vec<_> = accounts.iter().cloned().map(Command::Add).collect();
    change(&mut database, &commands);
    database
}

fn actor() -> Actor {
    Actor {
        who: "test".into(),
        from: "local".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

/// Carries commands out as `doorman` would, from outside the broker.
pub fn change(database: &mut Database, commands: &[Command]) {
    let outcomes = admin::apply(database, actor(), commands).unwrap();
    assert_eq!(outcomes.len(), commands.len());
}

/// A change of one account's fields.
pub fn set(username: &str, change: Change) -> Command {
    Command::Set {
        name: name(username),
        change,
    }
}

/// A new password.
pub fn password(username: &str, password: &str, rotation: Rotation) -> Command {
    Command::SetCredential {
        name: name(username),
        credential: stored(password.as_bytes(), CHEAP),
        rotation,
    }
}
