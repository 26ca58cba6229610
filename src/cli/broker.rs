//! How to reach a running broker, as flags: the login, and whom to believe. As the clients of Mosquitto name
//! them.
//!
//! Must not: take a password as an argument, where others can read it, or from within the address.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::clock;
use super::exit::Failure;
use super::prompt;
use crate::courier::{Address, Login, NoAddress, Options, Trust};
use crate::secret::Secret;

/// Where the flags stand in the help.
const HEADING: &str = "Over a broker";

/// The flags for `--broker`.
#[derive(Args, Clone, Debug)]
pub(super) struct BrokerArgs {
    /// Log in with this username; its password comes from --login-password-file, the environment variable
    /// DOORMAN_LOGIN_PASSWORD or a prompt
    #[arg(
        short = 'u',
        long,
        global = true,
        help_heading = HEADING,
        value_name = "NAME",
        env = "DOORMAN_USERNAME"
    )]
    username: Option<String>,
    /// Read the password of the login from the first line of this file
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        env = "DOORMAN_LOGIN_PASSWORD_FILE"
    )]
    login_password_file: Option<PathBuf>,
    /// Believe brokers that the certificates in this file vouch for, and not those of the system
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Show this certificate
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of that certificate
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Take a certificate that is for another name than the broker's
    #[arg(long, global = true, help_heading = HEADING)]
    insecure: bool,
    /// Wait so long for an answer [default: 10]
    #[arg(long, global = true, help_heading = HEADING, value_name = "SECONDS",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=86_400))]
    timeout: Option<u32>,
}

impl BrokerArgs {
    /// How to reach the broker of this address; asks for the password.
    pub(super) fn options(&self, address: &Path) -> Result<Options, Failure> {
        // What is no text is no address either.
        let address = address.to_str().ok_or(NoAddress::Form);
        let address: Address = address
            .and_then(str::parse)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let own = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(Failure::usage("--cert and --key go together"));
            }
        };
        let of_tls = [self.cafile.is_some(), own.is_some(), self.insecure];
        if !address.tls && of_tls.contains(&true) {
            return Err(Failure::usage(
                "--cafile, --cert, --key and --insecure are for TLS: mqtts://",
            ));
        }
        let login = match &self.username {
            None if self.login_password_file.is_some() => {
                return Err(Failure::usage("a password needs a --username"));
            }
            None => None,
            Some(username) => Some(Login {
                username: username.clone(),
                password: self.password(username, &address)?,
            }),
        };
        Ok(Options {
            address,
            login,
            trust: Trust {
                ca: self.cafile.clone(),
                own,
                any_name: self.insecure,
            },
            timeout: Duration::from_secs(self.timeout.unwrap_or(10).into()),
            clock: clock::instant,
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a password must not be an argument, so clap cannot read this variable"
    )]
    fn password(&self, username: &str, address: &Address) -> Result<Secret, Failure> {
        if let Some(path) = &self.login_password_file {
            return prompt::acceptable(prompt::from_file(path)?);
        }
        match std::env::var("DOORMAN_LOGIN_PASSWORD") {
            Ok(password) => prompt::acceptable(Secret::new(password.into_bytes())),
            Err(_) => prompt::ask_login(username, address),
        }
    }
}
