//! The engine over sources that are values.
#![forbid(unsafe_code)]

mod access;
mod certified;
mod exchange;
mod handed;
mod kept;
mod later;
mod memory;
mod psk;
mod token;

use std::sync::{Mutex, Weak};
use std::time::Instant;

use super::*;
use crate::credential::{Recipe, Salt, hash};
use crate::model::{AccountName, CertificateName, StoredCredential};
use crate::request::{Address, Certificate, Client, Method, Occasion};
use crate::store::{Changes, News};

/// A source that holds what it is given, or nothing and an error.
struct Held(Mutex<Result<Vec<Account>, ()>>);

impl Held {
    fn with(accounts: Vec<Account>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ok(accounts))))
    }

    fn hold(&self, accounts: Result<Vec<Account>, ()>) {
        *self.0.lock().unwrap() = accounts;
    }
}

impl Source for Held {
    fn account(&self, name: &str, _: Option<&str>) -> Result<Option<Account>, store::Error> {
        match &*self.0.lock().unwrap() {
            Ok(accounts) => Ok(accounts.iter().find(|a| a.name.as_str() == name).cloned()),
            Err(()) => Err(gone()),
        }
    }

    fn certified(&self, name: &CertificateName) -> Result<Option<AccountName>, store::Error> {
        match &*self.0.lock().unwrap() {
            Ok(accounts) => {
                let holder = accounts.iter().find(|a| a.certificates.contains(name));
                Ok(holder.map(|account| account.name.clone()))
            }
            Err(()) => Err(gone()),
        }
    }

    fn sample(&self) -> Vec<StoredCredential> {
        Vec::new()
    }

    fn keeps_logins(&self) -> bool {
        true
    }

    fn written_in(&self) -> Option<&std::path::Path> {
        Some(std::path::Path::new("/held"))
    }

    fn has_states(&self) -> bool {
        true
    }
}

fn gone() -> store::Error {
    store::Error::Unavailable {
        path: "/held".into(),
        why: "gone".into(),
    }
}

fn stored(password: &str) -> StoredCredential {
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 1 };
    hash(password.as_bytes(), &recipe, &Salt::new([1; 16])).unwrap()
}

fn account(name: &str, password: &str) -> Account {
    let credential = Some(stored(password));
    Account {
        credential,
        ..Account::named(AccountName::new(name).unwrap())
    }
}

fn engine(sources: &[Arc<Held>], unknown_user: UnknownUser) -> Engine {
    let config = Config {
        unknown_user,
        ..Config::standard()
    };
    let sources = sources
        .iter()
        .map(|held| Arc::clone(held) as Arc<dyn Source>)
        .collect();
    Engine::over(
        sources,
        Authorities::default(),
        &config,
        &[9; 32],
        now,
        Arc::default(),
    )
}

#[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
fn now() -> Now {
    Now {
        mono: Instant::now(),
        wall: Timestamp::UNIX_EPOCH,
    }
}

/// A client with nothing about it.
fn visitor(connection: u64, id: &str) -> Client<'_> {
    Client {
        connection: Some(ConnectionId(connection)),
        id: Some(id),
        address: Address::new(Some("192.0.2.1")),
        listener: None,
        restored: false,
        certificate: Certificate::None,
    }
}

fn ask(engine: &Engine, connection: u64, username: &str, password: Option<&str>) -> Verdict {
    let client = visitor(connection, "c");
    let password = password.map(str::as_bytes);
    engine.connect(
        &Connect {
            client,
            username: Some(username),
            password,
            occasion: Occasion::Now,
            method: Method::Password,
        },
        now(),
    )
}

fn changed(accounts: Vec<AccountName>) -> News {
    News::Some(Changes {
        accounts,
        rules: false,
    })
}

fn kicked(engine: &Engine) -> Vec<u64> {
    let effects = engine.tick(Ends::Many, now).into_iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Kick { connection, .. } => Some(connection.0),
            // Figures.
            Effect::Publish { .. } | Effect::Tell { .. } => None,
            Effect::Complete { .. }
            | Effect::KickUsername(_)
            | Effect::KickKeyed { .. }
            | Effect::KickUnseen { .. }
            | Effect::Recheck { .. } => {
                panic!("nobody waits")
            }
        })
        .collect()
}

#[test]
fn the_right_password_is_allowed_and_a_wrong_one_is_not() {
    let engine = engine(&[Held::with(vec![account("ann", "pw")])], UnknownUser::Deny);
    for _ in 0..2 {
        assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
        assert_eq!(
            ask(&engine, 2, "ann", Some("no")),
            Verdict::Deny(Reason::BadPassword)
        );
        assert_eq!(
            ask(&engine, 3, "ann", None),
            Verdict::Deny(Reason::NoPassword)
        );
        assert_eq!(
            ask(&engine, 4, "eve", Some("pw")),
            Verdict::Deny(Reason::UnknownUser)
        );
    }
}

#[test]
fn what_is_remembered_does_not_outlive_a_change() {
    let held = Held::with(vec![account("ann", "pw")]);
    let engine = engine(&[Arc::clone(&held)], UnknownUser::Deny);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    held.hold(Ok(vec![account("ann", "new")]));
    assert_eq!(
        ask(&engine, 2, "ann", Some("pw")),
        Verdict::Deny(Reason::BadPassword)
    );
    held.hold(Ok(vec![Account {
        disabled: true,
        ..account("ann", "pw")
    }]));
    assert_eq!(
        ask(&engine, 3, "ann", Some("pw")),
        Verdict::Deny(Reason::Disabled)
    );
}

#[test]
fn either_credential_of_a_rotation_fits() {
    let second_credential = Some(stored("old"));
    let rotating = Account {
        second_credential,
        ..account("ann", "new")
    };
    let engine = engine(&[Held::with(vec![rotating])], UnknownUser::Deny);
    for password in ["new", "old", "new", "old"] {
        assert_eq!(ask(&engine, 1, "ann", Some(password)), Verdict::Allow);
    }
    assert_eq!(
        ask(&engine, 1, "ann", Some("no")),
        Verdict::Deny(Reason::BadPassword)
    );
}

#[test]
fn a_credential_that_cannot_be_used_denies() {
    let text = StoredCredential::marked("$7$nonsense");
    let broken = Account {
        credential: Some(text),
        ..account("ann", "")
    };
    let engine = engine(&[Held::with(vec![broken])], UnknownUser::Defer);
    let answer = ask(&engine, 1, "ann", Some("$7$nonsense"));
    assert_eq!(answer, Verdict::Deny(Reason::UnusableCredential));
}

/// A source that cannot be asked might have said no: the next one is not asked in its place.
#[test]
fn a_source_that_cannot_be_asked_denies() {
    let broken = Held::with(Vec::new());
    let sources = [Arc::clone(&broken), Held::with(vec![account("ann", "pw")])];
    let engine = engine(&sources, UnknownUser::Defer);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    broken.hold(Err(()));
    assert_eq!(
        ask(&engine, 2, "ann", Some("pw")),
        Verdict::Deny(Reason::SourceUnavailable)
    );
    // And it ends nobody's connection.
    engine.review(&News::Everything, Timestamp::UNIX_EPOCH);
    engine.beat(now());
    assert!(kicked(&engine).is_empty());
    // Once it can be asked again, what it says counts.
    broken.hold(Ok(vec![Account {
        disabled: true,
        ..account("ann", "pw")
    }]));
    engine.beat(now());
    assert_eq!(kicked(&engine), [1]);
}

#[test]
fn the_unknown_and_the_anonymous_are_left_to_the_broker() {
    let engine = engine(&[Held::with(Vec::new())], UnknownUser::Defer);
    let unknown = Verdict::Defer(Deferral::UnknownUser);
    assert_eq!(ask(&engine, 1, "eve", Some("pw")), unknown);
    assert_eq!(ask(&engine, 1, "eve", None), unknown);
    let client = Client {
        connection: None,
        id: None,
        address: Address::new(None),
        listener: None,
        restored: false,
        certificate: Certificate::None,
    };
    let nobody = Connect {
        client,
        username: None,
        password: Some(b"pw"),
        occasion: Occasion::Now,
        method: Method::Password,
    };
    assert_eq!(
        engine.connect(&nobody, now()),
        Verdict::Defer(Deferral::Anonymous)
    );
}

#[test]
fn a_change_ends_the_connections_it_concerns() {
    let both = vec![account("ann", "pw"), account("bob", "pw")];
    let held = Held::with(both.clone());
    let engine = engine(&[Arc::clone(&held)], UnknownUser::Deny);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    assert_eq!(ask(&engine, 2, "bob", Some("pw")), Verdict::Allow);
    engine.review(&News::Everything, Timestamp::UNIX_EPOCH);
    assert!(kicked(&engine).is_empty(), "nothing has changed for them");
    held.hold(Ok(vec![account("ann", "pw"), account("bob", "new")]));
    engine.review(&changed(vec![both[0].name.clone()]), Timestamp::UNIX_EPOCH);
    assert!(kicked(&engine).is_empty(), "the news is about ann only");
    engine.review(&changed(vec![both[1].name.clone()]), Timestamp::UNIX_EPOCH);
    assert_eq!(kicked(&engine), [2]);
    assert!(kicked(&engine).is_empty(), "and once only");
}

#[test]
fn a_connection_that_ended_meanwhile_is_not_ended_again() {
    let held = Held::with(vec![account("ann", "pw")]);
    let engine = engine(&[Arc::clone(&held)], UnknownUser::Deny);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    held.hold(Ok(Vec::new()));
    engine.review(&News::Everything, Timestamp::UNIX_EPOCH);
    engine.disconnected(ConnectionId(1));
    assert!(kicked(&engine).is_empty());
}

#[test]
fn logins_are_recorded_once_and_refusals_never() {
    let engine = engine(&[Held::with(vec![account("ann", "pw")])], UnknownUser::Deny);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    assert_eq!(
        ask(&engine, 1, "ann", Some("no")),
        Verdict::Deny(Reason::BadPassword)
    );
    assert_eq!(engine.take_logins().len(), 1);
    assert!(engine.take_logins().is_empty());
}

/// A login that is verified while the watcher takes over a change is looked at again.
#[test]
fn a_login_that_began_before_a_change_is_judged_after_it() {
    struct Changing(Held, Mutex<Weak<Engine>>);
    impl Source for Changing {
        fn account(&self, name: &str, id: Option<&str>) -> Result<Option<Account>, store::Error> {
            let before = self.0.account(name, id);
            let engine = std::mem::take(&mut *self.1.lock().unwrap());
            if let Some(engine) = engine.upgrade() {
                // The change comes right behind the first answer, before the session is known.
                self.0.hold(Ok(Vec::new()));
                engine.review(&News::Everything, Timestamp::UNIX_EPOCH);
            }
            before
        }

        fn certified(&self, name: &CertificateName) -> Result<Option<AccountName>, store::Error> {
            self.0.certified(name)
        }

        fn sample(&self) -> Vec<StoredCredential> {
            Vec::new()
        }

        fn keeps_logins(&self) -> bool {
            false
        }

        fn written_in(&self) -> Option<&std::path::Path> {
            Some(std::path::Path::new("/held"))
        }

        fn has_states(&self) -> bool {
            true
        }
    }
    let held = Held(Mutex::new(Ok(vec![account("ann", "pw")])));
    let source = Arc::new(Changing(held, Mutex::default()));
    let sources = vec![Arc::clone(&source) as Arc<dyn Source>];
    let engine = Arc::new(Engine::over(
        sources,
        Authorities::default(),
        &Config::standard(),
        &[9; 32],
        now,
        Arc::default(),
    ));
    *source.1.lock().unwrap() = Arc::downgrade(&engine);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    engine.beat(now());
    assert_eq!(kicked(&engine), [1]);
}

#[test]
fn ends_wait_for_an_answer_but_not_for_ever() {
    let held = Held::with(vec![account("ann", "pw")]);
    let engine = engine(&[held], UnknownUser::Deny);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    let end = || {
        let mut concerned = Concerned::default();
        let ann = AccountName::new("ann").unwrap();
        engine.concern(&mut concerned, &[End::Client(ann)]);
        engine.end(concerned);
    };
    let hold = engine.hold_ends();
    end();
    assert_eq!(kicked(&engine), [0; 0]);
    engine.publish(None, "answer", Vec::new());
    drop(hold);
    assert_eq!(kicked(&engine), [0; 0], "the answer is taken in this round");
    assert!(!engine.is_heard());
    assert_eq!(kicked(&engine), [1]);
    assert!(engine.is_heard(), "and has gone out in this one");

    let _hold = engine.hold_ends();
    end();
    assert_eq!(kicked(&engine), [0; 0]);
    let later = || Now {
        mono: now().mono + LONGEST_HELD,
        ..now()
    };
    let effects = engine.tick(Ends::Many, later);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Kick { .. }))
    );
}

/// A broker that comes round at once ends one in each round, and all whose ends were held back for long.
#[test]
fn one_is_ended_in_a_round_and_the_others_in_the_next() {
    let engine = engine(&[Held::with(vec![account("ann", "pw")])], UnknownUser::Deny);
    for connection in 1..=5 {
        assert_eq!(ask(&engine, connection, "ann", Some("pw")), Verdict::Allow);
    }
    let end = || {
        let mut concerned = Concerned::default();
        let ann = AccountName::new("ann").unwrap();
        engine.concern(&mut concerned, &[End::Client(ann)]);
        engine.end(concerned);
    };
    let few = |at: fn() -> Now| engine.tick(Ends::Few, at).len();
    end();
    for left in (0..5).rev() {
        assert_eq!((few(now), engine.has_ends()), (1, left > 0));
    }
    assert_eq!(few(now), 0);
    end();
    let _hold = engine.hold_ends();
    assert_eq!(few(now), 0);
    let later = || Now {
        mono: now().mono + LONGEST_HELD,
        ..now()
    };
    assert_eq!(few(later), 5);
}
