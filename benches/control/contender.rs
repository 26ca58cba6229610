//! Who carries orders out: doorman with its database, or the broker's own plugin with its file.

use std::fs;
use std::time::Duration;

use crate::accounts::{Accounts, PAIR, PASSWORD};
use crate::support::conf::LISTENER;
use crate::support::{Broker, Connect, Protocol, Startup, Tree, plugin_conf};

/// dynamic-security reads half a million clients for twenty seconds and more.
pub const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    Doorman,
    Stock,
}

impl Contender {
    pub const ALL: [Self; 2] = [Self::Doorman, Self::Stock];

    pub fn name(self) -> &'static str {
        match self {
            Self::Doorman => "doorman",
            Self::Stock => "dynamic-security",
        }
    }

    /// Made ready, and the text that starts it: each has a copy of its own.
    pub fn prepared(self, tree: &Tree, accounts: &Accounts, iterations: u32) -> (Startup, String) {
        let startup = Broker::of(tree);
        let own = startup.dir().join("own");
        let source = match self {
            Self::Doorman => {
                fs::copy(&accounts.database, own).expect("a copy");
                plugin_conf(&[
                    "database {dir}/own",
                    "database_roles true",
                    "throttle false",
                    &format!("control_iterations {iterations}"),
                ])
            }
            Self::Stock => {
                fs::copy(&accounts.json, own).expect("a copy");
                let plugin = tree.plugin("mosquitto_dynamic_security.so");
                let plugin = plugin.display();
                format!("plugin {plugin}\nplugin_opt_config_file {{dir}}/own\n")
            }
        };
        // What was copied is on the disk before anybody measures.
        let copied = fs::File::open(startup.dir().join("own")).expect("a copy");
        copied.sync_all().expect("a disk");
        (startup, format!("set_tcp_nodelay true\n{LISTENER}{source}"))
    }

    pub fn start(self, tree: &Tree, accounts: &Accounts, iterations: u32) -> Broker {
        let (startup, conf) = self.prepared(tree, accounts, iterations);
        startup.start_within(&conf, PATIENCE)
    }
}

/// How often dynamic-security hashes a password that it is given, which is not to be chosen.
pub fn iterations(tree: &Tree) -> u32 {
    if tree.is_2_1() { 1_000 } else { 101 }
}

pub fn pair() -> Connect {
    Connect::new(Protocol::V311).credentials(PAIR, PASSWORD)
}
