//! Accesses that were denied: the first of a kind has a line, the others are counted.
//!
//! Must not: write from [`note`](Denials::note), which is asked in the middle of anything, or wait
//! there, or keep more than so many kinds. A kind is a client, an action and the first levels of the
//! topic. Somebody who publishes to ever new topics has few kinds to himself.
#![forbid(unsafe_code)]

use std::collections::hash_map::RandomState;
use std::fmt::{self, Write as _};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::named;
use crate::request::{Access, Action};
use crate::show::Shown;
use crate::verdict::Denial;

/// What was denied since it was last told.
#[derive(Default)]
pub struct Denials {
    kinds: Mutex<Kinds>,
    /// Denials that found no room, or somebody else at the table.
    untold: AtomicU64,
    /// Keyed at random: nobody can choose names that fall together.
    keys: RandomState,
}

#[derive(Default)]
struct Kinds {
    found: HashMap<u64, Kind>,
    /// When the untold were last told of.
    told: Option<Instant>,
}

struct Kind {
    client: u64,
    action: Action,
    /// Its first, written out: names can be long, and a line is not.
    line: String,
    told: Option<Instant>,
    more: u64,
}

impl Denials {
    /// One more.
    pub fn note(&self, access: &Access<'_>, why: Denial<'_>) {
        let mut kinds = match self.kinds.try_lock() {
            Ok(kinds) => kinds,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.untold.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let client = self.keys.hash_one((access.client_id, access.username));
        let key = |prefix: &str| self.keys.hash_one((client, access.action, prefix));
        let mut kind = key(prefix(access.topic));
        if !kinds.found.contains_key(&kind) && kinds.of(client) >= MOST_OF_ONE_CLIENT {
            // From here on by the action alone; no topic is empty.
            kind = key("");
        }
        if let Some(kind) = kinds.found.get_mut(&kind) {
            kind.more = kind.more.saturating_add(1);
        } else if kinds.found.len() < MOST {
            let new = Kind {
                client,
                action: access.action,
                line: line(access, why),
                told: None,
                more: 0,
            };
            kinds.found.insert(kind, new);
        } else {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells of what is new at once, and of what goes on once per interval. For the watcher's thread.
    pub fn tell(&self, now: Instant) {
        for Told { action, line } in self.lines(now) {
            match action {
                // What others publish is not this client's doing: with as-mosquitto every
                // subscription to more than it may read is answered by leaving messages out.
                Action::Receive => log::debug!("{line}"),
                Action::Publish | Action::Subscribe | Action::Unsubscribe => log::info!("{line}"),
            }
        }
    }

    fn lines(&self, now: Instant) -> Vec<Told> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.found.is_empty() && self.untold.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let over = |told: Instant| now.saturating_duration_since(told) >= INTERVAL;
        let mut lines = Vec::new();
        kinds.found.retain(|_, kind| {
            if kind.told.is_some_and(|told| !over(told)) {
                return true;
            }
            if kind.told.is_some() && kind.more == 0 {
                return false;
            }
            kind.told = Some(now);
            lines.push(kind.take());
            true
        });
        if kinds.told.is_none_or(over) {
            let untold = self.untold.swap(0, Ordering::Relaxed);
            kinds.told = (untold > 0).then_some(now);
            if untold > 0 {
                lines.push(Told {
                    action: Action::Publish,
                    line: format!("denied: {untold} more, of too many kinds to be told"),
                });
            }
        }
        lines
    }
}

/// A line, and at which level it belongs.
struct Told {
    action: Action,
    line: String,
}

impl Kinds {
    fn of(&self, client: u64) -> usize {
        let kinds = self.found.values();
        kinds.filter(|kind| kind.client == client).count()
    }
}

impl Kind {
    fn take(&mut self) -> Told {
        let mut line = self.line.clone();
        let more = std::mem::take(&mut self.more);
        if more > 0 {
            // Writing to a String does not fail.
            write!(line, " ({more} more)").ok();
        }
        Told {
            action: self.action,
            line,
        }
    }
}

/// What comes first no client can imitate: the names follow, quoted.
fn line(access: &Access<'_>, why: Denial<'_>) -> String {
    struct Line<'a>(&'a Access<'a>, Denial<'a>);
    impl fmt::Display for Line<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let Self(access, why) = self;
            write!(f, "denied {} rule={why}", access.action.word())?;
            named(f, " client_id=", access.client_id)?;
            named(f, " username=", access.username)?;
            write!(f, " topic={}", Shown(access.topic))
        }
    }
    Line(access, why).to_string()
}

/// The first levels of a topic.
fn prefix(topic: &str) -> &str {
    let mut slashes = topic.match_indices('/').map(|(at, _)| at);
    let end = slashes.nth(LEVELS.saturating_sub(1));
    end.and_then(|end| topic.get(..end)).unwrap_or(topic)
}

/// Topics that agree in so many levels are of one kind.
const LEVELS: usize = 2;

/// Kinds that are kept; a line is at most a thousand bytes.
const MOST: usize = 256;

/// Kinds that one client has before its topics are not told apart any more.
const MOST_OF_ONE_CLIENT: usize = 8;

/// How often a kind is told about.
const INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn access<'a>(client_id: &'a str, topic: &'a str) -> Access<'a> {
        Access {
            client_id: Some(client_id),
            username: None,
            action: Action::Publish,
            topic,
            qos: 0,
            retain: false,
            payload: 0,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    fn start() -> Instant {
        Instant::now()
    }

    fn told(denials: &Denials, now: Instant) -> Vec<String> {
        let lines = denials.lines(now);
        let mut lines: Vec<_> = lines.into_iter().map(|told| told.line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_kind_is_told_at_once_and_then_summed_up() {
        let (denials, start) = (Denials::default(), start());
        for topic in ["a/b/c", "a/b/d", "a/b"] {
            denials.note(&access("c1", topic), Denial::Line(12));
        }
        assert_eq!(
            told(&denials, start),
            [r#"denied publish rule=acl_file:12 client_id="c1" username=- topic="a/b/c" (2 more)"#]
        );
        denials.note(&access("c1", "a/b/e"), Denial::Line(12));
        assert!(told(&denials, start).is_empty(), "too early");
        let later = told(&denials, start + INTERVAL);
        assert!(
            later.len() == 1 && later[0].ends_with("(1 more)"),
            "{later:?}"
        );
        assert!(told(&denials, start + INTERVAL * 2).is_empty());
        assert!(denials.kinds.lock().unwrap().found.is_empty(), "forgotten");
    }

    #[test]
    fn clients_actions_and_first_levels_are_told_apart() {
        let denials = Denials::default();
        denials.note(&access("c1", "a/b"), Denial::NoRule);
        denials.note(&access("c1", "a/c"), Denial::NoRule);
        denials.note(&access("c2", "a/b"), Denial::NoRule);
        let receive = Access {
            action: Action::Receive,
            ..access("c1", "a/b")
        };
        denials.note(&receive, Denial::NoRule);
        assert_eq!(told(&denials, start()).len(), 4);
    }

    #[test]
    fn what_is_kept_has_a_bound_for_each_client_and_in_all() {
        let (denials, start) = (Denials::default(), start());
        let topics: Vec<_> = (0..100).map(|n| format!("t{n}")).collect();
        for topic in &topics {
            denials.note(&access("c", topic), Denial::NoRule);
        }
        let of_one = told(&denials, start);
        assert_eq!(of_one.len(), MOST_OF_ONE_CLIENT + 1, "{of_one:?}");
        for client in 0..1_000 {
            denials.note(&access(&client.to_string(), "t"), Denial::NoRule);
        }
        assert_eq!(denials.kinds.lock().unwrap().found.len(), MOST);
        let lines = told(&denials, start);
        let rest = 1_000 - (MOST - of_one.len());
        let sum = format!("denied: {rest} more, of too many kinds to be told");
        assert!(lines.contains(&sum), "{lines:?}");
    }

    #[test]
    fn who_is_denied_does_not_wait_and_is_counted() {
        let denials = Denials::default();
        let held = denials.kinds.lock().unwrap();
        denials.note(&access("c", "t"), Denial::NoRule);
        drop(held);
        assert_eq!(told(&denials, start()).len(), 1);
    }

    #[test]
    fn names_cannot_forge_or_fill_a_line() {
        let long = "x\"\n".repeat(20_000);
        let line = line(&access(&long, &long), Denial::UnsafeName);
        assert!(!line.contains('\n') && line.len() < 1_000);
        assert!(line.starts_with("denied publish rule=unsafe_name client_id="));
    }
}
