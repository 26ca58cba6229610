//! What is put into both plugins: roles, groups and clients at random, as dynamic-security's file and as
//! doorman's database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mosquitto_doorman::policy::AclType;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::super::access_compared::Dice;
use super::super::accounts::{account, client_of_dynsec, database};

/// The last one has a role of its own, by which it hears everything.
pub const USERS: [&str; 6] = ["ann", "bob", "c1", "eve", "no roles", "witness"];
const ROLES: usize = 8;

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
pub struct Model {
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

pub fn model(seed: u64, knows_names: bool) -> Model {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut role = || {
        let mut seen = BTreeSet::new();
        let rules = (0..14).filter_map(|_| {
            let rule = Rule {
                acl_type: AclType::ALL[dice.below(6)].as_str(),
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
    let mut roles: Vec<Role> = (0..ROLES).map(|_| role()).collect();
    roles.push(witness());
    let mut some = |of: usize, most: usize| -> Held {
        let mut held = BTreeMap::new();
        for _ in 0..dice.below(most + 1) {
            held.insert(dice.below(of), dice.below(3) as i64 - 1);
        }
        held.into_iter().collect()
    };
    let groups: Vec<Held> = (0..4).map(|_| some(ROLES, 3)).collect();
    let mut users: Vec<_> = USERS.iter().map(|_| (some(ROLES, 3), some(4, 3))).collect();
    users[4] = (Vec::new(), Vec::new());
    users[5] = (vec![(ROLES, 0)], Vec::new());
    Model {
        roles,
        groups,
        users,
        anonymous: (dice.below(4) > 0).then(|| dice.below(4)),
        defaults: [(); 4].map(|()| dice.below(3) == 0),
    }
}

/// Hears everything, and says nothing.
fn witness() -> Role {
    let rules = ["publishClientReceive", "subscribePattern"].into_iter();
    let rules = rules.flat_map(|acl_type| {
        ["#", "$x/#"].map(|topic| Rule {
            acl_type,
            topic: topic.to_owned(),
            allow: true,
            priority: 0,
        })
    });
    Role {
        wildcards: true,
        rules: rules.collect(),
    }
}

impl Model {
    pub fn json(&self) -> String {
        let roles = |held: &Held| -> Value {
            let role = |(role, priority): &(usize, i64)| json!({"rolename": format!("r{role}"), "priority": priority});
            held.iter().map(role).collect()
        };
        let clients = USERS.iter().zip(&self.users).map(|(name, (held, groups))| {
            let groups = groups.iter().map(
                |(group, priority)| json!({"groupname": format!("g{group}"), "priority": priority}),
            );
            let mut client = client_of_dynsec(name, "pw");
            client["roles"] = roles(held);
            client["groups"] = groups.collect();
            client
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

    pub fn database(&self, path: &Path) {
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
