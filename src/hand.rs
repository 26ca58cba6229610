//! A thread that is there while there is something to do, and then goes.
//!
//! With one thread in a process, Linux uses a descriptor as it is; with two, each system call counts it in and
//! out again, whether the other thread does anything or not. The broker reads and writes sockets all day: a thread that only
//! waited made each message 6 to 11 % dearer (docs/performance.md, decision 14). Must not: know what is done, or
//! stay for nothing.
#![forbid(unsafe_code)]

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long whoever has nothing to do waits for more before it goes: where work comes often, it is not fetched
/// anew each time.
pub const LINGER: Duration = Duration::from_secs(1);

/// Starts a thread of this name.
pub type Start = fn(&str, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>;

/// A thread that can be called.
#[derive(Clone)]
pub struct Hand(Arc<Inner>);

/// What a call found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nobody: the thread has been started.
    Away,
    /// The thread at work: it will look for more before it goes.
    AtWork,
    /// Nobody, and there will be nobody: it has been dismissed, or the system gives no thread.
    Nobody,
}

struct Inner {
    name: String,
    start: Start,
    work: Box<dyn Fn() + Send + Sync>,
    post: Mutex<Post>,
}

struct Post {
    state: State,
    thread: Option<JoinHandle<()>>,
    /// The system gave no thread last time, and that was told.
    is_short: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Away,
    /// And whether it was called since it last began.
    AtWork {
        again: bool,
    },
    Dismissed,
}

impl Hand {
    /// One that does this when it is called: everything that there is to do, until nothing is left. What fails in a
    /// panic is begun once more, so the work takes out what it does before it does it.
    pub fn new(name: &str, start: Start, work: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            name: name.to_owned(),
            start,
            work: Box::new(work),
            post: Mutex::new(Post {
                state: State::Away,
                thread: None,
                is_short: false,
            }),
        }))
    }

    /// There is something to do: the work begins once more after this.
    pub fn call(&self) -> Found {
        Inner::call(&self.0)
    }

    /// Whether it is neither at work nor about to be.
    #[cfg(test)]
    pub(crate) fn is_away(&self) -> bool {
        self.0.post().state == State::Away
    }

    /// Waits until the work under way is done; no more is begun. Whoever works has been told to stop before, and whoever
    /// else could call has ended.
    pub fn dismiss(&self) {
        let thread = {
            let mut post = self.0.post();
            post.state = State::Dismissed;
            post.thread.take()
        };
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            log::error!("{} ended in a panic", self.0.name);
        }
    }
}

impl Inner {
    fn call(self: &Arc<Self>) -> Found {
        {
            let mut post = self.post();
            match &mut post.state {
                State::AtWork { again } => {
                    *again = true;
                    return Found::AtWork;
                }
                State::Dismissed => return Found::Nobody,
                State::Away => post.state = State::AtWork { again: false },
            }
        }
        // Nobody who calls waits for whoever starts it.
        let own = Arc::clone(self);
        match (self.start)(&self.name, Box::new(move || own.run())) {
            Ok(thread) => {
                let mut post = self.post();
                // The one before has said that it goes, and is left to it.
                post.thread = Some(thread);
                post.is_short = false;
                Found::Away
            }
            Err(error) => {
                if self.is_newly_short() {
                    log::error!("no thread for {}: {error}", self.name);
                }
                Found::Nobody
            }
        }
    }

    /// The system gave no thread; whether that is news.
    fn is_newly_short(&self) -> bool {
        let mut post = self.post();
        if post.state != State::Dismissed {
            post.state = State::Away;
        }
        !std::mem::replace(&mut post.is_short, true)
    }

    fn run(self: &Arc<Self>) {
        loop {
            let watched = Watched(self);
            (self.work)();
            drop(watched);
            if !self.goes_on() {
                return;
            }
        }
    }

    /// Whether there was a call meanwhile. If there was none, the thread is away.
    fn goes_on(&self) -> bool {
        let mut post = self.post();
        let goes_on = post.state == State::AtWork { again: true };
        post.state = match post.state {
            State::AtWork { again: true } => State::AtWork { again: false },
            State::AtWork { again: false } | State::Away => State::Away,
            State::Dismissed => State::Dismissed,
        };
        goes_on
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        // Each change is a single step.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lives while the work is done: after a panic another thread goes on.
struct Watched<'a>(&'a Arc<Inner>);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        log::error!("{} failed; it goes on with what is left", self.0.name);
        let mut post = self.0.post();
        if post.state != State::Dismissed {
            post.state = State::Away;
            drop(post);
            self.0.call();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::hand::test::{eventually, plainly};

    const LONG: Duration = Duration::from_secs(20);

    /// A hand that tells when it begins and waits until it may end.
    struct Rig {
        hand: Hand,
        begun: Receiver<u32>,
        end: Sender<&'static str>,
    }

    fn rig() -> Rig {
        let (tell, begun) = channel();
        let (end, may_end) = channel();
        let ends = Mutex::new((tell, may_end, 0_u32));
        let hand = Hand::new("doorman-test", plainly, move || {
            let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
            let (tell, may_end, rounds) = &mut *ends;
            *rounds = u32::wrapping_add(*rounds, 1);
            tell.send(*rounds).ok();
            if may_end.recv() == Ok("panic") {
                panic!("as told");
            }
        });
        Rig { hand, begun, end }
    }

    impl Rig {
        fn begins(&self) -> u32 {
            self.begun.recv_timeout(LONG).expect("it begins")
        }

        fn goes(&self) -> bool {
            eventually(|| self.hand.is_away())
        }
    }

    #[test]
    fn it_comes_when_it_is_called_and_goes_when_it_is_done() {
        let rig = rig();
        for round in 1..=3 {
            assert_eq!(rig.hand.call(), Found::Away);
            assert_eq!(rig.begins(), round);
            rig.end.send("").unwrap();
            assert!(rig.goes());
        }
        assert!(rig.begun.try_recv().is_err(), "nobody called");
    }

    #[test]
    fn a_call_at_work_has_the_work_done_once_more_however_many_there_are() {
        let rig = rig();
        assert_eq!(rig.hand.call(), Found::Away);
        assert_eq!(rig.begins(), 1);
        for _ in 0..5 {
            assert_eq!(rig.hand.call(), Found::AtWork);
        }
        rig.end.send("").unwrap();
        assert_eq!(rig.begins(), 2);
        rig.end.send("").unwrap();
        assert!(rig.goes());
        assert!(rig.begun.try_recv().is_err(), "once for five calls");
    }

    #[test]
    fn a_panic_does_not_end_the_work() {
        let rig = rig();
        rig.hand.call();
        assert_eq!(rig.begins(), 1);
        rig.end.send("panic").unwrap();
        assert_eq!(rig.begins(), 2);
        rig.end.send("").unwrap();
        assert!(rig.goes());
        assert_eq!(rig.hand.call(), Found::Away);
        assert_eq!(rig.begins(), 3);
        rig.end.send("").unwrap();
    }

    #[test]
    fn whoever_is_dismissed_finishes_and_does_not_come_again() {
        let rig = rig();
        rig.hand.call();
        assert_eq!(rig.begins(), 1);
        assert_eq!(rig.hand.call(), Found::AtWork);
        rig.end.send("").unwrap();
        let _again = rig.end.send("");
        rig.hand.dismiss();
        assert_eq!(rig.hand.call(), Found::Nobody);
        // The second turn may have begun before.
        assert!(rig.begun.try_iter().all(|round| round == 2));
    }

    #[test]
    fn where_the_system_gives_no_thread_the_next_call_tries_again() {
        static TRIES: AtomicU32 = AtomicU32::new(0);
        let start: Start = |name, run| match TRIES.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(io::ErrorKind::WouldBlock.into()),
            _ => plainly(name, run),
        };
        let (tell, told) = channel();
        let hand = Hand::new("doorman-test", start, move || tell.send(()).unwrap());
        assert_eq!(hand.call(), Found::Nobody);
        assert_eq!(hand.call(), Found::Nobody);
        assert!(told.try_recv().is_err());
        assert_eq!(hand.call(), Found::Away);
        assert_eq!(told.recv_timeout(LONG), Ok(()));
    }
}

/// For tests of other rooms.
#[cfg(test)]
pub(crate) mod test {
    use std::sync::mpsc::channel;

    use super::{Duration, JoinHandle, io};

    /// A thread like any other.
    pub(crate) fn plainly(name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(name.to_owned()).spawn(run)
    }

    /// Whether it becomes true within twenty seconds.
    pub(crate) fn eventually(is_so: impl Fn() -> bool) -> bool {
        let (_keep, nothing) = channel::<()>();
        (0..2_000).any(|_| {
            is_so() || {
                nothing.recv_timeout(Duration::from_millis(10)).ok();
                false
            }
        })
    }
}
