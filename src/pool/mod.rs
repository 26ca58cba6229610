//! Workers that verify passwords, and signatures of tokens, off the broker's thread.
//!
//! Must not: know who asks, or what an answer means. A task goes in, an answer comes out, and whoever
//! waits is woken. The queue is bounded: a full one refuses at once. Tasks are taken by rank and then
//! by age; one that nobody waits for any more is not begun. A panic in a task answers no. Threads come with
//! the tasks, and go a while after the last.
#![forbid(unsafe_code)]

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod queue;
mod sync;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use self::queue::Queue;
use self::sync::{Condvar, Flag, Mutex, MutexGuard};
use crate::credential::{Cost, Credential};
use crate::hand::{Found, Hand, LINGER, Start};
use crate::secret::Secret;
use crate::token::Signer;

/// Names a question, so that its answer finds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketId(pub u64);

/// Whose work goes first: lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// From an address that logged in before.
    Known,
    /// From an address that nothing is known of.
    New,
    /// From an address that fails a lot.
    Suspect,
}

/// One password or token to be verified.
pub struct Task {
    /// Whom to answer.
    pub ticket: TicketId,
    /// Which task goes first.
    pub rank: Rank,
    /// What is done, one after another, until a credential or a key fits.
    pub steps: Vec<Step>,
    /// The password, or the token.
    pub password: Secret,
    /// Whether anybody waits for the answer.
    pub interest: Arc<Interest>,
}

/// Whether anybody waits for an answer.
#[derive(Debug, Default)]
pub struct Interest {
    lost: AtomicBool,
    over: AtomicBool,
}

impl Interest {
    /// Nobody waits now: it is not worth beginning, and worth finishing, because whoever asked may
    /// ask the same again.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// The answer would be of no use to anybody.
    pub fn end(&self) {
        self.lose();
        self.over.store(true, Ordering::Release);
    }

    /// Whether the task is worth beginning.
    pub fn is_there(&self) -> bool {
        !self.lost.load(Ordering::Acquire)
    }

    /// Whether the task is not even worth finishing.
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// One piece of work.
pub enum Step {
    /// Is it the password of this credential?
    Verify(Credential),
    /// As much work as this, for a username that nobody has.
    Burn(Cost),
    /// Is it a token that this key signed?
    Signed(Signer),
    /// Whatever a test wants to happen on a worker.
    #[cfg(test)]
    Act(Arc<dyn Fn() + Send + Sync>),
}

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Answer {
    /// The task's ticket.
    pub ticket: TicketId,
    /// The step whose credential or key fits.
    pub fits: Option<usize>,
}

/// The queue is full; the task comes back.
pub struct Full(pub Task);

/// What the pool needs from the world around it.
#[derive(Clone)]
pub struct Surroundings {
    /// Starts a thread.
    pub start: Start,
    /// Wakes whoever takes the answers. Called until they are taken.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// The workers.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Hand>,
}

struct Shared {
    desk: Mutex<Desk>,
    /// A task has come, or it is time to stop.
    arrived: Condvar,
    answers: Mutex<Vec<Answer>>,
    /// An answer has come, or it is time to stop.
    answered: Condvar,
    /// Whether there are answers: all that an idle round of the broker looks at.
    ready: Flag,
    stopping: Flag,
    /// Whoever wakes the broker.
    caller: OnceLock<Hand>,
}

/// What waits for whom.
struct Desk {
    tasks: Queue,
    /// Workers that wait for a task.
    idle: usize,
}

impl Pool {
    /// A pool of so many workers. No thread runs yet.
    #[must_use]
    pub fn new(workers: usize, capacity: usize, around: &Surroundings) -> Self {
        let shared = Arc::new(Shared::new(capacity));
        let worker = |number| {
            let shared = Arc::clone(&shared);
            let name = format!("doorman-work{number}");
            Hand::new(&name, around.start, move || worker::run(&shared))
        };
        let workers = (0..workers.max(1)).map(worker).collect();
        let (its, wake) = (Arc::downgrade(&shared), Arc::clone(&around.wake));
        shared.caller.get_or_init(|| {
            Hand::new("doorman-wake", around.start, move || {
                if let Some(shared) = its.upgrade() {
                    shared.wake_until_taken(&*wake);
                }
            })
        });
        Self { shared, workers }
    }

    /// Hands a task in. Where the system gives no thread for it, it waits for the next one, or for its time to be
    /// over.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn submit(&self, task: Task) -> Result<(), Full> {
        if self.shared.submit(task)? == Staff::Short {
            // Those who are there look once more before they go; the first who is not comes.
            let mut workers = self.workers.iter();
            workers.find(|worker| worker.call() == Found::Away);
        }
        Ok(())
    }

    /// How many tasks wait for a worker.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.desk().tasks.len()
    }

    /// The answers since the last call. One load where there are none.
    #[must_use]
    pub fn take_answers(&self) -> Vec<Answer> {
        self.shared.take_answers()
    }

    /// Ends the threads and waits for them: at most as long as one step takes. Tasks under way are
    /// not answered.
    pub fn stop(&self) {
        self.shared.stop();
        for hand in self.workers.iter().chain(self.shared.caller.get()) {
            hand.dismiss();
        }
    }
}

/// Whether there are workers enough for what waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Staff {
    Enough,
    Short,
}

impl Shared {
    fn new(capacity: usize) -> Self {
        Self {
            desk: Mutex::new(Desk {
                tasks: Queue::new(capacity),
                idle: 0,
            }),
            arrived: Condvar::new(),
            answers: Mutex::new(Vec::new()),
            answered: Condvar::new(),
            ready: Flag::new(false),
            stopping: Flag::new(false),
            caller: OnceLock::new(),
        }
    }

    fn submit(&self, task: Task) -> Result<Staff, Full> {
        let mut desk = self.desk();
        desk.tasks.push(task).map_err(Full)?;
        let staff = match desk.tasks.len() > desk.idle {
            true => Staff::Short,
            false => Staff::Enough,
        };
        drop(desk);
        self.arrived.notify_one();
        Ok(staff)
    }

    fn take_answers(&self) -> Vec<Answer> {
        if !self.ready.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut answers = lock(&self.answers);
        self.ready.store(false, Ordering::Release);
        std::mem::take(&mut *answers)
    }

    /// Every thread finds that it is time to stop.
    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // Under the locks, so that nobody is between looking and waiting.
        drop(self.desk());
        self.arrived.notify_all();
        drop(lock(&self.answers));
        self.answered.notify_all();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The next task; waits a while for one. None when none came, or when it is time to stop.
    fn next(&self) -> Option<Task> {
        let mut desk = self.desk();
        let mut is_late = false;
        loop {
            if self.stopping() {
                return None;
            }
            if let Some(task) = desk.tasks.pop() {
                return Some(task);
            }
            if is_late {
                return None;
            }
            desk.idle = desk.idle.saturating_add(1);
            let waited = self.arrived.wait_timeout(desk, LINGER);
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            desk = woken;
            desk.idle = desk.idle.saturating_sub(1);
            is_late = waited.timed_out();
        }
    }

    /// The next task, if there is one now.
    fn try_next(&self) -> Option<Task> {
        self.desk().tasks.pop()
    }

    fn answer(&self, answer: Answer) {
        let mut answers = lock(&self.answers);
        answers.push(answer);
        self.ready.store(true, Ordering::Release);
        drop(answers);
        self.answered.notify_one();
        if let Some(caller) = self.caller.get() {
            caller.call();
        }
    }

    /// A signal that comes while the broker is between two waits is lost, so it is sent again until
    /// the answers are taken. Ends when none came for a while.
    fn wake_until_taken(&self, wake: &(dyn Fn() + Send + Sync)) {
        let mut answers = lock(&self.answers);
        while !self.stopping() {
            if answers.is_empty() {
                let waited = self.answered.wait_timeout(answers, LINGER);
                let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                answers = woken;
                if waited.timed_out() && answers.is_empty() {
                    return;
                }
                continue;
            }
            drop(answers);
            wake();
            answers = lock(&self.answers);
            if !answers.is_empty() && !self.stopping() {
                let waited = self.answered.wait_timeout(answers, WAKE_AGAIN);
                answers = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

/// A panic elsewhere leaves the data whole: every change under these locks is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers wait this long for the next attempt to wake the broker.
const WAKE_AGAIN: Duration = Duration::from_millis(1);
