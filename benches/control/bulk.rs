//! Many new clients: five hundred in one message, and a fleet that is registered message by message.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Sizes;
use crate::accounts::{A_SITE, Accounts};
use crate::admin::{Admin, Exchange, message};
use crate::bars::Bars;
use crate::bystander::{Bystander, Felt};
use crate::contender::{Contender, iterations, pair};
use crate::measure::Spread;
use crate::support::{Broker, Tree};

const CLIENTS: usize = 10_000;
const BATCH: usize = 500;
const TURNS: usize = 5;
const MOMENT: Duration = Duration::from_secs(2);

/// What is registered from next to nothing.
const FLEET: usize = 100_000;
/// Of those with dynamic-security, which takes longer for each.
const FLEET_OF_STOCK: usize = 2_000;

pub fn ask(tree: &Tree, _: Sizes<'_>, bars: &mut Bars) {
    one_message(tree, bars);
    fleet(tree, bars);
}

fn create(first: usize) -> Vec<Value> {
    let new = (first..first + BATCH).map(|number| {
        json!({ "command": "createClient", "username": format!("new-{number:07}"), "password": "secret" })
    });
    new.collect()
}

fn one_message(tree: &Tree, bars: &mut Bars) {
    let version = tree.version();
    println!(
        "bulk, {version}: ms for a message of {BATCH} createClient to a broker with {CLIENTS} clients; {TURNS} turns"
    );
    println!(
        "{:17} {:>26} {:>10} {:>22} {:>10} {:>22} {:>8}",
        "contender", "answer", "pair p50", "pair p99", "pair max", "p99 quiet", "ratio"
    );
    let dir = tempfile::tempdir().expect("a directory");
    let accounts = Accounts::at(dir.path(), CLIENTS, A_SITE);
    let mut sides = Contender::ALL.map(|contender| {
        let broker = contender.start(tree, &accounts, iterations(tree));
        let (times, felt) = (Vec::new(), Vec::new());
        (contender, Admin::at(&broker), broker, times, felt)
    });
    for turn in 0..TURNS {
        for place in 0..sides.len() {
            let (_, admin, broker, times, felt) = &mut sides[(place + turn) % 2];
            let order = message(&create(turn * BATCH));
            let (quiet, (exchange, span)) = beside(broker, || {
                let from = Instant::now();
                let exchange = admin.exchange(&order);
                (exchange, (from, Instant::now()))
            });
            exchange.answers(BATCH);
            times.push(exchange.took);
            felt.push((quiet(None), quiet(Some(span))));
        }
    }
    for (contender, _, _, times, felt) in sides {
        let ratio = tell(contender.name(), &Spread::of(times), &felt);
        if contender == Contender::Doorman {
            let what = format!("bulk {version} one message, bystander p99");
            bars.at_most(&what, ratio, 1.5);
        }
    }
    println!();
}

fn fleet(tree: &Tree, bars: &mut Bars) {
    let version = tree.version();
    println!(
        "bulk, {version}: a fleet registered in messages of {BATCH}, hashed with 101 iterations by doorman; ms for each client"
    );
    println!(
        "{:17} {:>26} {:>10} {:>22} {:>10} {:>22} {:>8} {:>8} {:>12} {:>12}",
        "contender",
        "each client",
        "pair p50",
        "pair p99",
        "pair max",
        "p99 quiet",
        "ratio",
        "clients",
        "seconds",
        "longest, ms"
    );
    let dir = tempfile::tempdir().expect("a directory");
    let accounts = Accounts::at(dir.path(), 10, A_SITE);
    for contender in Contender::ALL {
        let fleet = match contender {
            Contender::Doorman => FLEET,
            Contender::Stock => FLEET_OF_STOCK,
        };
        let broker = contender.start(tree, &accounts, 101);
        let mut admin = Admin::at(&broker);
        let orders = (0..fleet).step_by(BATCH);
        let orders: Vec<Vec<u8>> = orders.map(|first| message(&create(first))).collect();
        let (felt, (exchanges, spans)) = beside(&broker, || fleet_of(&mut admin, &orders));
        let listed = json!({ "command": "listClients", "count": 1 });
        let total = &admin.ask(&[listed])[0]["data"]["totalCount"];
        assert_eq!(*total, json!(fleet + 12), "everybody is there");
        exchanges
            .iter()
            .for_each(|exchange| drop(exchange.answers(BATCH)));
        let times: Vec<f64> = exchanges.iter().map(|exchange| exchange.took).collect();
        let [span, ordinary] = spans;
        let each = Spread::of(times.iter().map(|time| time / BATCH as f64));
        let longest = Spread::of(times).high;
        let ratio = tell(contender.name(), &each, &[(felt(None), felt(Some(span)))]);
        println!(
            "{:17} beside ordinary messages: {:.2?}",
            "",
            felt(Some(ordinary))
        );
        println!(
            "{:17} {fleet} clients in {:.1} s, the longest message {longest:.0} ms",
            "",
            (span.1 - span.0).as_secs_f64()
        );
        if contender == Contender::Doorman {
            bars.at_most(&format!("bulk {version} fleet, bystander p99"), ratio, 1.5);
        }
    }
    println!();
}

/// Sends the orders, one after the other, and then as many ordinary messages at the same pace.
fn fleet_of(admin: &mut Admin, orders: &[Vec<u8>]) -> (Vec<Exchange>, [Span; 2]) {
    let from = Instant::now();
    let exchanges: Vec<Exchange> = orders.iter().map(|order| admin.exchange(order)).collect();
    let to = Instant::now();
    let pace = (to - from) / orders.len() as u32;
    let answer = exchanges[0].answer.len();
    let ordinarily = Instant::now();
    for order in orders {
        let next = Instant::now() + pace;
        admin.ordinarily(order.len(), answer);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    (exchanges, [(from, to), (ordinarily, Instant::now())])
}

type Span = (Instant, Instant);
type Feeling = Box<dyn Fn(Option<Span>) -> Felt>;

/// What something came to, and what a pair felt in a span of time, or before if none is given.
fn beside<T>(broker: &Broker, act: impl FnOnce() -> T) -> (Feeling, T) {
    let bystander = Bystander::start(broker.port(), &pair());
    thread::sleep(MOMENT / 10);
    let begun = Instant::now();
    thread::sleep(MOMENT);
    let until = Instant::now();
    let outcome = act();
    let deliveries = bystander.stop();
    let felt = move |span: Option<Span>| {
        let (from, to) = span.unwrap_or((begun, until));
        deliveries.between(from, to)
    };
    (Box::new(felt), outcome)
}

/// The ratio of the pair's p99 to that before.
fn tell(name: &str, times: &Spread, felt: &[(Felt, Felt)]) -> f64 {
    let spread = |pick: fn(&(Felt, Felt)) -> f64| Spread::of(felt.iter().map(pick));
    let ratio = spread(|(quiet, felt)| felt.p99 / quiet.p99).median;
    println!(
        "{name:17} {times:26.3} {:10.2} {:22.2} {:10.2} {:22.2} {ratio:8.2}",
        spread(|(_, felt)| felt.p50).median,
        spread(|(_, felt)| felt.p99),
        spread(|(_, felt)| felt.max).high,
        spread(|(quiet, _)| quiet.p99),
    );
    ratio
}
