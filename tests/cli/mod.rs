//! The command line as its users meet it: the built `doorman`, its output and its exit codes.
//!
//! Passwords in these tests have words of their own; [`Ran`] fails where one of them shows in any
//! output.

mod audit;
mod certificate;
mod check;
mod check_tokens;
mod explain;
mod export;
mod export_acl;
mod export_rules;
mod group;
mod import;
mod import_rules;
mod init;
mod options;
mod passwd;
mod place;
mod policy_test;
mod psk;
mod role;
mod scram;
mod user;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// What tests use as passwords, and what must never be printed.
const SECRETS: [&str; 3] = ["tulip-garden", "rose-garden", "lily-garden"];

/// A directory with a place for accounts in it.
struct Desk {
    dir: TempDir,
    flag: &'static str,
    place: PathBuf,
}

/// How a run of `doorman` ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    /// An empty directory, with `DOORMAN_FILE` and the like unset.
    fn bare(flag: &'static str) -> Self {
        let dir = TempDir::new().unwrap();
        let place = dir.path().join("accounts");
        Self { dir, flag, place }
    }

    /// A new password file.
    fn file() -> Self {
        Self::bare("--file").with_init()
    }

    /// A new database.
    fn database() -> Self {
        Self::bare("--database").with_init()
    }

    /// One of each: most of what is asked of one is asked of both.
    fn both() -> [Self; 2] {
        [Self::file(), Self::database()]
    }

    fn with_init(self) -> Self {
        self.on(&["init"]).code(0);
        self
    }

    /// A path in the directory.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file in the directory.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The bytes of the place, as text.
    fn text(&self) -> String {
        std::fs::read_to_string(&self.place).unwrap()
    }

    /// Runs a command on the place.
    fn on(&self, args: &[&str]) -> Ran {
        self.on_with(args, "")
    }

    /// Runs a command on the place, with this on standard input.
    fn on_with(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(args);
        command.arg(self.flag).arg(&self.place);
        run(command, input)
    }

    /// Runs commands on the place, each of which must succeed.
    #[track_caller]
    fn furnish(&self, commands: &[&[&str]]) {
        for args in commands {
            self.on(args).code(0);
        }
    }

    /// Runs a command on nothing.
    fn run(&self, args: &[&str]) -> Ran {
        run(self.command(args), "")
    }

    /// A command in this directory, without the caller's environment.
    fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorman"));
        command.args(args).current_dir(self.dir.path());
        for name in [
            "DOORMAN_FILE",
            "DOORMAN_DATABASE",
            "DOORMAN_CONFIG",
            "DOORMAN_BROKER",
            "DOORMAN_SEAL_FILE",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Adds an account with a cheap hash.
    fn add(&self, name: &str, password: &str) -> Ran {
        let args = [
            "user",
            "add",
            name,
            "--password-stdin",
            "--iterations",
            "101",
        ];
        self.on_with(&args, password)
    }

    /// Whether the account takes this password.
    fn verify(&self, name: &str, password: &str) -> Option<i32> {
        self.on_with(&["user", "verify", name, "--password-stdin"], password)
            .code
    }
}

fn run(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ran::of(child.wait_with_output().unwrap())
}

impl Ran {
    fn of(output: Output) -> Self {
        let ran = Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        for secret in SECRETS {
            assert!(
                !ran.out.contains(secret) && !ran.err.contains(secret),
                "a password was printed:\n{}{}",
                ran.out,
                ran.err
            );
        }
        ran
    }

    /// Checks the exit code and hands the run on.
    #[track_caller]
    fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    /// Checks that standard error says this.
    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{:?} lacks {text:?}", self.err);
        self
    }

    /// Checks that standard output says this.
    #[track_caller]
    fn tells(self, text: &str) -> Self {
        assert!(self.out.contains(text), "{:?} lacks {text:?}", self.out);
        self
    }

    /// Standard output as JSON objects, one per line.
    fn json(&self) -> Vec<serde_json::Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A credential that any broker reads and nobody knows the password of.
fn hash(head: &str, salt: usize) -> String {
    use base64::Engine as _;
    let encode = |length| base64::engine::general_purpose::STANDARD.encode(vec![7_u8; length]);
    format!("{head}{}${}", encode(salt), encode(64))
}
