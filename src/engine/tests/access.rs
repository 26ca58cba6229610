//! How clients stand, over an authority that is a value.
#![forbid(unsafe_code)]

use super::*;
use crate::policy::{AclType, Asker, Defaults, Holding, Permission, Rights, Rule};
use crate::request::{Access, Action};
use crate::store::{Authority, Granted, Grantor};
use crate::verdict::Permit;

/// Grants everybody whose name is on its list the topics on its other list.
struct Granting {
    names: Mutex<Vec<&'static str>>,
    topics: Mutex<Result<Vec<&'static str>, ()>>,
    asked: AtomicU64,
    /// What to do once, in the middle of being asked.
    meanwhile: Mutex<Option<Weak<Engine>>>,
}

impl Granting {
    fn new(names: &[&'static str], topics: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            names: Mutex::new(names.to_vec()),
            topics: Mutex::new(Ok(topics.to_vec())),
            asked: AtomicU64::new(0),
            meanwhile: Mutex::default(),
        })
    }

    fn grants(&self, topics: Result<Vec<&'static str>, ()>) {
        *self.topics.lock().unwrap() = topics;
    }

    fn granted(&self) -> Result<Granted, store::Error> {
        let topics = self.topics.lock().unwrap().clone();
        let topics = topics.map_err(|()| store::Error::Unavailable {
            path: "/granting".into(),
            why: "gone".into(),
        })?;
        let rule =
            |topic: &&str| Rule::new(AclType::PublishClientSend, Permission::Allow, topic).unwrap();
        Ok(Granted {
            rights: Rights::of_one_role(topics.iter().map(rule), Defaults::DENY),
            holding: Holding::default(),
        })
    }
}

impl Grantor for Granting {
    fn grant(&self, asker: Asker<'_>, _: Timestamp) -> Result<Option<Granted>, store::Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let granted = self.granted()?;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(engine) = meanwhile.and_then(|engine| engine.upgrade()) {
            self.grants(Ok(vec!["new"]));
            engine.review(&rules(), Timestamp::UNIX_EPOCH);
        }
        let names = self.names.lock().unwrap();
        let known = asker.username.is_some_and(|name| names.contains(&name));
        Ok(known.then_some(granted))
    }

    fn renew(&self, _: &Granted, _: Timestamp) -> Result<Granted, store::Error> {
        self.granted()
    }

    fn asks_client_id(&self) -> bool {
        false
    }

    fn is_asked_at_login(&self) -> bool {
        false
    }
}

fn rules() -> News {
    News::Some(Changes {
        accounts: Vec::new(),
        rules: true,
    })
}

fn engine_of(
    accounts: Vec<Account>,
    granting: &Arc<Granting>,
    unknown: UnknownUser,
) -> Arc<Engine> {
    engine_over(&Held::with(accounts), granting, unknown)
}

fn engine_over(held: &Arc<Held>, granting: &Arc<Granting>, unknown: UnknownUser) -> Arc<Engine> {
    let config = Config {
        unknown_user: unknown,
        ..Config::standard()
    };
    let sources = vec![Arc::clone(held) as Arc<dyn Source>];
    let granting = Arc::clone(granting) as Arc<dyn Grantor>;
    let authorities = [Authority::Grants("/granting".into(), granting)];
    let waiting = Arc::default();
    Arc::new(Engine::over(
        sources,
        authorities.into_iter().collect(),
        &config,
        &[9; 32],
        now,
        waiting,
    ))
}

fn publishes(engine: &Engine, username: Option<&str>, topic: &str) -> Permit {
    engine.may(&Access {
        client_id: Some("c"),
        username,
        action: Action::Publish,
        topic,
        qos: 0,
        retain: false,
        payload: 0,
    })
}

#[test]
fn a_standing_is_found_out_once_and_again_when_rules_change() {
    let granting = Granting::new(&["ann"], &["old"]);
    let engine = engine_of(vec![account("ann", "pw")], &granting, UnknownUser::Deny);
    for _ in 0..3 {
        assert_eq!(publishes(&engine, Some("ann"), "old"), Permit::Allow);
        assert_eq!(publishes(&engine, Some("ann"), "new"), Permit::Deny);
    }
    assert_eq!(granting.asked.load(Ordering::Relaxed), 1);
    granting.grants(Ok(vec!["new"]));
    assert_eq!(
        publishes(&engine, Some("ann"), "old"),
        Permit::Allow,
        "no news"
    );
    engine.review(&rules(), Timestamp::UNIX_EPOCH);
    assert_eq!(publishes(&engine, Some("ann"), "old"), Permit::Deny);
    assert_eq!(publishes(&engine, Some("ann"), "new"), Permit::Allow);
}

#[test]
fn who_loses_is_ended_and_who_gains_is_not() {
    let granting = Granting::new(&["ann"], &["a"]);
    let engine = engine_of(vec![account("ann", "pw")], &granting, UnknownUser::Deny);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    for (topics, ended) in [(vec!["a", "b"], vec![]), (vec!["b"], vec![1])] {
        granting.grants(Ok(topics));
        engine.review(&rules(), Timestamp::UNIX_EPOCH);
        assert_eq!(kicked(&engine), ended);
    }
}

#[test]
fn who_was_not_announced_is_ended_by_username_one_in_a_round() {
    let names = ["ann", "bob"];
    let granting = Granting::new(&names, &["a"]);
    let accounts = names.map(|name| account(name, "pw"));
    let engine = engine_of(accounts.into(), &granting, UnknownUser::Deny);
    for name in names {
        assert_eq!(publishes(&engine, Some(name), "a"), Permit::Allow);
    }
    granting.grants(Ok(Vec::new()));
    engine.review(&rules(), Timestamp::UNIX_EPOCH);
    for name in names {
        assert!(engine.has_ends());
        let effect = Effect::KickUsername(Some(name.into()));
        assert_eq!(engine.tick(Ends::Few, now), [effect]);
    }
    assert!(!engine.has_ends());
}

#[test]
fn who_cannot_be_asked_about_is_denied_and_asked_about_again() {
    let granting = Granting::new(&["ann"], &["a"]);
    let engine = engine_of(vec![account("ann", "pw")], &granting, UnknownUser::Deny);
    granting.grants(Err(()));
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Deny);
    granting.grants(Ok(vec!["a"]));
    engine.beat(now());
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Allow);
    // What is in force already stays, where it cannot be found out again.
    granting.grants(Err(()));
    engine.review(&News::Everything, Timestamp::UNIX_EPOCH);
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Allow);
    assert_eq!(publishes(&engine, Some("ann"), "b"), Permit::Deny);
}

#[test]
fn who_is_nobodys_is_left_to_others_or_denied() {
    let granting = Granting::new(&["ann"], &["a"]);
    for (unknown, permit) in [
        (UnknownUser::Defer, Permit::Defer),
        (UnknownUser::Deny, Permit::Deny),
    ] {
        let engine = engine_of(Vec::new(), &granting, unknown);
        assert_eq!(publishes(&engine, Some("eve"), "a"), permit);
        assert_eq!(publishes(&engine, None, "a"), Permit::Defer);
    }
}

#[test]
fn a_disabled_account_may_do_nothing_whatever_it_is_granted() {
    let granting = Granting::new(&["ann"], &["a"]);
    let ann = Account {
        disabled: true,
        ..account("ann", "pw")
    };
    let engine = engine_of(vec![ann], &granting, UnknownUser::Defer);
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Deny);
}

#[test]
fn whoever_is_let_in_again_is_not_refused_any_more() {
    let granting = Granting::new(&["ann"], &["a"]);
    let off = Account {
        disabled: true,
        ..account("ann", "pw")
    };
    let held = Held::with(vec![off]);
    let engine = engine_over(&held, &granting, UnknownUser::Defer);
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Deny);
    // The change is told of later.
    held.hold(Ok(vec![account("ann", "pw")]));
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Deny);
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Allow);
    assert_eq!(publishes(&engine, Some("ann"), "b"), Permit::Deny);
}

/// What was found out before a change is not kept as if it had been found out after it.
#[test]
fn who_asks_while_something_changes_is_found_out_again() {
    let granting = Granting::new(&["ann"], &["old"]);
    let engine = engine_of(vec![account("ann", "pw")], &granting, UnknownUser::Deny);
    *granting.meanwhile.lock().unwrap() = Some(Arc::downgrade(&engine));
    assert_eq!(publishes(&engine, Some("ann"), "old"), Permit::Allow);
    engine.beat(now());
    assert_eq!(publishes(&engine, Some("ann"), "old"), Permit::Deny);
    assert_eq!(publishes(&engine, Some("ann"), "new"), Permit::Allow);
}

/// Where the broker lets everybody in, names cost nothing.
#[test]
fn names_that_nobody_knows_are_kept_up_to_a_bound() {
    let granting = Granting::new(&["ann"], &["a"]);
    let engine = engine_of(vec![account("ann", "pw")], &granting, UnknownUser::Deny);
    let long = "x".repeat(300);
    for _ in 0..2 {
        assert_eq!(publishes(&engine, Some(&long), "a"), Permit::Deny);
        assert_eq!(publishes(&engine, Some("eve"), "a"), Permit::Deny);
    }
    let asked = || granting.asked.load(Ordering::Relaxed);
    assert_eq!(asked(), 3, "the long name each time, the short one once");
    for number in 0..60_000 {
        let name = number.to_string();
        assert_eq!(publishes(&engine, Some(&name), "a"), Permit::Deny);
    }
    let all = engine.standings.all();
    assert_eq!(all.len(), 50_000);
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Allow);
    assert_eq!(
        engine.standings.all().len(),
        50_001,
        "there is room for who is known"
    );
    let before = asked();
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Allow);
    assert_eq!(asked(), before);
    let later = |minutes: u64| {
        let mut later = now();
        later.mono = later
            .mono
            .checked_add(Duration::from_secs(60 * minutes))
            .unwrap();
        later
    };
    for minutes in [0, 11, 22] {
        engine.beat(later(minutes));
    }
    assert!(engine.standings.all().is_empty(), "nobody has asked since");
}

/// An account that is switched off while its login is under way stays switched off.
#[test]
fn who_logs_in_while_the_account_changes_is_found_out_again() {
    struct Turning(Arc<Held>, Mutex<Option<Weak<Engine>>>);
    impl Source for Turning {
        fn account(&self, name: &str, id: Option<&str>) -> Result<Option<Account>, store::Error> {
            let found = self.0.account(name, id)?;
            let meanwhile = self.1.lock().unwrap().take();
            if let Some(engine) = meanwhile.and_then(|engine| engine.upgrade()) {
                let off = Account {
                    disabled: true,
                    ..account("ann", "pw")
                };
                let news = changed(vec![off.name.clone()]);
                self.0.hold(Ok(vec![off]));
                engine.review(&news, Timestamp::UNIX_EPOCH);
            }
            Ok(found)
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
            None
        }

        fn has_states(&self) -> bool {
            true
        }
    }
    let source = Arc::new(Turning(
        Held::with(vec![account("ann", "pw")]),
        Mutex::default(),
    ));
    let granting = Granting::new(&["ann"], &["a"]);
    let engine = Arc::new(Engine::over(
        vec![Arc::clone(&source) as Arc<dyn Source>],
        [Authority::Grants("/granting".into(), granting)]
            .into_iter()
            .collect(),
        &Config::standard(),
        &[9; 32],
        now,
        Arc::default(),
    ));
    *source.1.lock().unwrap() = Some(Arc::downgrade(&engine));
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    engine.beat(now());
    assert_eq!(publishes(&engine, Some("ann"), "a"), Permit::Deny);
    assert_eq!(kicked(&engine), [1]);
}
