//! Admin commands as they are, and questions to the store: what `doorman --broker` sends, so that it does
//! there what it does on a file.
//!
//! Must not: take a credential that is no hash, which would be a password in clear, or answer with one.
#![forbid(unsafe_code)]

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::hand::{Done, Hand};
use super::super::letter::Order;
use crate::admin::{Batch, Command, Error, Import, Outcome, Question};
use crate::config::CostLimits;
use crate::credential::Credential;
use crate::store;

/// `applyCommands`: `changes`, all of them or none.
pub(super) fn apply(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let commands: Vec<Command> = field(order, "changes")?;
    usable(&commands)?;
    let outcomes = commands
        .iter()
        .map(|command| hand.batch.carry_out(command))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Refusal::detailed)?;
    Ok(Some(json!(outcomes)))
}

/// `importCommands`: an `import`, each command of which counts for itself.
pub(super) fn import(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let import: Import = field(order, "import")?;
    usable(&import.commands)?;
    let mut told = Vec::new();
    let done = hand
        .batch
        .attempt(|batch| within(&import, batch, &mut told));
    match done {
        Ok(()) | Err(Undone::Wanted) => Ok(Some(json!(told))),
        Err(Undone::Because(error)) => Err(Refusal::detailed(error)),
    }
}

/// `pruneAudit`: what was written down `before` a moment.
pub(super) fn prune(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let before: Timestamp = field(order, "before")?;
    let pruned = hand.batch.prune_record(before);
    Ok(Some(json!(pruned.map_err(Refusal::detailed)?)))
}

/// `queryStore`: a `question`.
pub(super) fn ask(hand: &mut Hand<'_, '_>, order: &Order) -> Done {
    let question: Question = field(order, "question")?;
    let answer = question.answer(hand.batch).map_err(Refusal::detailed)?;
    Ok(Some(answer))
}

/// Why an import has done nothing.
enum Undone {
    Wanted,
    Because(Error),
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Because(error)
    }
}

fn within(
    import: &Import,
    batch: &mut Batch<'_>,
    told: &mut Vec<Result<Outcome, Error>>,
) -> Result<(), Undone> {
    let (lines, undo) = import.within(batch)?;
    *told = lines;
    match undo {
        true => Err(Undone::Wanted),
        false => Ok(()),
    }
}

/// A field that must be there and be what it should. What is wrong with it is not told in the reader's
/// words, which may hold what was sent.
fn field<T: DeserializeOwned>(order: &Order, name: &str) -> Result<T, Refusal> {
    let value = order.field(name).map_or(Value::Null, |json| json.value());
    serde_json::from_value(value).map_err(|_| Refusal::new(&format!("Invalid/missing {name}")))
}

/// Refuses what could not be checked.
fn usable(commands: &[Command]) -> Result<(), Refusal> {
    let credentials = commands.iter().flat_map(Command::credentials);
    for stored in credentials {
        if let Err(error) = Credential::parse(stored, &CostLimits::STANDARD) {
            return Err(Refusal::detailed(Error::Store(store::Error::Invalid {
                path: "the credential that was sent".into(),
                why: error.to_string(),
            })));
        }
    }
    Ok(())
}
