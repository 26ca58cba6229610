//! The brokers unpacked by `scripts/brokers`: one directory tree per version.
//!
//! The trees are under `$BROKERS`, else `$DOORMAN_CACHE/brokers`, else `.cache/brokers`. A missing
//! one is a failure: a test that was not run must not look like one that passed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The versions every broker test runs against.
pub const SUPPORTED: [&str; 3] = ["2.0.11", "2.0.21", "2.1.2"];

/// One unpacked broker with its clients, headers and libraries.
#[derive(Debug, Clone)]
pub struct Tree {
    dir: PathBuf,
    version: String,
}

impl Tree {
    /// The tree that stands for `wanted`, one of [`SUPPORTED`].
    pub fn find(wanted: &str) -> Self {
        let dir = root().join(wanted);
        let version = fs::read_to_string(dir.join("version")).unwrap_or_else(|error| {
            panic!(
                "no broker {wanted} in {} ({error}); run scripts/brokers",
                dir.display()
            )
        });
        Self {
            dir,
            version: version.trim().to_owned(),
        }
    }

    /// Every supported version, oldest first.
    pub fn all() -> Vec<Self> {
        SUPPORTED.into_iter().map(Self::find).collect()
    }

    /// The version the broker itself states; a suite may have moved on within its minor line.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether this is a 2.1 broker, which differs from 2.0 in what a plugin may answer.
    pub fn is_2_1(&self) -> bool {
        self.version.starts_with("2.1.")
    }

    /// Where this tree's C headers are.
    pub fn include_dir(&self) -> PathBuf {
        self.dir.join("usr/include")
    }

    /// One of the plugins that come with this broker.
    pub fn plugin(&self, file: &str) -> PathBuf {
        let multiarch = fs::read_dir(self.dir.join("usr/lib")).unwrap();
        let paths = multiarch.map(|dir| dir.unwrap().path().join(file));
        let found = paths.into_iter().find(|path| path.exists());
        found.unwrap_or_else(|| panic!("no {file} in {}", self.dir.display()))
    }

    /// A command that runs `program` of this tree (`mosquitto_pub`, …) with the tree's libraries.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.dir.join("run"));
        command.arg(program);
        command
    }

    /// The broker as a command, behind another that runs it (`valgrind …`) if there is one. The kernel
    /// ends it when the thread that starts it is gone, so that it dies even with a test binary that is
    /// killed.
    pub fn broker_command(&self, runner: &[String], conf: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(runner)
            .arg(self.dir.join("run"))
            .args(["mosquitto", "-c"])
            .arg(conf);
        command
    }
}

/// Where the scripts put what they fetch.
pub fn cache_dir() -> PathBuf {
    env::var_os("DOORMAN_CACHE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache"),
        PathBuf::from,
    )
}

fn root() -> PathBuf {
    env::var_os("BROKERS").map_or_else(|| cache_dir().join("brokers"), PathBuf::from)
}
