//! The thread that keeps sources fresh: looks a few times a second, tells what it found.
//!
//! Must not: touch the broker, or decide anything. It looks whether sources changed, has them load
//! their new state, and hands on the news; what is to be done about them is the engine's to say. The
//! caller starts it with all signals blocked and stops it before the plugin goes.
#![forbid(unsafe_code)]

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::store::{Error, Hurry, Login, News, Watched};

/// How often sources are looked at. Twice this, and the time to load, is within the second that a
/// change may take.
const INTERVAL: Duration = Duration::from_millis(200);

/// Logins are written down every so many looks, and at the end.
const LOOKS_PER_RECORD: u32 = 25;

/// A million accounts in a file are read in less.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the thread does with what it finds.
pub struct Duties {
    /// Called first on the thread.
    pub enter: fn(),
    /// A source changed.
    pub news: Box<dyn Fn(&News) + Send>,
    /// A source cannot be read any more, or for another reason than before.
    pub trouble: Box<dyn Fn(&Error) + Send>,
    /// Time has passed.
    pub beat: Box<dyn Fn() + Send>,
    /// What there is to write down.
    pub logins: Box<dyn Fn() -> Vec<Login> + Send>,
}

/// The running thread.
pub struct Watcher {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

/// For other threads that changed a source and want it to count.
#[derive(Clone)]
pub struct Looker(Sender<Order>);

enum Order {
    Look,
    /// And say when what was found is in force.
    LookAndTell(SyncSender<()>),
    Stop,
}

impl Looker {
    /// Has every source looked at now, and waits until what is found is in force. Says whether it is: the
    /// thread may be gone, or take longer than anybody waits.
    #[must_use]
    pub fn look_and_wait(&self) -> bool {
        let (tell, told) = sync_channel(1);
        self.0.send(Order::LookAndTell(tell)).is_ok() && told.recv_timeout(PATIENCE).is_ok()
    }
}

impl Watcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(watched: Vec<Box<dyn Watched>>, duties: Duties) -> std::io::Result<Self> {
        let (orders, mut inbox) = channel();
        let mut round = Round {
            watched: watched
                .into_iter()
                .map(|source| Kept {
                    source,
                    trouble: None,
                })
                .collect(),
            duties,
            looks: 0,
        };
        let thread = std::thread::Builder::new()
            .name("doorman-watch".to_owned())
            .spawn(move || {
                (round.duties.enter)();
                round.supervised(&mut inbox);
            })?;
        Ok(Self { orders, thread })
    }

    /// Has every source looked at now, as it is.
    pub fn look(&self) {
        // Fails only when the thread is gone, and then there is nobody to tell.
        self.orders.send(Order::Look).ok();
    }

    /// For others who change sources.
    #[must_use]
    pub fn looker(&self) -> Looker {
        Looker(self.orders.clone())
    }

    /// Ends the thread and waits for it: at most as long as one load takes.
    pub fn stop(self) {
        // As in `look`.
        self.orders.send(Order::Stop).ok();
        if self.thread.join().is_err() {
            log::error!("the watcher ended in a panic");
        }
    }
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
    /// Runs until it is told to stop; a panic while looking does not end the looking.
    fn supervised(&mut self, inbox: &mut Receiver<Order>) {
        loop {
            let ended = std::thread::scope(|scope| scope.spawn(|| self.run(&mut *inbox)).join());
            match ended {
                Ok(()) => return,
                Err(_) => log::error!("looking after the sources failed; trying again"),
            }
        }
    }

    fn run(&mut self, inbox: &mut Receiver<Order>) {
        loop {
            let mut tell = None;
            let hurry = match inbox.recv_timeout(INTERVAL) {
                Ok(Order::Look) => Hurry::Now,
                Ok(Order::LookAndTell(whom)) => {
                    tell = Some(whom);
                    Hurry::Now
                }
                Err(RecvTimeoutError::Timeout) => Hurry::Settled,
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.record();
                    return;
                }
            };
            self.look(hurry);
            if let Some(tell) = tell {
                // Whoever asked may have given up.
                tell.send(()).ok();
            }
            self.attend();
        }
    }

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
            enter: || {},
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
        let watcher = Watcher::start(vec![Box::new(Told { answers, asked })], duties).unwrap();
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
