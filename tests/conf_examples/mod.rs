//! `conf-examples/` as an operator would use it: the commands in its comments are run, and each file
//! starts every broker, lets somebody in and refuses somebody else.
//!
//! Only paths and ports are rewritten, by [`example`]. An example without a test here is found by
//! [`names`].

mod example;
mod names;

use std::fs;
use std::time::Duration;

use mosquitto_doorman::mechanism::Mechanism;

use self::example::{Example, PSK};
use crate::broker::by_certificate;
use crate::support::certificates::files;
use crate::support::{
    Answer, Broker, Connect, Event, PATIENCE, Protocol, Scram, Stream, Token, doorman, finish,
    for_each_broker,
};

/// Names the examples, and makes a test for all brokers of each.
macro_rules! examples {
    ($($name:ident $file:literal)*) => {
        const STARTED: &[&str] = &[$($file),*];
        $(
            #[test]
            fn $name() {
                for_each_broker(|startup| ask::$name(Example::new(startup, $file)));
            }
        )*
    };
}

examples! {
    tutorial_password_file "tutorial-password-file.conf"
    sqlite "sqlite.conf"
    own_schema "own-schema.conf"
    several_listeners "several-listeners.conf"
    anonymous_and_named "anonymous-and-named.conf"
    behind_password_file "behind-password-file.conf"
    tls_and_websockets "tls-and-websockets.conf"
    fleet_and_attackers "fleet-and-attackers.conf"
    topics "topics.conf"
    roles "roles.conf"
    control "control.conf"
    first_start "first-start.conf"
    from_dynamic_security "from-dynamic-security.conf"
    scram "scram.conf"
    psk "psk.conf"
    certificates "certificates.conf"
    certificate_and_password "certificate-and-password.conf"
    jwt "jwt.conf"
}

const ACCEPTED: Answer = Answer::Accepted;
const REFUSED: Answer = Answer::Refused(5);

/// What a client is told on one of the example's listeners, counted from 1.
fn answer(broker: &Broker, listener: usize, username: &str, password: &str) -> Answer {
    Connect::new(Protocol::V311)
        .client_id(format!("client of {username}"))
        .credentials(username, password)
        .answer(broker.nth_port(listener))
}

/// The questions to each example.
mod ask {
    use super::*;

    pub fn tutorial_password_file(example: Example) {
        let broker = example.start();
        for username in ["roger", "sub_client", "pub_client"] {
            assert_eq!(answer(&broker, 1, username, "password"), ACCEPTED);
            assert_eq!(answer(&broker, 1, username, "Password"), REFUSED);
        }
        assert_eq!(answer(&broker, 1, "nobody", "password"), REFUSED);
        let anonymous = Connect::new(Protocol::V311).answer(broker.port());
        assert_eq!(anonymous, REFUSED);
    }

    pub fn scram(example: Example) {
        let broker = example.start();
        let prove = |mechanism, username, password| {
            let scram = Scram::new(mechanism, username, password);
            scram.open(&scram.connect(), broker.port()).1
        };
        for (mechanism, username) in [
            (Mechanism::Sha256, "roger"),
            (Mechanism::Sha512, "sub_client"),
            (Mechanism::Sha512, "old_client"),
        ] {
            assert_eq!(prove(mechanism, username, "password"), ACCEPTED);
            assert_eq!(
                prove(mechanism, username, "Password"),
                Answer::Refused(0x87)
            );
            assert_eq!(answer(&broker, 1, username, "password"), ACCEPTED);
            assert_eq!(answer(&broker, 1, username, "Password"), REFUSED);
        }
        assert_eq!(
            prove(Mechanism::Sha256, "nobody", "password"),
            Answer::Refused(0x87)
        );
    }

    pub fn psk(example: Example) {
        let broker = example.start();
        let publish = |listener, identity, key, rest: &[&str]| {
            let port = broker.nth_port(listener);
            let mut client = broker.tree().at_port("mosquitto_pub", port);
            client.args(["--psk-identity", identity, "--psk", key]);
            client.args(["-t", "t", "-m", "m", "-q", "1"]).args(rest);
            finish(&mut client).code == Some(0)
        };
        let other = PSK.replace('f', "e");
        assert!(publish(1, "sensor-7", PSK, &[]));
        assert!(!publish(1, "sensor-7", &other, &[]));
        assert!(publish(2, "roger", PSK, &["-u", "roger", "-P", "password"]));
        assert!(!publish(
            2,
            "roger",
            PSK,
            &["-u", "roger", "-P", "Password"]
        ));
        assert!(!publish(2, "roger", PSK, &[]));
        assert!(!publish(
            2,
            "roger",
            &other,
            &["-u", "roger", "-P", "password"]
        ));
    }

    pub fn jwt(example: Example) {
        let issuer = example.issuer("/etc/mosquitto/issuer.pem", "p256.pem");
        let broker = example.start();
        let token = |username: &str, key: &str| {
            let token = Token::of(username, key, "ES256");
            issuer.token(token.saying(
                r#""iss": "https://id.example.org/", "aud": "mqtt", "roles": ["reader"], "acl": {"pub": ["up"]}"#,
            ))
        };
        for username in ["sensor-7", "roger"] {
            assert_eq!(
                answer(&broker, 1, username, &token(username, "p256")),
                ACCEPTED
            );
            assert_eq!(answer(&broker, 1, username, &token("eve", "p256")), REFUSED);
            assert_eq!(answer(&broker, 1, username, "password"), ACCEPTED);
            assert_eq!(answer(&broker, 1, username, "wrong"), REFUSED);
        }
        assert_eq!(answer(&broker, 1, "eve", &token("eve", "p256")), REFUSED);
        let connect = Connect::new(Protocol::V5)
            .client_id("c")
            .credentials("roger", token("roger", "p256"));
        let mut roger = connect.accepted(broker.port());
        assert_eq!(roger.subscribe("plant/1", 1), 1);
        assert_eq!(roger.subscribe("other", 1), 0x87);
        assert!(matches!(
            roger.publish_acknowledged("up", "1"),
            Event::Puback(0 | 0x10)
        ));
        assert_eq!(roger.publish_acknowledged("down", "1"), Event::Puback(0x87));
    }

    pub fn sqlite(example: Example) {
        let broker = example.start();
        assert_eq!(answer(&broker, 1, "roger", "password"), ACCEPTED);
        assert_eq!(answer(&broker, 1, "roger", "wrong"), REFUSED);
        assert_eq!(answer(&broker, 1, "visitor", "password"), REFUSED);
        broker.wait_for_log("refused reason=disabled", PATIENCE);
        assert_eq!(answer(&broker, 1, "sensor-7", "password"), REFUSED);
        broker.wait_for_log("refused reason=wrong_client_id", PATIENCE);
        let sensor = Connect::new(Protocol::V311).client_id("sensor-7");
        sensor
            .credentials("sensor-7", "password")
            .accepted(broker.port());
    }

    pub fn own_schema(example: Example) {
        example.fill("/srv/app/app.db", OWN_SCHEMA_ROWS);
        let broker = example.start();
        assert_eq!(answer(&broker, 1, "SN1", OWN_SCHEMA_PASSWORD), ACCEPTED);
        assert_eq!(answer(&broker, 1, "SN1", "wrong"), REFUSED);
        assert_eq!(answer(&broker, 1, "SN2", OWN_SCHEMA_PASSWORD), REFUSED);
        assert_eq!(answer(&broker, 1, "SN3", OWN_SCHEMA_PASSWORD), REFUSED);
        assert_eq!(broker.log().matches("refused reason=disabled").count(), 2);
        assert_eq!(answer(&broker, 1, "emma", "public"), ACCEPTED);
        assert_eq!(answer(&broker, 1, "emma", "Public"), REFUSED);
        let connect = Connect::new(Protocol::V5).credentials("SN1", OWN_SCHEMA_PASSWORD);
        let mut device = connect.accepted(broker.port());
        for (filter, answer) in [("devices/SN1/commands", 0), ("devices/SN2/commands", 0x87)] {
            assert_eq!(device.subscribe(filter, 0), answer);
        }
        let answer = device.publish_acknowledged("devices/SN1/commands", "no");
        assert_eq!(answer, Event::Puback(0x87));
        let scan = "reads a whole table";
        assert!(!broker.log().contains(scan), "{}", broker.log());
    }

    pub fn several_listeners(example: Example) {
        let broker = example.start();
        for (listener, there, elsewhere) in
            [(1, "pub_client", "sensor-7"), (2, "sensor-7", "pub_client")]
        {
            assert_eq!(answer(&broker, listener, there, "password"), ACCEPTED);
            assert_eq!(answer(&broker, listener, there, "wrong"), REFUSED);
            assert_eq!(answer(&broker, listener, elsewhere, "password"), REFUSED);
        }
        ends_with_its_account(&broker);
    }

    pub fn anonymous_and_named(example: Example) {
        let broker = example.start();
        Connect::new(Protocol::V311).accepted(broker.port());
        assert_eq!(answer(&broker, 1, "roger", "password"), ACCEPTED);
        assert_eq!(answer(&broker, 1, "roger", "wrong"), REFUSED);
        assert_eq!(answer(&broker, 1, "nobody", "password"), REFUSED);
    }

    pub fn behind_password_file(example: Example) {
        let broker = example.start();
        for username in ["roger", "sensor-7"] {
            assert_eq!(answer(&broker, 1, username, "password"), ACCEPTED);
            assert_eq!(answer(&broker, 1, username, "wrong"), REFUSED);
        }
        assert_eq!(answer(&broker, 1, "nobody", "password"), REFUSED);
    }

    pub fn fleet_and_attackers(example: Example) {
        let broker = example.start();
        for username in ["roger", "sensor-7"] {
            assert_eq!(answer(&broker, 1, username, "password"), ACCEPTED);
        }
        for guess in 0..10 {
            let guess = format!("guess {guess}");
            assert_eq!(answer(&broker, 1, "sensor-7", &guess), REFUSED);
        }
        broker.wait_for_log("refused reason=throttled", PATIENCE);
        assert_eq!(answer(&broker, 1, "roger", "password"), ACCEPTED);
        assert_eq!(answer(&broker, 1, "nobody", "password"), REFUSED);
        assert_eq!(answer(&broker, 1, "sensor-7", "password"), ACCEPTED);
    }

    pub fn topics(example: Example) {
        let broker = example.start();
        let connect = |username: &str| {
            let connect = Connect::new(Protocol::V311).client_id(username);
            connect
                .credentials(username, "password")
                .accepted(broker.port())
        };
        let (mut roger, mut sensor) = (connect("roger"), connect("sensor-7"));
        assert_eq!(roger.subscribe("devices/#", 0), 0);
        assert_eq!(roger.subscribe("secret/#", 0), 0x80);
        assert_eq!(sensor.subscribe("devices/sensor-7/#", 0), 0);
        assert_eq!(sensor.subscribe("devices/#", 0), 0x80);
        sensor.publish_acknowledged("devices/sensor-8/t", "not mine");
        sensor.publish_acknowledged("devices/sensor-7/t", "mine");
        let mine = Event::Publish {
            topic: "devices/sensor-7/t".to_owned(),
            payload: b"mine".to_vec(),
        };
        assert_eq!(roger.receive(PATIENCE), mine);
        assert_eq!(sensor.receive(PATIENCE), mine);
    }

    pub fn roles(example: Example) {
        let broker = example.start();
        let connect = |username: &str| {
            let connect = Connect::new(Protocol::V5).client_id(username);
            let connect = connect.credentials(username, "password");
            connect.accepted(broker.port())
        };
        let (mut roger, mut sensor) = (connect("roger"), connect("sensor-7"));
        assert_eq!(roger.subscribe("devices/#", 0), 0);
        assert_eq!(roger.subscribe("#", 0), 0x87);
        assert_eq!(sensor.subscribe("devices/sensor-7/#", 0), 0x87);
        for topic in [
            "devices/sensor-8/t",
            "devices/sensor-7/secret",
            "devices/sensor-7/t",
        ] {
            sensor.publish_acknowledged(topic, topic);
        }
        let mine = Event::Publish {
            topic: "devices/sensor-7/t".to_owned(),
            payload: b"devices/sensor-7/t".to_vec(),
        };
        assert_eq!(roger.receive(PATIENCE), mine);
        assert_eq!(answer(&broker, 1, "roger", "wrong"), REFUSED);
    }

    pub fn control(example: Example) {
        let broker = example.start();
        let ctrl = |name: &str, args: &[&str]| {
            let mut command = broker.tree().at_port("mosquitto_ctrl", broker.port());
            command.args(["-h", "127.0.0.1", "-u", name, "-P", "password", "dynsec"]);
            finish(command.args(args))
        };
        let created = ctrl("admin", &["createClient", "sensor-7", "-p", "password"]);
        created.succeeded();
        assert_eq!(answer(&broker, 1, "sensor-7", "password"), ACCEPTED);
        assert_eq!(answer(&broker, 1, "sensor-7", "wrong"), REFUSED);
        // It says nothing about that.
        ctrl("sensor-7", &["deleteClient", "admin"]);
        assert_eq!(answer(&broker, 1, "admin", "password"), ACCEPTED);
    }

    pub fn first_start(example: Example) {
        let broker = example.start();
        let note = fs::read_to_string(broker.dir().join("var/accounts.db.pw")).unwrap();
        let password = note.trim().strip_prefix("admin ").unwrap();
        assert_eq!(answer(&broker, 1, "admin", password), ACCEPTED);
        assert_eq!(answer(&broker, 1, "admin", "wrong"), REFUSED);
    }

    pub fn from_dynamic_security(example: Example) {
        let broker = example.start();
        assert_eq!(answer(&broker, 1, "admin", "password"), ACCEPTED);
        assert_eq!(answer(&broker, 1, "admin", "wrong"), REFUSED);
    }

    pub fn certificates(example: Example) {
        example.authority(&[
            ("sensor-7", "DNS:sensor-7.example"),
            ("stolen", "DNS:stolen.example"),
        ]);
        let broker = example.start();
        let certs = broker.dir().join("etc/certs");
        let publish = |file: &str, login: &[&str]| {
            let files = files(&certs, file);
            let message = ["-q", "1", "-t", "t", "-m", "m"];
            let args = [&by_certificate(file, &files)[..], login, &message].concat();
            broker.tree().mosquitto_pub(broker.port(), &args).code
        };
        assert_eq!(publish("sensor-7", &[]), Some(0));
        assert_eq!(publish("stolen", &[]), Some(5));
        let roger = |password| publish("stolen", &["-u", "roger", "-P", password]);
        assert_eq!((roger("password"), roger("wrong")), (Some(0), Some(5)));
    }

    pub fn certificate_and_password(example: Example) {
        let clients = ["roger", "sensor-7", "sensor-8"];
        let names = clients.map(|who| format!("DNS:{who}.example"));
        let files_and_names = clients.iter().zip(&names);
        let both: Vec<(&str, &str)> = files_and_names
            .map(|(file, name)| (*file, &**name))
            .collect();
        example.authority(&both);
        let broker = example.start();
        let certs = broker.dir().join("etc/certs");
        let open = |listener: usize, file: &str, connect: Connect| {
            let stream = Stream::tls(broker.nth_port(listener), &files(&certs, file));
            let mut client = connect.client_id(file).begin(stream);
            let answer = client.answer(PATIENCE);
            (client, answer)
        };
        let v5 = || Connect::new(Protocol::V5);
        let people = |file, username: &str, password: &str| {
            open(1, file, v5().credentials(username, password)).1
        };
        let not_authorized = Answer::Refused(0x87);
        assert_eq!(people("roger", "roger", "password"), ACCEPTED);
        assert_eq!(people("roger", "roger", "wrong"), not_authorized);
        assert_eq!(open(1, "roger", v5()).1, not_authorized);
        assert_eq!(people("sensor-8", "roger", "password"), not_authorized);
        // Who has no certificate on record needs the password alone.
        assert_eq!(people("sensor-8", "sensor-7", "password"), ACCEPTED);
        assert_eq!(people("sensor-8", "sensor-7", "wrong"), not_authorized);
        let device = |file: &str, topic: &str| {
            let (mut client, _) = open(2, file, v5());
            let reply = client.publish_acknowledged(topic, "1");
            matches!(reply, Event::Puback(0 | 0x10))
        };
        assert!(device("sensor-7", "devices/sensor-7/t"));
        assert!(!device("sensor-7", "devices/sensor-8/t"));
        assert!(!device("sensor-8", "devices/sensor-8/t"));
        broker.wait_for_log("refused reason=unknown_user", PATIENCE);
        assert!(!device("roger", "devices/roger/t"), "without the password");
        broker.wait_for_log("refused reason=no_password", PATIENCE);
    }

    pub fn tls_and_websockets(example: Example) {
        example.certificate("server.crt", "server.key");
        let broker = example.start();
        let ca = broker.dir().join("etc/certs/server.crt");
        let ca = ca.display().to_string();
        let mqtt = |password| {
            let login = ["-u", "roger", "-P", password, "-t", "t", "-m", "m"];
            let args = [&["--cafile", &ca][..], &login].concat();
            broker.tree().mosquitto_pub(broker.nth_port(1), &args).code
        };
        assert_eq!((mqtt("password"), mqtt("wrong")), (Some(0), Some(5)));
        example::websocket(&broker, 2, &ca, "accepted", "password").succeeded();
        example::websocket(&broker, 2, &ca, "refused", "wrong").succeeded();
        // Without TLS there is nothing to hear on either.
        let plain = |listener| answer(&broker, listener, "roger", "password");
        assert_eq!((plain(1), plain(2)), (Answer::Closed, Answer::Closed));
    }
}

/// As several-listeners.conf says: within a second, but on 2.0.11 only by a reload.
fn ends_with_its_account(broker: &Broker) {
    let mut live = Connect::new(Protocol::V311)
        .credentials("sensor-7", "password")
        .accepted(broker.nth_port(2));
    let mut other = Connect::new(Protocol::V311)
        .credentials("pub_client", "password")
        .accepted(broker.nth_port(1));
    let devices = broker.dir().join("var/devices.db").display().to_string();
    let disable = ["user", "disable", "sensor-7", "--database", &devices];
    finish(doorman().args(disable)).succeeded();
    if broker.tree().version() == "2.0.11" {
        assert!(!live.is_closed_within(Duration::from_secs(2)));
        assert_eq!(answer(broker, 2, "sensor-7", "password"), REFUSED);
        broker.sighup();
    }
    assert!(live.is_closed_within(Duration::from_secs(1)));
    assert!(other.is_connected());
}

const OWN_SCHEMA_PASSWORD: &str = "tulip Rose 7:$x";
/// bcrypt as in `tests/vectors/bcrypt.json`; and SHA-256 of `publicsalt`.
const OWN_SCHEMA_ROWS: &str = "
    INSERT INTO customer VALUES (1, 'paying', 1), (2, 'late', 0);
    INSERT INTO device VALUES
        ('SN1', 1, '$2b$04$PTNkttFed1uDPJ10bWXqGOq/3ieu2yA/mMar0bKYfSrNTWW3bfmqW', 0),
        ('SN2', 1, '$2b$04$PTNkttFed1uDPJ10bWXqGOq/3ieu2yA/mMar0bKYfSrNTWW3bfmqW', 1),
        ('SN3', 2, '$2b$04$PTNkttFed1uDPJ10bWXqGOq/3ieu2yA/mMar0bKYfSrNTWW3bfmqW', 0);
    INSERT INTO device_acl VALUES ('SN1', 'devices/%u/#', 5);
    INSERT INTO mqtt_user (username, password_hash, salt) VALUES ('emma',
        'f4a8615be301fbaf6213df33cfe5f22953aafc0c31beb8f2daef55b127444d27', 'salt');
";
