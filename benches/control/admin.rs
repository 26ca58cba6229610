//! Who gives orders, and how long it waits for the answers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::accounts::{ADMIN, PASSWORD};
use crate::support::{Broker, Client, Connect, Event, Protocol};

const TOPIC: &str = "$CONTROL/dynamic-security/v1";
const RESPONSE: &str = "$CONTROL/dynamic-security/v1/response";
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Admin(Client);

impl Admin {
    pub fn at(broker: &Broker) -> Self {
        let connect = Connect::new(Protocol::V311).client_id("admin");
        let connect = connect.credentials(ADMIN, PASSWORD).keepalive(0);
        let mut client = connect.accepted(broker.port());
        assert_eq!(client.subscribe(RESPONSE, 0), 0, "granted");
        Self(client)
    }

    /// Milliseconds from the message to its answer, and the answers to its orders.
    pub fn ask(&mut self, orders: &[Value]) -> (f64, Vec<Value>) {
        let message = json!({ "commands": orders }).to_string();
        let sent = Instant::now();
        self.0.publish(TOPIC, message);
        let Event::Publish { payload, .. } = self.0.receive(PATIENCE) else {
            panic!("no answer");
        };
        let took = sent.elapsed().as_secs_f64() * 1e3;
        let mut answer: Value = serde_json::from_slice(&payload).expect("JSON");
        let Value::Array(answers) = answer["responses"].take() else {
            panic!("no responses");
        };
        assert_eq!(answers.len(), orders.len(), "an answer to each");
        let refused = answers.iter().find(|answer| answer.get("error").is_some());
        assert!(refused.is_none(), "{refused:?}");
        (took, answers)
    }

    /// As above, of what is not asked for its answers.
    pub fn order(&mut self, orders: &[Value]) -> f64 {
        self.ask(orders).0
    }
}
