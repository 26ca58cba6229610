//! The state of the engine, told now and then: as retained `$SYS` topics and as a file for Prometheus.
//!
//! Must not: run on the broker's thread but for handing over what is due, or keep more of that than one
//! value for each topic: a broker that never comes round must not be filled up.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Engine, lock};
use crate::config::{Config, SourceConfig};
use crate::figures::{Figure, Value, exposition};
use crate::pool::Pool;
use crate::verdict::Effect;

/// What is told where.
pub(super) struct Telling {
    topics: bool,
    file: Option<PathBuf>,
    interval: Duration,
    /// The files whose sizes are told together.
    places: Vec<PathBuf>,
    told: Option<Instant>,
    /// What the topics say, and what they are to say.
    last: HashMap<String, Value>,
    due: BTreeMap<String, Value>,
    /// What was last wrong with the file.
    trouble: Option<String>,
}

impl Telling {
    pub(super) fn new(config: &Config) -> Self {
        let places = config.sources.iter().map(|source| match source {
            SourceConfig::PasswordFile(path) => path,
            SourceConfig::Database(database) => &database.path,
            SourceConfig::Query(query) => &query.path,
        });
        Self {
            topics: config.sys_topics && config.sys_interval.is_some(),
            file: config.metrics_file.clone(),
            interval: config.sys_interval.unwrap_or(USUAL),
            places: places.cloned().collect(),
            told: None,
            last: HashMap::new(),
            due: BTreeMap::new(),
            trouble: None,
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let waits = |told: Instant| now.saturating_duration_since(told) < self.interval;
        if !self.topics && self.file.is_none() || self.told.is_some_and(waits) {
            return false;
        }
        self.told = Some(now);
        true
    }

    fn write(&mut self, figures: &[Figure]) {
        let Some(path) = &self.file else {
            return;
        };
        let trouble = replace(path, &exposition(figures)).err();
        let trouble = trouble.map(|error| format!("{}: {error}", path.display()));
        if let Some(why) = trouble
            .as_ref()
            .filter(|why| self.trouble.as_ref() != Some(*why))
        {
            log::warn!("the figures are not written: {why}");
        }
        self.trouble = trouble;
    }
}

impl Engine {
    /// Tells the state, where it is time to. For the watcher's thread.
    pub(super) fn tell_figures(&self, now: Instant) {
        let places = {
            let mut telling = lock(&self.telling);
            if !telling.is_due(now) {
                return;
            }
            telling.places.clone()
        };
        let mut figures = self.figures.all();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let waiting = number(lock(&self.pending).len());
        let sessions = number(lock(&self.sessions).len());
        let queue = number(self.pool.get().map_or(0, Pool::waiting));
        let suspects = number(lock(&self.throttle).suspects());
        let bytes = places.iter().filter_map(|place| fs::metadata(place).ok());
        let bytes = bytes.map(|metadata| metadata.len()).sum();
        figures.push(Figure::gauge(
            "logins/waiting",
            "doorman_logins_waiting",
            waiting,
        ));
        figures.push(Figure::gauge("hash/queue", "doorman_hash_queue", queue));
        figures.push(Figure::gauge("suspects", "doorman_suspects", suspects));
        figures.push(Figure::gauge("sessions", "doorman_sessions", sessions));
        figures.push(Figure::gauge("store/bytes", "doorman_store_bytes", bytes));
        let mut telling = lock(&self.telling);
        telling.write(&figures);
        if !telling.topics {
            return;
        }
        for Figure { topic, value, .. } in figures {
            if telling.last.get(&topic) != Some(&value) {
                telling.last.insert(topic.clone(), value.clone());
                telling.due.insert(topic, value);
            }
        }
        self.something_to_do.store(true, Ordering::Release);
    }

    /// What the topics are to say now.
    pub(super) fn take_told(&self) -> Vec<Effect> {
        let due = std::mem::take(&mut lock(&self.telling).due);
        let effects = due.into_iter().map(|(topic, value)| Effect::Publish {
            topic: format!("$SYS/broker/doorman/{topic}").into(),
            payload: value.to_string().into_bytes().into(),
            retain: true,
        });
        effects.collect()
    }
}

/// Whoever reads the file sees all of the old one or all of the new.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    // For whoever collects them, who is not the broker.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(readable)?;
    file.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// For the file, where topics are off.
const USUAL: Duration = Duration::from_secs(10);
