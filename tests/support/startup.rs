//! A broker about to be started: its directory, its files, its configuration.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::broker::Broker;
use super::conf;
use super::tree::Tree;
use super::wait::PATIENCE;

/// A broker about to be started: its directory exists and can be filled.
#[derive(Debug)]
pub struct Startup {
    tree: Tree,
    dir: TempDir,
    environment: Vec<(String, String)>,
    runner: Vec<String>,
}

impl Startup {
    pub(super) fn new(tree: Tree) -> Self {
        Self {
            tree,
            dir: TempDir::new().expect("a temporary directory"),
            environment: Vec::new(),
            runner: Vec::new(),
        }
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The broker's own directory, `{dir}` in its configuration.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes `contents` to the file `name` in the broker's directory.
    #[must_use]
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        fs::write(self.dir().join(name), contents).expect("a file in the broker's directory");
        self
    }

    /// Sets a variable in the broker's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has another program run the broker.
    #[must_use]
    pub fn run_by(mut self, program: &[&str]) -> Self {
        self.runner = program.iter().map(ToString::to_string).collect();
        self
    }

    /// Writes a password file `name` with the tree's own `mosquitto_passwd`.
    #[must_use]
    pub fn password_file(self, name: &str, accounts: &[(&str, &str)]) -> Self {
        let path = self.dir().join(name).display().to_string();
        for (index, (user, password)) in accounts.iter().enumerate() {
            let mut args = vec!["-b", &path, user, password];
            if index == 0 {
                args.insert(0, "-c");
            }
            self.tree.mosquitto_passwd(&args).succeeded();
        }
        self
    }

    /// Starts the broker with `text` as its `mosquitto.conf` (see [`conf`] for placeholders) and
    /// returns when it answers.
    #[track_caller]
    pub fn start(self, text: &str) -> Broker {
        self.start_within(text, PATIENCE)
    }

    /// As [`Self::start`], for a broker that reads for longer than anybody would wait.
    #[track_caller]
    pub fn start_within(self, text: &str, deadline: Duration) -> Broker {
        let mut broker = Broker::spawn(self, text);
        // Between choosing a free port and listening on it, somebody else may have taken it.
        for _ in 0..PORT_RACES {
            if broker.comes_up(deadline) {
                return broker;
            }
            assert!(broker.lost_its_port(), "the broker did not start");
            broker.spawn_again(text);
        }
        panic!("the broker never got its ports");
    }

    /// Starts a broker that must end by itself, and returns what it left.
    #[track_caller]
    pub fn start_fails(self, text: &str) -> Refusal {
        let mut broker = Broker::spawn(self, text);
        for _ in 0..PORT_RACES {
            assert!(
                !broker.comes_up(PATIENCE),
                "the broker started, and should not have"
            );
            if !broker.lost_its_port() {
                break;
            }
            broker.spawn_again(text);
        }
        let status = broker.wait_for_exit(PATIENCE);
        let status = status.unwrap_or_else(|| panic!("the broker neither starts nor ends"));
        Refusal {
            code: status.code(),
            log: broker.log(),
        }
    }

    pub(super) fn conf_path(&self) -> PathBuf {
        self.dir().join("mosquitto.conf")
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.dir().join("broker.log")
    }

    pub(super) fn write_conf(&self, text: &str, ports: &[u16]) {
        let conf = conf::fill(&conf::complete(text), self.dir(), ports);
        fs::write(self.conf_path(), conf).expect("mosquitto.conf in the broker's directory");
    }

    pub(super) fn spawn(&self) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log file in the broker's directory");
        self.tree
            .broker_command(&self.runner, &self.conf_path())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("setpriv starts the broker")
    }
}

/// What a broker that refused to start left behind.
#[derive(Debug)]
pub struct Refusal {
    /// Exit status; `None` when a signal (a crash) ended it.
    pub code: Option<i32>,
    pub log: String,
}

/// Runs `test` once per supported broker, side by side, and fails if it fails on any.
pub fn for_each_broker(test: impl Fn(Startup) + Sync) {
    let failed: Vec<String> = thread::scope(|scope| {
        let runs: Vec<_> = Tree::all()
            .into_iter()
            .map(|tree| {
                let version = tree.version().to_owned();
                (version, scope.spawn(|| test(Startup::new(tree))))
            })
            .collect();
        runs.into_iter()
            .filter_map(|(version, run)| run.join().is_err().then_some(version))
            .collect()
    });
    assert!(failed.is_empty(), "failed on broker {}", failed.join(", "));
}

const PORT_RACES: usize = 5;
