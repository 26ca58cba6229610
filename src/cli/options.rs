//! `doorman options`: the option table and the reasons for a refusal, as text or as the page
//! `docs/options.md`.
//!
//! Must not: say anything that is not in the tables it prints.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::print::{Answer, Printer};
use crate::config::{OPTIONS, Opt};
use crate::verdict::Reason;

/// How to print them.
#[derive(Args, Debug)]
pub(super) struct OptionsArgs {
    /// Print the page docs/options.md
    #[arg(long)]
    markdown: bool,
}

/// One option.
#[derive(Serialize)]
struct Row {
    option: String,
    value: &'static str,
    default: Option<&'static str>,
    repeats: bool,
    help: &'static str,
}

impl Row {
    fn new(opt: &Opt) -> Self {
        Self {
            option: format!("plugin_opt_{}", opt.key),
            value: opt.value,
            default: opt.default,
            repeats: opt.repeats,
            help: opt.help,
        }
    }
}

impl Answer for Row {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}", self.option, self.value)?;
        writeln!(out, "    {}", self.help)?;
        if let Some(default) = self.default {
            writeln!(out, "    Default: {default}.")?;
        }
        if self.repeats {
            writeln!(out, "    May be given several times.")?;
        }
        writeln!(out)
    }
}

/// Runs `doorman options`.
pub(super) fn run(args: &OptionsArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    if args.markdown {
        page(printer.raw())?;
    } else {
        for opt in OPTIONS {
            printer.answer(&Row::new(opt))?;
        }
    }
    Ok(Exit::Done)
}

/// The page `docs/options.md`.
fn page(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    for row in OPTIONS.iter().map(Row::new) {
        writeln!(out, "\n### `{}`\n", row.option)?;
        writeln!(out, "{}\n", row.help)?;
        writeln!(out, "- value: `{}`", row.value)?;
        match row.default {
            Some(default) => writeln!(out, "- default: `{default}`")?,
            None => writeln!(out, "- default: none")?,
        }
        let times = if row.repeats { "several times" } else { "once" };
        writeln!(out, "- may be given {times}")?;
    }
    out.write_all(REASONS.as_bytes())?;
    for reason in Reason::ALL {
        writeln!(out, "| `{}` | {} |", reason.word(), reason.explanation())?;
    }
    Ok(())
}

const HEAD: &str = "\
# Options

Written by `doorman options --markdown`; a test compares them.

Every option is a line `plugin_opt_NAME VALUE` below the `plugin` line in `mosquitto.conf`. The broker
reads them when it starts, not on SIGHUP. An unknown option, one that is given twice or one whose value
cannot be taken keeps the broker from starting and is named in its log. `doorman check` finds such lines
before the broker does.

Sources (`password_file`, `database`) are asked in the order of their lines; the first one that knows the
username decides.

## The options
";

const REASONS: &str = "
## Why a client was refused

The client always learns the same \"not authorised\". The log says `reason=` and one of these words.

| reason | what it means |
|---|---|
";
