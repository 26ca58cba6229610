//! Who carries orders out, in the order in which they came.
//!
//! Must not: answer before what was ordered is on the disk and in force, or have connections ended before
//! the answer is out: whoever changes its own password still hears that it has been changed. What waits
//! together is one transaction, but each order is all or nothing: one that is refused leaves the others
//! as they are, and where the transaction fails none of them has happened, and all are told so.
#![forbid(unsafe_code)]

use std::sync::Arc;

use jiff::Timestamp;

use super::RESPONSE_TOPIC;
use super::answer::{Answer, Refusal, message};
use super::desk::Place;
use super::hand::{Done, Hand};
use super::letter::{Content, Letter, Order, Sender};
use super::verbs::{Kind, Verb, verb};
use crate::admin::{self, Actor, Batch};
use crate::credential::{Salt, hash};
use crate::dynsec::Json;
use crate::engine::{Concerned, End, Engine};
use crate::model::StoredCredential;
use crate::show::Shown;
use crate::store::sqlite::Database;
use crate::watch::Looker;

/// Who sits at the desk.
pub(super) struct Clerk {
    pub(super) place: Place,
    pub(super) engine: Arc<Engine>,
    pub(super) looker: Looker,
    pub(super) wake: Arc<dyn Fn() + Send + Sync>,
}

/// A letter that has been read.
struct Task {
    sender: Sender,
    actor: Actor,
    jobs: Vec<Job>,
}

/// An order and what is needed for it.
struct Job {
    order: Order,
    /// None for a name that nothing has.
    verb: Option<&'static Verb>,
    /// The password that came with it, hashed.
    credential: Option<Result<StoredCredential, Refusal>>,
}

/// What came of some letters.
#[derive(Default)]
struct Outcome {
    /// Letter by letter.
    answers: Vec<Vec<Answer>>,
    ends: Vec<End>,
    /// Whether anything was done but to answer.
    is_change: bool,
}

impl Clerk {
    /// Carries letters out, and answers them.
    pub(super) fn turn(&self, letters: Vec<Letter>) {
        let letters = letters.into_iter().map(|letter| self.read(letter));
        let (tasks, broken): (Vec<Task>, Vec<Option<Answer>>) = letters.unzip();
        let held = self.engine.hold_ends();
        let mut concerned = Concerned::default();
        let mut outcome = self.carry_out(tasks, &mut concerned);
        for (answers, broken) in outcome.answers.iter_mut().zip(broken) {
            answers.extend(broken);
        }
        if outcome.is_change && !self.looker.look_and_wait() {
            log::error!("what was ordered is written down, and not in force before the next look");
        }
        self.engine.concern(&mut concerned, &outcome.ends);
        // Held back until the answer is there to go out first.
        self.engine.end(concerned);
        self.say(outcome.answers);
        drop(held);
        (self.wake)();
    }

    /// Whether the broker has passed on what was answered.
    pub(super) fn is_heard(&self) -> bool {
        self.engine.is_heard()
    }

    /// Has the broker come round.
    pub(super) fn call(&self) {
        (self.wake)();
    }

    /// For letters that nobody can say more about.
    pub(super) fn apologise(&self) {
        self.say(vec![vec![Answer::unnamed("Internal error")]]);
    }

    fn say(&self, answers: Vec<Vec<Answer>>) {
        for answers in answers {
            self.engine.ordered(answers.len());
            self.engine.publish(RESPONSE_TOPIC, message(answers));
        }
        (self.wake)();
    }

    /// What is to be done, and what is in the letter behind that and is none.
    fn read(&self, letter: Letter) -> (Task, Option<Answer>) {
        let content = Content::read(&letter.payload);
        let jobs = content.orders.into_iter().map(|mut order| {
            let verb = verb(&order.name);
            if let Some(verb) = verb {
                verb.name.clone_into(&mut order.name);
            }
            let credential = verb
                .filter(|verb| verb.kind == Kind::SetsPassword)
                .and_then(|_| self.credential(&order));
            Job {
                order,
                verb,
                credential,
            }
        });
        let task = Task {
            actor: letter.sender.actor(letter.at),
            sender: letter.sender,
            jobs: jobs.collect(),
        };
        (task, content.broken)
    }

    /// The order's password, hashed.
    fn credential(&self, order: &Order) -> Option<Result<StoredCredential, Refusal>> {
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

    /// Carries letters out in one transaction; where that fails, all are told so.
    fn carry_out(&self, tasks: Vec<Task>, concerned: &mut Concerned) -> Outcome {
        let at = tasks
            .first()
            .map_or(Timestamp::UNIX_EPOCH, |task| task.actor.at);
        let names: Vec<Vec<(String, Option<String>)>> = tasks
            .iter()
            .map(|task| {
                let orders = task.jobs.iter().map(|job| &job.order);
                let names = orders.map(|order| (order.name.clone(), order.correlation.clone()));
                names.collect()
            })
            .collect();
        self.in_one(tasks, concerned).unwrap_or_else(|error| {
            log::error!("the control API changed nothing: {error}");
            if let admin::Error::Store(error) = &error {
                self.engine.order_failed(error, at);
            }
            let words = format!("Internal error: {error}");
            let letters = names.into_iter().map(|names| {
                let answers = names.into_iter().map(|(command, correlation)| Answer {
                    command,
                    outcome: Err(Refusal::new(&words)),
                    correlation,
                });
                answers.collect()
            });
            Outcome {
                answers: letters.collect(),
                ..Outcome::default()
            }
        })
    }

    fn in_one(&self, tasks: Vec<Task>, concerned: &mut Concerned) -> Result<Outcome, admin::Error> {
        // What replaced the file is put in force first.
        if !self.place.pen.is_current() && !self.looker.look_and_wait() {
            log::warn!("nobody has looked at the database that was replaced");
        }
        self.place
            .pen
            .write(|database| self.write(database, tasks, concerned))
    }

    fn write(
        &self,
        database: &mut Database,
        tasks: Vec<Task>,
        concerned: &mut Concerned,
    ) -> Result<Outcome, admin::Error> {
        let Some(first) = tasks.first() else {
            return Ok(Outcome::default());
        };
        let mut batch = Batch::begin(database, first.actor.clone())?;
        let mut outcome = Outcome::default();
        let mut lines = Vec::new();
        for task in tasks {
            let mut answers = Vec::new();
            let mut notes = Notes::default();
            batch.hand_over(task.actor);
            for job in task.jobs {
                let Job {
                    order,
                    verb,
                    credential,
                } = job;
                let done = self.order(&mut batch, &order, verb, credential, &mut outcome.ends);
                let asks = verb.is_none_or(|verb| verb.kind == Kind::Asks);
                outcome.is_change |= done.is_ok() && !asks;
                notes.add(&order, verb, &done);
                answers.push(order.answer(done));
            }
            lines.extend(notes.lines(&task.sender));
            outcome.answers.push(answers);
        }
        self.engine.concern(concerned, &outcome.ends);
        batch.commit()?;
        for line in lines {
            log::info!("{line}");
        }
        Ok(outcome)
    }

    fn order(
        &self,
        batch: &mut Batch<'_>,
        order: &Order,
        verb: Option<&Verb>,
        credential: Option<Result<StoredCredential, Refusal>>,
        ends: &mut Vec<End>,
    ) -> Done {
        let verb = verb.ok_or_else(|| Refusal::new("Unknown command"))?;
        let credential = credential.transpose()?;
        batch.attempt(|batch| {
            let mut hand = Hand {
                batch,
                engine: &self.engine,
                credential,
                ends: Vec::new(),
            };
            let done = (verb.act)(&mut hand, order);
            ends.append(&mut hand.ends);
            done
        })
    }
}

/// What the log says of a letter: the first orders that changed something or were refused, and how many
/// more there were.
#[derive(Default)]
struct Notes {
    first: Vec<String>,
    more: usize,
}

impl Notes {
    fn add(&mut self, order: &Order, verb: Option<&Verb>, done: &Done) {
        if done.is_ok() && verb.is_some_and(|verb| verb.kind == Kind::Asks) {
            return;
        }
        if self.first.len() >= MOST_NOTES {
            self.more = self.more.saturating_add(1);
            return;
        }
        let objects = ["username", "groupname", "rolename"].into_iter();
        let objects = objects.filter_map(|field| {
            let name = order.field(field).and_then(Json::text)?;
            Some(format!(" {field}={}", Shown(name)))
        });
        let outcome = match done {
            Ok(_) => "done",
            Err(refusal) => refusal.words(),
        };
        let objects: String = objects.collect();
        let command = Shown(&order.name);
        self.first
            .push(format!("command={command}{objects}: {outcome}"));
    }

    fn lines(self, sender: &Sender) -> Vec<String> {
        let text = |text: &Option<Box<str>>| match text {
            Some(text) => Shown(text).to_string(),
            None => "none".to_owned(),
        };
        let [username, client_id, address] =
            [&sender.username, &sender.client_id, &sender.address].map(text);
        let by = format!("control by={username} client_id={client_id} address={address}");
        let mut lines = self.first;
        if self.more > 0 {
            lines.push(format!("and {} more commands", self.more));
        }
        lines.iter().map(|line| format!("{by} {line}")).collect()
    }
}

/// So many lines of one letter are in the log.
const MOST_NOTES: usize = 20;
