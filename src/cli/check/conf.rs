//! A `mosquitto.conf` as the broker reads it, with the place of each line kept.
//!
//! Must not: be kinder than the broker. Words are separated by spaces only, a comment begins in the
//! first column only, and options belong to the last plugin line of the same file.
#![forbid(unsafe_code)]

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A line's place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct At {
    /// The file, by the order in which it was read.
    order: usize,
    /// The line, from 1.
    pub(in crate::cli) line: u64,
    /// The file.
    pub(in crate::cli) file: Rc<Path>,
}

impl At {
    /// A line of a file that the configuration names, told behind its own.
    pub(in crate::cli) fn beyond(file: Rc<Path>, line: u64) -> Self {
        Self {
            order: usize::MAX,
            line,
            file,
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A line that is neither blank nor a comment.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Line {
    /// Where it stands.
    pub(in crate::cli) at: At,
    /// The whole line without its line break.
    pub(in crate::cli) raw: String,
    /// The first word.
    pub(in crate::cli) key: String,
    /// The rest without the blanks before it; blanks at the end stay.
    pub(in crate::cli) value: String,
    /// The `listener` line that it belongs to.
    pub(in crate::cli) listener: Option<At>,
    /// The plugin that an option belongs to, by its number in [`Conf::plugins`].
    plugin: Option<usize>,
}

impl Line {
    /// The name behind `plugin_opt_`, if this is such a line.
    pub(in crate::cli) fn option(&self) -> Option<&str> {
        let key = self.key.as_str();
        key.strip_prefix("plugin_opt_")
            .or_else(|| key.strip_prefix("auth_opt_"))
    }

    /// Whether this line loads a plugin.
    pub(in crate::cli) fn loads(&self) -> bool {
        LOADING.contains(&self.key.as_str())
    }
}

/// A plugin that the configuration loads, with its options in order.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Plugin {
    /// The line that loads it.
    pub(in crate::cli) line: Line,
    /// The name that `plugin_load` gives it.
    pub(in crate::cli) name: Option<String>,
    /// The shared object.
    pub(in crate::cli) path: PathBuf,
    /// Its options.
    pub(in crate::cli) options: Vec<PluginOption>,
}

/// One `plugin_opt_` line.
#[derive(Clone, Debug)]
pub(in crate::cli) struct PluginOption {
    /// Where it stands.
    pub(in crate::cli) at: At,
    /// The name behind `plugin_opt_`.
    pub(in crate::cli) key: String,
    /// The value.
    pub(in crate::cli) value: String,
}

impl Plugin {
    /// Whether this is mosquitto-doorman.
    pub(in crate::cli) fn is_ours(&self) -> bool {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        file.contains("mosquitto_doorman") || file.contains("mosquitto-doorman")
    }
}

/// A configuration with what it includes.
#[derive(Debug, Default)]
pub(in crate::cli) struct Conf {
    /// The lines that say something, in the order in which the broker reads them.
    pub(in crate::cli) lines: Vec<Line>,
    /// Lines that include something which cannot be read, and why.
    pub(in crate::cli) unreadable: Vec<(At, String)>,
    files: usize,
    plugins: usize,
}

impl Conf {
    /// Reads a configuration and the files of its `include_dir`.
    ///
    /// # Errors
    /// When the file itself cannot be read; what it includes is noted in [`Conf::unreadable`].
    pub(in crate::cli) fn read(path: &Path) -> io::Result<Self> {
        let mut conf = Self::default();
        conf.read_file(path, Depth::Main)?;
        Ok(conf)
    }

    /// The user that the broker becomes when it is started as root.
    pub(in crate::cli) fn user(&self) -> Option<String> {
        self.last("user").map(|line| line.value.trim().to_owned())
    }

    /// The last line with this first word.
    pub(in crate::cli) fn last(&self, key: &'static str) -> Option<&Line> {
        self.all(key).next_back()
    }

    /// The lines with this first word.
    pub(in crate::cli) fn all(&self, key: &'static str) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.key == key)
    }

    /// The plugins, each with its options.
    pub(in crate::cli) fn plugins(&self) -> Vec<Plugin> {
        let mut plugins = Vec::with_capacity(self.plugins);
        for line in self.lines.iter().filter(|line| line.loads()) {
            let value = line.value.trim_end();
            let (name, path) = match (line.key.as_str(), value.split_once(' ')) {
                ("plugin_load", Some((name, path))) => (Some(name.to_owned()), path.trim_start()),
                _ => (None, value),
            };
            plugins.push(Plugin {
                line: line.clone(),
                name,
                path: path.into(),
                options: Vec::new(),
            });
        }
        for line in &self.lines {
            let plugin: Option<&mut Plugin> = line.plugin.and_then(|at| plugins.get_mut(at));
            if let (Some(key), Some(plugin)) = (line.option(), plugin) {
                plugin.options.push(PluginOption {
                    at: line.at.clone(),
                    key: key.to_owned(),
                    value: line.value.clone(),
                });
            }
        }
        plugins
    }

    fn read_file(&mut self, path: &Path, depth: Depth) -> io::Result<()> {
        let bytes = fs::read(path)?;
        let file: Rc<Path> = path.into();
        let order = self.files;
        self.files = self.files.saturating_add(1);
        // The broker keeps both per file: an included file begins outside of any listener.
        let mut listener = None;
        let mut plugin = None;
        for (number, raw) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            let raw = String::from_utf8_lossy(raw).into_owned();
            if raw.starts_with('#') || raw.trim_matches(' ').is_empty() {
                continue;
            }
            let at = At {
                order,
                line: number,
                file: Rc::clone(&file),
            };
            let words = raw.trim_start_matches(' ');
            let (key, value) = words.split_once(' ').unwrap_or((words, ""));
            let key = key.to_owned();
            let value = value.trim_start_matches([' ', '\t']).to_owned();
            if key == "listener" {
                listener = Some(at.clone());
            }
            if LOADING.contains(&key.as_str()) {
                plugin = Some(self.plugins);
                self.plugins = self.plugins.saturating_add(1);
            }
            if key == "include_dir" && depth == Depth::Main {
                self.include(&at, Path::new(value.trim_end()));
            }
            self.lines.push(Line {
                at,
                raw,
                key,
                value,
                listener: listener.clone(),
                plugin,
            });
        }
        Ok(())
    }

    /// Reads the `*.conf` files of a directory in their alphabetical order.
    fn include(&mut self, at: &At, dir: &Path) {
        let files = fs::read_dir(dir).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut files = match files {
            Ok(files) => files,
            Err(error) => {
                let why = format!("{}: {error}", dir.display());
                self.unreadable.push((at.clone(), why));
                return;
            }
        };
        files.retain(|file| file.extension().is_some_and(|ext| ext == "conf"));
        files.sort();
        for file in files {
            if let Err(error) = self.read_file(&file, Depth::Included) {
                let why = format!("{}: {error}", file.display());
                self.unreadable.push((at.clone(), why));
            }
        }
    }
}

/// Whether a file may include others: the broker looks for `include_dir` in the main file only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Main,
    Included,
}

/// The words that load a plugin; the last two since 2.1.
const LOADING: [&str; 4] = ["plugin", "auth_plugin", "global_plugin", "plugin_load"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, included: &[(&str, &str)]) -> Conf {
        let dir = tempfile::tempdir().unwrap();
        let conf_d = dir.path().join("conf.d");
        fs::create_dir(&conf_d).unwrap();
        for (name, text) in included {
            fs::write(conf_d.join(name), text).unwrap();
        }
        let path = dir.path().join("mosquitto.conf");
        fs::write(&path, text.replace("CONF_D", conf_d.to_str().unwrap())).unwrap();
        Conf::read(&path).unwrap()
    }

    #[test]
    fn options_belong_to_the_last_plugin_of_the_same_file() {
        let conf = read(
            "plugin /lib/mosquitto_doorman.so\ninclude_dir CONF_D\nauth_opt_database /a\n",
            &[
                ("b.conf", "plugin /lib/other.so\nplugin_opt_x 1\n"),
                ("a.conf", "plugin_opt_lost 1\n"),
                ("c.txt", "plugin /lib/no.so\n"),
            ],
        );
        let plugins = conf.plugins();
        assert_eq!(plugins.len(), 2);
        let keys = |plugin: &Plugin| -> Vec<String> {
            plugin
                .options
                .iter()
                .map(|option| option.key.clone())
                .collect()
        };
        let (ours, others): (Vec<_>, Vec<_>) = plugins.iter().partition(|plugin| plugin.is_ours());
        assert_eq!(keys(ours[0]), ["database"]);
        assert_eq!(keys(others[0]), ["x"]);
    }

    #[test]
    fn lines_know_their_listener_and_included_files_begin_without_one() {
        let conf = read(
            "allow_anonymous true\nlistener 1883\ncertfile /x\ninclude_dir CONF_D\n",
            &[("a.conf", "keyfile /y\n")],
        );
        let listener_of = |key| conf.last(key).unwrap().listener.as_ref().map(|at| at.line);
        assert_eq!(listener_of("allow_anonymous"), None);
        assert_eq!(listener_of("certfile"), Some(2));
        assert_eq!(listener_of("keyfile"), None);
    }

    #[test]
    fn an_include_that_cannot_be_read_is_noted() {
        let conf = read("include_dir /nonexistent/conf.d\n", &[]);
        assert_eq!(conf.unreadable.len(), 1);
    }
}
