//! `doorman --broker`: the same commands over MQTT as on the file, and what happens where they cannot be
//! given.

mod compared;
mod refused;
mod secured;
mod status;

use std::fs;
use std::path::{Path, PathBuf};

use super::control_compared::{beginning, import};
use crate::support::{Broker, Finished, Startup, doorman, finish_with_input, plugin_conf};

/// A word of every password here; it must never be printed or logged.
const SECRET: &str = "tulip";

const LISTENER: &str = "listener {port} 127.0.0.1\nlog_type error\nlog_type warning\n\
                        log_type information\nlog_type notice\n";

/// A broker, and the same database beside it for comparison.
struct Pair {
    broker: Broker,
}

impl Pair {
    fn start(startup: Startup) -> Self {
        Self::with(startup, LISTENER, &[])
    }

    /// The same where somebody prepares the database, and with other lines before the plugin's and more
    /// options.
    fn with(startup: Startup, listener: &str, options: &[&str]) -> Self {
        let startup = startup.file("dynsec.json", beginning());
        let dir = startup.dir().to_owned();
        if !dir.join("db").exists() {
            import(&dir);
        }
        fs::copy(dir.join("db"), dir.join("other")).unwrap();
        let mut all = vec![
            "database {dir}/db",
            "database_roles true",
            "control_iterations 10",
        ];
        all.extend(options);
        let broker = startup.start(&(listener.to_owned() + &plugin_conf(&all)));
        Self { broker }
    }

    fn dir(&self) -> &Path {
        self.broker.dir()
    }

    /// The database that no broker has.
    fn other(&self) -> PathBuf {
        self.dir().join("other")
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.broker.port())
    }

    /// On the database that no broker has.
    fn here(&self, args: &[&str], input: &str) -> Finished {
        let other = self.other().display().to_string();
        run(
            self.dir(),
            &[args, &["--database", &other]].concat(),
            input,
            "",
        )
    }

    /// On the broker, as the administrator.
    fn there(&self, args: &[&str], input: &str) -> Finished {
        self.as_client("admin", "pw", args, input)
    }

    /// On the broker, as somebody.
    fn as_client(&self, name: &str, password: &str, args: &[&str], input: &str) -> Finished {
        let url = self.url();
        let place = ["--broker", &url, "--username", name];
        run(self.dir(), &[args, &place].concat(), input, password)
    }
}

/// A database to start with, and what `doorman` is to do to it before.
fn furnished(startup: Startup, lines: &[&str]) -> Startup {
    let startup = startup.file("dynsec.json", beginning());
    import(startup.dir());
    let database = startup.dir().join("db").display().to_string();
    for line in lines {
        let args: Vec<&str> = line.split(' ').chain(["--database", &database]).collect();
        run(startup.dir(), &args, "", "").succeeded();
    }
    startup
}

/// Runs `doorman` in a directory, without the caller's environment.
fn run(dir: &Path, args: &[&str], input: &str, password: &str) -> Finished {
    let mut command = doorman();
    command.current_dir(dir).args(args);
    for name in ["FILE", "DATABASE", "CONFIG", "BROKER", "USERNAME"] {
        command.env_remove(format!("DOORMAN_{name}"));
    }
    command.env("DOORMAN_LOGIN_PASSWORD", password);
    let finished = finish_with_input(&mut command, input.as_bytes());
    let all = [&*finished.stdout, &finished.stderr].concat();
    assert!(!all.contains(SECRET) && !all.contains("$7$"), "{all}");
    finished
}

/// Checks how a run ended and what it said.
#[track_caller]
fn ended(finished: Finished, code: i32, words: &str) -> Finished {
    let all = [&*finished.stdout, &finished.stderr].concat();
    assert_eq!(finished.code, Some(code), "{all}");
    assert!(all.contains(words), "{all:?} lacks {words:?}");
    finished
}
