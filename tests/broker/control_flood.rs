//! A flood of messages to the control topic that are no orders: nothing is changed, nobody is ended, and a
//! pair that has nothing to do with them goes on.

use serde_json::json;

use super::access_compared::Dice;
use super::control_compared::{Admin, TOPIC, beginning, ours};
use crate::corpus::{corpus, mutated};
use crate::support::{Broker, Client, Connect, Event, PATIENCE, Protocol, for_each_broker};
use mosquitto_doorman::control::{Glimpse, glance};

const MESSAGES: usize = 10_000;
/// So many are sent before their answers are read, and between two messages of the pair.
const AT_ONCE: usize = 100;

/// What asks, in small letters: none of it changes anything.
const ASKING: [&str; 9] = [
    "getanonymousgroup",
    "getclient",
    "getdefaultaclaccess",
    "getdetails",
    "getgroup",
    "getrole",
    "listgroups",
    "listroles",
    "listsessions",
];

/// Whether a message might change something: it has an order of a name that is neither made up nor asks.
fn may_change(payload: &[u8], known: &[String]) -> bool {
    let Glimpse { orders, .. } = glance(payload);
    orders.iter().any(|name| {
        let name = name.to_ascii_lowercase();
        known.contains(&name) && !ASKING.contains(&&*name)
    })
}

fn rubbish(corpus: &[Vec<u8>], known: &[String], dice: &mut Dice) -> Vec<u8> {
    loop {
        let [one, other] = [(); 2].map(|()| &corpus[dice.below(corpus.len())]);
        let message = mutated(one, other, dice);
        if !may_change(&message, known) {
            return message;
        }
    }
}

fn login(broker: &Broker, name: &str) -> Client {
    let connect = Connect::new(Protocol::V311).client_id(name);
    connect.credentials(name, "pw").accepted(broker.port())
}

/// The names of all orders there are, as the documentation lists them.
fn known() -> Vec<String> {
    let text = include_str!("../../docs/control.md");
    let words = text.split('`').skip(1).step_by(2);
    words.map(str::to_ascii_lowercase).collect()
}

#[test]
fn a_flood_of_rubbish_changes_nothing_and_ends_nobody() {
    let (corpus, known) = (corpus("control_message"), known());
    assert!(known.contains(&"deleteclient".to_owned()));
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        let open = json!({"acltype": "subscribe", "allow": true});
        admin.order(json!({"command": "setDefaultACLAccess", "acls": [open]}));
        let state = |admin: &mut Admin| {
            let asked = ["getDetails", "getDefaultACLAccess", "getAnonymousGroup"];
            let mut state = asked
                .map(|command| admin.order(json!({ "command": command })))
                .to_vec();
            for command in ["listClients", "listGroups", "listRoles"] {
                state.push(admin.order(json!({"command": command, "verbose": true})));
            }
            state
        };
        let (mut speaks, mut hears) = (login(&broker, "bob"), login(&broker, "ann"));
        assert_eq!(hears.subscribe("a/b", 0), 0);
        let before = state(&mut admin);
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        for number in 0..MESSAGES / AT_ONCE {
            for _ in 0..AT_ONCE {
                let message = rubbish(&corpus, &known, &mut dice);
                admin.0.publish(TOPIC, message);
            }
            let said = number.to_string().into_bytes();
            speaks.publish("a/b", &said);
            let Event::Publish { payload, .. } = hears.receive(PATIENCE) else {
                panic!("the pair was held up at {number}");
            };
            assert_eq!(payload, said);
            for _ in 0..AT_ONCE {
                let answer = admin.0.receive(PATIENCE);
                assert!(matches!(answer, Event::Publish { .. }), "{answer:?}");
            }
        }
        assert_eq!(state(&mut admin), before);
        assert!(speaks.is_connected() && hears.is_connected());
        assert!(admin.0.is_connected());
    });
}
