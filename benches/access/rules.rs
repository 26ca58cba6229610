//! The same rules in every form: a user that may send and receive so many topics, one by one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::store::sqlite::Database;
use rusqlite::{Connection, params};

use crate::support::conf::LISTENER;
use crate::support::{Broker, Tree, plugin_conf};

pub const USER: &str = "user";
pub const PASSWORD: &str = "right";

/// Who decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    Nobody,
    File,
    Roles,
    StockFile,
    Dynsec,
}

impl Contender {
    pub const ALL: [Self; 5] = [
        Self::Nobody,
        Self::File,
        Self::Roles,
        Self::StockFile,
        Self::Dynsec,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "no rules",
            Self::File => "doorman acl_file",
            Self::Roles => "doorman roles",
            Self::StockFile => "stock acl_file",
            Self::Dynsec => "dynamic-security",
        }
    }

    pub fn is_stock(self) -> bool {
        matches!(self, Self::StockFile | Self::Dynsec)
    }

    pub fn start(self, tree: &Tree, rules: &Rules) -> Broker {
        let dir = rules.dir.display();
        let anonymous = "allow_anonymous true\n";
        let source = match self {
            Self::Nobody => anonymous.to_owned(),
            Self::StockFile => format!("{anonymous}acl_file {dir}/acl\n"),
            Self::Dynsec => format!(
                "plugin {}\nplugin_opt_config_file {dir}/dynsec.json\n",
                tree.plugin("mosquitto_dynamic_security.so").display()
            ),
            Self::File => anonymous.to_owned() + &plugin_conf(&[&format!("acl_file {dir}/acl")]),
            Self::Roles => plugin_conf(&[&format!("database {dir}/db"), "database_roles true"]),
        };
        Broker::of(tree).start(&format!("set_tcp_nodelay true\n{LISTENER}{source}"))
    }
}

/// So many rules, in each contender's form.
pub struct Rules {
    dir: PathBuf,
    pub count: usize,
}

impl Rules {
    pub fn at(dir: &Path, count: usize) -> Self {
        let stored = hash(
            PASSWORD.as_bytes(),
            &Recipe::Pbkdf2Sha512 { iterations: 101 },
            &Salt::new([7; 16]),
        )
        .expect("a hash");
        let topics: Vec<String> = (0..count).map(topic).collect();
        let mut text = format!("user {USER}\n");
        for topic in &topics {
            writeln!(text, "topic readwrite {topic}").expect("memory");
        }
        fs::write(dir.join("acl"), text).expect("an ACL file");
        fs::write(dir.join("dynsec.json"), json(&topics, &stored.text)).expect("a JSON file");
        database(&dir.join("db"), &topics, &stored.text);
        Self {
            dir: dir.to_owned(),
            count,
        }
    }
}

/// All are of the same length.
pub fn topic(number: usize) -> String {
    format!("device/{number:06}/state")
}

fn json(topics: &[String], stored: &str) -> String {
    let [_, _, iterations, salt, hash] = stored.split('$').collect::<Vec<_>>()[..] else {
        panic!("not as mosquitto_passwd writes it");
    };
    assert_eq!(STANDARD.decode(salt).expect("base64").len(), 12);
    let rule = |acltype: &str, topic: &str| serde_json::json!({"acltype": acltype, "topic": topic, "allow": true, "priority": 0});
    let mut acls = vec![rule("subscribePattern", "device/#")];
    for topic in topics {
        acls.push(rule("publishClientSend", topic));
        acls.push(rule("publishClientReceive", topic));
    }
    serde_json::json!({
        "defaultACLAccess": {
            "publishClientSend": false, "publishClientReceive": false,
            "subscribe": false, "unsubscribe": true,
        },
        "clients": [{
            "username": USER, "password": hash, "salt": salt,
            "iterations": iterations.parse::<u32>().expect("a number"),
            "roles": [{"rolename": "role"}],
        }],
        "groups": [],
        "roles": [{"rolename": "role", "acls": acls}],
    })
    .to_string()
}

fn database(path: &Path, topics: &[String], stored: &str) {
    drop(Database::create(path, None).expect("a database"));
    let mut tool = Connection::open(path).expect("a database");
    let change = tool.transaction().expect("a transaction");
    change
        .execute(
            "INSERT INTO account (id, username, credential) VALUES (1, ?1, ?2)",
            [USER, stored],
        )
        .expect("an account");
    change
        .execute_batch(
            "INSERT INTO role (id, rolename) VALUES (1, 'role');
             INSERT INTO account_role (account_id, role_id) VALUES (1, 1);
             INSERT INTO role_acl (role_id, acltype, topic, allow)
                 VALUES (1, 'subscribePattern', 'device/#', 1);",
        )
        .expect("a role");
    let insert = "INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES (1, ?1, ?2, 1)";
    let mut insert = change.prepare(insert).expect("a statement");
    for topic in topics {
        for acltype in ["publishClientSend", "publishClientReceive"] {
            insert.execute(params![acltype, topic]).expect("a rule");
        }
    }
    drop(insert);
    change.commit().expect("a commit");
}
