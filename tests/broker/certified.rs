//! Clients whose certificates are mapped to accounts, at listeners where the broker asks for a login.

use std::path::Path;
use std::process::{Child, Stdio};

use super::accounts::{account, database, name, set};
use super::conf::conf;
use super::elsewhere::by_certificate;
use super::roles::{NAMES, ROLES, change, heard, until, v5};
use crate::support::certificates::{certificates, files, signed};
use crate::support::{
    Answer, Broker, Connect, Finished, PATIENCE, Protocol, Startup, doorman, eventually, finish,
    for_each_broker,
};
use mosquitto_doorman::admin::{Change, Command};

/// A broker with a second listener where clients have to have certificates, and are asked for a login.
fn started(startup: Startup, option: &str, more: &[&str]) -> Broker {
    let dir = startup.dir();
    drop(database(
        &dir.join("db"),
        &NAMES.map(|name| account(name, "pw")),
    ));
    change(dir, ROLES);
    certificates(dir, &["ann", "stranger"]);
    let tls = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
               keyfile {dir}/localhost.key\nrequire_certificate true\n";
    let option = format!("certificate {option}");
    let options = [
        "database {dir}/db",
        "database_roles true",
        "unknown_user deny",
        "log_logins all",
        &option,
    ];
    startup.start(&(conf(&[&options, more].concat()) + tls))
}

/// `doorman user certificate`.
fn certificate(dir: &Path, args: &[&str]) {
    let mut doorman = doorman();
    doorman.args(["user", "certificate"]).args(args);
    finish(doorman.arg("--database").arg(dir.join("db"))).succeeded();
}

fn map(broker: &Broker, whom: &str, file: &str) {
    let [_, pem, _] = files(broker.dir(), file);
    certificate(broker.dir(), &["add", whom, "--pem", &pem]);
}

/// What a client with a certificate hears when it publishes.
fn publish(broker: &Broker, file: &str, login: &[&str], topic: &str) -> Finished {
    let files = files(broker.dir(), file);
    let message = ["-V", "mqttv5", "-q", "1", "-t", topic, "-m", topic];
    let args = [&by_certificate(file, &files)[..], login, &message].concat();
    broker.tree().mosquitto_pub(broker.nth_port(2), &args)
}

fn is_in(broker: &Broker, file: &str, login: &[&str]) -> bool {
    publish(broker, file, login, "to/ann/a").code == Some(0)
}

/// A client that stays.
struct Listening(Child);

impl Listening {
    fn at(broker: &Broker, file: &str, client_id: &str) -> Self {
        let files = files(broker.dir(), file);
        let mut listening = broker.tree().at_port("mosquitto_sub", broker.nth_port(2));
        let listening = listening.args(by_certificate(client_id, &files));
        let listening = listening.args(["-t", "for/everybody"]);
        let quiet = listening.stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().unwrap();
        broker.wait_for_log(&format!("Sending SUBACK to {client_id}"), PATIENCE);
        Self(child)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_mapped_certificate_is_its_account_without_a_password() {
    for_each_broker(|startup| {
        let broker = started(startup, "instead-of-password", &[]);
        let mut root = v5(&broker, "root");
        assert_eq!(root.subscribe("#", 0), 0);
        assert!(!is_in(&broker, "ann", &[]));
        broker.wait_for_log("refused reason=unknown_certificate", PATIENCE);
        map(&broker, "ann", "ann");
        until("the mapping counts", || is_in(&broker, "ann", &[]));
        // Its account's rights, and nobody's that is mapped to nobody.
        assert!(
            publish(&broker, "ann", &[], "to/bob/a")
                .stderr
                .contains("uthori")
        );
        assert!(!is_in(&broker, "stranger", &[]));
        assert!(is_in(&broker, "ann", &["-u", "ann"]));
        assert!(is_in(&broker, "ann", &["-u", "ann", "-P", "whatever"]));
        assert!(!is_in(&broker, "ann", &["-u", "bob"]));
        assert!(!is_in(&broker, "ann", &["-u", "bob", "-P", "pw"]));
        assert_eq!(heard(&mut root), ["to/ann/a"; 3]);
        let line = |what: &str, whom: &str| {
            let listener = if broker.tree().is_2_1() {
                broker.nth_port(2).to_string()
            } else {
                "-".into()
            };
            let line = format!(
                "{what} address=127.0.0.1 listener={listener} username={whom} client_id=\"ann\""
            );
            broker.wait_for_log(&line, PATIENCE);
            line
        };
        let allowed = line("allowed", "\"ann\"") + " method=certificate";
        broker.wait_for_log(&allowed, PATIENCE);
        line("refused reason=wrong_username", "\"bob\"");
        // Whose certificate is nobody's has a password, as ever.
        assert!(is_in(&broker, "stranger", &["-u", "ann", "-P", "pw"]));
        assert!(!is_in(&broker, "stranger", &["-u", "ann", "-P", "no"]));
        broker.wait_for_log("refused reason=bad_password", PATIENCE);
    });
}

#[test]
fn without_the_option_a_certificate_is_worth_nothing() {
    for_each_broker(|startup| {
        let broker = started(startup, "off", &[]);
        map(&broker, "ann", "ann");
        assert!(!is_in(&broker, "ann", &[]));
        assert!(!is_in(&broker, "ann", &["-u", "ann"]));
        assert!(is_in(&broker, "ann", &["-u", "ann", "-P", "pw"]));
        assert!(is_in(&broker, "stranger", &["-u", "ann", "-P", "pw"]));
    });
}

#[test]
fn a_certificate_is_known_by_each_of_its_names_and_by_its_fingerprint_before_them() {
    for_each_broker(|startup| {
        let names =
            "subjectAltName=DNS:Sensor.Example,URI:urn:dev:7,email:sensor@Example.org,IP:192.0.2.1";
        let broker = started(startup, "instead-of-password", &[]);
        signed(broker.dir(), "sensor", "x", &[names]);
        assert!(!is_in(&broker, "sensor", &[]));
        for known in [
            "dns:sensor.example",
            "uri:urn:dev:7",
            "email:sensor@example.org",
        ] {
            certificate(broker.dir(), &["add", "ann", known]);
            until(known, || is_in(&broker, "sensor", &[]));
            certificate(broker.dir(), &["remove", "ann", known]);
            until(known, || !is_in(&broker, "sensor", &[]));
        }
        // Two of its names lead to two accounts: which one is meant cannot be told, until it is.
        certificate(broker.dir(), &["add", "ann", "uri:urn:dev:7"]);
        certificate(broker.dir(), &["add", "bob", "dns:sensor.example"]);
        until("that is told", || {
            let refused = !is_in(&broker, "sensor", &["-u", "ann"]);
            refused && broker.log().contains("refused reason=bad_certificate")
        });
        map(&broker, "ann", "sensor");
        until("the fingerprint counts", || is_in(&broker, "sensor", &[]));
    });
}

#[test]
fn a_certificate_and_a_password_are_both_needed_where_both_are() {
    // On 2.1 the password is verified by a worker, and whoever waits has its name already.
    for_each_broker(|startup| {
        let broker = started(startup, "and-password", &["hashing worker"]);
        map(&broker, "ann", "ann");
        until("the mapping counts", || {
            is_in(&broker, "ann", &["-u", "ann", "-P", "pw"])
        });
        assert!(!is_in(&broker, "ann", &["-u", "ann", "-P", "no"]));
        assert!(!is_in(&broker, "ann", &[]));
        broker.wait_for_log("refused reason=no_password", PATIENCE);
        assert!(!is_in(&broker, "ann", &["-u", "bob", "-P", "pw"]));
        broker.wait_for_log("refused reason=wrong_username", PATIENCE);
        let start = broker.log_end();
        assert!(!is_in(&broker, "stranger", &["-u", "ann", "-P", "pw"]));
        broker.wait_for_log_after(start, "refused reason=unknown_certificate", PATIENCE);
        // Nor where there is no certificate to show; an account that has none is as ever.
        let login = |name| Connect::new(Protocol::V311).credentials(name, "pw");
        assert_ne!(login("ann").answer(broker.port()), Answer::Accepted);
        assert_eq!(login("bob").answer(broker.port()), Answer::Accepted);
    });
}

#[test]
fn who_is_in_by_a_password_alone_is_ended_when_a_certificate_is_needed_too() {
    for_each_broker(|startup| {
        let broker = started(startup, "and-password", &[]);
        let mut ann = v5(&broker, "ann");
        let mut bob = v5(&broker, "bob");
        map(&broker, "ann", "ann");
        assert!(ann.is_closed_within(PATIENCE));
        broker.wait_for_log(
            "ending reason=certificate_needed username=\"ann\"",
            PATIENCE,
        );
        assert!(bob.is_connected());
    });
}

#[test]
fn what_bounds_an_account_bounds_who_comes_by_a_certificate() {
    for_each_broker(|startup| {
        let broker = started(startup, "instead-of-password", &[]);
        map(&broker, "ann", "ann");
        let mut accounts =
            mosquitto_doorman::store::sqlite::Database::open(&broker.dir().join("db")).unwrap();
        for (reason, bound) in super::identified::bounds() {
            super::accounts::change(&mut accounts, &[set("ann", bound)]);
            let told = format!("refused reason={reason} ");
            until(reason, || {
                let refused = !is_in(&broker, "ann", &[]);
                refused && broker.log().contains(&told)
            });
            super::accounts::change(&mut accounts, &[set("ann", super::identified::unbound())]);
            until("it may again", || is_in(&broker, "ann", &[]));
        }
    });
}

#[test]
fn a_mapping_that_is_taken_away_ends_who_is_in_by_it_and_nobody_else() {
    for_each_broker(|startup| {
        let broker = started(startup, "instead-of-password", &[]);
        map(&broker, "ann", "ann");
        map(&broker, "ann", "stranger");
        until("the mapping counts", || is_in(&broker, "ann", &[]));
        let by_ann = Listening::at(&broker, "ann", "first");
        let by_other = Listening::at(&broker, "stranger", "second");
        // A reload shows no password of theirs, and they stay.
        let start = broker.log_end();
        broker.sighup();
        until("it is reloaded", || {
            broker.log_after(start).contains("eload") && is_in(&broker, "ann", &[])
        });
        let [_, pem, _] = files(broker.dir(), "ann");
        certificate(broker.dir(), &["remove", "ann", "--pem", &pem]);
        let ended = "ending reason=certificate_removed username=\"ann\" client_id=\"first\"";
        broker.wait_for_log(ended, PATIENCE);
        let gone = || {
            let log = broker.log_after(start);
            let mut lines = log.lines();
            lines.any(|line| line.contains("Client first") && line.contains("administrative"))
        };
        assert!(eventually(PATIENCE, gone), "{}", broker.log());
        assert!(!is_in(&broker, "ann", &[]));
        assert!(is_in(&broker, "stranger", &[]));
        let log = broker.log();
        assert!(
            !log.lines()
                .any(|line| line.contains("Client second") && line.contains("administrative"))
        );
        drop((by_ann, by_other));
    });
}

#[test]
fn certificates_are_mapped_by_orders_too() {
    for_each_broker(|startup| {
        let broker = started(startup, "instead-of-password", &[]);
        change(
            broker.dir(),
            "INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES (3, 'publishClientSend', '$CONTROL/#', 1),
             (3, 'subscribePattern', '$CONTROL/#', 1), (3, 'publishClientReceive', '$CONTROL/#', 1)",
        );
        let mut root = v5(&broker, "root");
        let answer = "$CONTROL/dynamic-security/v1/response";
        until("it may give orders", || root.subscribe(answer, 0) == 0);
        signed(
            broker.dir(),
            "sensor",
            "x",
            &["subjectAltName=URI:urn:dev:7"],
        );
        let mut order = |command: &str, whom: &str, known: &str| {
            let order = format!(
                r#"{{"commands": [{{"command": "{command}", "username": "{whom}", "certificate": "{known}"}}]}}"#
            );
            root.publish("$CONTROL/dynamic-security/v1", &order);
            let mut all = String::new();
            until(command, || {
                all += &heard(&mut root).concat();
                all.contains("responses")
            });
            all
        };
        let known = "uri:urn:dev:7";
        assert!(
            order("addClientCertificate", "ann", "urn:dev:7")
                .contains("Invalid/missing certificate")
        );
        assert!(order("addClientCertificate", "eve", known).contains("Client not found"));
        assert!(!order("addClientCertificate", "ann", known).contains("error"));
        until("the mapping counts", || is_in(&broker, "sensor", &[]));
        assert!(
            order("addClientCertificate", "bob", known)
                .contains("Certificate belongs to another client")
        );
        assert!(!order("removeClientCertificate", "ann", known).contains("error"));
        until("it counts no more", || !is_in(&broker, "sensor", &[]));
    });
}

#[test]
fn a_change_of_the_account_that_is_no_certificate_leaves_its_mapping() {
    for_each_broker(|startup| {
        let broker = started(startup, "instead-of-password", &[]);
        map(&broker, "ann", "ann");
        let mut accounts =
            mosquitto_doorman::store::sqlite::Database::open(&broker.dir().join("db")).unwrap();
        let notes = Change {
            notes: Some("moved".into()),
            ..Change::default()
        };
        super::accounts::change(&mut accounts, &[set("ann", notes)]);
        until("the mapping counts", || is_in(&broker, "ann", &[]));
        super::accounts::change(&mut accounts, &[Command::Delete(name("ann"))]);
        until("it went with the account", || !is_in(&broker, "ann", &[]));
        super::accounts::change(&mut accounts, &[Command::Add(account("ann", "pw"))]);
        assert!(!is_in(&broker, "ann", &[]));
    });
}
