//! What a connected pair feels of a storm of first logins.

use mosquitto_doorman::credential::Recipe;

use super::contender::{Accounts, Contender, PASSWORD, account, login};
use super::crowd::Crowd;
use super::turns::{Turns, hold};
use super::{Asked, OPTIONS, TURNS};
use crate::bars::Bars;
use crate::measure::Spread;

const LOGINS: usize = 500;
/// Where one login takes the whole broker as long as its hash: fewer do.
const LOGINS_OF_OTHERS: usize = 50;
const ARGON_TURNS: usize = 3;

struct Storm<'a> {
    name: &'a str,
    recipe: Recipe,
    password: &'a str,
    contenders: &'a [Contender],
    turns: usize,
    options: &'a [&'a str],
}

pub fn ask(asked: &Asked, bars: &mut Bars) {
    let pbkdf2 = Recipe::Pbkdf2Sha512 {
        iterations: 100_000,
    };
    // 2.0 keeps its default budget: that is the answer it has.
    let options = if asked.tree.is_2_1() {
        &OPTIONS[..]
    } else {
        &OPTIONS[..1]
    };
    let storm = |name, recipe, password, contenders, turns| Storm {
        name,
        recipe,
        password,
        contenders,
        turns,
        options,
    };
    let (all, two) = (Contender::ALL, [Contender::Nobody, Contender::Doorman]);
    storm("right", pbkdf2, PASSWORD, &all, TURNS).ask(asked, bars);
    storm("wrong", pbkdf2, "wrong", &all, TURNS).ask(asked, bars);
    storm("argon2id", Recipe::ARGON2ID, PASSWORD, &two, ARGON_TURNS).ask(asked, bars);
}

impl Storm<'_> {
    fn ask(&self, asked: &Asked, bars: &mut Bars) {
        let dir = tempfile::tempdir().expect("a directory");
        let accounts = Accounts::at(dir.path(), self.recipe, LOGINS);
        let mut figures: Vec<Turns> = Vec::new();
        figures.resize_with(self.contenders.len(), Turns::default);
        for _ in 0..self.turns {
            for (contender, figures) in self.contenders.iter().zip(&mut figures) {
                self.turn(*contender, asked, &accounts, figures);
            }
        }
        let version = asked.tree.version();
        println!(
            "bystander, {version}, {}: publish to delivery, ms; {} turns",
            self.name, self.turns
        );
        println!(
            "{:20} {:>6} {:>10} {:>20} {:>22} {:>24} {:>9} {:>9} {:>9}",
            "contender",
            "logins",
            "p99/nobody",
            "p50",
            "p99",
            "max",
            "idle p99",
            "storm s",
            "let in"
        );
        let mut nobody = f64::NAN;
        for (contender, figures) in self.contenders.iter().zip(&figures) {
            let median = |figures: &Vec<f64>| Spread::of(figures.iter().copied());
            let (p99, max) = (median(&figures.p99), median(&figures.max));
            if *contender == Contender::Nobody {
                nobody = p99.median;
            }
            let each = (figures.accepted + figures.refused) / self.turns;
            println!(
                "{:20} {each:6} {:10.2} {:20.2} {p99:22.2} {max:24.2} {:9.2} {:9.2} {:9}",
                contender.name(),
                p99.median / nobody,
                median(&figures.p50),
                median(&figures.idle).median,
                median(&figures.seconds).median,
                figures.accepted / self.turns,
            );
            if *contender == Contender::Doorman && asked.tree.is_2_1() {
                let name = |what: &str| format!("bystander {version} {} {what}", self.name);
                hold(bars, name, [p99.median, max.median], nobody);
            }
        }
        println!();
    }

    fn turn(&self, contender: Contender, asked: &Asked, accounts: &Accounts, turns: &mut Turns) {
        let broker = contender.start(&asked.tree, accounts, self.options);
        let logins = match contender {
            Contender::Nobody | Contender::Doorman => LOGINS,
            Contender::Stock | Contender::Dynsec => LOGINS_OF_OTHERS,
        };
        let packets = (0..logins).map(|number| login(&account(number), self.password));
        turns.add(&broker, Crowd::to(broker.port(), logins), packets.collect());
    }
}
