//! One order at a time: how long until it is answered, and what the pair feels meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Sizes;
use crate::accounts::{A_SITE, Accounts, RARE};
use crate::admin::{Admin, message};
use crate::bars::Bars;
use crate::bystander::{Bystander, Felt, percentile};
use crate::contender::{Contender, iterations, pair};
use crate::measure::{Chance, Spread, device};
use crate::support::{Broker, Tree};

const SIZES: [usize; 4] = [10, 10_000, 100_000, 500_000];
const TURNS: usize = 7;
/// A quiet moment, and the orders of one kind in a turn.
const MOMENT: Duration = Duration::from_secs(1);
const ORDERS: usize = 50;
/// Of those before anybody else comes.
const ORDERS_ALONE: usize = 10;
/// From the beginning of one order to that of the next.
const PACE: Duration = Duration::from_millis(20);
/// Where one order takes so long that fifty are not to be waited for.
const ENOUGH: Duration = Duration::from_secs(2);

const KINDS: [&str; 3] = ["setClientPassword", "createClient", "addRoleACL"];
/// As many messages of the same sizes that are no orders: what the pair feels of the exchange itself.
const ORDINARY: &str = "ordinary messages";

struct Side {
    contender: Contender,
    admin: Admin,
    broker: Broker,
    /// Of its orders, which are all different.
    number: usize,
    /// How long the last answer was.
    answer: usize,
    /// Milliseconds of orders to a broker that has nothing else to do.
    alone: Vec<f64>,
    quiet: Vec<Felt>,
    kinds: [Figures; 4],
}

#[derive(Default)]
struct Figures {
    /// Milliseconds, order by order.
    times: Vec<f64>,
    felt: Vec<Felt>,
}

pub fn ask(tree: &Tree, sizes: Sizes<'_>, bars: &mut Bars) {
    let version = tree.version();
    println!("write, {version}: ms from an order to its answer, and the pair's; {TURNS} turns");
    println!(
        "{:>8} {:17} {:17} {:>6} {:>9} {:>9} {:>9} {:>9} {:>20} {:>9} {:>20} {:>8}",
        "clients",
        "order",
        "contender",
        "orders",
        "median",
        "p99",
        "longest",
        "pair p50",
        "pair p99",
        "pair max",
        "p99 quiet",
        "ratio"
    );
    for count in SIZES.into_iter().filter(|count| sizes.has(*count)) {
        let dir = tempfile::tempdir().expect("a directory");
        let accounts = Accounts::at(dir.path(), count, A_SITE);
        let mut sides = Contender::ALL.map(|contender| Side::of(contender, tree, &accounts));
        let mut chance = Chance::new(9);
        for turn in 0..TURNS {
            for place in 0..sides.len() {
                sides[(place + turn) % 2].turn(count, &mut chance);
            }
        }
        for side in &mut sides {
            side.tell_alone(version, count, bars);
        }
        for index in 0..=KINDS.len() {
            for side in &mut sides {
                side.tell(version, count, index, bars);
            }
        }
    }
    println!();
}

impl Side {
    fn of(contender: Contender, tree: &Tree, accounts: &Accounts) -> Self {
        let broker = contender.start(tree, accounts, iterations(tree));
        Self {
            contender,
            admin: Admin::at(&broker),
            broker,
            number: 0,
            answer: 0,
            alone: Vec::new(),
            quiet: Vec::new(),
            kinds: Default::default(),
        }
    }

    fn turn(&mut self, count: usize, chance: &mut Chance) {
        let alone = self.orders(KINDS[0], ORDERS_ALONE, count, chance);
        self.alone.extend(alone);
        let bystander = Bystander::start(self.broker.port(), &pair());
        thread::sleep(MOMENT / 10);
        let begun = Instant::now();
        thread::sleep(MOMENT);
        let quiet_until = Instant::now();
        let mut spans = Vec::new();
        for kind in KINDS.into_iter().chain([ORDINARY]) {
            let from = Instant::now();
            let times = self.orders(kind, ORDERS, count, chance);
            spans.push((from, Instant::now(), times));
        }
        let deliveries = bystander.stop();
        self.quiet.push(deliveries.between(begun, quiet_until));
        for ((from, to, times), figures) in spans.into_iter().zip(&mut self.kinds) {
            figures.times.extend(times);
            figures.felt.push(deliveries.between(from, to));
        }
    }

    /// Milliseconds of each of so many orders, or of fewer where they take too long.
    fn orders(&mut self, kind: &str, most: usize, count: usize, chance: &mut Chance) -> Vec<f64> {
        let from = Instant::now();
        let mut times = Vec::new();
        let mut answers = Vec::new();
        while times.len() < most && (from.elapsed() < ENOUGH || times.is_empty()) {
            let next = Instant::now() + PACE;
            self.number += 1;
            let order = message(&[order(kind, self.number, chance.below(count))]);
            if kind == ORDINARY {
                times.push(self.admin.ordinarily(order.len(), self.answer));
            } else {
                let exchange = self.admin.exchange(&order);
                times.push(exchange.took);
                answers.push(exchange);
            }
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        for exchange in answers {
            exchange.answers(1);
            self.answer = exchange.answer.len();
        }
        times
    }

    /// How long an order takes where nothing else brings the broker round.
    fn tell_alone(&mut self, version: &str, count: usize, bars: &mut Bars) {
        self.alone.sort_by(f64::total_cmp);
        let median = percentile(&self.alone, 50);
        println!(
            "{count:8} {:17} {:17} {:6} {median:9.2} {:9.2} {:9.2}",
            "nobody else there",
            self.contender.name(),
            self.alone.len(),
            percentile(&self.alone, 99),
            percentile(&self.alone, 100),
        );
        if self.contender == Contender::Doorman {
            let what = format!("write {version} with nobody else there, {count} clients, ms");
            bars.at_most(&what, median, 10.0);
        }
    }

    fn tell(&mut self, version: &str, count: usize, index: usize, bars: &mut Bars) {
        let figures = &mut self.kinds[index];
        figures.times.sort_by(f64::total_cmp);
        let median = percentile(&figures.times, 50);
        let longest = figures.times.last().copied().unwrap_or(f64::NAN);
        let felt = |felt: &[Felt], pick: fn(&Felt) -> f64| Spread::of(felt.iter().map(pick));
        let ratios = figures.felt.iter().zip(&self.quiet);
        let ratio = Spread::of(ratios.map(|(felt, quiet)| felt.p99 / quiet.p99)).median;
        let kind = KINDS.get(index).copied().unwrap_or(ORDINARY);
        println!(
            "{count:8} {kind:17} {:17} {:6} {median:9.2} {:9.2} {longest:9.2} {:9.2} {:20.2} {:9.2} {:20.2} {ratio:8.2}",
            self.contender.name(),
            figures.times.len(),
            percentile(&figures.times, 99),
            felt(&figures.felt, |felt| felt.p50).median,
            felt(&figures.felt, |felt| felt.p99),
            felt(&figures.felt, |felt| felt.max).high,
            felt(&self.quiet, |felt| felt.p99),
        );
        if self.contender == Contender::Doorman && kind != ORDINARY {
            let what = format!("write {version} {kind}, {count} clients");
            bars.at_most(&format!("{what}, ms"), median, 10.0);
            bars.at_most(&format!("{what}, bystander p99"), ratio, 1.5);
        }
    }
}

fn order(kind: &str, number: usize, client: usize) -> Value {
    match kind {
        "createClient" => json!({
            "command": kind, "username": format!("new-{number}"), "password": "secret",
        }),
        "addRoleACL" => json!({
            "command": kind, "rolename": RARE, "acltype": "publishClientSend",
            "topic": format!("new/{number}"), "priority": 0, "allow": true,
        }),
        _ => json!({ "command": kind, "username": device(client), "password": "secret" }),
    }
}
