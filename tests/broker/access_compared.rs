//! The same rules in the stock broker and in the plugin: every message must reach the same clients.
//!
//! Files are generated from fixed seeds over a small alphabet. Left out is what the versions of
//! Mosquitto do not agree on (src/policy/acl_file/mod.rs): names with `/` or a leading `$`, and on 2.1 `%c` and
//! `%u` inside a level. `max_queued_messages 0` is left out too: with it 2.0 ends the connection of
//! whoever is denied a publish ("Quota exceeded"), whoever denies it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::support::{Broker, Client, Connect, Protocol, Startup, for_each_broker, plugin_conf};

const SEEDS: u64 = 3;
const RULES: usize = 150;

/// Small, fast, and the same everywhere (xorshift64*).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    pub fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// Username and client id; no username is an anonymous client.
const CLIENTS: [(Option<&str>, &str); 7] = [
    (None, "anon"),
    (Some("ann"), "c1"),
    (Some("ann"), "ann"),
    (Some("bob"), "c2"),
    (Some("eve"), "e+e"),
    (Some("a#b"), "c3"),
    (Some("no rules"), "c4"),
];

const LEVELS: [&str; 7] = ["a", "b", "", "ann", "c1", "c2", "%u"];

/// Whether names stand within levels, too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    WholeLevels,
    Anywhere,
}

fn filter(dice: &mut Dice, names: Option<Names>) -> String {
    let mut filter = String::new();
    for level in 0..=dice.below(4) {
        if level > 0 {
            filter.push('/');
        }
        match dice.below(12) {
            0 => return filter + "#",
            1 | 2 => filter.push('+'),
            3 if names.is_some() => filter.push_str("%u"),
            4 if names.is_some() => filter.push_str("%c"),
            6..=8 if names == Some(Names::Anywhere) => {
                filter.push_str(dice.one_of(&["x%u", "%c-a", "%u%c", "%c%c"]));
            }
            5 if level == 0 => filter.push_str("$x"),
            _ => filter.push_str(dice.one_of(&LEVELS[..6])),
        }
    }
    // A filter cannot be empty, nor begin with what separates words.
    if filter.is_empty() {
        "/".to_owned()
    } else {
        filter
    }
}

fn rules(seed: u64, names: Names) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut text = String::new();
    for _ in 0..RULES {
        if dice.below(6) == 0 {
            let name = dice.one_of(&["ann", "bob", "eve", "a#b", "somebody else"]);
            writeln!(text, "user {name}").unwrap();
            continue;
        }
        let pattern = dice.below(if names == Names::Anywhere { 3 } else { 12 }) == 0;
        let access = dice.one_of(&["read", "write", "write", "readwrite", "", "deny"]);
        let word = if pattern { "pattern" } else { "topic" };
        let gap = if access.is_empty() { "" } else { " " };
        let filter = filter(&mut dice, pattern.then_some(names));
        writeln!(text, "{word}{gap}{access} {filter}").unwrap();
    }
    text
}

fn topics(names: Names) -> Vec<String> {
    let mut topics = BTreeSet::new();
    if names == Names::Anywhere {
        for level in [
            "xann", "c1-a", "annc1", "annann", "c2c2", "x%u", "xe+e", "bobc2",
        ] {
            for topic in [level.to_owned(), format!("a/{level}"), format!("{level}/b")] {
                topics.insert(topic);
            }
        }
    }
    for first in ["a", "b", "ann", "c1", "$x", ""] {
        topics.insert(first.to_owned());
        for second in ["a", "", "ann", "c2"] {
            topics.insert(format!("{first}/{second}"));
            for third in ["b", "%u"] {
                topics.insert(format!("{first}/{second}/{third}"));
            }
        }
    }
    topics.remove("");
    topics.into_iter().collect()
}

/// Who was sent what by whom: client, topic, publisher.
fn outcome(broker: &Broker, names: Names) -> BTreeSet<(usize, String, String)> {
    let connect = |(username, id): &(Option<&str>, &str)| -> Client {
        let connect = Connect::new(Protocol::V311).client_id(id);
        let connect = match username {
            Some(username) => connect.username(username),
            None => connect,
        };
        let mut client = connect.accepted(broker.port());
        for filter in ["#", "$x/#"] {
            assert_eq!(client.subscribe(filter, 0), 0);
        }
        client
    };
    let mut clients: Vec<Client> = CLIENTS.iter().map(connect).collect();
    let mut sent = BTreeSet::new();
    for topic in topics(names).iter().filter(|topic| !topic.contains('+')) {
        for (publisher, client) in clients.iter_mut().enumerate() {
            client.publish(topic, publisher.to_string());
        }
        // Each has had all of it before it is asked.
        for (index, client) in clients.iter_mut().enumerate() {
            assert!(client.is_connected(), "{index} {topic:?}");
        }
    }
    for (index, client) in clients.iter_mut().enumerate() {
        for (topic, payload) in client.received() {
            sent.insert((index, topic, String::from_utf8(payload).unwrap()));
        }
    }
    sent
}

#[test]
fn the_plugin_delivers_what_the_stock_acl_file_delivers() {
    for_each_broker(|startup| compared(&startup, Names::WholeLevels));
}

/// 2.1 has them as whole levels only; doorman has them as 2.0 does.
#[test]
fn names_within_levels_are_to_the_plugin_what_they_are_to_the_stock_acl_file() {
    for_each_broker(|startup| {
        if !startup.tree().is_2_1() {
            compared(&startup, Names::Anywhere);
        }
    });
}

fn compared(startup: &Startup, names: Names) {
    let listener = "listener {port} 127.0.0.1\nallow_anonymous true\n";
    let mut deliveries = 0;
    for seed in 1..=SEEDS {
        let rules = rules(seed, names);
        let start = |acl: &str| {
            let startup = Broker::of(startup.tree()).file("acl", &rules);
            let quiet = "log_type error\nlog_type information\nlog_type notice\n";
            startup.start(&(listener.to_owned() + acl + quiet))
        };
        let stock = outcome(&start("acl_file {dir}/acl\n"), names);
        let ours = outcome(&start(&plugin_conf(&["acl_file {dir}/acl"])), names);
        let differ: Vec<_> = stock.symmetric_difference(&ours).take(20).collect();
        assert!(differ.is_empty(), "seed {seed}: {differ:?}\n{rules}");
        deliveries += stock.len();
    }
    let asked = SEEDS as usize * topics(names).len() * CLIENTS.len() * CLIENTS.len();
    // The files say yes and no often enough for their agreement to mean something.
    assert!(
        deliveries > asked / 50 && deliveries < asked / 2,
        "{deliveries} of {asked}"
    );
}
