//! `doorman status`: what the plugin of a running broker counts.
//!
//! Must not: count anything itself; the figures are those of the `$SYS` topics.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::{Answer, Plain, Printer};
use crate::courier;
use crate::figures::Value;

/// Which broker.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

/// One figure.
#[derive(Serialize)]
struct FigureView {
    figure: String,
    value: Told,
}

/// What it says.
#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Number(u64),
    Words(String),
}

impl Answer for FigureView {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{:<34} ", Plain(&self.figure))?;
        match &self.value {
            Told::Number(number) => writeln!(out, "{number}"),
            Told::Words(words) => writeln!(out, "{}", Plain(words)),
        }
    }
}

/// Runs `doorman status`.
pub(super) fn run(args: &StatusArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let options = args.place.broker()?;
    let options = options.ok_or_else(|| {
        Failure::usage(
            "the figures are those of a running broker: give --broker URL, or set DOORMAN_BROKER",
        )
    })?;
    for (figure, value) in courier::figures(options)? {
        let value = match value {
            Value::Number(number) => Told::Number(number),
            Value::Words(words) => Told::Words(words),
        };
        printer.answer(&FigureView { figure, value })?;
    }
    Ok(Exit::Done)
}
