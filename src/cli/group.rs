//! `doorman group`: which roles a group has, and who is in it.
//!
//! Must not: treat the group of clients without a username as another kind: it is a group like any,
//! that somebody chose for them.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::deed::{Deed, carry_out};
use super::exit::{Exit, Failure};
use super::grant::{GrantArgs, PriorityArg, RolesArg};
use super::group_view::{GroupLine, GroupView};
use super::place::PlaceArgs;
use super::print::{Answer, Plain, Printer};
use super::role_details::Texts;
use super::role_view::HoldersArg;
use crate::admin::{self, Command, GroupChange};
use crate::model::{AccountName, GroupName};
use crate::policy::{Grantee, StoredGroup};

/// The place and the verb.
#[derive(Args, Debug)]
pub(super) struct GroupArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do with a group.
#[derive(Subcommand, Debug)]
enum Verb {
    /// Add a group without roles and members
    Add(SetArgs),
    /// Delete groups: all of them or, if one is not there, none
    Delete(NamesArg),
    /// List all groups
    List,
    /// Show one group: its roles and its members
    Show(ShowArgs),
    /// Change the texts
    Set(SetArgs),
    /// Give a group roles, which its members hold through it; or give them another priority
    Grant(GroupGrantArgs),
    /// Take roles back
    Revoke(RevokeArgs),
    /// Put accounts into a group, or give it another priority among their groups
    Join(JoinArgs),
    /// Take accounts out of a group
    Leave(MembersArg),
    /// Show or choose the group of clients without a username
    Anonymous(AnonymousArgs),
}

/// One group.
#[derive(Args, Debug)]
struct NameArg {
    /// The group's name
    #[arg(value_name = "GROUP", value_parser = GroupName::new)]
    name: GroupName,
}

/// Some groups.
#[derive(Args, Debug)]
struct NamesArg {
    /// The groups' names
    #[arg(value_name = "GROUP", required = true, value_parser = GroupName::new)]
    names: Vec<GroupName>,
}

/// A group and its fields.
#[derive(Args, Debug)]
struct SetArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    texts: Texts,
}

/// One group and what to tell of it.
#[derive(Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    members: HoldersArg,
}

/// A group and what to give it.
#[derive(Args, Debug)]
struct GroupGrantArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    grant: GrantArgs,
}

/// A group and what to take from it.
#[derive(Args, Debug)]
struct RevokeArgs {
    #[command(flatten)]
    name: NameArg,
    #[command(flatten)]
    roles: RolesArg,
}

/// A group and accounts.
#[derive(Args, Debug)]
struct MembersArg {
    #[command(flatten)]
    name: NameArg,
    /// The accounts' names: all of them or, if one is not there, none
    #[arg(value_name = "USER", required = true, value_parser = AccountName::new)]
    users: Vec<AccountName>,
}

/// A group, accounts, and how early they have it asked.
#[derive(Args, Debug)]
struct JoinArgs {
    #[command(flatten)]
    members: MembersArg,
    #[command(flatten)]
    priority: PriorityArg,
}

/// The group of clients without a username.
#[derive(Args, Debug)]
struct AnonymousArgs {
    /// Let clients without a username have the roles of this group
    #[arg(value_name = "GROUP", value_parser = GroupName::new)]
    name: Option<GroupName>,
    /// Let clients without a username be in no group
    #[arg(long, conflicts_with = "name")]
    none: bool,
}

/// Which group clients without a username have.
#[derive(Serialize)]
struct Anonymous {
    anonymous_group: Option<String>,
}

impl Answer for Anonymous {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.anonymous_group {
            Some(name) => writeln!(out, "{}", Plain(name)),
            None => writeln!(out, "clients without a username are in no group"),
        }
    }
}

/// Runs `doorman group`.
pub(super) fn run(args: GroupArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let place = &args.place;
    match args.verb {
        Verb::Add(args) => {
            let GroupChange {
                textname,
                textdescription,
            } = args.texts.change();
            let mut group = StoredGroup::named(args.name.name.clone());
            group.textname = textname.flatten();
            group.textdescription = textdescription.flatten();
            let deed = Deed::group(&args.name.name, Command::AddGroup(group));
            carry_out(place, printer, [deed])
        }
        Verb::Delete(NamesArg { names }) => {
            let delete = |name: GroupName| Deed::group(&name, Command::DeleteGroup(name.clone()));
            carry_out(place, printer, names.into_iter().map(delete))
        }
        Verb::List => list(place, printer),
        Verb::Show(args) => show(place, printer, &args),
        Verb::Set(args) => set(place, printer, &args),
        Verb::Grant(args) => {
            let to = Grantee::Group(args.name.name);
            carry_out(place, printer, args.grant.grant(&to))
        }
        Verb::Revoke(args) => {
            let from = Grantee::Group(args.name.name);
            carry_out(place, printer, args.roles.revoke(&from))
        }
        Verb::Join(args) => {
            let priority = args.priority.priority;
            let join = |account, group| Command::JoinGroup {
                account,
                group,
                priority,
            };
            carry_out(place, printer, args.members.each(join))
        }
        Verb::Leave(args) => {
            let leave = |account, group| Command::LeaveGroup { account, group };
            carry_out(place, printer, args.each(leave))
        }
        Verb::Anonymous(args) => anonymous(place, printer, &args),
    }
}

impl MembersArg {
    fn each(&self, command: impl Fn(AccountName, GroupName) -> Command) -> Vec<Deed> {
        let group = &self.name.name;
        let deed = |account: &AccountName| {
            Deed::member(group, account, command(account.clone(), group.clone()))
        };
        self.users.iter().map(deed).collect()
    }
}

fn list(place: &PlaceArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let mut office = place.open()?;
    let mut lines = Vec::new();
    let listed = office.roles()?.groups(&mut |group| {
        lines.push(GroupLine::new(&group));
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
    let mut office = place.open()?;
    let mut groups = office.roles()?;
    let group = groups
        .group(name)?
        .ok_or_else(|| admin::Error::GroupMissing { name: name.clone() })?;
    let members = groups.members(name, args.members.wanted())?;
    let anonymous = groups.anonymous_group()?.as_ref() == Some(name);
    let mut view = GroupView::new(&group, &members);
    if anonymous {
        view = view.of_the_anonymous();
    }
    printer.answer(&view)?;
    Ok(Exit::Done)
}

fn set(place: &PlaceArgs, printer: &mut Printer, args: &SetArgs) -> Result<Exit, Failure> {
    let change = args.texts.change();
    if change == GroupChange::default() {
        return Err(Failure::usage(
            "nothing to set; give --textname or --textdescription",
        ));
    }
    let name = args.name.name.clone();
    let deed = Deed::group(&args.name.name, Command::SetGroup { name, change });
    carry_out(place, printer, [deed])
}

fn anonymous(
    place: &PlaceArgs,
    printer: &mut Printer,
    args: &AnonymousArgs,
) -> Result<Exit, Failure> {
    if args.none || args.name.is_some() {
        let command = Command::SetAnonymousGroup(args.name.clone());
        return carry_out(place, printer, [Deed::setting("anonymous group", command)]);
    }
    let mut office = place.open()?;
    let name = office.roles()?.anonymous_group()?;
    printer.answer(&Anonymous {
        anonymous_group: name.map(|name| name.to_string()),
    })?;
    Ok(Exit::Done)
}
