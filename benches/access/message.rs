//! Processor time of the broker per published message, with one subscriber and with a hundred.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::bars::Bars;
use crate::measure::{Chance, Spread};
use crate::processor;
use crate::rules::{Contender, PASSWORD, Rules, USER, topic};
use crate::support::mqtt::packet;
use crate::support::{Broker, Connect, Protocol, Tree};

const TURNS: usize = 31;
/// Where a message takes a contender as long as thousands of the others'.
const TURNS_OF_SLOW: usize = 3;
/// What the broker may hold back for a subscriber is bounded; so many messages are less.
const BATCH: usize = 200;

struct Figures {
    contender: Contender,
    /// Microseconds per message, turn by turn.
    costs: Vec<f64>,
}

pub fn ask(tree: &Tree, bars: &mut Bars) {
    let version = tree.version();
    println!("message, {version}: the broker's processor time per message; {TURNS} turns");
    println!(
        "{:>8} {:>12} {:28} {:>22} {:>10} {:>24}",
        "rules", "subscribers", "contender", "of no rules", "of yes", "µs per message"
    );
    for (count, bar) in [(10, 1.1), (100_000, 1.15)] {
        let dir = tempfile::tempdir().expect("a directory");
        let rules = Rules::at(dir.path(), count);
        for subscribers in [1, 100] {
            let all = measured(tree, &rules, subscribers);
            let (nobody, yes) = (&all[0].costs, &all[1].costs);
            for figures in &all {
                let ratios = figures
                    .costs
                    .iter()
                    .zip(nobody)
                    .map(|(cost, none)| cost / none);
                let ratio = Spread::of(ratios);
                let ratios = figures.costs.iter().zip(yes).map(|(cost, yes)| cost / yes);
                let of_yes = Spread::of(ratios).median;
                let cost = Spread::of(figures.costs.iter().copied());
                println!(
                    "{count:8} {subscribers:12} {:28} {ratio:22.2} {of_yes:10.2} {cost:24.2}",
                    figures.contender.name()
                );
                if matches!(figures.contender, Contender::File | Contender::Roles) {
                    let what = format!(
                        "message {version} {count} rules, {subscribers} subscribers, {}",
                        figures.contender.name()
                    );
                    bars.at_most(&what, ratio.median, bar);
                }
            }
        }
    }
    println!();
}

fn measured(tree: &Tree, rules: &Rules, subscribers: usize) -> Vec<Figures> {
    let mut all: Vec<(Figures, Hall)> = Contender::ALL
        .iter()
        .map(|contender| {
            let broker = contender.start(tree, rules);
            let figures = Figures {
                contender: *contender,
                costs: Vec::new(),
            };
            (figures, Hall::of(broker, subscribers))
        })
        .collect();
    let mut chance = Chance::new(5);
    for turn in 0..TURNS {
        let places = all.len();
        for place in 0..places {
            let (figures, hall) = &mut all[(place + turn) % places];
            let slow = figures.contender.is_stock() && rules.count > 1_000;
            if slow && turn >= TURNS_OF_SLOW {
                continue;
            }
            let messages = match (slow, subscribers) {
                (true, 1) => 20,
                (true, _) => 2,
                (false, 1) => 4_000,
                (false, _) => 200,
            };
            let topics: Vec<String> = (0..messages)
                .map(|_| topic(chance.below(rules.count)))
                .collect();
            let cost = hall.cost(&topics);
            figures.costs.push(cost);
        }
    }
    all.into_iter().map(|(figures, _)| figures).collect()
}

/// A publisher and its audience.
struct Hall {
    broker: Broker,
    publisher: TcpStream,
    audience: Vec<TcpStream>,
}

impl Hall {
    fn of(broker: Broker, subscribers: usize) -> Self {
        let connect = |name: &str| {
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
        };
        let audience = (0..subscribers).map(|number| {
            let mut stream = connect(&format!("subscriber {number}"));
            let subscribe = packet::subscribe(Protocol::V311, 1, "device/#", 0);
            stream.write_all(&subscribe).expect("a broker");
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).expect("a SUBACK");
            assert_eq!(answer[4], 0, "granted");
            stream
        });
        Self {
            audience: audience.collect(),
            publisher: connect("publisher"),
            broker,
        }
    }

    /// Microseconds of the broker for each message, once everybody has it.
    fn cost(&mut self, topics: &[String]) -> f64 {
        let before = processor::time(self.broker.pid());
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
        (processor::time(self.broker.pid()) - before) / topics.len() as f64
    }
}
