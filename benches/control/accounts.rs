//! The same clients as a file of dynamic-security and as a database, written as text and as rows.
//!
//! Each holds the role of its site, and ten hold one more, `rare`. All share one hash.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::store::sqlite::Database;
use rusqlite::{Connection, params};

use crate::measure::device;

pub const ADMIN: &str = "admin";
pub const PAIR: &str = "pair";
pub const PASSWORD: &str = "right";
/// The role that few hold.
pub const RARE: &str = "rare";
const HOLDERS_OF_RARE: usize = 10;

/// dynamic-security starts the slower the more clients hold the same role.
pub const A_SITE: usize = 100;

const CONTROL: &str = "$CONTROL/dynamic-security/#";
const ROLES: [(&str, &[(&str, &str)]); 3] = [
    (
        ADMIN,
        &[
            ("publishClientSend", CONTROL),
            ("publishClientReceive", CONTROL),
            ("subscribePattern", CONTROL),
            // For what is exchanged beside orders, to know what the exchange itself is felt as.
            ("publishClientSend", "ordinary/#"),
            ("publishClientReceive", "ordinary/#"),
            ("subscribePattern", "ordinary/#"),
        ],
    ),
    (
        PAIR,
        &[
            ("publishClientSend", "bystander"),
            ("publishClientReceive", "bystander"),
            ("subscribeLiteral", "bystander"),
        ],
    ),
    (RARE, &[("publishClientSend", "rare/%u")]),
];

/// So many clients beside an administrator and a pair.
pub struct Accounts {
    pub json: PathBuf,
    pub database: PathBuf,
}

impl Accounts {
    /// As many as are asked for, so many of them in each site.
    pub fn at(dir: &Path, count: usize, site: usize) -> Self {
        let recipe = Recipe::Pbkdf2Sha512 { iterations: 101 };
        let stored = hash(PASSWORD.as_bytes(), &recipe, &Salt::new([7; 16])).expect("a hash");
        let accounts = Self {
            json: dir.join(format!("{count}-{site}.json")),
            database: dir.join(format!("{count}-{site}.db")),
        };
        fs::write(&accounts.json, json(count, site, &stored.text)).expect("a JSON file");
        database(&accounts.database, count, site, &stored.text);
        accounts
    }
}

fn site_of(number: usize, site: usize) -> String {
    format!("site-{:05}", number / site)
}

fn topic_of(site: &str) -> String {
    format!("{site}/%u/#")
}

fn json(count: usize, site: usize, stored: &str) -> String {
    let [_, _, iterations, salt, hash] = stored.split('$').collect::<Vec<_>>()[..] else {
        panic!("not as mosquitto_passwd writes it");
    };
    let mut text = r#"{"defaultACLAccess":{"publishClientSend":false,"publishClientReceive":false,"subscribe":false,"unsubscribe":true},"groups":[],"clients":["#.to_owned();
    let mut client = |name: &str, roles: &str| {
        let comma = if name == ADMIN { "" } else { ",\n" };
        write!(
            text,
            r#"{comma}{{"username":"{name}","roles":[{roles}],"password":"{hash}","salt":"{salt}","iterations":{iterations}}}"#
        )
        .expect("memory");
    };
    let role = |name: &str| format!(r#"{{"rolename":"{name}"}}"#);
    client(ADMIN, &role(ADMIN));
    client(PAIR, &role(PAIR));
    for number in 0..count {
        let mut roles = role(&site_of(number, site));
        if number < HOLDERS_OF_RARE {
            roles = role(RARE) + "," + &roles;
        }
        client(&device(number), &roles);
    }
    text.push_str(r#"],"roles":["#);
    let mut role = |name: &str, rules: &[(&str, &str)]| {
        let comma = if name == ADMIN { "" } else { ",\n" };
        let rules = rules.iter().map(|(kind, topic)| {
            format!(r#"{{"acltype":"{kind}","topic":"{topic}","priority":0,"allow":true}}"#)
        });
        let rules = rules.collect::<Vec<_>>().join(",");
        write!(text, r#"{comma}{{"rolename":"{name}","acls":[{rules}]}}"#).expect("memory");
    };
    for (name, rules) in ROLES {
        role(name, rules);
    }
    for number in 0..count.div_ceil(site) {
        let name = site_of(number * site, site);
        role(&name, &[("publishClientSend", &topic_of(&name))]);
    }
    text.push_str("]}");
    text
}

fn database(path: &Path, count: usize, site: usize, stored: &str) {
    drop(Database::create(path, None).expect("a database"));
    let mut tool = Connection::open(path).expect("a database");
    let change = tool.transaction().expect("a transaction");
    let prepare = |sql| change.prepare(sql).expect("a statement");
    let mut role = prepare("INSERT INTO role (rolename) VALUES (?1)");
    let mut rule =
        prepare("INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES (?1, ?2, ?3, 1)");
    let mut account = prepare("INSERT INTO account (username, credential) VALUES (?1, ?2)");
    let mut grant = prepare("INSERT INTO account_role (account_id, role_id) VALUES (?1, ?2)");
    for (name, rules) in ROLES {
        let id = role.insert([name]).expect("a role");
        for (kind, topic) in rules {
            rule.execute(params![id, kind, topic]).expect("a rule");
        }
    }
    let mut site_id = 0;
    for number in 0..count {
        if number % site == 0 {
            let name = site_of(number, site);
            site_id = role.insert([&name]).expect("a role");
            rule.execute(params![site_id, "publishClientSend", topic_of(&name)])
                .expect("a rule");
        }
        let id = account
            .insert([&*device(number), stored])
            .expect("an account");
        grant.execute([id, site_id]).expect("a grant");
        if number < HOLDERS_OF_RARE {
            // The third of those above.
            grant.execute([id, 3]).expect("a grant");
        }
    }
    for (name, role) in [(ADMIN, 1), (PAIR, 2)] {
        let id = account.insert([name, stored]).expect("an account");
        grant.execute([id, role]).expect("a grant");
    }
    drop((role, rule, account, grant));
    // As doorman itself leaves it: it keeps the last ten thousand.
    change
        .execute(
            "DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - 10000",
            [],
        )
        .expect("the log of changes");
    change.commit().expect("a commit");
}
