//! The same rules in every form: a user that may send and receive so many topics, one by one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::store::sqlite::Database;
use rusqlite::{Connection, params};

use crate::support::conf::LISTENER;
use crate::support::{Broker, Startup, plugin_conf};

pub const USER: &str = "user";
pub const PASSWORD: &str = "right";

/// Who decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    Nobody,
    /// A plugin that allows everything at once: what it costs to be asked.
    Nothing,
    File,
    Roles,
    StockFile,
    Dynsec,
}

impl Contender {
    /// First the one without rules, then the one that only says yes.
    pub const ALL: [Self; 6] = [
        Self::Nobody,
        Self::Nothing,
        Self::File,
        Self::Roles,
        Self::StockFile,
        Self::Dynsec,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "no rules",
            Self::Nothing => "a plugin that only says yes",
            Self::File => "doorman acl_file",
            Self::Roles => "doorman roles",
            Self::StockFile => "stock acl_file",
            Self::Dynsec => "dynamic-security",
        }
    }

    pub fn is_stock(self) -> bool {
        matches!(self, Self::StockFile | Self::Dynsec)
    }

    pub fn start(self, startup: Startup, rules: &Rules) -> Broker {
        let dir = rules.dir.display();
        let anonymous = "allow_anonymous true\n";
        let source = match self {
            Self::Nobody => anonymous.to_owned(),
            Self::Nothing => format!("{anonymous}plugin {dir}/yes.so\n"),
            Self::StockFile => format!("{anonymous}acl_file {dir}/acl\n"),
            Self::Dynsec => format!(
                "plugin {}\nplugin_opt_config_file {dir}/dynsec.json\n",
                startup
                    .tree()
                    .plugin("mosquitto_dynamic_security.so")
                    .display()
            ),
            Self::File => anonymous.to_owned() + &plugin_conf(&[&format!("acl_file {dir}/acl")]),
            Self::Roles => plugin_conf(&[&format!("database {dir}/db"), "database_roles true"]),
        };
        let text = format!("set_tcp_nodelay true\n{LISTENER}{source}");
        startup.start_within(&text, LONGEST_START)
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
        yes(dir);
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

/// Dynamic-security reads a hundred thousand rules for many seconds where other work runs beside it.
const LONGEST_START: Duration = Duration::from_secs(120);

/// Compiles the plugin that only says yes.
fn yes(dir: &Path) {
    fs::write(dir.join("yes.c"), YES).expect("a source file");
    let mut compiler = Command::new("cc");
    let compiler = compiler
        .current_dir(dir)
        .args(["-O2", "-shared", "-fPIC", "-o", "yes.so", "yes.c"]);
    assert!(compiler.status().expect("a C compiler").success());
}

const YES: &str = "
    typedef int (*callback)(int, void *, void *);
    int mosquitto_callback_register(void *, int, callback, const void *, void *);
    static int yes(int event, void *data, void *user) { return 0; }
    int mosquitto_plugin_version(int count, const int *versions) { return 5; }
    int mosquitto_plugin_init(void *id, void **user, void *options, int count)
    { return mosquitto_callback_register(id, 2, yes, 0, 0); }
    int mosquitto_plugin_cleanup(void *user, void *options, int count) { return 0; }
";

/// dynamic-security compares each rule of a role with all before it when it starts.
const TOPICS_OF_A_ROLE: usize = 1_000;

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
    let role = |(number, topics): (usize, &[String])| {
        let acls = topics.iter().flat_map(|topic| {
            ["publishClientSend", "publishClientReceive"].map(|acltype| rule(acltype, topic))
        });
        let all = acls.chain([rule("subscribePattern", "device/#")]);
        let acls = all.collect::<serde_json::Value>();
        serde_json::json!({"rolename": format!("role {number:03}"), "acls": acls})
    };
    let roles = topics.chunks(TOPICS_OF_A_ROLE).enumerate().map(role);
    let roles = roles.collect::<Vec<_>>();
    let held = roles
        .iter()
        .map(|role| serde_json::json!({"rolename": role["rolename"]}));
    serde_json::json!({
        "defaultACLAccess": {
            "publishClientSend": false, "publishClientReceive": false,
            "subscribe": false, "unsubscribe": true,
        },
        "clients": [{
            "username": USER, "password": hash, "salt": salt,
            "iterations": iterations.parse::<u32>().expect("a number"),
            "roles": held.collect::<Vec<_>>(),
        }],
        "groups": [],
        "roles": roles,
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
    let rule = "INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES (?1, ?2, ?3, 1)";
    let mut rule = change.prepare(rule).expect("a statement");
    for (number, topics) in topics.chunks(TOPICS_OF_A_ROLE).enumerate() {
        let role = "INSERT INTO role (rolename) VALUES (?1)";
        let mut role = change.prepare_cached(role).expect("a statement");
        let id = role.insert([format!("role {number:03}")]).expect("a role");
        let grant = "INSERT INTO account_role (account_id, role_id) VALUES (1, ?1)";
        change.execute(grant, [id]).expect("a grant");
        for topic in topics {
            for acltype in ["publishClientSend", "publishClientReceive"] {
                rule.execute(params![id, acltype, topic]).expect("a rule");
            }
        }
        rule.execute(params![id, "subscribePattern", "device/#"])
            .expect("a rule");
    }
    drop(rule);
    change.commit().expect("a commit");
}
