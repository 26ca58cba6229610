//! What the plugin costs the broker's thread, in instructions: an idle round of the loop, a known client
//! from CONNECT to the end of its connection, a wrong password that is throttled, a message that is sent
//! and delivered: without rules, by an ACL file, by roles.
//!
//! Must not: time anything. The broker runs in valgrind's callgrind, which counts what all callbacks of
//! the plugin executed; each figure is the difference of two runs, one of which did more of the same, so
//! the same program gives the same figures, but for the rounds in between. Callgrind's processor has no
//! instructions for SHA-256, so what was spent in it is told apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "as in tests/main.rs"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::store::sqlite::Database;
use rusqlite::Connection;

use self::support::conf::LISTENER;
use self::support::{Answer, Broker, Connect, Protocol, Tree, plugin_conf};

/// How often the run that does more does it.
const TIMES: u64 = 400;

/// How long the loop is left alone.
const IDLE: Duration = Duration::from_secs(10);

/// What the plugin's callbacks executed.
#[derive(Clone, Copy, Default)]
struct Count {
    calls: u64,
    instructions: u64,
    in_sha256: u64,
}

impl Count {
    /// Of a profile with the names written out.
    fn read(profile: &str) -> Self {
        let mut count = Self::default();
        let (mut callee, mut calls) = ("", 0);
        for line in profile.lines() {
            if let Some(name) = line.strip_prefix("cfn=") {
                callee = name;
            } else if let Some(rest) = line.strip_prefix("calls=") {
                let first = rest.split(' ').next().expect("a number of calls");
                calls = first.parse().expect("a number");
            } else if calls > 0 {
                let cost = line.rsplit(' ').next().expect("a cost");
                let cost: u64 = cost.parse().expect("a number");
                if callee.ends_with("ffi::callback::on") {
                    count.calls += calls;
                    count.instructions += cost;
                } else if callee.ends_with("sha2::sha256::compress256") {
                    count.in_sha256 += cost;
                }
                calls = 0;
            }
        }
        count
    }

    fn since(self, less: Self) -> Self {
        Self {
            calls: self.calls - less.calls,
            instructions: self.instructions - less.instructions,
            in_sha256: self.in_sha256 - less.in_sha256,
        }
    }
}

/// Without rules.
const NONE: [&str; 1] = ["password_file {dir}/users"];
/// Ten rules in a file.
const FILE: [&str; 2] = ["password_file {dir}/users", "acl_file {dir}/acl"];
/// Ten rules in a role.
const ROLES: [&str; 2] = ["database {dir}/db", "database_roles true"];

/// A broker with one account, and what was executed in it while `act` ran.
fn counted(tree: &Tree, options: &[&str], act: impl Fn(&Broker)) -> Count {
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 101 };
    let stored = hash(b"right", &recipe, &Salt::new([7; 16])).expect("a hash");
    let topics = || {
        (0..9)
            .map(|number| format!("topic/{number}"))
            .chain(["news".to_owned()])
    };
    let rules = topics().map(|topic| format!("topic readwrite {topic}\n"));
    let startup = Broker::of(tree)
        .file("users", format!("ann:{}\n", stored.text))
        .file("acl", "user ann\n".to_owned() + &rules.collect::<String>());
    let dir = startup.dir().to_owned();
    drop(Database::create(&dir.join("db"), None).expect("a database"));
    let tool = Connection::open(dir.join("db")).expect("a database");
    let text = &*stored.text;
    tool.execute(
        "INSERT INTO account (id, username, credential) VALUES (1, 'ann', ?1)",
        [text],
    )
    .expect("an account");
    tool.execute_batch(
        "INSERT INTO role (id, rolename) VALUES (1, 'role');
         INSERT INTO account_role (account_id, role_id) VALUES (1, 1);",
    )
    .expect("a role");
    for topic in topics() {
        for acltype in [
            "publishClientSend",
            "publishClientReceive",
            "subscribeLiteral",
        ] {
            let insert =
                "INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES (1, ?1, ?2, 1)";
            tool.execute(insert, [acltype, &topic]).expect("a rule");
        }
    }
    drop(tool);
    let profile = dir.join("profile.%p").display().to_string();
    let mut broker = startup
        .run_by(&[
            "valgrind",
            "--quiet",
            "--tool=callgrind",
            "--trace-children=yes",
            "--compress-strings=no",
            "--compress-pos=no",
            &format!("--callgrind-out-file={profile}"),
        ])
        .start(&(LISTENER.to_owned() + &plugin_conf(options)));
    act(&broker);
    broker.stop();
    Count::read(&profile_of(&dir, broker.pid()))
}

fn profile_of(dir: &Path, pid: u32) -> String {
    let path = dir.join(format!("profile.{pid}"));
    fs::read_to_string(path).expect("callgrind leaves a profile")
}

fn connect() -> Connect {
    Connect::new(Protocol::V311).credentials("ann", "right")
}

fn logins(broker: &Broker, times: u64) {
    for _ in 0..times {
        connect().accepted(broker.port()).disconnect();
    }
}

fn wrong(broker: &Broker, times: u64) {
    connect().accepted(broker.port()).disconnect();
    for _ in 0..times {
        let wrong = connect().password("wrong");
        assert_eq!(wrong.answer(broker.port()), Answer::Refused(5));
    }
}

fn messages(broker: &Broker, times: u64) {
    let mut client = connect().accepted(broker.port());
    client.subscribe("news", 0);
    for _ in 0..times {
        client.publish_acknowledged("news", "x");
    }
}

fn main() {
    println!(
        "{:8} {:32} {:>16} {:>16}",
        "broker", "what", "instructions", "without SHA-256"
    );
    for tree in Tree::all() {
        let row = |what: &str, count: Count, times: u64| {
            let each = |n: u64| n / times.max(1);
            let rest = count.instructions - count.in_sha256;
            let (all, rest) = (each(count.instructions), each(rest));
            println!("{:8} {what:32} {all:16} {rest:16}", tree.version());
        };
        let idle = |longer: bool| {
            counted(&tree, &NONE, |_| {
                thread::sleep(if longer { IDLE } else { IDLE / 2 })
            })
        };
        let round = idle(true).since(idle(false));
        row("an idle round of the loop", round, round.calls);
        for (what, options, act) in [
            ("a known client", &NONE[..], logins as fn(&Broker, u64)),
            ("a wrong password, throttled", &NONE, wrong),
            ("a message, sent and delivered", &NONE, messages),
            ("the same by acl_file", &FILE, messages),
            ("the same by roles", &ROLES, messages),
        ] {
            let many = counted(&tree, options, |broker| act(broker, TIMES * 2));
            let few = counted(&tree, options, |broker| act(broker, TIMES));
            row(what, many.since(few), TIMES);
        }
    }
}
