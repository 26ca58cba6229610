//! `doorman user certificate`: which certificates an account may be used with.
//!
//! Must not: keep a certificate. Of a file only the fingerprint is stored.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

use super::deed::done;
use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::{Answer, Plain, Printer};
use crate::admin::{self, Command, Outcome, Seen};
use crate::certificate;
use crate::model::{AccountName, CertificateName};
use crate::store;

/// What to do with certificates.
#[derive(Args, Debug)]
pub(super) struct CertificateArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Map certificates to an account
    Add(SomeArgs),
    /// Take certificates from an account; doorman ends the connections that were made by them
    Remove(SomeArgs),
    /// List the certificates of an account, or of all
    List {
        /// The account's name; without one, all accounts that have certificates
        #[arg(value_name = "NAME", value_parser = AccountName::new)]
        name: Option<AccountName>,
    },
}

/// An account and certificates.
#[derive(Args, Debug)]
struct SomeArgs {
    /// The account's name
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    name: AccountName,
    /// sha256:FINGERPRINT as openssl x509 -fingerprint -sha256 prints it, or an alternative name:
    /// dns:NAME, uri:URI, email:ADDRESS
    #[arg(value_name = "CERTIFICATE", value_parser = CertificateName::new, required_unless_present = "pem")]
    certificates: Vec<CertificateName>,
    /// The certificate in this PEM file, by its fingerprint; of several the first
    #[arg(long, value_name = "FILE")]
    pem: Vec<PathBuf>,
}

impl SomeArgs {
    fn all(&self) -> Result<Vec<CertificateName>, Failure> {
        let of_files = self.pem.iter().map(|path| fingerprint(path));
        let of_files = of_files.collect::<Result<Vec<_>, _>>()?;
        Ok(self.certificates.iter().cloned().chain(of_files).collect())
    }
}

/// An account, a certificate and what became of them.
#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    certificate: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<&'static str>,
}

impl Answer for Told<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (name, certificate) = (Plain(self.name), Plain(self.certificate));
        match self.done {
            Some(done) => writeln!(out, "{name}: {certificate} {done}"),
            None => writeln!(out, "{name}: {certificate}"),
        }
    }
}

/// Runs `doorman user certificate`.
pub(super) fn run(
    place: &PlaceArgs,
    printer: &mut Printer,
    args: CertificateArgs,
) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Add(args) => change(place, printer, &args, "added", |name, certificate| {
            Command::AddCertificate(name, certificate)
        }),
        Verb::Remove(args) => change(place, printer, &args, "removed", |name, certificate| {
            Command::RemoveCertificate(name, certificate)
        }),
        Verb::List { name } => list(place, printer, name.as_ref()),
    }
}

/// Carries out one command for each certificate, all or none; `word` is what a change of the account is to
/// the certificate.
fn change(
    place: &PlaceArgs,
    printer: &mut Printer,
    args: &SomeArgs,
    word: &'static str,
    command: impl Fn(AccountName, CertificateName) -> Command,
) -> Result<Exit, Failure> {
    let all = args.all()?;
    let commands = all.iter().cloned();
    let commands: Vec<_> = commands
        .map(|certificate| command(args.name.clone(), certificate))
        .collect();
    let outcomes = place.open()?.apply(&commands)?;
    for (certificate, outcome) in all.iter().zip(outcomes) {
        let done = match outcome {
            Outcome::Changed => word,
            Outcome::Added | Outcome::Deleted | Outcome::Unchanged => done(outcome),
        };
        printer.answer(&Told {
            name: args.name.as_str(),
            certificate: certificate.as_str(),
            done: Some(done),
        })?;
    }
    Ok(Exit::Done)
}

fn list(
    place: &PlaceArgs,
    printer: &mut Printer,
    name: Option<&AccountName>,
) -> Result<Exit, Failure> {
    let mut office = place.open()?;
    let mut all: Vec<Seen> = Vec::new();
    match name {
        Some(name) => {
            let seen = office.account(name)?;
            let missing = || admin::Error::Missing { name: name.clone() };
            all.push(seen.ok_or_else(missing)?);
        }
        None => office.accounts(&mut |seen| {
            if !seen.account.certificates.is_empty() {
                all.push(seen);
            }
            Ok::<_, store::Error>(())
        })?,
    }
    for seen in &all {
        for certificate in &seen.account.certificates {
            printer.answer(&Told {
                name: seen.account.name.as_str(),
                certificate: certificate.as_str(),
                done: None,
            })?;
        }
    }
    Ok(Exit::Done)
}

/// The fingerprint of the first certificate in a file.
fn fingerprint(path: &Path) -> Result<CertificateName, Failure> {
    let wrong = |why: String| Failure::new(Exit::Place, format!("{}: {why}", path.display()));
    let der = CertificateDer::from_pem_file(path).map_err(|error| wrong(error.to_string()))?;
    let names = certificate::names(&der).map_err(|error| wrong(error.to_string()))?;
    let mut names = names.into_iter();
    names
        .next()
        .ok_or_else(|| wrong("there is no certificate in it".to_owned()))
}
