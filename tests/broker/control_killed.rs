//! A broker that is killed in the middle of orders: what was answered is there, and the store opens.
//!
//! `DOORMAN_KILLS` makes it more than the few of every test run.

use std::collections::BTreeSet;
use std::env;
use std::time::{Duration, Instant};

use mosquitto_doorman::store::Store;
use mosquitto_doorman::store::sqlite::Database;
use serde_json::{Value, json};

use super::access_compared::Dice;
use super::control_compared::{Admin, TOPIC, beginning, ours};
use crate::support::{Event, for_each_broker};

/// The names of the clients that exist afterwards, and those that must.
struct Ledger {
    answered: BTreeSet<String>,
    next: u32,
}

impl Ledger {
    /// Sends orders until the broker is killed; what is answered is put down.
    fn run(&mut self, admin: &mut Admin, dice: &mut Dice, kill: impl FnOnce()) {
        // The first finds a database that nobody has written to.
        self.answer(admin);
        let time = self.answer(admin);
        for _ in 0..30 {
            self.send(admin, 1 + dice.below(3));
        }
        for _ in 0..dice.below(30) {
            self.note(admin.0.receive(Duration::from_secs(10)));
        }
        // Any moment between an order and its answer will do: that is the point.
        self.send(admin, 1);
        let moment = Instant::now() + time.mul_f64(dice.below(1_000) as f64 / 1e3);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        kill();
        loop {
            match admin.0.receive(Duration::from_secs(10)) {
                Event::Closed | Event::Silence => return,
                event => self.note(event),
            }
        }
    }

    /// How long one order takes.
    fn answer(&mut self, admin: &mut Admin) -> Duration {
        let sent = Instant::now();
        self.send(admin, 1);
        let event = admin.0.receive(Duration::from_secs(10));
        let time = sent.elapsed();
        assert!(matches!(event, Event::Publish { .. }), "{event:?}");
        self.note(event);
        time
    }

    fn send(&mut self, admin: &mut Admin, orders: usize) {
        let order = |_| {
            self.next += 1;
            let name = format!("u{}", self.next);
            json!({"command": "createClient", "username": name, "correlationData": name})
        };
        let orders: Vec<Value> = (0..orders).map(order).collect();
        let message = json!({ "commands": orders });
        admin.0.publish(TOPIC, message.to_string());
    }

    fn note(&mut self, event: Event) {
        let Event::Publish { payload, .. } = event else {
            return;
        };
        let answer: Value = serde_json::from_slice(&payload).unwrap();
        for answer in answer["responses"].as_array().unwrap() {
            assert_eq!(answer.get("error"), None, "{answer}");
            let name = answer["correlationData"].as_str().unwrap();
            self.answered.insert(name.to_owned());
        }
    }
}

#[test]
fn nothing_that_was_answered_is_lost_when_the_broker_is_killed() {
    let kills = env::var("DOORMAN_KILLS").map_or(12, |kills| kills.parse().unwrap());
    for_each_broker(|startup| {
        let mut broker = ours(startup, &beginning());
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut ledger = Ledger {
            answered: BTreeSet::new(),
            next: 0,
        };
        for kill in 0..kills {
            let mut admin = Admin::at(&broker);
            ledger.run(&mut admin, &mut dice, || broker.signal("KILL"));
            broker.wait_for_exit(Duration::from_secs(10));
            let mut there = BTreeSet::new();
            let mut database = Database::open(&broker.dir().join("db")).unwrap();
            let mut visit = |account: mosquitto_doorman::model::Account| {
                there.insert(account.name.to_string());
                Ok(())
            };
            database.accounts(&mut visit).unwrap();
            database.check().unwrap();
            let lost: Vec<_> = ledger.answered.difference(&there).collect();
            assert!(lost.is_empty(), "after {kill} kills: {lost:?}");
            drop(database);
            broker.restart();
        }
        assert!(
            ledger.answered.len() > kills * 5,
            "{}",
            ledger.answered.len()
        );
        assert!(
            (ledger.answered.len() as u32) < ledger.next,
            "no kill came in time"
        );
    });
}
