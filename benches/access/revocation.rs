//! How soon a change in the database is felt with ten thousand clients connected, and what a pair that
//! has nothing to do with it feels.

use std::collections::BTreeSet;
use std::iter::StepBy;
use std::net::TcpStream;
use std::ops::Range;
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
/// How often it is looked who has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// How long after one the next is ended, by doorman.
const BEAT: Duration = Duration::from_micros(250);

type Half = StepBy<Range<usize>>;

/// Who holds the first role has an even id in the database, and an odd number here.
const ODD: fn() -> Half = || (1..CLIENTS).step_by(2);
const EVEN: fn() -> Half = || (0..CLIENTS).step_by(2);

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
    ends: Ends,
}

/// What becomes of half of the clients, which do nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    No,
    /// They lose by the change, and are ended.
    Lost,
    /// They go by themselves, as quickly as doorman would end them: what the pair feels of that alone.
    Own,
}

const CHANGES: [Change; 4] = [
    Change {
        name: "the asker's own role",
        forth: "UPDATE role_acl SET allow = 0 WHERE topic = 'asked'",
        back: "UPDATE role_acl SET allow = 1 WHERE topic = 'asked'",
        ends: Ends::No,
    },
    Change {
        name: "a role of 5000 others too",
        // Another one each time: whoever had to give it back would be ended.
        forth: "INSERT INTO role_acl (role_id, acltype, topic, allow, priority)
                    SELECT 1, 'publishClientSend', 'gift/' || count(*), 1, 0 FROM role_acl;
                UPDATE role_acl SET allow = 0 WHERE topic = 'asked'",
        back: "UPDATE role_acl SET allow = 1 WHERE topic = 'asked'",
        ends: Ends::No,
    },
    Change {
        name: "5000 others lose a right too",
        forth: "UPDATE role_acl SET allow = 0 WHERE topic IN ('asked', 'even/%u')",
        back: "UPDATE role_acl SET allow = 1 WHERE topic IN ('asked', 'even/%u')",
        ends: Ends::Lost,
    },
    Change {
        name: "5000 others go by themselves",
        forth: "UPDATE role_acl SET allow = 0 WHERE topic = 'asked'",
        back: "UPDATE role_acl SET allow = 1 WHERE topic = 'asked'",
        ends: Ends::Own,
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
    let mut crowd = enter(&broker, EVEN());
    crowd.extend(enter(&broker, ODD()));
    let mut seen = CHANGES.map(|change| (change, Vec::new()));
    for _ in 0..TURNS {
        for (change, turns) in &mut seen {
            turns.push(turn(&broker, dir.path(), change, &mut crowd));
        }
    }
    let own = |(change, _): &&(Change, Vec<Seen>)| change.ends == Ends::Own;
    let (_, own) = seen.iter().find(own).expect("who goes by itself");
    for (change, turns) in &seen {
        let beside = (change.ends == Ends::Lost).then_some(own.as_slice());
        tell(version, change, turns, beside, bars);
    }
    println!();
}

/// Whoever is ended is beside as many who go by themselves: the kernel puts away connections a few at a time, and
/// the pair feels it, whoever ended them.
fn tell(version: &str, change: &Change, turns: &[Seen], own: Option<&[Seen]>, bars: &mut Bars) {
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
    if let Some(own) = own {
        let pairs = turns.iter().zip(own);
        let ratio = Spread::of(pairs.map(|(lost, own)| lost.meanwhile / own.meanwhile)).median;
        println!("{:28} {ratio:109.2}", "  beside who goes by itself");
        bars.at_most(&format!("{what}, beside who goes by itself"), ratio, 1.5);
    } else if change.ends == Ends::No {
        bars.at_most(&format!("{what}, bystander p99"), ratio, 1.5);
    }
}

/// Everybody with these numbers comes.
fn enter(broker: &Broker, numbers: Half) -> Vec<TcpStream> {
    let logins = numbers.map(|n| login(&format!("device-{n}")));
    let logins: Vec<_> = logins.map(|login| login.encode()).collect();
    let wanted = logins.len();
    let crowd = Crowd::to(broker.port(), 64).run(logins, true);
    assert_eq!(crowd.accepted.len(), wanted, "everybody is in");
    crowd.staying
}

fn turn(broker: &Broker, dir: &Path, change: &Change, crowd: &mut Vec<TcpStream>) -> Seen {
    let bystander = Bystander::start(broker.port(), &login("pair"));
    assert_eq!(crowd.len(), CLIENTS);
    let watched = Watched::of(crowd);
    let start = Instant::now();
    std::thread::sleep(MOMENT);
    let before = Instant::now();
    let (committed, refused) = first_refusal(broker, dir, change.forth);
    let ended = match change.ends {
        Ends::No => None,
        Ends::Lost => Some(watched.wait_for(crowd, CLIENTS / 2)),
        Ends::Own => Some(go(crowd)),
    };
    std::thread::sleep(MOMENT.saturating_sub(before.elapsed()));
    let after = Instant::now();
    let deliveries = bystander.stop();
    tool(dir, change.back);
    std::thread::sleep(Duration::from_millis(600));
    assert!(watched.is_nobody(), "whoever loses nothing stays");
    if change.ends != Ends::No {
        crowd.extend(enter(broker, ODD()));
    }
    let since = |moment: Instant| (moment - committed).as_secs_f64() * 1e3;
    Seen {
        refusal: since(refused),
        ended: ended.map_or(0.0, since),
        meanwhile: deliveries.between(before, after).p99,
        quiet: deliveries.between(start, before).p99,
    }
}

/// The second half of the crowd goes, and it is told when the last has.
fn go(crowd: &mut Vec<TcpStream>) -> Instant {
    let mut next = Instant::now();
    for stream in crowd.drain(CLIENTS / 2..) {
        drop(stream);
        next += BEAT;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Instant::now()
}

/// Tells whose connections end.
struct Watched(Epoll);

impl Watched {
    fn of(crowd: &[TcpStream]) -> Self {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
        for (number, stream) in crowd.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLRDHUP, number as u64);
            epoll.add(stream, event).expect("an epoll entry");
        }
        Self(epoll)
    }

    /// Whether nobody's has who is in the crowd.
    fn is_nobody(&self) -> bool {
        let mut events = [EpollEvent::empty()];
        self.0.wait(&mut events, 0_u8).expect("an epoll") == 0
    }

    /// Waits until so many have ended, and returns when the last of them had, to [`GLANCE`]. They are in the
    /// crowd no more. Who has ended is looked at now and then: woken for each end, this thread would take
    /// a core from the pair, which those clients, elsewhere, do not.
    fn wait_for(&self, crowd: &mut Vec<TcpStream>, wanted: usize) -> Instant {
        let mut ended = BTreeSet::new();
        let mut last = Instant::now();
        let mut events = [EpollEvent::empty(); 1024];
        while ended.len() < wanted {
            let ready = self.0.wait(&mut events, 10_000_u16).expect("an epoll");
            assert!(ready > 0, "{} of {wanted} were ended", ended.len());
            std::thread::sleep(GLANCE);
            last = Instant::now();
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
