//! Logins by a key of TLS-PSK alone, beside the broker's own `psk_file`: the processes of `mosquitto_pub`
//! connect, publish one message and leave.

use std::sync::OnceLock;

use super::accounts::{Accounts, key};
use super::turns::{self, Contender};
use crate::measure::{Chance, device};
use crate::support::{Broker, Tree, finish, plugin_conf};

const COUNTS: [usize; 2] = [10, 500_000];
const TURNS: usize = 15;
const LOGINS: usize = 15;

/// Without a message for each client, which would cost more than what is compared.
const LISTENER: &str = "log_type error
log_type warning
log_type notice
log_type information
listener {port} 127.0.0.1
psk_hint here
use_identity_as_username true
";

pub fn ask(tree: &Tree) {
    static MADE: OnceLock<(tempfile::TempDir, Vec<[Accounts; 2]>)> = OnceLock::new();
    let (_, made) = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let of = |count| [false, true].map(|sealed| Accounts::at(dir.path(), count, sealed));
        let made = COUNTS.map(of).into();
        (dir, made)
    });
    for both in made {
        let count = both[0].count;
        turns::title(
            &format!(
                "TLS-PSK, {}, {count} keys; {TURNS} turns of {LOGINS} logins",
                tree.version()
            ),
            "psk_file",
        );
        let stock = format!("psk_file {}\n", both[0].psk_file.display());
        let ours = |accounts: &Accounts| {
            let options = accounts.options();
            plugin_conf(&options.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let mut contenders = vec![
            contender("stock psk_file", tree, &stock, count),
            contender("doorman", tree, &ours(&both[0]), count),
            contender("doorman, sealed", tree, &ours(&both[1]), count),
        ];
        turns::take(&mut contenders, TURNS, LOGINS);
    }
}

fn contender(name: &str, tree: &Tree, conf: &str, count: usize) -> Contender<'static> {
    let mut chance = Chance::new(5);
    Contender {
        name: name.to_owned(),
        broker: Broker::of(tree).start(&(LISTENER.to_owned() + conf)),
        logins: Box::new(move |broker, logins| {
            for _ in 0..logins {
                log_in(broker, chance.below(count));
            }
        }),
    }
}

fn log_in(broker: &Broker, number: usize) {
    let mut client = broker.tree().at_port("mosquitto_pub", broker.port());
    client.args(["--psk-identity", &device(number)]);
    client.args(["--psk", &key(number).to_hex()]);
    // With a psk_file 2.0.12 and later speak no other.
    client.args(["--tls-version", "tlsv1.2"]);
    client.args(["-q", "1", "-t", "t", "-m", "m"]);
    finish(&mut client).succeeded();
}
