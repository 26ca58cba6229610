//! `doorman explain`: may this client do that, and why.
//!
//! Must not: say that something is allowed by any other exit code than 0.
#![forbid(unsafe_code)]

use clap::Args;

use super::named::SourcesArgs;
use super::user;
use crate::admin;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::Printer;
use crate::cli::rule::{qos, size};
use crate::model::AccountName;
use crate::policy::Qos;
use crate::reasons::{Action, Outcome, Request};
use crate::token::Acl;

/// What to ask.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExplainArgs {
    #[command(flatten)]
    sources: SourcesArgs,
    /// The username, or - for a client without one
    #[arg(value_name = "USER")]
    user: String,
    /// What it wants: publish, receive (to be sent what was published), subscribe or unsubscribe
    #[arg(value_name = "ACTION", value_parser = str::parse::<Action>)]
    action: Action,
    /// The topic, or the filter of a subscription
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// The client id, which %c stands for
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A role that the client's token names (plugin_opt_jwt_roles_claim); may be given several times
    #[arg(long = "token-role", value_name = "ROLE")]
    token_roles: Vec<Box<str>>,
    /// A topic that the client's token names (plugin_opt_jwt_acl_claim), in the list pub, sub or all; may be given several times
    #[arg(long = "token-acl", value_name = "LIST:TOPIC", value_parser = str::parse::<Acl>)]
    token_acl: Vec<Acl>,
    /// The QoS of the message, or the one that a subscription asks for [default: 0]
    #[arg(long, value_name = "0|1|2", value_parser = qos)]
    qos: Option<Qos>,
    /// The message is retained
    #[arg(long)]
    retain: bool,
    /// The size of the payload: bytes, or 64K, 1M [default: 0]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    payload: Option<u32>,
}

/// Runs `doorman explain`.
pub(in crate::cli) fn run(args: &ExplainArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let mut token_acl = Acl::default();
    token_acl.extend(args.token_acl.iter().cloned());
    let request = Request {
        user: user(&args.user).map_err(Failure::usage)?,
        client_id: args.client_id.clone(),
        token_roles: args.token_roles.clone(),
        token_acl,
        action: args.action,
        topic: args.topic.clone(),
        qos: args.qos,
        retain: args.retain,
        payload: args.payload,
    };
    // What nobody can ask is wrong whoever is asked.
    request.question().map_err(Failure::usage)?;
    let now = args.sources.moment()?;
    match args.sources.open()?.explain(&request, now)? {
        Some(reply) => {
            printer.answer(&reply)?;
            Ok(match reply.decision() {
                Outcome::Allowed => Exit::Done,
                Outcome::Denied | Outcome::Deferred => Exit::Denied,
            })
        }
        None => Err(missing(request.user)),
    }
}

fn missing(user: Option<AccountName>) -> Failure {
    match user {
        Some(name) => admin::Error::Missing { name }.into(),
        None => Failure::new(Exit::Missing, "there is no such account"),
    }
}
