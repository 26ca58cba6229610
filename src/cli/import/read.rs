//! Lines of the input become records, in one of three notations.
//!
//! Must not: judge a record beyond its notation, or quote a line in an error: it may hold a
//! password.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Format;
use super::prepare::{Credentials, Fields, Record};
use crate::cli::exit::{Exit, Failure};
use crate::cli::prompt;
use crate::config::CostLimits;
use crate::credential::{Credential, ParseError};
use crate::model::StoredCredential;
use crate::secret::Secret;

/// The input, read in chunks.
pub(super) struct Reader {
    path: PathBuf,
    length: Option<u64>,
    notation: Notation,
}

enum Notation {
    /// `user:hash` or `user:password`.
    Lines {
        input: Input,
        plain: bool,
        number: u64,
        bytes: u64,
    },
    /// A table.
    Table {
        rows: Box<csv::Reader<Input>>,
        columns: Vec<Column>,
    },
}

struct Input(Box<dyn BufRead>);

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// What a column of the table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Password,
    Credential,
    ClientId,
    Networks,
    Certificates,
    Disabled,
    ValidFrom,
    ValidUntil,
    Notes,
}

impl Column {
    const ALL: [(&'static str, Self); 10] = [
        ("username", Self::Name),
        ("password", Self::Password),
        ("credential", Self::Credential),
        ("client_id", Self::ClientId),
        ("networks", Self::Networks),
        ("certificates", Self::Certificates),
        ("disabled", Self::Disabled),
        ("valid_from", Self::ValidFrom),
        ("valid_until", Self::ValidUntil),
        ("notes", Self::Notes),
    ];

    fn of(header: &str) -> Option<Self> {
        let header = header.trim();
        Self::ALL
            .iter()
            .find(|(word, _)| *word == header)
            .map(|(_, column)| *column)
    }
}

impl Reader {
    /// Opens the input and finds out its notation.
    pub(super) fn open(path: &Path, format: Format) -> Result<Self, Failure> {
        let wrong = |error: &io::Error| Failure::file(path, error);
        let (mut input, length) = if path == Path::new("-") {
            (Input(Box::new(BufReader::new(io::stdin()))), None)
        } else {
            let file = File::open(path).map_err(|error| wrong(&error))?;
            let length = file.metadata().map_err(|error| wrong(&error))?.len();
            let buffered = BufReader::with_capacity(BUFFER, file);
            (Input(Box::new(buffered)), Some(length))
        };
        let start = input.0.fill_buf().map_err(|error| wrong(&error))?;
        let format = match format {
            Format::Auto => recognise(path, start),
            Format::Mosquitto | Format::Plain | Format::Csv | Format::AclFile | Format::Dynsec => {
                format
            }
        };
        let notation = match format {
            Format::Csv => table(path, input)?,
            Format::Mosquitto | Format::Plain | Format::Auto | Format::AclFile | Format::Dynsec => {
                Notation::Lines {
                    input,
                    plain: format == Format::Plain,
                    number: 0,
                    bytes: 0,
                }
            }
        };
        Ok(Self {
            path: path.to_owned(),
            length,
            notation,
        })
    }

    /// The input's length in bytes, if it has one.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> u64 {
        match &self.notation {
            Notation::Lines { bytes, .. } => *bytes,
            Notation::Table { rows, .. } => rows.position().byte(),
        }
    }

    /// Whether the records hold passwords that must be hashed.
    pub(super) fn brings_passwords(&self) -> bool {
        match &self.notation {
            Notation::Lines { plain, .. } => *plain,
            Notation::Table { columns, .. } => columns.contains(&Column::Password),
        }
    }

    /// The next records, at most so many; none at the end.
    pub(super) fn chunk(&mut self, most: usize) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        while records.len() < most {
            match self.record()? {
                Some(record) => records.push(record),
                None => break,
            }
        }
        Ok(records)
    }

    fn record(&mut self) -> Result<Option<Record>, Failure> {
        match &mut self.notation {
            Notation::Lines {
                input,
                plain,
                number,
                bytes,
            } => loop {
                let mut line = Zeroizing::new(Vec::new());
                let read = input
                    .0
                    .read_until(b'\n', &mut line)
                    .map_err(|error| Failure::file(&self.path, &error))?;
                if read == 0 {
                    return Ok(None);
                }
                *number = number.saturating_add(1);
                *bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                if let Some(fields) = entry(&line, *plain) {
                    let number = *number;
                    return Ok(Some(Record { number, fields }));
                }
            },
            Notation::Table { rows, columns } => {
                let mut row = csv::ByteRecord::new();
                let more = match rows.read_byte_record(&mut row) {
                    Ok(more) => more,
                    Err(error) => return Err(broken(&self.path, error)),
                };
                let number = row.position().map_or(0, csv::Position::line);
                let fields = || cells(&row, columns);
                Ok(more.then(|| Record {
                    number,
                    fields: fields(),
                }))
            }
        }
    }
}

/// An error of the csv crate without the text it may quote.
fn broken(path: &Path, error: csv::Error) -> Failure {
    if let csv::ErrorKind::Io(error) = error.into_kind() {
        return Failure::file(path, &error);
    }
    Failure::new(
        Exit::Refused,
        format!("{}: this is no table that can be read", path.display()),
    )
}

fn table(path: &Path, input: Input) -> Result<Notation, Failure> {
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let header = rows.byte_headers().map_err(|error| broken(path, error))?;
    let mut columns = Vec::new();
    for cell in header {
        let cell = String::from_utf8_lossy(cell);
        let cell = cell.trim_start_matches('\u{feff}');
        let column = Column::of(cell).filter(|column| !columns.contains(column));
        columns.push(column.ok_or_else(|| {
            let known: Vec<_> = Column::ALL.iter().map(|(word, _)| *word).collect();
            Failure::new(
                Exit::Refused,
                format!(
                    "{}:1: a column is unknown or given twice; the first line must name the \
                     columns, and accepted are {}",
                    path.display(),
                    known.join(", ")
                ),
            )
        })?);
    }
    let has = |column| columns.contains(&column);
    if !has(Column::Name) || (has(Column::Password) && has(Column::Credential)) {
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "{}:1: there must be a column username, and password or credential but not both",
                path.display()
            ),
        ));
    }
    let rows = Box::new(rows);
    Ok(Notation::Table { rows, columns })
}

/// One line of `user:…`; nothing for a comment, a blank line and, in a password file, a line
/// without a colon, which the broker skips too.
fn entry(line: &[u8], plain: bool) -> Option<Result<Fields, String>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.first() == Some(&b'#') || line.trim_ascii().is_empty() {
        return None;
    }
    let Some(at) = line.iter().position(|byte| *byte == b':') else {
        return plain.then(|| Err("there is no colon between user and password".to_owned()));
    };
    let (name, rest) = line.split_at(at);
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    Some(read_entry(name, rest, plain))
}

fn read_entry(name: &[u8], rest: &[u8], plain: bool) -> Result<Fields, String> {
    let name = text(name.trim_ascii())?;
    let credentials = if plain {
        let secret = prompt::acceptable(Secret::new(rest.to_vec()));
        Credentials::Password(secret.map_err(|failure| failure.message)?)
    } else {
        let rest = text(rest.trim_ascii())?;
        // The broker ignores what follows a second colon; HiveMQ's hashes hold two themselves.
        let hash = if known(rest) {
            rest
        } else {
            rest.split(':').next().unwrap_or(rest).trim()
        };
        Credentials::Hashed(hash.into())
    };
    Ok(Fields::bare(name, credentials))
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "this is not UTF-8".to_owned())
}

fn known(credential: &str) -> bool {
    Credential::parse(&StoredCredential::marked(credential), &CostLimits::STANDARD).is_ok()
}

fn in_clear(credential: &str) -> bool {
    let stored = StoredCredential::marked(credential);
    matches!(
        Credential::parse(&stored, &CostLimits::STANDARD),
        Err(ParseError::Cleartext)
    )
}

fn cells(row: &csv::ByteRecord, columns: &[Column]) -> Result<Fields, String> {
    if row.len() != columns.len() {
        return Err(format!(
            "there are {} columns where the first line names {}",
            row.len(),
            columns.len()
        ));
    }
    let mut fields = Fields::bare("", Credentials::Absent);
    for (column, cell) in columns.iter().zip(row) {
        let shown = || text(cell).map(str::trim);
        match column {
            Column::Name => fields.name = text(cell)?.into(),
            Column::Password => {
                let secret = prompt::acceptable(Secret::new(cell.to_vec()));
                fields.credentials =
                    Credentials::Password(secret.map_err(|failure| failure.message)?);
            }
            Column::Credential => fields.credentials = Credentials::Hashed(shown()?.into()),
            Column::ClientId => fields.client_id = Some(shown()?.into()),
            Column::Networks => fields.networks = Some(shown()?.into()),
            Column::Certificates => fields.certificates = Some(shown()?.into()),
            Column::Disabled => fields.disabled = Some(shown()?.into()),
            Column::ValidFrom => fields.valid_from = Some(shown()?.into()),
            Column::ValidUntil => fields.valid_until = Some(shown()?.into()),
            Column::Notes => fields.notes = Some(shown()?.into()),
        }
    }
    Ok(fields)
}

/// The notation, as far as the name of the file tells it.
pub(super) fn notation(path: &Path, format: Format) -> Format {
    let is_json = || {
        path.extension()
            .is_some_and(|ext| ext.eq_ignore_ascii_case("json"))
    };
    if format == Format::Auto && is_json() {
        return Format::Dynsec;
    }
    format
}

/// Finds out the notation from the file's name and its first entry.
fn recognise(path: &Path, start: &[u8]) -> Format {
    if path
        .extension()
        .is_some_and(|ext| ext.eq_ignore_ascii_case("csv"))
    {
        return Format::Csv;
    }
    let mut lines = start.split(|byte| *byte == b'\n');
    let first = lines.find(|line| line.first() != Some(&b'#') && !line.trim_ascii().is_empty());
    let Some(first) = first else {
        return Format::Mosquitto;
    };
    let header = String::from_utf8_lossy(first);
    if header.contains(',') && header.trim().split(',').any(|cell| cell == "username") {
        return Format::Csv;
    }
    match entry(first, false) {
        Some(Ok(fields)) => match fields.credentials {
            Credentials::Hashed(text) if in_clear(&text) => Format::Plain,
            Credentials::Hashed(_) | Credentials::Password(_) | Credentials::Absent => {
                Format::Mosquitto
            }
        },
        Some(Err(_)) | None => Format::Mosquitto,
    }
}

/// Bytes read at once.
const BUFFER: usize = 1 << 16;
