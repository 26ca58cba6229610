//! How `doorman` ends: the exit codes and the one error type that carries them.
//!
//! Must not: hold a password or a stored credential. Whatever is in a [`Failure`] is printed.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use super::print::Plain;
use crate::{admin, founding, store, takeover};

/// The exit codes, stable for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// Refused, or not all of it was done.
    Refused = 1,
    /// The command line itself is wrong; clap uses the same number.
    Usage = 2,
    /// The account, role, rule or group is not there.
    Missing = 3,
    /// It is there already.
    Exists = 4,
    /// A file or database cannot be read or written, or a broker not be reached.
    Place = 5,
    /// `doorman check` found problems, `doorman test` a line that does not hold, or `doorman audit
    /// verify` a record that was changed.
    Problems = 6,
    /// `doorman explain`: not allowed.
    Denied = 7,
}

impl Exit {
    const ALL: [Self; 8] = [
        Self::Done,
        Self::Refused,
        Self::Usage,
        Self::Missing,
        Self::Exists,
        Self::Place,
        Self::Problems,
        Self::Denied,
    ];

    fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => {
                "refused (wrong password, account not admitted), or some entries were left out"
            }
            Self::Usage => "the command line is wrong",
            Self::Missing => "there is no such account, role, rule or group",
            Self::Exists => "the account, role, group, file or database is there already",
            Self::Place => {
                "a file or database cannot be read or written, or a broker does not answer"
            }
            Self::Problems => {
                "doorman check found problems, a line of doorman test does not hold, or doorman audit \
                 verify found a record that was changed"
            }
            Self::Denied => "doorman explain: denied, or left to the broker",
        }
    }

    /// The section on exit codes in the help and the manual page.
    pub(super) fn table() -> String {
        let mut text = String::from("Exit codes:\n");
        for exit in Self::ALL {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "  {}  {}", exit as u8, exit.meaning());
        }
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended early: what to tell, and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// The exit code.
    pub(super) exit: Exit,
    /// One line, ending in what to do about it.
    pub(super) message: String,
    /// Whether nobody is listening any more, which is no error.
    pub(super) hung_up: bool,
}

impl Failure {
    /// A failure with its message.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hung_up: false,
        }
    }

    /// The command line asked for something that makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file that could not be read or written.
    pub(super) fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(Exit::Place, format!("{}: {error}", path.display()))
    }
}

impl From<io::Error> for Failure {
    /// For our own output only; files go through [`Failure::file`], which names them.
    fn from(error: io::Error) -> Self {
        Self {
            hung_up: error.kind() == io::ErrorKind::BrokenPipe,
            ..Self::new(Exit::Place, format!("cannot write the output: {error}"))
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let exit = match error {
            store::Error::Unavailable { .. }
            | store::Error::Corrupt { .. }
            | store::Error::Line { .. } => Exit::Place,
            store::Error::Invalid { .. } => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<founding::NoSecret> for Failure {
    fn from(error: founding::NoSecret) -> Self {
        let exit = match error {
            founding::NoSecret::Randomness(_) => Exit::Place,
            founding::NoSecret::Hash(_) => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<founding::Defect> for Failure {
    fn from(error: founding::Defect) -> Self {
        Self::new(Exit::Refused, error.to_string())
    }
}

impl From<takeover::Error> for Failure {
    fn from(error: takeover::Error) -> Self {
        match error {
            takeover::Error::Store(error) => error.into(),
            takeover::Error::Admin(error) => error.into(),
            takeover::Error::File(_) | takeover::Error::TooMany(_) => {
                Self::new(Exit::Refused, error.to_string())
            }
        }
    }
}

impl From<admin::Error> for Failure {
    fn from(error: admin::Error) -> Self {
        use admin::Error;
        match error {
            Error::Store(error) => error.into(),
            Error::Missing { name } => missing("account", name.as_str(), "user list"),
            Error::Exists { name } => exists(
                "an account",
                name.as_str(),
                "`doorman user passwd` or `doorman user set`",
            ),
            Error::CertificateTaken { .. } => Self::new(
                Exit::Exists,
                format!("{error}; `doorman user certificate list` shows whose it is"),
            ),
            Error::RoleMissing { name } => missing("role", name.as_str(), "role list"),
            Error::RoleExists { name } => exists(
                "a role",
                name.as_str(),
                "`doorman role set` and `doorman role allow`",
            ),
            Error::GroupMissing { name } => missing("group", name.as_str(), "group list"),
            Error::GroupExists { name } => exists(
                "a group",
                name.as_str(),
                "`doorman group set` and `doorman group grant`",
            ),
            Error::RuleMissing {
                role,
                acl_type,
                topic,
            } => Self::new(
                Exit::Missing,
                format!(
                    "role {} has no rule {acl_type} {}; `doorman role show` shows those there are",
                    Plain(role.as_str()),
                    Plain(&topic)
                ),
            ),
            Error::PskMissing { identity } => {
                missing("PSK identity", identity.as_str(), "psk list")
            }
            Error::PskExists { identity } => Self::new(
                Exit::Exists,
                format!(
                    "there is a PSK identity {} already; `doorman psk delete` takes it away, and an \
                     account may have several (--identity)",
                    Plain(identity.as_str())
                ),
            ),
            Error::Outside => Self::new(Exit::Denied, error.to_string()),
            Error::AnonymousGroup { name } => Self::new(
                Exit::Refused,
                format!(
                    "deleting the anonymous group is forbidden: {} is that of clients without a \
                     username; `doorman group anonymous --none` first takes it from them",
                    Plain(name.as_str())
                ),
            ),
        }
    }
}

fn missing(what: &str, name: &str, list: &str) -> Failure {
    let name = Plain(name);
    Failure::new(
        Exit::Missing,
        format!("there is no {what} {name}; `doorman {list}` shows those there are"),
    )
}

fn exists(what: &str, name: &str, instead: &str) -> Failure {
    let name = Plain(name);
    Failure::new(
        Exit::Exists,
        format!("there is {what} {name} already; change it with {instead}"),
    )
}
