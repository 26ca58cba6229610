//! Who carries orders out, in the order in which they came.
//!
//! Must not: answer before what was ordered is on the disk and in force, or have connections ended before
//! the answer is out: whoever changes its own password still hears that it has been changed. What waits
//! together is one transaction, but each order is all or nothing: one that is refused leaves the others
//! as they are, and where the transaction fails none of them has happened, and all are told so.
#![forbid(unsafe_code)]

use std::sync::Arc;

use jiff::Timestamp;

use super::answer::{Answer, Refusal, message};
use super::desk::Place;
use super::hand::{Done, Hand};
use super::hashing::{Hashed, hashed};
use super::letter::{Content, Letter, Order, Sender};
use super::verbs::{Kind, Verb, verb};
use super::{RESPONSE_TOPIC, TOPIC};
use crate::admin::{self, Actor, Batch};
use crate::dynsec::Json;
use crate::engine::{Concerned, End, Engine, Pardon};
use crate::policy::Scope;
use crate::show::Shown;
use crate::store::sqlite::Database;
use crate::verdict::Addressee;
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
    /// How long it was.
    payload: usize,
    jobs: Vec<Job>,
    /// What is in it behind them and is none.
    broken: Option<Answer>,
}

/// An order and what is needed for it.
struct Job {
    order: Order,
    /// None for a name that nothing has.
    verb: Option<&'static Verb>,
    /// The passwords that came with it.
    hashed: Result<Hashed, Refusal>,
}

/// What is answered to a letter.
struct Reply {
    /// Who alone hears it; none for whoever may.
    to: Option<Addressee>,
    answers: Vec<Answer>,
}

/// What came of some letters.
#[derive(Default)]
struct Outcome {
    /// Letter by letter.
    replies: Vec<Reply>,
    ends: Vec<End>,
    pardons: Vec<Pardon>,
    /// Whether anything was done but to answer.
    is_change: bool,
}

impl Clerk {
    /// Carries letters out, and answers them.
    pub(super) fn turn(&self, letters: Vec<Letter>) {
        let mut tasks: Vec<Task> = letters
            .into_iter()
            .map(|letter| self.read(letter))
            .collect();
        while !tasks.is_empty() {
            tasks = self.turn_to(tasks);
        }
    }

    /// Carries letters out up to the first whose sender may have lost its right by those before, and
    /// answers them.
    fn turn_to(&self, tasks: Vec<Task>) -> Vec<Task> {
        let held = self.engine.hold_ends();
        let mut concerned = Concerned::default();
        let (outcome, rest) = self.carry_out(tasks, &mut concerned);
        if outcome.is_change && !self.looker.look_and_wait() {
            log::error!("what was ordered is written down, and not in force before the next look");
        }
        self.engine.pardon(&outcome.pardons);
        self.engine.concern(&mut concerned, &outcome.ends);
        // Held back until the answer is there to go out first.
        self.engine.end(concerned);
        self.say(outcome.replies);
        drop(held);
        (self.wake)();
        rest
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
        self.say(vec![Reply {
            to: None,
            answers: vec![Answer::unnamed("Internal error")],
        }]);
    }

    fn say(&self, replies: Vec<Reply>) {
        for Reply { to, answers } in replies {
            self.engine.ordered(answers.len());
            self.engine.publish(to, RESPONSE_TOPIC, message(answers));
        }
        (self.wake)();
    }

    /// What is to be done.
    fn read(&self, letter: Letter) -> Task {
        let content = Content::read(&letter.payload);
        let jobs = content.orders.into_iter().map(|mut order| {
            let verb = verb(&order.name);
            if let Some(verb) = verb {
                verb.name.clone_into(&mut order.name);
            }
            let kind = verb.map_or(Kind::Asks, |verb| verb.kind);
            if kind == Kind::Imports {
                order.unfold("clients");
            }
            Job {
                hashed: hashed(&order, kind, &self.place.recipe),
                order,
                verb,
            }
        });
        Task {
            actor: letter.sender.actor(letter.at),
            payload: letter.payload.len(),
            sender: letter.sender,
            jobs: jobs.collect(),
            broken: content.broken,
        }
    }

    /// Carries letters out in one transaction, and says which are left; where it fails, all are told so.
    fn carry_out(&self, tasks: Vec<Task>, concerned: &mut Concerned) -> (Outcome, Vec<Task>) {
        let at = tasks
            .first()
            .map_or(Timestamp::UNIX_EPOCH, |task| task.actor.at);
        let failed = tasks
            .iter()
            .map(|task| Unanswered::of(task, self.judge(task).1));
        let failed: Vec<Unanswered> = failed.collect();
        self.in_one(tasks, concerned).unwrap_or_else(|error| {
            log::error!("the control API changed nothing: {error}");
            if let admin::Error::Store(error) = &error {
                self.engine.order_failed(error, at);
            }
            let words = format!("Internal error: {error}");
            let replies = failed.into_iter().map(|letter| letter.reply(&words));
            let outcome = Outcome {
                replies: replies.collect(),
                ..Outcome::default()
            };
            (outcome, Vec::new())
        })
    }

    /// What whoever sent a letter may administer now, if anything, and whether it alone is answered: whoever
    /// is limited neither hears of others nor needs the right to receive what is answered.
    fn judge(&self, task: &Task) -> (Option<Scope>, Option<Addressee>) {
        let access = task.sender.access(TOPIC, task.payload);
        let scope = self.engine.warrant(&access, self.place.control);
        let is_limited = scope.as_ref().is_none_or(|scope| scope.limit().is_some());
        let to = task.sender.addressee().filter(|_| is_limited);
        (scope, to)
    }

    fn in_one(
        &self,
        tasks: Vec<Task>,
        concerned: &mut Concerned,
    ) -> Result<(Outcome, Vec<Task>), admin::Error> {
        self.see_what_replaced_the_file();
        self.place
            .pen
            .write(|database| self.write(database, tasks, concerned))
    }

    /// What replaced the file is put in force first.
    pub(super) fn see_what_replaced_the_file(&self) {
        if !self.place.pen.is_current() && !self.looker.look_and_wait() {
            log::warn!("nobody has looked at the database that was replaced");
        }
    }

    fn write(
        &self,
        database: &mut Database,
        tasks: Vec<Task>,
        concerned: &mut Concerned,
    ) -> Result<(Outcome, Vec<Task>), admin::Error> {
        let mut outcome = Outcome::default();
        let Some(first) = tasks.first() else {
            return Ok((outcome, tasks));
        };
        let mut batch = Batch::begin(database, first.actor.clone())?;
        let mut lines = Vec::new();
        let mut tasks = tasks.into_iter().peekable();
        let is_sure = |task: &Task, batch: &Batch<'_>| {
            !(self.engine).is_touched(task.sender.username.as_deref(), batch.touched())
        };
        while let Some(task) = tasks.next_if(|task| is_sure(task, &batch)) {
            let mut notes = Notes::default();
            let (scope, to) = self.judge(&task);
            let may = scope.is_some();
            batch.hand_over(task.actor, scope.unwrap_or(Scope::Everything));
            let mut answers = Vec::new();
            for job in task.jobs {
                let Job {
                    order,
                    verb,
                    hashed,
                } = job;
                let done = match may {
                    true => self.order(&mut batch, &order, verb, hashed, &mut outcome),
                    false => Err(Refusal::new(LOST)),
                };
                let asks = verb.is_none_or(|verb| verb.kind == Kind::Asks);
                outcome.is_change |= done.is_ok() && !asks;
                notes.add(&order, verb, &done);
                answers.push(order.answer(done));
            }
            answers.extend(task.broken);
            lines.extend(notes.lines(&task.sender));
            outcome.replies.push(Reply { to, answers });
        }
        self.engine.concern(concerned, &outcome.ends);
        batch.commit()?;
        for line in lines {
            log::info!("{line}");
        }
        Ok((outcome, tasks.collect()))
    }

    fn order(
        &self,
        batch: &mut Batch<'_>,
        order: &Order,
        verb: Option<&Verb>,
        hashed: Result<Hashed, Refusal>,
        outcome: &mut Outcome,
    ) -> Done {
        let verb = verb.ok_or_else(|| Refusal::new("Unknown command"))?;
        let Hashed { own, entries } = hashed?;
        batch.attempt(|batch| {
            let mut hand = Hand {
                batch,
                engine: &self.engine,
                credential: own,
                entries,
                ends: Vec::new(),
                pardons: Vec::new(),
            };
            let done = (verb.act)(&mut hand, order);
            let mut those = std::mem::take(&mut hand.ends);
            // Some orders end connections even where they are refused.
            those.retain(|end| match end {
                End::Client(name) => hand.covers(name.as_str()),
                End::Anonymous => hand.prefixes().is_none(),
                End::Holders(..) | End::Connection(_) => true,
            });
            outcome.ends.append(&mut those);
            if done.is_ok() {
                outcome.pardons.append(&mut hand.pardons);
            }
            done
        })
    }
}

/// What has to be told of a letter, whatever becomes of it.
struct Unanswered {
    to: Option<Addressee>,
    orders: Vec<(String, Option<String>)>,
    is_broken: bool,
}

impl Unanswered {
    fn of(task: &Task, to: Option<Addressee>) -> Self {
        let orders = task.jobs.iter().map(|job| &job.order);
        let orders = orders.map(|order| (order.name.clone(), order.correlation.clone()));
        Self {
            to,
            orders: orders.collect(),
            is_broken: task.broken.is_some(),
        }
    }

    fn reply(self, words: &str) -> Reply {
        let answers = self
            .orders
            .into_iter()
            .map(|(command, correlation)| Answer {
                command,
                outcome: Err(Refusal::new(words)),
                correlation,
            });
        let broken = self.is_broken.then(|| Answer::unnamed(words));
        Reply {
            to: self.to,
            answers: answers.chain(broken).collect(),
        }
    }
}

/// For whoever could give orders when this one was sent, and cannot any more.
const LOST: &str = "The right to give orders was lost";

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
        let by = sender.shown();
        let mut lines = self.first;
        if self.more > 0 {
            lines.push(format!("and {} more commands", self.more));
        }
        lines.iter().map(|line| format!("{by} {line}")).collect()
    }
}

/// So many lines of one letter are in the log.
const MOST_NOTES: usize = 20;
