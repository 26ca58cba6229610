//! Where letters wait, and the thread behind it.
//!
//! Must not: have the broker's thread wait, or take more than it can hold.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clerk::Clerk;
use super::letter::Letter;
use crate::config::Control;
use crate::credential::Recipe;
use crate::engine::Engine;
use crate::hand::{Hand, LINGER};
use crate::pool::Surroundings;
use crate::store::sqlite::Pen;
use crate::watch::Looker;

/// What is changed, and how.
#[derive(Clone, Debug)]
pub struct Place {
    /// What the database is written with.
    pub pen: Arc<Pen>,
    /// Who may give orders.
    pub control: Control,
    /// How passwords are hashed.
    pub recipe: Recipe,
}

/// What waits and the thread behind it.
pub struct Desk {
    inbox: Arc<Inbox>,
    hand: Hand,
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
    letters: VecDeque<Letter>,
    bytes: usize,
    /// What clients order for themselves, one of each.
    own: VecDeque<Letter>,
    stopping: bool,
}

impl Desk {
    /// Opens it. No thread runs yet.
    #[must_use]
    pub fn open(place: Place, engine: Arc<Engine>, looker: Looker, around: &Surroundings) -> Self {
        let inbox = Arc::new(Inbox {
            pile: Mutex::default(),
            bell: Condvar::new(),
        });
        let clerk = Clerk {
            place,
            engine,
            looker,
            wake: Arc::clone(&around.wake),
        };
        let theirs = Arc::clone(&inbox);
        let hand = Hand::new("doorman-control", around.start, move || {
            work(&clerk, &theirs)
        });
        Self { inbox, hand }
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
        pile.letters.push_back(letter);
        drop(pile);
        self.ring();
        Ok(())
    }

    /// Takes a letter with what a client orders for itself. Never waits.
    ///
    /// # Errors
    /// When too many wait already, or one of this client.
    pub fn take_own(&self, letter: Letter) -> Result<(), Full> {
        let mut pile = self.inbox.pile();
        let is_same = |other: &Letter| other.sender.client_id == letter.sender.client_id;
        let is_long = letter.payload.len() > LONGEST_OWN;
        if is_long || pile.own.len() >= MOST_OWN || pile.own.iter().any(is_same) {
            return Err(Full);
        }
        pile.own.push_back(letter);
        drop(pile);
        self.ring();
        Ok(())
    }

    /// Where the system gives no thread, the letter waits for the next one.
    fn ring(&self) {
        self.inbox.bell.notify_one();
        self.hand.call();
    }

    /// Closes it: what is under way is finished, what waits is not begun.
    pub fn close(self) {
        self.inbox.pile().stopping = true;
        self.inbox.bell.notify_one();
        self.hand.dismiss();
    }
}

impl Inbox {
    fn pile(&self) -> MutexGuard<'_, Pile> {
        // Letters are added and taken in one step each.
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some of what waits, once something does; nothing when nothing came for a while, or when it is time to
    /// stop. Orders come first, unless it is the turn of what clients order for themselves. Until what was
    /// answered is out, the broker is called: a call that comes while it is between two waits is lost.
    fn next(&self, clerk: &Clerk, turn: Turn) -> Option<Work> {
        let mut pile = self.pile();
        let mut calls = 0..CALLS;
        let mut is_late = false;
        loop {
            if pile.stopping {
                return None;
            }
            if (turn == Turn::Own || pile.letters.is_empty())
                && let Some(letter) = pile.own.pop_front()
            {
                return Some(Work::Own(letter));
            }
            if !pile.letters.is_empty() {
                return Some(Work::Orders(pile.portion()));
            }
            if !clerk.is_heard() && calls.next().is_some() {
                let (woken, waited) = self
                    .bell
                    .wait_timeout(pile, BETWEEN_CALLS)
                    .unwrap_or_else(PoisonError::into_inner);
                pile = woken;
                // Whoever rang for something new is the broker, and it is on its round.
                if waited.timed_out() && !clerk.is_heard() {
                    clerk.call();
                }
                continue;
            }
            if is_late {
                return None;
            }
            let waited = self.bell.wait_timeout(pile, LINGER);
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            pile = woken;
            is_late = waited.timed_out();
        }
    }
}

/// Whose turn it is, where both wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Orders,
    Own,
}

/// What is to be done next.
enum Work {
    Orders(Vec<Letter>),
    Own(Letter),
}

impl Pile {
    /// The first that came, as many as make one transaction.
    fn portion(&mut self) -> Vec<Letter> {
        let most = self.letters.len().min(PORTION);
        let portion: Vec<Letter> = self.letters.drain(..most).collect();
        let bytes = portion.iter().map(|letter| letter.payload.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        portion
    }
}

/// Carries out what comes until nothing more does, or it is time to stop. A panic does not end that.
fn work(clerk: &Clerk, inbox: &Inbox) {
    let carry_on = || {
        let mut turn = Turn::Orders;
        while let Some(work) = inbox.next(clerk, turn) {
            match work {
                Work::Orders(letters) => {
                    clerk.turn(letters);
                    turn = Turn::Own;
                }
                Work::Own(letter) => {
                    let own = || clerk.own(&letter);
                    if std::thread::scope(|scope| scope.spawn(own).join()).is_err() {
                        log::error!("a change of a client's own password failed");
                        clerk.apologise_for_own(&letter.sender);
                    }
                    turn = Turn::Orders;
                }
            }
        }
    };
    // A thread of its own for as long as all goes well: not one for each order.
    while std::thread::scope(|scope| scope.spawn(carry_on).join()).is_err() {
        log::error!("orders to the control API failed; none of them has done anything");
        clerk.apologise();
    }
}

/// So many letters wait, and so many bytes of them.
const MOST_LETTERS: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// So many clients wait to change their own passwords, each with a message of so many bytes.
const MOST_OWN: usize = 1_000;
const LONGEST_OWN: usize = 256 * 1024;

/// After so many calls the broker has come round by itself.
const CALLS: u32 = 500;
const BETWEEN_CALLS: Duration = Duration::from_micros(200);

/// So many letters are one transaction.
const PORTION: usize = 64;
