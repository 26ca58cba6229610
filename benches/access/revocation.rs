//! How soon a change in the database is felt with ten thousand clients connected, and what a pair that
//! has nothing to do with it feels.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use rusqlite::Connection;

use crate::bars::Bars;
use crate::bystander::Bystander;
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
    /// Of the clients that do nothing, how many lose by it and are ended.
    ends: usize,
}

const CHANGES: [Change; 3] = [
    Change {
        name: "the asker's own role",
        forth: "UPDATE role_acl SET allow = 0 WHERE topic = 'asked'",
        back: "UPDATE role_acl SET allow = 1 WHERE topic = 'asked'",
        ends: 0,
    },
    Change {
        name: "a role of 5000 others too",
        forth: "INSERT INTO role_acl (role_id, acltype, topic, allow, priority)
                    VALUES (1, 'publishClientSend', 'gift', 1, 0);
                UPDATE role_acl SET allow = 0 WHERE topic = 'asked'",
        back: "DELETE FROM role_acl WHERE topic = 'gift';
               UPDATE role_acl SET allow = 1 WHERE topic = 'asked'",
        ends: 0,
    },
    Change {
        name: "5000 others lose a right too",
        forth: "UPDATE role_acl SET allow = 0 WHERE topic IN ('asked', 'even/%u')",
        back: "UPDATE role_acl SET allow = 1 WHERE topic IN ('asked', 'even/%u')",
        ends: CLIENTS / 2,
    },
];

/// What was seen of a change, in milliseconds.
struct Seen {
    /// From the commit to the first refusal of the asker.
    refusal: f64,
    /// From the commit until the last of those whom it ends was ended.
    ended: f64,
    /// The pair's p99 in the moment after the commit, and in the one before.
    meanwhile: f64,
    quiet: f64,
}

pub fn ask(tree: &Tree, bars: &mut Bars) {
    let version = tree.version();
    println!(
        "revocation, {version}: {CLIENTS} clients; ms from the commit to the first refusal and to the last end, and the pair's p99; {TURNS} turns"
    );
    println!(
        "{:28} {:>20} {:>20} {:>20} {:>20} {:>8}",
        "change", "first refusal", "last end", "p99 meanwhile", "p99 quiet", "ratio"
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
    let mut crowd = enter(&broker, 0..CLIENTS);
    for change in CHANGES {
        let turns = (0..TURNS).map(|_| turn(&broker, dir.path(), &change, &mut crowd));
        tell(version, &change, &turns.collect::<Vec<_>>(), bars);
    }
    println!();
}

fn tell(version: &str, change: &Change, turns: &[Seen], bars: &mut Bars) {
    let spread = |of: fn(&Seen) -> f64| Spread::of(turns.iter().map(of));
    let (refusal, ended) = (spread(|seen| seen.refusal), spread(|seen| seen.ended));
    let ratio = spread(|seen| seen.meanwhile / seen.quiet).median;
    println!(
        "{:28} {refusal:20.0} {ended:20.0} {:20.2} {:20.2} {ratio:8.2}",
        change.name,
        spread(|seen| seen.meanwhile),
        spread(|seen| seen.quiet),
    );
    let what = format!("revocation {version}, {}", change.name);
    bars.at_most(&format!("{what}, ms"), refusal.high, 1_000.0);
    bars.at_most(&format!("{what}, bystander p99"), ratio, 1.5);
}

/// Everybody in this range of numbers comes.
fn enter(broker: &Broker, numbers: impl IntoIterator<Item = usize>) -> Vec<TcpStream> {
    let logins = numbers.into_iter().map(|n| login(&format!("device-{n}")));
    let logins: Vec<_> = logins.map(|login| login.encode()).collect();
    let wanted = logins.len();
    let crowd = Crowd::to(broker.port(), 64).run(logins, true);
    assert_eq!(crowd.accepted.len(), wanted, "everybody is in");
    crowd.staying
}

fn turn(broker: &Broker, dir: &Path, change: &Change, crowd: &mut Vec<TcpStream>) -> Seen {
    let bystander = Bystander::start(broker.port(), &login("pair"));
    let ends = Ends::of(crowd);
    let start = Instant::now();
    std::thread::sleep(MOMENT);
    let before = Instant::now();
    let (committed, refused) = first_refusal(broker, dir, change.forth);
    let ended = ends.wait_for(crowd, change.ends);
    std::thread::sleep(MOMENT.saturating_sub(before.elapsed()));
    let after = Instant::now();
    let deliveries = bystander.stop();
    tool(dir, change.back);
    std::thread::sleep(Duration::from_millis(600));
    if change.ends > 0 {
        assert_eq!(crowd.len(), CLIENTS - change.ends, "nobody else was ended");
        // Who holds the first role has an even id in the database, and an odd number here.
        crowd.extend(enter(broker, (1..CLIENTS).step_by(2)));
    }
    let since = |moment: Instant| (moment - committed).as_secs_f64() * 1e3;
    Seen {
        refusal: since(refused),
        ended: ended.map_or(0.0, since),
        meanwhile: deliveries.between(before, after).p99,
        quiet: deliveries.between(start, before).p99,
    }
}

/// Tells whose connections end.
struct Ends(Epoll);

impl Ends {
    fn of(crowd: &[TcpStream]) -> Self {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
        for (number, stream) in crowd.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLRDHUP, number as u64);
            epoll.add(stream, event).expect("an epoll entry");
        }
        Self(epoll)
    }

    /// Waits until so many have ended, and returns when the last of them had. They are in the crowd no more.
    fn wait_for(self, crowd: &mut Vec<TcpStream>, wanted: usize) -> Option<Instant> {
        let mut ended = BTreeSet::new();
        let mut last = None;
        let mut events = [EpollEvent::empty(); 64];
        while ended.len() < wanted {
            let ready = self.0.wait(&mut events, 10_000_u16).expect("an epoll");
            assert!(ready > 0, "{} of {wanted} were ended", ended.len());
            last = Some(Instant::now());
            for event in &events[..ready] {
                let number = event.data() as usize;
                self.0.delete(&crowd[number]).expect("an epoll entry");
                ended.insert(number);
            }
        }
        let mut numbers = 0..;
        crowd.retain(|_| !ended.contains(&numbers.next().expect("a number")));
        last
    }
}

/// The commit, and when the asker, who publishes all the time, was refused.
fn first_refusal(broker: &Broker, dir: &Path, sql: &str) -> (Instant, Instant) {
    let mut asker = login("asker").client_id("asker").accepted(broker.port());
    let accepted = asker.publish_acknowledged("asked", "x");
    assert!(matches!(accepted, Event::Puback(0 | 0x10)), "{accepted:?}");
    tool(dir, sql);
    let committed = Instant::now();
    loop {
        // 0x87 is "not authorised"; the connection is ended a moment later.
        match asker.publish_acknowledged("asked", "x") {
            Event::Puback(0 | 0x10) => {}
            _ => return (committed, Instant::now()),
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
    // Who says nothing for long is not to be ended for it.
    let connect = Connect::new(Protocol::V5).keepalive(0);
    connect.credentials(name, "right")
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
