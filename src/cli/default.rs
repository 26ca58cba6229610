//! `doorman default`: what clients may do where no rule of a role answers.
//!
//! Must not: let a word that is not understood change anything.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::deed::{Deed, carry_out};
use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::{Answer, Printer};
use crate::admin::{Command, DefaultsChange};
use crate::policy::{Defaults, Permission};

/// The place and the verb.
#[derive(Args, Debug)]
pub(super) struct DefaultArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What to do with the defaults.
#[derive(Subcommand, Debug)]
enum Verb {
    /// Show the four defaults; so does no verb at all
    Show,
    /// Set some of them: publishClientSend=deny subscribe=allow
    Set(SetArgs),
}

/// New defaults.
#[derive(Args, Debug)]
struct SetArgs {
    /// publishClientSend, publishClientReceive, subscribe or unsubscribe, then = and allow or deny;
    /// $CONTROL topics are never allowed by default
    #[arg(value_name = "ACLTYPE=allow|deny", required = true, value_parser = setting)]
    settings: Vec<Setting>,
}

/// One default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    about: About,
    permission: Permission,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Send,
    Receive,
    Subscribe,
    Unsubscribe,
}

/// The four defaults.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "the words of dynamic-security")]
struct DefaultsView {
    publishClientSend: &'static str,
    publishClientReceive: &'static str,
    subscribe: &'static str,
    unsubscribe: &'static str,
}

impl DefaultsView {
    fn new(defaults: Defaults) -> Self {
        Self {
            publishClientSend: word(defaults.send),
            publishClientReceive: word(defaults.receive),
            subscribe: word(defaults.subscribe),
            unsubscribe: word(defaults.unsubscribe),
        }
    }
}

impl Answer for DefaultsView {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (about, word) in [
            ("publishClientSend", self.publishClientSend),
            ("publishClientReceive", self.publishClientReceive),
            ("subscribe", self.subscribe),
            ("unsubscribe", self.unsubscribe),
        ] {
            writeln!(out, "{about:<22}{word}")?;
        }
        Ok(())
    }
}

/// Runs `doorman default`.
pub(super) fn run(args: &DefaultArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    match &args.verb {
        None | Some(Verb::Show) => {
            let mut office = args.place.open()?;
            let defaults = office.roles()?.defaults()?;
            printer.answer(&DefaultsView::new(defaults))?;
            Ok(Exit::Done)
        }
        Some(Verb::Set(set)) => {
            let command = Command::SetDefaults(change(&set.settings)?);
            carry_out(&args.place, printer, [Deed::setting("defaults", command)])
        }
    }
}

fn change(settings: &[Setting]) -> Result<DefaultsChange, Failure> {
    let mut change = DefaultsChange::default();
    for Setting { about, permission } in settings {
        let field = match about {
            About::Send => &mut change.send,
            About::Receive => &mut change.receive,
            About::Subscribe => &mut change.subscribe,
            About::Unsubscribe => &mut change.unsubscribe,
        };
        if field.replace(*permission).is_some() {
            return Err(Failure::usage("each default can be set once"));
        }
    }
    Ok(change)
}

fn setting(text: &str) -> Result<Setting, String> {
    let (about, permission) = text.split_once('=').ok_or(ACCEPTED)?;
    let about = match about.to_ascii_lowercase().as_str() {
        "publishclientsend" => About::Send,
        "publishclientreceive" => About::Receive,
        "subscribe" => About::Subscribe,
        "unsubscribe" => About::Unsubscribe,
        _ => return Err(ACCEPTED.to_owned()),
    };
    let permission = match permission {
        "allow" => Permission::Allow,
        "deny" => Permission::Deny,
        _ => return Err(ACCEPTED.to_owned()),
    };
    Ok(Setting { about, permission })
}

fn word(permission: Permission) -> &'static str {
    match permission {
        Permission::Allow => "allow",
        Permission::Deny => "deny",
    }
}

const ACCEPTED: &str = "accepted is publishClientSend, publishClientReceive, subscribe or \
                        unsubscribe, then =allow or =deny";
