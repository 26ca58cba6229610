//! Passwords that were right are stored anew, and nobody notices.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha512};

use mosquitto_doorman::admin::{Command, Rotation};
use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::model::{Account, AccountName, StoredCredential};
use mosquitto_doorman::store::Store as _;
use mosquitto_doorman::store::sqlite::Database;

use super::accounts::{account, change, database, line, lines, name, password, stored};
use super::conf::conf;
use super::roles::until;
use crate::support::{
    Answer, Broker, Connect, PATIENCE, Protocol, doorman, finish, for_each_broker,
};

fn login(name: &str, password: &str) -> Connect {
    Connect::new(Protocol::V311)
        .client_id(name)
        .credentials(name, password)
}

fn made(recipe: Recipe) -> StoredCredential {
    hash(b"pw", &recipe, &Salt::new([3; 16])).unwrap()
}

fn with(username: &str, credential: StoredCredential) -> Account {
    Account {
        credential: Some(credential),
        ..Account::named(name(username))
    }
}

fn text_of(dir: &Path, username: &str) -> String {
    let mut database = Database::open(&dir.join("db")).unwrap();
    let account = database
        .account(&AccountName::new(username).unwrap())
        .unwrap();
    account.unwrap().credential.unwrap().text.into()
}

fn is_let_in(broker: &Broker, name: &str, password: &str) -> bool {
    login(name, password).answer(broker.port()) == Answer::Accepted
}

/// As Mosquitto 1.x stored it.
fn six(password: &str) -> StoredCredential {
    let salt = [7_u8; 12];
    let digest = Sha512::digest([password.as_bytes(), &salt].concat());
    StoredCredential::marked(&format!(
        "$6${}${}",
        STANDARD.encode(salt),
        STANDARD.encode(digest)
    ))
}

/// One of each family, its password, and how it begins when it was stored anew.
fn weak() -> [(&'static str, StoredCredential, &'static str, &'static str); 6] {
    let keys = |iterations| Recipe::Scram {
        mechanism: mosquitto_doorman::mechanism::Mechanism::Sha256,
        iterations,
    };
    let argon2 = |memory_kib| Recipe::Argon2id {
        memory_kib,
        passes: 1,
        lanes: 1,
    };
    let bcrypt = "$2b$04$PTNkttFed1uDPJ10bWXqGOq/3ieu2yA/mMar0bKYfSrNTWW3bfmqW";
    [
        (
            "pbkdf2",
            made(Recipe::Pbkdf2Sha512 { iterations: 10 }),
            "pw",
            "$7$5000$",
        ),
        ("six", six("pw"), "pw", "$7$5000$"),
        ("argon2", made(argon2(64)), "pw", "$7$5000$"),
        (
            "bcrypt",
            StoredCredential::marked(bcrypt),
            "tulip Rose 7:$x",
            "$7$5000$",
        ),
        ("clear", StoredCredential::marked("pw"), "pw", "$7$5000$"),
        ("keys", made(keys(4096)), "pw", "SCRAM-SHA-256$5000:"),
    ]
}

const OPTIONS: [&str; 3] = [
    "database {dir}/db",
    "rehash weaker",
    "rehash_iterations 5000",
];

#[test]
fn each_weak_credential_is_stored_anew_when_its_password_is_shown_and_not_before() {
    for_each_broker(|startup| {
        let weak = weak();
        let strong = [
            ("enough", made(Recipe::Pbkdf2Sha512 { iterations: 5000 })),
            ("memory", made(Recipe::ARGON2ID)),
        ];
        let weak_ones = weak
            .iter()
            .map(|(name, stored, ..)| with(name, stored.clone()));
        let strong_ones = strong
            .iter()
            .map(|(name, stored)| with(name, stored.clone()));
        let all: Vec<_> = weak_ones.chain(strong_ones).collect();
        drop(database(&startup.dir().join("db"), &all));
        let more = [
            "allow_cleartext_credentials true",
            "throttle_exempt 127.0.0.0/8",
        ];
        let broker = startup.start(&conf(&[&OPTIONS[..], &more].concat()));
        let dir = broker.dir();
        for (name, stored, password, anew) in &weak {
            assert!(!is_let_in(&broker, name, "wrong"), "{name}");
            assert_eq!(text_of(dir, name), *stored.text, "{name}");
            let mut stays = login(name, password)
                .client_id("first")
                .accepted(broker.port());
            until(name, || text_of(dir, name).starts_with(anew));
            assert!(!is_let_in(&broker, name, "wrong"), "{name}");
            assert!(is_let_in(&broker, name, password), "{name}");
            // Whoever is in by the one before is looked at and stays.
            let seen = super::accounts::set(name, super::identified::unbound());
            change(&mut Database::open(&dir.join("db")).unwrap(), &[seen]);
            assert!(stays.is_connected(), "{name}");
        }
        for (name, stored) in &strong {
            assert!(is_let_in(&broker, name, "pw"), "{name}");
            assert_eq!(text_of(dir, name), *stored.text, "{name}");
        }
        assert!(!broker.log().contains("ending reason"));
        let audit = finish(
            doorman()
                .args(["audit", "list", "--database"])
                .arg(dir.join("db")),
        )
        .succeeded();
        assert_eq!(
            audit.matches("renewPassword").count(),
            weak.len(),
            "{audit}"
        );
        assert!(
            audit.contains("plugin") && !audit.contains("$7$"),
            "{audit}"
        );
        finish(
            doorman()
                .args(["audit", "verify", "--database"])
                .arg(dir.join("db")),
        )
        .succeeded();
    });
}

#[test]
fn who_is_in_by_a_credential_that_was_stored_anew_is_ended_by_the_next_password() {
    for_each_broker(|startup| {
        let mut database = database(&startup.dir().join("db"), &[account("ann", "pw")]);
        let broker = startup.start(&conf(&OPTIONS));
        let mut ann = login("ann", "pw").accepted(broker.port());
        until("it is stored anew", || {
            text_of(broker.dir(), "ann").starts_with("$7$5000$")
        });
        // It is looked at with what is stored now.
        change(
            &mut database,
            &[super::accounts::set("ann", super::identified::unbound())],
        );
        assert!(ann.is_connected());
        change(&mut database, &[password("ann", "new", Rotation::Replace)]);
        assert!(ann.is_closed_within(PATIENCE));
        broker.wait_for_log("ending reason=password_changed username=\"ann\"", PATIENCE);
    });
}

#[test]
fn keys_take_the_place_of_a_hash_where_that_is_said() {
    for_each_broker(|startup| {
        drop(database(&startup.dir().join("db"), &[account("ann", "pw")]));
        let options = [
            "database {dir}/db",
            "rehash scram-sha-256",
            "rehash_iterations 5000",
        ];
        let broker = startup.start(&conf(&options));
        let mut ann = login("ann", "pw").accepted(broker.port());
        let is_anew = || text_of(broker.dir(), "ann").starts_with("SCRAM-SHA-256$5000:");
        until("it is stored anew", is_anew);
        assert!(ann.is_connected());
        assert!(is_let_in(&broker, "ann", "pw") && !is_let_in(&broker, "ann", "no"));
    });
}

#[test]
fn a_line_of_a_password_file_is_replaced_and_the_others_stay() {
    for_each_broker(|startup| {
        let before = "# ours\n".to_owned() + &lines(&[("ann", "pw"), ("bob", "pw")]);
        let startup = startup.file("users", &before);
        let options = [
            "password_file {dir}/users",
            "rehash weaker",
            "rehash_iterations 5000",
        ];
        let broker = startup.start(&conf(&options));
        let users = broker.dir().join("users");
        assert!(!is_let_in(&broker, "ann", "no"));
        let mut ann = login("ann", "pw").accepted(broker.port());
        let text = || fs::read_to_string(&users).unwrap();
        until("it is stored anew", || text().contains("ann:$7$5000$"));
        assert!(text().starts_with("# ours\n") && text().contains(&line("bob", "pw")));
        assert!(ann.is_connected());
        until("it is taken over", || {
            broker.log().contains("0 added, 1 changed, 0 removed")
        });
        assert!(ann.is_connected() && !broker.log().contains("ending reason"));
        assert!(!is_let_in(&broker, "ann", "no"));
    });
}

#[test]
fn a_file_that_cannot_be_written_is_told_of_once_and_logins_go_on() {
    for_each_broker(|startup| {
        let names = ["ann", "bob", "eve"];
        let startup = startup.file("users", lines(&names.map(|name| (name, "pw"))));
        let options = [
            "password_file {dir}/users",
            "rehash weaker",
            "rehash_iterations 5000",
        ];
        let broker = startup.start(&conf(&options));
        fs::remove_file(broker.dir().join("users")).unwrap();
        let told = "passwords cannot be stored anew, logins go on: ";
        for name in names {
            assert!(is_let_in(&broker, name, "pw"));
            broker.wait_for_log(told, PATIENCE);
        }
        assert!(names.iter().all(|name| is_let_in(&broker, name, "pw")));
        assert_eq!(broker.log().matches(told).count(), 1);
        assert!(!broker.dir().join("users").exists());
    });
}

#[test]
fn nothing_is_stored_anew_that_nobody_asked_for_or_that_is_not_ours() {
    for_each_broker(|startup| {
        let made = "Ab3".repeat(11);
        let generated = with("generated", stored(made.as_bytes(), 101));
        drop(database(&startup.dir().join("db"), &[generated]));
        let foreign = rusqlite::Connection::open(startup.dir().join("foreign")).unwrap();
        foreign
            .execute_batch("CREATE TABLE users (name TEXT, hash TEXT)")
            .unwrap();
        let hash = stored(b"pw", 1).text;
        foreign
            .execute("INSERT INTO users VALUES ('theirs', ?1)", [&*hash])
            .unwrap();
        let query = [
            "database {dir}/foreign",
            "database_query SELECT hash FROM users WHERE name = :username",
        ];
        let broker = startup.start(&conf(&[&OPTIONS[..], &query].concat()));
        assert!(is_let_in(&broker, "generated", &made));
        assert!(is_let_in(&broker, "theirs", "pw"));
        // What comes last is stored last.
        let mut ours = Database::open(&broker.dir().join("db")).unwrap();
        change(&mut ours, &[Command::Add(account("last", "pw"))]);
        until("it is let in", || is_let_in(&broker, "last", "pw"));
        until("it is stored anew", || {
            text_of(broker.dir(), "last").starts_with("$7$5000$")
        });
        assert!(text_of(broker.dir(), "generated").starts_with("$7$101$"));
        let kept: String = foreign
            .query_row("SELECT hash FROM users", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, *hash);
    });
}
