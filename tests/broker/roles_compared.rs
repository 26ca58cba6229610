//! The same roles, groups and clients in the stock dynamic-security plugin and in doorman's database:
//! every subscription must be answered alike, and every message reach the same clients.
//!
//! Configurations are generated from fixed seeds over a small alphabet, with few priorities, so that
//! ties abound. `%c`, `%u` and `allowwildcardsubs` are compared where the original knows them (2.1).
//! Left out is where doorman differs on purpose: `$share/group/filter`, which the original compares as
//! it stands with the rules for plain filters, and in 2.0 subscriptions that begin with `$`, which its
//! rules for `#` and `+` let through. And `$CONTROL`, which asks for a handler.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::access_compared::Dice;
use super::accounts::{account, database};
use crate::support::{
    Broker, Client, Connect, Event, Protocol, Tree, for_each_broker, plugin_conf,
};

const SEEDS: u64 = 4;
const TYPES: [&str; 6] = [
    "publishClientSend",
    "publishClientReceive",
    "subscribeLiteral",
    "subscribePattern",
    "unsubscribeLiteral",
    "unsubscribePattern",
];
const USERS: [&str; 5] = ["ann", "bob", "c1", "eve", "no roles"];

struct Rule {
    acl_type: &'static str,
    topic: String,
    allow: bool,
    priority: i64,
}

struct Role {
    wildcards: bool,
    rules: Vec<Rule>,
}

type Held = Vec<(usize, i64)>;

/// A configuration, before it is written down in one way or the other.
struct Model {
    roles: Vec<Role>,
    groups: Vec<Held>,
    /// Roles and groups of each of [`USERS`].
    users: Vec<(Held, Held)>,
    anonymous: Option<usize>,
    defaults: [bool; 4],
}

fn filter(dice: &mut Dice, names: bool) -> String {
    let mut filter = String::new();
    for level in 0..=dice.below(3) {
        if level > 0 {
            filter.push('/');
        }
        match dice.below(12) {
            0 => return filter + "#",
            1 | 2 => filter.push('+'),
            3 if names => filter.push_str("%u"),
            4 if names => filter.push_str("%c"),
            5 if level == 0 => filter.push_str("$x"),
            _ => filter.push_str(dice.one_of(&["a", "b", "ann", "c1"])),
        }
    }
    filter
}

fn model(seed: u64, knows_names: bool) -> Model {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut role = || {
        let mut seen = BTreeSet::new();
        let rules = (0..14).filter_map(|_| {
            let rule = Rule {
                acl_type: TYPES[dice.below(6)],
                topic: filter(&mut dice, knows_names),
                allow: dice.below(3) > 0,
                priority: dice.below(3) as i64 - 1,
            };
            seen.insert((rule.acl_type, rule.topic.clone()))
                .then_some(rule)
        });
        let rules = rules.collect();
        Role {
            wildcards: !knows_names || dice.below(5) > 0,
            rules,
        }
    };
    let roles: Vec<Role> = (0..8).map(|_| role()).collect();
    let mut some = |of: usize, most: usize| -> Held {
        let mut held = BTreeMap::new();
        for _ in 0..dice.below(most + 1) {
            held.insert(dice.below(of), dice.below(3) as i64 - 1);
        }
        held.into_iter().collect()
    };
    let groups: Vec<Held> = (0..4).map(|_| some(8, 3)).collect();
    let mut users: Vec<_> = USERS.iter().map(|_| (some(8, 3), some(4, 3))).collect();
    users[4] = (Vec::new(), Vec::new());
    Model {
        roles,
        groups,
        users,
        anonymous: (dice.below(4) > 0).then(|| dice.below(4)),
        defaults: [(); 4].map(|()| dice.below(3) == 0),
    }
}

impl Model {
    fn json(&self) -> String {
        let roles = |held: &Held| -> Value {
            let role = |(role, priority): &(usize, i64)| json!({"rolename": format!("r{role}"), "priority": priority});
            held.iter().map(role).collect()
        };
        let stored = account("ann", "pw").credential.unwrap().text;
        let [_, _, iterations, salt, hash] = stored.split('$').collect::<Vec<_>>()[..] else {
            panic!("no `$7$`");
        };
        assert!(STANDARD.decode(salt).is_ok() && STANDARD.decode(hash).is_ok());
        let iterations: u32 = iterations.parse().unwrap();
        let clients = USERS.iter().zip(&self.users).map(|(name, (held, groups))| {
            let groups = groups.iter().map(
                |(group, priority)| json!({"groupname": format!("g{group}"), "priority": priority}),
            );
            json!({
                "username": name, "password": hash, "salt": salt, "iterations": iterations,
                "roles": roles(held), "groups": groups.collect::<Value>(),
            })
        });
        let groups = self.groups.iter().enumerate().map(|(number, held)| {
            let member = |(user, (_, groups)): (&&str, &(Held, Held))| {
                let (_, priority) = groups.iter().find(|(group, _)| *group == number)?;
                Some(json!({"username": user, "priority": priority}))
            };
            let members = USERS.iter().zip(&self.users).filter_map(member);
            json!({
                "groupname": format!("g{number}"), "roles": roles(held),
                "clients": members.collect::<Value>(),
            })
        });
        let all_roles = self.roles.iter().enumerate().map(|(number, role)| {
            let rules = role.rules.iter().map(|rule| {
                json!({
                    "acltype": rule.acl_type, "topic": rule.topic, "allow": rule.allow,
                    "priority": rule.priority,
                })
            });
            json!({
                "rolename": format!("r{number}"), "allowwildcardsubs": role.wildcards,
                "acls": rules.collect::<Value>(),
            })
        });
        let [send, receive, subscribe, unsubscribe] = self.defaults;
        let mut file = json!({
            "defaultACLAccess": {
                "publishClientSend": send, "publishClientReceive": receive,
                "subscribe": subscribe, "unsubscribe": unsubscribe,
            },
            "clients": clients.collect::<Value>(),
            "groups": groups.collect::<Value>(),
            "roles": all_roles.collect::<Value>(),
        });
        if let Some(group) = self.anonymous {
            file["anonymousGroup"] = format!("g{group}").into();
        }
        file.to_string()
    }

    fn database(&self, path: &Path) {
        drop(database(path, &USERS.map(|name| account(name, "pw"))));
        let mut tool = Connection::open(path).unwrap();
        let change = tool.transaction().unwrap();
        for (number, role) in self.roles.iter().enumerate() {
            let insert = "INSERT INTO role (id, rolename, allow_wildcard_subs) VALUES (?1, ?2, ?3)";
            let id = number as i64 + 1;
            change
                .execute(insert, params![id, format!("r{number}"), role.wildcards])
                .unwrap();
            for rule in &role.rules {
                let insert = "INSERT INTO role_acl (role_id, acltype, topic, allow, priority)
                              VALUES (?1, ?2, ?3, ?4, ?5)";
                let row = params![id, rule.acl_type, rule.topic, rule.allow, rule.priority];
                change.execute(insert, row).unwrap();
            }
        }
        for (number, held) in self.groups.iter().enumerate() {
            let insert = "INSERT INTO account_group (id, groupname) VALUES (?1, ?2)";
            let id = number as i64 + 1;
            change
                .execute(insert, params![id, format!("g{number}")])
                .unwrap();
            for (role, priority) in held {
                let insert = "INSERT INTO group_role VALUES (?1, ?2, ?3)";
                change
                    .execute(insert, params![id, *role as i64 + 1, priority])
                    .unwrap();
            }
        }
        for (name, (roles, groups)) in USERS.iter().zip(&self.users) {
            for (insert, held) in [("account_role", roles), ("group_member", groups)] {
                let insert = format!(
                    "INSERT INTO {insert} SELECT id, ?2, ?3 FROM account WHERE username = ?1"
                );
                for (id, priority) in held {
                    change
                        .execute(&insert, params![name, *id as i64 + 1, priority])
                        .unwrap();
                }
            }
        }
        let [send, receive, subscribe, unsubscribe] = self.defaults;
        let update = "UPDATE policy SET publish_client_send = ?1, publish_client_receive = ?2,
                      subscribe = ?3, unsubscribe = ?4, anonymous_group_id = ?5";
        let group = self.anonymous.map(|group| group as i64 + 1);
        change
            .execute(
                update,
                params![send, receive, subscribe, unsubscribe, group],
            )
            .unwrap();
        change.commit().unwrap();
    }
}

fn topics() -> Vec<String> {
    let mut topics = BTreeSet::new();
    for first in ["a", "b", "ann", "c1", "$x"] {
        topics.insert(first.to_owned());
        for second in ["a", "b", "ann", "c1"] {
            topics.insert(format!("{first}/{second}"));
            topics.insert(format!("{first}/{second}/a"));
        }
    }
    topics.into_iter().collect()
}

fn filters(dollar: bool) -> Vec<String> {
    let mut filters = topics();
    let wild = [
        "#", "+", "+/a", "+/+", "a/+", "a/#", "b/#", "+/#", "ann/#", "c1/+", "$x/#", "$x/+",
        "+/+/a",
    ];
    filters.extend(wild.map(str::to_owned));
    filters.retain(|filter| dollar || !filter.starts_with('$'));
    filters
}

/// What was answered and who was sent what.
fn outcome(broker: &Broker) -> BTreeSet<String> {
    let connect = |(username, id): (Option<&str>, String)| -> Client {
        let connect = Connect::new(Protocol::V5).client_id(id);
        match username {
            Some(username) => connect.credentials(username, "pw"),
            None => connect,
        }
        .accepted(broker.port())
    };
    let named = USERS.iter().enumerate();
    let named = named.map(|(number, name)| (Some(*name), format!("c{number}")));
    let everybody = named.chain([(None, "anonymous".to_owned())]);
    let mut clients: Vec<Client> = everybody.map(connect).collect();
    let filters = filters(broker.tree().is_2_1());
    let mut seen = BTreeSet::new();
    for (index, client) in clients.iter_mut().enumerate() {
        for filter in &filters {
            let answer = client.subscribe(filter, 0);
            seen.insert(format!("{index} subscribes {filter}: {answer}"));
        }
    }
    for topic in topics() {
        for (publisher, client) in clients.iter_mut().enumerate() {
            client.publish(&topic, publisher.to_string());
        }
        // Each has had all of it before it is asked.
        for (index, client) in clients.iter_mut().enumerate() {
            assert!(client.is_connected(), "{index} {topic:?}");
        }
    }
    for (index, client) in clients.iter_mut().enumerate() {
        for (topic, payload) in client.received() {
            let publisher = String::from_utf8(payload).unwrap();
            seen.insert(format!("{index} is sent {topic} by {publisher}"));
        }
        for filter in &filters {
            let Event::Unsuback(answer) = client.unsubscribe(filter) else {
                panic!("no answer to UNSUBSCRIBE");
            };
            // Whether there was such a subscription was compared above.
            let denied = answer == Some(0x87);
            seen.insert(format!("{index} unsubscribes {filter}: denied {denied}"));
        }
    }
    seen
}

fn dynamic_security(tree: &Tree) -> String {
    let plugin = tree.plugin("mosquitto_dynamic_security.so");
    format!(
        "plugin {}\nplugin_opt_config_file {{dir}}/dynsec.json\n",
        plugin.display()
    )
}

#[test]
fn the_plugin_answers_what_dynamic_security_answers() {
    for_each_broker(|startup| {
        let listener = "listener {port} 127.0.0.1\nallow_anonymous true\n\
                        log_type error\nlog_type information\nlog_type notice\n";
        let mut seen = [0, 0];
        for seed in 1..=SEEDS {
            let model = model(seed, startup.tree().is_2_1());
            let stock = Broker::of(startup.tree()).file("dynsec.json", model.json());
            let stock = stock.start(&(listener.to_owned() + &dynamic_security(startup.tree())));
            let stock = outcome(&stock);
            let ours = Broker::of(startup.tree());
            model.database(&ours.dir().join("db"));
            let options = plugin_conf(&["database {dir}/db", "database_roles true"]);
            let ours = outcome(&ours.start(&(listener.to_owned() + &options)));
            let differ: Vec<_> = stock.symmetric_difference(&ours).take(20).collect();
            assert!(
                differ.is_empty(),
                "seed {seed}: {differ:#?}\n{}",
                model.json()
            );
            for text in &ours {
                let denied = text.ends_with(": 135") || text.ends_with("denied true");
                seen[usize::from(denied)] += 1;
            }
        }
        // Yes and no are both said often enough for their agreement to mean something.
        assert!(seen.iter().all(|times| *times > 200), "{seen:?}");
    });
}
