//! How soon a change in the database is felt with ten thousand clients connected, and what a pair that
//! has nothing to do with it feels.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::bars::Bars;
use crate::bystander::{Bystander, Felt};
use crate::crowd::Crowd;
use crate::measure::Spread;
use crate::support::conf::LISTENER;
use crate::support::{Broker, Connect, Event, Protocol, Tree, plugin_conf};

use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::store::sqlite::Database;

const CLIENTS: usize = 10_000;
const TURNS: usize = 7;
/// How long a change is given, and a quiet moment beside it lasts.
const MOMENT: Duration = Duration::from_secs(3);

/// Half of the clients are in one role, half in another; the asker and the pair have their own.
const ROLES: &str = "
    INSERT INTO role (id, rolename) VALUES (1, 'even'), (2, 'odd'), (3, 'asker'), (4, 'pair');
    INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES
        (1, 'publishClientSend', 'even/%u', 1), (2, 'publishClientSend', 'odd/%u', 1),
        (3, 'publishClientSend', 'asked', 1), (4, 'publishClientSend', 'bystander', 1),
        (4, 'publishClientReceive', 'bystander', 1), (4, 'subscribeLiteral', 'bystander', 1);
    INSERT INTO account_role (account_id, role_id) SELECT id, 1 + id % 2 FROM account WHERE id <= 10000;
    INSERT INTO account_role (account_id, role_id) SELECT id, 3 FROM account WHERE username = 'asker';
    INSERT INTO account_role (account_id, role_id) SELECT id, 4 FROM account WHERE username = 'pair';
    INSERT INTO account_role (account_id, role_id) SELECT id, 1 FROM account WHERE username = 'asker';
";

struct Change {
    name: &'static str,
    /// Given and taken in turn.
    forth: &'static str,
    back: &'static str,
}

const CHANGES: [Change; 2] = [
    Change {
        name: "the asker's own role",
        forth: "UPDATE role_acl SET allow = 0 WHERE topic = 'asked'",
        back: "UPDATE role_acl SET allow = 1 WHERE topic = 'asked'",
    },
    Change {
        name: "a role of 5000 others too",
        forth: "INSERT INTO role_acl (role_id, acltype, topic, allow, priority)
                    VALUES (1, 'publishClientSend', 'gift', 1, 0);
                UPDATE role_acl SET allow = 0 WHERE topic = 'asked'",
        back: "DELETE FROM role_acl WHERE topic = 'gift';
               UPDATE role_acl SET allow = 1 WHERE topic = 'asked'",
    },
];

pub fn ask(tree: &Tree, bars: &mut Bars) {
    let version = tree.version();
    println!(
        "revocation, {version}: {CLIENTS} clients; ms from the commit to the first refusal, and the pair's p99; {TURNS} turns"
    );
    println!(
        "{:28} {:>24} {:>24} {:>24} {:>8}",
        "change", "first refusal", "p99 meanwhile", "p99 quiet", "ratio"
    );
    let dir = tempfile::tempdir().expect("a directory");
    accounts(&dir.path().join("db"));
    let options = [
        format!("database {}/db", dir.path().display()),
        "database_roles true".to_owned(),
        "throttle false".to_owned(),
    ];
    let options = plugin_conf(&options.each_ref().map(String::as_str));
    let broker = Broker::of(tree).start(&format!("set_tcp_nodelay true\n{LISTENER}{options}"));
    let everybody = (0..CLIENTS).map(|n| login(&format!("device-{n}")).encode());
    let crowd = Crowd::to(broker.port(), 64).run(everybody, true);
    assert_eq!(crowd.accepted.len(), CLIENTS, "everybody is in");
    for change in CHANGES {
        let mut refusal = Vec::new();
        let (mut meanwhile, mut quiet) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let bystander = Bystander::start(broker.port(), &login("pair"));
            let start = Instant::now();
            std::thread::sleep(MOMENT);
            let from = Instant::now();
            refusal.push(first_refusal(&broker, dir.path(), change.forth).as_secs_f64() * 1e3);
            std::thread::sleep(MOMENT.saturating_sub(from.elapsed()));
            let to = Instant::now();
            let deliveries = bystander.stop();
            let p99 = |Felt { p99, .. }| p99;
            quiet.push(p99(deliveries.between(start, from)));
            meanwhile.push(p99(deliveries.between(from, to)));
            tool(dir.path(), change.back);
            std::thread::sleep(Duration::from_millis(600));
        }
        let ratios = meanwhile.iter().zip(&quiet).map(|(a, b)| a / b);
        let ratio = Spread::of(ratios).median;
        let refusal = Spread::of(refusal);
        println!(
            "{:28} {refusal:24.0} {:24.2} {:24.2} {ratio:8.2}",
            change.name,
            Spread::of(meanwhile),
            Spread::of(quiet),
        );
        bars.at_most(
            &format!("revocation {version}, {}, ms", change.name),
            refusal.high,
            1_000.0,
        );
        bars.at_most(
            &format!("revocation {version}, {}, bystander p99", change.name),
            ratio,
            1.5,
        );
    }
    drop(crowd.staying);
    println!();
}

/// From the commit until the asker, who publishes all the time, is refused.
fn first_refusal(broker: &Broker, dir: &Path, sql: &str) -> Duration {
    let mut asker = login("asker").client_id("asker").accepted(broker.port());
    let accepted = asker.publish_acknowledged("asked", "x");
    assert!(matches!(accepted, Event::Puback(0 | 0x10)), "{accepted:?}");
    tool(dir, sql);
    let committed = Instant::now();
    loop {
        // 0x87 is "not authorised"; the connection is ended a moment later.
        match asker.publish_acknowledged("asked", "x") {
            Event::Puback(0 | 0x10) => {}
            _ => return committed.elapsed(),
        }
        assert!(
            committed.elapsed() < Duration::from_secs(20),
            "never refused"
        );
    }
}

fn tool(dir: &Path, sql: &str) {
    let tool = Connection::open(dir.join("db")).expect("a database");
    tool.busy_timeout(Duration::from_secs(10))
        .expect("a database");
    tool.execute_batch(&format!("BEGIN; {sql}; COMMIT"))
        .expect("a change");
}

fn login(name: &str) -> Connect {
    Connect::new(Protocol::V5).credentials(name, "right")
}

fn accounts(path: &Path) {
    drop(Database::create(path, None).expect("a database"));
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 1 };
    let stored = hash(b"right", &recipe, &Salt::new([7; 16])).expect("a hash");
    let mut tool = Connection::open(path).expect("a database");
    let change = tool.transaction().expect("a transaction");
    let names = (0..CLIENTS).map(|n| format!("device-{n}"));
    for name in names.chain(["asker".to_owned(), "pair".to_owned()]) {
        change
            .execute(
                "INSERT INTO account (username, credential) VALUES (?1, ?2)",
                [&name, &*stored.text],
            )
            .expect("an account");
    }
    change.execute_batch(ROLES).expect("roles");
    change.commit().expect("a commit");
}
