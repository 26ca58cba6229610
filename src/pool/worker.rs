//! One worker: as many derivations under way as the machine has lanes.
//!
//! PBKDF2-HMAC-SHA512 goes in slices over all lanes; a task that arrives joins at the next slice, and
//! one whose answer is of no use any more leaves at it. Everything else is done in one piece. Must not:
//! take a lock while it works.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Answer, Interest, Shared, Step, Task, TicketId};
use crate::credential::{Derivation, Match, Scratch};
use crate::lanes::{self, Work};
use crate::secret::Secret;

/// Iterations from one look at the queue to the next: about a millisecond.
const SLICE: u32 = 1_500;

/// Runs until no task has come for a while, or it is time to stop. A panic answers no to what was under way, and
/// the work goes on.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut bench = Bench::default();
    while std::thread::scope(|scope| scope.spawn(|| bench.run(shared)).join()).is_err() {
        log::error!("verifying a password or a token failed; it is refused");
        for task in std::mem::take(&mut bench).under_way {
            shared.answer(Answer {
                ticket: task.ticket,
                fits: None,
            });
        }
    }
}

/// What a worker has before it.
#[derive(Default)]
struct Bench {
    /// The tasks in the lanes, each beside its work of the same index.
    under_way: Vec<Laned>,
    works: Vec<Work>,
    scratch: Scratch,
}

/// A task that has work in a lane.
struct Laned {
    ticket: TicketId,
    interest: Arc<Interest>,
    password: Secret,
    /// The step in the lane first.
    steps: VecDeque<Step>,
    index: usize,
}

impl Bench {
    fn run(&mut self, shared: &Shared) {
        loop {
            while self.works.len() < lanes::width() {
                let next = if self.works.is_empty() {
                    shared.next()
                } else {
                    shared.try_next()
                };
                match next {
                    Some(task) => self.begin(shared, task),
                    None if self.works.is_empty() => return,
                    None => break,
                }
            }
            if shared.stopping() {
                return;
            }
            lanes::advance(&mut self.works, SLICE);
            self.retire(shared);
        }
    }

    fn begin(&mut self, shared: &Shared, task: Task) {
        // In place before anything can panic, so that it is answered whatever happens.
        self.under_way.push(Laned {
            ticket: task.ticket,
            interest: task.interest,
            password: task.password,
            steps: task.steps.into(),
            index: 0,
        });
        self.go_on(shared);
    }

    /// Does the steps of the last task until one needs a lane or the task is answered.
    fn go_on(&mut self, shared: &Shared) {
        let Some(task) = self.under_way.last_mut() else {
            return;
        };
        let fits = loop {
            let Some(step) = task.steps.front() else {
                break None;
            };
            let password = task.password.expose();
            if let Some(work) = step.work(password) {
                self.works.push(work);
                return;
            }
            if step.carry_out(password, &mut self.scratch) == Match::Yes {
                break Some(task.index);
            }
            task.advance();
        };
        let ticket = task.ticket;
        self.under_way.pop();
        shared.answer(Answer { ticket, fits });
    }

    /// Takes work out that is finished or of no use of the lanes.
    fn retire(&mut self, shared: &Shared) {
        let mut at = 0_usize;
        while let (Some(work), Some(task)) = (self.works.get(at), self.under_way.get(at)) {
            if task.interest.is_over() {
                self.works.swap_remove(at);
                self.under_way.swap_remove(at);
                continue;
            }
            let Some(output) = work.output() else {
                at = at.saturating_add(1);
                continue;
            };
            self.works.swap_remove(at);
            let mut task = self.under_way.swap_remove(at);
            if task
                .steps
                .front()
                .is_some_and(|step| step.fits(&output) == Match::Yes)
            {
                shared.answer(Answer {
                    ticket: task.ticket,
                    fits: Some(task.index),
                });
                continue;
            }
            task.advance();
            self.under_way.push(task);
            self.go_on(shared);
        }
    }
}

impl Laned {
    fn advance(&mut self) {
        self.steps.pop_front();
        self.index = self.index.saturating_add(1);
    }
}

impl Step {
    /// The work for a lane, if it is of that kind.
    fn work(&self, password: &[u8]) -> Option<Work> {
        let Derivation { salt, iterations } = match self {
            Self::Verify(credential) => credential.derivation()?,
            Self::Burn(cost) => cost.derivation()?,
            Self::Signed(_) => return None,
            #[cfg(test)]
            Self::Act(_) => return None,
        };
        Some(Work::begin(password, salt, iterations))
    }

    /// Whether a lane's output is what is stored.
    fn fits(&self, output: &[u8; 64]) -> Match {
        match self {
            Self::Verify(credential) => credential.fits(output),
            Self::Burn(_) | Self::Signed(_) => Match::No,
            #[cfg(test)]
            Self::Act(_) => Match::No,
        }
    }

    /// Does it in one piece, on the calling thread.
    pub(crate) fn carry_out(&self, password: &[u8], scratch: &mut Scratch) -> Match {
        match self {
            Self::Verify(credential) => credential.verify_with(password, scratch),
            Self::Burn(cost) => {
                cost.burn_with(password, scratch);
                Match::No
            }
            Self::Signed(signer) => match signer.signed(password) {
                true => Match::Yes,
                false => Match::No,
            },
            #[cfg(test)]
            Self::Act(act) => {
                act();
                Match::No
            }
        }
    }
}
