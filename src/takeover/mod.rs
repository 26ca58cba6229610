//! Another broker's file laid over a database: all of it, proven by questions to both, or nothing.
//!
//! Must not: open the file, commit what was not asked about or was answered differently, or keep to itself
//! what the database says differently from the file.
#![forbid(unsafe_code)]

pub mod dynsec;
mod plan;
mod proving;
mod rights;

use serde::Serialize;

pub use self::plan::{Counts, Imported, Laid, Plan, Wanted, Written, in_order, ranked};
pub use self::proving::{Differing, Prover, Who, templates};
pub use self::rights::{Compiled, roles_and_groups};
use crate::admin::{self, Actor, Batch};
use crate::policy::TooMany;
use crate::store::{self, Roles, Store};

/// Something of the file that is to be told.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Where in the file.
    pub place: String,
    /// What.
    pub why: String,
    /// Whether the database says something else for it.
    #[serde(skip)]
    pub is_loss: bool,
}

/// Why a file was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It cannot be changed so.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// The file is none, or cannot be in a database.
    #[error("{0}")]
    File(String),
    /// There are more rules than can be asked.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// What came of it.
pub struct Carried {
    /// What was laid over what.
    pub laid: Laid,
    /// What was asked; nothing, where something was in the way.
    pub prover: Option<Prover>,
    /// Whether it counts now.
    pub is_done: bool,
}

/// Lays a plan over the database, and keeps that if nothing is in the way and the proof holds. `file` is
/// for the record.
///
/// # Errors
/// When the database cannot be read or changed; then nothing has changed.
pub fn carry<E, P>(
    store: &mut dyn Store,
    actor: Actor,
    file: &str,
    plan: &Plan,
    replace: bool,
    prove: P,
) -> Result<Carried, E>
where
    E: From<admin::Error>,
    P: FnOnce(&mut dyn Roles) -> Result<Prover, E>,
{
    let mut batch = Batch::import(store, actor, file)?;
    let laid = plan.lay(&mut batch, replace)?;
    if !laid.conflicts.is_empty() {
        return Ok(Carried {
            laid,
            prover: None,
            is_done: false,
        });
    }
    let prover = prove(batch.roles()?.as_mut())?;
    let is_done = prover.proof.disagreeing == 0;
    if is_done {
        batch.commit()?;
    }
    Ok(Carried {
        laid,
        prover: Some(prover),
        is_done,
    })
}
