//! Answers that come later: over a real pool whose only worker a test holds up.
#![forbid(unsafe_code)]

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::credential::Credential;
use crate::hand::test::plainly;
use crate::pool::{Rank, Step, Task, TicketId};
use crate::secret::Secret;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// An engine with one worker over one source.
pub(super) struct House {
    pub(super) engine: Engine,
    pub(super) held: Arc<Held>,
    woken: Receiver<()>,
}

/// A login: connection, client id, address, username, password.
#[derive(Clone, Copy)]
struct Try {
    connection: Option<u64>,
    id: &'static str,
    address: &'static str,
    username: &'static str,
    password: &'static str,
    occasion: Occasion,
}

const ANN: Try = Try {
    connection: Some(1),
    id: "x",
    address: "192.0.2.1",
    username: "ann",
    password: "pw",
    occasion: Occasion::Later,
};

impl House {
    pub(super) fn new(accounts: Vec<Account>) -> Self {
        Self::with(accounts, |_| {})
    }

    pub(super) fn with(accounts: Vec<Account>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            unknown_user: UnknownUser::Deny,
            hashing: Hashing::Worker,
            workers: 1,
            ..Config::standard()
        };
        change(&mut config);
        let held = Held::with(accounts);
        let sources = vec![Arc::clone(&held) as Arc<dyn Source>];
        let engine = Engine::over(
            sources,
            Authorities::default(),
            &config,
            &[9; 32],
            now,
            Arc::default(),
        );
        let (wake, woken) = channel();
        let wake = Mutex::new(wake);
        let around = Surroundings {
            start: plainly,
            wake: Arc::new(move || {
                lock(&wake).send(()).ok();
            }),
        };
        engine.take_workers(&config, &around);
        Self {
            engine,
            held,
            woken,
        }
    }

    fn ask(&self, attempt: Try) -> Verdict {
        self.ask_at(attempt, now())
    }

    /// A password that is asked about later.
    pub(super) fn ask_as(
        &self,
        connection: u64,
        id: &'static str,
        username: &'static str,
        password: &'static str,
    ) -> Verdict {
        self.ask(Try {
            connection: Some(connection),
            id,
            username,
            password,
            ..ANN
        })
    }

    fn ask_at(&self, attempt: Try, at: Now) -> Verdict {
        let client = Client {
            connection: attempt.connection.map(ConnectionId),
            id: Some(attempt.id),
            address: Address::new(Some(attempt.address)),
            listener: None,
            restored: false,
            certificate: Certificate::None,
        };
        let connect = Connect {
            client,
            username: Some(attempt.username),
            password: Some(attempt.password.as_bytes()),
            occasion: attempt.occasion,
            method: Method::Password,
        };
        self.engine.connect(&connect, at)
    }

    /// What the next ticks tell waiting clients, until at least one is told something.
    pub(super) fn told(&self) -> Vec<(u64, Verdict)> {
        loop {
            let told = self.told_now(now());
            if !told.is_empty() {
                return told;
            }
            // Held-back refusals come with time alone.
            self.woken.recv_timeout(Duration::from_millis(5)).ok();
        }
    }

    pub(super) fn told_now(&self, at: Now) -> Vec<(u64, Verdict)> {
        let effects = self.engine.tick(Ends::Many, || at).into_iter();
        effects
            .filter_map(|effect| match effect {
                Effect::Complete {
                    connection,
                    verdict,
                    ..
                } => Some((connection.0, verdict)),
                Effect::Kick { .. }
                | Effect::KickKeyed { .. }
                | Effect::KickUnseen { .. }
                | Effect::KickUsername(_)
                | Effect::Recheck { .. }
                | Effect::Publish { .. }
                | Effect::Tell { .. } => None,
            })
            .collect()
    }

    /// A login from the CONNECT to the answer.
    fn login(&self, attempt: Try) -> Verdict {
        match self.ask(attempt) {
            Verdict::Pending => match *self.told() {
                [(connection, verdict)] if Some(connection) == attempt.connection => verdict,
                ref told => panic!("told {told:?}"),
            },
            verdict @ (Verdict::Allow | Verdict::Deny(_) | Verdict::Defer(_)) => verdict,
        }
    }

    /// Keeps the worker until what is returned is dropped.
    pub(super) fn hold_up(&self) -> Sender<()> {
        self.hold_up_behind(Rank::Known, Vec::new())
    }

    /// The same once these steps are done.
    fn hold_up_behind(&self, rank: Rank, mut steps: Vec<Step>) -> Sender<()> {
        let (go_on, held) = channel::<()>();
        let (begun, begins) = channel();
        let ends = Mutex::new((begun, held));
        let act = move || {
            let (begun, held) = &*lock(&ends);
            begun.send(()).ok();
            held.recv().ok();
        };
        steps.push(Step::Act(Arc::new(act)));
        let task = Task {
            ticket: TicketId(u64::MAX),
            rank,
            steps,
            password: Secret::new(Vec::new()),
            interest: Arc::default(),
        };
        let pool = self.engine.pool.get().unwrap();
        assert!(pool.submit(task).is_ok());
        begins.recv_timeout(LONG).expect("it is begun");
        go_on
    }

    /// Waits until the worker has nothing left to do and its answers lie ready.
    pub(super) fn worked_off(&self) {
        // Last in the queue, and longer in a lane than whatever else is in one.
        let longer = Recipe::Pbkdf2Sha512 { iterations: 10_000 };
        let longer = hash(b"", &longer, &Salt::new([7; 16])).unwrap();
        let longer = Credential::parse(&longer, &self.engine.limits).unwrap();
        let held = self.hold_up_behind(Rank::Suspect, vec![Step::Burn(longer.cost())]);
        while self.woken.try_recv().is_ok() {}
        drop(held);
        self.woken.recv_timeout(LONG).expect("woken");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.engine.stop_workers();
    }
}

pub(super) fn denied(reason: Reason) -> Verdict {
    Verdict::Deny(reason)
}

pub(super) fn after(seconds: u64) -> Now {
    let now = now();
    Now {
        mono: now.mono.checked_add(Duration::from_secs(seconds)).unwrap(),
        ..now
    }
}

pub(super) fn two() -> Vec<Account> {
    vec![account("ann", "pw"), account("bob", "other")]
}

#[test]
fn a_login_is_answered_later_and_then_at_once() {
    let house = House::new(two());
    assert_eq!(house.ask(ANN), Verdict::Pending);
    assert_eq!(house.told(), [(1, Verdict::Allow)]);
    let again = Try {
        connection: Some(2),
        ..ANN
    };
    assert_eq!(house.ask(again), Verdict::Allow, "known by now");
    let wrong = Try {
        password: "no",
        ..again
    };
    assert_eq!(house.login(wrong), denied(Reason::BadPassword));
}

/// The attack of broker-facts trap 1, with the answer at each place that it can be in.
#[test]
fn a_late_answer_does_not_reach_a_newer_connection() {
    let eve = Try {
        connection: Some(2),
        username: "bob",
        ..ANN
    };
    for lies_ready in [false, true] {
        let house = House::new(two());
        let held = house.hold_up();
        assert_eq!(house.ask(ANN), Verdict::Pending);
        let held = if lies_ready {
            drop(held);
            house.worked_off();
            house.hold_up()
        } else {
            held
        };
        assert_eq!(house.ask(eve), Verdict::Pending);
        assert_eq!(house.told_now(now()), [], "nothing is known of her");
        drop(held);
        assert_eq!(house.told(), [(2, denied(Reason::BadPassword))]);
        house.worked_off();
        assert_eq!(house.told_now(after(60)), []);
    }
}

#[test]
fn an_id_that_was_answered_at_once_ends_an_older_wait_too() {
    let house = House::new(two());
    let held = house.hold_up();
    assert_eq!(house.ask(ANN), Verdict::Pending);
    let silent = Connect {
        client: Client {
            connection: Some(ConnectionId(2)),
            id: Some("x"),
            address: Address::new(None),
            listener: None,
            restored: false,
            certificate: Certificate::None,
        },
        username: None,
        password: None,
        occasion: Occasion::Later,
        method: Method::Password,
    };
    let anonymous = Verdict::Defer(Deferral::Anonymous);
    assert_eq!(house.engine.connect(&silent, now()), anonymous);
    drop(held);
    house.worked_off();
    assert_eq!(house.told_now(after(60)), []);
}

#[test]
fn what_changed_while_a_client_waited_counts() {
    type Change = fn(Account) -> Vec<Account>;
    let changes: [(Change, Reason); 3] = [
        (|_| Vec::new(), Reason::UnknownUser),
        (
            |ann| {
                vec![Account {
                    disabled: true,
                    ..ann
                }]
            },
            Reason::Disabled,
        ),
        (|_| vec![account("ann", "new")], Reason::BadPassword),
    ];
    for (change, reason) in changes {
        let house = House::new(two());
        let held = house.hold_up();
        assert_eq!(house.ask(ANN), Verdict::Pending);
        house.held.hold(Ok(change(account("ann", "pw"))));
        drop(held);
        assert_eq!(house.told(), [(1, denied(reason))]);
        let known = Try {
            connection: Some(2),
            ..ANN
        };
        assert_ne!(house.login(known), Verdict::Allow, "nor is it remembered");
    }
}

/// Changed between the answer and the next look of the watcher: judged once more.
#[test]
fn a_change_behind_the_answer_ends_the_connection() {
    let house = House::new(two());
    assert_eq!(house.login(ANN), Verdict::Allow);
    house.held.hold(Ok(Vec::new()));
    house
        .engine
        .review(&News::Everything, Timestamp::UNIX_EPOCH);
    assert_eq!(kicked(&house.engine), [1]);
}

#[test]
fn a_source_that_cannot_be_asked_any_more_denies() {
    let house = House::new(two());
    let held = house.hold_up();
    assert_eq!(house.ask(ANN), Verdict::Pending);
    house.held.hold(Err(()));
    drop(held);
    assert_eq!(house.told(), [(1, denied(Reason::SourceUnavailable))]);
}

#[test]
fn nobody_waits_longer_than_the_deadline() {
    let house = House::with(two(), |config| {
        config.pending_timeout = Duration::from_secs(3);
    });
    let held = house.hold_up();
    assert_eq!(house.ask(ANN), Verdict::Pending);
    assert_eq!(house.told_now(after(2)), []);
    assert!(house.engine.is_to_be_ticked(), "somebody waits");
    assert_eq!(
        house.told_now(after(4)),
        [(1, denied(Reason::TimedOut))],
        "the worker is still at it"
    );
    assert!(!house.engine.is_to_be_ticked());
    drop(held);
    house.worked_off();
    assert_eq!(house.told_now(after(5)), [], "too late is never");
}

#[test]
fn a_full_queue_is_busy_and_the_known_go_before_strangers() {
    let house = House::with(two(), |config| config.queue = 1);
    assert_eq!(house.login(ANN), Verdict::Allow);
    let held = house.hold_up();
    let stranger = |connection, id| Try {
        connection: Some(connection),
        id,
        address: "198.51.100.7",
        username: "bob",
        ..ANN
    };
    assert_eq!(house.ask(stranger(2, "s2")), Verdict::Pending);
    assert_eq!(house.ask(stranger(3, "s3")), denied(Reason::Busy));
    // Bob is new where ann is at home: better than from nowhere.
    let neighbour = Try {
        connection: Some(4),
        id: "n",
        username: "bob",
        password: "other",
        ..ANN
    };
    assert_eq!(house.ask(neighbour), Verdict::Pending);
    assert_eq!(house.told_now(now()), [(2, denied(Reason::Busy))]);
    drop(held);
    assert_eq!(house.told(), [(4, Verdict::Allow)]);
}

/// The displaced client may be gone before it is told, and another may wait under its id.
#[test]
fn what_was_to_be_told_to_an_earlier_client_is_not_told_to_the_next() {
    let house = House::with(two(), |config| config.queue = 1);
    assert_eq!(house.login(ANN), Verdict::Allow);
    let held = house.hold_up();
    let displaced = Try {
        connection: Some(2),
        id: "s",
        address: "198.51.100.7",
        username: "bob",
        ..ANN
    };
    assert_eq!(house.ask(displaced), Verdict::Pending);
    let neighbour = Try {
        connection: Some(3),
        id: "n",
        username: "bob",
        ..ANN
    };
    assert_eq!(house.ask(neighbour), Verdict::Pending);
    let next = Try {
        connection: Some(4),
        id: "s",
        ..ANN
    };
    assert_eq!(house.ask(next), Verdict::Allow, "known");
    assert_eq!(house.told_now(now()), []);
    drop(held);
    assert_eq!(house.told(), [(3, denied(Reason::BadPassword))]);
}

#[test]
fn a_password_that_was_just_refused_is_refused_again_without_work() {
    let house = House::new(two());
    let wrong = Try {
        password: "no",
        ..ANN
    };
    let made_up = Try {
        username: "nobody",
        ..ANN
    };
    assert_eq!(house.login(wrong), denied(Reason::BadPassword));
    assert_eq!(house.login(made_up), denied(Reason::UnknownUser));
    let held = house.hold_up();
    for (attempt, reason) in [(wrong, Reason::BadPassword), (made_up, Reason::UnknownUser)] {
        assert_eq!(house.ask(attempt), Verdict::Pending, "it looks the same");
        assert_eq!(house.told(), [(1, denied(reason))]);
    }
    let other = Try {
        password: "no either",
        ..ANN
    };
    assert_eq!(house.ask(other), Verdict::Pending);
    assert_eq!(house.told_now(after(1)), [], "that one is work");
    drop(held);
    assert_eq!(house.told(), [(1, denied(Reason::BadPassword))]);
}

#[test]
fn a_refusal_that_is_held_back_counts_as_a_failure() {
    let house = House::new(two());
    let wrong = Try {
        password: "no",
        ..ANN
    };
    for _ in 0..5 {
        assert_eq!(house.login(wrong), denied(Reason::BadPassword));
    }
    // The sixth has a wait behind it.
    assert_eq!(house.login(wrong), denied(Reason::BadPassword));
    assert_eq!(house.ask(wrong), denied(Reason::Throttled));
    // With a new password the account starts again: nobody is locked out by his old one.
    house.held.hold(Ok(vec![account("ann", "no")]));
    assert_eq!(house.login(wrong), Verdict::Allow);
}

#[test]
fn a_recheck_is_answered_at_once_and_costs_no_hash() {
    let house = House::new(two());
    assert_eq!(house.login(ANN), Verdict::Allow);
    let offline = Try {
        connection: Some(2),
        id: "y",
        ..ANN
    };
    assert_eq!(house.login(offline), Verdict::Allow);
    house.engine.disconnected(ConnectionId(2));
    let held = house.hold_up();
    let spent = lock(&house.engine.budget).left();
    let again = |attempt: Try, at| {
        let attempt = Try {
            occasion: Occasion::Again,
            ..attempt
        };
        house.ask_at(attempt, at)
    };
    // Days later too, and where only the broker's memory of the password is left.
    for at in [now(), after(3 * 24 * 60 * 60)] {
        assert_eq!(again(ANN, at), Verdict::Allow);
        assert_eq!(
            again(
                Try {
                    connection: Some(3),
                    ..offline
                },
                at
            ),
            Verdict::Allow
        );
    }
    assert_eq!(lock(&house.engine.budget).left(), spent);
    house.held.hold(Ok(vec![account("ann", "new")]));
    assert_eq!(again(ANN, now()), denied(Reason::BadPassword));
    house.held.hold(Ok(Vec::new()));
    assert_eq!(again(ANN, now()), denied(Reason::UnknownUser));
    drop(held);
}

/// Broker-facts trap 3: nobody could be told later, and somebody else would be.
#[test]
fn another_threads_caller_is_answered_at_once_and_ends_nobodys_wait() {
    let house = House::new(two());
    let held = house.hold_up();
    let client = Try {
        id: "http-api",
        ..ANN
    };
    assert_eq!(house.ask(client), Verdict::Pending);
    let caller = Try {
        connection: None,
        occasion: Occasion::Now,
        ..client
    };
    assert_eq!(house.ask(caller), Verdict::Allow);
    let wrong = Try {
        password: "no",
        ..caller
    };
    assert_eq!(house.ask(wrong), denied(Reason::BadPassword));
    drop(held);
    assert_eq!(house.told(), [(1, Verdict::Allow)]);
}

#[test]
fn the_unknown_are_work_where_they_are_denied_and_passed_on_where_they_are_not() {
    let nobody = Try {
        username: "nobody",
        ..ANN
    };
    let house = House::new(two());
    assert_eq!(house.ask(nobody), Verdict::Pending);
    assert_eq!(house.told(), [(1, denied(Reason::UnknownUser))]);

    let house = House::with(two(), |config| config.unknown_user = UnknownUser::Defer);
    let held = house.hold_up();
    let left = Verdict::Defer(Deferral::UnknownUser);
    // However many: whether they may enter is not ours to say, so neither is how often.
    for attempt in 0..2_000 {
        let nobody = Try {
            connection: Some(attempt),
            ..nobody
        };
        assert_eq!(house.ask(nobody), left);
    }
    drop(held);
    // Taken out of the source while it waits: nobody is asked after this.
    let held = house.hold_up();
    assert_eq!(house.ask(ANN), Verdict::Pending);
    house.held.hold(Ok(Vec::new()));
    drop(held);
    assert_eq!(house.told(), [(1, denied(Reason::UnknownUser))]);
}

#[test]
fn a_spent_budget_is_busy_and_leaves_others_to_the_broker() {
    let costly = Account {
        credential: Some(costly("pw")),
        ..account("ann", "")
    };
    for unknown_user in [UnknownUser::Deny, UnknownUser::Defer] {
        let house = House::with(vec![costly.clone()], |config| {
            config.unknown_user = unknown_user;
            config.hashing = Hashing::Inline;
            config.inline_budget = Duration::from_millis(1);
        });
        let start = now();
        let try_at = |password, at| house.ask_at(Try { password, ..ANN }, at);
        assert_eq!(try_at("no", start), denied(Reason::BadPassword));
        assert_eq!(try_at("pw", start), denied(Reason::Busy));
        let made_up = Try {
            username: "nobody",
            ..ANN
        };
        let expected = match unknown_user {
            UnknownUser::Deny => Verdict::Deny(Reason::Busy),
            UnknownUser::Defer => Verdict::Defer(Deferral::UnknownUser),
        };
        assert_eq!(house.ask_at(made_up, start), expected);
        // With time comes more, and then the right password costs nothing.
        let later = |minutes: u64| Now {
            mono: start.mono + Duration::from_secs(60 * minutes),
            ..start
        };
        let first = (1..600).find(|minutes| try_at("pw", later(*minutes)) == Verdict::Allow);
        assert_eq!(try_at("pw", later(first.unwrap())), Verdict::Allow);
    }
}

/// Slow enough that one of them is more than a millisecond.
fn costly(password: &str) -> StoredCredential {
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 20_000 };
    hash(password.as_bytes(), &recipe, &Salt::new([1; 16])).unwrap()
}

/// A login that nobody throttles may be tried a thousand times: no answer goes to the wrong one.
#[test]
fn a_thousand_clients_under_one_id_are_told_their_own() {
    let house = House::with(two(), |config| config.throttle.on = false);
    let mut told = Vec::new();
    for connection in 1..=1_000_u64 {
        let right = connection % 3 == 0;
        let attempt = Try {
            connection: Some(connection),
            username: if right { "ann" } else { "bob" },
            // Not remembered from one to the next.
            password: if right { "pw" } else { "wrong" },
            ..ANN
        };
        lock(&house.engine.verified).forget();
        assert_eq!(house.ask(attempt), Verdict::Pending);
        if connection % 7 == 0 {
            house.worked_off();
        }
        if connection % 5 == 0 {
            told.extend(house.told_now(now()));
        }
    }
    house.worked_off();
    told.extend(house.told_now(now()));
    assert!(told.len() > 10, "{} were told", told.len());
    for (connection, verdict) in told {
        assert_eq!(
            verdict == Verdict::Allow,
            connection % 3 == 0,
            "{connection}"
        );
    }
}

#[test]
fn whoever_fails_a_lot_waits_longer_for_the_same_refusal() {
    let house = House::with(vec![account("ann", "pw")], |config| {
        config.throttle.username_failures = 0;
    });
    let wrong = Try {
        password: "no",
        ..ANN
    };
    assert_eq!(house.login(wrong), denied(Reason::BadPassword));
    let later = |time: Duration| {
        let start = now();
        Now {
            mono: start.mono + time,
            ..start
        }
    };
    // The wait after the failure is over, and the refusal is still remembered.
    let at = later(Duration::from_secs(10));
    assert_eq!(house.ask_at(wrong, at), Verdict::Pending);
    let soon = Now {
        mono: at.mono + Duration::from_millis(20),
        ..at
    };
    assert_eq!(house.told_now(soon), []);
    let behind = Now {
        mono: at.mono + Duration::from_secs(6),
        ..at
    };
    assert_eq!(house.told_now(behind), [(1, denied(Reason::BadPassword))]);
}

/// A device that sends SUBSCRIBE without waiting for its CONNACK is cut off by the broker and comes
/// again: what was found out for the connection that is gone serves the next.
#[test]
fn what_is_found_out_for_a_client_that_is_gone_is_known_when_it_comes_again() {
    for (password, verdict) in [("pw", Verdict::Allow), ("no", denied(Reason::BadPassword))] {
        let house = House::new(two());
        assert_eq!(house.ask(Try { password, ..ANN }), Verdict::Pending);
        house.worked_off();
        let bob = Try {
            connection: Some(2),
            username: "bob",
            password: "other",
            ..ANN
        };
        assert_eq!(house.login(bob), Verdict::Allow, "and nobody else is told");
        let again = Try {
            connection: Some(3),
            password,
            ..ANN
        };
        let _held = house.hold_up();
        assert_eq!(house.login(again), verdict, "without the worker");
    }
}

#[test]
fn who_was_told_to_come_again_has_spent_nothing() {
    let house = House::with(two(), |config| {
        config.queue = 1;
        config.throttle.address_rate.count = 2.try_into().unwrap();
    });
    let held = house.hold_up();
    assert_eq!(house.ask(ANN), Verdict::Pending);
    for connection in 2..20 {
        let other = Try {
            connection: Some(connection),
            id: "y",
            username: "bob",
            ..ANN
        };
        assert_eq!(house.ask(other), denied(Reason::Busy), "never throttled");
    }
    drop(held);
    assert_eq!(house.told(), [(1, Verdict::Allow)]);
}
