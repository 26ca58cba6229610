//! What is remembered, beside what is found out each time and beside the oracle.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::policy::acl_file::{self as acl, AclFile, Subscriptions};
use crate::policy::naive::{self, Held as HeldRole};
use crate::policy::{
    AclType, Asker, Assignment, Compiler, Conditions, Defaults, Holder, Holding, Message,
    Permission, Priority, Qos, Question, Role, RoleDefinition, Rule, Topic, WildcardSubscriptions,
    Window,
};
use crate::request::{Passage, Passing};
use crate::store::{Authority, Granted, Grantor, Hurry};
use crate::verdict::Permit;

/// Grants each name what its roles say.
struct Roles(Mutex<BTreeMap<&'static str, Vec<HeldRole>>>);

impl Grantor for Roles {
    fn grant(&self, asker: Asker<'_>, _: Timestamp) -> Result<Option<Granted>, store::Error> {
        let all = self.0.lock().unwrap();
        let held = asker.username.and_then(|name| all.get(name));
        Ok(held.map(|held| Granted {
            rights: Compiler::quick().rights(&holder(held), DEFAULTS, Timestamp::UNIX_EPOCH),
            holding: Holding::default(),
        }))
    }

    fn renew(&self, granted: &Granted, _: Timestamp) -> Result<Granted, store::Error> {
        Ok(granted.clone())
    }

    fn asks_client_id(&self) -> bool {
        false
    }

    fn is_asked_at_login(&self) -> bool {
        false
    }
}

fn holder(held: &[HeldRole]) -> Holder {
    let assignment = |held: &HeldRole| Assignment {
        role: Arc::new(Role::compile(held.definition.clone()).unwrap()),
        priority: held.priority,
    };
    Holder {
        roles: held.iter().map(assignment).collect(),
        groups: Vec::new(),
    }
}

/// What the broker does, one after the other.
#[derive(Clone, Debug)]
enum Step {
    /// A client in this place of the broker's memory is asked about.
    Ask(usize, Ask),
    /// This is granted to a name from now on, or this is the file.
    Change(usize),
    /// Who has not asked for long is forgotten.
    Sweep,
}

#[derive(Clone, Debug)]
struct Ask {
    username: Option<&'static str>,
    client_id: Option<&'static str>,
    to: Passing,
    topic: &'static str,
    qos: u8,
}

impl Ask {
    fn asker(&self) -> Asker<'static> {
        Asker {
            client_id: self.client_id,
            username: self.username,
        }
    }

    fn question(&self) -> Option<Question<'static>> {
        let topic = Topic::new(self.topic).ok()?;
        let message = Message {
            qos: Qos::of(self.qos)?,
            retain: false,
            payload: 0,
        };
        Some(match self.to {
            Passing::FromClient => Question::Send(topic, message),
            Passing::ToClient => Question::Receive(topic, message),
        })
    }

    fn passage(&self) -> Passage {
        Passage {
            to: self.to,
            qos: self.qos,
            retain: false,
            payload: 0,
        }
    }
}

/// The broker's thread as `ffi` plays it: a seat for each place in memory, and one memory.
#[derive(Default)]
struct Thread {
    seats: BTreeMap<usize, Seat>,
    memory: Memory,
}

impl Thread {
    fn ask(&mut self, engine: &Engine, place: usize, ask: &Ask) -> Permit {
        self.memory.turn_to(ask.topic.as_bytes()).unwrap();
        let bytes = |name: Option<&'static str>| name.map(str::as_bytes);
        let is_of = |seat: &Seat| seat.is_of(bytes(ask.client_id), bytes(ask.username));
        if !self.seats.get(&place).is_some_and(is_of) {
            self.seats
                .insert(place, Seat::of(ask.asker(), Subscribed::Judged));
        }
        let seat = self.seats.get_mut(&place).unwrap();
        engine.may_again(ask.passage(), seat, &mut self.memory)
    }

    /// The same as whoever remembers nothing is told.
    fn agrees(&mut self, engine: &Engine, place: usize, ask: &Ask) -> Permit {
        let remembered = self.ask(engine, place, ask);
        let access = ask.passage().of(ask.client_id, ask.username, ask.topic);
        assert_eq!(remembered, engine.may(&access), "{ask:?}");
        remembered
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let parts = (
        option::weighted(0.9, select(&["ann", "bob", "+", "eve"][..])),
        option::weighted(0.9, select(&["a", "b", "#"][..])),
        select(&[Passing::FromClient, Passing::ToClient][..]),
        select(&["a", "a", "a/b", "b", "ann", "$x", "", "+"][..]),
        prop_oneof![9 => 0_u8..3, 1 => Just(3)],
    );
    parts.prop_map(|(username, client_id, to, topic, qos)| Ask {
        username,
        client_id,
        to,
        topic,
        qos,
    })
}

fn steps(changes: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0_usize..3, ask()).prop_map(|(place, ask)| Step::Ask(place, ask)),
        2 => (0..changes).prop_map(Step::Change),
        1 => Just(Step::Sweep),
    ];
    vec(step, 1..60)
}

fn held_role() -> impl Strategy<Value = HeldRole> {
    let rule = (
        select(&[AclType::PublishClientSend, AclType::PublishClientReceive][..]),
        prop_oneof![2 => Just(Permission::Allow), 1 => Just(Permission::Deny)],
        select(
            &[
                "a", "b", "a/b", "+", "#", "%u", "%c", "%c/b", "a/+", "+/b", "$x",
            ][..],
        ),
        option::weighted(0.2, 0_u8..2),
    );
    let rule = rule.prop_map(|(acl_type, permission, filter, qos)| {
        let rule = Rule::new(acl_type, permission, filter).unwrap();
        let conditions = Conditions {
            max_qos: qos.and_then(Qos::of),
            ..Conditions::default()
        };
        rule.clone().with_conditions(conditions).unwrap_or(rule)
    });
    vec(rule, 0..6).prop_map(|rules| HeldRole {
        definition: RoleDefinition {
            name: "role".into(),
            rules,
            wildcard_subscriptions: WildcardSubscriptions::Allow,
            window: Window::default(),
            admin_prefix: None,
        },
        priority: Priority::MEMBER,
        group: None,
    })
}

/// A role or none for each of two names.
fn holdings() -> impl Strategy<Value = [Option<HeldRole>; 2]> {
    [option::of(held_role()), option::of(held_role())]
}

fn of_names(held: &[Option<HeldRole>; 2]) -> BTreeMap<&'static str, Vec<HeldRole>> {
    let named = ["ann", "bob"].into_iter().zip(held);
    let held = named.filter_map(|(name, held)| Some((name, vec![held.clone()?])));
    held.collect()
}

const DEFAULTS: Defaults = Defaults {
    receive: Permission::Allow,
    ..Defaults::DENY
};

fn permit(permission: Permission) -> Permit {
    match permission {
        Permission::Allow => Permit::Allow,
        Permission::Deny => Permit::Deny,
    }
}

fn much_later(sweeps: u32) -> Now {
    let mut later = now();
    let hours = Duration::from_secs(60 * 60).saturating_mul(sweeps);
    later.mono = later.mono.checked_add(hours).unwrap();
    later
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_of_roles_is_what_the_oracle_says(
        all in vec(holdings(), 3), steps in steps(3),
    ) {
        let granting = Arc::new(Roles(Mutex::new(of_names(&all[0]))));
        let config = Config { unknown_user: UnknownUser::Deny, ..Config::standard() };
        let accounts = ["ann", "bob"].map(|name| account(name, "pw"));
        let authority = Authority::Grants("/roles".into(), Arc::clone(&granting) as Arc<dyn Grantor>);
        let engine = Engine::over(
            vec![Held::with(accounts.to_vec())],
            [authority].into_iter().collect(),
            &config,
            &[9; 32],
            now,
            Arc::default(),
        );
        let mut thread = Thread::default();
        for (step, sweeps) in steps.iter().zip(1..) {
            match step {
                Step::Ask(place, ask) => {
                    let answer = thread.agrees(&engine, *place, ask);
                    let all = granting.0.lock().unwrap();
                    let held = ask.username.and_then(|name| all.get(name));
                    let expected = match (ask.question(), held) {
                        (None, _) => Permit::Deny,
                        (Some(_), None) if ask.username.is_none() => Permit::Defer,
                        (Some(_), None) => Permit::Deny,
                        (Some(question), Some(held)) => {
                            permit(naive::decide(held, DEFAULTS, ask.asker(), &question).0)
                        }
                    };
                    prop_assert_eq!(answer, expected, "{:?}", ask);
                }
                Step::Change(number) => {
                    *granting.0.lock().unwrap() = of_names(&all[*number]);
                    let names = ["ann", "bob"].map(|name| AccountName::new(name).unwrap());
                    engine.review(&changed(names.to_vec()), Timestamp::UNIX_EPOCH);
                }
                Step::Sweep => engine.beat(much_later(sweeps)),
            }
        }
    }

    #[test]
    fn what_is_remembered_of_a_file_is_what_the_oracle_says(
        files in vec(file_text(), 3), steps in steps(3), accounts in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acl");
        fs::write(&path, &files[0]).unwrap();
        let opened = crate::store::acl_file::open(&path, Subscriptions::AsMosquitto).unwrap();
        let mut watched = opened.watched;
        // With accounts it is asked how somebody stands first.
        let sources = match accounts {
            true => vec![Held::with(["ann", "bob"].map(|name| account(name, "pw")).to_vec()) as Arc<dyn Source>],
            false => Vec::new(),
        };
        let authority = Authority::File(path.clone(), opened.source);
        let config = Config::standard();
        let engine =
            Engine::over(sources, [authority].into_iter().collect(), &config, &[9; 32], now, Arc::default());
        let mut thread = Thread::default();
        let mut text = &files[0];
        for (step, sweeps) in steps.iter().zip(1..) {
            match step {
                Step::Ask(place, ask) => {
                    let answer = thread.agrees(&engine, *place, ask);
                    let rules = AclFile::parse(text, Subscriptions::AsMosquitto).unwrap();
                    let access = match ask.to {
                        Passing::FromClient => acl::Access::Write,
                        Passing::ToClient => acl::Access::Read,
                    };
                    let expected = match ask.question() {
                        None => Permit::Deny,
                        Some(_) => permit(naive::file_decides(&rules, ask.asker(), ask.topic, access).0),
                    };
                    prop_assert_eq!(answer, expected, "{:?} {}", ask, text);
                }
                Step::Change(number) => {
                    text = &files[*number];
                    fs::write(&path, text).unwrap();
                    let news = watched.refresh(Hurry::Now).unwrap();
                    engine.review(&news, Timestamp::UNIX_EPOCH);
                }
                Step::Sweep => engine.beat(much_later(sweeps)),
            }
        }
    }
}

#[test]
fn topics_have_to_themselves_what_is_remembered_of_them() {
    let granting = Arc::new(Roles(Mutex::default()));
    let rule = |topic| Rule::new(AclType::PublishClientSend, Permission::Allow, topic).unwrap();
    let definition = RoleDefinition {
        name: "role".into(),
        rules: vec![rule("even/#")],
        wildcard_subscriptions: WildcardSubscriptions::Allow,
        window: Window::default(),
        admin_prefix: None,
    };
    let held = HeldRole {
        definition,
        priority: Priority::MEMBER,
        group: None,
    };
    granting.0.lock().unwrap().insert("ann", vec![held]);
    let authority = Authority::Grants("/roles".into(), granting as Arc<dyn Grantor>);
    let engine = Engine::over(
        vec![Held::with(vec![account("ann", "pw")])],
        [authority].into_iter().collect(),
        &Config::standard(),
        &[9; 32],
        now,
        Arc::default(),
    );
    let ann = Asker {
        client_id: Some("a"),
        username: Some("ann"),
    };
    let (mut seat, mut memory) = (Seat::of(ann, Subscribed::Judged), Memory::default());
    let passage = Passage {
        to: Passing::FromClient,
        qos: 0,
        retain: false,
        payload: 0,
    };
    // More than are remembered, long ones among them, each of which comes again soon.
    let (long, longer) = ("x".repeat(300), "x".repeat(60_000));
    for turn in 0..3_000_u32 {
        let (number, tail) = (turn / 3 % 700, [&*long, &*longer, ""][turn as usize % 3]);
        for (first, permit) in [("even", Permit::Allow), ("odd", Permit::Deny)] {
            let topic = format!("{first}/{number}{tail}");
            memory.turn_to(topic.as_bytes()).unwrap();
            for _ in 0..2 {
                assert_eq!(engine.may_again(passage, &mut seat, &mut memory), permit);
            }
        }
    }
    memory.turn_to(b"even/1").unwrap();
    assert!(memory.turn_to(b"even/\xff").is_err());
    assert_eq!(
        engine.may_again(passage, &mut seat, &mut memory),
        Permit::Deny
    );
}

fn file_text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        2 => select(&["user ann", "user bob", "user +"][..]).prop_map(str::to_owned),
        4 => (
            select(&["topic", "topic read", "topic write", "topic deny", "pattern", "pattern deny"][..]),
            select(&["a", "b", "a/b", "+", "#", "a/+", "$x"][..]),
        ).prop_map(|(what, filter)| format!("{what} {filter}")),
        1 => (
            select(&["pattern", "pattern read", "pattern deny"][..]),
            select(&["%u", "%c", "a/%c", "x%u"][..]),
        ).prop_map(|(what, filter)| format!("{what} {filter}")),
    ];
    vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}
