//! The command line's shape. Each command's own flags stand beside the code that reads them.
//!
//! Must not: hold defaults or rules that the commands do not share.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::ask::{ExplainArgs, TestArgs};
use super::audit::AuditArgs;
use super::check::CheckArgs;
use super::default::DefaultArgs;
use super::exit::Exit;
use super::export::ExportArgs;
use super::group::GroupArgs;
use super::import::ImportArgs;
use super::init::InitArgs;
use super::options::OptionsArgs;
use super::passwd::PasswdArgs;
use super::psk::PskArgs;
use super::role::RoleArgs;
use super::status::StatusArgs;
use super::user::UserArgs;

/// Keep the accounts of mosquitto-doorman, with or without a running broker.
///
/// Accounts are in a password file in Mosquitto's format or in a database; roles and groups are in a
/// database. Changes take effect within a
/// second, and connections of accounts that were changed or removed are ended; the broker needs no
/// signal. With --broker the same commands are sent to a running broker, and no file need be there.
#[derive(Parser, Debug)]
#[command(name = "doorman", version, after_help = Exit::table(), subcommand_required = true,
          arg_required_else_help = true)]
pub(super) struct Cli {
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(super) enum Verb {
    /// Create a database or password file for the broker, empty or with an administrator
    Init(InitArgs),
    /// Add, change, delete, show and verify accounts
    User(UserArgs),
    /// Give accounts keys of TLS-PSK, take them away, list and seal them
    Psk(PskArgs),
    /// Add, change, delete and show roles and their rules: who may publish and read what
    Role(RoleArgs),
    /// Add, change, delete and show groups: accounts that have roles in common
    Group(GroupArgs),
    /// Show or set what clients may do where no rule of a role answers
    Default(DefaultArgs),
    /// Show, check and shorten the record of what was done to a database
    Audit(AuditArgs),
    /// Import many accounts from a password file, a plain list or a CSV table; or roles from an
    /// acl_file or the file of dynamic-security
    Import(ImportArgs),
    /// Write a password file that the stock broker accepts, or a file of dynamic-security
    Export(ExportArgs),
    /// Say whether a client may do something, and why: which rule decided, and what it beat
    Explain(ExplainArgs),
    /// Check a table of expected answers: who may do what, and who may not
    Test(TestArgs),
    /// Show what the plugin of a running broker counts: logins, refusals by reason, sessions, orders
    Status(StatusArgs),
    /// Look for mistakes in a mosquitto.conf and measure what the stored credentials cost
    Check(CheckArgs),
    /// Do what mosquitto_passwd does, without losing anything
    Passwd(PasswdArgs),
    /// List the plugin_opt_ options
    Options(OptionsArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands into a directory
    Man {
        /// The directory; it must exist
        dir: Option<PathBuf>,
    },
}
