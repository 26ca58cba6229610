//! `doorman user verify`: would this account be let in?
//!
//! Must not: say more about a wrong password than that it is wrong, or stop at the first obstacle:
//! the operator who asks wants all of them.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::IpAddr;

use clap::Args;
use serde::Serialize;

use super::clock;
use super::exit::{Exit, Failure};
use super::print::{Answer, Plain, Printer};
use super::prompt::PasswordInput;
use crate::admission::{self, Approach, Fact};
use crate::config::CostLimits;
use crate::credential::{Credential, Match};
use crate::model::Account;
use crate::secret::Secret;
use crate::verdict::Reason;

/// The password, and whatever else the broker would look at.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    password: PasswordInput,
    /// Check as if the client had this client id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Check as if the client came from this address
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
}

/// The result: admitted, or every reason why not.
#[derive(Serialize)]
struct Findings<'a> {
    name: &'a str,
    admitted: bool,
    reasons: Vec<&'static str>,
}

impl Answer for Findings<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = Plain(self.name);
        if self.admitted {
            writeln!(out, "{name} is admitted")
        } else {
            writeln!(out, "{name} is refused: {}", self.reasons.join(", "))
        }
    }
}

/// Checks a password against an account.
pub(super) fn run(
    account: &Account,
    args: &VerifyArgs,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let password = args.password.read()?;
    let mut reasons: Vec<_> = password_fits(account, &password)
        .err()
        .into_iter()
        .collect();
    let approach = Approach {
        client_id: args
            .client_id
            .as_deref()
            .map_or(Fact::Open, |id| Fact::Is(Some(id))),
        ip: args
            .address
            .map_or(Fact::Open, |ip| Fact::Is(Some(ip.to_canonical()))),
    };
    reasons.extend(admission::obstacles(account, approach, clock::now()));
    let admitted = reasons.is_empty();
    printer.answer(&Findings {
        name: account.name.as_str(),
        admitted,
        reasons: reasons.iter().map(|reason| reason.word()).collect(),
    })?;
    let unknown = [
        (
            account.client_id.is_some() && args.client_id.is_none(),
            "a client id: give --client-id",
        ),
        (
            !account.networks.is_empty() && args.address.is_none(),
            "networks: give --address",
        ),
    ];
    for (_, what) in unknown.iter().filter(|(unknown, _)| *unknown) {
        printer.note(format_args!(
            "the account is bound to {what} to check that too"
        ));
    }
    if admitted {
        return Ok(Exit::Done);
    }
    for reason in reasons {
        printer.note(reason.explanation());
    }
    Ok(Exit::Refused)
}

fn password_fits(account: &Account, password: &Secret) -> Result<(), Reason> {
    let mut usable = false;
    for stored in account.credentials() {
        if let Ok(credential) = Credential::parse(stored, &CostLimits::STANDARD) {
            usable = true;
            match credential.verify(password.expose()) {
                Match::Yes => return Ok(()),
                Match::No => {}
            }
        }
    }
    Err(if usable {
        Reason::BadPassword
    } else {
        Reason::UnusableCredential
    })
}
