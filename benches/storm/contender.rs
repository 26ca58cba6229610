//! Who is compared: the same accounts behind no authentication, the broker's own password file, its
//! dynamic-security plugin, and doorman.
//!
//! Every account has the same password and salt, so that thousands are made at the cost of one hash;
//! nobody here takes advantage of it.
#![allow(dead_code, reason = "each benchmark needs some of it")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mosquitto_doorman::credential::{Recipe, Salt, hash};

use crate::support::conf::LISTENER;
use crate::support::{Broker, Connect, Protocol, Tree, plugin_conf};

pub const PASSWORD: &str = "right";
/// One more account, for bystanders and known clients: cheap for everybody.
pub const CHEAP: &str = "cheap";

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    Nobody,
    Stock,
    Dynsec,
    Doorman,
}

impl Contender {
    pub const ALL: [Self; 4] = [Self::Nobody, Self::Stock, Self::Dynsec, Self::Doorman];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "no authentication",
            Self::Stock => "stock password_file",
            Self::Dynsec => "dynamic-security",
            Self::Doorman => "doorman",
        }
    }

    /// A broker with these accounts.
    pub fn start(self, tree: &Tree, accounts: &Accounts, options: &[&str]) -> Broker {
        let source = match self {
            Self::Nobody => "allow_anonymous true\n".to_owned(),
            Self::Stock => format!("password_file {}\n", accounts.file.display()),
            Self::Dynsec => format!(
                "plugin {}\nplugin_opt_config_file {}\n",
                tree.plugin("mosquitto_dynamic_security.so").display(),
                accounts.json.display()
            ),
            Self::Doorman => {
                let file = format!("password_file {}", accounts.file.display());
                plugin_conf(&[&[file.as_str()], options].concat())
            }
        };
        Broker::of(tree).start(&format!("set_tcp_nodelay true\n{LISTENER}{source}"))
    }
}

/// Accounts of one kind, in each contender's form.
pub struct Accounts {
    file: PathBuf,
    json: PathBuf,
}

impl Accounts {
    pub fn at(dir: &Path, recipe: Recipe, count: usize) -> Self {
        let salt = || Salt::new([7; 16]);
        let of = |recipe: &Recipe| hash(PASSWORD.as_bytes(), recipe, &salt()).expect("a hash");
        let cheap = of(&Recipe::Pbkdf2Sha512 { iterations: 101 });
        let stored = of(&recipe);
        let names: Vec<String> = (0..count).map(account).collect();
        let mut text = format!("{CHEAP}:{}\n", cheap.text);
        for name in &names {
            writeln!(text, "{name}:{}", stored.text).expect("memory");
        }
        let accounts = Self {
            file: dir.join("users"),
            json: dir.join("dynamic-security.json"),
        };
        fs::write(&accounts.file, text).expect("a password file");
        if let Recipe::Pbkdf2Sha512 { .. } = recipe {
            let mut clients = vec![entry(CHEAP, &cheap.text)];
            clients.extend(names.iter().map(|name| entry(name, &stored.text)));
            let all = serde_json::json!({
                "defaultACLAccess": {
                    "publishClientSend": true, "publishClientReceive": true,
                    "subscribe": true, "unsubscribe": true,
                },
                "clients": clients, "groups": [], "roles": [],
            });
            fs::write(&accounts.json, all.to_string()).expect("a JSON file");
        }
        accounts
    }

    /// The password file.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// The same in the form of dynamic-security.
fn entry(name: &str, stored: &str) -> serde_json::Value {
    let parts: Vec<&str> = stored.split('$').collect();
    let [_, _, iterations, salt, hash] = parts[..] else {
        panic!("not as mosquitto_passwd writes it");
    };
    assert_eq!(STANDARD.decode(salt).expect("base64").len(), 12);
    serde_json::json!({
        "username": name, "password": hash, "salt": salt, "roles": [],
        "iterations": iterations.parse::<u32>().expect("a number"),
    })
}

/// The name of an account.
pub fn account(number: usize) -> String {
    format!("account-{number:05}")
}

/// A CONNECT of this account, with a client id of its own.
pub fn login(name: &str, password: &str) -> Vec<u8> {
    let connect = Connect::new(Protocol::V311).credentials(name, password);
    connect.encode()
}

pub fn cheap() -> Connect {
    Connect::new(Protocol::V311).credentials(CHEAP, PASSWORD)
}
