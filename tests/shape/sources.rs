//! Reading `src/`: which file belongs to which room, and which rooms it names.
//!
//! A scanner of text, no parser: it sees `crate::room`, `crate::{a, b::c}` and a `super::` that
//! climbs to the crate's root. Comments do not count; a name made by a macro is not seen.

use std::fs;
use std::path::Path;

use super::map::Map;

/// One file of `src/`, with its path below it.
#[derive(Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

/// A room named by a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Mention {
    pub room: String,
    pub line: usize,
}

impl Source {
    /// Every Rust file of `src/`, in order.
    pub fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        collect(&root, &root, &mut found);
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// The room the file belongs to; `None` for the map itself and for programs, which are no rooms.
    pub fn room(&self) -> Option<&str> {
        let first = self.path.split('/').next().unwrap_or_default();
        let room = first.strip_suffix(".rs").unwrap_or(first);
        (!["lib", "bin"].contains(&room)).then_some(room)
    }

    /// The rooms of `map` this file names, and whatever else it looks for at the crate's root.
    pub fn mentions(&self, map: &Map) -> Vec<Mention> {
        let code = self.code();
        let root = "super::".repeat(self.depth());
        let mut found = Vec::new();
        for prefix in ["crate::", &root] {
            for (at, _) in code.match_indices(prefix) {
                let before = code[..at].chars().next_back();
                if before.is_some_and(|c| is_word(c) || c == ':') {
                    continue;
                }
                let line = code[..at].matches('\n').count() + 1;
                let mut named = first_names(&code[at + prefix.len()..]);
                // Inside a `mod tests { … }`, `super::` stays in the file: only rooms count.
                named.retain(|name| prefix == "crate::" || map.floor(name).is_some());
                found.extend(named.into_iter().map(|room| Mention { room, line }));
            }
        }
        found
    }

    /// The text with its comments blanked, line by line.
    fn code(&self) -> String {
        let lines = self.text.lines();
        lines
            .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// How many `super::` lead from this file to the crate's root.
    fn depth(&self) -> usize {
        let names = self.path.split('/').count();
        match self.path.ends_with("/mod.rs") {
            true => names - 1,
            false => names,
        }
    }
}

/// The names a path can begin with: one, or one per item of a `{…}` list.
fn first_names(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else {
        return word(path).into_iter().collect();
    };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut expects_name = true;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_name = true,
            c if expects_name && is_word(c) => {
                names.extend(word(&list[at..]));
                expects_name = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| is_word(*c)).collect();
    (!word.is_empty()).then_some(word)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn collect(root: &Path, dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("a directory of src") {
        let path = entry.expect("an entry of src").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(root).expect("a path below src");
            found.push(Source {
                path: below.display().to_string(),
                text: fs::read_to_string(&path).expect("a readable source"),
            });
        }
    }
}
