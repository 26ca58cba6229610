//! Running programs to their end: `doorman`, and the clients and tools of a broker's tree.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use super::tree::{Tree, cache_dir};

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The standard output of a program that must have ended well.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "the program failed: {self:#?}");
        self.stdout
    }
}

/// The `doorman` of this build.
pub fn doorman() -> Command {
    Command::new(env!("CARGO_BIN_EXE_doorman"))
}

/// The script `name` of `tests/python`, run by the python of `scripts/python-env`.
pub fn python(name: &str) -> Command {
    let python = cache_dir().join("venv/bin/python");
    let there = python.exists();
    assert!(there, "no {}; run scripts/python-env", python.display());
    let mut command = Command::new(python);
    command.arg(format!(
        "{}/tests/python/{name}",
        env!("CARGO_MANIFEST_DIR")
    ));
    command
}

/// The script `name` of `tests/node`, run by this machine's node with the modules of `scripts/node-env`.
pub fn node(name: &str) -> Command {
    let modules = cache_dir().join("node/node_modules");
    let there = modules.join("mqtt").exists();
    assert!(there, "no {}; run scripts/node-env", modules.display());
    let mut command = Command::new("node");
    command.env("NODE_PATH", modules);
    command.arg(format!("{}/tests/node/{name}", env!("CARGO_MANIFEST_DIR")));
    command
}

/// Runs `command` with `input` on its standard input until it ends.
pub fn finish_with_input(command: &mut Command, input: &[u8]) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = thread::scope(|scope| {
        // The program may end without reading its input: a closed pipe is its right.
        scope.spawn(move || stdin.write_all(input).ok());
        child
            .wait_with_output()
            .expect("the program can be waited for")
    });
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `command` with nothing on its standard input until it ends.
pub fn finish(command: &mut Command) -> Finished {
    finish_with_input(command, b"")
}

impl Tree {
    /// Runs `mosquitto_pub` of this tree against the broker on `port`.
    pub fn mosquitto_pub(&self, port: u16, args: &[&str]) -> Finished {
        finish(self.at_port("mosquitto_pub", port).args(args))
    }

    /// Runs `mosquitto_sub` of this tree against the broker on `port`. Bound it with `-C` or `-W`.
    pub fn mosquitto_sub(&self, port: u16, args: &[&str]) -> Finished {
        finish(self.at_port("mosquitto_sub", port).args(args))
    }

    /// Runs `mosquitto_passwd` of this tree.
    pub fn mosquitto_passwd(&self, args: &[&str]) -> Finished {
        finish(self.command("mosquitto_passwd").args(args))
    }

    pub fn at_port(&self, program: &str, port: u16) -> Command {
        let mut command = self.command(program);
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command
    }
}
