//! The thread that carries orders out, in the order in which they came.
//!
//! Must not: answer before what was ordered is on the disk and in force, or have connections ended before
//! the answer is out: whoever changes its own password still hears that it has been changed. What waits
//! together is one transaction, but each order is all or nothing: one that is refused leaves the others
//! as they are, and where the transaction fails none of them has happened, and all are told so.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::RESPONSE_TOPIC;
use super::answer::{Answer, Refusal, message};
use super::hand::Hand;
use super::letter::{Content, Letter, Order, Sender};
use super::verbs::{reads_only, takes_password, verb};
use crate::admin::{self, Batch};
use crate::credential::{Recipe, Salt, hash};
use crate::dynsec::Json;
use crate::engine::{Concerned, End, Engine};
use crate::model::StoredCredential;
use crate::show::Shown;
use crate::store::sqlite::Database;
use crate::watch::Looker;

/// What is changed, and how.
#[derive(Clone, Debug)]
pub struct Place {
    /// The database.
    pub database: PathBuf,
    /// How passwords are hashed.
    pub recipe: Recipe,
}

/// What waits and the thread behind it.
pub struct Desk {
    inbox: Arc<Inbox>,
    thread: JoinHandle<()>,
}

/// More orders wait than are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more orders wait than are taken")]
pub struct Full;

struct Inbox {
    pile: Mutex<Pile>,
    bell: Condvar,
}

#[derive(Default)]
struct Pile {
    letters: Vec<Letter>,
    bytes: usize,
    stopping: bool,
}

impl Desk {
    /// Opens it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open(
        place: Place,
        engine: Arc<Engine>,
        looker: Looker,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<Self> {
        let inbox = Arc::new(Inbox {
            pile: Mutex::default(),
            bell: Condvar::new(),
        });
        let clerk = Clerk {
            place,
            engine,
            looker,
            wake,
        };
        let theirs = Arc::clone(&inbox);
        let thread = std::thread::Builder::new()
            .name("doorman-control".to_owned())
            .spawn(move || clerk.work(&theirs))?;
        Ok(Self { inbox, thread })
    }

    /// Takes a letter. Never waits.
    ///
    /// # Errors
    /// When too many wait already.
    pub fn take(&self, letter: Letter) -> Result<(), Full> {
        let mut pile = self.inbox.pile();
        let bytes = pile.bytes.saturating_add(letter.payload.len());
        if pile.letters.len() >= MOST_LETTERS || bytes > MOST_BYTES {
            return Err(Full);
        }
        pile.bytes = bytes;
        pile.letters.push(letter);
        drop(pile);
        self.inbox.bell.notify_one();
        Ok(())
    }

    /// Closes it: what is under way is finished, what waits is not begun.
    pub fn close(self) {
        self.inbox.pile().stopping = true;
        self.inbox.bell.notify_one();
        if self.thread.join().is_err() {
            log::error!("the control API ended in a panic");
        }
    }
}

impl Inbox {
    fn pile(&self) -> MutexGuard<'_, Pile> {
        // Letters are added and taken in one step each.
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits, once something does; nothing when it is time to stop.
    fn next(&self) -> Option<Vec<Letter>> {
        let mut pile = self.pile();
        loop {
            if pile.stopping {
                return None;
            }
            if !pile.letters.is_empty() {
                pile.bytes = 0;
                return Some(std::mem::take(&mut pile.letters));
            }
            let woken = self.bell.wait(pile);
            pile = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Who sits at the desk.
struct Clerk {
    place: Place,
    engine: Arc<Engine>,
    looker: Looker,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// A letter that has been read.
struct Task {
    sender: Sender,
    orders: Vec<(Order, Option<Result<StoredCredential, Refusal>>)>,
    /// What is in it behind the orders and is none.
    broken: Option<Answer>,
}

/// What came of some letters.
#[derive(Default)]
struct Outcome {
    /// Letter by letter.
    answers: Vec<Vec<Answer>>,
    ends: Vec<End>,
}

impl Clerk {
    fn work(&self, inbox: &Inbox) {
        while let Some(letters) = inbox.next() {
            for some in Self::portions(letters) {
                let ended = std::thread::scope(|scope| scope.spawn(|| self.turn(some)).join());
                if ended.is_err() {
                    log::error!("an order failed; it has done nothing");
                    self.say(vec![vec![Answer::unnamed("Internal error")]]);
                }
            }
        }
    }

    /// Passwords are hashed before the database is begun with, and nobody waits for more of them than
    /// there are in so many letters.
    fn portions(letters: Vec<Letter>) -> Vec<Vec<Letter>> {
        let mut portions = Vec::new();
        let mut letters = letters.into_iter().peekable();
        while letters.peek().is_some() {
            portions.push(letters.by_ref().take(PORTION).collect());
        }
        portions
    }

    fn turn(&self, letters: Vec<Letter>) {
        let tasks: Vec<Task> = letters
            .into_iter()
            .map(|letter| self.read(letter))
            .collect();
        let held = self.engine.hold_ends();
        let mut concerned = Concerned::default();
        let outcome = match self.carry_out(tasks, &mut concerned) {
            Ok(outcome) => outcome,
            Err(answers) => {
                self.say(answers);
                return;
            }
        };
        if !self.looker.look_and_wait() {
            log::error!("what was ordered is written down, and not in force before the next look");
        }
        self.engine.concern(&mut concerned, &outcome.ends);
        // Held back until the answer is there to go out first.
        self.engine.end(concerned);
        self.say(outcome.answers);
        drop(held);
        (self.wake)();
    }

    fn say(&self, answers: Vec<Vec<Answer>>) {
        for answers in answers {
            self.engine.publish(RESPONSE_TOPIC, message(answers));
        }
        (self.wake)();
    }

    fn read(&self, letter: Letter) -> Task {
        let content = Content::read(&letter.payload);
        let orders = content.orders.into_iter();
        let orders = orders.map(|order| {
            let credential = self.credential(&order);
            (order, credential)
        });
        Task {
            sender: letter.sender,
            orders: orders.collect(),
            broken: content.broken,
        }
    }

    /// The order's password, hashed.
    fn credential(&self, order: &Order) -> Option<Result<StoredCredential, Refusal>> {
        if !takes_password(&order.name) {
            return None;
        }
        let password = order.field("password").and_then(Json::text)?;
        if password.is_empty() {
            return None;
        }
        let mut salt = [0; Salt::BYTES];
        let hashed = getrandom::fill(&mut salt).map_err(|_| Refusal::new("Internal error"));
        let hashed = hashed.and_then(|()| {
            hash(password.as_bytes(), &self.place.recipe, &Salt::new(salt))
                .map_err(|_| Refusal::new("Internal error"))
        });
        Some(hashed)
    }

    /// Carries letters out in one transaction.
    fn carry_out(
        &self,
        tasks: Vec<Task>,
        concerned: &mut Concerned,
    ) -> Result<Outcome, Vec<Vec<Answer>>> {
        let names: Vec<Vec<(String, Option<String>)>> = tasks
            .iter()
            .map(|task| {
                let orders = task.orders.iter();
                let names =
                    orders.map(|(order, _)| (order.name.clone(), order.correlation.clone()));
                names.collect()
            })
            .collect();
        self.in_one(tasks, concerned).map_err(|error| {
            log::error!("the control API changed nothing: {error}");
            let words = format!("Internal error: {error}");
            let letters = names.into_iter().map(|names| {
                let answers = names.into_iter().map(|(command, correlation)| Answer {
                    command,
                    outcome: Err(Refusal::new(&words)),
                    correlation,
                });
                answers.collect()
            });
            letters.collect()
        })
    }

    fn in_one(&self, tasks: Vec<Task>, concerned: &mut Concerned) -> Result<Outcome, admin::Error> {
        let mut database = Database::open(&self.place.database)?;
        let mut batch = Batch::begin(&mut database)?;
        let mut outcome = Outcome::default();
        for task in tasks {
            let mut answers = Vec::new();
            for (order, credential) in task.orders {
                let done = self.order(&mut batch, &order, credential, &mut outcome.ends);
                Self::note(&task.sender, &order, &done);
                answers.push(order.answer(done));
            }
            answers.extend(task.broken);
            outcome.answers.push(answers);
        }
        self.engine.concern(concerned, &outcome.ends);
        batch.commit()?;
        Ok(outcome)
    }

    fn order(
        &self,
        batch: &mut Batch<'_>,
        order: &Order,
        credential: Option<Result<StoredCredential, Refusal>>,
        ends: &mut Vec<End>,
    ) -> super::hand::Done {
        let verb = verb(&order.name).ok_or_else(|| Refusal::new("Unknown command"))?;
        let credential = credential.transpose()?;
        batch.attempt(|batch| {
            let mut hand = Hand {
                batch,
                engine: &self.engine,
                credential,
                ends: Vec::new(),
            };
            let done = verb(&mut hand, order);
            ends.append(&mut hand.ends);
            done
        })
    }

    /// One line for each order that changes something, and for each that is refused.
    fn note(sender: &Sender, order: &Order, done: &super::hand::Done) {
        if done.is_ok() && reads_only(&order.name) {
            return;
        }
        let text = |text: &Option<Box<str>>| text.clone().unwrap_or_else(|| "-".into());
        let [username, client_id, address] =
            [&sender.username, &sender.client_id, &sender.address].map(text);
        let object = ["username", "groupname", "rolename"].into_iter();
        let object = object.filter_map(|field| order.field(field).and_then(Json::text));
        let object = object
            .map(|name| Shown(name).to_string())
            .collect::<Vec<_>>();
        let object = object.join(",");
        let outcome = match done {
            Ok(_) => "done",
            Err(refusal) => refusal.words(),
        };
        log::info!(
            "control command={} of={object} by username={} client_id={} address={}: {outcome}",
            Shown(&order.name),
            Shown(&username),
            Shown(&client_id),
            Shown(&address),
        );
    }
}

/// So many letters wait, and so many bytes of them.
const MOST_LETTERS: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// So many letters are one transaction.
const PORTION: usize = 64;
