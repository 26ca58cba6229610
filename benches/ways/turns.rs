//! Contenders that take turns, and what each turn cost the broker.

use crate::measure::Spread;
use crate::processor;
use crate::support::Broker;

type LogIn<'a> = dyn FnMut(&Broker, usize) + 'a;

/// Somebody who is held against the first of them.
pub struct Contender<'a> {
    pub name: String,
    pub broker: Broker,
    /// So many logins.
    pub logins: Box<LogIn<'a>>,
}

/// Each logs in so often in each turn.
pub fn take(contenders: &mut [Contender<'_>], turns: usize, logins: usize) {
    let mut costs: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    // Whatever is found out once only.
    for Contender { broker, logins, .. } in contenders.iter_mut() {
        logins(broker, 1);
    }
    for turn in 0..turns {
        for place in 0..contenders.len() {
            // Each is the first now and then.
            let index = (place + turn) % contenders.len();
            let Contender {
                broker, logins: go, ..
            } = &mut contenders[index];
            let before = processor::time(broker.pid());
            go(broker, logins);
            let spent = processor::time(broker.pid()) - before;
            costs[index].push(spent / logins as f64);
        }
    }
    for (contender, each) in contenders.iter().zip(&costs) {
        let ratios = each.iter().zip(&costs[0]).map(|(this, first)| this / first);
        println!(
            "{:44} {:22.2} {:24.1}",
            contender.name,
            Spread::of(ratios),
            Spread::of(each.iter().copied()),
        );
    }
    println!();
}

pub fn title(what: &str, first: &str) {
    println!("{what}");
    println!(
        "{:44} {:>22} {:>24}",
        "",
        format!("beside {first}"),
        "broker CPU µs/login"
    );
}
