//! Mistakes that one line shows by itself: separators, blanks, comments, short names, old names.
//!
//! Must not: look at any other line.
#![forbid(unsafe_code)]

use super::conf::{Conf, Line};
use super::finding::Finding;

/// Looks at every line.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    conf.lines.iter().flat_map(one).collect()
}

fn one(line: &Line) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(separators(line));
    found.extend(comments(line));
    found.extend(blanks(line));
    found.extend(option(line));
    found.extend(old_name(line));
    found
}

fn separators(line: &Line) -> Option<Finding> {
    let at = &line.at;
    if line.raw.starts_with('\u{feff}') {
        return Some(Finding::problem(
            at,
            "the file begins with a byte order mark, which the broker takes for a part of the \
             first word; save it as plain UTF-8",
        ));
    }
    line.key.contains('\t').then(|| {
        Finding::problem(
            at,
            "a TAB stands where the broker expects a space; it takes the TAB for a part of the word",
        )
    })
}

fn comments(line: &Line) -> Option<Finding> {
    let at = &line.at;
    if line.key.starts_with('#') {
        return Some(Finding::problem(
            at,
            "a comment must begin in the first column; the broker does not start with this line",
        ));
    }
    let behind = line.value.contains(" #") || line.value.contains("\t#");
    (behind && line.option() != Some("database_query")).then(|| {
        Finding::problem(
            at,
            "the broker knows no comment behind a value: all of the line is the value",
        )
    })
}

fn blanks(line: &Line) -> Option<Finding> {
    let at = &line.at;
    let trailing = line.value.ends_with([' ', '\t']);
    if line.loads() {
        let behind_key = line
            .raw
            .trim_start_matches(' ')
            .strip_prefix(line.key.as_str())
            .unwrap_or_default();
        if behind_key.starts_with("  ") {
            return Some(Finding::problem(
                at,
                "two spaces stand before the path; a 2.1 broker takes the second one for a part of \
                 it and does not start",
            ));
        }
        if trailing {
            return Some(Finding::problem(
                at,
                "a blank stands behind the path; a 2.1 broker takes it for a part of it and does \
                 not start",
            ));
        }
    }
    (trailing && line.option().is_some()).then(|| {
        Finding::warning(
            at,
            "a blank stands behind the value; doorman ignores it, other plugins see it",
        )
    })
}

fn option(line: &Line) -> Option<Finding> {
    let key = line.option()?;
    let at = &line.at;
    if key.len() < 3 {
        Some(Finding::problem(
            at,
            "the name of an option must have at least three characters; the broker does not start",
        ))
    } else if line.value.trim().is_empty() {
        Some(Finding::problem(
            at,
            "the option has no value; the broker does not start",
        ))
    } else {
        None
    }
}

fn old_name(line: &Line) -> Option<Finding> {
    let (_, instead) = OLD.iter().find(|(old, _)| {
        old.strip_suffix('*')
            .map_or(line.key == *old, |start| line.key.starts_with(start))
    })?;
    Some(Finding::warning(
        &line.at,
        format!("{} is deprecated; {instead}", line.key),
    ))
}

/// Names that current brokers still understand or silently ignore, and what to write instead.
const OLD: [(&str, &str); 9] = [
    ("auth_plugin", "write plugin"),
    ("auth_opt_*", "write plugin_opt_…"),
    ("port", "write listener"),
    ("bind_address", "write listener PORT ADDRESS"),
    ("message_size_limit", "write max_packet_size"),
    ("allow_duplicate_messages", "leave it out"),
    ("retry_interval", "leave it out, it does nothing"),
    ("store_clean_interval", "leave it out, it does nothing"),
    ("trace_level", "leave it out, it does nothing"),
];
