//! Workers that verify passwords, and signatures of tokens, off the broker's thread.
//!
//! Must not: know who asks, or what an answer means. A task goes in, an answer comes out, and whoever
//! waits is woken. The queue is bounded: a full one refuses at once. Tasks are taken by rank and then
//! by age; one that nobody waits for any more is not begun. A panic in a task answers no.
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
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::queue::Queue;
use self::sync::{Condvar, Flag, Mutex, MutexGuard};
use crate::credential::{Cost, Credential};
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
    /// Called first on each worker's thread.
    pub enter: fn(),
    /// Wakes whoever takes the answers. Called until they are taken.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// The running workers.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// A task has come, or it is time to stop.
    arrived: Condvar,
    answers: Mutex<Vec<Answer>>,
    /// An answer has come, or it is time to stop.
    answered: Condvar,
    /// Whether there are answers: all that an idle round of the broker looks at.
    ready: Flag,
    stopping: Flag,
}

impl Pool {
    /// Starts the workers, and one thread that wakes.
    ///
    /// # Errors
    /// When the system gives no thread; then none runs.
    pub fn start(
        workers: usize,
        capacity: usize,
        surroundings: &Surroundings,
    ) -> std::io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared::new(capacity)),
            threads: Mutex::new(Vec::new()),
        };
        match pool.start_threads(workers.max(1), surroundings) {
            Ok(()) => Ok(pool),
            Err(error) => {
                pool.stop();
                Err(error)
            }
        }
    }

    fn start_threads(&self, workers: usize, around: &Surroundings) -> std::io::Result<()> {
        for number in 0..workers {
            let (shared, enter) = (Arc::clone(&self.shared), around.enter);
            self.thread(format!("doorman-work{number}"), move || {
                enter();
                worker::run(&shared);
            })?;
        }
        let (shared, wake) = (Arc::clone(&self.shared), Arc::clone(&around.wake));
        self.thread("doorman-wake".to_owned(), move || {
            shared.wake_until_taken(&*wake)
        })
    }

    fn thread(&self, name: String, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let thread = std::thread::Builder::new().name(name).spawn(run)?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Hands a task in.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn submit(&self, task: Task) -> Result<(), Full> {
        self.shared.submit(task)
    }

    /// How many tasks wait for a worker.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.queue().len()
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
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            if thread.join().is_err() {
                log::error!("a worker ended in a panic");
            }
        }
    }
}

impl Shared {
    fn new(capacity: usize) -> Self {
        Self {
            queue: Mutex::new(Queue::new(capacity)),
            arrived: Condvar::new(),
            answers: Mutex::new(Vec::new()),
            answered: Condvar::new(),
            ready: Flag::new(false),
            stopping: Flag::new(false),
        }
    }

    fn submit(&self, task: Task) -> Result<(), Full> {
        self.queue().push(task).map_err(Full)?;
        self.arrived.notify_one();
        Ok(())
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
        drop(self.queue());
        self.arrived.notify_all();
        drop(lock(&self.answers));
        self.answered.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The next task; waits for one. None when it is time to stop.
    fn next(&self) -> Option<Task> {
        let mut queue = self.queue();
        loop {
            if self.stopping() {
                return None;
            }
            if let Some(task) = queue.pop() {
                return Some(task);
            }
            queue = self
                .arrived
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next task, if there is one now.
    fn try_next(&self) -> Option<Task> {
        self.queue().pop()
    }

    fn answer(&self, answer: Answer) {
        let mut answers = lock(&self.answers);
        answers.push(answer);
        self.ready.store(true, Ordering::Release);
        self.answered.notify_one();
    }

    /// A signal that comes while the broker is between two waits is lost, so it is sent again until
    /// the answers are taken.
    fn wake_until_taken(&self, wake: &(dyn Fn() + Send + Sync)) {
        let mut answers = lock(&self.answers);
        while !self.stopping() {
            if answers.is_empty() {
                answers = self
                    .answered
                    .wait(answers)
                    .unwrap_or_else(PoisonError::into_inner);
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
