//! The same orders to the stock dynamic-security plugin and to doorman: every answer must be the same, and
//! the same connections must end.
//!
//! Orders are generated from fixed seeds over few names, so that most of them meet something that is
//! there, and some have a field that is missing, empty or of the wrong kind. Both begin with the same
//! file, which doorman imports. A broker of 2.0 is compared in what 2.0 knows: `allowwildcardsubs`,
//! `connections` and `getDetails` are left out.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::access_compared::Dice;
use super::accounts::client_of_dynsec;
use crate::support::{
    Answer, Broker, Client, Connect, Event, PATIENCE, Protocol, Startup, doorman, for_each_broker,
    plugin_conf, program,
};

const SEEDS: u64 = 4;
/// No more: the original keeps what points to deleted clients and roles, and shows rubbish after a while.
const MESSAGES: usize = 60;
/// 2.0 does half of some orders that it refuses as well.
const MESSAGES_OF_2_0: usize = 24;
pub const TOPIC: &str = "$CONTROL/dynamic-security/v1";
pub const RESPONSE: &str = "$CONTROL/dynamic-security/v1/response";
pub const USERS: [&str; 4] = ["ann", "bob", "eve", "zoe"];
const GROUPS: [&str; 3] = ["g1", "g2", "g3"];
const ROLES: [&str; 4] = ["r1", "r2", "r3", "admin"];
const TYPES: [&str; 7] = [
    "publishClientSend",
    "publishClientReceive",
    "subscribeLiteral",
    "subscribePattern",
    "unsubscribeLiteral",
    "unsubscribePattern",
    "publishclientsend",
];

/// A file with the three parts of a password that every version reads, and an admin.
pub fn beginning() -> String {
    let client = |name: &str, roles: Value| {
        let mut client = client_of_dynsec(name, "pw");
        client["roles"] = roles;
        client
    };
    let acl =
        |acltype: &str, topic: &str| json!({"acltype": acltype, "topic": topic, "allow": true});
    json!({
        "defaultACLAccess": {
            "publishClientSend": false, "publishClientReceive": true,
            "subscribe": false, "unsubscribe": true,
        },
        "clients": [
            client("admin", json!([{"rolename": "admin"}])),
            client("ann", json!([])),
            client("bob", json!([{"rolename": "r1"}])),
            client("sentinel", json!([])),
        ],
        "groups": [{"groupname": "g1", "roles": [], "clients": []}],
        "roles": [
            {
                "rolename": "admin",
                "acls": [
                    acl("publishClientSend", "$CONTROL/dynamic-security/#"),
                    acl("publishClientReceive", "$CONTROL/dynamic-security/#"),
                    acl("subscribePattern", "$CONTROL/dynamic-security/#"),
                ],
            },
            {"rolename": "r1", "acls": [acl("publishClientSend", "a/b")]},
        ],
    })
    .to_string()
}

/// The stock plugin with a file.
pub fn stock(startup: Startup, file: &str) -> Broker {
    let plugin = startup.tree().plugin("mosquitto_dynamic_security.so");
    let lines = format!(
        "plugin {}\nplugin_opt_config_file {{dir}}/dynsec.json\n",
        plugin.display()
    );
    startup
        .file("dynsec.json", file)
        .start(&(LISTENER.to_owned() + &lines))
}

/// Doorman with the same.
pub fn ours(startup: Startup, file: &str) -> Broker {
    let startup = startup.file("dynsec.json", file);
    import(startup.dir());
    let options = plugin_conf(&[
        "database {dir}/db",
        "database_roles true",
        "control_iterations 10",
    ]);
    startup.start(&(LISTENER.to_owned() + &options))
}

/// Takes `dynsec.json` over into a new database `db`.
pub fn import(dir: &Path) {
    let mut init = doorman();
    program::finish(init.arg("init").arg("--database").arg(dir.join("db"))).succeeded();
    let mut import = doorman();
    import.args(["import", "--format", "dynsec", "--database"]);
    program::finish(import.arg(dir.join("db")).arg(dir.join("dynsec.json"))).succeeded();
}

const LISTENER: &str = "listener {port} 127.0.0.1\nallow_anonymous true\n\
                        log_type error\nlog_type warning\nlog_type information\nlog_type notice\n";

/// Somebody who gives orders.
pub struct Admin(pub Client);

impl Admin {
    pub fn at(broker: &Broker) -> Self {
        Self::with(broker, "pw")
    }

    pub fn with(broker: &Broker, password: &str) -> Self {
        let connect = Connect::new(Protocol::V311).client_id("admin");
        let connect = connect.credentials("admin", password);
        let mut client = connect.accepted(broker.port());
        assert_eq!(client.subscribe(RESPONSE, 0), 0);
        Self(client)
    }

    /// What is answered to one order.
    pub fn order(&mut self, order: Value) -> Value {
        let mut answer = self.ask(&json!({ "commands": [order] }).to_string());
        answer["responses"][0].take()
    }

    /// What is answered to a message.
    pub fn ask(&mut self, payload: &str) -> Value {
        self.0.publish(TOPIC, payload);
        match self.0.receive(PATIENCE) {
            Event::Publish { topic, payload } => {
                assert_eq!(topic, RESPONSE);
                serde_json::from_slice(&payload).unwrap()
            }
            other => panic!("instead of an answer to {payload}: {other:?}"),
        }
    }
}

/// A broker, somebody who gives it orders, and those who may lose their connection.
pub struct Side {
    broker: Broker,
    admin: Admin,
    watched: Vec<(Option<&'static str>, Option<Client>)>,
}

impl Side {
    pub fn of(broker: Broker) -> Self {
        let admin = Admin::at(&broker);
        let names = USERS.iter().map(|name| Some(*name)).chain([None]);
        Self {
            broker,
            admin,
            watched: names.map(|name| (name, None)).collect(),
        }
    }

    /// Everybody who can comes back: who did.
    pub fn gather(&mut self) -> Vec<Answer> {
        let port = self.broker.port();
        let come = |(name, client): &mut (Option<&'static str>, Option<Client>)| {
            if client.is_some() {
                return Answer::Accepted;
            }
            let connect = Connect::new(Protocol::V311).client_id(name.unwrap_or("nobody"));
            let connect = match *name {
                Some(name) => connect.credentials(name, "pw"),
                None => connect,
            };
            let (new, answer) = connect.open(port);
            *client = (answer == Answer::Accepted).then_some(new);
            answer
        };
        self.watched.iter_mut().map(come).collect()
    }

    /// The answer to a message, and whose connections ended. Behind its orders comes one that ends the
    /// sentinel: once that has happened, the others have ended.
    pub fn ask(&mut self, message: &Value) -> (Value, BTreeSet<&'static str>) {
        let connect = Connect::new(Protocol::V311).client_id("sentinel");
        let connect = connect.credentials("sentinel", "pw");
        let mut sentinel = connect.accepted(self.broker.port());
        let mut message = message.clone();
        let last = json!({"command": "setClientId", "username": "sentinel"});
        message["commands"].as_array_mut().unwrap().push(last);
        let answer = self.admin.ask(&message.to_string());
        assert!(sentinel.is_closed_within(PATIENCE));
        let mut ended = BTreeSet::new();
        for (name, client) in &mut self.watched {
            if client.as_mut().is_some_and(|client| !client.is_connected()) {
                *client = None;
                ended.insert(name.unwrap_or("(anonymous)"));
            }
        }
        (answer, ended)
    }
}

type Order = Map<String, Value>;

const NAMES: [&str; 32] = [
    "setDefaultACLAccess",
    "getDefaultACLAccess",
    "createClient",
    "deleteClient",
    "getClient",
    "listClients",
    "modifyClient",
    "setClientPassword",
    "setClientId",
    "addClientRole",
    "removeClientRole",
    "enableClient",
    "disableClient",
    "createGroup",
    "deleteGroup",
    "getGroup",
    "listGroups",
    "modifyGroup",
    "addGroupClient",
    "removeGroupClient",
    "addGroupRole",
    "removeGroupRole",
    "setAnonymousGroup",
    "getAnonymousGroup",
    "createRole",
    "getRole",
    "listRoles",
    "modifyRole",
    "deleteRole",
    "addRoleACL",
    "removeRoleACL",
    "noSuchThing",
];

/// Makes up orders.
struct Orders {
    dice: Dice,
    since_2_1: bool,
}

impl Orders {
    fn name(&mut self, names: &[&'static str]) -> Value {
        match self.dice.below(24) {
            0 => json!("nobody"),
            1 => json!(7),
            2 => Value::Null,
            _ => json!(self.dice.one_of(names)),
        }
    }

    fn text(&mut self) -> Value {
        match self.dice.below(8) {
            0 => json!(false),
            1 => json!(""),
            _ => json!(self.dice.one_of(&["one", "two", "drei"])),
        }
    }

    fn priority(&mut self) -> Value {
        json!(self.dice.below(4) as i64 - 1)
    }

    fn list(&mut self, key: &str, names: &[&'static str]) -> Value {
        if self.dice.below(12) == 0 {
            return json!("none");
        }
        let mut seen = BTreeSet::new();
        let mut list = Vec::new();
        for _ in 0..self.dice.below(4) {
            let name = match self.dice.below(14) {
                0 => "nobody",
                _ => self.dice.one_of(names),
            };
            if seen.insert(name) {
                let mut entry = Map::new();
                entry.insert(key.to_owned(), json!(name));
                if self.dice.below(2) == 0 {
                    entry.insert("priority".to_owned(), self.priority());
                }
                list.push(Value::Object(entry));
            }
        }
        json!(list)
    }

    fn acl(&mut self, bad: &[&'static str]) -> Order {
        let mut topics = vec!["a", "a/b", "a/#", "+", "+/b", "b/+/c", "$x/y"];
        topics.extend(bad);
        let mut acl = Map::new();
        let acl_type = match self.dice.below(16) {
            0 => "subscribe",
            _ => self.dice.one_of(&TYPES),
        };
        acl.insert("acltype".to_owned(), json!(acl_type));
        acl.insert("topic".to_owned(), json!(self.dice.one_of(&topics)));
        for (field, chance) in [("priority", 2), ("allow", 3)] {
            if self.dice.below(4) < chance {
                let value = match field {
                    "allow" => json!(self.dice.below(3) > 0),
                    _ => self.priority(),
                };
                acl.insert(field.to_owned(), value);
            }
        }
        acl
    }

    /// Rules that no version takes for others: no two of one type and topic, and no topic that is none.
    fn acls(&mut self) -> Vec<Order> {
        let mut seen = BTreeSet::new();
        let acls = (0..self.dice.below(5)).filter_map(|_| {
            let acl = self.acl(&[]);
            let key = format!("{} {}", acl["acltype"], acl["topic"]).to_lowercase();
            seen.insert(key).then_some(acl)
        });
        acls.collect()
    }

    fn chance(&mut self, of: usize) -> bool {
        self.dice.below(of) == 0
    }

    /// One order. Whoever gives them goes on giving them: nothing is done to its role.
    fn order(&mut self) -> Order {
        let name = match NAMES[self.dice.below(NAMES.len())] {
            // 2.0 deletes that of clients without a username too.
            "deleteGroup" if !self.since_2_1 => "listGroups",
            name => name,
        };
        let mut order = Order::new();
        order.insert("command".to_owned(), json!(name));
        if self.chance(4) {
            let text = format!("c{}", self.dice.below(100));
            order.insert("correlationData".to_owned(), json!(text));
        }
        self.objects(name, &mut order);
        if name.starts_with("create") || name.starts_with("modify") {
            for field in ["textname", "textdescription"] {
                if self.chance(4) {
                    order.insert(field.to_owned(), self.text());
                }
            }
        }
        match name {
            "createClient" | "modifyClient" => self.client(&mut order),
            "setClientPassword" | "setClientId" => self.credential(name, &mut order),
            "addClientRole" | "addGroupClient" | "addGroupRole" if self.chance(2) => {
                order.insert("priority".to_owned(), self.priority());
            }
            "createGroup" | "modifyGroup" => self.group(name, &mut order),
            "createRole" | "modifyRole" => self.role(&mut order),
            "addRoleACL" | "removeRoleACL" => order.extend(self.acl(&["a#", "bad/+x"])),
            "setDefaultACLAccess" => self.defaults(&mut order),
            "listClients" | "listGroups" | "listRoles" => self.page(&mut order),
            _ => {}
        }
        order
    }

    /// The names of what it is about.
    fn objects(&mut self, name: &str, order: &mut Order) {
        let about = [
            ("username", name.contains("Client"), &USERS[..]),
            ("groupname", name.contains("Group"), &GROUPS),
            ("rolename", name.contains("Role"), &ROLES[..3]),
        ];
        for (field, is_about, names) in about {
            let value = self.name(names);
            if is_about && value != Value::Null {
                order.insert(field.to_owned(), value);
            }
        }
    }

    fn client(&mut self, order: &mut Order) {
        order.insert("password".to_owned(), json!("pw"));
        if self.chance(6) {
            let id = self.dice.one_of(&["ann", "other", ""]);
            order.insert("clientid".to_owned(), json!(id));
        }
        if self.chance(2) {
            order.insert("roles".to_owned(), self.list("rolename", &ROLES[..3]));
        }
        if self.chance(2) {
            order.insert("groups".to_owned(), self.list("groupname", &GROUPS));
        }
    }

    fn credential(&mut self, name: &str, order: &mut Order) {
        if name == "setClientPassword" {
            let password = match self.dice.below(8) {
                0 => json!(""),
                1 => json!(3),
                _ => json!("pw"),
            };
            order.insert("password".to_owned(), password);
        } else if !self.chance(3) {
            let id = self.dice.one_of(&["ann", "bob", "", "other"]);
            order.insert("clientid".to_owned(), json!(id));
        }
    }

    fn group(&mut self, name: &str, order: &mut Order) {
        if self.chance(2) {
            order.insert("roles".to_owned(), self.list("rolename", &ROLES[..3]));
        }
        if name == "modifyGroup" && self.chance(2) {
            order.insert("clients".to_owned(), self.list("username", &USERS));
        }
    }

    fn role(&mut self, order: &mut Order) {
        if !self.chance(3) {
            order.insert("acls".to_owned(), json!(self.acls()));
        }
        if self.since_2_1 && self.chance(3) {
            order.insert("allowwildcardsubs".to_owned(), json!(self.chance(2)));
        }
    }

    fn defaults(&mut self, order: &mut Order) {
        let kinds = [
            "publishClientReceive",
            "unsubscribe",
            "subscribe",
            "nothing",
        ];
        let acls = (0..self.dice.below(3)).map(|_| {
            let acl_type = self.dice.one_of(&kinds);
            json!({ "acltype": acl_type, "allow": self.dice.below(2) == 0 })
        });
        order.insert("acls".to_owned(), acls.collect());
    }

    fn page(&mut self, order: &mut Order) {
        order.insert("verbose".to_owned(), json!(self.chance(2)));
        if self.chance(2) {
            let count = self.dice.below(5) as i64 - 1;
            order.insert("count".to_owned(), json!(count));
            order.insert("offset".to_owned(), json!(self.dice.below(4)));
        }
    }

    fn message(&mut self) -> Value {
        let orders: Vec<Order> = (0..=self.dice.below(3)).map(|_| self.order()).collect();
        json!({ "commands": orders })
    }
}

/// What 2.0 does not know is taken out of what is compared.
fn without_2_1(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for field in ["allowwildcardsubs", "connections"] {
                fields.remove(field);
            }
            fields.values_mut().for_each(without_2_1);
        }
        Value::Array(items) => items.iter_mut().for_each(without_2_1),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn orders_are_answered_as_dynamic_security_answers_them_and_end_the_same_connections() {
    for_each_broker(|startup| {
        if startup.tree().version() == "2.0.11" {
            // It takes groups that are not there, and rules twice. Whose connections it ends: `control_ends`.
            return;
        }
        let since_2_1 = startup.tree().is_2_1();
        let file = beginning();
        let (mut errors, mut ends, mut fine) = (BTreeSet::new(), 0, 0);
        for seed in 1..=SEEDS {
            let mut stock = Side::of(stock(Broker::of(startup.tree()), &file));
            let mut ours = Side::of(ours(Broker::of(startup.tree()), &file));
            let mut orders = Orders {
                dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
                since_2_1,
            };
            for number in 0..if since_2_1 { MESSAGES } else { MESSAGES_OF_2_0 } {
                let came = (stock.gather(), ours.gather());
                assert_eq!(came.0, came.1, "before {number} of seed {seed}");
                let message = orders.message();
                let (mut theirs, their_ends) = stock.ask(&message);
                let (mut mine, my_ends) = ours.ask(&message);
                if !since_2_1 {
                    without_2_1(&mut theirs);
                    without_2_1(&mut mine);
                }
                let what = format!("seed {seed}, message {number}: {message}");
                assert!(mine == theirs, "{what}\nours   {mine}\ntheirs {theirs}");
                let refused = mine.to_string().contains("\"error\":");
                let modified = message.to_string().contains("modifyRole");
                // 2.0 does half of some orders that it refuses, and ends nobody for a role that was modified.
                if since_2_1 || !refused && !modified {
                    assert_eq!(my_ends, their_ends, "{what}\n{mine}");
                }
                ends += my_ends.len();
                for answer in mine["responses"].as_array().unwrap() {
                    match answer.get("error") {
                        Some(error) => drop(errors.insert(error.to_string())),
                        None => fine += 1,
                    }
                }
            }
        }
        // Their agreement means something: enough was done, refused and ended.
        assert!(
            fine > 60 && errors.len() > 9 && ends > 9,
            "{fine} {ends} {errors:#?}"
        );
    });
}

#[test]
fn what_is_no_order_is_answered_as_dynamic_security_answers_it() {
    for_each_broker(|startup| {
        let file = beginning();
        let stock = stock(Broker::of(startup.tree()), &file);
        let ours = ours(Broker::of(startup.tree()), &file);
        let (mut theirs, mut mine) = (Admin::at(&stock), Admin::at(&ours));
        for message in [
            "",
            "{",
            "[]",
            "7",
            "{}",
            r#"{"commands": 1}"#,
            r#"{"commands": []}"#,
            r#"{"commands": []} and more"#,
            r#"{"commands": [1]}"#,
            r#"{"commands": [{}]}"#,
            r#"{"commands": [{"command": 3}]}"#,
            r#"{"commands": [{"command": "listRoles", "correlationData": 3}]}"#,
            r#"{"commands": [{"command": "LISTroles", "correlationData": "x"}]}"#,
            r#"{"commands": [{"command": ""}]}"#,
            r#"{"Commands": []}"#,
            r#"{"commands": [{"Command": "listRoles"}]}"#,
            r#"{"commands": [{"command": "listRoles", "CorrelationData": "x"}]}"#,
            r#"{"commands": [{"command": "getRole", "roleName": "r1"}]}"#,
            r#"{"commands": [{"command": "listRoles", "Verbose": true}]}"#,
            r#"{"commands": [{"command": "getRole", "rolename": "r1", "rolename": "admin"}]}"#,
            r#"{"commands": [{"command": "createClient", "username": ""}]}"#,
            r#"{"commands": [{"command": "createGroup", "groupname": ""}]}"#,
            r#"{"commands": [{"command": "createRole", "rolename": ""}]}"#,
        ] {
            let (mut theirs, mut mine) = (theirs.ask(message), mine.ask(message));
            if !startup.tree().is_2_1() {
                without_2_1(&mut theirs);
                without_2_1(&mut mine);
            }
            if message.contains("\"\"}]") && !startup.tree().is_2_1() {
                // 2.0 makes things without a name.
                continue;
            }
            assert_eq!(mine, theirs, "{message}");
        }
        assert!(!mine.0.is_closed_within(Duration::ZERO));
    });
}
