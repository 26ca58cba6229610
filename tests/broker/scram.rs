//! Logins by SCRAM at every broker, by clients that nobody here wrote: MQTT.js, and scramp over a
//! connection of its own. Beside each that is let in stands one that is not.

use mosquitto_doorman::credential::{Recipe, Salt, hash};
use mosquitto_doorman::mechanism::Mechanism::{self, Sha256, Sha512};
use mosquitto_doorman::model::Account;

use super::accounts::{account, costly_line, database};
use super::conf::patient;
use crate::support::certificates::{certificates, files};
use crate::support::{
    Answer, Auth, Broker, Client, Connect, Event, Finished, PATIENCE, Protocol, Scram, Startup,
    finish, for_each_broker, node, plugin_conf, python,
};

/// As few as clients accept.
pub const FEW: u32 = 4096;
/// "Not authorized", of MQTT 5.
pub const REFUSED: &str = "135";

/// A line of SCRAM keys.
fn keys_line(username: &str, mechanism: Mechanism, password: &str) -> String {
    let recipe = Recipe::Scram {
        mechanism,
        iterations: FEW,
    };
    let stored = hash(password.as_bytes(), &recipe, &Salt::new([7; 16])).unwrap();
    format!("{username}:{}\n", stored.text)
}

/// ann has a hash, kay and kim have keys, and the stock broker's tool made sam.
pub fn with_accounts(startup: Startup, options: &[&str]) -> Broker {
    let lines = [
        costly_line("ann", "pw", FEW),
        costly_line("a,b=c", "pw", FEW),
        keys_line("kay", Sha512, "pw"),
        keys_line("kim", Sha256, "pw"),
    ];
    let standard = ["password_file {dir}/users", "scram_hashes true"];
    let offered: &[&str] = match options.iter().any(|option| option.starts_with("scram ")) {
        true => &[],
        false => &["scram both"],
    };
    startup
        .file("users", lines.concat())
        .start(&patient(&[&standard, offered, options].concat()))
}

pub fn scramp(broker: &Broker, args: &[&str]) -> Finished {
    let port = broker.port().to_string();
    finish(python("scramp_login.py").arg(port).args(args))
}

fn mqttjs(broker: &Broker, args: &[&str]) -> Finished {
    let port = broker.port().to_string();
    finish(node("mqttjs_scram.js").arg(port).args(args))
}

#[test]
fn mqttjs_logs_in_by_scram_and_is_refused() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        mqttjs(&broker, &["SCRAM-SHA-512", "accepted", "ann", "pw"]).succeeded();
        mqttjs(&broker, &["SCRAM-SHA-512", REFUSED, "ann", "wp"]).succeeded();
        mqttjs(&broker, &["SCRAM-SHA-256", "accepted", "kim", "pw"]).succeeded();
        mqttjs(&broker, &["SCRAM-SHA-256", REFUSED, "kim", "wp"]).succeeded();
        mqttjs(&broker, &["SCRAM-SHA-512", REFUSED, "nobody", "pw"]).succeeded();
        mqttjs(
            &broker,
            &["SCRAM-SHA-512", "accepted", "a,b=c", "pw", "a,b=c"],
        )
        .succeeded();
        mqttjs(&broker, &["SCRAM-SHA-512", REFUSED, "ann", "pw", "root"]).succeeded();
        broker.wait_for_log("refused reason=wrong_username", PATIENCE);
    });
}

#[test]
fn scramp_logs_in_by_scram_and_is_refused() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &["log_logins all"]);
        for (username, mechanism) in [
            ("ann", Sha512),
            ("kay", Sha512),
            ("kim", Sha256),
            ("a,b=c", Sha512),
        ] {
            let method = mechanism.name();
            scramp(&broker, &[method, "accepted", username, "pw"]).succeeded();
            scramp(&broker, &[method, REFUSED, username, "wp"]).succeeded();
            let same = ["--connect-username", username];
            scramp(
                &broker,
                &[&[method, "accepted", username, "pw"], &same[..]].concat(),
            )
            .succeeded();
            let other = ["--connect-username", "root"];
            scramp(
                &broker,
                &[&[method, REFUSED, username, "pw"], &other[..]].concat(),
            )
            .succeeded();
            // And as before by the password, which keys verify as well.
            let connect = |password| Connect::new(Protocol::V5).credentials(username, password);
            connect("pw").accepted(broker.port());
            assert_eq!(connect("wp").answer(broker.port()), Answer::Refused(135));
        }
        // Of another kind than is asked for, and nobody's: in the same words.
        scramp(&broker, &["SCRAM-SHA-256", REFUSED, "ann", "pw"]).succeeded();
        scramp(&broker, &["SCRAM-SHA-256", REFUSED, "nobody", "pw"]).succeeded();
        let allowed = r#"username="ann" client_id="scramp" method=SCRAM-SHA-512"#;
        broker.wait_for_log(
            &format!(
                "allowed address=127.0.0.1 listener={} {allowed}",
                listener(&broker)
            ),
            PATIENCE,
        );
        broker.wait_for_log("refused reason=unusable_credential", PATIENCE);
        let log = broker.log();
        assert!(!log.contains("p=") && !log.contains("StoredKey"), "{log}");
    });
}

/// What a line in the log says of the listener.
fn listener(broker: &Broker) -> String {
    match broker.tree().is_2_1() {
        true => broker.port().to_string(),
        false => "-".to_owned(),
    }
}

#[test]
fn a_password_file_of_the_stock_tool_works_without_a_new_password() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        let users = startup.dir().join("users").display().to_string();
        let iterations = FEW.to_string();
        tree.mosquitto_passwd(&["-c", "-I", &iterations, "-b", &users, "sam", "pw"])
            .succeeded();
        let options = [
            "password_file {dir}/users",
            "scram both",
            "scram_hashes true",
        ];
        let broker = startup.start(&patient(&options));
        scramp(&broker, &["SCRAM-SHA-512", "accepted", "sam", "pw"]).succeeded();
        scramp(&broker, &["SCRAM-SHA-512", REFUSED, "sam", "wp"]).succeeded();
    });
}

#[test]
fn without_a_word_about_hashes_keys_alone_are_proven() {
    for_each_broker(|startup| {
        let lines = costly_line("ann", "pw", FEW) + &keys_line("kay", Sha512, "pw");
        let broker = startup
            .file("users", lines)
            .start(&patient(&["password_file {dir}/users", "scram both"]));
        scramp(&broker, &["SCRAM-SHA-512", "accepted", "kay", "pw"]).succeeded();
        scramp(&broker, &["SCRAM-SHA-512", REFUSED, "ann", "pw"]).succeeded();
    });
}

#[test]
fn what_is_not_offered_is_an_unknown_method() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &["scram sha-512"]);
        let unknown = |method: &str, data: &str| {
            let connect = Connect::new(Protocol::V5).method(method, data);
            connect.answer(broker.port())
        };
        for method in ["SCRAM-SHA-256", "SCRAM-SHA-1", "GS2-KRB5"] {
            assert_eq!(
                unknown(method, "n,,n=ann,r=x"),
                Answer::Refused(0x8c),
                "{method}"
            );
        }
        let bound = "p=tls-exporter,,n=ann,r=x";
        assert_eq!(unknown("SCRAM-SHA-512-PLUS", bound), Answer::Refused(0x8c));
        broker.wait_for_log("refused reason=channel_binding", PATIENCE);
        assert_eq!(unknown("SCRAM-SHA-512", bound), Answer::Refused(0x8c));
        let (_client, answer) = enter(&broker, "c", "ann", "pw");
        assert_eq!(answer, Answer::Accepted);
    });
    // Nor is anything without a word about it.
    for_each_broker(|startup| {
        let broker = startup
            .file("users", keys_line("kay", Sha512, "pw"))
            .start(&patient(&["password_file {dir}/users"]));
        let scram = Scram::new(Sha512, "kay", "pw");
        assert_eq!(scram.connect().answer(broker.port()), Answer::Refused(0x8c));
        let kay = Connect::new(Protocol::V5).credentials("kay", "pw");
        kay.accepted(broker.port());
    });
}

/// On 2.1 each plugin line hears all messages, and leaves to the other what is the other's. Others take one line.
#[test]
fn two_plugin_lines_leave_each_other_their_exchanges() {
    for_each_broker(|startup| {
        if !startup.tree().is_2_1() {
            return;
        }
        let startup = startup
            .file("first", keys_line("kim", Sha256, "pw"))
            .file("second", keys_line("kay", Sha512, "pw"));
        let line = |file: &str, offered: &str| {
            plugin_conf(&[
                &format!("password_file {{dir}}/{file}"),
                &format!("scram {offered}"),
                "throttle_exempt 127.0.0.0/8",
            ])
        };
        let lines = line("first", "sha-256") + &line("second", "sha-512");
        let broker = startup.start(&("listener {port} 127.0.0.1\n".to_owned() + &lines));
        for (mechanism, username) in [(Sha256, "kim"), (Sha512, "kay")] {
            for (password, expected) in [("pw", Answer::Accepted), ("wp", Answer::Refused(0x87))] {
                let scram = Scram::new(mechanism, username, password);
                let connect = scram.connect().client_id(username);
                let (_client, answer) = scram.open(&connect, broker.port());
                assert_eq!(answer, expected, "{username}");
            }
        }
        let scram = Scram::new(Sha256, "kay", "pw");
        let (_client, answer) = scram.open(&scram.connect(), broker.port());
        assert_eq!(
            answer,
            Answer::Refused(0x87),
            "hers are keys of the other line"
        );
    });
}

/// A login with this client id.
pub fn enter(broker: &Broker, id: &str, username: &str, password: &str) -> (Client, Answer) {
    let scram = Scram::new(Sha512, username, password);
    scram.open(&scram.connect().client_id(id), broker.port())
}

#[test]
fn every_malformed_message_is_refused_and_the_broker_lives_on() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        let scram = Scram::new(Sha512, "ann", "pw");
        for first in [
            "",
            "n",
            "n,,",
            "n,,n=ann",
            "x,,n=ann,r=x",
            "n,,m=1,n=ann,r=x",
            "n,,n=a=b,r=x",
        ] {
            let connect = Connect::new(Protocol::V5).method("SCRAM-SHA-512", first);
            assert_eq!(
                connect.answer(broker.port()),
                Answer::Refused(0x87),
                "{first}"
            );
        }
        let bytes = Connect::new(Protocol::V5).method("SCRAM-SHA-512", [0xff; 60_000]);
        assert_eq!(bytes.answer(broker.port()), Answer::Refused(0x87));
        let spoilt: [fn(&str) -> String; 7] = [
            |_| String::new(),
            |last| last.replace("c=biws", "c=eSws"),
            |last| last.replace("r=nonce", "r=Nonce"),
            |last| last.replace(",p=", ",m=x,p="),
            |last| last.replace(",p=", ",x=y,p="),
            |last| last[..last.len() - 4].to_owned(),
            |last| last.replace("p=", "p=AAAA"),
        ];
        for (number, spoil) in spoilt.into_iter().enumerate() {
            let mut client = Client::tcp(broker.port(), Protocol::V5);
            client.send(&scram.connect().encode());
            let Auth::Says(0x18, said) = client.auth(PATIENCE) else {
                panic!("the exchange does not begin");
            };
            client.say(0x18, "SCRAM-SHA-512", spoil(&scram.last(&said)));
            assert_eq!(client.auth(PATIENCE), Auth::Refused(0x87), "{number}");
        }
        // AUTH with nothing in it, where an exchange has begun and where none has.
        let mut client = Client::tcp(broker.port(), Protocol::V5);
        client.send(&scram.connect().encode());
        assert!(matches!(client.auth(PATIENCE), Auth::Says(0x18, _)));
        client.send(&[0xf0, 0]);
        assert!(!matches!(client.auth(PATIENCE), Auth::Says(..)));
        let mut client = Client::tcp(broker.port(), Protocol::V5);
        client.send(&[0xf0, 0]);
        assert!(client.is_closed_within(PATIENCE));
        let (_client, answer) = enter(&broker, "c", "ann", "pw");
        assert_eq!(answer, Answer::Accepted);
    });
}

/// A message that is not the whole exchange does not let anybody in.
#[test]
fn nobody_is_in_before_the_proof() {
    for_each_broker(|startup| {
        let broker = with_accounts(startup, &[]);
        let scram = Scram::new(Sha512, "ann", "pw");
        let mut client = Client::tcp(broker.port(), Protocol::V5);
        client.send(&scram.connect().encode());
        assert!(matches!(client.auth(PATIENCE), Auth::Says(0x18, _)));
        client.publish("a", "b");
        assert!(!matches!(client.receive(PATIENCE), Event::Silence));
        assert!(client.is_closed_within(PATIENCE));
        // Its answer to another connection's question proves nothing there.
        let [mut one, mut other] = [(); 2].map(|()| Client::tcp(broker.port(), Protocol::V5));
        one.send(&scram.connect().encode());
        other.send(&scram.connect().encode());
        let Auth::Says(0x18, said) = one.auth(PATIENCE) else {
            panic!("the exchange does not begin");
        };
        assert!(matches!(other.auth(PATIENCE), Auth::Says(0x18, _)));
        other.say(0x18, "SCRAM-SHA-512", scram.last(&said));
        assert_eq!(other.auth(PATIENCE), Auth::Refused(0x87));
        one.say(0x18, "SCRAM-SHA-512", scram.last(&said));
        assert!(matches!(one.auth(PATIENCE), Auth::Says(0, _)));
    });
}

#[test]
fn a_salt_does_not_tell_who_exists_nor_does_a_restart() {
    for_each_broker(|startup| {
        let mut broker = with_accounts(startup, &[]);
        let told = |broker: &Broker, username: &str| {
            let scram = Scram::new(Sha512, username, "x");
            let mut client = Client::tcp(broker.port(), Protocol::V5);
            client.send(&scram.connect().encode());
            match client.auth(PATIENCE) {
                Auth::Says(0x18, said) => {
                    let parts: Vec<&str> = said.split(',').collect();
                    (parts[1].to_owned(), parts[2].to_owned())
                }
                other => panic!("{other:?}"),
            }
        };
        let before: Vec<_> = ["ann", "eve", "kim"].map(|who| told(&broker, who)).into();
        assert_ne!(before[0].0, before[1].0);
        for (salt, iterations) in &before {
            assert!(matches!(salt.len(), 18 | 26), "12 or 16 bytes: {salt}");
            assert_eq!(iterations, "i=4096");
        }
        assert_eq!(told(&broker, "eve"), before[1]);
        broker.restart();
        assert_eq!(told(&broker, "ann"), before[0]);
        if std::path::Path::new("/etc/machine-id").exists() {
            assert_eq!(told(&broker, "eve"), before[1]);
        }
    });
}

#[test]
fn a_certificates_name_is_the_only_one_that_can_be_proven() {
    for_each_broker(|startup| {
        let accounts = ["ann", "bob"].map(|who| Account {
            credential: Some(super::accounts::stored(b"pw", FEW)),
            ..account(who, "pw")
        });
        drop(database(&startup.dir().join("db"), &accounts));
        certificates(startup.dir(), &["ann"]);
        let tls = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
                   keyfile {dir}/localhost.key\nrequire_certificate true\n\
                   use_identity_as_username true\n";
        let options = ["database {dir}/db", "scram sha-512", "scram_hashes true"];
        let broker = startup.start(&(patient(&options) + tls));
        let port = broker.nth_port(2).to_string();
        let [ca, certificate, key] = files(broker.dir(), "ann");
        let by = |expected: &str, username: &str, password: &str| {
            let mut program = python("scramp_login.py");
            program.args([
                &port,
                "SCRAM-SHA-512",
                expected,
                username,
                password,
                "--tls",
            ]);
            finish(program.args([&ca, &certificate, &key])).succeeded();
        };
        by("accepted", "ann", "pw");
        by(REFUSED, "ann", "wp");
        by(REFUSED, "bob", "pw");
        broker.wait_for_log("refused reason=wrong_username", PATIENCE);
    });
}
