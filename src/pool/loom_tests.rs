//! The pool's meeting points in every order that two preemptions allow: nothing is lost, nobody waits
//! for ever. A wait that never times out stands in for the one that sends the signal again.
#![forbid(unsafe_code)]

use loom::sync::{Condvar as Bell, Mutex as Rope};
use loom::thread;

use super::*;

/// The broker, asleep in its loop until it is woken.
#[derive(Default)]
struct Broker {
    woken: Rope<bool>,
    bell: Bell,
}

impl Broker {
    fn wake(&self) {
        *self.woken.lock().unwrap() = true;
        self.bell.notify_one();
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.bell.wait(woken).unwrap();
        }
        *woken = false;
    }
}

fn task(ticket: u64, interest: &Arc<Interest>) -> Task {
    Task {
        ticket: TicketId(ticket),
        rank: Rank::New,
        steps: Vec::new(),
        password: Secret::new(Vec::new()),
        interest: Arc::clone(interest),
    }
}

fn worker(shared: &Arc<Shared>) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        while let Some(task) = shared.next() {
            let ticket = task.ticket;
            shared.answer(Answer { ticket, fits: None });
        }
    })
}

fn every_order(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(test);
}

#[test]
fn an_answer_wakes_the_broker_whatever_the_order() {
    every_order(|| {
        let (shared, broker) = (Arc::new(Shared::new(1)), Arc::new(Broker::default()));
        let worker = worker(&shared);
        let waker = {
            let (shared, broker) = (Arc::clone(&shared), Arc::clone(&broker));
            thread::spawn(move || shared.wake_until_taken(&|| broker.wake()))
        };
        assert!(shared.submit(task(1, &Arc::default())).is_ok());
        let mut answers = Vec::new();
        while answers.is_empty() {
            broker.sleep();
            answers = shared.take_answers();
        }
        let [Answer { ticket, .. }] = answers[..] else {
            panic!("one answer to one task");
        };
        assert_eq!(ticket, TicketId(1));
        shared.stop();
        worker.join().unwrap();
        waker.join().unwrap();
    });
}

#[test]
fn a_stop_ends_who_works_and_who_waits_whatever_the_order() {
    every_order(|| {
        let shared = Arc::new(Shared::new(2));
        let workers = [worker(&shared), worker(&shared)];
        assert!(shared.submit(task(1, &Arc::default())).is_ok());
        shared.stop();
        for worker in workers {
            worker.join().unwrap();
        }
        assert!(shared.take_answers().len() <= 1);
    });
}

#[test]
fn a_task_is_taken_by_one_worker_whatever_the_order() {
    every_order(|| {
        let shared = Arc::new(Shared::new(2));
        for ticket in 1..=2 {
            assert!(shared.submit(task(ticket, &Arc::default())).is_ok());
        }
        let takers = [0, 1].map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.try_next().map(|task| task.ticket))
        });
        let mut taken = takers.map(|taker| taker.join().unwrap());
        taken.sort();
        assert_eq!(taken, [Some(TicketId(1)), Some(TicketId(2))]);
    });
}
