//! The start of a plugin that comes after dynamic-security: its file becomes the database.
//!
//! Must not: read the file where the database is there, take over less than all of it, or quote a
//! credential.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use super::start::Error;
use crate::admin::Actor;
use crate::store::sqlite::Database;
use crate::takeover::dynsec::Understood;
use crate::takeover::{Carried, Told, carry};

/// Makes the database of the file, and tells in the log what there is to be told.
///
/// # Errors
/// When something of the file cannot be in a database, or is answered differently there; then there is no
/// database.
pub fn take_over(database: &Path, file: &Path, actor: Actor) -> Result<(), Error> {
    let shown = file.display().to_string();
    let bytes = fs::read(file).map_err(|error| Error::File {
        path: file.to_owned(),
        why: error.to_string(),
    })?;
    let understood = Understood::of(&bytes, &shown)?;
    tell(&understood.told);
    let lost = understood.told.iter().filter(|told| told.is_loss).count();
    if lost > 0 {
        return Err(Error::Lossy { file: shown, lost });
    }
    let now = actor.at;
    let Carried { laid, prover, .. } =
        Database::found(database, None, |store| -> Result<_, Error> {
            let carried = carry(store, actor, &shown, &understood.plan, false, |roles| {
                Ok::<_, Error>(understood.prove(roles, now)?)
            })?;
            match carried.is_done {
                true => Ok(carried),
                false => Err(differing(&carried, &shown)),
            }
        })?;
    let (questions, clients) = prover.map_or((0, 0), |prover| (prover.proof.asked, prover.clients));
    log::warn!(
        "{shown} was taken over into {}: {} accounts, {} groups, {} roles; {questions} questions asked \
         about {clients} clients, of the file and of the database: no answer differs",
        database.display(),
        laid.accounts.added,
        laid.groups.added,
        laid.roles.added,
    );
    Ok(())
}

/// One line for each remark.
fn tell(told: &[Told]) {
    for Told {
        place,
        why,
        is_loss,
    } in told.iter().take(MOST_TOLD)
    {
        if *is_loss {
            log::warn!("{place}: {why}");
        } else {
            log::info!("{place}: {why}");
        }
    }
    let more = told.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        log::warn!(
            "and {more} remarks more; `doorman import` into another database tells all of them"
        );
    }
}

fn differing(carried: &Carried, file: &str) -> Error {
    for conflict in carried.laid.conflicts.iter().take(MOST_TOLD) {
        log::warn!("{conflict}");
    }
    let prover = carried.prover.as_ref();
    for told in prover
        .map(|prover| prover.differing())
        .iter()
        .flatten()
        .take(MOST_TOLD)
    {
        log::warn!("{}", told.line());
    }
    Error::Differs {
        file: file.to_owned(),
    }
}

/// So many remarks have a line of their own.
const MOST_TOLD: usize = 100;
