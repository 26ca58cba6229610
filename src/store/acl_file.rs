//! An ACL file as the engine asks it and as the watcher keeps it fresh.
//!
//! Must not: decide, or read the file on the broker's thread after the start. New rules are built aside
//! and put in force whole; a file with a mistake in it changes nothing. Whoever asks takes no lock: an
//! access can be asked about from within anything, and on any thread.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};

use super::settled::Settled;
use super::{Changes, Error, Hurry, Login, News, Watched};
use crate::policy::acl_file::{AclFile, ParseError, Subscriptions};

/// The rules that are in force.
pub struct AclSource {
    rules: ArcSwap<AclFile>,
    changes: AtomicU64,
}

/// An open ACL file, seen from both sides.
pub struct Opened {
    /// For the engine.
    pub source: Arc<AclSource>,
    /// For the watcher.
    pub watched: Box<dyn Watched>,
}

struct AclWatched {
    source: Arc<AclSource>,
    subscriptions: Subscriptions,
    file: Settled,
    /// The rules before those in force: taken apart here and not by whoever was asking them when they
    /// were replaced.
    retired: Option<Arc<AclFile>>,
}

impl AclSource {
    /// The rules as they are now. To be asked and let go of.
    #[must_use]
    pub fn in_force(&self) -> Guard<Arc<AclFile>> {
        self.rules.load()
    }

    /// How often they were replaced. Whoever knows of a number that is still the same knows that what it
    /// found out after it is still in force.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn replace(&self, rules: Arc<AclFile>) -> Arc<AclFile> {
        let before = self.rules.swap(rules);
        self.changes.fetch_add(1, Ordering::AcqRel);
        before
    }
}

/// Opens an ACL file: reads it once, here.
///
/// # Errors
/// When it cannot be read, or with its first line that is none.
pub fn open(path: &Path, subscriptions: Subscriptions) -> Result<Opened, Error> {
    let (file, rules) = Settled::open(path, |bytes| understand(path, &bytes, subscriptions))?;
    log::info!("{}: {} rules", path.display(), rules.rules().len());
    warn_if_empty(path, &rules);
    let source = Arc::new(AclSource {
        rules: ArcSwap::from_pointee(rules),
        changes: AtomicU64::new(0),
    });
    Ok(Opened {
        source: Arc::clone(&source),
        watched: Box::new(AclWatched {
            source,
            subscriptions,
            file,
            retired: None,
        }),
    })
}

impl Watched for AclWatched {
    fn refresh(&mut self, hurry: Hurry) -> Result<News, Error> {
        self.retired = None;
        let path = self.file.path().to_owned();
        let understand = |bytes: Vec<u8>| understand(&path, &bytes, self.subscriptions);
        if let Some(rules) = self.file.refresh(hurry, understand)? {
            let rules = Arc::new(rules);
            self.retired = Some(self.source.replace(Arc::clone(&rules)));
            log::info!("{}: now {} rules", path.display(), rules.rules().len());
            warn_if_empty(&path, &rules);
            // No login depends on it: whoever is in is judged by the new rules at the next message.
            return Ok(News::Some(Changes {
                accounts: Vec::new(),
                rules: true,
            }));
        }
        Ok(News::Nothing)
    }

    fn record_logins(&mut self, _: &[Login]) -> Result<(), Error> {
        Ok(())
    }
}

/// The rules in these bytes.
///
/// # Errors
/// With the first line that is none.
pub fn understand(
    path: &Path,
    bytes: &[u8],
    subscriptions: Subscriptions,
) -> Result<AclFile, Error> {
    let at_line = |line, why| Error::Line {
        path: path.to_owned(),
        line,
        why,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let newlines = memchr::memchr_iter(b'\n', before).count();
        at_line(newlines.saturating_add(1), "not UTF-8".to_owned())
    })?;
    AclFile::parse(text, subscriptions).map_err(|error| match error {
        ParseError::Line { line, mistake } => at_line(line, mistake.to_string()),
        ParseError::TooMany(why) => Error::Corrupt {
            path: path.to_owned(),
            why: why.to_string(),
        },
    })
}

/// An empty file may be meant, and may be an accident.
fn warn_if_empty(path: &Path, rules: &AclFile) {
    if rules.rules().is_empty() {
        log::warn!(
            "{}: no rule allows anything: nobody may publish or read",
            path.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn opened(text: &[u8]) -> Result<(tempfile::TempDir, Opened), Error> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("acl"), text).unwrap();
        let opened = open(&dir.path().join("acl"), Subscriptions::AsMosquitto)?;
        Ok((dir, opened))
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number() {
        let error = |text: &[u8]| {
            let error = opened(text).err().unwrap().to_string();
            error.split_once("/acl:").unwrap().1.to_owned()
        };
        assert!(error(b"topic a\n\ntopics b\n").starts_with("3: a line begins with"));
        assert_eq!(error(b"topic a\nuser \xff\n"), "2: not UTF-8");
    }

    #[test]
    fn new_rules_are_in_force_whole_and_a_mistake_changes_nothing() {
        let (dir, mut acl) = opened(b"topic a\n").unwrap();
        let path = dir.path().join("acl");
        fs::write(&path, "topic a\ntopic b\n").unwrap();
        assert_eq!(acl.source.changes(), 0);
        acl.watched.refresh(Hurry::Now).unwrap();
        assert_eq!(acl.source.in_force().rules().len(), 2);
        assert_eq!(acl.source.changes(), 1);
        fs::write(&path, "topic c\nnonsense\n").unwrap();
        for _ in 0..2 {
            let error = acl.watched.refresh(Hurry::Now).unwrap_err().to_string();
            assert!(error.contains("/acl:2: "), "{error}");
        }
        assert_eq!(acl.source.in_force().rules().len(), 2);
        fs::remove_file(&path).unwrap();
        assert!(acl.watched.refresh(Hurry::Now).is_err());
        assert_eq!(acl.source.in_force().rules().len(), 2);
        fs::write(&path, "").unwrap();
        acl.watched.refresh(Hurry::Now).unwrap();
        assert!(acl.source.in_force().rules().is_empty());
    }

    #[test]
    fn a_change_that_has_not_settled_is_left_for_the_next_look() {
        let (dir, mut acl) = opened(b"topic a\n").unwrap();
        fs::write(dir.path().join("acl"), "topic a\ntopic b\n").unwrap();
        acl.watched.refresh(Hurry::Settled).unwrap();
        assert_eq!(acl.source.in_force().rules().len(), 1);
        acl.watched.refresh(Hurry::Settled).unwrap();
        assert_eq!(acl.source.in_force().rules().len(), 2);
    }
}
