//! Where passwords come from: a prompt, standard input, a file, or doorman itself.
//!
//! Must not: print one (what is generated is told by the command that stores it), keep one in a
//! `String`, or take one from the command line unless the flag says how unsafe that is.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::exit::{Exit, Failure};
use super::print::Plain;
use crate::founding::generate;
use crate::secret::Secret;

/// The longest password MQTT can carry.
const LONGEST: usize = 65_535;

/// The flags that say where an existing password is read from; without one it is asked for.
#[derive(Args, Debug)]
#[group(id = "input", multiple = false)]
pub(super) struct PasswordInput {
    /// Read the password from standard input, up to the end of the line
    #[arg(long, help_heading = "Password")]
    password_stdin: bool,
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE", help_heading = "Password")]
    password_file: Option<PathBuf>,
    /// Take the password from the command line, where every user of this machine can read it
    #[arg(long, value_name = "PASSWORD", help_heading = "Password")]
    insecure_password: Option<Typed>,
}

/// The flags that say where a new password comes from.
#[derive(Args, Debug)]
pub(super) struct NewPassword {
    #[command(flatten)]
    input: PasswordInput,
    /// Let doorman make a secret of 192 random bits and print it once
    #[arg(long, conflicts_with = "input", help_heading = "Password")]
    pub(super) generate: bool,
}

/// A password on the command line: shown by nothing.
#[derive(Clone)]
pub(super) struct Typed(Zeroizing<String>);

impl Typed {
    /// The password, unchecked.
    pub(super) fn secret(&self) -> Secret {
        Secret::new(self.0.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<String> for Typed {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Chosen {
    /// What doorman made, which must be told once; it is ASCII.
    pub(super) fn generated(&self) -> Option<&str> {
        match self {
            Self::Generated(secret) => std::str::from_utf8(secret.expose()).ok(),
            Self::ByPerson(_) => None,
        }
    }
}

/// A new password and how hard it is to guess.
pub(super) enum Chosen {
    /// By a person: it needs a costly hash.
    ByPerson(Secret),
    /// By doorman: nobody guesses it, and it must be told once.
    Generated(Secret),
}

impl PasswordInput {
    /// Whether one is named.
    fn is_given(&self) -> bool {
        self.password_stdin || self.password_file.is_some() || self.insecure_password.is_some()
    }

    /// Reads a password that exists.
    pub(super) fn read(&self) -> Result<Secret, Failure> {
        match self.given()? {
            Some(secret) => Ok(secret),
            None => ask("Password: "),
        }
    }

    fn given(&self) -> Result<Option<Secret>, Failure> {
        let secret = if self.password_stdin {
            from_stdin()?
        } else if let Some(path) = &self.password_file {
            from_file(path)?
        } else if let Some(typed) = &self.insecure_password {
            typed.secret()
        } else {
            return Ok(None);
        };
        acceptable(secret).map(Some)
    }
}

impl NewPassword {
    /// Whether it is said where the password comes from.
    pub(super) fn is_given(&self) -> bool {
        self.generate || self.input.is_given()
    }

    /// Reads a new password, asking twice if it comes from a person at a terminal.
    pub(super) fn read(&self) -> Result<Chosen, Failure> {
        if self.generate {
            return Ok(Chosen::Generated(generate()?));
        }
        match self.input.given()? {
            Some(secret) => Ok(Chosen::ByPerson(secret)),
            None => ask_twice().map(Chosen::ByPerson),
        }
    }
}

/// Asks twice, at the terminal.
pub(super) fn ask_twice() -> Result<Secret, Failure> {
    let first = ask("New password: ")?;
    same(first, || ask("New password again: "))
}

/// Asks twice; without a terminal takes two lines of standard input, as `mosquitto_passwd` does.
pub(super) fn ask_twice_or_read() -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        return ask_twice();
    }
    let mut input = io::stdin().lock();
    let mut line = || {
        let secret = first_line(&mut input)
            .map_err(|error| Failure::new(Exit::Place, format!("standard input: {error}")))?;
        acceptable(secret)
    };
    let first = line()?;
    same(first, line)
}

fn same(
    first: Secret,
    second: impl FnOnce() -> Result<Secret, Failure>,
) -> Result<Secret, Failure> {
    if first.same(&second()?) {
        Ok(first)
    } else {
        Err(Failure::new(
            Exit::Refused,
            "the two passwords differ; nothing was changed, try again",
        ))
    }
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    ask_or(
        prompt,
        "there is no terminal to ask for the password; use --password-stdin, --password-file or \
         --generate",
    )
}

/// Asks for the password with which one logs in somewhere.
pub(super) fn ask_login(username: &str, place: &impl Display) -> Result<Secret, Failure> {
    ask_or(
        &format!("Password of {} at {place}: ", Plain(username)),
        "there is no terminal to ask for the password of the login; use --login-password-file or \
         DOORMAN_LOGIN_PASSWORD",
    )
}

fn ask_or(prompt: &str, nobody: &str) -> Result<Secret, Failure> {
    let text = rpassword::prompt_password(prompt).map_err(|_| Failure::usage(nobody))?;
    acceptable(Secret::new(text.into_bytes()))
}

/// Fills a buffer from the system's source of randomness.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::new(Exit::Place, format!("no randomness: {error}")))
}

/// The first line of standard input.
pub(super) fn from_stdin() -> Result<Secret, Failure> {
    first_line(&mut io::stdin().lock())
        .map_err(|error| Failure::new(Exit::Place, format!("standard input: {error}")))
}

/// The first line of a file.
pub(super) fn from_file(path: &Path) -> Result<Secret, Failure> {
    let mut file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    first_line(&mut io::BufReader::new(&mut file)).map_err(|error| Failure::file(path, &error))
}

/// The first line without its line break, never more than MQTT could carry plus what shows that
/// there was more.
fn first_line(input: &mut impl BufRead) -> io::Result<Secret> {
    let mut line = Vec::with_capacity(LONGEST.saturating_add(3));
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(2);
    input.by_ref().take(most).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(Secret::new(line))
}

/// Refuses what no client could log in with.
pub(super) fn acceptable(secret: Secret) -> Result<Secret, Failure> {
    let refused = |why: &str| Err(Failure::new(Exit::Refused, why));
    match secret.expose() {
        [] => refused("the password is empty; the broker takes that for no password at all"),
        bytes if bytes.len() > LONGEST => {
            refused("the password is longer than the 65535 bytes that MQTT carries")
        }
        bytes if bytes.contains(&0) => {
            refused("the password holds a NUL byte, where the broker would cut it short")
        }
        _ => Ok(secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> Vec<u8> {
        first_line(&mut &bytes[..]).unwrap().expose().to_vec()
    }

    #[test]
    fn a_password_is_the_first_line_without_its_break() {
        assert_eq!(line(b"tulip\nrose\n"), b"tulip");
        assert_eq!(line(b"tulip\r\n"), b"tulip");
        assert_eq!(line(b" tulip "), b" tulip ");
    }

    #[test]
    fn what_no_client_can_send_is_refused() {
        assert!(acceptable(Secret::new(vec![b'x'; LONGEST])).is_ok());
        for bytes in [vec![], vec![b'x'; LONGEST + 1], b"a\0b".to_vec()] {
            assert!(acceptable(Secret::new(bytes)).is_err());
        }
    }
}
