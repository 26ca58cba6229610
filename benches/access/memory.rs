//! Resident memory of the broker, per connected client and per rule.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::store::sqlite::Database;
use rusqlite::Connection;

use crate::bars::Bars;
use crate::crowd::Crowd;
use crate::hall::Hall;
use crate::rules::{Contender, Rules};
use crate::support::conf::LISTENER;
use crate::support::mqtt::packet;
use crate::support::{Broker, Connect, Protocol, Tree, plugin_conf};

/// How many are connected, at one look after the other.
const CLIENTS: [usize; 3] = [0, 2_000, 10_000];
const RULES: [usize; 2] = [10, 100_000];
/// What everybody may publish to.
const TOPIC: &str = "staff/all";

/// Half of the accounts hold one role and a group's, half another; there are two hundred rules in all.
const ROLES: &str = "
    INSERT INTO role (id, rolename) VALUES (1, 'even'), (2, 'odd'), (3, 'staff');
    WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 66)
        INSERT INTO role_acl (role_id, acltype, topic, allow)
        SELECT role.id, 'publishClientSend', rolename || '/' || n || '/%u/#', 1 FROM role, n;
    INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES (3, 'publishClientSend', 'staff/all', 1);
    INSERT INTO account_role (account_id, role_id) SELECT id, 1 + id % 2 FROM account;
    INSERT INTO account_group (id, groupname) VALUES (1, 'staff');
    INSERT INTO group_role (group_id, role_id) VALUES (1, 3);
    INSERT INTO group_member (account_id, group_id) SELECT id, 1 FROM account;
";

pub fn ask(tree: &Tree, _: &mut Bars) {
    per_client(tree);
    per_topic(tree);
}

fn per_client(tree: &Tree) {
    let version = tree.version();
    println!(
        "memory, {version}: resident MiB with so many connected clients, each with its own account"
    );
    println!(
        "{:28} {:>8} {:>8} {:>8} {:>10} {:>18} {:>18} {:>18} {:>18}",
        "",
        CLIENTS[0],
        CLIENTS[1],
        CLIENTS[2],
        "publishing",
        "bytes per client",
        "beyond no plugin",
        "that publishes",
        "beyond no plugin"
    );
    let dir = tempfile::tempdir().expect("a directory");
    accounts(&dir.path().join("db"));
    let database = format!("database {}/db", dir.path().display());
    let accounts = [database.as_str(), "throttle false"];
    let roles = [&accounts[..], &["database_roles true"]].concat();
    let mut without = None;
    for (name, conf) in [
        ("no plugin", "allow_anonymous true\n".to_owned()),
        ("doorman, accounts only", plugin_conf(&accounts)),
        ("doorman, roles", plugin_conf(&roles)),
    ] {
        let conf = format!("set_tcp_nodelay true\n{LISTENER}{conf}");
        let [none, some, many, speaking] = connected(&Broker::of(tree).start(&conf));
        let per_client = [many, speaking].map(|size| (size - none) / CLIENTS[2] as f64);
        let without = without.get_or_insert(per_client);
        print!("{name:28}");
        for size in [none, some, many] {
            print!(" {:8.1}", mebibytes(size));
        }
        print!(" {:10.1}", mebibytes(speaking));
        for (per_client, without) in per_client.iter().zip(without) {
            print!(" {per_client:18.0} {:18.0}", per_client - *without);
        }
        println!();
    }
}

fn per_topic(tree: &Tree) {
    println!("\nthe same with so many topics that one connected client may publish to and be sent");
    println!(
        "{:28} {:>8} {:>8} {:>18}",
        "", RULES[0], RULES[1], "bytes per topic"
    );
    let sets = RULES.map(|count| {
        let dir = tempfile::tempdir().expect("a directory");
        let rules = Rules::at(dir.path(), count);
        (dir, rules)
    });
    for contender in Contender::ALL {
        let [few, many] = sets.each_ref().map(|(_, rules)| {
            let mut hall = Hall::of(contender.start(Broker::of(tree), rules), 1);
            hall.deliver(&[crate::rules::topic(0)]);
            resident(&hall.broker)
        });
        let per_topic = (many - few) / RULES[1] as f64;
        let [few, many] = [few, many].map(mebibytes);
        println!(
            "{:28} {few:8.1} {many:8.1} {per_topic:18.0}",
            contender.name()
        );
    }
    println!();
}

/// Resident bytes with each number of clients, and when all of them have published.
fn connected(broker: &Broker) -> [f64; 4] {
    let mut staying: Vec<TcpStream> = Vec::new();
    let [none, some, many] = CLIENTS.map(|wanted| {
        let packets = (staying.len()..wanted).map(|number| login(number).encode());
        let crowd = Crowd::to(broker.port(), 64).run(packets, true);
        staying.extend(crowd.staying);
        assert_eq!(staying.len(), wanted, "everybody is in");
        resident(broker)
    });
    // More than once: what is remembered of a client is so from its second message on at the latest.
    for _ in 0..3 {
        staying.iter_mut().for_each(publish);
    }
    [none, some, many, resident(broker)]
}

/// Publishes, and waits until the broker has done with it.
fn publish(client: &mut TcpStream) {
    client.set_nonblocking(false).expect("a socket");
    let message = packet::publish(Protocol::V311, 1, TOPIC, b"x", 1);
    client.write_all(&message).expect("a connection");
    let mut answer = [0; 4];
    client.read_exact(&mut answer).expect("a connection");
    assert_eq!(answer, [0x40, 2, 0, 1], "PUBACK");
}

fn login(number: usize) -> Connect {
    let name = format!("device-{number}");
    let connect = Connect::new(Protocol::V311).credentials(&name, "right");
    connect.client_id(&name).keepalive(0)
}

fn resident(broker: &Broker) -> f64 {
    broker.rss_kib() as f64 * 1024.0
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / 1024.0 / 1024.0
}

fn accounts(path: &Path) {
    drop(Database::create(path, None).expect("a database"));
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 1 };
    let stored = hash(b"right", &recipe, &Salt::new([7; 16])).expect("a hash");
    let mut tool = Connection::open(path).expect("a database");
    let change = tool.transaction().expect("a transaction");
    for number in 0..CLIENTS[2] {
        let insert = "INSERT INTO account (username, credential) VALUES (?1, ?2)";
        let name = format!("device-{number}");
        change
            .execute(insert, [&name, &*stored.text])
            .expect("an account");
    }
    change.execute_batch(ROLES).expect("roles");
    change.commit().expect("a commit");
}
