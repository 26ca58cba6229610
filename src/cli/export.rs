//! `doorman export`: a password file or ACL file that the stock broker accepts, or a file of
//! dynamic-security.
//!
//! Must not: write an entry that would make a broker stop, or one that would let in somebody whom
//! doorman refuses. What is left out is listed, by name and with the reason.
#![forbid(unsafe_code)]

mod acl_file;
mod dynsec;

use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;

use super::clock;
use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::{self, Answer, Printer, Trouble};
use crate::model::{Account, AccountName, Scheme};
use crate::store;
use crate::store::password_file::can_hold;

/// Where to, and for whom.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Write to this file, mode 0600, replacing it; without it, to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::PasswordFile)]
    format: Format,
    /// The broker that is to read it
    #[arg(id = "for", long, value_enum, value_name = "VERSION", default_value_t = Broker::V2_0)]
    broker: Broker,
    /// Export accounts, and with dynsec roles and rules, that are bound to a client id, networks, a
    /// time or conditions, without these bounds
    #[arg(long)]
    drop_bounds: bool,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A file for Mosquitto's password_file
    PasswordFile,
    /// The JSON file of Mosquitto's dynamic-security plugin: accounts, groups, roles and defaults of
    /// a database
    Dynsec,
    /// A file for Mosquitto's acl_file: what the roles of a database let each account publish and
    /// read
    AclFile,
}

/// Which broker reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Broker {
    /// Any 2.x broker: salts of 12 bytes
    #[value(name = "2.0")]
    V2_0,
    /// A 2.1 broker: salts of 64 bytes too
    #[value(name = "2.1")]
    V2_1,
    /// Any broker with doorman: a password file with every kind of hash, and SCRAM keys
    Doorman,
}

/// How it went.
#[derive(Serialize)]
struct Summary {
    exported: u64,
    left_out: u64,
}

impl Answer for Summary {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{} exported, {} left out",
            self.exported, self.left_out
        )
    }
}

/// Runs `doorman export`.
pub(super) fn run(args: &ExportArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let mut store = args.place.store("export")?;
    match args.format {
        Format::PasswordFile => {}
        Format::Dynsec => return documents(args, store.as_mut(), printer),
        Format::AclFile => return rules(args, store.as_mut(), printer),
    }
    let mut left_out = Vec::new();
    let exported = match &args.output {
        Some(path) => to_file(path, |out| {
            write_all(store.as_mut(), args, &mut left_out, out)
        })?,
        None => {
            let written = write_all(store.as_mut(), args, &mut left_out, printer.raw())?;
            printer.finish()?;
            written
        }
    };
    for LeftOut { name, why } in &left_out {
        printer.note(format_args!("{} left out: {why}", print::name(name)));
    }
    if args.output.is_some() {
        printer.answer(&Summary {
            exported,
            left_out: u64::try_from(left_out.len()).unwrap_or(u64::MAX),
        })?;
    }
    Ok(if left_out.is_empty() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Writes a file of dynamic-security.
fn documents(
    args: &ExportArgs,
    store: &mut dyn store::Store,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let dynsec::Made { document, told } = dynsec::read(store, args)?;
    let exported = u64::try_from(document.accounts.len()).unwrap_or(u64::MAX);
    let told = told.iter().map(|(whose, why)| format!("{whose}: {why}"));
    let told: Vec<String> = told.collect();
    let carried = Carried {
        exported,
        roles: document.roles.len(),
        groups: document.groups.len(),
        not_exact: told.len(),
    };
    text(args, printer, &document.to_json(), &told, &carried)
}

/// Writes an ACL file.
fn rules(
    args: &ExportArgs,
    store: &mut dyn store::Store,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let made = acl_file::read(store, args)?;
    text(args, printer, &made.text, &made.told, &made.summary)
}

/// Writes a whole file, and what it does not say as the database does.
fn text(
    args: &ExportArgs,
    printer: &mut Printer,
    text: &str,
    told: &[String],
    summary: &impl Answer,
) -> Result<Exit, Failure> {
    match &args.output {
        Some(path) => {
            to_file(path, |out| {
                out.write_all(text.as_bytes())
                    .map_err(|error| Failure::file(path, &error))
            })?;
        }
        None => {
            printer.raw().write_all(text.as_bytes())?;
            printer.finish()?;
        }
    }
    for told in told {
        printer.note(told);
    }
    if args.output.is_some() {
        printer.answer(summary)?;
    }
    Ok(match told.is_empty() {
        true => Exit::Done,
        false => Exit::Refused,
    })
}

/// How it went with a file of dynamic-security.
#[derive(Serialize)]
struct Carried {
    exported: u64,
    roles: usize,
    groups: usize,
    not_exact: usize,
}

impl Answer for Carried {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{} accounts, {} roles and {} groups exported, {} things not as the database has them",
            self.exported, self.roles, self.groups, self.not_exact
        )
    }
}

/// An account that is not in the file.
struct LeftOut {
    name: AccountName,
    why: &'static str,
}

fn write_all(
    store: &mut dyn store::Store,
    args: &ExportArgs,
    left_out: &mut Vec<LeftOut>,
    out: &mut dyn Write,
) -> Result<u64, Failure> {
    let now = clock::now();
    let mut exported = 0_u64;
    let mut trouble = Trouble::default();
    let visited = store.accounts(&mut |account| {
        match line(&account, args, now) {
            Ok(credential) => {
                trouble.keep(writeln!(out, "{}:{credential}", account.name))?;
                exported = exported.saturating_add(1);
            }
            Err(why) => left_out.push(LeftOut {
                name: account.name,
                why,
            }),
        }
        Ok(())
    });
    trouble.end(visited).map(|()| exported)
}

/// Replaces a file whole: readers see the old one or the new one.
fn to_file<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let wrong = |error: io::Error| Failure::file(path, &error);
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        Some(_) | None => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(".doorman-")
        .suffix(".tmp")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(dir)
        .map_err(wrong)?;
    let mut out = BufWriter::new(file.as_file());
    let written = write(&mut out)?;
    out.flush().map_err(wrong)?;
    drop(out);
    file.as_file().sync_all().map_err(wrong)?;
    file.persist(path).map_err(|error| wrong(error.error))?;
    std::fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(wrong)?;
    Ok(written)
}

/// The stored text of an account that the stock broker can hold and treats as doorman does, or why
/// there is none.
fn line<'a>(
    account: &'a Account,
    args: &ExportArgs,
    now: Timestamp,
) -> Result<&'a str, &'static str> {
    let name = account.name.as_str();
    if name.contains(':') || name.starts_with('#') || name.trim() != name {
        return Err("the name cannot stand in a password file");
    }
    if account.disabled {
        return Err("the account is disabled");
    }
    if account.valid_until.is_some_and(|until| until <= now) {
        return Err("the account has expired");
    }
    let bound = account.valid_from.is_some()
        || account.valid_until.is_some()
        || account.client_id.is_some()
        || !account.networks.is_empty()
        || !account.certificates.is_empty();
    if bound && !args.drop_bounds {
        return Err(
            "it is bound to a client id, networks, certificates or a time, which the stock broker does not \
             know; \
             --drop-bounds exports it all the same",
        );
    }
    let credential = account.credential.as_ref().ok_or("it has no password")?;
    if credential.scheme != Scheme::Marked || !readable(&credential.text, args.broker) {
        return Err(match args.broker {
            Broker::V2_0 | Broker::V2_1 => "the stock broker cannot read this kind of hash",
            Broker::Doorman => "a password file cannot hold this kind of hash",
        });
    }
    Ok(&credential.text)
}

/// Whether the stock broker reads this hash: exactly `$6$SALT$HASH` or `$7$N$SALT$HASH`, a hash of
/// 64 bytes, a salt of a length it expects. Anything else stops a 2.1 broker; doorman reads all.
fn readable(text: &str, broker: Broker) -> bool {
    let long_salts = match broker {
        Broker::V2_0 => false,
        Broker::V2_1 => true,
        Broker::Doorman => return can_hold(text),
    };
    let mut parts = text.split('$');
    if parts.next() != Some("") {
        return false;
    }
    let iterations_fit = match parts.next() {
        Some("6") => true,
        Some("7") => parts
            .next()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse::<i32>().ok())
            .is_some_and(|iterations| iterations >= 1),
        Some(_) | None => false,
    };
    let mut length = || STANDARD.decode(parts.next()?).ok().map(|bytes| bytes.len());
    let salt_fits = match length() {
        Some(12) => true,
        Some(64) => long_salts,
        Some(_) | None => false,
    };
    let hash_fits = length() == Some(64);
    iterations_fit && salt_fits && hash_fits && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(head: &str, salt: usize, hash: usize) -> String {
        let encode = |length| STANDARD.encode(vec![7_u8; length]);
        format!("{head}{}${}", encode(salt), encode(hash))
    }

    #[test]
    fn what_the_stock_broker_writes_it_reads() {
        for broker in [Broker::V2_0, Broker::V2_1] {
            assert!(readable(&hash("$7$101$", 12, 64), broker));
            assert!(readable(&hash("$6$", 12, 64), broker));
        }
        assert!(readable(&hash("$7$1000$", 64, 64), Broker::V2_1));
    }

    #[test]
    fn what_would_stop_a_broker_is_left_out() {
        assert!(!readable(&hash("$7$1000$", 64, 64), Broker::V2_0));
        for bad in [
            hash("$7$0$", 12, 64),
            hash("$7$-1$", 12, 64),
            hash("$7$+1$", 12, 64),
            hash("$7$1$", 16, 64),
            hash("$7$1$", 12, 32),
            hash("7$1$", 12, 64),
            hash("$8$1$", 12, 64),
            format!("{}$x", hash("$7$1$", 12, 64)),
            hash("$7$1$", 12, 64).replace('=', ""),
            String::new(),
        ] {
            assert!(!readable(&bad, Broker::V2_1), "{bad}");
        }
    }
}
