//! A publisher and its audience, and the broker between them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::processor;
use crate::rules::{PASSWORD, USER, topic};
use crate::support::mqtt::packet;
use crate::support::{Broker, Connect, Protocol};

/// What the broker may hold back for a subscriber is bounded; so many messages are less.
const BATCH: usize = 200;
/// A broker that has less than a hundredth of this time has nothing to do.
const LOOK: Duration = Duration::from_millis(200);

pub struct Hall {
    pub broker: Broker,
    publisher: TcpStream,
    audience: Vec<TcpStream>,
}

impl Hall {
    pub fn of(broker: Broker, subscribers: usize) -> Self {
        let audience = (0..subscribers).map(|number| {
            let mut stream = connected(&broker, &format!("subscriber {number}"));
            let subscribe = packet::subscribe(Protocol::V311, 1, "device/#", 0);
            stream.write_all(&subscribe).expect("a broker");
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).expect("a SUBACK");
            assert_eq!(answer[4], 0, "granted");
            stream
        });
        let mut hall = Self {
            audience: audience.collect(),
            publisher: connected(&broker, "publisher"),
            broker,
        };
        // Whoever finds out about its clients as they come does so now, and not in what is measured.
        hall.deliver(&[topic(0)]);
        keep_on(hall.broker.pid(), "0");
        keep_on(std::process::id(), "1");
        wait_idle(hall.broker.pid());
        hall
    }

    /// Publishes to each topic, until everybody has everything.
    pub fn deliver(&mut self, topics: &[String]) {
        for batch in topics.chunks(BATCH) {
            let mut bytes = Vec::new();
            for topic in batch {
                bytes.extend(packet::publish(Protocol::V311, 0, topic, &[0; 64], 0));
            }
            self.publisher.write_all(&bytes).expect("a broker");
            // What is delivered is what was published, byte for byte.
            for stream in &mut self.audience {
                stream.read_exact(&mut bytes).expect("every message");
            }
        }
    }
}

fn connected(broker: &Broker, name: &str) -> TcpStream {
    let connect = Connect::new(Protocol::V311).credentials(USER, PASSWORD);
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port())).expect("a broker");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a TCP socket");
    stream
        .write_all(&connect.client_id(name).encode())
        .expect("a broker");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("a CONNACK");
    assert_eq!(answer[3], 0, "let in");
    stream
}

/// All threads of a process have this core alone: who shares one with whom changes what a message costs more
/// than rules do. Where there is no such core, things stay as they are.
fn keep_on(pid: u32, core: &str) {
    let mut taskset = Command::new("taskset");
    taskset.args(["--all-tasks", "--cpu-list", "--pid", core]);
    let output = taskset.arg(pid.to_string()).output();
    output.expect("taskset is part of every Debian");
}

/// Waits until the broker has done what it still had to do, on any of its threads.
fn wait_idle(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = processor::time(pid);
        thread::sleep(LOOK);
        if (processor::time(pid) - before) * 100.0 < LOOK.as_micros() as f64 {
            return;
        }
        assert!(Instant::now() < deadline, "{pid} goes on and on");
    }
}
