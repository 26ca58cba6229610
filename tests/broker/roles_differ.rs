//! Where doorman answers otherwise than the stock dynamic-security plugin on purpose, each beside what both
//! answer alike: docs/access.md names them all.

use serde_json::{Value, json};

use super::accounts::client_of_dynsec;
use super::control_compared::{import, ours, stock};
use super::roles::{may_publish, v5};
use crate::support::{Broker, Connect, Protocol, Tree, for_each_broker, plugin_conf};

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

/// ann may publish to `by/role`; what no rule speaks of is denied.
fn one_role() -> Value {
    let mut ann = client_of_dynsec("ann", "pw");
    ann["roles"] = json!([{"rolename": "role"}]);
    let acl = json!({"acltype": "publishClientSend", "topic": "by/role", "allow": true});
    json!({"clients": [ann], "roles": [{"rolename": "role", "acls": [acl]}]})
}

const LISTENER: &str = "listener {port} 127.0.0.1\n";

fn dynamic_security(tree: &Tree, file: &str) -> String {
    let plugin = tree.plugin("mosquitto_dynamic_security.so");
    let plugin = plugin.display();
    format!("plugin {plugin}\nplugin_opt_config_file {{dir}}/{file}\n")
}

/// Its own orders are left to others: both plugins would take them.
fn doorman() -> String {
    plugin_conf(&["database {dir}/db", "database_roles true", "control off"])
}

/// The original leaves what a default denies to whoever is asked next, here the broker's own `acl_file`; doorman
/// leaves that whom it does not know.
#[test]
fn a_default_that_denies_is_the_last_word_about_accounts_and_about_nobody_else() {
    for_each_broker(|startup| {
        let tree = startup.tree();
        for (is_ours, plugin) in [
            (false, dynamic_security(tree, "dynsec.json")),
            (true, doorman()),
        ] {
            let behind = "password_file {dir}/users\nacl_file {dir}/acl\n";
            let rules = "user ann\ntopic write by/file\nuser stranger\ntopic write by/file\n";
            let broker = Broker::of(tree)
                .file("dynsec.json", one_role().to_string())
                .file("acl", rules)
                .password_file("users", &[("stranger", "pw")]);
            if is_ours {
                import(broker.dir());
            }
            let broker = broker.start(&(LISTENER.to_owned() + &plugin + behind));
            let [mut ann, mut stranger] = ["ann", "stranger"].map(|name| v5(&broker, name));
            for (topic, of_ann, of_stranger) in [
                ("by/role", true, false),
                ("by/file", !is_ours, true),
                ("by/nobody", false, false),
            ] {
                assert_eq!(may_publish(&mut ann, topic), of_ann, "{is_ours} {topic}");
                assert_eq!(
                    may_publish(&mut stranger, topic),
                    of_stranger,
                    "{is_ours} {topic}"
                );
            }
            // An `acl_file` grants all subscriptions.
            let refused = if is_ours { 0x87 } else { 0 };
            assert_eq!(ann.subscribe("by/file", 0), refused, "{is_ours}");
            assert_eq!(stranger.subscribe("by/file", 0), 0, "{is_ours}");
        }
    });
}

/// Another plugin's line instead, by which everybody may do everything.
#[test]
fn a_plugin_behind_is_asked_about_those_whom_nobody_here_knows() {
    for_each_broker(|startup| {
        let tree = startup.tree();
        let clients = ["ann", "stranger"].map(|name| client_of_dynsec(name, "pw"));
        let kinds = [
            "publishClientSend",
            "publishClientReceive",
            "subscribe",
            "unsubscribe",
        ];
        let all: Value = kinds.map(|kind| (kind, true)).into_iter().collect();
        let generous = json!({"clients": clients, "defaultACLAccess": all}).to_string();
        let behind = dynamic_security(tree, "generous.json");
        for (is_ours, plugin) in [(false, String::new()), (true, doorman())] {
            let broker = Broker::of(tree)
                .file("dynsec.json", one_role().to_string())
                .file("generous.json", &generous);
            import(broker.dir());
            let broker = broker.start(&(LISTENER.to_owned() + &plugin + &behind));
            let [mut ann, mut stranger] = ["ann", "stranger"].map(|name| v5(&broker, name));
            for (topic, of_ann) in [("by/role", true), ("elsewhere", !is_ours)] {
                assert_eq!(may_publish(&mut ann, topic), of_ann, "{is_ours} {topic}");
                assert!(may_publish(&mut stranger, topic), "{is_ours} {topic}");
            }
        }
    });
}
