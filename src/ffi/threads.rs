//! The threads of one loaded plugin line: who watches the sources, who verifies, who takes orders, who stores anew.
//!
//! Each is there while there is something to do. Must not: start one that a signal reaches: a SIGHUP delivered to
//! it would be lost to the broker.

use std::cell::{Cell, Ref, RefCell};
use std::sync::Arc;
use std::time::Duration;

use super::clock;
use super::effects;
use super::logger;
use super::plugin::{Main, Plugin};
use super::signal::{self, Pulse};
use crate::config::{Config, Rehash, SourceConfig};
use crate::control::{Desk, Place};
use crate::credential::Recipe;
use crate::pool::Surroundings;
use crate::renewal::{self, Renewer};
use crate::store::Watched;
use crate::store::sqlite::Pen;
use crate::vault::Vault;
use crate::watch::{Duties, Watcher};

/// Of one plugin line; the broker's thread has them.
pub(super) struct Threads {
    watch: RefCell<Watch>,
    /// What has a broker come round that would wait for its clients alone.
    pulse: Cell<Option<Pulse>>,
    /// Where orders go.
    desk: RefCell<Option<Desk>>,
    /// Where passwords may be stored anew, until the renewer has it, and the renewer.
    renewal: Cell<Option<renewal::Desk>>,
    renewer: RefCell<Option<Arc<Renewer>>>,
    /// What orders are written with, until the desk has it.
    pen: Cell<Option<Arc<Pen>>>,
}

/// The life of the watcher.
enum Watch {
    /// What it will look after.
    Waiting(Vec<Box<dyn Watched>>),
    /// It runs.
    Running(Watcher),
    /// It has ended, or could not start.
    Over,
}

impl Threads {
    /// Those that the configuration wants. None runs yet.
    pub(super) fn for_sources(
        config: &Config,
        watched: Vec<Box<dyn Watched>>,
        vault: Option<Arc<Vault>>,
    ) -> Self {
        let pen = config
            .controlled()
            .and_then(|(_, database)| watched.iter().find_map(|source| source.pen(&database.path)));
        if let Some((pen, vault)) = pen.as_ref().zip(vault) {
            pen.seal_with(vault);
        }
        Self {
            renewal: Cell::new(rewritable(config, &watched)),
            watch: RefCell::new(Watch::Waiting(watched)),
            pulse: Cell::new(None),
            desk: RefCell::new(None),
            renewer: RefCell::new(None),
            pen: Cell::new(pen),
        }
    }

    /// Has the sources looked at, on the watcher's thread.
    pub(super) fn look(&self) {
        if let Watch::Running(watcher) = &*self.watch.borrow() {
            watcher.look();
        }
    }

    /// The broker has come round: sources are looked at when it is time.
    pub(super) fn pass(&self) {
        if let (Watch::Running(watcher), Some(now)) = (&*self.watch.borrow(), clock::coarse()) {
            watcher.pass(now);
        }
    }

    /// Where orders are taken, if any are.
    pub(super) fn desk(&self) -> Ref<'_, Option<Desk>> {
        self.desk.borrow()
    }
}

impl Plugin {
    /// Starts the watcher.
    ///
    /// # Errors
    /// One clear line; then no thread runs.
    pub(super) fn watch(&self) -> Result<(), String> {
        let Some(main) = self.main() else {
            return Ok(());
        };
        if let Watch::Waiting(watched) = main.threads.watch.replace(Watch::Over) {
            let watcher = Watcher::start(watched, self.duties(main), signal::start)
                .map_err(|error| format!("no thread to watch the sources: {error}"))?;
            main.threads.watch.replace(Watch::Running(watcher));
            // 2.0 comes round ten times a second.
            let waker = self.waker.filter(|_| self.api.since_2_1());
            main.threads
                .pulse
                .set(waker.and_then(|waker| waker.pulse(BEAT)));
        }
        Ok(())
    }

    /// Has workers come when there is work, where the broker can be told later.
    pub(super) fn work(&self, config: &Config) {
        if self.api.since_2_1() && self.has_sources() {
            self.engine.take_workers(config, &self.surroundings());
        }
    }

    /// What threads of ours need.
    fn surroundings(&self) -> Surroundings {
        Surroundings {
            start: signal::start,
            wake: self.wake(),
        }
    }

    /// Wakes the broker, where that can be done.
    fn wake(&self) -> Arc<dyn Fn() + Send + Sync> {
        match self.waker {
            Some(waker) => Arc::new(move || waker.wake()),
            None => Arc::new(|| {}),
        }
    }

    /// Opens the desk that takes orders, where there is anything to be ordered. After the watcher, who
    /// puts in force what was ordered.
    pub(super) fn take_orders(&self, config: &Config) {
        let Some((main, pen)) = self
            .main()
            .and_then(|main| Some((main, main.threads.pen.take()?)))
        else {
            return;
        };
        let place = Place {
            pen,
            control: main.control,
            recipe: Recipe::Pbkdf2Sha512 {
                iterations: config.control_iterations,
            },
        };
        let Watch::Running(watcher) = &*main.threads.watch.borrow() else {
            return;
        };
        let engine = Arc::clone(&self.engine);
        let desk = Desk::open(place, engine, watcher.looker(), &self.surroundings());
        main.threads.desk.replace(Some(desk));
    }

    fn duties(&self, main: &Main) -> Duties {
        let renewal = main.threads.renewal.take();
        let renewer = renewal
            .map(|desk| Arc::new(Renewer::new(desk, Arc::clone(&self.engine), signal::start)));
        main.threads.renewer.replace(renewer.clone());
        let (news, trouble, beat, logins) = (
            Arc::clone(&self.engine),
            Arc::clone(&self.engine),
            Arc::clone(&self.engine),
            Arc::clone(&self.engine),
        );
        let wake = self.wake();
        Duties {
            news: Box::new(move |what| news.review(what, clock::now().wall)),
            trouble: Box::new(move |why| trouble.source_failed(why, clock::now().wall)),
            beat: Box::new(move || {
                beat.beat(clock::now());
                logger::clear();
                effects::clear();
                if let Some(renewer) = &renewer {
                    renewer.look();
                }
                if beat.is_to_be_ticked() || logger::waits() {
                    wake();
                }
            }),
            logins: Box::new(move || logins.take_logins()),
        }
    }

    /// Ends all threads and waits for them.
    pub(super) fn close(&self) {
        if let Some(main) = self.main() {
            main.threads.pulse.take();
            // What is under way there still needs the watcher.
            if let Some(desk) = main.threads.desk.take() {
                desk.close();
            }
            if let Some(renewer) = main.threads.renewer.take() {
                renewer.stop();
            }
            if let Watch::Running(watcher) = main.threads.watch.replace(Watch::Over) {
                watcher.stop();
            }
            self.engine.stop_workers();
            logger::flush(main.broker(), usize::MAX);
        }
    }
}

/// The files in which passwords may be stored anew, where that is wanted.
fn rewritable(config: &Config, watched: &[Box<dyn Watched>]) -> Option<renewal::Desk> {
    if config.rehash == Rehash::Off {
        return None;
    }
    let places = config.sources.iter().filter_map(|source| match source {
        SourceConfig::PasswordFile(path) => Some((path.clone(), renewal::Place::File)),
        SourceConfig::Database(database) => {
            let path = &database.path;
            let pen = watched.iter().find_map(|source| source.pen(path))?;
            Some((path.clone(), renewal::Place::Database(pen)))
        }
        SourceConfig::Query(_) => None,
    });
    Some(renewal::Desk {
        places: places.collect(),
        limits: config.limits,
        clock: clock::now,
    })
}

/// An idle broker of 2.0 comes round as often.
const BEAT: Duration = Duration::from_millis(100);
