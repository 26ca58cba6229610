//! The threads of one loaded plugin line: who watches the sources, who verifies, who takes orders, who stores anew.
//!
//! Must not: start one that a signal reaches: a SIGHUP delivered to it would be lost to the broker.

use std::cell::{Cell, Ref, RefCell};
use std::sync::Arc;

use super::clock;
use super::effects;
use super::logger;
use super::plugin::Plugin;
use super::signal;
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
    /// Where orders go.
    desk: RefCell<Option<Desk>>,
    /// Where passwords may be stored anew, until its thread has it, and that thread.
    renewal: Cell<Option<renewal::Desk>>,
    renewer: RefCell<Option<Renewer>>,
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
            let watcher = signal::blocked(|| Watcher::start(watched, self.duties()))
                .map_err(|error| format!("no thread to watch the sources: {error}"))?;
            main.threads.watch.replace(Watch::Running(watcher));
        }
        Ok(())
    }

    /// Starts the workers, where the broker can be told later.
    ///
    /// # Errors
    /// One clear line; then no worker runs.
    pub(super) fn work(&self, config: &Config) -> Result<(), String> {
        if !self.api.since_2_1() || !self.has_sources() {
            return Ok(());
        }
        let around = self.surroundings();
        signal::blocked(|| self.engine.start_workers(config, &around))
            .map_err(|error| format!("no thread to verify passwords: {error}"))
    }

    /// What threads of ours need: whatever they do is worth less than an answer in time.
    fn surroundings(&self) -> Surroundings {
        Surroundings {
            enter: signal::give_way,
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
    ///
    /// # Errors
    /// One clear line; then no thread of it runs.
    pub(super) fn take_orders(&self, config: &Config) -> Result<(), String> {
        let Some((main, pen)) = self
            .main()
            .and_then(|main| Some((main, main.threads.pen.take()?)))
        else {
            return Ok(());
        };
        let place = Place {
            pen,
            control: main.control,
            recipe: Recipe::Pbkdf2Sha512 {
                iterations: config.control_iterations,
            },
        };
        let Watch::Running(watcher) = &*main.threads.watch.borrow() else {
            return Ok(());
        };
        let looker = watcher.looker();
        let engine = Arc::clone(&self.engine);
        let around = self.surroundings();
        let desk = signal::blocked(|| Desk::open(place, engine, looker, &around));
        let desk = desk.map_err(|error| format!("no thread for the control API: {error}"))?;
        main.threads.desk.replace(Some(desk));
        Ok(())
    }

    /// Starts the thread that stores passwords anew, where that is wanted.
    ///
    /// # Errors
    /// One clear line; then it does not run.
    pub(super) fn renew(&self) -> Result<(), String> {
        let Some((main, desk)) = self
            .main()
            .and_then(|main| Some((main, main.threads.renewal.take()?)))
        else {
            return Ok(());
        };
        let (engine, around) = (Arc::clone(&self.engine), self.surroundings());
        let renewer = signal::blocked(|| Renewer::start(desk, engine, &around));
        let renewer = renewer.map_err(|error| format!("no thread to store passwords: {error}"))?;
        main.threads.renewer.replace(Some(renewer));
        Ok(())
    }

    fn duties(&self) -> Duties {
        let (news, trouble, beat, logins) = (
            Arc::clone(&self.engine),
            Arc::clone(&self.engine),
            Arc::clone(&self.engine),
            Arc::clone(&self.engine),
        );
        let wake = self.wake();
        Duties {
            enter: signal::give_way,
            news: Box::new(move |what| news.review(what, clock::now().wall)),
            trouble: Box::new(move |why| trouble.source_failed(why, clock::now().wall)),
            beat: Box::new(move || {
                beat.beat(clock::now());
                logger::clear();
                effects::clear();
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
            logger::flush(main.broker());
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
