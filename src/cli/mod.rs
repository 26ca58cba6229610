//! The operator's door: the command line `doorman`.
//!
//! Must not: know the engine or the plugin, or hold a rule about accounts that the plugin does not
//! share; it reads arguments, asks the store and admin rooms, and prints. This file is the one way
//! in and the one way out.
#![forbid(unsafe_code)]

mod actor;
mod args;
mod ask;
mod audit;
mod broker;
mod certificate;
mod check;
mod clock;
mod convert;
mod cost;
mod deed;
mod default;
mod details;
mod exit;
mod export;
mod grant;
mod group;
mod group_view;
mod import;
mod init;
mod options;
mod passwd;
mod place;
mod print;
mod prompt;
mod psk;
mod role;
mod role_details;
mod role_view;
mod rule;
mod status;
mod tally;
mod user;
mod verify;
mod view;
mod way;

use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use self::args::{Cli, Verb};
use self::exit::{Exit, Failure};
use self::print::{Format, Printer};

/// Runs `doorman` with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = discreet(error);
            // Help goes to standard output, mistakes to standard error; if that is gone, so be it.
            let _gone = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let mut printer = Printer::new(if cli.json {
        Format::Json
    } else {
        Format::People
    });
    let ended = run(cli.verb, &mut printer).and_then(|exit| {
        printer.finish()?;
        Ok(exit)
    });
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) if failure.hung_up => Exit::Done.into(),
        Err(failure) => {
            printer.note(&failure);
            failure.exit.into()
        }
    }
}

/// A mistake on the command line without the words that could be a password somebody put there:
/// what is printed ends in logs.
fn discreet(mut error: clap::Error) -> clap::Error {
    let kind = if error.kind() == ErrorKind::UnknownArgument {
        ContextKind::InvalidArg
    } else if error.kind() == ErrorKind::TooManyValues {
        ContextKind::InvalidValue
    } else {
        return error;
    };
    let word = error.get(kind);
    if word.is_some_and(|word| !word.to_string().starts_with('-')) {
        error.insert(kind, ContextValue::String("(not shown)".to_owned()));
        error.remove(ContextKind::Suggested);
    }
    error
}

fn run(verb: Verb, printer: &mut Printer) -> Result<Exit, Failure> {
    match verb {
        Verb::Init(args) => init::run(&args, printer),
        Verb::User(args) => user::run(args, printer),
        Verb::Psk(args) => psk::run(&args, printer),
        Verb::Role(args) => role::run(args, printer),
        Verb::Group(args) => group::run(args, printer),
        Verb::Default(args) => default::run(&args, printer),
        Verb::Audit(args) => audit::run(args, printer),
        Verb::Import(args) => import::run(&args, printer),
        Verb::Export(args) => export::run(&args, printer),
        Verb::Explain(args) => ask::explain(&args, printer),
        Verb::Test(args) => ask::test(&args, printer),
        Verb::Status(args) => status::run(&args, printer),
        Verb::Check(args) => check::run(&args, printer),
        Verb::Passwd(args) => passwd::run(&args, printer),
        Verb::Options(args) => options::run(&args, printer),
        Verb::Completions { shell } => completions(shell, printer),
        Verb::Man { dir } => man(dir.as_deref(), printer),
    }
}

fn completions(shell: clap_complete::Shell, printer: &mut Printer) -> Result<Exit, Failure> {
    // Into memory first: clap_complete panics where its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "doorman", &mut script);
    printer.raw().write_all(&script)?;
    Ok(Exit::Done)
}

fn man(dir: Option<&Path>, printer: &mut Printer) -> Result<Exit, Failure> {
    match dir {
        Some(dir) => {
            clap_mangen::generate_to(Cli::command(), dir)
                .map_err(|error| Failure::file(dir, &error))?;
        }
        None => clap_mangen::Man::new(Cli::command()).render(&mut printer.raw())?,
    }
    Ok(Exit::Done)
}
