//! Sessions that the broker restored from disk, of clients that came by a certificate, a key of TLS-PSK or a token:
//! the account as it is today is what counts. Beside each that was switched off while the broker was down stands
//! one that was not.

use super::accounts::{account, change, database, set};
use super::conf::patient;
use super::identified::unbound;
use super::psk::{KEY, psk};
use crate::support::certificates::{certificates, files};
use crate::support::{
    Answer, Broker, Client, Connect, Event, Issuer, PATIENCE, Protocol, Startup, Stream, Token,
    doorman, eventually, finish, for_each_broker,
};
use mosquitto_doorman::admin::Change;
use mosquitto_doorman::store::sqlite::Database;

/// Of each way somebody who stays welcome, and somebody who does not.
const STAYS: [&str; 4] = ["cert-1", "named-1", "key-1", "token-1"];
const GOES: [&str; 4] = ["cert-2", "named-2", "key-2", "token-2"];

struct House {
    broker: Broker,
    issuer: Issuer,
    database: Database,
}

fn started(startup: Startup) -> House {
    let dir = startup.dir();
    let all = [STAYS, GOES].concat();
    let accounts: Vec<_> = all
        .iter()
        .chain(&["root"])
        .map(|who| account(who, "pw"))
        .collect();
    let mut database = database(&dir.join("db"), &accounts);
    let keys = ["key-1", "key-2"].map(|who| psk(who, who, KEY));
    change(&mut database, &keys);
    certificates(dir, &["cert-1", "cert-2", "named-1", "named-2"]);
    for who in ["cert-1", "cert-2"] {
        let [_, pem, _] = files(dir, who);
        let mut doorman = doorman();
        doorman.args(["user", "certificate", "add", who, "--pem", &pem]);
        finish(doorman.arg("--database").arg(dir.join("db"))).succeeded();
    }
    let issuer = Issuer::in_dir(dir);
    let options = [
        "database {dir}/db",
        "acl_file {dir}/acl",
        "certificate instead-of-password",
        "psk true",
        "jwt_key_file {dir}/issuer/p256.pem",
        "unknown_user deny",
        "log_logins all",
    ];
    let tls = "cafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\nkeyfile {dir}/localhost.key\n\
               require_certificate true\n";
    let listeners = format!(
        "listener {{port2}} 127.0.0.1\n{tls}listener {{port3}} 127.0.0.1\n{tls}use_identity_as_username true\n\
         listener {{port4}} 127.0.0.1\npsk_hint here\nuse_identity_as_username true\n\
         persistence true\npersistence_location {{dir}}/\n"
    );
    let startup = startup.file("acl", "pattern readwrite #\n");
    House {
        broker: startup.start(&(patient(&options) + &listeners)),
        issuer,
        database,
    }
}

impl House {
    /// Somebody comes by its way, for a session that outlives its connection.
    fn comes(&self, who: &str) -> (Client, Answer) {
        let connect = Connect::new(Protocol::V5).client_id(who).persistent();
        let port = |number| self.broker.nth_port(number);
        let shown = files(self.broker.dir(), who);
        let (connect, stream) = match who.split_once('-').unwrap().0 {
            "cert" => (connect, Stream::tls(port(2), &shown)),
            "named" => (connect, Stream::tls(port(3), &shown)),
            "key" => (connect, Stream::psk(port(4), who, KEY)),
            _ => {
                let token = self.issuer.token(Token::of(who, "p256", "ES256"));
                (connect.credentials(who, token), Stream::tcp(port(1)))
            }
        };
        let mut client = connect.begin(stream);
        let answer = client.answer(PATIENCE);
        (client, answer)
    }

    fn publishes(&self, text: &str) {
        let root = Connect::new(Protocol::V5).client_id("root");
        let mut root = root.credentials("root", "pw").accepted(self.broker.port());
        let published = root.publish_acknowledged("news", text);
        assert!(
            matches!(published, Event::Puback(0 | 0x10)),
            "{published:?}"
        );
    }

    /// It is back in its session; what waited there.
    fn finds(&self, who: &str) -> Vec<String> {
        let (mut client, answer) = self.comes(who);
        assert_eq!(answer, Answer::Accepted, "{who}");
        assert_eq!(client.connack()[0], 1, "{who} had a session");
        let all = client.received().into_iter();
        all.map(|(_, payload)| String::from_utf8(payload).unwrap())
            .collect()
    }

    /// It is let in, as soon as that is known.
    fn is_back(&self, who: &str) -> Client {
        let mut back = None;
        let is_in = || {
            let (client, answer) = self.comes(who);
            back = Some(client);
            answer == Answer::Accepted
        };
        assert!(eventually(PATIENCE, is_in), "{who}");
        back.unwrap()
    }

    /// It is not let in, or ended before it hears anything.
    fn is_refused(&self, who: &str) -> bool {
        let (mut client, answer) = self.comes(who);
        // 2.0 tells of some only when they want something.
        let reply = match answer {
            Answer::Accepted => client.publish_acknowledged("news", "from outside"),
            _ => Event::Closed,
        };
        let rest = std::iter::repeat_with(|| client.receive(PATIENCE));
        let mut rest = rest.take_while(|event| !matches!(event, Event::Closed | Event::Silence));
        let hears = rest.any(|event| matches!(event, Event::Publish { .. }));
        !matches!(reply, Event::Puback(0 | 0x10)) && !hears
    }
}

#[test]
fn who_was_switched_off_while_the_broker_was_down_gets_nothing_of_its_session() {
    for_each_broker(|startup| {
        let tree = startup.tree().clone();
        for is_reloaded in [false, true] {
            let mut house = started(Broker::of(&tree));
            for who in [STAYS, GOES].concat() {
                let (mut client, answer) = house.comes(who);
                assert_eq!(answer, Answer::Accepted, "{who}");
                assert_eq!(client.subscribe("news", 1), 1, "{who}");
                client.disconnect();
            }
            assert!(house.broker.stop().success());
            let off = || Change {
                disabled: Some(true),
                ..Change::default()
            };
            change(&mut house.database, &GOES.map(|who| set(who, off())));
            house.broker.restart();
            house.publishes("1");
            if is_reloaded {
                asked_again(&house.broker);
            }
            for who in GOES {
                assert!(house.is_refused(who), "{who}");
            }
            for who in STAYS {
                assert_eq!(house.finds(who), ["1"], "{who}");
            }
            // Welcome again, it has missed what was sent meanwhile.
            change(&mut house.database, &GOES.map(|who| set(who, unbound())));
            for who in GOES {
                assert!(house.is_back(who).received().is_empty(), "{who}");
            }
        }
    });
}

/// Nobody is there to be asked for a certificate, a key or a token.
fn asked_again(broker: &Broker) {
    let mark = broker.log_end();
    broker.sighup();
    for (all, what) in [(STAYS, "allowed"), (GOES, "refused reason=disabled")] {
        for who in all {
            let line =
                format!("{what} address=- listener=- username=\"{who}\" client_id=\"{who}\"");
            broker.wait_for_log_after(mark, &line, PATIENCE);
        }
    }
}
