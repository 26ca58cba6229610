//! Threads of ours beside the broker's: when they are there, what reaches them, and who goes first.

use std::fs;

use serde_json::json;

use super::accounts::line;
use super::conf::conf;
use super::control_compared::{Admin, beginning, import, ours};
use crate::support::{
    Answer, Broker, Connect, PATIENCE, Protocol, Startup, eventually, for_each_broker,
};

/// A thread of a process.
#[derive(Debug)]
struct Thread {
    name: String,
    /// The signals that are blocked in it, a bit each.
    blocked: u64,
    niceness: String,
    policy: String,
}

/// Those that the process has now.
fn threads(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    // One that has gone meanwhile is none.
    tasks.filter_map(|task| thread(&task.path())).collect()
}

fn thread(task: &std::path::Path) -> Option<Thread> {
    let status = fs::read_to_string(task.join("status")).ok()?;
    let blocked = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:\t"))?;
    let stat = fs::read_to_string(task.join("stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    Some(Thread {
        name: name.to_owned(),
        blocked: u64::from_str_radix(blocked, 16).ok()?,
        // The nineteenth and the forty-first, of which the third comes first.
        niceness: (*fields.get(16)?).to_owned(),
        policy: (*fields.get(38)?).to_owned(),
    })
}

/// How many threads a broker of this version has of its own.
fn own(broker: &Broker) -> usize {
    let stock = Broker::of(broker.tree()).start("listener {port} 127.0.0.1\n");
    threads(stock.pid()).len()
}

/// A database, orders and workers.
fn busy(startup: Startup) -> Broker {
    let startup = startup.file("dynsec.json", beginning());
    import(startup.dir());
    startup.start(&conf(&[
        "database {dir}/db",
        "database_roles true",
        "control_iterations 10",
        "hashing worker",
        "throttle_exempt 127.0.0.0/8",
    ]))
}

/// Has each of ours do something.
fn occupy(broker: &Broker, admin: &mut Admin) {
    admin.order(json!({"command": "listClients"}));
    let stranger = Connect::new(Protocol::V5).credentials("nobody", "wrong");
    assert_ne!(stranger.answer(broker.port()), Answer::Accepted);
    broker.sighup();
}

/// What each of ours is called on this broker.
fn names(broker: &Broker) -> impl Iterator<Item = &'static str> {
    let workers = broker.tree().is_2_1().then_some("doorman-work");
    ["doorman-watch", "doorman-control"]
        .into_iter()
        .chain(workers)
}

#[test]
fn no_signal_reaches_a_thread_of_ours_and_none_takes_a_core_from_the_brokers() {
    for_each_broker(|startup| {
        let broker = busy(startup);
        let mut admin = Admin::at(&broker);
        let gives_way = |thread: &Thread| thread.niceness == "10" && thread.policy == BATCH;
        for name in names(&broker) {
            let mut last = Vec::new();
            // A thread says so itself, a moment after it was started.
            let is_so = eventually(PATIENCE, || {
                occupy(&broker, &mut admin);
                last = threads(broker.pid());
                last.retain(|thread| thread.name.starts_with(name));
                !last.is_empty() && last.iter().all(gives_way)
            });
            assert!(is_so, "{name}: {last:?}");
            for thread in last {
                let mask = thread.blocked & HUP_INT_USR1_USR2_TERM;
                assert_eq!(mask, HUP_INT_USR1_USR2_TERM, "{thread:?}");
            }
        }
        let own = thread(std::path::Path::new("/proc/self")).unwrap();
        let task = format!("/proc/{0}/task/{0}", broker.pid());
        let brokers = thread(std::path::Path::new(&task)).unwrap();
        assert_eq!(
            (brokers.niceness, brokers.policy),
            (own.niceness, own.policy),
            "as it was started"
        );
    });
}

#[test]
fn a_broker_ends_in_order_whoever_is_at_work() {
    for_each_broker(|startup| {
        let mut broker = busy(startup);
        let mut admin = Admin::at(&broker);
        occupy(&broker, &mut admin);
        assert!(threads(broker.pid()).len() > 1, "somebody is at work");
        assert_eq!(broker.stop().code(), Some(0));
    });
}

#[test]
fn no_thread_of_ours_stays_where_there_is_nothing_to_do() {
    for_each_broker(|startup| {
        let broker = busy(startup);
        let own = own(&broker);
        let mut admin = Admin::at(&broker);
        for _ in 0..2 {
            occupy(&broker, &mut admin);
            assert!(threads(broker.pid()).len() > own, "somebody is at work");
            // Whoever looks after the sources comes and goes five times a second.
            let mut alone = 0;
            let is_alone = eventually(PATIENCE, || {
                alone = match threads(broker.pid()).len() == own {
                    true => alone + 1,
                    false => 0,
                };
                alone == IN_A_ROW
            });
            assert!(is_alone, "{:?}", threads(broker.pid()));
        }
    });
}

/// So often nobody else is seen, one look after the other.
const IN_A_ROW: u32 = 20;

/// 2.0.11 does not let plugins have their turn where listeners have settings of their own.
#[test]
fn where_the_broker_gives_no_turns_the_watcher_stays() {
    for_each_broker(|startup| {
        let has_turns = startup.tree().version() != "2.0.11";
        let settings = "per_listener_settings true\n".to_owned();
        let broker = startup
            .file("users", line("ann", "pw"))
            .start(&(settings + &conf(&["password_file {dir}/users"])));
        let is_there = || {
            let threads = threads(broker.pid());
            threads.iter().any(|thread| thread.name == "doorman-watch")
        };
        let mut in_a_row = 0;
        let is_so = eventually(PATIENCE, || {
            in_a_row = match is_there() == has_turns {
                true => 0,
                false => in_a_row + 1,
            };
            in_a_row == IN_A_ROW
        });
        assert!(is_so, "{:?}", threads(broker.pid()));
        // And it does what it is there for.
        fs::write(broker.dir().join("users"), line("bob", "pw")).unwrap();
        let connect = || Connect::new(Protocol::V5).credentials("bob", "pw");
        let is_in = || connect().answer(broker.port()) == Answer::Accepted;
        assert!(eventually(PATIENCE, is_in));
    });
}

/// A broker of 2.1 that was built without websockets waits for its clients alone, for a day if need be.
#[test]
fn a_broker_of_2_1_is_had_come_round() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let timers = fs::read_to_string(format!("/proc/{}/timers", broker.pid())).unwrap();
        let is_urgent = |line: &str| line.strip_prefix("signal: ").is_some_and(is_sigurg);
        let ours = timers.lines().filter(|line| is_urgent(line)).count();
        assert_eq!(ours, usize::from(broker.tree().is_2_1()), "{timers}");
    });
}

fn is_sigurg(signal: &str) -> bool {
    signal.split('/').next() == Some("23")
}

const BATCH: &str = "3";

const HUP_INT_USR1_USR2_TERM: u64 = (1 << 0) | (1 << 1) | (1 << 9) | (1 << 11) | (1 << 14);
