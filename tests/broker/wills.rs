//! The wills of clients that go before they have said or been asked anything: published for whoever might be
//! in, and for nobody else. Beside each that is heard stands one that is not.

use std::path::Path;

use mosquitto_doorman::admin::Change;
use mosquitto_doorman::mechanism::Mechanism;
use mosquitto_doorman::model::Account;

use super::accounts::{account, change as order, database, set, stored};
use super::conf::conf;
use super::psk::{KEY, psk};
use super::roles::{NAMES, ROLES, change, heard, until, v5};
use super::scram::FEW;
use crate::support::certificates::{certificates, files, signed};
use crate::support::{
    Answer, Broker, Connect, Issuer, PATIENCE, Protocol, Scram, Startup, Stream, Token, doorman,
    finish, for_each_broker, plugin_conf,
};

const OPTIONS: [&str; 5] = [
    "database {dir}/db",
    "database_roles true",
    "psk true",
    "certificate instead-of-password",
    "log_logins all",
];

/// One where a certificate's name is the username, and one where a PSK identity is.
const LISTENERS: [&str; 3] = [
    "listener {port} 127.0.0.1\n",
    "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
     keyfile {dir}/localhost.key\nrequire_certificate true\nuse_identity_as_username true\n",
    "listener {port3} 127.0.0.1\npsk_hint here\nuse_identity_as_username true\n",
];

/// ann has a certificate of her own, and bob none; both have keys, and ids that they have to have. A third
/// certificate has ann's name on it, and is not hers.
fn filled(dir: &Path) {
    certificates(dir, &["ann", "bob"]);
    signed(dir, "other", "ann", &[]);
    let mut accounts = database(&dir.join("db"), &NAMES.map(|name| account(name, "pw")));
    change(dir, ROLES);
    change(
        dir,
        "INSERT INTO account_role (account_id, role_id)
         SELECT id, 1 FROM account WHERE username = 'bob'",
    );
    let bound = |name: &str| {
        let client_id = Some(Some(name.into()));
        let change = Change {
            client_id,
            ..Change::default()
        };
        set(name, change)
    };
    let keys = ["ann", "bob"].map(|name| psk(name, name, KEY));
    order(
        &mut accounts,
        &[&keys[..], &["ann", "bob"].map(bound)].concat(),
    );
    let [_, pem, _] = files(dir, "ann");
    let mut doorman = doorman();
    doorman.args(["user", "certificate", "add", "ann", "--pem", &pem]);
    finish(doorman.arg("--database").arg(dir.join("db"))).succeeded();
}

/// With one plugin line for all listeners, or one for each.
fn started(startup: Startup, with_settings_each: bool) -> Broker {
    filled(startup.dir());
    let plugin = plugin_conf(&OPTIONS);
    let conf = match with_settings_each {
        true => {
            "per_listener_settings true\n".to_owned()
                + &LISTENERS.map(|l| l.to_owned() + &plugin).concat()
        }
        false => plugin + &LISTENERS.concat(),
    };
    startup.start(&conf)
}

fn by_certificate(broker: &Broker, file: &str) -> Stream {
    Stream::tls(broker.nth_port(2), &files(broker.dir(), file))
}

fn by_key(broker: &Broker, name: &str) -> Stream {
    Stream::psk(broker.nth_port(3), name, KEY)
}

/// Comes with a will that says where it came from, and goes without a word.
fn vanishes(stream: Stream, id: &str, name: &str, will: &str) {
    let connect = Connect::new(Protocol::V311).client_id(id);
    let mut client = connect.will(format!("to/{name}/will"), will).begin(stream);
    client.answer(PATIENCE);
    client.vanish();
}

#[test]
fn whoever_only_leaves_a_will_is_judged_before_it_is_published() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        for with_settings_each in [false, true] {
            let broker = started(Broker::of(&tree), with_settings_each);
            let mut root = v5(&broker, "root");
            assert_eq!(root.subscribe("to/#", 0), 0);
            // The next login comes behind the will, and has the line written where nothing ticks.
            let told = |line: &str| {
                until(line, || {
                    v5(&broker, "nobody");
                    broker.log().lines().any(|said| said.ends_with(line))
                });
            };
            let mut hears = |expected: &str| {
                let mut all = Vec::new();
                until(expected, || {
                    all.extend(heard(&mut root));
                    !all.is_empty()
                });
                assert_eq!(all, [expected]);
            };
            for (file, id, name, reason) in [
                ("other", "ann", "ann", "unknown_certificate"),
                ("ann", "else", "ann", "wrong_client_id"),
                ("bob", "else", "bob", "wrong_client_id"),
            ] {
                vanishes(by_certificate(&broker, file), id, name, "not this");
                told(&format!(
                    "username=\"{name}\" client_id=\"{id}\" method=certificate"
                ));
                assert!(broker.log().contains(&format!("refused reason={reason} ")));
            }
            for name in ["ann", "bob"] {
                vanishes(by_certificate(&broker, name), name, name, name);
                hears(name);
            }
            vanishes(by_key(&broker, "bob"), "else", "bob", "nor this");
            told("username=\"bob\" client_id=\"else\" method=PSK identity=\"bob\"");
            for name in ["ann", "bob"] {
                vanishes(by_key(&broker, name), name, name, name);
                hears(name);
            }
        }
    });
}

/// The broker uses the memory of whoever has gone for the next one. 2.0 tells of neither.
#[test]
fn whoever_takes_the_place_of_one_that_left_a_will_is_judged_for_itself() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        for with_settings_each in [false, true] {
            let broker = started(Broker::of(&tree), with_settings_each);
            let mut root = v5(&broker, "root");
            assert_eq!(root.subscribe("to/#", 0), 0);
            for turn in 0..5 {
                vanishes(by_certificate(&broker, "ann"), "ann", "ann", "will");
                until("the will is heard", || heard(&mut root) == ["will"]);
                let connect = Connect::new(Protocol::V311).client_id("ann");
                let mut other = connect.begin(by_certificate(&broker, "other"));
                other.answer(PATIENCE);
                other.publish("to/ann/a", "not this");
                other.disconnect();
                v5(&broker, "nobody");
                assert!(heard(&mut root).is_empty(), "{turn}");
            }
            let refused = "refused reason=unknown_certificate ";
            assert_eq!(broker.log().matches(refused).count(), 5);
        }
    });
}

/// The broker asks about a will that waits when its time has come; nothing is left of the connection then.
#[test]
fn a_will_that_waits_is_judged_as_whoever_left_it() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        for with_settings_each in [false, true] {
            // Mosquitto 2.0.21 loses those of listeners with settings of their own.
            if tree.version() == "2.0.21" && with_settings_each {
                continue;
            }
            let broker = started(Broker::of(&tree), with_settings_each);
            let mut root = v5(&broker, "root");
            assert_eq!(root.subscribe("to/#", 0), 0);
            let waits = |stream, id: &str, name: &str, seconds| {
                let connect = Connect::new(Protocol::V5).client_id(id).persistent();
                let will = connect.will(format!("to/{name}/will"), id);
                let mut client = will.delayed_by(seconds).begin(stream);
                client.answer(PATIENCE);
                client.vanish();
            };
            waits(by_certificate(&broker, "other"), "other", "ann", 1);
            waits(by_certificate(&broker, "ann"), "else", "ann", 1);
            waits(by_key(&broker, "bob"), "elsewhere", "bob", 1);
            waits(by_certificate(&broker, "ann"), "ann", "ann", 2);
            waits(by_key(&broker, "bob"), "bob", "bob", 3);
            let mut all = Vec::new();
            until("the last is heard", || {
                all.extend(heard(&mut root));
                all.last().is_some_and(|last| last == "bob")
            });
            assert_eq!(all, ["ann", "bob"]);
        }
    });
}

/// One that takes passwords, proofs and tokens.
fn taking_tokens(startup: Startup) -> (Broker, Issuer) {
    let costly = |name| Account {
        credential: Some(stored(b"pw", FEW)),
        ..account(name, "pw")
    };
    drop(database(&startup.dir().join("db"), &NAMES.map(costly)));
    change(startup.dir(), ROLES);
    let issuer = Issuer::in_dir(startup.dir());
    let options = [
        "database {dir}/db",
        "database_roles true",
        "scram both",
        "scram_hashes true",
        "jwt_key_file {dir}/issuer/p256.pem",
        "jwt_acl_claim acl",
    ];
    (startup.start(&conf(&options)), issuer)
}

/// The broker asks about a will when its client has gone; what a token said of it counts for that, too.
#[test]
fn a_will_is_judged_by_what_its_client_came_by() {
    for_each_broker(|startup| {
        let (broker, issuer) = taking_tokens(startup);
        let mut root = v5(&broker, "root");
        assert_eq!(root.subscribe("#", 0), 0);
        let acl = r#""acl": {"pub": ["token/${username}"]}"#;
        let [bare, listed] = ["", acl].map(|claims| {
            let token = Token::of("ann", "p256", "ES256");
            issuer.token(match claims {
                "" => token,
                claims => token.saying(claims),
            })
        });
        let scram = Scram::new(Mechanism::Sha512, "ann", "pw");
        for (topic, by_password, by_bare, by_listed) in [
            ("to/ann/a", true, true, true),
            ("to/bob/a", false, false, false),
            ("token/ann", false, false, true),
            ("token/bob", false, false, false),
        ] {
            let dying = |connect: Connect, way: &str| connect.client_id(way).will(topic, way);
            let plain = || Connect::new(Protocol::V5);
            let (client, answer) = scram.open(&dying(scram.connect(), "scram"), broker.port());
            assert_eq!(answer, Answer::Accepted);
            client.vanish();
            for (connect, way) in [
                (plain().credentials("ann", "pw"), "password"),
                (plain().password(&bare), "token"),
                (plain().password(&listed), "listed"),
                // The last of all, which everybody may.
                (plain().credentials("root", "pw"), "end"),
            ] {
                dying(connect, way).accepted(broker.port()).vanish();
            }
            let mut all = Vec::new();
            until("the last is heard", || {
                all.extend(heard(&mut root));
                all.iter().any(|will| will == "end")
            });
            all.sort();
            let ways = [
                ("end", true),
                ("listed", by_listed),
                ("password", by_password),
                ("scram", by_password),
                ("token", by_bare),
            ];
            let expected = ways.iter().filter(|(_, may)| *may).map(|(way, _)| *way);
            assert_eq!(all, expected.collect::<Vec<_>>(), "{topic}");
        }
    });
}
