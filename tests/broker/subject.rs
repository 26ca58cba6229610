//! Clients whom the broker names by the whole subject of their certificates, without asking anybody. Beside each
//! that may do something stands one that may not.

use super::accounts::{account, change, database, set};
use super::conf::conf;
use super::identified::{bounds, unbound};
use super::roles::until;
use crate::support::certificates::{certificates, files, signed};
use crate::support::{
    Broker, Connect, Event, PATIENCE, Protocol, Startup, Stream, for_each_broker,
};

/// A subject with a part behind the name, and as the broker has it: the last part first.
const WRITTEN: &str = "ann/O=Works";
const NAMED: &str = "O=Works,CN=ann";

fn started(startup: Startup) -> Broker {
    let dir = startup.dir();
    drop(database(
        &dir.join("db"),
        &[
            account("CN=bob", "pw"),
            account(NAMED, "pw"),
            account("eve", "pw"),
        ],
    ));
    certificates(dir, &["bob", "eve"]);
    signed(dir, "ann", WRITTEN, &[]);
    let acl = format!("user {NAMED}\ntopic to/ann\nuser CN=bob\ntopic to/bob\nuser eve\ntopic #\n");
    let tls = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
               keyfile {dir}/localhost.key\nrequire_certificate true\nuse_subject_as_username true\n";
    let options = [
        "database {dir}/db",
        "acl_file {dir}/acl",
        "unknown_user deny",
    ];
    startup.file("acl", acl).start(&(conf(&options) + tls))
}

/// Whether the client of this certificate may publish.
fn may(broker: &Broker, file: &str, topic: &str) -> bool {
    let stream = Stream::tls(broker.nth_port(2), &files(broker.dir(), file));
    let connect = Connect::new(Protocol::V5).client_id(file);
    let mut client = connect.begin(stream);
    client.answer(PATIENCE);
    let reply = client.publish_acknowledged(topic, "m");
    matches!(reply, Event::Puback(0 | 0x10))
}

#[test]
fn a_whole_subject_is_the_name_of_its_account_and_a_part_of_it_is_not() {
    for_each_broker(|startup| {
        let broker = started(startup);
        assert!(may(&broker, "ann", "to/ann"));
        assert!(!may(&broker, "ann", "to/bob"));
        assert!(may(&broker, "bob", "to/bob"));
        assert!(!may(&broker, "bob", "to/ann"));
        // There is an account of the common name, which is not hers.
        assert!(!may(&broker, "eve", "to/ann"));
        let line = r#"refused reason=unknown_user address=127.0.0.1"#;
        broker.wait_for_log(line, PATIENCE);
        broker.wait_for_log(
            r#"username="CN=eve" client_id="eve" method=certificate"#,
            PATIENCE,
        );
    });
}

#[test]
fn what_bounds_an_account_bounds_whoever_has_its_subject() {
    for_each_broker(|startup| {
        let broker = started(startup);
        let path = broker.dir().join("db");
        let mut accounts = mosquitto_doorman::store::sqlite::Database::open(&path).unwrap();
        for (reason, bound) in bounds() {
            change(&mut accounts, &[set(NAMED, bound)]);
            until(reason, || !may(&broker, "ann", "to/ann"));
            let told = format!("refused reason={reason} address=127.0.0.1");
            broker.wait_for_log(&told, PATIENCE);
            assert!(may(&broker, "bob", "to/bob"), "{reason}");
            change(&mut accounts, &[set(NAMED, unbound())]);
            until("it may again", || may(&broker, "ann", "to/ann"));
        }
    });
}
