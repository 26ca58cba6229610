//! The operator's own statements: what they may be, and their parameters.
//!
//! Must not: run one. Accepted is a single `SELECT` with the parameters `:username` and `:client_id`
//! and columns that mean something.
#![forbid(unsafe_code)]

use std::path::Path;

use rusqlite::{Connection, ErrorCode, Statement};

use super::{failure, query};
use crate::store::Error;

/// What a statement may be.
pub(super) struct Form {
    /// The option it is given with.
    pub(super) option: &'static str,
    /// Its first columns, in words.
    pub(super) leading: &'static str,
    /// How many those are.
    pub(super) columns: usize,
    /// The columns behind them, by name.
    pub(super) named: &'static [&'static str],
}

impl Form {
    /// Refuses a statement that is not of this form.
    ///
    /// # Errors
    /// With what is wrong about it.
    pub(super) fn check(
        &self,
        connection: &Connection,
        path: &Path,
        sql: &str,
    ) -> Result<(), Error> {
        let option = self.option;
        let invalid = |why: String| Error::Invalid {
            path: path.to_owned(),
            why: format!("{option}: {why}"),
        };
        let statement = connection.prepare(sql).map_err(|error| {
            if matches!(error, rusqlite::Error::MultipleStatement) {
                invalid("exactly one statement is accepted".to_owned())
            } else if let rusqlite::Error::SqlInputError { msg, .. } = error {
                invalid(msg)
            } else if error.sqlite_error_code() == Some(ErrorCode::Unknown) {
                invalid(error.to_string())
            } else {
                failure(path, &error)
            }
        })?;
        self.shape(&statement).map_err(invalid)?;
        let plan = query::plan(connection, sql).map_err(|error| failure(path, &error))?;
        if let Some(step) = plan.iter().find(|step| reads_everything(step)) {
            log::warn!(
                "{}: {option} reads a whole table for each login ({step}): add an index",
                path.display()
            );
        }
        Ok(())
    }

    fn shape(&self, statement: &Statement<'_>) -> Result<(), String> {
        if !statement.readonly() || statement.is_explain() != 0 || statement.column_count() == 0 {
            return Err("only a SELECT statement is accepted".to_owned());
        }
        if statement.column_count() < self.columns {
            return Err(format!("the first columns must be {}", self.leading));
        }
        let mut by_username = false;
        for index in 1..=statement.parameter_count() {
            match statement.parameter_name(index) {
                Some(USERNAME) => by_username = true,
                Some(CLIENT_ID) => {}
                Some(other) => {
                    return Err(format!(
                        "parameter {other}: accepted are {USERNAME} and {CLIENT_ID}"
                    ));
                }
                None => {
                    return Err(format!(
                        "a parameter ?: accepted are {USERNAME} and {CLIENT_ID}"
                    ));
                }
            }
        }
        if !by_username {
            return Err(format!("the statement must contain {USERNAME}"));
        }
        let names: Vec<&str> = statement.column_names().collect();
        let behind = names.get(self.columns..).unwrap_or_default();
        for (index, name) in behind.iter().enumerate() {
            let same = |other: &&str| other.eq_ignore_ascii_case(name);
            if !self.named.iter().any(same) {
                return Err(format!(
                    "column {name:?}: accepted behind {} are {}",
                    self.leading,
                    listed(self.named)
                ));
            }
            if behind.iter().take(index).any(same) {
                return Err(format!("column {name:?} is there twice"));
            }
        }
        Ok(())
    }
}

/// Whether the statement wants to know the client id.
pub(super) fn asks_client_id(connection: &Connection, sql: &str) -> rusqlite::Result<bool> {
    let statement = connection.prepare(sql)?;
    Ok(statement.parameter_index(CLIENT_ID)?.is_some())
}

/// Fills the parameters in.
pub(super) fn bind(
    statement: &mut Statement<'_>,
    username: &str,
    client_id: Option<&str>,
) -> rusqlite::Result<()> {
    for index in 1..=statement.parameter_count() {
        if statement.parameter_name(index) == Some(USERNAME) {
            statement.raw_bind_parameter(index, username)?;
        } else {
            statement.raw_bind_parameter(index, client_id)?;
        }
    }
    Ok(())
}

fn reads_everything(step: &str) -> bool {
    step.starts_with("SCAN ") && !step.contains("CONSTANT ROW")
}

fn listed(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => "none".to_owned(),
    }
}

const USERNAME: &str = ":username";
const CLIENT_ID: &str = ":client_id";
