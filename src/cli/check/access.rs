//! Files as the broker's user sees them: it drops its privileges before it loads a plugin, so what
//! root can read says nothing.
//!
//! Must not: open any of them, or trust this process's own rights. Mode bits are judged; access
//! control lists and security modules are not seen.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{User, getgrouplist};

use super::conf::{At, Conf, Plugin, PluginOption};
use super::finding::{Finding, Level};
use super::plugin;
use crate::config::SourceConfig;

/// Looks at the plugin's file and at its sources.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    let name = conf.user().unwrap_or_else(|| "mosquitto".to_owned());
    let Some(user) = BrokerUser::named(&name) else {
        return vec![Finding::new(
            Level::Note,
            None,
            format!("there is no user {name} on this machine: permissions were not checked"),
        )];
    };
    let mut found = Vec::new();
    for ours in conf.plugins().iter().filter(|plugin| plugin.is_ours()) {
        found.extend(user.shared_object(ours));
        for source in plugin::config(ours).sources {
            found.extend(user.source(&ours.line.at, ours, &source));
        }
        found.extend(user.acl_file(ours));
        let keys = ours.options.iter();
        found.extend(keys.filter_map(|option| user.keys(option)));
    }
    found
}

/// The user that the broker becomes.
struct BrokerUser {
    name: String,
    uid: u32,
    groups: Vec<u32>,
}

/// What is to be done with a file.
#[derive(Clone, Copy)]
enum Want {
    Enter = 0o1,
    Write = 0o2,
    Read = 0o4,
}

impl BrokerUser {
    fn named(name: &str) -> Option<Self> {
        let user = User::from_name(name).ok().flatten()?;
        let groups = CString::new(name)
            .ok()
            .and_then(|name| getgrouplist(&name, user.gid).ok())
            .unwrap_or_else(|| vec![user.gid]);
        Some(Self {
            name: name.to_owned(),
            uid: user.uid.as_raw(),
            groups: groups.iter().map(|gid| gid.as_raw()).collect(),
        })
    }

    fn may(&self, want: Want, metadata: &Metadata) -> bool {
        let bit = want as u32;
        let bits = if self.uid == metadata.uid() {
            bit << 6_u32
        } else if self.groups.contains(&metadata.gid()) {
            bit << 3_u32
        } else {
            bit
        };
        self.uid == 0 || metadata.mode() & bits != 0
    }

    /// The file behind all links, if the user can get to it; else what is in the way.
    fn reach(&self, path: &Path) -> Result<Metadata, Obstacle> {
        let real = fs::canonicalize(path).map_err(Obstacle::Unseen)?;
        let parents: Vec<_> = real.ancestors().skip(1).collect();
        for dir in parents.into_iter().rev() {
            let metadata = fs::metadata(dir).map_err(Obstacle::Unseen)?;
            if !self.may(Want::Enter, &metadata) {
                return Err(Obstacle::Told(format!(
                    "{} cannot enter {}; allow it with chmod o+x",
                    self.name,
                    dir.display()
                )));
            }
        }
        fs::metadata(&real).map_err(Obstacle::Unseen)
    }

    fn shared_object(&self, plugin: &Plugin) -> Option<Finding> {
        let (at, path) = (&plugin.line.at, plugin.path.as_path());
        match self.reach(path) {
            Ok(metadata) if !self.may(Want::Read, &metadata) => {
                Some(Finding::problem(at, self.cannot("read", path)))
            }
            Ok(metadata) if metadata.mode() & 0o002 != 0 => Some(Finding::problem(
                at,
                format!("everybody can replace {}; chmod o-w", path.display()),
            )),
            Ok(_) => None,
            Err(obstacle) => Some(obstacle.finding(at, path)),
        }
    }

    /// Rules are no secret: it is enough that the broker can read them.
    fn acl_file(&self, ours: &Plugin) -> Option<Finding> {
        let path = plugin::config(ours).acl_file?;
        self.legible(&ours.line.at, &path).err()
    }

    /// Nor are public keys of tokens; a secret is.
    fn keys(&self, option: &PluginOption) -> Option<Finding> {
        let is_secret = match option.key.as_str() {
            "jwt_key_file" | "jwt_jwks_cafile" => false,
            "jwt_secret_file" => true,
            _ => return None,
        };
        let path = Path::new(option.value.trim_end());
        let metadata = match self.legible(&option.at, path) {
            Ok(metadata) => metadata?,
            Err(finding) => return Some(finding),
        };
        let is_open = is_secret && metadata.mode() & 0o004 != 0;
        is_open.then(|| Finding::warning(&option.at, open(path)))
    }

    /// What the user sees of a file that it has to read; nothing of one that this process cannot see, which
    /// is told by the look into it.
    fn legible(&self, at: &At, path: &Path) -> Result<Option<Metadata>, Finding> {
        match self.reach(path) {
            Ok(metadata) if !self.may(Want::Read, &metadata) => {
                Err(Finding::problem(at, self.cannot("read", path)))
            }
            Ok(metadata) => Ok(Some(metadata)),
            Err(Obstacle::Told(why)) => Err(Finding::problem(at, why)),
            Err(Obstacle::Unseen(_)) => Ok(None),
        }
    }

    fn source(&self, plugin: &At, ours: &Plugin, source: &SourceConfig) -> Vec<Finding> {
        let (path, wants): (&Path, &[Want]) = match source {
            SourceConfig::PasswordFile(path) => (path, &[Want::Read]),
            SourceConfig::Database(database) => (&database.path, &[Want::Read, Want::Write]),
            SourceConfig::Query(query) => (&query.path, &[Want::Read]),
        };
        // The option's own line, where the value still is what the configuration says.
        let at = ours
            .options
            .iter()
            .find(|option| Path::new(option.value.trim_end()) == path)
            .map_or(plugin, |option| &option.at);
        let mut found = Vec::new();
        if path.is_relative() {
            found.push(Finding::warning(
                at,
                "this path is relative: it depends on the directory that the broker is started in; \
                 write it in full",
            ));
        }
        let own_database = matches!(source, SourceConfig::Database(_));
        match self.reach(path) {
            Ok(metadata) => {
                for want in wants {
                    if !self.may(*want, &metadata) {
                        found.push(Finding::problem(at, self.cannot(want.verb(), path)));
                    }
                }
                if metadata.mode() & 0o004 != 0 {
                    found.push(Finding::warning(at, open(path)));
                }
            }
            Err(Obstacle::Unseen(error))
                if own_database
                    && error.kind() == io::ErrorKind::NotFound
                    && path.parent().is_some_and(Path::is_dir) =>
            {
                found.push(Finding::note(
                    at,
                    format!("{} is not there yet: it will be created", path.display()),
                ));
            }
            Err(obstacle) => found.push(obstacle.finding(at, path)),
        }
        if own_database {
            found.extend(self.directory(at, path));
        }
        found
    }

    /// SQLite keeps its journal beside the database.
    fn directory(&self, at: &At, path: &Path) -> Option<Finding> {
        let dir = path.parent().filter(|dir| *dir != Path::new(""))?;
        let metadata = match fs::metadata(dir) {
            Ok(metadata) => metadata,
            Err(error) => return Some(Obstacle::Unseen(error).finding(at, dir)),
        };
        (!self.may(Want::Write, &metadata)).then(|| {
            Finding::problem(
                at,
                format!(
                    "{}, where SQLite keeps the database's journal; move the database to a directory \
                     of its own, such as /var/lib/mosquitto",
                    self.cannot("write to", dir)
                ),
            )
        })
    }

    fn cannot(&self, verb: &str, path: &Path) -> String {
        format!("{} cannot {verb} {}", self.name, path.display())
    }
}

fn open(path: &Path) -> String {
    let path = path.display();
    format!("everybody on this machine can read {path}; chmod 600")
}

impl Want {
    fn verb(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// Why a file is out of reach.
enum Obstacle {
    /// This process cannot see it either.
    Unseen(io::Error),
    /// It is the user's rights.
    Told(String),
}

impl Obstacle {
    fn finding(self, at: &At, path: &Path) -> Finding {
        match self {
            Self::Unseen(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Finding::note(
                    at,
                    format!("{} cannot be looked at; run this as root", path.display()),
                )
            }
            Self::Unseen(error) => Finding::problem(at, format!("{}: {error}", path.display())),
            Self::Told(text) => Finding::problem(at, text),
        }
    }
}
