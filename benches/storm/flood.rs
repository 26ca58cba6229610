//! Wrong passwords as fast as they can be sent: what bystanders and known clients feel of them.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use mosquitto_doorman::credential::Recipe;

use super::bystander::{Bystander, Felt, percentile};
use super::contender::{Accounts, Contender, PASSWORD, account, cheap, login};
use super::crowd::Crowd;
use super::turns::hold;
use super::{Asked, TURNS};
use crate::bars::Bars;
use crate::measure::Spread;
use crate::support::Broker;

const ACCOUNTS: usize = 200;
/// They log in before the flood, and again and again during it.
const KNOWN: usize = 50;
const PAUSE: Duration = Duration::from_millis(10);
/// Not where the known clients come from.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CONTENDERS: [Contender; 3] = [Contender::Nobody, Contender::Stock, Contender::Doorman];

#[derive(Default)]
struct Figures {
    attempts: Vec<f64>,
    p99: Vec<f64>,
    max: Vec<f64>,
    known: Vec<f64>,
    shut_out: usize,
}

pub fn ask(asked: &Asked, bars: &mut Bars) {
    for (name, from) in [
        ("from elsewhere", ATTACKER),
        ("from the same address", Ipv4Addr::LOCALHOST),
    ] {
        flood(asked, bars, name, from);
    }
}

fn flood(asked: &Asked, bars: &mut Bars, name: &str, from: Ipv4Addr) {
    let dir = tempfile::tempdir().expect("a directory");
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 25_000 };
    let accounts = Accounts::at(dir.path(), recipe, ACCOUNTS);
    let options = ["unknown_user deny"];
    let brokers = CONTENDERS.map(|c| c.start(&asked.tree, &accounts, &options));
    for broker in &brokers {
        let known = (0..KNOWN).map(|number| login(&account(number), PASSWORD));
        // One after another: 2.0 hashes within its budget.
        for packet in known {
            let enters = || {
                Crowd::to(broker.port(), 1)
                    .run([packet.clone()], false)
                    .refused
                    == 0
            };
            while !enters() {
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
    let memory = brokers.each_ref().map(Broker::rss_kib);
    let mut figures = CONTENDERS.map(|_| Figures::default());
    for _ in 0..TURNS {
        for (broker, figures) in brokers.iter().zip(&mut figures) {
            turn(broker, from, asked.flood / TURNS as u32, figures);
        }
    }
    report(asked, bars, name, &brokers, memory, &figures);
}

fn turn(broker: &Broker, from: Ipv4Addr, lasts: Duration, figures: &mut Figures) {
    let bystander = Bystander::start(broker.port(), &cheap());
    let start = Instant::now();
    let end = start + lasts;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let port = broker.port();
    let attack = thread::spawn(move || {
        let crowd = Crowd {
            reply: |_| Vec::new(),
            port,
            from,
            at_once: 2 * cores,
            end,
        };
        // Half of them exist; no password is tried twice.
        let guesses = (0_usize..).map(|number| {
            let name = match number % 2 {
                0 => account(number / 2 % ACCOUNTS),
                _ => format!("nobody-{number:05}"),
            };
            login(&name, &format!("guess-{number}"))
        });
        crowd.run(guesses, false)
    });
    let mut times = Vec::new();
    for number in 0.. {
        if Instant::now() >= end {
            break;
        }
        let packet = login(&account(number % KNOWN), PASSWORD);
        let outcome = Crowd::to(port, 1).run([packet], false);
        figures.shut_out += outcome.refused;
        times.extend(outcome.accepted);
        thread::sleep(PAUSE);
    }
    let attempts = attack.join().expect("the attack").rate();
    let Felt { p99, max, .. } = bystander.stop().between(start, end);
    times.sort_by(f64::total_cmp);
    figures.attempts.push(attempts);
    figures.known.push(percentile(&times, 99));
    figures.p99.push(p99);
    figures.max.push(max);
}

fn report(
    asked: &Asked,
    bars: &mut Bars,
    name: &str,
    brokers: &[Broker; 3],
    memory: [u64; 3],
    figures: &[Figures; 3],
) {
    let version = asked.tree.version();
    println!(
        "flood {name}, {version}: {:?} each in {TURNS} turns",
        asked.flood
    );
    println!(
        "{:20} {:>10} {:>22} {:>24} {:>24} {:>9} {:>20} {:>12}",
        "contender",
        "p99/nobody",
        "bystander p99 ms",
        "bystander max ms",
        "known login p99 ms",
        "shut out",
        "guesses/s",
        "memory MiB"
    );
    let spread = |figures: &Vec<f64>| Spread::of(figures.iter().copied());
    let nobody = spread(&figures[0].p99).median;
    for (index, contender) in CONTENDERS.into_iter().enumerate() {
        let (p99, max) = (spread(&figures[index].p99), spread(&figures[index].max));
        let after = brokers[index].rss_kib() as f64 / 1024.0;
        let before = memory[index] as f64 / 1024.0;
        println!(
            "{:20} {:10.2} {p99:22.2} {max:24.2} {:24.2} {:9} {:20.0} {before:5.1}→{after:.1}",
            contender.name(),
            p99.median / nobody,
            spread(&figures[index].known),
            figures[index].shut_out,
            spread(&figures[index].attempts),
        );
        if contender == Contender::Doorman {
            let name = |what: &str| format!("flood {name} {version} {what}");
            let shut_out = figures[index].shut_out as f64;
            bars.at_most(&name("known clients shut out"), shut_out, 0.0);
            bars.at_most(&name("growth of memory, MiB"), after - before, 16.0);
            if asked.tree.is_2_1() {
                hold(bars, name, [p99.median, max.median], nobody);
            }
        }
    }
    println!();
}
