//! Sessions that wait for their clients, over an authority that is a value.
#![forbid(unsafe_code)]

use super::*;
use crate::policy::{AclType, Asker, Defaults, Holding, Permission, Rights, Rule};
use crate::request::{Access, Action, Passage, Passing};
use crate::store::{Authority, Granted, Grantor};
use crate::verdict::Permit;

/// Grants everybody these subscriptions, and to read everything.
struct Subscribing {
    filters: Mutex<Vec<&'static str>>,
    by_client_id: bool,
    asked: AtomicU64,
}

impl Subscribing {
    fn to(filters: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            filters: Mutex::new(filters.to_vec()),
            by_client_id: false,
            asked: AtomicU64::new(0),
        })
    }

    fn by_client_id(filters: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            filters: Mutex::new(filters.to_vec()),
            by_client_id: true,
            asked: AtomicU64::new(0),
        })
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn rights(&self) -> Granted {
        let filters = self.filters.lock().unwrap();
        let rule = |filter: &&str| {
            Rule::new(AclType::SubscribePattern, Permission::Allow, filter).unwrap()
        };
        Granted {
            rights: Rights::of_one_role(filters.iter().map(rule), Defaults::FRESH),
            holding: Holding::default(),
        }
    }
}

impl Grantor for Subscribing {
    fn grant(&self, asker: Asker<'_>, _: Timestamp) -> Result<Option<Granted>, store::Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is_stranger = asker
            .username
            .is_some_and(|name| name.starts_with("stranger"));
        Ok((!is_stranger).then(|| self.rights()))
    }

    fn renew(&self, _: &Granted, _: Timestamp) -> Result<Granted, store::Error> {
        Ok(self.rights())
    }

    fn asks_client_id(&self) -> bool {
        self.by_client_id
    }

    fn is_asked_at_login(&self) -> bool {
        true
    }
}

fn engine_of(subscribing: &Arc<Subscribing>) -> Engine {
    let accounts = ["ann", "bob"].map(|name| account(name, "pw"));
    let config = Config {
        unknown_user: UnknownUser::Deny,
        ..Config::standard()
    };
    let granting = Arc::clone(subscribing) as Arc<dyn Grantor>;
    let authorities = [Authority::Grants("/granting".into(), granting)];
    Engine::over(
        vec![Held::with(accounts.to_vec()) as Arc<dyn Source>],
        authorities.into_iter().collect(),
        &config,
        &[9; 32],
        now,
        Arc::default(),
    )
}

fn login(engine: &Engine, number: u64, username: &str, client_id: &str, occasion: Occasion) {
    let client = Client {
        restored: occasion == Occasion::Again,
        ..visitor(number, client_id)
    };
    let verdict = engine.connect(
        &Connect {
            client,
            username: Some(username),
            password: (occasion != Occasion::Again).then_some(b"pw"),
            occasion,
            method: Method::Password,
        },
        now(),
    );
    assert_eq!(verdict, Verdict::Allow);
}

/// A client of which nothing else is known.
fn seat(username: Option<&str>, client_id: &str, subscriptions: Subscribed) -> Seat {
    let asker = Asker {
        client_id: Some(client_id),
        username,
    };
    Seat::of(asker, subscriptions)
}

/// Whether it is sent a message to this topic.
fn is_sent(engine: &Engine, seat: &mut Seat, memory: &mut Memory, topic: &str) -> bool {
    memory.turn_to(topic.as_bytes()).unwrap();
    let passage = Passage {
        to: Passing::ToClient,
        qos: 0,
        retain: false,
        payload: 0,
    };
    engine.may_again(passage, seat, memory) == Permit::Allow
}

fn rechecked(engine: &Engine) -> Vec<String> {
    let effects = engine.tick(Ends::Many, now).into_iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Recheck { client_id } => Some(client_id.into()),
            Effect::Publish { .. } | Effect::Tell { .. } => None,
            Effect::Kick { .. }
            | Effect::KickUsername(_)
            | Effect::KickKeyed { .. }
            | Effect::KickUnseen { .. }
            | Effect::Complete { .. } => panic!("nobody is in"),
        })
        .collect()
}

fn revoke(engine: &Engine, subscribing: &Subscribing, left: &[&'static str]) {
    *subscribing.filters.lock().unwrap() = left.to_vec();
    let rules = News::Some(Changes {
        accounts: Vec::new(),
        rules: true,
    });
    engine.review(&rules, Timestamp::UNIX_EPOCH);
}

/// CVE-2021-34434, of somebody who is away for longer than anybody is remembered who does not ask.
#[test]
fn who_is_away_for_long_among_many_is_not_forgotten_while_its_session_waits() {
    let subscribing = Subscribing::to(&["to/#", "other"]);
    let engine = engine_of(&subscribing);
    let later = |minutes: u64| {
        let mut later = now();
        let after = Duration::from_secs(60 * minutes);
        later.mono = later.mono.checked_add(after).unwrap();
        later
    };
    for (number, name) in [(1, "ann"), (2, "bob")] {
        login(&engine, number, name, name, Occasion::Now);
        engine.begins_anew(ConnectionId(number));
    }
    let asks = |name: &str| {
        let access = Access {
            client_id: Some("c"),
            username: Some(name),
            action: Action::Publish,
            topic: "a",
            qos: 0,
            retain: false,
            payload: 0,
        };
        assert_eq!(engine.may(&access), Permit::Deny);
    };
    for number in 0..10_001 {
        asks(&format!("stranger {number}"));
    }
    engine.disconnected(ConnectionId(2));
    // Whoever has no session either is forgotten.
    let anonymous = Access {
        client_id: Some("c"),
        username: None,
        action: Action::Publish,
        topic: "a",
        qos: 0,
        retain: false,
        payload: 0,
    };
    assert_eq!(engine.may(&anonymous), Permit::Deny);
    for minutes in [0, 11, 22] {
        engine.beat(later(minutes));
    }
    assert_eq!(
        engine.standings.all().len(),
        3,
        "ann, bob and those without a name"
    );
    revoke(&engine, &subscribing, &["to/#"]);
    let effects = engine.tick(Ends::Many, now);
    let bobs = Effect::Recheck {
        client_id: "bob".into(),
    };
    assert!(effects.contains(&bobs), "{effects:?}");
    assert!(effects.contains(&Effect::KickUsername(None)), "{effects:?}");
    let is_anns =
        |effect: &Effect| matches!(effect, Effect::Kick { username, .. } if **username == *"ann");
    assert!(effects.iter().any(is_anns), "{effects:?}");
}

#[test]
fn a_session_that_nobody_knows_is_looked_at_and_gets_only_what_it_may_subscribe_to() {
    let subscribing = Subscribing::to(&["to/#"]);
    let engine = engine_of(&subscribing);
    let mut memory = Memory::default();
    for username in [Some("bob"), None] {
        let id = username.unwrap_or("nameless");
        let mut waits = seat(username, id, Subscribed::Waiting);
        assert!(is_sent(&engine, &mut waits, &mut memory, "to/a"));
        assert!(!is_sent(&engine, &mut waits, &mut memory, "other"));
        assert_eq!(rechecked(&engine), [id]);
        // Now they are such as it may have: what else it is sent, its own rules say.
        assert!(is_sent(&engine, &mut waits, &mut memory, "other"));
        assert!(rechecked(&engine).is_empty());
    }
    // And it is known by now.
    revoke(&engine, &subscribing, &[]);
    assert!(engine.tick(Ends::Many, now).contains(&Effect::Recheck {
        client_id: "bob".into()
    }));
}

/// Of whoever has no username nobody tells but the question whether it may enter.
#[test]
fn whoever_comes_back_without_a_username_is_not_cut_off_and_gets_only_what_it_may_subscribe_to() {
    let subscribing = Subscribing::to(&["to/#"]);
    let engine = engine_of(&subscribing);
    let mut memory = Memory::default();
    let mut waits = seat(None, "nameless", Subscribed::Waiting);
    assert!(!is_sent(&engine, &mut waits, &mut memory, "other"));
    let connect = Connect {
        client: visitor(1, "nameless"),
        username: None,
        password: None,
        occasion: Occasion::Now,
        method: Method::Password,
    };
    let verdict = engine.connect(&connect, now());
    assert_eq!(verdict, Verdict::Defer(Deferral::Anonymous));
    assert!(rechecked(&engine).is_empty());
    assert!(!engine.has_judged(None, Some("nameless")));
    let mut inherits = seat(None, "nameless", Subscribed::Inherited);
    assert!(is_sent(&engine, &mut inherits, &mut memory, "to/a"));
    assert!(!is_sent(&engine, &mut inherits, &mut memory, "other"));
}

#[test]
fn whoever_comes_back_to_what_nobody_looked_at_gets_only_what_it_may_subscribe_to() {
    let subscribing = Subscribing::to(&["to/#"]);
    let engine = engine_of(&subscribing);
    login(&engine, 1, "bob", "b", Occasion::Now);
    assert!(!engine.has_judged(Some("bob"), Some("b")));
    let (mut inherits, mut memory) = (
        seat(Some("bob"), "b", Subscribed::Inherited),
        Memory::default(),
    );
    for _ in 0..2 {
        assert!(is_sent(&engine, &mut inherits, &mut memory, "to/a"));
        assert!(!is_sent(&engine, &mut inherits, &mut memory, "other"));
    }
    assert!(
        engine.tick(Ends::Many, now).is_empty(),
        "whoever is in is not cut off"
    );
    // It is looked at once it has gone, and then it is known.
    engine.disconnected(ConnectionId(1));
    assert_eq!(rechecked(&engine), ["b"]);
    login(&engine, 2, "bob", "b", Occasion::Now);
    assert!(engine.has_judged(Some("bob"), Some("b")));
    // Not by somebody else.
    assert!(!engine.has_judged(Some("ann"), Some("b")) && !engine.has_judged(None, Some("b")));
    login(&engine, 3, "ann", "b", Occasion::Now);
    assert!(!engine.has_judged(Some("ann"), Some("b")));
}

#[test]
fn whoever_is_back_before_its_session_was_looked_at_inherits_what_is_in_it() {
    let subscribing = Subscribing::to(&["to/#"]);
    let engine = engine_of(&subscribing);
    for (number, id) in [(1, "quick"), (2, "slow")] {
        login(&engine, number, "bob", id, Occasion::Now);
        engine.begins_anew(ConnectionId(number));
        engine.disconnected(ConnectionId(number));
    }
    assert!(engine.has_judged(Some("bob"), Some("quick")));
    revoke(&engine, &subscribing, &[]);
    login(&engine, 3, "bob", "quick", Occasion::Now);
    assert!(!engine.has_judged(Some("bob"), Some("quick")));
    assert_eq!(rechecked(&engine), ["slow"], "who is in is not cut off");
    assert!(engine.has_judged(Some("bob"), Some("slow")));
}

/// After SIGHUP the broker asks about sessions whose clients are away.
#[test]
fn a_session_that_is_asked_about_has_not_come_back_by_that() {
    let subscribing = Subscribing::to(&["to/#"]);
    let engine = engine_of(&subscribing);
    login(&engine, 1, "bob", "restored", Occasion::Again);
    assert!(!engine.has_judged(Some("bob"), Some("restored")));
    let mut waits = seat(Some("bob"), "restored", Subscribed::Waiting);
    let mut memory = Memory::default();
    assert!(!is_sent(&engine, &mut waits, &mut memory, "other"));
    assert!(is_sent(&engine, &mut waits, &mut memory, "to/a"));
    assert_eq!(rechecked(&engine), ["restored"]);
    login(&engine, 2, "bob", "left", Occasion::Now);
    engine.begins_anew(ConnectionId(2));
    engine.disconnected(ConnectionId(2));
    login(&engine, 3, "bob", "left", Occasion::Again);
    assert!(engine.has_judged(Some("bob"), Some("left")));
}

#[test]
fn how_a_client_with_a_long_id_stands_is_found_out_at_its_login_and_at_a_change() {
    let subscribing = Subscribing::by_client_id(&["to/#"]);
    let engine = engine_of(&subscribing);
    let id = "x".repeat(300);
    login(&engine, 1, "bob", &id, Occasion::Now);
    engine.begins_anew(ConnectionId(1));
    let (mut bob, mut memory) = (
        seat(Some("bob"), &id, Subscribed::Judged),
        Memory::default(),
    );
    for topic in ["a", "b", "c"] {
        assert!(is_sent(&engine, &mut bob, &mut memory, topic));
    }
    assert_eq!(subscribing.asked(), 1, "at the login");
    revoke(&engine, &subscribing, &["to/a"]);
    assert_eq!(kicked(&engine), [1]);
    let asked = subscribing.asked();
    assert!(is_sent(&engine, &mut bob, &mut memory, "d"));
    assert_eq!(subscribing.asked(), asked);
    // Those whom nobody knows are not kept.
    let mut stranger = seat(Some("stranger"), &id, Subscribed::Judged);
    for _ in 0..2 {
        assert!(!is_sent(&engine, &mut stranger, &mut memory, "a"));
    }
    assert_eq!(subscribing.asked(), asked + 2);
}

/// What somebody makes up has a bound, and beyond it what is not kept is not believed.
#[test]
fn client_ids_beyond_all_bounds_are_judged_by_what_they_may_subscribe_to() {
    let subscribing = Subscribing::by_client_id(&["to/#"]);
    let engine = engine_of(&subscribing);
    let mut memory = Memory::default();
    let id = |number: usize| format!("{number} {}", "x".repeat(65_000));
    for number in 0..1_032 {
        let mut client = seat(Some("bob"), &id(number), Subscribed::Judged);
        assert!(is_sent(&engine, &mut client, &mut memory, "other"));
    }
    let mut client = seat(Some("bob"), &id(2_000), Subscribed::Judged);
    assert!(!is_sent(&engine, &mut client, &mut memory, "other"));
    assert!(is_sent(&engine, &mut client, &mut memory, "to/a"));
    assert!(engine.standings.all().len() <= 1_032);
}
