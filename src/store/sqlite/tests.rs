//! What the SQLite stores promise, across the files of this room.
#![forbid(unsafe_code)]

mod changes;
mod names;
mod own;
mod psk;
mod query;
mod replaced;
mod roles;
mod trail;

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::model::{Account, AccountName, Scheme, StoredCredential};
use crate::store::{Changes, Hurry, Login, News, Source, Store, Watched};

/// A directory with one database in it.
struct Place {
    dir: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.db");
        Self { dir, path }
    }

    fn of(accounts: &[Account]) -> Self {
        let place = Self::new();
        place.put(accounts);
        place
    }

    fn database(&self) -> Database {
        Database::create(&self.path, None).unwrap()
    }

    fn put(&self, accounts: &[Account]) {
        let mut database = self.database();
        let mut change = database.begin().unwrap();
        for account in accounts {
            change.put(account).unwrap();
        }
        change.commit().unwrap();
    }

    fn remove(&self, name: &str) {
        let mut database = self.database();
        let mut change = database.begin().unwrap();
        change.remove(&AccountName::new(name).unwrap()).unwrap();
        change.commit().unwrap();
    }

    /// What a tool that knows nothing of doorman does.
    fn tool(&self, sql: &str) {
        let tool = Connection::open(&self.path).unwrap();
        tool.execute_batch(sql).unwrap();
    }

    fn ask(&self, sql: &str) -> QueryConfig {
        QueryConfig {
            path: self.path.clone(),
            sql: Some(sql.to_owned()),
            scheme: Scheme::Marked,
            acl_sql: None,
        }
    }
}

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn plain(text: &str) -> Account {
    let mut account = Account::named(name(text));
    account.credential = Some(StoredCredential::marked("$7$1$a$b"));
    account
}

fn full(text: &str) -> Account {
    let moment = |seconds| Some(jiff::Timestamp::from_second(seconds).unwrap());
    Account {
        second_credential: Some(StoredCredential::marked("$7$2$c$d")),
        disabled: true,
        valid_from: moment(-1),
        valid_until: moment(2_000_000_000),
        client_id: Some("kitchen".into()),
        networks: vec!["10.0.0.0/8".parse().unwrap(), "fe80::/10".parse().unwrap()],
        textname: Some("Roger".into()),
        textdescription: Some("the ferry".into()),
        notes: "by the door".into(),
        ..plain(text)
    }
}

fn refresh(watched: &mut Box<dyn Watched>) -> News {
    watched.refresh(Hurry::Settled).unwrap()
}

fn accounts(names: &[&str]) -> News {
    News::Some(Changes {
        accounts: names.iter().map(|text| name(text)).collect(),
        rules: false,
    })
}

fn opened(place: &Place) -> (Arc<dyn Source>, Box<dyn Watched>) {
    let config = DatabaseConfig {
        path: place.path.clone(),
        roles: false,
    };
    let opened = open(&config).unwrap();
    (opened.source.unwrap(), opened.watched)
}

fn asked(place: &Place, sql: &str) -> (Arc<dyn Source>, Box<dyn Watched>) {
    let opened = open_foreign(&place.ask(sql)).unwrap();
    (opened.source.unwrap(), opened.watched)
}
