//! Changes while the broker runs: in force within a second, without a signal, and felt by nobody
//! whom they do not concern.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mosquitto_doorman::admin::{Change, Command, Rotation};

use super::accounts::{account, change, database, line, lines, name, password, set};
use super::conf::patient as conf;
use crate::support::{
    Answer, Broker, Client, Connect, Protocol, Startup, eventually, for_each_broker,
};

/// What the project promises.
const SECOND: Duration = Duration::from_secs(1);

fn login(username: &str, password: &str) -> Connect {
    Connect::new(Protocol::V311)
        .client_id(username)
        .credentials(username, password)
}

fn with_users(startup: Startup, text: &str) -> Broker {
    startup
        .file("users", text)
        .start(&conf(&["password_file {dir}/users"]))
}

fn users(broker: &Broker) -> PathBuf {
    broker.dir().join("users")
}

/// The change is in force within a second: `yes` can log in and `no` cannot.
#[track_caller]
fn in_force(broker: &Broker, yes: (&str, &str), no: (&str, &str)) {
    let answer = |(username, password)| login(username, password).answer(broker.port());
    assert!(
        eventually(SECOND, || answer(yes) == Answer::Accepted),
        "{yes:?} cannot log in"
    );
    assert_eq!(answer(no), Answer::Refused(5), "{no:?}");
}

const BEFORE: (&str, &str) = ("ann", "before");
const AFTER: (&str, &str) = ("ann", "after");

fn replaced(path: &Path, text: &str) {
    let aside = path.with_extension("new");
    fs::write(&aside, text).unwrap();
    fs::rename(aside, path).unwrap();
}

#[test]
fn a_password_file_rewritten_or_replaced_is_in_force_within_a_second() {
    for_each_broker(|startup| {
        let broker = with_users(startup, &lines(&[BEFORE]));
        in_force(&broker, BEFORE, AFTER);
        replaced(&users(&broker), &lines(&[AFTER]));
        in_force(&broker, AFTER, BEFORE);
        // In place, and of the same length: nothing but the time tells.
        fs::write(users(&broker), lines(&[BEFORE])).unwrap();
        in_force(&broker, BEFORE, AFTER);
        // Emptied, and then written again.
        fs::write(users(&broker), "").unwrap();
        fs::write(users(&broker), lines(&[AFTER, ("bob", "pw")])).unwrap();
        in_force(&broker, AFTER, BEFORE);
        in_force(&broker, ("bob", "pw"), ("bob", "wp"));
        broker.wait_for_log(
            "users: now 2 accounts: 1 added, 1 changed, 0 removed",
            SECOND,
        );
    });
}

/// Kubernetes mounts `users -> ..data/users` and `..data -> ..version`, and swaps the second link.
#[test]
fn a_symlink_swapped_on_the_way_is_in_force_within_a_second() {
    for_each_broker(|startup| {
        let dir = startup.dir().to_owned();
        for (version, accounts) in [("..1", [BEFORE]), ("..2", [AFTER])] {
            fs::create_dir(dir.join(version)).unwrap();
            fs::write(dir.join(version).join("users"), lines(&accounts)).unwrap();
        }
        let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, dir.join(at)).unwrap();
        link("..1", "..data");
        link("..data/users", "users");
        let broker = startup.start(&conf(&["password_file {dir}/users"]));
        in_force(&broker, BEFORE, AFTER);
        link("..2", "..data_tmp");
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
        in_force(&broker, AFTER, BEFORE);
    });
}

#[test]
fn a_file_that_cannot_be_read_leaves_the_last_good_state_in_force() {
    for_each_broker(|startup| {
        let broker = with_users(startup, &lines(&[BEFORE]));
        let mut client = login(BEFORE.0, BEFORE.1)
            .client_id("guest")
            .accepted(broker.port());
        let kept = "the last good state stays in force";
        let told = |start, text: &str| broker.wait_for_log_after(start, text, SECOND);

        fs::remove_file(users(&broker)).unwrap();
        told(0, kept);
        in_force(&broker, BEFORE, AFTER);

        let start = broker.log_end();
        fs::write(users(&broker), b"\x7fELF\x00\x01\xff\xfe\n\x00\x00").unwrap();
        told(start, "not a text file; the last good state stays in force");
        in_force(&broker, BEFORE, AFTER);

        let start = broker.log_end();
        fs::create_dir(broker.dir().join("directory")).unwrap();
        fs::remove_file(users(&broker)).unwrap();
        std::os::unix::fs::symlink(broker.dir().join("directory"), users(&broker)).unwrap();
        told(start, "not a regular file");
        assert!(client.is_connected(), "nobody is disconnected");

        let start = broker.log_end();
        fs::remove_file(users(&broker)).unwrap();
        fs::write(users(&broker), lines(&[AFTER])).unwrap();
        told(start, "can be read again");
        in_force(&broker, AFTER, BEFORE);
        assert_eq!(
            broker.log().matches(kept).count(),
            3,
            "each trouble is told once"
        );
    });
}

#[test]
fn a_shorter_file_is_taken_as_it_is_and_said_so() {
    for_each_broker(|startup| {
        let broker = with_users(startup, &lines(&[BEFORE, ("bob", "pw")]));
        fs::write(users(&broker), "").unwrap();
        broker.wait_for_log(
            "users: now 0 accounts: 0 added, 0 changed, 2 removed",
            SECOND,
        );
        assert_eq!(
            login("ann", "before").answer(broker.port()),
            Answer::Refused(5)
        );
    });
}

#[test]
fn sighup_takes_a_file_over_at_once() {
    for_each_broker(|startup| {
        let broker = with_users(startup, &lines(&[BEFORE]));
        replaced(&users(&broker), &lines(&[AFTER]));
        broker.sighup();
        in_force(&broker, AFTER, BEFORE);
    });
}

/// Who is connected, and who must not be any more.
struct Guests {
    staying: Vec<Client>,
    leaving: Vec<Client>,
}

impl Guests {
    fn enter(broker: &Broker, staying: &[&str], leaving: &[&str]) -> Self {
        let enter = |names: &[&str]| {
            names
                .iter()
                .map(|name| login(name, "pw").accepted(broker.port()))
                .collect()
        };
        Self {
            staying: enter(staying),
            leaving: enter(leaving),
        }
    }

    #[track_caller]
    fn part(&mut self) {
        for client in &mut self.leaving {
            assert!(client.is_closed_within(SECOND), "a connection did not end");
        }
        for client in &mut self.staying {
            assert!(client.is_connected(), "somebody else's connection ended");
        }
    }
}

#[test]
fn a_line_changed_or_removed_ends_its_connections_and_no_others() {
    for_each_broker(|startup| {
        let all = [("ann", "pw"), ("bob", "pw"), ("eve", "pw")];
        let broker = with_users(startup, &lines(&all));
        let mut guests = Guests::enter(&broker, &["ann"], &["bob", "eve"]);
        fs::write(users(&broker), line("ann", "pw") + &line("eve", "new")).unwrap();
        guests.part();
        broker.wait_for_log("ending reason=account_removed username=\"bob\"", SECOND);
        broker.wait_for_log("ending reason=password_changed username=\"eve\"", SECOND);
    });
}

#[test]
fn a_change_in_the_database_is_in_force_at_the_next_connect() {
    for_each_broker(|startup| {
        let mut database = database(&startup.dir().join("db"), &[account("ann", "before")]);
        let broker = startup.start(&conf(&["database {dir}/db"]));
        let answer = |(username, password)| login(username, password).answer(broker.port());
        assert_eq!(answer(BEFORE), Answer::Accepted);
        change(
            &mut database,
            &[password("ann", "after", Rotation::Replace)],
        );
        assert_eq!(
            (answer(AFTER), answer(BEFORE)),
            (Answer::Accepted, Answer::Refused(5))
        );
        change(&mut database, &[Command::Add(account("bob", "pw"))]);
        assert_eq!(answer(("bob", "pw")), Answer::Accepted);
        change(&mut database, &[Command::Delete(name("bob"))]);
        assert_eq!(answer(("bob", "pw")), Answer::Refused(5));
    });
}

#[test]
fn a_change_in_the_database_ends_its_connections_and_no_others() {
    for_each_broker(|startup| {
        let names = ["ann", "del", "dis", "pwd", "net", "rot", "new"];
        let accounts = names.map(|name| account(name, "pw"));
        let mut database = database(&startup.dir().join("db"), &accounts);
        let broker = startup.start(&conf(&["database {dir}/db"]));
        let mut guests = Guests::enter(
            &broker,
            &["ann", "rot", "new"],
            &["del", "dis", "pwd", "net"],
        );
        let elsewhere = vec!["192.0.2.0/24".parse().unwrap()];
        change(
            &mut database,
            &[
                Command::Delete(name("del")),
                set(
                    "dis",
                    Change {
                        disabled: Some(true),
                        ..Change::default()
                    },
                ),
                password("pwd", "new", Rotation::Replace),
                set(
                    "net",
                    Change {
                        networks: Some(elsewhere),
                        ..Change::default()
                    },
                ),
                // The old password stays good while devices move to the new one.
                password("rot", "new", Rotation::KeepOld),
                set(
                    "new",
                    Change {
                        notes: Some("only a note".into()),
                        ..Change::default()
                    },
                ),
            ],
        );
        guests.part();
        for reason in [
            "account_removed",
            "disabled",
            "password_changed",
            "wrong_network",
        ] {
            broker.wait_for_log(&format!("ending reason={reason} username="), SECOND);
        }
        let start = broker.log_end();
        change(&mut database, &[Command::DropSecondCredential(name("rot"))]);
        broker.wait_for_log_after(start, "password_changed username=\"rot\"", SECOND);
    });
}

#[test]
fn a_validity_that_ends_ends_its_connections() {
    for_each_broker(|startup| {
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
        let brief = mosquitto_doorman::model::Account {
            valid_until: Some(soon),
            ..account("brief", "pw")
        };
        drop(database(
            &startup.dir().join("db"),
            &[account("ann", "pw"), brief],
        ));
        let broker = startup.start(&conf(&["database {dir}/db"]));
        let mut stays = login("ann", "pw").accepted(broker.port());
        let mut ends = login("brief", "pw").accepted(broker.port());
        assert!(ends.is_closed_within(Duration::from_secs(6)));
        assert!(stays.is_connected());
        broker.wait_for_log("ending reason=expired username=\"brief\"", SECOND);
    });
}

#[test]
fn a_validity_that_is_brought_forward_ends_its_connections() {
    for_each_broker(|startup| {
        let mut database = database(
            &startup.dir().join("db"),
            &[account("ann", "pw"), account("brief", "pw")],
        );
        let broker = startup.start(&conf(&["database {dir}/db"]));
        let mut stays = login("ann", "pw").accepted(broker.port());
        let mut ends = login("brief", "pw").accepted(broker.port());
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
        let until = |at| Change {
            valid_until: Some(Some(at)),
            ..Change::default()
        };
        let later = soon + jiff::SignedDuration::from_hours(1);
        change(
            &mut database,
            &[set("brief", until(soon)), set("ann", until(later))],
        );
        assert!(ends.is_closed_within(Duration::from_secs(6)));
        assert!(stays.is_connected());
        broker.wait_for_log("ending reason=expired username=\"brief\"", SECOND);
    });
}

/// The end of an account is no reason to publish what it wanted published.
#[test]
fn a_connection_that_is_ended_leaves_no_will() {
    for_each_broker(|startup| {
        let mut database = database(
            &startup.dir().join("db"),
            &[account("ann", "pw"), account("del", "pw")],
        );
        let broker = startup.start(&conf(&["database {dir}/db"]));
        let mut reader = login("ann", "pw").accepted(broker.port());
        reader.subscribe("#", 0);
        let mut client = login("del", "pw")
            .will("will", "gone")
            .accepted(broker.port());
        change(&mut database, &[Command::Delete(name("del"))]);
        assert!(client.is_closed_within(SECOND));
        reader.publish("end", "");
        let heard = reader.receive(SECOND);
        let end = crate::support::Event::Publish {
            topic: "end".into(),
            payload: Vec::new(),
        };
        assert_eq!(heard, end);
    });
}

/// Kicking by client id must not hit the next client of that id (broker-facts: takeover).
#[test]
fn a_takeover_by_another_account_is_not_ended_with_the_first() {
    for_each_broker(|startup| {
        let accounts = [account("ann", "pw"), account("bob", "pw")];
        let mut database = database(&startup.dir().join("db"), &accounts);
        let broker = startup.start(&conf(&["database {dir}/db"]));
        let mut first = login("ann", "pw")
            .client_id("shared")
            .accepted(broker.port());
        let mut second = login("bob", "pw")
            .client_id("shared")
            .accepted(broker.port());
        assert!(first.is_closed_within(SECOND), "taken over");
        change(&mut database, &[Command::Delete(name("ann"))]);
        let third = account("ann", "pw");
        change(&mut database, &[Command::Add(third)]);
        let mut other = login("ann", "pw").accepted(broker.port());
        change(&mut database, &[Command::Delete(name("ann"))]);
        assert!(other.is_closed_within(SECOND));
        assert!(second.is_connected());
    });
}

#[test]
fn a_login_is_recorded_without_the_broker_waiting_for_the_disk() {
    for_each_broker(|startup| {
        use mosquitto_doorman::store::Store;
        let path = startup.dir().join("db");
        let mut database = database(&path, &[account("ann", "pw"), account("bob", "pw")]);
        let mut broker = startup.start(&conf(&["database {dir}/db"]));
        login("ann", "pw").accepted(broker.port());
        assert_eq!(login("bob", "no").answer(broker.port()), Answer::Refused(5));
        broker.stop();
        let mut last_login = |who| database.account(&name(who)).unwrap().unwrap().last_login;
        assert!(last_login("ann").is_some());
        assert!(last_login("bob").is_none());
    });
}
