//! What a connected pair feels of a storm of logins that cost the broker no hash: by SCRAM, whose hashes the
//! clients have done, and by tokens that an issuer has signed.

use std::sync::OnceLock;

use mosquitto_doorman::credential::Recipe;
use mosquitto_doorman::mechanism::Mechanism;

use super::contender::{Accounts, Contender, PASSWORD, account, login};
use super::crowd::Crowd;
use super::turns::{Turns, hold};
use super::{Asked, OPTIONS, TURNS};
use crate::bars::Bars;
use crate::measure::Spread;
use crate::support::mqtt::packet;
use crate::support::{Connect, Issuer, Protocol, Scram, Token};

const LOGINS: usize = 500;
const ITERATIONS: u32 = 600_000;
const MECHANISM: Mechanism = Mechanism::Sha512;
/// What all clients have made of their password: they share one, and its salt.
static SALTED: OnceLock<Vec<u8>> = OnceLock::new();

/// A way to show who one is.
struct Way<'a> {
    name: &'a str,
    options: Vec<&'a str>,
    /// Of each client.
    packets: Vec<Vec<u8>>,
    reply: fn(&[u8]) -> Vec<u8>,
    /// Whether it is held to what first logins by password are held to, on 2.1. Of a crowd's tokens
    /// the broker's thread verifies the first, for ten milliseconds.
    has_bars: bool,
}

pub fn scram(asked: &Asked, bars: &mut Bars) {
    SALTED.get_or_init(|| {
        let mut salted = vec![0; MECHANISM.bytes()];
        let password = PASSWORD.as_bytes();
        pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password, &[7; 12], ITERATIONS, &mut salted);
        salted
    });
    let way = Way {
        name: "scram",
        options: vec!["scram both", "scram_hashes true"],
        packets: (0..LOGINS).map(|number| begins(&account(number))).collect(),
        reply: proves,
        has_bars: true,
    };
    ask(asked, &way, bars);
}

pub fn token(asked: &Asked, bars: &mut Bars) {
    let dir = tempfile::tempdir().expect("a directory");
    let issuer = Issuer::in_dir(dir.path());
    for (algorithm, key) in [("RS256", "rsa"), ("ES256", "p256")] {
        let key_file = format!(
            "jwt_key_file {}",
            issuer.file(&format!("{key}.pem")).display()
        );
        let names: Vec<String> = (0..LOGINS).map(account).collect();
        let tokens: Vec<_> = names
            .iter()
            .map(|name| Token::of(name, key, algorithm))
            .collect();
        let tokens = issuer.sign(&tokens);
        let way = Way {
            name: algorithm,
            options: vec![&key_file],
            packets: names
                .iter()
                .zip(&tokens)
                .map(|(name, token)| login(name, token))
                .collect(),
            reply: |_| Vec::new(),
            has_bars: false,
        };
        ask(asked, &way, bars);
    }
}

fn ask(asked: &Asked, way: &Way<'_>, bars: &mut Bars) {
    let dir = tempfile::tempdir().expect("a directory");
    let iterations = ITERATIONS;
    let accounts = Accounts::at(dir.path(), Recipe::Pbkdf2Sha512 { iterations }, LOGINS);
    let contenders = [Contender::Nobody, Contender::Doorman];
    let mut figures: [Turns; 2] = Default::default();
    for _ in 0..TURNS {
        for (contender, figures) in contenders.into_iter().zip(&mut figures) {
            turn(contender, asked, &accounts, way, figures);
        }
    }
    let version = asked.tree.version();
    let Way { name, .. } = way;
    println!("bystander, {version}, {name}; {TURNS} turns");
    let of = |figures: &Vec<f64>| Spread::of(figures.iter().copied());
    let nobody = of(&figures[0].p99).median;
    for (contender, figures) in contenders.into_iter().zip(&figures) {
        println!(
            "{:20} {LOGINS} logins, let in {}, p99/nobody {:.2}, p50 {:.2}, p99 {:.2}, max {:.2}, \
             idle p99 {:.2}, storm {:.2} s, broker CPU µs/login {:.0}",
            contender.name(),
            figures.accepted / TURNS,
            of(&figures.p99).median / nobody,
            of(&figures.p50),
            of(&figures.p99),
            of(&figures.max),
            of(&figures.idle).median,
            of(&figures.seconds),
            of(&figures.cost),
        );
    }
    let [_, ours] = &figures;
    assert_eq!(ours.accepted, LOGINS * TURNS, "all of them were right");
    if way.has_bars && asked.tree.is_2_1() {
        let name = |what: &str| format!("bystander {version} {name} {what}");
        let felt = [of(&ours.p99).median, of(&ours.max).median];
        hold(bars, name, felt, nobody);
    }
}

fn turn(
    contender: Contender,
    asked: &Asked,
    accounts: &Accounts,
    way: &Way<'_>,
    turns: &mut Turns,
) {
    let options = [&OPTIONS[..], &way.options].concat();
    let broker = contender.start(&asked.tree, accounts, &options);
    let packets = match contender {
        Contender::Doorman => way.packets.clone(),
        Contender::Nobody | Contender::Stock | Contender::Dynsec => (0..LOGINS)
            .map(|number| login(&account(number), PASSWORD))
            .collect(),
    };
    let crowd = Crowd {
        reply: way.reply,
        ..Crowd::to(broker.port(), LOGINS)
    };
    turns.add(&broker, crowd, packets);
}

/// A client whose nonce is its name, by which its answer is found again.
fn client(name: &str) -> Scram {
    Scram {
        mechanism: MECHANISM,
        username: name.to_owned(),
        salted: SALTED.get().cloned(),
        password: PASSWORD.to_owned(),
        nonce: name.to_owned(),
    }
}

fn begins(name: &str) -> Vec<u8> {
    let first = client(name).first();
    let connect = Connect::new(Protocol::V5).method(MECHANISM.name(), first);
    connect.encode()
}

/// The answer to what the broker says in this packet.
fn proves(packet: &[u8]) -> Vec<u8> {
    let length = packet[1..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
    let said = packet::authentication_data(&packet[2 + length..]);
    let name = said.strip_prefix("r=").expect("a nonce");
    let name = &name[..account(0).len()];
    packet::auth(0x18, MECHANISM.name(), client(name).last(&said))
}
