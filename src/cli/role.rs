//! `doorman role`: what a role says.
//!
//! Must not: know who asks what. A rule is written down here; the plugin asks it.
#![forbid(unsafe_code)]

use clap::{Args, Subcommand};

use super::clock;
use super::deed::{Deed, carry_out};
use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::Printer;
use super::role_details::RoleDetails;
use super::role_view::{HoldersArg, RoleLine, RoleView};
use super::rule::{AllowArgs, DenyArgs, RuleArg};
use crate::admin::{self, Command, RoleChange};
use crate::model::RoleName;
use crate::policy::StoredRole;

/// The place and the verb.
#[derive(Args, Debug)]
pub(super) struct RoleArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do with a role.
#[derive(Subcommand, Debug)]
enum Verb {
    /// Add a role without rules
    Add(SetArgs),
    /// Delete roles, and take them from everybody who holds them: all or, if one is not there, none
    Delete(NamesArg),
    /// List all roles
    List,
    /// Show one role: its rules in the order they are asked, and who holds it
    Show(ShowArgs),
    /// Change validity, wildcard subscriptions, the limit of administrators or texts
    Set(SetArgs),
    /// Let a rule allow: a new one, or the one of this type and topic, conditions and all
    Allow(AllowArgs),
    /// Let a rule deny: a new one, or the one of this type and topic
    Deny(DenyArgs),
    /// Remove the rule of this type and topic
    Remove(RuleArg),
}

/// One role.
#[derive(Args, Debug)]
struct NameArg {
    /// The role's name
    #[arg(value_name = "NAME", value_parser = RoleName::new)]
    name: RoleName,
}

/// Some roles.
#[derive(Args, Debug)]
struct NamesArg {
    /// The roles' names
    #[arg(value_name = "NAME", required = true, value_parser = RoleName::new)]
    names: Vec<RoleName>,
}

/// One role and what to tell of it.
#[derive(Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    holders: HoldersArg,
}

/// A role and its fields.
#[derive(Args, Debug)]
struct SetArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    details: RoleDetails,
}

/// Runs `doorman role`.
pub(super) fn run(args: RoleArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let place = &args.place;
    match args.verb {
        Verb::Add(args) => add(place, printer, &args),
        Verb::Delete(NamesArg { names }) => {
            let delete = |name: RoleName| Deed::role(&name, Command::DeleteRole(name.clone()));
            carry_out(place, printer, names.into_iter().map(delete))
        }
        Verb::List => list(place, printer),
        Verb::Show(args) => show(place, printer, &args),
        Verb::Set(args) => set(place, printer, &args),
        Verb::Allow(args) => carry_out(place, printer, [args.put()?]),
        Verb::Deny(args) => carry_out(place, printer, [args.put()?]),
        Verb::Remove(args) => carry_out(place, printer, [args.remove()]),
    }
}

fn add(place: &PlaceArgs, printer: &mut Printer, args: &SetArgs) -> Result<Exit, Failure> {
    let mut role = StoredRole::named(args.name.name.clone());
    let RoleChange {
        textname,
        textdescription,
        wildcard_subscriptions,
        valid_from,
        valid_until,
        admin_prefix,
    } = args.details.change(clock::now())?;
    role.textname = textname.flatten();
    role.textdescription = textdescription.flatten();
    role.wildcard_subscriptions = wildcard_subscriptions.unwrap_or_default();
    role.window.from = valid_from.flatten();
    role.window.until = valid_until.flatten();
    role.admin_prefix = admin_prefix.flatten();
    let deed = Deed::role(&args.name.name, Command::AddRole(role));
    carry_out(place, printer, [deed])
}

fn set(place: &PlaceArgs, printer: &mut Printer, args: &SetArgs) -> Result<Exit, Failure> {
    let change = args.details.change(clock::now())?;
    if change == RoleChange::default() {
        return Err(Failure::usage(
            "nothing to set; give --valid-from, --valid-until, --wildcard-subs, \
             --no-wildcard-subs, --admin-prefix, --no-admin-prefix, --textname or --textdescription",
        ));
    }
    let name = args.name.name.clone();
    let deed = Deed::role(&args.name.name, Command::SetRole { name, change });
    carry_out(place, printer, [deed])
}

fn list(place: &PlaceArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let now = clock::now();
    let mut store = place.open()?;
    let mut lines = Vec::new();
    let listed = store.roles()?.roles(&mut |role| {
        lines.push(RoleLine::new(&role, now));
        Ok(())
    });
    for line in &lines {
        printer.answer(line)?;
    }
    listed?;
    Ok(Exit::Done)
}

fn show(place: &PlaceArgs, printer: &mut Printer, args: &ShowArgs) -> Result<Exit, Failure> {
    let name = &args.name.name;
    let mut store = place.open()?;
    let mut roles = store.roles()?;
    let role = roles
        .role(name)?
        .ok_or_else(|| admin::Error::RoleMissing { name: name.clone() })?;
    let holders = roles.holders(name, args.holders.wanted())?;
    let groups = roles.groups_with(name)?;
    let view = RoleView::new(&role, clock::now()).held_by(&holders, &groups);
    printer.answer(&view)?;
    Ok(Exit::Done)
}
