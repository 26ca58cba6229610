//! Where doorman answers otherwise than the stock dynamic-security plugin on purpose, each beside what both
//! answer alike: docs/access.md names them all.

use serde_json::{Value, json};

use super::accounts::client_of_dynsec;
use super::control_compared::{ours, stock};
use super::roles::may_publish;
use crate::support::{Broker, Connect, Protocol, for_each_broker};

/// Who asks what, and what is answered: by dynamic-security of 2.0, by that of 2.1, and by doorman on each
/// broker.
const DIFFERENCES: [(&str, &str, [bool; 3]); 12] = [
    // To 2.0 names in rules are text.
    ("ann", "publish user/ann", [false, true, true]),
    ("ann", "publish user/%u", [true, false, false]),
    ("ann", "publish id/client-ann", [false, true, true]),
    ("ann", "publish id/%c", [true, false, false]),
    ("ann", "publish user/bob", [false, false, false]),
    // Nor has it `allowwildcardsubs`.
    ("bob", "subscribe narrow/#", [true, false, false]),
    ("bob", "subscribe narrow/a", [true, true, true]),
    // A shared subscription is text to both.
    ("eve", "subscribe $share/group/part/a", [false, false, true]),
    (
        "eve",
        "subscribe $share/group/other/a",
        [false, false, false],
    ),
    // On 2.0 `#` covers what begins with `$`.
    ("zoe", "subscribe $x/a", [true, false, false]),
    ("zoe", "subscribe x/a", [true, true, true]),
    ("zoe", "publish x/a", [false, false, false]),
];

/// Who holds a role of its own name, and the rules of it.
const RULES: [(&str, &str, &str); 5] = [
    ("ann", "publishClientSend", "user/%u"),
    ("ann", "publishClientSend", "id/%c"),
    ("bob", "subscribePattern", "narrow/#"),
    ("eve", "subscribePattern", "part/#"),
    ("zoe", "subscribePattern", "#"),
];

fn beginning() -> String {
    let names = ["ann", "bob", "eve", "zoe"];
    let client = |name: &str| {
        let mut client = client_of_dynsec(name, "pw");
        client["roles"] = json!([{"rolename": name}]);
        client
    };
    let role = |name: &str| {
        let own = RULES.iter().filter(|(holder, ..)| *holder == name);
        let acl = |(_, acl_type, topic): &(&str, &str, &str)| json!({"acltype": acl_type, "topic": topic, "allow": true});
        json!({
            "rolename": name, "allowwildcardsubs": name != "bob", "acls": own.map(acl).collect::<Value>(),
        })
    };
    json!({
        "clients": names.iter().map(|name| client(name)).collect::<Value>(),
        "roles": names.iter().map(|name| role(name)).collect::<Value>(),
    })
    .to_string()
}

#[test]
fn where_doorman_differs_from_dynamic_security() {
    for_each_broker(|startup| {
        let tree = startup.tree();
        let file = beginning();
        let theirs = usize::from(tree.is_2_1());
        for (broker, column) in [
            (stock(Broker::of(tree), &file), theirs),
            (ours(Broker::of(tree), &file), 2),
        ] {
            for (name, question, answers) in DIFFERENCES {
                let login = Connect::new(Protocol::V5).client_id(format!("client-{name}"));
                let mut client = login.credentials(name, "pw").accepted(broker.port());
                let is_allowed = match question.split_once(' ').unwrap() {
                    ("publish", topic) => may_publish(&mut client, topic),
                    (_, filter) => client.subscribe(filter, 0) == 0,
                };
                assert_eq!(is_allowed, answers[column], "{name} {question}, {column}");
            }
        }
    });
}
