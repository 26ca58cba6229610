//! dynamic-security's file: its clients, groups, roles and settings, all of them or nothing.
//!
//! Must not: print a credential; what cannot be taken over is told by its place.
#![forbid(unsafe_code)]

use super::ImportArgs;
use super::rules;
use crate::cli::clock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::Printer;
use crate::store::Store;
use crate::takeover::dynsec::Understood;

/// Imports a file of dynamic-security.
pub(super) fn run(
    args: &ImportArgs,
    store: &mut dyn Store,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    store.roles()?.defaults()?;
    let bytes = rules::read(&args.input)?;
    let mut file = Understood::of(&bytes, &args.input.display().to_string())?;
    let told = std::mem::take(&mut file.told);
    rules::carry(args, printer, store, &file.plan, told, |roles| {
        Ok(file.prove(roles, clock::now())?)
    })
}
