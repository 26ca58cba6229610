//! `doorman audit`: the record of what administration did to a database.
//!
//! Must not: change a record. `prune` takes the oldest ones away together, and writes that down.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value};

use super::clock::{self, Past};
use super::exit::{Exit, Failure};
use super::place::PlaceArgs;
use super::print::{Answer, Listing, Plain, Printer};
use crate::model::AccountName;
use crate::show::Shown;
use crate::store::{self, Broken, Entry, Hash, Link, Pruned, Record, Search};

/// The place and the verb.
#[derive(Args, Debug)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do with the record.
#[derive(Subcommand, Debug)]
enum Verb {
    /// List what was done, the oldest first
    List(ListArgs),
    /// Check that no record was changed, or taken away from between others
    Verify(VerifyArgs),
    /// Take old records away; that is written down itself
    Prune(PruneArgs),
}

/// Which records.
#[derive(Args, Debug)]
struct ListArgs {
    /// Only from this moment on: a date (midnight UTC), RFC 3339, or so long ago: 30d, 12h
    #[arg(long, value_name = "WHEN", value_parser = Past::parse)]
    since: Option<Past>,
    /// Only before this moment
    #[arg(long, value_name = "WHEN", value_parser = Past::parse)]
    until: Option<Past>,
    /// Only what was done to this account
    #[arg(long, value_name = "NAME", value_parser = AccountName::new)]
    user: Option<AccountName>,
    /// Of these, only the newest so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// What must be there.
#[derive(Args, Debug)]
struct VerifyArgs {
    /// The record must continue this hash, which an earlier `doorman audit verify` told: then nothing up
    /// to there was changed, and nothing behind it was cut off
    #[arg(long, value_name = "HASH")]
    known: Option<Hash>,
}

/// How much to take away.
#[derive(Args, Debug)]
struct PruneArgs {
    /// What is older than this moment: a date (midnight UTC), RFC 3339, or so long ago: 365d, 52w
    #[arg(long, value_name = "WHEN", value_parser = Past::parse)]
    before: Past,
}

/// Runs `doorman audit`.
pub(super) fn run(args: AuditArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let place = &args.place;
    match args.verb {
        Verb::List(args) => list(place, printer, args),
        Verb::Verify(args) => verify(place, printer, &args),
        Verb::Prune(args) => prune(place, printer, &args),
    }
}

fn list(place: &PlaceArgs, printer: &mut Printer, args: ListArgs) -> Result<Exit, Failure> {
    let now = clock::now();
    let moment = |past: Option<Past>| past.map(|past| past.resolve(now)).transpose();
    let search = Search {
        since: moment(args.since).map_err(Failure::usage)?,
        until: moment(args.until).map_err(Failure::usage)?,
        username: args.user,
        newest: args.limit,
        behind: None,
    };
    let mut listing = Listing::to(printer);
    let listed = place.open()?.trail()?.records(&search, &mut |record| {
        listing.tell(&RecordView::new(record))
    });
    listing.end(listed)
}

fn verify(place: &PlaceArgs, printer: &mut Printer, args: &VerifyArgs) -> Result<Exit, Failure> {
    let mut office = place.open()?;
    let mut trail = office.trail()?;
    let anchor = trail.anchor()?;
    let (mut end, mut records) = (anchor, 0_u64);
    let mut met = args.known.is_none_or(|known| known == anchor.hash);
    let mut broken: Option<Broken> = None;
    let read = trail.records(&Search::default(), &mut |record| {
        if broken.is_some() {
            return Ok(());
        }
        match end.followed_by(&record) {
            Ok(next) => {
                end = next;
                records = records.saturating_add(1);
                met |= args.known == Some(record.hash);
            }
            Err(why) => broken = Some(why),
        }
        Ok(())
    });
    let wrong = |why: String| Failure::new(Exit::Problems, why);
    match (broken, read) {
        (Some(why), _) => return Err(wrong(why.to_string())),
        (None, Err(error @ store::Error::Corrupt { .. })) => return Err(wrong(error.to_string())),
        (None, read) => read?,
    }
    if !met {
        return Err(wrong(format!(
            "the record holds together, but no record has the hash that --known names: it was written \
             anew, cut off at its end, or pruned ({records} records)"
        )));
    }
    let Link { seq, hash } = end;
    let hash = hash.to_string();
    printer.answer(&Verified { records, seq, hash })?;
    Ok(Exit::Done)
}

fn prune(place: &PlaceArgs, printer: &mut Printer, args: &PruneArgs) -> Result<Exit, Failure> {
    let before = args.before.resolve(clock::now()).map_err(Failure::usage)?;
    let pruned = place.open()?.prune_record(before)?;
    let pruned = pruned.map_or(0, |Pruned { records, .. }| records);
    printer.answer(&Gone { pruned })?;
    Ok(Exit::Done)
}

/// One record.
#[derive(Serialize)]
struct RecordView {
    seq: i64,
    at: String,
    who: Box<str>,
    from: Box<str>,
    verb: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groupname: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolename: Option<Box<str>>,
    before: Value,
    after: Value,
    hash: String,
}

impl RecordView {
    fn new(record: Record) -> Self {
        let Entry {
            at,
            who,
            from,
            verb,
            username,
            groupname,
            rolename,
            before,
            after,
        } = record.entry;
        let [before, after] = [before, after].map(|side| side.map_or(Value::Null, value));
        Self {
            seq: record.seq,
            at: at.to_string(),
            who,
            from,
            verb,
            username,
            groupname,
            rolename,
            before,
            after,
            hash: record.hash.to_string(),
        }
    }

    /// Each field that differs, as it was and as it is.
    fn differences(&self) -> String {
        let none = Map::new();
        let [before, after] =
            [&self.before, &self.after].map(|side| side.as_object().unwrap_or(&none));
        let later = after.keys().filter(|key| !before.contains_key(*key));
        let mut text = String::new();
        for key in before.keys().chain(later) {
            // Writing to a String cannot fail.
            let _infallible = match (before.get(key), after.get(key)) {
                (Some(was), Some(is)) => {
                    write!(text, ", {} {} -> {}", Plain(key), shown(was), shown(is))
                }
                (None, Some(is)) => write!(text, ", {} {}", Plain(key), shown(is)),
                (Some(was), None) => write!(text, ", {} {} -> none", Plain(key), shown(was)),
                (None, None) => Ok(()),
            };
        }
        text.replacen(", ", ": ", 1)
    }
}

/// What is written down is JSON; whatever else somebody put there is text.
fn value(side: Box<str>) -> Value {
    serde_json::from_str(&side).unwrap_or_else(|_| Value::String(side.into()))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => Shown(text).to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(all) => {
            let all: Vec<_> = all.iter().map(shown).collect();
            format!("[{}]", all.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|(key, value)| format!("{} {}", Plain(key), shown(value)))
                .collect();
            format!("({})", fields.join(", "))
        }
    }
}

impl Answer for RecordView {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            seq,
            at,
            who,
            from,
            verb,
            ..
        } = self;
        let (who, from, verb) = (Plain(who), Plain(from), Plain(verb));
        write!(out, "{seq} {at} {who} {from} {verb}")?;
        for (what, name) in [
            ("client", &self.username),
            ("group", &self.groupname),
            ("role", &self.rolename),
        ] {
            if let Some(name) = name {
                write!(out, " {what} {}", Plain(name))?;
            }
        }
        writeln!(out, "{}", self.differences())
    }
}

/// A record that holds together.
#[derive(Serialize)]
struct Verified {
    records: u64,
    seq: i64,
    hash: String,
}

impl Answer for Verified {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { records, seq, hash } = self;
        writeln!(out, "{records} records hold together, up to number {seq}")?;
        writeln!(out, "{hash}")
    }
}

/// How many records were taken away.
#[derive(Serialize)]
struct Gone {
    pruned: u64,
}

impl Answer for Gone {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} records pruned", self.pruned)
    }
}
