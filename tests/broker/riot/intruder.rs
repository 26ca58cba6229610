//! Somebody who has no account, and tries beside everything that goes on.

use std::sync::atomic::{AtomicBool, Ordering};

use mosquitto_doorman::mechanism::Mechanism;

use super::way::{Doors, STRANGER, Shown, Way};
use super::{DEVICES, EARLY_IDS, IDS, NAMES, below};
use crate::support::{Answer, Tree};

/// Somebody who knows no password and no key, and has a certificate of nobody's, tries under everybody's name
/// and id, and often leaves at once.
pub fn intrude(doors: &Doors, mut seed: u64, over: &AtomicBool, tree: &Tree) -> u64 {
    let old = tree.version() == "2.0.11";
    // As above: there it names devices that nobody has.
    let first = if tree.is_2_1() { 0 } else { DEVICES };
    let mut tries = 0;
    while !over.load(Ordering::Acquire) {
        tries += 1;
        let id = match below(&mut seed, IDS + EARLY_IDS) {
            n @ ..IDS => format!("c{n}"),
            n => format!("e{}", n - IDS),
        };
        let account = match below(&mut seed, NAMES + 2) {
            n @ ..=NAMES => format!("u{n}"),
            _ => format!("k{}", first + below(&mut seed, DEVICES)),
        };
        let way = Way::any(&mut seed, &account);
        let own = format!("n{}", below(&mut seed, EARLY_IDS));
        let id = if way.takes_over_first() { own } else { id };
        let shown = Shown {
            password: format!("guess {}", below(&mut seed, 10_000)),
            key: format!("{:032x}", below(&mut seed, 10_000)),
            file: STRANGER.to_owned(),
            mechanism: Mechanism::ALL[below(&mut seed, 2) as usize],
            ends: None,
        };
        if below(&mut seed, 3) == 0 {
            // 2.0.11 would lose the guest under whose id an exchange is broken off.
            let way = match way {
                Way::Scram if old => Way::Password,
                way => way,
            };
            way.begin(doors, &id, &account, &shown).vanish();
        } else {
            let (_, answer) = way.come(doors, &id, &account, &shown);
            assert_ne!(answer, Answer::Accepted, "{account} under {id} by {way:?}");
        }
    }
    tries
}
