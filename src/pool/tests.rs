//! The pool, with work that a test holds up.
#![forbid(unsafe_code)]

use std::sync::Barrier;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::config::CostLimits;
use crate::credential::{Recipe, Salt, hash};
use crate::hand::test::{eventually, plainly};
use crate::lanes;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A pool, and what its wakes are heard by.
struct Heard {
    pool: Pool,
    woken: Receiver<()>,
}

impl Heard {
    fn start(workers: usize, capacity: usize) -> Self {
        let (wake, woken) = channel();
        let wake = Mutex::new(wake);
        let around = Surroundings {
            start: plainly,
            wake: Arc::new(move || {
                lock(&wake).send(()).ok();
            }),
        };
        let pool = Pool::new(workers, capacity, &around);
        Self { pool, woken }
    }

    /// So many answers, in their order.
    fn answers(&self, count: usize) -> Vec<(u64, Option<usize>)> {
        let mut answers = Vec::new();
        while answers.len() < count {
            self.woken
                .recv_timeout(LONG)
                .expect("an answer is told of until it is taken");
            answers.extend(self.pool.take_answers());
        }
        answers.iter().map(|a| (a.ticket.0, a.fits)).collect()
    }

    /// Hands in a task that keeps one worker until the answer is dropped, and waits until it does.
    fn hold_up(&self, ticket: u64) -> Sender<()> {
        let (go_on, held) = channel::<()>();
        let (begun, begins) = channel();
        let ends = Mutex::new((begun, held));
        let act = move || {
            let (begun, held) = &*lock(&ends);
            begun.send(()).ok();
            held.recv().ok();
        };
        submit(&self.pool, task(ticket, Rank::Known, vec![acting(act)]));
        begins.recv_timeout(LONG).expect("it is begun");
        go_on
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.pool.stop();
    }
}

fn task(ticket: u64, rank: Rank, steps: Vec<Step>) -> Task {
    Task {
        ticket: TicketId(ticket),
        rank,
        steps,
        password: Secret::new(b"pw".to_vec()),
        interest: Arc::default(),
    }
}

fn acting(act: impl Fn() + Send + Sync + 'static) -> Step {
    Step::Act(Arc::new(act))
}

fn nothing() -> Vec<Step> {
    vec![acting(|| {})]
}

fn pbkdf2(password: &str, iterations: u32) -> Step {
    let recipe = Recipe::Pbkdf2Sha512 { iterations };
    let stored = hash(password.as_bytes(), &recipe, &Salt::new([7; 16])).unwrap();
    Step::Verify(Credential::parse(&stored, &CostLimits::STANDARD).unwrap())
}

fn submit(pool: &Pool, task: Task) {
    assert!(pool.submit(task).is_ok(), "there is room");
}

fn displaced(pool: &Pool, task: Task) -> Option<u64> {
    pool.submit(task).err().map(|full| full.0.ticket.0)
}

#[test]
fn a_panic_answers_no_and_the_work_goes_on() {
    let heard = Heard::start(1, 100);
    for round in 0..3 {
        let fails = vec![acting(|| panic!("as told"))];
        submit(&heard.pool, task(round * 10, Rank::New, fails));
        assert_eq!(heard.answers(1), [(round * 10, None)]);
        let right = vec![pbkdf2("pw", 10)];
        submit(&heard.pool, task(round * 10 + 1, Rank::New, right));
        assert_eq!(heard.answers(1), [(round * 10 + 1, Some(0))]);
    }
}

/// What was in the lanes beside the task that panicked is refused, not lost.
#[test]
fn a_panic_leaves_nobody_without_an_answer() {
    let heard = Heard::start(1, 100);
    let held = heard.hold_up(0);
    for ticket in 1..=6 {
        let steps = match ticket {
            4 => vec![pbkdf2("no", 10), acting(|| panic!("as told"))],
            _ => vec![pbkdf2("pw", 2_000)],
        };
        submit(&heard.pool, task(ticket, Rank::New, steps));
    }
    drop(held);
    let mut answers = heard.answers(7);
    answers.sort_unstable();
    let tickets: Vec<_> = answers.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(tickets, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(answers.iter().find(|a| a.0 == 4), Some(&(4, None)));
}

#[test]
fn a_full_queue_gives_the_task_back() {
    let heard = Heard::start(1, 2);
    let held = heard.hold_up(0);
    submit(&heard.pool, task(1, Rank::New, nothing()));
    submit(&heard.pool, task(2, Rank::New, nothing()));
    assert_eq!(
        displaced(&heard.pool, task(3, Rank::New, nothing())),
        Some(3)
    );
    assert_eq!(heard.pool.waiting(), 2);
    drop(held);
    assert_eq!(heard.answers(3).len(), 3);
    assert_eq!(displaced(&heard.pool, task(4, Rank::New, nothing())), None);
}

#[test]
fn a_better_rank_displaces_the_youngest_of_the_worst_and_goes_first() {
    let heard = Heard::start(1, 4);
    let held = heard.hold_up(0);
    let hand_in = |ticket, rank| displaced(&heard.pool, task(ticket, rank, nothing()));
    for (ticket, rank) in [
        (1, Rank::New),
        (2, Rank::Suspect),
        (3, Rank::Suspect),
        (4, Rank::New),
    ] {
        assert_eq!(hand_in(ticket, rank), None);
    }
    assert_eq!(hand_in(5, Rank::Known), Some(3));
    assert_eq!(hand_in(6, Rank::Suspect), Some(6));
    assert_eq!(hand_in(7, Rank::New), Some(2));
    assert_eq!(
        hand_in(8, Rank::New),
        Some(8),
        "nobody of its rank gives way"
    );
    assert_eq!(hand_in(9, Rank::Known), Some(7));
    drop(held);
    let order: Vec<_> = heard.answers(5).iter().map(|answer| answer.0).collect();
    assert_eq!(order, [0, 5, 9, 1, 4]);
}

#[test]
fn a_task_that_nobody_waits_for_is_dropped_and_leaves_its_place() {
    let heard = Heard::start(1, 2);
    let held = heard.hold_up(0);
    let refuse = || vec![acting(|| panic!("it is not begun"))];
    let (first, second) = (task(1, Rank::New, refuse()), task(2, Rank::New, refuse()));
    let interest = [&first, &second].map(|task| Arc::clone(&task.interest));
    submit(&heard.pool, first);
    submit(&heard.pool, second);
    interest[0].lose();
    assert_eq!(displaced(&heard.pool, task(3, Rank::New, nothing())), None);
    interest[1].lose();
    drop(held);
    assert_eq!(heard.answers(2), [(0, None), (3, None)]);
}

/// One that is in the lanes leaves at the next slice: this one would take minutes.
#[test]
fn a_task_under_way_whose_answer_is_of_no_use_is_given_up() {
    let heard = Heard::start(1, 10);
    let endless = task(1, Rank::New, vec![pbkdf2_endless()]);
    let interest = Arc::clone(&endless.interest);
    submit(&heard.pool, endless);
    submit(&heard.pool, task(2, Rank::New, vec![pbkdf2("pw", 10)]));
    if lanes::width() > 1 {
        assert_eq!(heard.answers(1), [(2, Some(0))], "beside it");
    }
    interest.end();
    submit(&heard.pool, task(3, Rank::New, vec![pbkdf2("pw", 10)]));
    let rest = if lanes::width() > 1 { 1 } else { 2 };
    assert_eq!(heard.answers(rest).last(), Some(&(3, Some(0))));
}

#[test]
fn a_task_under_way_whose_client_is_gone_is_finished() {
    let heard = Heard::start(1, 10);
    let (begun, proceed) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let meet = [Arc::clone(&begun), Arc::clone(&proceed)];
    let wait = acting(move || {
        for barrier in &meet {
            barrier.wait();
        }
    });
    let one = task(1, Rank::New, vec![wait, pbkdf2("pw", 10)]);
    let interest = Arc::clone(&one.interest);
    submit(&heard.pool, one);
    begun.wait();
    interest.lose();
    proceed.wait();
    assert_eq!(heard.answers(1), [(1, Some(1))]);
}

/// A credential that nobody could have made: its password is not known either.
fn pbkdf2_endless() -> Step {
    let text = format!("$7$1000000000$AAAAAAAAAAAAAAAA${}==", "A".repeat(86));
    let limits = CostLimits {
        iterations: u32::MAX,
        ..CostLimits::STANDARD
    };
    let stored = crate::model::StoredCredential::marked(&text);
    Step::Verify(Credential::parse(&stored, &limits).unwrap())
}

#[test]
fn the_end_waits_for_what_is_under_way_and_for_nothing_else() {
    let heard = Heard::start(2, 100);
    let held = [heard.hold_up(0), heard.hold_up(1)];
    for ticket in 2..50 {
        let refuse = vec![acting(|| panic!("it is not begun"))];
        submit(&heard.pool, task(ticket, Rank::Known, refuse));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| heard.pool.stop());
        while !heard.pool.shared.stopping() {
            std::thread::yield_now();
        }
        drop(held);
    });
    assert_eq!(heard.pool.waiting(), 48);
    // And again is nothing.
    heard.pool.stop();
    assert!(hands(&heard.pool).all(|hand| hand.call() == Found::Nobody));
}

fn hands(pool: &Pool) -> impl Iterator<Item = &Hand> {
    pool.workers.iter().chain(pool.shared.caller.get())
}

#[test]
fn threads_come_with_the_tasks_and_go_when_nothing_comes() {
    let heard = Heard::start(2, 100);
    for ticket in 0..2 {
        assert!(
            hands(&heard.pool).all(Hand::is_away),
            "nobody is there for nothing"
        );
        let held = heard.hold_up(ticket);
        let here = || hands(&heard.pool).filter(|hand| !hand.is_away()).count();
        assert_eq!(here(), 1, "one worker for one task, and nobody to wake yet");
        drop(held);
        assert_eq!(heard.answers(1), [(ticket, None)]);
        assert!(eventually(|| here() == 0), "they go");
    }
}

#[test]
fn a_worker_that_waits_takes_the_next_task_and_no_other_comes() {
    let heard = Heard::start(2, 100);
    for ticket in 0..20 {
        submit(&heard.pool, task(ticket, Rank::Known, nothing()));
        assert_eq!(heard.answers(1), [(ticket, None)]);
        let idle = || heard.pool.shared.desk().idle;
        assert!(eventually(|| idle() > 0), "it waits for more");
    }
    assert!(heard.pool.workers[1].is_away());
}

#[test]
fn the_end_does_not_wait_for_long_work_in_the_lanes() {
    let heard = Heard::start(1, 100);
    for ticket in 0..20 {
        submit(&heard.pool, task(ticket, Rank::New, vec![pbkdf2_endless()]));
    }
    // Returns, where waiting for one of them would take minutes.
    heard.pool.stop();
}

#[test]
fn whoever_takes_the_answers_is_woken_until_they_are_taken() {
    let heard = Heard::start(1, 10);
    submit(&heard.pool, task(1, Rank::New, nothing()));
    for _ in 0..5 {
        heard.woken.recv_timeout(LONG).expect("woken again");
    }
    assert_eq!(heard.pool.take_answers().len(), 1);
    assert!(heard.pool.take_answers().is_empty());
    // One more may be on its way.
    while heard.woken.recv_timeout(WAKE_AGAIN * 50).is_ok() {}
    submit(&heard.pool, task(2, Rank::New, nothing()));
    assert_eq!(heard.answers(1), [(2, None)]);
}

#[test]
fn mixed_work_in_the_lanes_is_told_apart() {
    let heard = Heard::start(2, 1_000);
    let mut expected = Vec::new();
    for ticket in 0..200_u64 {
        let iterations = 1 + u32::try_from(ticket * 37 % 700).unwrap();
        let (steps, fits) = match ticket % 5 {
            0 => (vec![pbkdf2("pw", iterations)], Some(0)),
            1 => (vec![pbkdf2("no", iterations)], None),
            2 => (vec![pbkdf2("no", iterations), pbkdf2("pw", 5)], Some(1)),
            3 => (
                vec![pbkdf2("no", 3), acting(|| {}), pbkdf2("pw", iterations)],
                Some(2),
            ),
            _ => (vec![pbkdf2("old", 9), pbkdf2("no", iterations)], None),
        };
        expected.push((ticket, fits));
        submit(&heard.pool, task(ticket, Rank::New, steps));
    }
    let mut answers = heard.answers(expected.len());
    answers.sort_unstable();
    assert_eq!(answers, expected);
}

#[test]
fn ten_thousand_wait_and_each_is_answered_once() {
    let heard = Heard::start(2, 10_000);
    let held = [heard.hold_up(10_000), heard.hold_up(10_001)];
    for ticket in 0..10_000 {
        submit(&heard.pool, task(ticket, Rank::New, vec![pbkdf2("pw", 1)]));
    }
    assert_eq!(
        displaced(&heard.pool, task(1, Rank::New, nothing())),
        Some(1)
    );
    drop(held);
    let mut answers = heard.answers(10_002);
    answers.sort_unstable();
    let right = |(ticket, fits): &(u64, Option<usize>)| *ticket >= 10_000 || *fits == Some(0);
    assert!(answers.iter().all(right));
    answers.dedup_by_key(|answer| answer.0);
    assert_eq!(answers.len(), 10_002);
}
