//! What no client would say, in every order: half exchanges, AUTH in the midst of messages, names and filters
//! that are none. Whatever it is, the broker is there afterwards, and lets in whom it did before.
//! `DOORMAN_JUNK_STEPS` makes it longer; the seed is printed and `DOORMAN_JUNK_SEED` repeats it.

use mosquitto_doorman::mechanism::Mechanism::{self, Sha256, Sha512};

use super::riot::{below, number};
use super::scram::with_accounts;
use crate::support::mqtt::packet::{auth, packet, publish, subscribe, unsubscribe};
use crate::support::{Answer, Broker, Client, Connect, Protocol, Scram, for_each_broker};

const METHODS: [&str; 5] = [
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512-PLUS",
    "PLAIN",
    "",
];
const DATA: [&str; 9] = [
    "",
    "n,,n=ann,r=abc",
    "n,,n=kay,r=abc",
    "n,,n=nobody,r=abc",
    "y,,n=ann,r=abc",
    "p=tls-unique,,n=ann,r=abc",
    "c=biws,r=abc,p=AAAA",
    "\0\u{1}",
    "n,,n=a=2Cb=3Dc,r=",
];
const NAMES: [&str; 6] = ["ann", "kay", "kim", "nobody", "#", ""];
const IDS: [&str; 5] = ["one", "two", "", "#", "a/b"];
const FILTERS: [&str; 7] = [
    "a/#",
    "#",
    "$share/g/a/#",
    "$share//a",
    "$SYS/#",
    "a/+",
    "a#",
];

/// Whoever says all that.
struct Babbler<'a> {
    broker: &'a Broker,
    seed: u64,
    said: Vec<Vec<u8>>,
}

impl Babbler<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        below(&mut self.seed, bound)
    }

    fn any<T: Copy>(&mut self, all: &[T]) -> T {
        let count = u64::try_from(all.len()).unwrap();
        all[usize::try_from(self.below(count)).unwrap()]
    }

    fn say(&mut self, client: &mut Client, bytes: Vec<u8>) {
        client.send(&bytes);
        self.said.push(bytes);
    }

    /// Somebody who may be in, or has begun to ask for it.
    fn comes(&mut self) -> Client {
        self.said.clear();
        let (id, name) = (self.any(&IDS), self.any(&NAMES));
        if self.below(2) == 0 {
            let (name, mechanism): (_, Mechanism) =
                self.any(&[("ann", Sha512), ("kay", Sha512), ("kim", Sha256)]);
            let scram = Scram::new(mechanism, name, "pw");
            let (client, _) = scram.open(&scram.connect().client_id(id), self.broker.port());
            return client;
        }
        let protocol = self.any(&[Protocol::V311, Protocol::V5, Protocol::V5]);
        let mut connect = Connect::new(protocol).client_id(id);
        if self.below(2) == 0 {
            connect = connect.username(name);
        }
        if self.below(2) == 0 {
            connect = connect.password("pw");
        }
        if self.below(3) == 0 {
            connect = connect.will(self.any(&["a/will", "$SYS/will"]), "bye");
        }
        if protocol == Protocol::V5 && self.below(4) > 0 {
            connect = connect.method(self.any(&METHODS), self.any(&DATA));
        }
        let mut client = Client::tcp(self.broker.port(), protocol);
        self.say(&mut client, connect.encode());
        client
    }

    fn goes_on(&mut self, client: &mut Client, protocol: Protocol) {
        let filter = self.any(&FILTERS);
        let packet = match self.below(12) {
            0..5 => {
                let reason = self.any(&[0x18, 0x19, 0, 0x87]);
                auth(reason, self.any(&METHODS), self.any(&DATA))
            }
            5 => packet(0xf0, &[]),
            6 => packet(0xf0, &[self.any(&[0x18, 0x19, 0]), 0]),
            7 => subscribe(protocol, 1, filter, self.any(&[0, 1, 2])),
            8 => unsubscribe(protocol, 2, filter),
            9 => publish(protocol, 3, self.any(&["a/b", "$SYS/a", "a/+"]), b"m", 1),
            10 => packet(0xe0, self.any(&[&[][..], &[4]])),
            _ => Connect::new(protocol).client_id("one").encode(),
        };
        self.say(client, packet);
    }
}

#[test]
fn the_broker_lives_whatever_is_said_to_it() {
    let steps = number("DOORMAN_JUNK_STEPS", 400);
    for_each_broker(|startup| {
        let seed = number("DOORMAN_JUNK_SEED", u64::from(std::process::id()));
        println!("DOORMAN_JUNK_SEED={seed}");
        let mut broker = with_accounts(startup, &["throttle false"]);
        let mut babbler = Babbler {
            broker: &broker,
            seed,
            said: Vec::new(),
        };
        for _ in 0..steps {
            let mut client = babbler.comes();
            for _ in 0..babbler.below(8) {
                babbler.goes_on(&mut client, Protocol::V5);
            }
            if babbler.below(2) == 0 {
                client.is_connected();
            }
            client.vanish();
            let ann = Connect::new(Protocol::V5)
                .client_id("sane")
                .credentials("ann", "pw");
            let answer = std::panic::catch_unwind(|| ann.answer(broker.port()));
            assert_eq!(
                answer.ok(),
                Some(Answer::Accepted),
                "after {:02x?}",
                babbler.said
            );
        }
        drop(babbler);
        assert_eq!(broker.stop().code(), Some(0));
    });
}
