//! A walk through all clients, page by page, and what the pair feels meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Sizes;
use crate::accounts::{A_SITE, Accounts};
use crate::admin::{Admin, Exchange, message};
use crate::bars::Bars;
use crate::bystander::{Bystander, percentile};
use crate::contender::{Contender, iterations, pair};
use crate::support::Tree;

const CLIENTS: usize = 500_000;
const PAGE: usize = 1_000;
const MOMENT: Duration = Duration::from_secs(3);

pub fn ask(tree: &Tree, _: Sizes<'_>, bars: &mut Bars) {
    let version = tree.version();
    println!(
        "list, {version}: listClients with everything about each, {PAGE} on a page, all of {CLIENTS}; ms for a page"
    );
    let dir = tempfile::tempdir().expect("a directory");
    let accounts = Accounts::at(dir.path(), CLIENTS, A_SITE);
    let broker = Contender::Doorman.start(tree, &accounts, iterations(tree));
    let mut admin = Admin::at(&broker);
    let bystander = Bystander::start(broker.port(), &pair());
    thread::sleep(MOMENT / 10);
    let begun = Instant::now();
    thread::sleep(MOMENT);
    let from = Instant::now();
    // The administrator and the pair are clients too.
    let pages = (0..CLIENTS + 2).step_by(PAGE).map(|offset| {
        let order =
            json!({"command": "listClients", "verbose": true, "count": PAGE, "offset": offset});
        admin.exchange(&message(&[order]))
    });
    let pages: Vec<Exchange> = pages.collect();
    let to = Instant::now();
    // As many bytes at the same pace, that are no orders.
    let (asked, answered) = (pages[1].asked, pages[1].answer.len());
    let pace = (to - from) / pages.len() as u32;
    let ordinarily = Instant::now();
    for _ in 0..pages.len() {
        let next = Instant::now() + pace;
        admin.ordinarily(asked, answered);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let until = Instant::now();
    let deliveries = bystander.stop();
    let listed: usize = pages.iter().map(clients).sum();
    assert_eq!(listed, CLIENTS + 2, "everybody was on a page");
    let (quiet, felt, ordinary) = (
        deliveries.between(begun, from),
        deliveries.between(from, to),
        deliveries.between(ordinarily, until),
    );
    let mut times: Vec<f64> = pages.iter().map(|page| page.took).collect();
    let (first, last) = (times[0], times[times.len() - 2]);
    times.sort_by(f64::total_cmp);
    println!(
        "first {first:.1}, last whole {last:.1}, median {:.1}, p99 {:.1}, longest {:.1}; all in {:.1} s",
        percentile(&times, 50),
        percentile(&times, 99),
        percentile(&times, 100),
        (to - from).as_secs_f64(),
    );
    println!(
        "the pair: {felt:.2?}; before: {quiet:.2?}; beside ordinary messages of {answered} bytes: {ordinary:.2?}"
    );
    bars.at_most(
        &format!("list {version}, bystander p99"),
        felt.p99 / quiet.p99,
        1.5,
    );
    println!();
}

fn clients(page: &Exchange) -> usize {
    let answers = page.answers(1);
    answers[0]["data"]["clients"].as_array().map_or(0, Vec::len)
}
