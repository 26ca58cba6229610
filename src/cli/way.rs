//! Flags of which one names what a command works on, each with its environment variable.
//!
//! Must not: guess. Several at once are an error; but a flag outweighs the environment, which is why
//! such groups are not derived: clap's own conflict rules do not tell the two apart.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, value_parser};

/// Flag, environment variable, what the value is called, help and what it becomes.
pub(super) struct Way<T> {
    pub(super) id: &'static str,
    pub(super) env: Option<&'static str>,
    pub(super) value: &'static str,
    pub(super) help: &'static str,
    pub(super) name: fn(PathBuf) -> T,
}

/// Adds the flags to a command.
pub(super) fn augment<T>(command: Command, ways: &[Way<T>], heading: &'static str) -> Command {
    ways.iter().fold(command, |command, way| {
        let arg = Arg::new(way.id)
            .long(way.id)
            // `doorman user --file F add` and `doorman user add --file F` are the same.
            .global(true)
            .value_name(way.value)
            .help(way.help)
            .help_heading(heading)
            .value_parser(value_parser!(PathBuf));
        command.arg(match way.env {
            Some(env) => arg.env(env),
            None => arg,
        })
    })
}

/// What the command line names or, if it names nothing, the environment.
///
/// # Errors
/// With this text, when several are named.
pub(super) fn named<T>(
    matches: &ArgMatches,
    ways: &[Way<T>],
    several: &'static str,
) -> Result<Option<T>, clap::Error> {
    for source in [ValueSource::CommandLine, ValueSource::EnvVariable] {
        let mut given = ways.iter().filter_map(|way| {
            matches
                .value_source(way.id)
                .filter(|from| *from == source)
                .and_then(|_| matches.get_one::<PathBuf>(way.id))
                .map(|path| (way.name)(path.clone()))
        });
        if let Some(named) = given.next() {
            return match given.next() {
                None => Ok(Some(named)),
                Some(_) => Err(clap::Error::raw(
                    clap::error::ErrorKind::ArgumentConflict,
                    several,
                )),
            };
        }
    }
    Ok(None)
}
