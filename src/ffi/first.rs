//! What happens at a start before any source is opened: a database that is not there is made.
//!
//! Must not: do anything where the database is there, or log a password.

use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use super::clock;
use crate::admin::Actor;
use crate::config::Config;
use crate::credential::Recipe;
use crate::founding::{Initial, first_start, take_over};
use crate::secret::Secret;

/// Makes the database of another plugin's file, or with somebody who may give orders.
///
/// # Errors
/// One clear line; then nothing was made.
pub(super) fn start(config: &Config) -> Result<(), String> {
    if let Some(file) = &config.config_file {
        return switch(config, file);
    }
    let Some((_, database)) = config.controlled() else {
        return Ok(());
    };
    let path = &database.path;
    if !config.auto_init || !database.roles || !is_missing(path) {
        return Ok(());
    }
    let initial = initial(config);
    let recipe = Recipe::Pbkdf2Sha512 {
        iterations: config.control_iterations,
    };
    let shown = path.display();
    let made = first_start(path, &initial, &recipe, actor());
    match made
        .map_err(|error| format!("there is no {shown} yet, and it cannot be made: {error}"))?
    {
        Some(written) => log::warn!(
            "{shown} was not there: it was made, with an account admin whose password is in {}; change \
             that and delete the file",
            written.display()
        ),
        None => log::warn!("{shown} was not there: it was made, with an account admin"),
    }
    Ok(())
}

/// From dynamic-security: once.
fn switch(config: &Config, file: &Path) -> Result<(), String> {
    let database = config.with_roles().ok_or(
        "plugin_opt_config_file becomes a database: name it by plugin_opt_database PATH, with \
         plugin_opt_database_roles true below it",
    )?;
    let (path, shown) = (&database.path, file.display());
    if is_missing(path) {
        return take_over(path, file, actor())
            .map_err(|error| format!("nothing was taken over: {error}"));
    }
    log::info!(
        "{shown} was taken over already: {} is there",
        path.display()
    );
    Ok(())
}

/// Whether there is surely nothing.
fn is_missing(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// As 2.1 asks for it: the file, then the environment.
fn initial(config: &Config) -> Initial {
    if let Some(path) = &config.password_init_file {
        return Initial::File(path.clone());
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the variable that 2.1's plugin reads; once, at the start"
    )]
    let variable = std::env::var_os("MOSQUITTO_DYNSEC_PASSWORD");
    match variable {
        Some(password) => Initial::Given(Secret::new(password.into_vec())),
        None => Initial::Random,
    }
}

/// Nobody but the start itself.
fn actor() -> Actor {
    Actor {
        who: "plugin".into(),
        from: "start".into(),
        at: clock::now().wall,
    }
}
