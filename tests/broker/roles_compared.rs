//! The same roles, groups and clients in the stock dynamic-security plugin and in doorman's database:
//! every subscription must be answered alike, and every message, kept message and will reach the same
//! clients.
//!
//! Configurations are generated from fixed seeds over a small alphabet, with few priorities, so that
//! ties abound. `%c`, `%u` and `allowwildcardsubs` are compared where the original knows them (2.1).
//! Left out is what doorman does otherwise on purpose (`roles_differ`), and `$CONTROL`, which asks for a
//! handler.

mod model;

use std::collections::BTreeSet;

use self::model::{USERS, model};
use crate::support::{
    Broker, Client, Connect, Event, Protocol, Tree, for_each_broker, plugin_conf,
};

const SEEDS: u64 = 12;
/// What is said of `$x/…` to the witness, who hears everything.
const EVERYTHING: [&str; 2] = ["#", "$x/#"];

fn topics() -> Vec<String> {
    let mut topics = BTreeSet::new();
    for first in ["a", "b", "ann", "c1", "$x"] {
        topics.insert(first.to_owned());
        for second in ["a", "b", "ann", "c1"] {
            topics.insert(format!("{first}/{second}"));
            topics.insert(format!("{first}/{second}/a"));
        }
    }
    topics.into_iter().collect()
}

fn filters(dollar: bool) -> Vec<String> {
    let mut filters = topics();
    let wild = [
        "#", "+", "+/a", "+/+", "a/+", "a/#", "b/#", "+/#", "ann/#", "c1/+", "$x/#", "$x/+",
        "+/+/a",
    ];
    filters.extend(wild.map(str::to_owned));
    filters.retain(|filter| dollar || !filter.starts_with('$'));
    filters
}

/// Who comes: everybody by a username, and one without any.
fn logins() -> Vec<Connect> {
    let connect = |id: String| Connect::new(Protocol::V5).client_id(id);
    let named = USERS.iter().enumerate();
    let named = named.map(|(number, name)| connect(format!("c{number}")).credentials(name, "pw"));
    let anonymous = connect("anonymous".to_owned());
    named.chain([anonymous]).collect()
}

fn arrivals(broker: &Broker) -> Vec<Client> {
    let logins = logins();
    let come = logins.iter().map(|login| login.accepted(broker.port()));
    come.collect()
}

fn heard(client: &mut Client) -> impl Iterator<Item = String> {
    let text = |(topic, payload)| format!("{topic} by {}", String::from_utf8(payload).unwrap());
    client.received().into_iter().map(text)
}

/// What was answered and who was sent what.
fn outcome(broker: &Broker) -> BTreeSet<String> {
    let mut seen = messages(broker);
    seen.extend(kept_messages(broker));
    seen.extend(wills(broker));
    seen
}

/// Everybody subscribes to everything, everybody sends to every topic, what is kept as well as what is not,
/// and everybody takes leave of everything.
fn messages(broker: &Broker) -> BTreeSet<String> {
    let mut clients = arrivals(broker);
    let filters = filters(broker.tree().is_2_1());
    let mut seen = BTreeSet::new();
    for (index, client) in clients.iter_mut().enumerate() {
        for filter in &filters {
            let answer = client.subscribe(filter, 0);
            seen.insert(format!("{index} subscribes {filter}: {answer}"));
        }
    }
    for topic in topics() {
        for (publisher, client) in clients.iter_mut().enumerate() {
            client.publish(&topic, publisher.to_string());
            let answer = client.publish_retained(&topic, format!("{publisher}, to keep"));
            let denied = answer == Event::Puback(0x87);
            seen.insert(format!("{publisher} publishes {topic}: denied {denied}"));
        }
        // Each has had all of it before it is asked.
        for (index, client) in clients.iter_mut().enumerate() {
            assert!(client.is_connected(), "{index} {topic:?}");
        }
    }
    for (index, client) in clients.iter_mut().enumerate() {
        seen.extend(heard(client).map(|message| format!("{index} is sent {message}")));
        for filter in &filters {
            let Event::Unsuback(answer) = client.unsubscribe(filter) else {
                panic!("no answer to UNSUBSCRIBE");
            };
            // Whether there was such a subscription was compared above.
            let denied = answer == Some(0x87);
            seen.insert(format!("{index} unsubscribes {filter}: denied {denied}"));
        }
    }
    seen
}

/// What has been kept meanwhile is sent to whoever comes and subscribes.
fn kept_messages(broker: &Broker) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for (index, client) in arrivals(broker).iter_mut().enumerate() {
        for filter in filters(broker.tree().is_2_1()) {
            client.subscribe(&filter, 0);
            let kept = heard(client);
            seen.extend(kept.map(|message| format!("{index} finds, by {filter}, {message}")));
        }
    }
    seen
}

/// Everybody vanishes with a will for each topic; the witness says which of them were sent.
fn wills(broker: &Broker) -> BTreeSet<String> {
    let mut logins = logins();
    let witness = logins.remove(USERS.len() - 1);
    let mut witness = witness.accepted(broker.port());
    for filter in EVERYTHING {
        assert_eq!(witness.subscribe(filter, 0), 0);
    }
    witness.received();
    for (mortal, login) in logins.iter().enumerate() {
        for topic in topics() {
            let login = login.clone().will(&topic, format!("{mortal}, its will"));
            login.accepted(broker.port()).vanish();
        }
        // It comes behind the will of the one before.
        login.accepted(broker.port()).disconnect();
    }
    heard(&mut witness)
        .map(|will| format!("sent is {will}"))
        .collect()
}

fn dynamic_security(tree: &Tree) -> String {
    let plugin = tree.plugin("mosquitto_dynamic_security.so");
    format!(
        "plugin {}\nplugin_opt_config_file {{dir}}/dynsec.json\n",
        plugin.display()
    )
}

#[test]
fn the_plugin_answers_what_dynamic_security_answers() {
    for_each_broker(|startup| {
        let listener = "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
                        log_type error\nlog_type information\nlog_type notice\n";
        let (mut answers, mut live, mut kept, mut wills) = ([0, 0], 0, 0, 0);
        for seed in 1..=SEEDS {
            let model = model(seed, startup.tree().is_2_1());
            let stock = Broker::of(startup.tree()).file("dynsec.json", model.json());
            let stock = stock.start(&(listener.to_owned() + &dynamic_security(startup.tree())));
            let stock = outcome(&stock);
            let ours = Broker::of(startup.tree());
            model.database(&ours.dir().join("db"));
            let options = plugin_conf(&["database {dir}/db", "database_roles true"]);
            let ours = outcome(&ours.start(&(listener.to_owned() + &options)));
            let differ: Vec<_> = stock.symmetric_difference(&ours).take(20).collect();
            assert!(
                differ.is_empty(),
                "seed {seed}: {differ:#?}\n{}",
                model.json()
            );
            for text in &ours {
                match text {
                    text if text.starts_with("sent is") => wills += 1,
                    text if text.contains("finds") => kept += 1,
                    text if text.contains("is sent") => live += 1,
                    text => {
                        let denied = text.ends_with(": 135") || text.ends_with("denied true");
                        answers[usize::from(denied)] += 1;
                    }
                }
            }
        }
        // Yes and no are both said often enough for their agreement to mean something.
        let asked = SEEDS as usize * topics().len() * USERS.len();
        let some_of = |count: usize| count > asked / 10 && count < asked * 9 / 10;
        assert!(answers.iter().all(|times| *times > 200), "{answers:?}");
        assert!(
            live > asked && kept > asked && some_of(wills),
            "{live} {kept} {wills} of {asked}"
        );
    });
}
