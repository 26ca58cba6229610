//! How long SIGHUP stops everything, with thousands of authenticated clients connected.

use std::time::{Duration, Instant};

use mosquitto_doorman::credential::Recipe;

use super::contender::{Accounts, Contender, PASSWORD, account, cheap, login};
use super::crowd::Crowd;
use super::{Asked, OPTIONS, TURNS};
use crate::bars::Bars;
use crate::measure::Spread;

const CLIENTS: usize = 5_000;
/// Each account has fifty clients, so that connecting them does not take minutes.
const ACCOUNTS: usize = 100;
/// How long the ping goes on after the signal, at least.
const AFTERMATH: Duration = Duration::from_millis(400);

pub fn ask(asked: &Asked, bars: &mut Bars) {
    let version = asked.tree.version();
    println!("SIGHUP, {version}: longest PING in ms; {TURNS} signals");
    println!(
        "{:>10} {:20} {:>8} {:>10} {:>26} {:>14} {:>9}",
        "iterations", "contender", "clients", "of stock", "longest PING", "µs per client", "quiet"
    );
    // Stock hashes for each client again, twice ten milliseconds: a few must do, and are scaled.
    for (iterations, others) in [(1_000, CLIENTS), (25_000, ACCOUNTS)] {
        let dir = tempfile::tempdir().expect("a directory");
        let recipe = Recipe::Pbkdf2Sha512 { iterations };
        let accounts = Accounts::at(dir.path(), recipe, ACCOUNTS);
        let mut stock = f64::NAN;
        let order = [
            (Contender::Stock, others),
            (Contender::Nobody, CLIENTS),
            (Contender::Doorman, CLIENTS),
        ];
        let figures = order.map(|(contender, clients)| turns(contender, clients, asked, &accounts));
        for ((contender, clients), (stalls, quiet)) in order.into_iter().zip(figures) {
            let each = stalls.median * 1e3 / clients as f64;
            if contender == Contender::Stock {
                stock = each;
            }
            println!(
                "{iterations:10} {:20} {clients:8} {:10.4} {stalls:26.2} {each:14.2} {:9.2}",
                contender.name(),
                each / stock,
                quiet.median,
            );
            if contender == Contender::Doorman {
                let name = format!("SIGHUP {version} {iterations}, per client beside stock");
                bars.at_most(&name, each / stock, 0.05);
            }
        }
    }
    println!();
}

/// The longest PINGs after a signal, and without one.
fn turns(
    contender: Contender,
    clients: usize,
    asked: &Asked,
    accounts: &Accounts,
) -> (Spread, Spread) {
    let broker = contender.start(&asked.tree, accounts, &OPTIONS);
    let everybody = (0..clients).map(|number| login(&account(number % ACCOUNTS), PASSWORD));
    let crowd = Crowd::to(broker.port(), 64).run(everybody, true);
    assert_eq!(crowd.accepted.len(), clients, "everybody is in");
    let mut pinger = cheap().accepted(broker.port());
    let mut longest = |signal: bool| {
        let start = Instant::now();
        if signal {
            broker.sighup();
        }
        let mut longest = Duration::ZERO;
        while start.elapsed() < AFTERMATH {
            let sent = Instant::now();
            assert!(pinger.is_connected(), "it is still there");
            longest = longest.max(sent.elapsed());
        }
        longest.as_secs_f64() * 1e3
    };
    let quiet: Vec<f64> = (0..TURNS).map(|_| longest(false)).collect();
    let stalls: Vec<f64> = (0..TURNS).map(|_| longest(true)).collect();
    let pings = clients.min(10);
    for mut stream in crowd.staying.into_iter().take(pings) {
        stays(&mut stream);
    }
    (Spread::of(stalls), Spread::of(quiet))
}

/// Nobody is to lose the connection because of a signal.
fn stays(stream: &mut std::net::TcpStream) {
    use std::io::{Read as _, Write as _};
    stream.set_nonblocking(false).expect("a socket");
    stream.write_all(&[0xc0, 0]).expect("the broker listens");
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).expect("still connected");
}
