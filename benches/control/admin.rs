//! Who gives orders, and how long it waits for the answers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::accounts::{ADMIN, PASSWORD};
use crate::support::{Broker, Client, Connect, Event, Protocol};

const TOPIC: &str = "$CONTROL/dynamic-security/v1";
const RESPONSE: &str = "$CONTROL/dynamic-security/v1/response";
const PATIENCE: Duration = Duration::from_secs(300);

/// An administrator, and how long the ordinary message is that the broker keeps for it.
pub struct Admin(Client, Option<usize>);

impl Admin {
    pub fn at(broker: &Broker) -> Self {
        let connect = Connect::new(Protocol::V311).client_id("admin");
        let connect = connect.credentials(ADMIN, PASSWORD).keepalive(0);
        let mut client = connect.accepted(broker.port());
        assert_eq!(client.subscribe(RESPONSE, 0), 0, "granted");
        Self(client, None)
    }

    /// Milliseconds from a message to its answer, and both as they went over the wire. Nothing is read
    /// into the answer: who measures has a processor less to burn.
    pub fn exchange(&mut self, message: &[u8]) -> Exchange {
        let sent = Instant::now();
        self.0.publish(TOPIC, message);
        let Event::Publish { payload, .. } = self.0.receive(PATIENCE) else {
            panic!("no answer");
        };
        Exchange {
            took: sent.elapsed().as_secs_f64() * 1e3,
            asked: message.len(),
            answer: payload,
        }
    }

    /// Has as many ordinary bytes go both ways: to a topic that nobody reads, and from one that keeps a
    /// message. Milliseconds.
    pub fn ordinarily(&mut self, asked: usize, answered: usize) -> f64 {
        let kept = format!("ordinary/{answered}");
        if self.1 != Some(answered) {
            self.0.publish_retained(&kept, vec![b'x'; answered]);
            self.1 = Some(answered);
        }
        let sent = Instant::now();
        self.0.publish("ordinary/order", vec![b'x'; asked]);
        self.0.subscribe(&kept, 0);
        let Event::Publish { payload, .. } = self.0.receive(PATIENCE) else {
            panic!("nothing is kept");
        };
        assert_eq!(payload.len(), answered, "as long as the answer was");
        sent.elapsed().as_secs_f64() * 1e3
    }

    /// The answers to some orders.
    pub fn ask(&mut self, orders: &[Value]) -> Vec<Value> {
        self.exchange(&message(orders)).answers(orders.len())
    }
}

/// The message of some orders.
pub fn message(orders: &[Value]) -> Vec<u8> {
    json!({ "commands": orders }).to_string().into_bytes()
}

/// A message and its answer.
pub struct Exchange {
    pub took: f64,
    pub asked: usize,
    pub answer: Vec<u8>,
}

impl Exchange {
    /// The answers to so many orders, of which none was refused.
    pub fn answers(&self, orders: usize) -> Vec<Value> {
        let mut answer: Value = serde_json::from_slice(&self.answer).expect("JSON");
        let Value::Array(answers) = answer["responses"].take() else {
            panic!("no responses");
        };
        assert_eq!(answers.len(), orders, "an answer to each");
        let refused = answers.iter().find(|answer| answer.get("error").is_some());
        assert!(refused.is_none(), "{refused:?}");
        answers
    }
}
