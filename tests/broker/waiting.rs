//! Clients that 2.1 leaves waiting while a worker verifies their password or token: nobody else notices, and
//! nobody gets in on somebody else's answer.

use std::time::{Duration, Instant};

use super::accounts::{costly_line, line, lines};
use super::conf::{conf, patient};
use super::roles::may_publish;
use crate::support::{
    Answer, Broker, Client, Connect, Event, Issuer, PATIENCE, Protocol, Stream, Token, eventually,
};

const SECOND: Duration = Duration::from_secs(1);
/// Long enough to be pending, short enough to be done often.
const BRIEF: u32 = 5_000;
/// What a person would notice.
const LONG: u32 = 200_000;

fn login(id: &str, username: &str, password: &str) -> Connect {
    let connect = Connect::new(Protocol::V311).client_id(id);
    connect.credentials(username, password)
}

/// An account whose password is never verified: no machine does it in a day.
fn endless_line(name: &str) -> String {
    format!(
        "{name}:$7$1000000000$AAAAAAAAAAAAAAAA${}==\n",
        "A".repeat(86)
    )
}

const ENDLESS: &str = "max_iterations 1000000000";

fn start(users: &str, options: &[&str]) -> Broker {
    let common = ["password_file {dir}/users", ENDLESS];
    Broker::version("2.1.2")
        .file("users", users)
        .start(&patient(&[&common, options].concat()))
}

/// Sends a CONNECT that the broker leaves waiting.
fn waits(broker: &Broker, connect: &Connect) -> Client {
    connect.begin(Stream::tcp(broker.port()))
}

/// A number that looks random, the next one of its row.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *seed >> 33
}

/// How often the attack is tried.
const ROUNDS: usize = 1_000;

/// The attack of broker-facts trap 1: somebody with an account leaves while what he shows is being verified,
/// and somebody without takes his client id. The broker knows both by that id only.
struct Attack<'a> {
    broker: &'a Broker,
    seed: u64,
    /// From the one to the other, in microseconds, at most.
    pause: u64,
    time: Duration,
    refused: Answer,
}

impl Attack<'_> {
    /// Tries it with each pair of a client and of who wants its place.
    fn fails(mut self, pair: impl Fn(usize) -> [Connect; 2]) {
        let begun = Instant::now();
        let (mut refused, mut rounds) = (0, 0);
        while rounds < ROUNDS && begun.elapsed() < self.time {
            let [ann, eve] = pair(rounds);
            rounds += 1;
            let ann = waits(self.broker, &ann);
            let pause = Instant::now() + Duration::from_micros(next(&mut self.seed) % self.pause);
            while Instant::now() < pause {
                std::thread::yield_now();
            }
            ann.vanish();
            // Closed as long as the broker has not noticed that ann is gone.
            let answer = (0..20)
                .map(|_| eve.answer(self.broker.port()))
                .find(|answer| *answer != Answer::Closed);
            assert_ne!(answer, Some(Answer::Accepted), "round {rounds}");
            refused += usize::from(answer == Some(self.refused));
        }
        assert!(
            rounds >= 100 && refused > rounds / 2,
            "{refused} of {rounds}"
        );
    }
}

#[test]
fn nobody_gets_in_on_the_answer_to_somebody_else() {
    let hash = costly_line("", "pw", BRIEF);
    // Each account logs in once: a known one would be answered at once.
    let users: String = (0..ROUNDS).map(|n| format!("ann{n}{hash}")).collect();
    let broker = start(
        &(users + &costly_line("bob", "pw", BRIEF)),
        &["hashing worker"],
    );
    let attack = Attack {
        broker: &broker,
        seed: 4,
        pause: 4_000,
        time: Duration::from_secs(30),
        refused: Answer::Refused(5),
    };
    attack.fails(|n| {
        let ann = login("x", &format!("ann{n}"), "pw");
        [ann, login("x", "bob", &format!("guess {n}"))]
    });
    // And who has the password gets in.
    login("x", "bob", "pw").accepted(broker.port());
}

/// The same by tokens. Whoever waits is called what its token says before anybody knows whether that is so,
/// and both memory and name are the broker's when it leaves.
#[test]
fn nobody_gets_in_on_the_answer_to_somebody_elses_token() {
    let (broker, issuer) = with_tokens(lines(&[("ann", "pw"), ("bob", "pw")]), &[]);
    let [ann, bob] = ["ann", "bob"].map(|who| issuer.token(Token::of(who, "p384", "ES384")));
    let spoilt = format!("{}AAAA", &bob[..bob.len() - 4]);
    let attack = Attack {
        broker: &broker,
        seed: 5,
        pause: 3_000,
        time: Duration::from_secs(20),
        refused: Answer::Refused(135),
    };
    attack.fails(|_| [nameless("x", &ann), nameless("x", &spoilt)]);
    nameless("x", &bob).accepted(broker.port());
}

/// A broker of 2.1 with one worker, where everybody may do what is below its name.
fn with_tokens(users: String, options: &[&str]) -> (Broker, Issuer) {
    let startup = Broker::version("2.1.2");
    let issuer = Issuer::in_dir(startup.dir());
    let standard = [
        "password_file {dir}/users",
        "acl_file {dir}/acl",
        "jwt_key_file {dir}/issuer/p384.pem",
        "jwt_key_file {dir}/issuer/ed25519.pem",
        "log_logins all",
        "hashing worker",
        "workers 1",
    ];
    let startup = startup.file("users", users);
    let startup = startup.file("acl", "pattern readwrite %u/#\n");
    let broker = startup.start(&patient(&[&standard, options].concat()));
    (broker, issuer)
}

/// A login by a token alone.
fn nameless(id: &str, token: &str) -> Connect {
    Connect::new(Protocol::V5).client_id(id).password(token)
}

/// An account whose password nobody has; to find that out is one piece of work, of half a second or so.
fn argon2_line(name: &str) -> String {
    let (salt, hash) = ("A".repeat(22), "A".repeat(43));
    format!("{name}:$argon2id$v=19$m=65536,t=6,p=1${salt}${hash}\n")
}

#[test]
fn what_changes_while_a_token_waits_is_in_force_and_its_name_is_the_clients() {
    let users = argon2_line("slow") + &lines(&[("ann", "pw"), ("bob", "pw")]);
    // However busy the machine is.
    let (broker, issuer) = with_tokens(users, &["pending_timeout 5m"]);
    let [ann, bob] = [("ann", "p384", "ES384"), ("bob", "ed25519", "EdDSA")]
        .map(|(who, key, algorithm)| issuer.token(Token::of(who, key, algorithm)));
    let spoilt = format!("{}AAAA", &bob[..bob.len() - 4]);
    let mut slow = waits(&broker, &login("slow", "slow", "no"));
    broker.wait_for_log("pending address=127.0.0.1", PATIENCE);
    let [mut ann, mut bob, mut eve] = [("a", &ann), ("b", &bob), ("e", &spoilt)]
        .map(|(id, token)| waits(&broker, &nameless(id, token)));
    let three_wait = || broker.log().matches("method=jwt").count() == 3;
    assert!(eventually(PATIENCE, three_wait), "{}", broker.log());
    let mark = broker.log_end();
    std::fs::copy(issuer.file("rsa.pem"), issuer.file("p384.pem")).unwrap();
    broker.sighup();
    broker.wait_for_log_after(mark, "p384.pem: 1 keys for tokens", PATIENCE);
    assert_eq!(slow.answer(PATIENCE), Answer::Refused(5));
    match ann.answer(PATIENCE) {
        Answer::Refused(135) => broker.wait_for_log("refused reason=token_key ", PATIENCE),
        // The worker was quicker than the look at the file: then the connection ends.
        Answer::Accepted => assert!(ann.is_closed_within(PATIENCE)),
        other => panic!("{other:?}"),
    }
    assert_eq!(eve.answer(PATIENCE), Answer::Refused(135));
    broker.wait_for_log("refused reason=token_signature ", PATIENCE);
    assert_eq!(bob.answer(PATIENCE), Answer::Accepted);
    broker.wait_for_log("allowed address=127.0.0.1", PATIENCE);
    assert!(may_publish(&mut bob, "bob/t") && !may_publish(&mut bob, "ann/t"));
    let log = broker.log();
    assert!(log.contains("u'bob'") && !log.contains("eyJ"), "{log}");
}

/// Broker-facts trap 34: the broker turns everybody away whose client id waits for an answer.
#[test]
fn a_client_id_is_kept_no_longer_than_the_timeout() {
    let users = endless_line("slow") + &line("ann", "pw");
    let broker = start(&users, &["pending_timeout 1s"]);
    let mut attacker = waits(&broker, &login("victim", "slow", "x"));
    let begun = Instant::now();
    let victim = login("victim", "ann", "pw");
    let enters = || victim.answer(broker.port()) == Answer::Accepted;
    assert!(eventually(SECOND * 5, enters), "the id is never free");
    assert!(begun.elapsed() < SECOND * 3, "{:?}", begun.elapsed());
    assert_eq!(attacker.answer(PATIENCE), Answer::Refused(5));
    broker.wait_for_log("refused reason=timed_out address=127.0.0.1", SECOND);
}

/// CONNECT with SUBSCRIBE behind it, which MQTT allows.
fn hasty(broker: &Broker, username: &str) -> (Answer, Event) {
    let connect = login(&format!("hasty {username}"), username, "pw");
    let subscribe = [0x82, 6, 0, 1, 0, 1, b't', 0];
    let mut client = Client::tcp(broker.port(), Protocol::V311);
    client.send(&[connect.encode(), subscribe.to_vec()].concat());
    let answer = client.answer(PATIENCE);
    (answer, client.receive(PATIENCE))
}

/// Broker-facts trap 33.
#[test]
fn a_client_that_does_not_wait_is_cut_off_and_the_log_says_why() {
    let cut = (Answer::Closed, Event::Closed);
    let served = (Answer::Accepted, Event::Suback(0));
    let users = costly_line("slow", "pw", LONG) + &line("quick", "pw");

    let broker = start(&users, &["hashing worker"]);
    assert_eq!(hasty(&broker, "quick"), cut);
    broker.wait_for_log("gone before the answer client_id=\"hasty quick\"", PATIENCE);
    // The work was not for nothing.
    assert_eq!(hasty(&broker, "quick"), served);

    let broker = start(&users, &["hashing inline"]);
    assert_eq!(hasty(&broker, "slow"), served);

    let broker = start(&users, &["hashing auto"]);
    assert_eq!(hasty(&broker, "quick"), served);
    assert_eq!(hasty(&broker, "slow"), cut);
    broker.wait_for_log("plugin_opt_hashing inline", PATIENCE);
    assert_eq!(hasty(&broker, "slow"), served);
}

#[test]
fn a_known_client_is_answered_at_once() {
    let broker = start(&costly_line("slow", "pw", LONG), &[]);
    let time = |id: &str| {
        let begun = Instant::now();
        login(id, "slow", "pw").accepted(broker.port());
        begun.elapsed()
    };
    let (first, second) = (time("a"), time("b"));
    assert!(second < first / 5, "{first:?}, then {second:?}");
}

/// The broker looks round every 100 ms; it is woken for an answer.
#[test]
fn an_answer_does_not_wait_for_the_brokers_round() {
    let users: String = (0..41).map(|n| line(&format!("u{n}"), "pw")).collect();
    let broker = start(&users, &["hashing worker"]);
    let mut times: Vec<_> = (0..41)
        .map(|n| {
            let begun = Instant::now();
            login("x", &format!("u{n}"), "pw").accepted(broker.port());
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    assert!(times[20] < Duration::from_millis(25), "{times:?}");
}

#[test]
fn clients_that_leave_while_they_wait_leave_nothing() {
    let users = costly_line("slow", "pw", LONG) + &line("ann", "pw");
    let broker = start(&users, &["queue 10"]);
    for round in 0..100 {
        let wrong = format!("no {round}");
        waits(&broker, &login(&format!("c{}", round % 20), "slow", &wrong)).vanish();
    }
    login("ann", "ann", "pw").accepted(broker.port());
    let enters = || login("c0", "slow", "pw").answer(broker.port()) == Answer::Accepted;
    assert!(eventually(PATIENCE, enters));
}

#[test]
fn a_reload_leaves_those_who_wait_and_those_who_are_in() {
    let users = costly_line("slow", "pw", LONG) + &line("ann", "pw");
    let broker = start(&users, &[]);
    let mut ann = login("ann", "ann", "pw").accepted(broker.port());
    let mut slow = waits(&broker, &login("slow", "slow", "pw"));
    let mut wrong = waits(&broker, &login("wrong", "slow", "no"));
    for _ in 0..3 {
        let mark = broker.log_end();
        broker.sighup();
        broker.wait_for_log_after(mark, "Reloading config.", SECOND);
        // A signal that comes before the last one was worked off is lost.
        assert!(ann.is_connected());
    }
    assert_eq!(slow.answer(PATIENCE), Answer::Accepted);
    assert_eq!(wrong.answer(PATIENCE), Answer::Refused(5));
    broker.sighup();
    assert!(ann.is_connected() && slow.is_connected());
}

#[test]
fn a_change_while_a_client_waits_is_in_force_for_it() {
    let broker = start(&costly_line("slow", "pw", LONG), &[]);
    let mut slow = waits(&broker, &login("slow", "slow", "pw"));
    std::fs::write(broker.dir().join("users"), line("slow", "new")).unwrap();
    broker.sighup();
    match slow.answer(PATIENCE) {
        Answer::Refused(5) => {}
        // The worker was quicker than the look at the file: then the connection ends.
        Answer::Accepted => assert!(slow.is_closed_within(SECOND)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broker_ends_at_once_with_work_pending() {
    let mut broker = start(&endless_line("slow"), &["log_logins all"]);
    let waiting: Vec<_> = (0..50)
        .map(|n| waits(&broker, &login(&format!("c{n}"), "slow", &format!("{n}"))))
        .collect();
    broker.wait_for_log("pending address=127.0.0.1", PATIENCE);
    let begun = Instant::now();
    assert_eq!(broker.stop().code(), Some(0));
    assert!(begun.elapsed() < SECOND * 3, "{:?}", begun.elapsed());
    drop(waiting);
}

#[test]
fn a_full_queue_is_server_busy() {
    let users = endless_line("slow") + &line("ann", "pw");
    let broker = start(&users, &["queue 1", "workers 1"]);
    let mut waiting = Vec::new();
    let busy = (0..40).any(|n| {
        let connect = Connect::new(Protocol::V5).credentials("slow", format!("{n}"));
        let (client, answer) = connect.open_within(broker.port(), Duration::from_millis(100));
        waiting.push(client);
        answer == Answer::Refused(137)
    });
    assert!(busy, "{}", broker.log());
    broker.wait_for_log("refused reason=busy address=127.0.0.1", SECOND);
    let mut older = login("older", "slow", "x");
    older.protocol = Protocol::V31;
    assert_eq!(older.answer(broker.port()), Answer::Refused(5));
    // What costs nothing is answered as ever.
    login("ann", "ann", "pw").accepted(broker.port());
    assert_eq!(
        login("ann", "ann", "no").answer(broker.port()),
        Answer::Refused(5)
    );
}

/// The client has no id of its own, and the broker gives it one.
#[test]
fn a_client_without_an_id_can_wait() {
    let users = costly_line("ann", "pw", BRIEF);
    let broker = Broker::version("2.1.2")
        .file("users", users)
        .start(&conf(&["password_file {dir}/users", "hashing worker"]));
    login("", "ann", "pw").accepted(broker.port());
    assert_eq!(
        login("", "ann", "no").answer(broker.port()),
        Answer::Refused(5)
    );
}
