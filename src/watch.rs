//! The thread that keeps sources fresh: looks a few times a second, tells what it found.
//!
//! It is there for a look and goes again; the broker's rounds say when the next one is due, and where there are
//! none (2.0.11 with `per_listener_settings`) it stays and looks at its own clock. Must not: touch the broker,
//! or decide anything. It looks whether sources changed, has them load
//! their new state, and hands on the news; what is to be done about them is the engine's to say.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::hand::{Found, Hand, LINGER, Start};
use crate::store::{Error, Hurry, Login, News, Watched};

/// How often sources are looked at. Twice this and a round of the broker, and the time to load, is within the
/// second that a change may take. A little less than two rounds of an idle broker.
const INTERVAL: Duration = Duration::from_millis(190);

/// Logins are written down every so many looks, and at the end.
const LOOKS_PER_RECORD: u32 = 26;

/// A million accounts in a file are read in less.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the thread does with what it finds.
pub struct Duties {
    /// A source changed.
    pub news: Box<dyn Fn(&News) + Send>,
    /// A source cannot be read any more, or for another reason than before.
    pub trouble: Box<dyn Fn(&Error) + Send>,
    /// Time has passed.
    pub beat: Box<dyn Fn() + Send>,
    /// What there is to write down.
    pub logins: Box<dyn Fn() -> Vec<Login> + Send>,
}

/// Who looks after the sources; the broker's thread has it.
pub struct Watcher {
    shared: Arc<Shared>,
    hand: Hand,
    /// When the next look is due, by the clock of [`pass`](Self::pass).
    next: Cell<Duration>,
}

/// For other threads that changed a source and want it to count.
#[derive(Clone)]
pub struct Looker {
    shared: Arc<Shared>,
    hand: Hand,
}

struct Shared {
    round: Mutex<Round>,
    wishes: Mutex<Wishes>,
    bell: Condvar,
}

#[derive(Default)]
struct Wishes {
    /// A look is due.
    is_due: bool,
    /// Sources are to be looked at now, as they are.
    is_urgent: bool,
    /// Who is to be told once what was found is in force.
    tell: Vec<SyncSender<()>>,
    /// The broker says when a look is due.
    has_rounds: bool,
    stopping: bool,
}

impl Looker {
    /// Has every source looked at now, and waits until what is found is in force. Says whether it is: the
    /// thread may be gone, or take longer than anybody waits.
    #[must_use]
    pub fn look_and_wait(&self) -> bool {
        let (tell, told) = sync_channel(1);
        self.shared.wish(|wishes| {
            wishes.is_urgent = true;
            wishes.tell.push(tell);
        });
        self.hand.call() != Found::Nobody && told.recv_timeout(PATIENCE).is_ok()
    }
}

impl Watcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread, which has been told.
    pub fn start(
        watched: Vec<Box<dyn Watched>>,
        duties: Duties,
        start: Start,
    ) -> Result<Self, NoThread> {
        let kept = watched.into_iter().map(|source| Kept {
            source,
            trouble: None,
        });
        let shared = Arc::new(Shared {
            round: Mutex::new(Round {
                watched: kept.collect(),
                duties,
                looks: 0,
            }),
            wishes: Mutex::default(),
            bell: Condvar::new(),
        });
        let its = Arc::clone(&shared);
        let hand = Hand::new("doorman-watch", start, move || its.attend());
        match hand.call() {
            Found::Nobody => Err(NoThread),
            Found::Away | Found::AtWork => Ok(Self {
                shared,
                hand,
                next: Cell::default(),
            }),
        }
    }

    /// The broker has come round, at this moment of a clock that only goes forward.
    pub fn pass(&self, now: Duration) {
        if now < self.next.get() {
            return;
        }
        self.next.set(now.saturating_add(INTERVAL));
        self.shared.wish(|wishes| {
            wishes.is_due = true;
            wishes.has_rounds = true;
        });
        self.hand.call();
    }

    /// Has every source looked at now, as it is.
    pub fn look(&self) {
        self.shared.wish(|wishes| wishes.is_urgent = true);
        self.hand.call();
    }

    /// For others who change sources.
    #[must_use]
    pub fn looker(&self) -> Looker {
        Looker {
            shared: Arc::clone(&self.shared),
            hand: self.hand.clone(),
        }
    }

    /// Ends the thread and waits for it: at most as long as one load takes.
    pub fn stop(self) {
        self.shared.wish(|wishes| wishes.stopping = true);
        self.hand.dismiss();
        // Who waits for a look that is not begun waits no longer.
        self.shared.wishes().tell.clear();
        self.shared.round().record();
    }
}

/// The system gave none.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gives none")]
pub struct NoThread;

impl Shared {
    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.wishes());
        self.bell.notify_one();
    }

    /// Looks as often as somebody wishes, and goes when nobody does.
    fn attend(&self) {
        let mut stay = Duration::ZERO;
        while let Some(wanted) = self.next(stay) {
            let mut round = self.round();
            round.look(wanted.hurry);
            for tell in wanted.tell {
                // Whoever asked may have given up.
                tell.send(()).ok();
            }
            round.attend();
            // Orders come one after the other.
            stay = match wanted.hurry {
                Hurry::Now => LINGER,
                Hurry::Settled => Duration::ZERO,
            };
        }
    }

    /// What is to be done next, where it is wished within this time; without the broker's rounds, a look is always
    /// due after a while.
    fn next(&self, stay: Duration) -> Option<Wanted> {
        let wishes = self.wishes();
        let has_rounds = wishes.has_rounds;
        let stay = if has_rounds { stay } else { INTERVAL };
        let waited = self
            .bell
            .wait_timeout_while(wishes, stay, |wishes| !wishes.are_any());
        let (mut wishes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if wishes.stopping || (has_rounds && !wishes.are_any()) {
            return None;
        }
        wishes.is_due = false;
        Some(Wanted {
            hurry: match std::mem::take(&mut wishes.is_urgent) {
                true => Hurry::Now,
                false => Hurry::Settled,
            },
            tell: std::mem::take(&mut wishes.tell),
        })
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        // Each change is a single step.
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        // A panic while looking does not end the looking.
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wishes {
    fn are_any(&self) -> bool {
        self.is_due || self.is_urgent || self.stopping
    }
}

/// A look that is wanted.
struct Wanted {
    hurry: Hurry,
    tell: Vec<SyncSender<()>>,
}

struct Round {
    watched: Vec<Kept>,
    duties: Duties,
    looks: u32,
}

struct Kept {
    source: Box<dyn Watched>,
    /// What was last said to be wrong.
    trouble: Option<String>,
}

impl Round {
    fn look(&mut self, hurry: Hurry) {
        for kept in &mut self.watched {
            if let Some(news) = kept.refresh(hurry, &*self.duties.trouble) {
                (self.duties.news)(&news);
            }
        }
    }

    /// What there is to do beside looking: whoever waits for a look does not wait for it.
    fn attend(&mut self) {
        (self.duties.beat)();
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_PER_RECORD) {
            self.record();
        }
    }

    fn record(&mut self) {
        let logins = (self.duties.logins)();
        if logins.is_empty() {
            return;
        }
        for kept in &mut self.watched {
            if let Err(error) = kept.source.record_logins(&logins) {
                log::warn!("the last logins are not recorded: {error}");
            }
        }
    }
}

impl Kept {
    /// What changed. Trouble is told once, and once more when it is over.
    fn refresh(&mut self, hurry: Hurry, tell: &dyn Fn(&Error)) -> Option<News> {
        match self.source.refresh(hurry) {
            Ok(news) => {
                if let Some(trouble) = self.trouble.take() {
                    log::info!("can be read again, after: {trouble}");
                }
                (news != News::Nothing).then_some(news)
            }
            Err(error) => {
                let trouble = error.to_string();
                if self.trouble.as_ref() != Some(&trouble) {
                    log::error!("{trouble}; the last good state stays in force");
                    tell(&error);
                    self.trouble = Some(trouble);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::hand::test::{eventually, plainly};

    /// A source that does what it is told, and tells what it was asked.
    struct Told {
        answers: Receiver<Result<News, &'static str>>,
        asked: Sender<Hurry>,
    }

    impl Watched for Told {
        fn refresh(&mut self, hurry: Hurry) -> Result<News, Error> {
            // Nobody listens any more once a test is over.
            self.asked.send(hurry).ok();
            match self.answers.try_recv() {
                Ok(Ok(news)) => Ok(news),
                Ok(Err("panic")) => panic!("as told"),
                Ok(Err(why)) => Err(Error::Unavailable {
                    path: "/x".into(),
                    why: why.into(),
                }),
                Err(_) => Ok(News::Nothing),
            }
        }

        fn record_logins(&mut self, _: &[Login]) -> Result<(), Error> {
            Ok(())
        }
    }

    struct Rig {
        tell: Sender<Result<News, &'static str>>,
        asked: Receiver<Hurry>,
        news: Receiver<News>,
        recorded: Arc<AtomicU32>,
        trouble: Arc<AtomicU32>,
        watcher: Watcher,
    }

    fn rig() -> Rig {
        let (tell, answers) = channel();
        let (asked, was_asked) = channel();
        let (told, news) = channel();
        let recorded = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&recorded);
        let trouble = Arc::new(AtomicU32::new(0));
        let troubles = Arc::clone(&trouble);
        let duties = Duties {
            news: Box::new(move |news| drop(told.send(news.clone()))),
            trouble: Box::new(move |_| {
                troubles.fetch_add(1, Ordering::Relaxed);
            }),
            beat: Box::new(|| {}),
            logins: Box::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
                Vec::new()
            }),
        };
        let told = Told { answers, asked };
        let watcher = Watcher::start(vec![Box::new(told)], duties, plainly).unwrap();
        Rig {
            tell,
            asked: was_asked,
            news,
            recorded,
            trouble,
            watcher,
        }
    }

    #[test]
    fn news_is_handed_on_and_nothing_is_not() {
        let rig = rig();
        rig.tell.send(Ok(News::Nothing)).unwrap();
        rig.tell.send(Ok(News::Everything)).unwrap();
        assert_eq!(rig.news.recv(), Ok(News::Everything));
        rig.watcher.stop();
    }

    #[test]
    fn where_the_broker_has_rounds_a_look_comes_when_it_is_due_and_not_before() {
        let rig = rig();
        let begin = Duration::from_secs(1);
        rig.watcher.pass(begin);
        let is_away = || rig.watcher.hand.is_away();
        assert!(eventually(is_away), "it does not stay between two looks");
        assert!(rig.asked.try_iter().count() > 0);
        let due = begin.saturating_add(INTERVAL);
        for early in [begin, due.saturating_sub(Duration::from_nanos(1))] {
            rig.watcher.pass(early);
            assert!(is_away());
        }
        assert!(rig.asked.try_recv().is_err());
        rig.watcher.pass(due);
        assert_eq!(rig.asked.recv(), Ok(Hurry::Settled));
        rig.watcher.stop();
    }

    #[test]
    fn an_order_to_look_is_obeyed_in_a_hurry() {
        let rig = rig();
        rig.watcher.look();
        assert!(rig.asked.iter().any(|hurry| hurry == Hurry::Now));
        rig.watcher.stop();
    }

    #[test]
    fn whoever_waits_is_told_once_the_news_are_handed_on() {
        let rig = rig();
        rig.tell.send(Ok(News::Everything)).unwrap();
        assert!(rig.watcher.looker().look_and_wait());
        assert_eq!(rig.news.try_recv(), Ok(News::Everything));
        let looker = rig.watcher.looker();
        rig.watcher.stop();
        assert!(!looker.look_and_wait(), "nobody is there any more");
    }

    #[test]
    fn a_panic_or_an_error_in_a_source_does_not_end_the_watch() {
        let rig = rig();
        rig.tell.send(Err("panic")).unwrap();
        for _ in 0..2 {
            rig.tell.send(Err("gone")).unwrap();
        }
        rig.tell.send(Ok(News::Everything)).unwrap();
        assert_eq!(rig.news.recv(), Ok(News::Everything));
        rig.watcher.stop();
        // The same trouble is told once.
        assert_eq!(rig.trouble.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn logins_are_recorded_at_the_end() {
        let rig = rig();
        rig.watcher.stop();
        assert_eq!(rig.recorded.load(Ordering::Relaxed), 1);
    }
}
