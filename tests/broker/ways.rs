//! All ways in at one broker: what is counted of each.

use super::accounts::{account, change, database, stored};
use super::conf::patient;
use super::psk::{KEY, OTHER, psk};
use super::roles::until;
use super::scram::{FEW, enter};
use crate::support::certificates::{certificates, files, signed};
use crate::support::{
    Answer, Broker, Client, Connect, Event, Issuer, PATIENCE, Protocol, Startup, Stream, Token,
    doorman, finish, for_each_broker,
};
use mosquitto_doorman::model::Account;

/// A listener for each: passwords, SCRAM and tokens, certificates, and PSK.
fn started(startup: Startup) -> (Broker, Issuer) {
    let dir = startup.dir();
    let ann = Account {
        credential: Some(stored(b"pw", FEW)),
        ..account("ann", "pw")
    };
    let mut accounts = database(&dir.join("db"), &[ann]);
    change(&mut accounts, &[psk("ann", "ann", KEY)]);
    certificates(dir, &["ann"]);
    signed(dir, "other", "ann", &[]);
    let [_, pem, _] = files(dir, "ann");
    let mut doorman = doorman();
    doorman.args(["user", "certificate", "add", "ann", "--pem", &pem]);
    finish(doorman.arg("--database").arg(dir.join("db"))).succeeded();
    let issuer = Issuer::in_dir(dir);
    let options = [
        "database {dir}/db",
        "scram both",
        "scram_hashes true",
        "psk true",
        "certificate instead-of-password",
        "jwt_key_file {dir}/issuer/p256.pem",
        "unknown_user deny",
        "sys_interval 1",
    ];
    let listeners = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
                     keyfile {dir}/localhost.key\nrequire_certificate true\n\
                     listener {port3} 127.0.0.1\npsk_hint here\nuse_identity_as_username true\n";
    (startup.start(&(patient(&options) + listeners)), issuer)
}

/// What a topic that is kept says first.
fn says(client: &mut Client, figure: &str) -> String {
    let topic = format!("$SYS/broker/doorman/{figure}");
    client.subscribe(&topic, 0);
    let said = client.receive(PATIENCE);
    client.unsubscribe(&topic);
    client.received();
    match said {
        Event::Publish { payload, .. } => String::from_utf8(payload).unwrap(),
        other => panic!("{figure}: {other:?}"),
    }
}

#[test]
fn each_way_in_counts_who_came_by_it_and_nobody_who_was_refused() {
    for_each_broker(|startup| {
        let (broker, issuer) = started(startup);
        let port = broker.port();
        let refused = Answer::Refused(0x87);
        let connect = || Connect::new(Protocol::V5).client_id("ann");
        for (password, answer) in [("wp", refused), ("pw", Answer::Accepted)] {
            assert_eq!(enter(&broker, "ann", "ann", password).1, answer);
        }
        let good = issuer.token(Token::of("ann", "p256", "ES256"));
        let spoilt = format!("{}AAAA", &good[..good.len() - 4]);
        for (token, answer) in [(&spoilt, refused), (&good, Answer::Accepted)] {
            assert_eq!(connect().password(token).answer(port), answer);
        }
        for (file, answer) in [("other", refused), ("ann", Answer::Accepted)] {
            let stream = Stream::tls(broker.nth_port(2), &files(broker.dir(), file));
            assert_eq!(connect().begin(stream).answer(PATIENCE), answer);
        }
        let by_key = |key| connect().begin(Stream::psk(broker.nth_port(3), "ann", key));
        assert_eq!(by_key(OTHER).answer(PATIENCE), Answer::Closed);
        let mut keyed = by_key(KEY);
        assert_eq!(keyed.answer(PATIENCE), Answer::Accepted);
        let watcher = connect().client_id("watcher").credentials("ann", "pw");
        let mut ann = watcher.accepted(port);
        // 2.0 is not told of whoever is in by a key until it goes.
        keyed.disconnect();
        broker.wait_for_log("Received DISCONNECT from ann", PATIENCE);
        let all = [
            "logins/scram",
            "logins/jwt",
            "logins/certificate",
            "logins/psk",
        ];
        // What is kept is told anew each second.
        until("they are counted", || {
            says(&mut ann, "logins/allowed") == "5"
        });
        for figure in all {
            assert_eq!(says(&mut ann, figure), "1", "{figure}");
        }
    });
}
