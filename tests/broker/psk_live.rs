//! What holds for those who came in over TLS-PSK while they are in: their keys and accounts change, the
//! broker restarts or reads its files again, keys are sealed, and orders tell who they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;

use serde_json::json;

use mosquitto_doorman::admin::{Change, Command};
use mosquitto_doorman::model::PskIdentity;
use mosquitto_doorman::store::psk::vault;
use mosquitto_doorman::store::sqlite::Database;

use super::accounts::{change, set};
use super::conf::patient;
use super::control_compared::{Admin, beginning, import};
use super::psk::{ALONE, BOTH, KEY, OPTIONS, OTHER, psk, publish, refused, started, with_keys};
use crate::support::{
    Broker, Connect, PATIENCE, Protocol, Startup, doorman, eventually, finish, for_each_broker,
};

/// A stock subscriber that stays, and comes again when it is ended.
pub struct Live(Child);

impl Live {
    pub fn start(
        broker: &Broker,
        listener: usize,
        identity: &str,
        key: &str,
        rest: &[&str],
    ) -> Self {
        let port = broker.nth_port(listener);
        let mut command = broker.tree().at_port("mosquitto_sub", port);
        command.args(["--psk-identity", identity, "--psk", key, "-t", "t"]);
        let quiet = command.args(rest).stdin(Stdio::null());
        let quiet = quiet.stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap())
    }

    pub fn leave(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Somebody who is in with a client id, as far as the broker says.
fn enters(broker: &Broker, listener: usize, id: &str, login: &[&str]) -> Live {
    let mark = broker.log_end();
    let rest = [&["-i", id], login].concat();
    let live = Live::start(broker, listener, "ann", KEY, &rest);
    let subscribed = format!("Sending SUBACK to {id}");
    broker.wait_for_log_after(mark, &subscribed, PATIENCE);
    // 2.0 tells of nobody who was not asked about: the plugin looks for it.
    let noticed = || {
        let log = broker.log_after(mark);
        let mut lines = log.lines().filter(|line| line.contains("doorman: allowed"));
        lines.any(|line| line.contains(&format!("client_id=\"{id}\"")))
    };
    assert!(eventually(PATIENCE, noticed));
    live
}

fn delete(identity: &str) -> Command {
    Command::DeletePsk(PskIdentity::new(identity).unwrap())
}

const LOGINS: [(usize, &[&str]); 2] = [(2, &["-u", "ann", "-P", "pw"]), (3, &[])];

#[test]
fn whoever_came_by_a_key_that_is_taken_away_or_changed_is_ended() {
    for_each_broker(|startup| {
        let (broker, mut database) = started(startup, &[]);
        for (listener, login) in LOGINS {
            let _live = enters(&broker, listener, "c1", login);
            // Another key of hers ends nobody.
            change(&mut database, &[delete("device-7")]);
            let mark = broker.log_end();
            change(&mut database, &[delete("ann")]);
            let ended = r#"ending reason=psk_changed username="ann" identity="ann""#;
            broker.wait_for_log_after(mark, ended, PATIENCE);
            // It comes again, and is let in no more.
            let gone = "refused reason=unknown_identity";
            broker.wait_for_log_after(mark, gone, PATIENCE);
            change(&mut database, &[psk("ann", "ann", OTHER)]);
            refused(&publish(&broker, listener, "ann", KEY, login));
            publish(&broker, listener, "ann", OTHER, login).succeeded();
            let put = |key| match psk("ann", "ann", key) {
                Command::AddPsk(psk) => Command::PutPsk(psk),
                other => other,
            };
            change(&mut database, &[put(KEY)]);
            let _live = enters(&broker, listener, "c2", login);
            let mark = broker.log_end();
            change(&mut database, &[put(OTHER)]);
            broker.wait_for_log_after(mark, ended, PATIENCE);
            change(&mut database, &[put(KEY), psk("device-7", "ann", OTHER)]);
        }
    });
}

/// Nobody is asked what it may do: 2.0 does not tell that it is in, and it is ended by its name.
#[test]
fn without_rules_whoever_came_by_a_key_that_is_taken_away_is_ended_too() {
    for_each_broker(|startup| {
        let mut database = with_keys(startup.dir());
        let options = ["database {dir}/db", "psk true", "unknown_user deny"];
        let broker = startup.start(&(patient(&options) + BOTH + ALONE));
        let mark = broker.log_end();
        let _live = Live::start(&broker, 3, "ann", KEY, &["-i", "c1"]);
        broker.wait_for_log_after(mark, "Sending SUBACK to c1", PATIENCE);
        change(&mut database, &[delete("ann")]);
        broker.wait_for_log_after(mark, "ending reason=psk_changed", PATIENCE);
        broker.wait_for_log_after(mark, "refused reason=unknown_identity", PATIENCE);
    });
}

#[test]
fn an_account_that_is_switched_off_ends_whoever_came_by_its_key() {
    for_each_broker(|startup| {
        let (broker, mut database) = started(startup, &[]);
        let switch = |disabled| {
            let disabled = Some(disabled);
            let change = Change {
                disabled,
                ..Change::default()
            };
            [set("ann", change)]
        };
        for (listener, login) in LOGINS {
            let _live = enters(&broker, listener, "c1", login);
            let mark = broker.log_end();
            change(&mut database, &switch(true));
            broker.wait_for_log_after(mark, "ending reason=disabled", PATIENCE);
            broker.wait_for_log_after(mark, "refused reason=disabled", PATIENCE);
            change(&mut database, &switch(false));
        }
    });
}

#[test]
fn a_restart_and_a_reload_keep_keys_and_drop_nobody() {
    for_each_broker(|startup| {
        let (mut broker, mut database) = started(startup, &[]);
        publish(&broker, 3, "ann", KEY, &[]).succeeded();
        broker.restart();
        for (listener, login) in LOGINS {
            publish(&broker, listener, "ann", KEY, login).succeeded();
            refused(&publish(&broker, listener, "ann", OTHER, login));
            let _live = enters(&broker, listener, "c1", login);
            let mark = broker.log_end();
            broker.sighup();
            broker.wait_for_log_after(mark, "Reloading config.", PATIENCE);
            publish(&broker, listener, "ann", KEY, login).succeeded();
            let log = broker.log_after(mark);
            assert!(!log.contains("c1 disconnected"), "{log}");
            change(&mut database, &[delete("ann")]);
            broker.wait_for_log_after(mark, "ending reason=psk_changed", PATIENCE);
            change(&mut database, &[psk("ann", "ann", KEY)]);
        }
    });
}

fn seal_file(dir: &Path, file: &str, keys: &[char]) -> String {
    let path = dir.join(file);
    let lines = keys.iter().map(|digit| digit.to_string().repeat(64) + "\n");
    fs::write(&path, lines.collect::<String>()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn sealed(startup: &Startup) -> Database {
    drop(with_keys(startup.dir()));
    let path = seal_file(startup.dir(), "seal", &['a']);
    let database = Database::open(&startup.dir().join("db")).unwrap();
    let mut database = database.sealed_by(Some(Arc::new(vault(Path::new(&path)).unwrap())));
    change(&mut database, &[Command::SealPsks]);
    database
}

fn options(file: &str) -> String {
    let seal = format!("psk_seal_file {{dir}}/{file}");
    patient(&[&OPTIONS[..], &[&*seal]].concat()) + BOTH + ALONE
}

#[test]
fn sealed_keys_open_with_their_file_and_with_no_other() {
    for_each_broker(|startup| {
        let mut database = sealed(&startup);
        let bytes = fs::read(startup.dir().join("db")).unwrap();
        let raw = u128::from_str_radix(KEY, 16).unwrap().to_be_bytes();
        assert!(!bytes.windows(16).any(|window| window == raw));
        seal_file(startup.dir(), "newer", &['b', 'a']);
        let dir = startup.dir().to_owned();
        let broker = startup.start(&options("newer"));
        publish(&broker, 3, "ann", KEY, &[]).succeeded();
        refused(&publish(&broker, 3, "ann", OTHER, &[]));
        // Sealed anew, it is the same key, and ends nobody.
        let at = |keys: &[char]| {
            let path = seal_file(&dir, "by", keys);
            let vault = vault(Path::new(&path)).unwrap();
            let database = Database::open(&dir.join("db")).unwrap();
            database.sealed_by(Some(Arc::new(vault)))
        };
        let _live = enters(&broker, 3, "c1", &[]);
        let bob = Connect::new(Protocol::V5).credentials("bob", "pw");
        let mut bob = bob.client_id("bob").accepted(broker.port());
        let off = Change {
            disabled: Some(true),
            ..Change::default()
        };
        let mark = broker.log_end();
        change(&mut at(&['b', 'a']), &[Command::SealPsks, set("bob", off)]);
        assert!(bob.is_closed_within(PATIENCE));
        let log = broker.log_after(mark);
        assert!(!log.contains("psk_changed"), "{log}");
        change(&mut at(&['b', 'a']), &[psk("new", "ann", KEY)]);
        publish(&broker, 2, "new", KEY, &["-u", "ann", "-P", "pw"]).succeeded();
        // And sealed with a key that the broker has not, it is none.
        change(&mut at(&['c', 'b', 'a']), &[Command::SealPsks]);
        refused(&publish(&broker, 3, "ann", KEY, &[]));
        broker.wait_for_log("refused reason=unusable_key", PATIENCE);
        broker.wait_for_log("the seal file does not open it", PATIENCE);
        drop(broker);
        change(
            &mut database,
            &[Command::Delete(super::accounts::name("bob"))],
        );
    });
}

#[test]
fn a_wrong_or_open_seal_file_stops_the_start_with_a_line() {
    for_each_broker(|startup| {
        drop(sealed(&startup));
        seal_file(startup.dir(), "other", &['b']);
        let refusal = startup.start_fails(&options("other"));
        assert!(refusal.code.is_some(), "it crashed: {}", refusal.log);
        let line = "its PSK keys are sealed: the seal file does not open it";
        assert!(refusal.log.contains(line), "{}", refusal.log);
    });
    for_each_broker(|startup| {
        drop(sealed(&startup));
        let refusal = startup.start_fails(&(patient(&OPTIONS) + BOTH));
        let line = "its PSK keys are sealed: no seal file is given";
        assert!(refusal.log.contains(line), "{}", refusal.log);
    });
    for_each_broker(|startup| {
        drop(sealed(&startup));
        let path = startup.dir().join("seal");
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
        let refusal = startup.start_fails(&options("seal"));
        assert!(refusal.log.contains("chmod 600"), "{}", refusal.log);
    });
}

/// The key is made by the command line, and comes back in no answer.
#[test]
fn over_a_broker_keys_are_added_listed_and_taken_away() {
    for_each_broker(|startup| {
        let startup = startup.file("dynsec.json", beginning());
        import(startup.dir());
        seal_file(startup.dir(), "seal", &['a']);
        let options = [
            "database {dir}/db",
            "database_roles true",
            "psk true",
            "psk_seal_file {dir}/seal",
            "unknown_user deny",
        ];
        let broker = startup.start(&(patient(&options) + BOTH + ALONE));
        let url = format!("mqtt://127.0.0.1:{}", broker.port());
        let psk = |args: &[&str]| {
            let mut program = doorman();
            program.args(["psk", "--broker", &url, "-u", "admin"]);
            finish(program.env("DOORMAN_LOGIN_PASSWORD", "pw").args(args))
        };
        let key = psk(&["add", "bob", "--bits", "128"]).succeeded();
        let key = key.trim();
        assert_eq!(key.len(), 32);
        let mut admin = Admin::at(&broker);
        let all = json!([{"acltype": "subscribe", "allow": true}]);
        let done = admin.order(json!({"command": "setDefaultACLAccess", "acls": all}));
        assert_eq!(done["error"], json!(null));
        let mark = broker.log_end();
        let live = Live::start(&broker, 3, "bob", key, &["-i", "bobs"]);
        broker.wait_for_log_after(mark, "Sending SUBACK to bobs", PATIENCE);
        let told = || {
            let listed = admin.order(json!({"command": "listSessions", "username": "bob"}));
            listed["data"]["sessions"][0]["credential"] == "psk"
        };
        assert!(eventually(PATIENCE, told));
        assert_eq!(
            psk(&["list"])
                .succeeded()
                .split_whitespace()
                .collect::<Vec<_>>(),
            ["bob", "bob", "128", "bits,", "sealed"]
        );
        assert_eq!(psk(&["add", "bob"]).code, Some(4), "the identity is taken");
        psk(&["delete", "bob"]).succeeded();
        broker.wait_for_log_after(mark, "ending reason=psk_changed", PATIENCE);
        assert_eq!(psk(&["delete", "bob"]).code, Some(3));
        drop(live);
        let log = broker.log();
        assert!(!log.contains(key), "{log}");
    });
}
